"""A provider over HTTP that does what a test tells it to: answer, refuse, hang, or cut the connection."""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Self

from aiohttp import web
from aiohttp.test_utils import TestServer
from msgspec import Struct


class Answer(Struct, frozen=True, kw_only=True):
    """An ordinary answer."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = {}


class Hang(Struct, frozen=True):
    """Read the request and never answer."""


class Cut(Struct, frozen=True):
    """Read the request and cut the connection."""


Step = Answer | Hang | Cut


class Request(Struct, frozen=True):
    """A request as it came. ``path`` holds the query as well."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class ScriptedProvider:
    """Use it as an asynchronous context manager. A request without a step left is answered 599, and noted."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.unexpected: list[Request] = []
        self._steps: deque[Step] = deque()
        self._arrived = asyncio.Condition()
        self._ending = asyncio.Event()
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._server = TestServer(app, host="127.0.0.1")

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return str(self._server.make_url("")).rstrip("/")

    @property
    def left(self) -> tuple[Step, ...]:
        """The steps that nobody asked for."""
        return tuple(self._steps)

    def will(self, *steps: Step) -> None:
        """Add steps, one for each request to come."""
        self._steps.extend(steps)

    async def wait_for(self, count: int) -> Iterable[Request]:
        """Wait until there were so many requests."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.requests) >= count)
        return self.requests

    async def __aenter__(self) -> Self:
        await self._server.start_server()
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._ending.set()
        await self._server.close()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        found = Request(request.method, request.path_qs, dict(request.headers), await request.read())
        step = self._steps.popleft() if self._steps else None
        async with self._arrived:
            self.requests.append(found)
            self._arrived.notify_all()
        match step:
            case Answer():
                return web.Response(status=step.status, body=step.body, headers=step.headers)
            case Hang():
                await self._ending.wait()
                return web.Response(status=599)
            case Cut():
                if request.transport is not None:
                    request.transport.abort()
                return web.Response(status=599)
            case None:
                self.unexpected.append(found)
                return web.Response(status=599, text="the test has no answer for this request")
