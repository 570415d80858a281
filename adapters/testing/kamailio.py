"""A pretended Kamailio with deploy/kamailio/trunkline.cfg in it: its events over evapi, its wishes over HTTP.

It answers as that file does, and a test holds the two against each other. It is stricter: a wish with a word that the
file does not read is refused. Only its patience is endless: a call that nobody takes waits.
"""

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import ClassVar

import msgspec
from aiohttp import web

from adapters.testing.ari_parts import Answering
from adapters.testing.kamailio_parts import ANSWERED, LIST, LONGEST_CALL, REFUSED_WITH, Order, Outsider, PretendedCall
from adapters.testing.simulator import Handler, Said, Simulator
from adapters.testing.steps import Request

TOKEN = "a-made-up-token"  # noqa: S105 - it guards nothing
OUR_NUMBER = "48221234567"


class KamailioSimulator(Simulator):
    """A Kamailio whose phones do what :attr:`phones` says by SIP address; the default is to ring."""

    name: ClassVar[str] = "kamailio"
    sending: ClassVar[str] = r'"do":"(ring|dial|end)"'

    def __init__(self) -> None:
        self.phones: dict[str, Answering] = {}
        self.calls: dict[str, PretendedCall] = {}
        self.events = ""
        """Where evapi listens, once it does."""

        self.greets = True
        """Whether a reader is told that it is counted: a real one is some time after it has connected."""

        self._readers: dict[asyncio.StreamWriter, asyncio.Event] = {}
        self._numbers = itertools.count(1)
        self._connected = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._does: Mapping[str, Handler] = {
            "hello": self._hello,
            "list": self._list,
            "dial": self._dial,
            "taken": self._taken,
            "ring": self._ring,
            "end": self._end,
        }
        super().__init__()

    def routes(self) -> Sequence[web.RouteDef]:
        """Take wishes."""
        return [web.post("/trunkline", self._wish)]

    def line(self, found: Request) -> str:
        """Tell wishes apart by what they want."""
        return f"{super().line(found)} {found.body.decode('utf-8', 'replace')}"

    def settings(self, url: str) -> str:
        """Give the YAML of a phone channel that talks to it."""
        return (
            f"phone:  # a pretended Kamailio at {url}\n  type: sip\n  source: kamailio\n  address: {self.events}\n"
            f"  control: {url.removeprefix('http://')}\n  password: {TOKEN}\n  country: PL\n"
            '  dial: "sip:{number}@127.0.0.1:5060"\n'
        )

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen for readers as well. Raises OSError."""
        self._server = await asyncio.start_server(self._serve, host, 0)
        self.events = "{}:{}".format(*self._server.sockets[0].getsockname()[:2])
        await super().start(host, port)

    async def go_down(self) -> None:
        """From now on refuse connections."""
        if self._server is not None:
            self._server.close()
            await self.cut()
        await super().go_down()

    async def say(self, said: Said) -> None:
        """Let a customer call: ``from`` is the number, ``text`` the number that is called. Raises ValueError."""
        await self.call(said.sender or "+48600100200", name=said.name, called=said.text or OUR_NUMBER)

    # --- what people do ---

    async def call(self, number: str, *, name: str = "", called: str = OUR_NUMBER) -> str:
        """Let a customer call. Raises ValueError: nobody reads, so that the call goes on without Trunkline."""
        if not self._readers:
            raise ValueError("nobody reads the events: the call goes on without Trunkline")
        number = number if number.startswith("sip:") else f"sip:{number}@trunk.example"
        found = PretendedCall(id=f"call-{next(self._numbers)}@trunk.example", customer=number, name=name, called=called)
        return await self._begin(found)

    async def _begin(self, call: PretendedCall) -> str:
        call.started, call.init_ts = self._clock(), self.now() // 1_000
        self.calls[call.id] = call
        await self._tell(call, "initiated")
        return call.id

    async def answer(self, call: str) -> None:
        """Let whoever is called answer."""
        found = self.calls[call]
        found.state, found.start_ts = "answered", self.now() // 1_000
        await self._tell(found, "answered", 200)

    async def hang_up(self, call: str, sip: int = 487) -> None:
        """Let the call end: as it was answered, or before, with a status code."""
        found = self.calls.pop(call)
        talked = found.state == "answered"
        await self._tell(found, "ended" if talked else "failed", 0 if talked else sip)

    # --- evapi ---

    async def feed(self, payload: bytes) -> None:
        """Send an event as it is, or nonsense; a call that begins with it is in the list of those that live."""
        self._register(payload)
        await self.write(b"%d:%s," % (len(payload), payload))

    async def write(self, raw: bytes) -> None:
        """Send bytes without a frame."""
        for writer in list(self._readers):
            writer.write(raw)
            with suppress(ConnectionError):
                await writer.drain()

    async def cut(self, half: bytes = b"") -> None:
        """Cut the connections, in the midst of an event if one is given."""
        if half:
            self._register(half)
            await self.write(b"%d:%s" % (len(half), half[: len(half) // 2]))
        for ended in self._readers.values():
            ended.set()

    async def read_by(self, number: int = 1) -> None:
        """Wait until so many read the events."""
        async with self._connected:
            await self._connected.wait_for(lambda: len(self._readers) >= number)

    async def _serve(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended = asyncio.Event()
        async with self._connected:
            self._readers[writer] = ended
            self._connected.notify_all()
        try:
            await ended.wait()
        finally:
            del self._readers[writer]
            writer.close()

    def _register(self, payload: bytes) -> None:
        with suppress(msgspec.MsgspecError, UnicodeError, RecursionError):
            outsider = msgspec.json.decode(payload, type=Outsider)
            if outsider.event == "initiated" and 0 < len(outsider.call) <= LONGEST_CALL:
                self.calls.setdefault(outsider.call, PretendedCall.of(outsider, self.now()))

    async def _tell(self, call: PretendedCall, event: str, sip: int = 0) -> None:
        await self.feed(msgspec.json.encode(call.told(event, sip, at=self._clock())))

    def _clock(self) -> str:
        return f"{self.now() // 1_000}.{self.now() % 1_000:03d}000"

    # --- wishes ---

    async def _wish(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return _no(403, "token")
        try:
            order = msgspec.json.decode(await request.read(), type=Order)
        except (msgspec.MsgspecError, UnicodeError):
            return _no(400, "json")
        does = self._does.get(order.do)
        return await does(request) if does is not None else _no(400, "do")

    async def _hello(self, request: web.Request) -> web.Response:
        order = await _order(request)
        if order.wish and self.greets:
            await self.feed(b'{"event": "greeted", "wish": "%s"}' % order.wish.encode())
        return web.json_response({"at": self._clock()})

    async def _list(self, request: web.Request) -> web.Response:
        if await request.read() != LIST:
            return _no(400, "list")
        found = [call.shown() for call in self.calls.values()]
        return web.json_response({"jsonrpc": "2.0", "result": found, "id": 1})

    async def _dial(self, request: web.Request) -> web.Response:
        order = await _order(request)
        if not (order.to.startswith("sip:") and order.customer.startswith("sip:")):
            return _no(410, "call")
        if self.phones.get(order.to) == "answer":
            await self._refer(order)
        return _yes()

    async def _refer(self, order: Order) -> None:
        """The operator's phone has answered, and calls the customer itself."""
        called = order.customer.removeprefix("sip:").partition("@")[0]
        call = f"dial-{next(self._numbers)}@phone.example"
        await self._begin(PretendedCall(id=call, direction="out", customer=order.to, called=called, to=order.to))

    async def _taken(self, request: web.Request) -> web.Response:
        call = await self._called(request)
        if call is None or call.state != "asked":
            return _no(410, "call")
        call.state = "waiting"
        return _yes()

    async def _ring(self, request: web.Request) -> web.Response:
        order, call = await _order(request), await self._called(request)
        if call is not None and order.wish == call.next:
            return _yes()
        if not order.to and (call is None or call.state != "ringing"):
            return _yes()
        if call is None or call.state == ANSWERED:
            return _no(410, "call")
        call.next, call.to = order.wish, order.to
        if order.to:
            call.wish = order.wish
            await self._obey(call, self.phones.get(order.to, "ring"))
        else:
            call.state = "waiting"
        return _yes()

    async def _obey(self, call: PretendedCall, does: Answering) -> None:
        if does in REFUSED_WITH:
            call.state = "waiting"
            await self._tell(call, "refused", REFUSED_WITH[does])
            return
        call.state = "ringing"
        await self._tell(call, "ringing", 180)
        if does == "answer":
            await self.answer(call.id)

    async def _end(self, request: web.Request) -> web.Response:
        call = await self._called(request)
        if call is None:
            return _no(410, "call")
        await self.hang_up(call.id, 480)
        return _yes()

    async def _called(self, request: web.Request) -> PretendedCall | None:
        return self.calls.get((await _order(request)).call)


async def _order(request: web.Request) -> Order:
    return msgspec.json.decode(await request.read(), type=Order)


def _yes() -> web.Response:
    return web.json_response({})


def _no(status: int, why: str) -> web.Response:
    return web.json_response({"why": why}, status=status)
