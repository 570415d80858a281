"""A provider that behaves like the real one, faults included: for tests, and for a demo without any account.

``trunkline fake`` runs one by itself. A request to one of its :meth:`Simulator.routes` first meets the faults that were
ordered with :meth:`Simulator.will`; what is below ``/_control`` steers the simulator and meets none:

===========================  =========================================================================================
``GET  /_control/requests``  all requests so far, each as a readable line
``GET  /_control/shown``     all messages that customers got
``POST /_control/fault``     a fault for the next send: ``{"status": 429, "retry_after": 7}``, ``{"hang": true}``,
                             ``{"cut": true}``; ``"after": true``: do what was asked, then lose the answer;
                             ``"on": "GET /x"``: for the next request like that instead; ``"times": 3``: for three
``POST /_control/say``       a customer writes: ``{"text": "Hello", "from": "42", "name": "Ola"}``, all but the text
                             with a default; see :meth:`Simulator.say`
===========================  =========================================================================================
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Sequence
from time import time_ns
from typing import Annotated, ClassVar, Self, TypeVar

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from adapters.testing.peer import Shown
from adapters.testing.steps import After, Answer, Cut, Fault, Hang, Pass, Request, Step

CONTROL = "/_control"
MAX_BODY = 64 * 1024 * 1024
LONGEST_SEND = 2_000

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Order = TypeVar("Order")


class Said(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"sender": "from"}):
    """A customer writes. What a field means to a provider stands in its simulator."""

    text: str = ""
    sender: str = ""
    name: str = "Ola"


class FaultOrder(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fault, as ``POST /_control/fault`` and ``trunkline fake --fault`` take it; without anything it is a 500."""

    status: Annotated[int, Meta(ge=200, le=599)] = 500
    retry_after: Annotated[int, Meta(ge=0)] | None = None
    hang: bool = False
    cut: bool = False
    after: bool = False
    on: str | None = None
    times: Annotated[int, Meta(ge=1, le=10_000)] = 1


