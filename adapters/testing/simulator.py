"""A provider that behaves like the real one, faults included: for tests, and for a demo without any account.

``trunkline fake`` runs one by itself. A request to one of its :meth:`Simulator.routes` first meets the faults that were
ordered with :meth:`Simulator.will`; what is below ``/_control`` steers the simulator and meets none.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar, Self

from aiohttp import web
from aiohttp.test_utils import TestServer
from msgspec import Struct

from adapters.testing.provider import Answer, Cut, Hang, Request, Step

CONTROL = "/_control"
MAX_BODY = 64 * 1024 * 1024

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class After(Struct, frozen=True):
    """Do what was asked, and then lose the answer: ``step`` is what the client sees instead."""

    step: Step


class Pass(Struct, frozen=True):
    """No fault for this request."""


Fault = Step | After | Pass


class Simulator:
    """Derive from it, and give :meth:`routes`. Use it as an asynchronous context manager, or run :attr:`app`.

    ``requests`` are all that came to the provider's routes, in order.
    """

    name: ClassVar[str]
    """The word behind ``trunkline fake``."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._faults: deque[Fault] = deque()
        self._arrived = asyncio.Condition()
        self._ending = asyncio.Event()
        self.app = web.Application(client_max_size=MAX_BODY, middlewares=[web.middleware(self._meet_faults)])
        self.app.router.add_routes(self.routes())
        self._server: TestServer | None = None

    def routes(self) -> Sequence[web.RouteDef]:
        """Give the provider's routes, and those below ``/_control``."""
        raise NotImplementedError

    def settings(self, url: str) -> str:
        """Give the YAML of a channel that talks to this simulator at ``url``."""
        raise NotImplementedError

    def will(self, *faults: Fault) -> None:
        """Order faults, one for each request to come."""
        self._faults.extend(faults)

    async def wait_for(self, count: int) -> Sequence[Request]:
        """Wait until there were so many requests."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.requests) >= count)
        return self.requests

    @property
    def url(self) -> str:
        """Its address while it runs as a context manager, without a slash at the end."""
        assert self._server is not None, "use it as a context manager"
        return str(self._server.make_url("")).rstrip("/")

    async def __aenter__(self) -> Self:
        self._server = TestServer(self.app, host="127.0.0.1")
        await self._server.start_server()
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._ending.set()
        if self._server is not None:
            await self._server.close()

    async def _meet_faults(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith(CONTROL):
            return await handler(request)
        fault = self._faults.popleft() if self._faults else Pass()
        await self._note(request)
        match fault:
            case Pass():
                return await handler(request)
            case After(step=step):
                await handler(request)
                return await self._do(step, request)
            case _:
                return await self._do(fault, request)

    async def _note(self, request: web.Request) -> None:
        async with self._arrived:
            body = await request.read()
            self.requests.append(Request(request.method, request.path_qs, dict(request.headers), body))
            self._arrived.notify_all()

    async def _do(self, step: Step, request: web.Request) -> web.StreamResponse:
        match step:
            case Answer():
                return web.Response(status=step.status, body=step.body, headers=step.headers)
            case Hang():
                await self._ending.wait()
            case Cut():
                if request.transport is not None:
                    request.transport.abort()
        return web.Response(status=599)
