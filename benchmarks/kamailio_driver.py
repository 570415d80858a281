"""The phone channel with Kamailio's evapi: calls that are begun, ring, are answered and end, four messages each.

Calls last: so many of them live at once, and between two events of a call come those of the others.
"""

import asyncio
import random
import re
import time
from collections.abc import Sequence

import aiohttp
import msgspec
from aiohttp import web

from benchmarks.channel_driver import CHANNEL, MARK, SENDERS, Bare, Driver, mark

HOST = "127.0.0.1"
FIRST_NUMBER = 48600100000
STEPS = ("initiated", "ringing", "answered", "ended")
ANSWERED, ANSWERED_STATE, RINGING_STATE = STEPS.index("answered"), 4, 2
AT_ONCE = 256
LIVE_AT_ONCE = 64
CROWD = [call for call in range(LIVE_AT_ONCE) for _ in STEPS]
random.Random(1).shuffle(CROWD)  # noqa: S311  # no secret
PLACES = [(call, CROWD[:place].count(call)) for place, call in enumerate(CROWD)]
"""Whose event is the next, and which of the four it is: as calls come that know nothing of one another."""
STEP = re.compile(rb'"event":"([a-z]+)"')


class Named(msgspec.Struct):
    """As much as the floor reads."""

    event: str
    call: str


class BareKamailio(Bare):
    """A reader of netstrings that publishes each, many at a time, and tells Kamailio that a new call is stored.

    That is the acknowledgement that Kamailio knows: without it a call goes on to somebody else.
    """

    async def run(self) -> None:
        """Read until the end."""
        feed, control = self.peer.split()
        reader, _ = await asyncio.open_connection(HOST, int(feed))
        slots = asyncio.Semaphore(AT_ONCE)
        async with aiohttp.ClientSession(f"http://{HOST}:{control}") as http, asyncio.TaskGroup() as tasks:
            while head := await reader.readuntil(b":"):
                payload = (await reader.readexactly(int(head[:-1]) + 1))[:-1]
                await slots.acquire()
                tasks.create_task(self._pass_on(payload, http, slots))

    async def _pass_on(self, payload: bytes, http: aiohttp.ClientSession, slots: asyncio.Semaphore) -> None:
        said = msgspec.json.decode(payload, type=Named)
        await self.publish(payload, f"{said.call}/{said.event}")
        if said.event == STEPS[0]:
            async with http.post("/trunkline", data=msgspec.json.encode({"do": "taken", "call": said.call})) as answer:
                await answer.read()
        slots.release()


class KamailioDriver(Driver):
    """Writes events to whoever reads them, and answers what Kamailio is asked for. The messages of a call follow."""

    bare = BareKamailio

    def __init__(self, host: str, channel: str = CHANNEL) -> None:
        super().__init__(host, channel)
        self._prepared: dict[int, bytes] = {}
        self._live: dict[int, int] = {}
        self._reader: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()
        self._feed: asyncio.Server
        self._control: web.AppRunner

    async def open(self) -> str:
        """Listen for the reader and for wishes."""
        self._feed = await asyncio.start_server(self._connected, HOST, 0)
        app = web.Application()
        app.router.add_post("/trunkline", self._asked)
        self._control = web.AppRunner(app, access_log=None)
        await self._control.setup()
        await web.TCPSite(self._control, HOST, 0).start()
        return f"{self._feed.sockets[0].getsockname()[1]} {self._control.addresses[0][1]}"

    def prepare(self, numbers: Sequence[int]) -> None:
        """Write the events down."""
        self._prepared = {number: _event(number) for number in numbers}

    async def offer(self, number: int) -> None:
        """Tell of an event, once somebody reads."""
        writer = await asyncio.shield(self._reader)
        call, step = _place(number)
        if step == len(STEPS) - 1:
            self._live.pop(call, None)
        else:
            self._live[call] = step
        writer.write(self._prepared.pop(number))

    async def close(self) -> None:
        """Stop listening."""
        if self._reader.done():
            self._reader.result().close()
        self._feed.close()
        await self._control.cleanup()

    @classmethod
    def section(cls, peer: str) -> dict[str, object]:
        """Give the channel."""
        feed, control = (f"{HOST}:{port}" for port in peer.split())
        return {"type": "sip", "source": "kamailio", "address": feed, "control": control, "country": "PL"}

    @staticmethod
    def number(payload: bytes) -> int | None:
        """Find the number of an event: its call's, and which of the four it is."""
        call, step = MARK.search(payload), STEP.search(payload)
        return _number(int(call[1]), STEPS.index(step[1].decode())) if call and step else None

    async def _connected(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._reader.done():
            self._reader = asyncio.get_running_loop().create_future()
        self._reader.set_result(writer)

    async def _asked(self, request: web.Request) -> web.Response:
        asked = await request.json()
        match asked["do"]:
            case "list":
                return web.json_response({"result": [_dialog(call, step) for call, step in self._live.items()]})
            case "hello":
                if "wish" in asked:
                    (await asyncio.shield(self._reader)).write(_greeting(asked["wish"]))
                return web.json_response({"at": f"{time.time():.6f}"})
            case _:
                return web.json_response({})


def _greeting(wish: str) -> bytes:
    return _framed(b'{"event": "greeted", "wish": "%s"}' % wish.encode())


def _dialog(call: int, step: int) -> dict[str, object]:
    state = ANSWERED_STATE if step >= ANSWERED else RINGING_STATE
    return {"call-id": mark(call), "from_uri": _customer(call), "state": state, "variables": [{"tl_dir": "in"}]}


def _place(number: int) -> tuple[int, int]:
    """Give the call and the step of an event."""
    crowd, place = divmod(number - 1, len(PLACES))
    call, step = PLACES[place]
    return crowd * LIVE_AT_ONCE + call, step


def _number(call: int, step: int) -> int:
    crowd, call = divmod(call, LIVE_AT_ONCE)
    return crowd * len(PLACES) + PLACES.index((call, step)) + 1


def _event(number: int) -> bytes:
    call, step = _place(number)
    said = {
        "event": STEPS[step],
        "call": mark(call),
        "direction": "in",
        "from": _customer(call),
        "name": "Ola",
        "called": "sip:+48221234567@pbx.example",
        "to": "sip:anna@pbx.example" if step else "",
        "at": f"{1_700_000_000 + number}.000001",
    }
    payload = msgspec.json.encode(said)
    return _framed(payload)


def _framed(payload: bytes) -> bytes:
    return b"%d:%s," % (len(payload), payload)


def _customer(call: int) -> str:
    return f"sip:+{FIRST_NUMBER + call % SENDERS}@pbx.example"