class Simulator:
    """Derive from it. Use it as an asynchronous context manager (any free port of this machine), or run :attr:`app`.

    ``requests`` are all that came to the provider's routes, in order; ``shown`` is what customers got: a simulator adds
    to it when it has sent something. ``trunkline`` is where Trunkline listens, for a provider that posts to it without
    having been told where. As it stands, without routes of its own, it answers 200 to everything.
    """

    name: ClassVar[str] = "provider"
    """The word behind ``trunkline fake``."""

    sending: ClassVar[str] = r"^POST "
    """A regular expression for the :meth:`line` of the requests that ask to send a message."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.shown: list[Shown] = []
        self.now: Callable[[], int] = lambda: time_ns() // 1_000_000
        self.trunkline = "http://127.0.0.1:8080"
        self.on_request: Callable[[Request, int], None] = lambda _request, _status: None
        self._faults: list[tuple[re.Pattern[str], Fault]] = []
        self._arrived = asyncio.Condition()
        self._ending = asyncio.Event()
        self._frozen = False
        self.app = web.Application(client_max_size=MAX_BODY, middlewares=[self._meet_faults])
        self.app.router.add_routes(self._control())
        self.app.router.add_routes(self.routes())
        self.app.on_shutdown.append(self._let_go)
        self._runner = web.AppRunner(self.app, access_log=None, handler_cancellation=True, shutdown_timeout=1)
        self._url = ""

    # --- what a simulator gives ---

    def routes(self) -> Sequence[web.RouteDef]:
        """Give the provider's routes, and more of ``/_control`` where there is something to steer."""
        return [web.route("*", "/{path:.*}", _welcome)]

    def settings(self, url: str) -> str:
        """Give the YAML of a channel that talks to this simulator at ``url``, as it stands below ``channels:``."""
        raise NotImplementedError(f"{type(self).__name__} has no settings to show")

    async def say(self, said: Said) -> None:
        """Let a customer write, as the provider would tell it. Raises ValueError when that cannot be."""
        raise ValueError(f"{self.name} has no customers who could say {said.text!r}")

    def line(self, found: Request) -> str:
        """Give what :attr:`sending` and ``on`` are looked for in: method, path and query."""
        return f"{found.method} {found.path}"

    def refusal(self, status: int, retry_after: int | None = None) -> Answer:
        """Word an error as this provider does; ``retry_after`` is in seconds."""
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        return Answer(status=status, headers=headers)

    # --- what a test does ---

    def will(self, *faults: Fault, on: str | None = None) -> None:
        """Order faults, one for each request to come whose method and path match ``on`` (as :attr:`sending`).

        Without ``on`` they are for the requests that ask to send a message.
        """
        pattern = re.compile(self.sending if on is None else on)
        self._faults.extend((pattern, fault) for fault in faults)

    @property
    def left(self) -> Sequence[Fault]:
        """The faults that no request has met yet."""
        return [fault for _, fault in self._faults]

    @property
    def sends(self) -> Sequence[str]:
        """The requests that asked to send a message."""
        return [describe(found) for found in self.requests if re.search(self.sending, self.line(found))]

    async def wait_for(self, count: int) -> Sequence[Request]:
        """Wait until there were so many requests."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.requests) >= count)
        return self.requests

    def freeze(self) -> None:
        """From now on read requests and answer nothing."""
        self._frozen = True

    async def go_down(self) -> None:
        """From now on refuse connections."""
        self._ending.set()
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        """Its address while it runs, without a slash at the end."""
        if not self._url:
            raise RuntimeError("the simulator does not run yet: use it as an asynchronous context manager")
        return self._url

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; a port of 0 is any free one. Raises OSError."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        listening: tuple[str, int] = self._runner.addresses[0]
        self._url = f"http://{listening[0]}:{listening[1]}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.go_down()

    # --- faults ---

    @web.middleware
    async def _meet_faults(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith(CONTROL):
            return await handler(request)
        found = await self._note(request)
        fault = Hang() if self._frozen else self._next_fault(found)
        answer = await self._meet(fault, request, handler)
        self.on_request(found, answer.status)
        return answer

    async def _meet(self, fault: Fault, request: web.Request, handler: Handler) -> web.StreamResponse:
        match fault:
            case Pass():
                return await handler(request)
            case After(step=step):
                await handler(request)
                return await self._do(step, request)
            case _:
                return await self._do(fault, request)

    def _next_fault(self, found: Request) -> Fault:
        line = self.line(found)
        for place, (pattern, fault) in enumerate(self._faults):
            if pattern.search(line):
                del self._faults[place]
                return fault
        return Pass()

    async def _note(self, request: web.Request) -> Request:
        found = Request(request.method, request.path_qs, dict(request.headers), await request.read())
        async with self._arrived:
            self.requests.append(found)
            self._arrived.notify_all()
        return found

    async def _do(self, step: Step, request: web.Request) -> web.StreamResponse:
        match step:
            case Answer():
                return web.Response(status=step.status, body=step.body, headers=step.headers)
            case Hang():
                await self._ending.wait()
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=599)

    async def _let_go(self, _app: web.Application) -> None:
        self._ending.set()

    # --- control ---

    def _control(self) -> Sequence[web.RouteDef]:
        return [
            web.get(f"{CONTROL}/requests", self._show_requests),
            web.get(f"{CONTROL}/shown", self._show_shown),
            web.post(f"{CONTROL}/fault", self._order_fault),
            web.post(f"{CONTROL}/say", self._let_say),
        ]

    async def _show_requests(self, _request: web.Request) -> web.Response:
        return web.json_response([describe(found) for found in self.requests])

    async def _show_shown(self, _request: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode(self.shown), content_type="application/json")

    async def _order_fault(self, request: web.Request) -> web.Response:
        order = await _read(request, FaultOrder)
        self.order(order)
        return web.json_response({"ok": True, "waiting": len(self._faults)})

    def order(self, order: FaultOrder) -> None:
        """Order what ``POST /_control/fault`` was given."""
        step: Step = self.refusal(order.status, order.retry_after)
        if order.hang or order.cut:
            step = Hang() if order.hang else Cut()
        self.will(*[After(step) if order.after else step] * order.times, on=order.on)

    async def _let_say(self, request: web.Request) -> web.Response:
        try:
            await self.say(await _read(request, Said))
        except ValueError as exc:
            raise _bad_request(str(exc)) from exc
        return web.json_response({"ok": True})


def describe(request: Request) -> str:
    """Put a request into one readable line: method, path, and the beginning of its body."""
    body = request.body[:LONGEST_SEND].decode("utf-8", "backslashreplace")
    return f"{request.method} {request.path} {body}".rstrip()


async def _welcome(_request: web.Request) -> web.StreamResponse:
    return web.Response()


async def _read(request: web.Request, order: type[Order]) -> Order:
    try:
        return msgspec.json.decode(await request.read() or b"{}", type=order)
    except (msgspec.MsgspecError, UnicodeError) as exc:
        raise _bad_request(str(exc)) from exc


def _bad_request(message: str) -> web.HTTPBadRequest:
    return web.HTTPBadRequest(text=json.dumps({"error": message}), content_type="application/json")
