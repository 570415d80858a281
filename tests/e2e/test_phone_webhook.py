"""Calls of any PBX through the running broker: two nodes take its events, an operator's desk shows them; under fire."""

import asyncio
import itertools
import json
import random
import signal
import time
from collections.abc import AsyncIterator, Iterator
from typing import Self

import aiohttp
import pytest
from aiohttp import web

from adapters import signature
from broker.bus.server import free_port
from tests.e2e.actors import Frame, Operator
from tests.e2e.anna import anna_of, available, close, until
from tests.e2e.installation import SECRET, Installation, Part, settings_of
from tests.e2e.provider import WebhookProvider

pytestmark = [pytest.mark.usefixtures("lost_sockets"), pytest.mark.timeout(300)]

PARTS = {"router": ["router"], "desk": ["desk"], "pbx-a": ["pbx"], "pbx-b": ["pbx"]}
ANNA = "sip:anna@pbx.example"
WAV = b"RIFF$\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0@\x1f\0\0\x80>\0\0\x02\0\x10\0data\0\0\0\0"
STORY = ["initiated", "ringing", "answered", "held", "answered", "held", "answered", "ended"]
CUSTOMERS = 3
ROUNDS = 4
SETTLED = 120.0


class Pbx:
    """A telephone system of somebody's: posts events to one node or the other, takes wishes, gives recordings."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.asked: list[str] = []
        self._ids = itertools.count(1)
        self._runner: web.AppRunner
        self._http: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/wishes", self._wish)
        app.router.add_get("/recordings/{name}", self._recording)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(30))
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._http.close()
        await self._runner.cleanup()

    def event(self, call: str, event: str, **changes: object) -> Frame:
        return {"id": f"e-{next(self._ids)}", "call": call, "event": event, "customer": "600100300", **changes}

    async def post(self, part: Part, event: Frame) -> bool | None:
        """Post an event; gives whether it was news, None when it was not taken."""
        path, body = "/channels/pbx/events", json.dumps(event).encode()
        signed = signature.sign(SECRET, int(time.time()), signature.content("POST", path, body))
        try:
            async with self._http.post(part.url + path, data=body, headers={signature.HEADER: signed}) as answer:
                news: bool | None = (await answer.json())["news"] if answer.status == 200 else None
                assert answer.status in (200, 503), await answer.text()
                return news
        except (aiohttp.ClientError, TimeoutError):
            return None

    async def insist(self, parts: list[Part], event: Frame) -> None:
        """Post an event until it is taken, each time to another node."""
        async with asyncio.timeout(SETTLED):
            for part in itertools.cycle(parts):
                if await self.post(part, event) is not None:
                    return
                await asyncio.sleep(0.2)

    async def _wish(self, _request: web.Request) -> web.Response:
        return web.Response()

    async def _recording(self, request: web.Request) -> web.Response:
        content = signature.content("GET", request.path_qs, b"")
        signature.verify(request.headers[signature.HEADER], content, [SECRET], seconds=int(time.time()), tolerance=300)
        self.asked.append(request.match_info["name"])
        return web.Response(body=WAV)


class PbxInstallation(Installation):
    """One with two nodes for the events of a PBX, and an operator who has a phone."""

    pbx: Pbx

    def open(self, parts: dict[str, list[str]]) -> None:  # type: ignore[override] # narrower, and called here alone
        self.folder.mkdir(parents=True, exist_ok=True)
        self.servers.start()
        channel = {
            "type": "sip",
            "source": "webhook",
            "country": "PL",
            "secrets": [SECRET],
            "url": f"{self.pbx.url}/wishes",
        }
        whole = json.loads(json.dumps(settings_of(self.bus, self.operators, WebhookProvider().url, {"pbx": channel})))
        whole["operators"]["anna"]["phone"] = ANNA
        self.file.write_text(json.dumps(whole))
        self.add(parts)

    @property
    def nodes(self) -> list[Part]:
        return [self.parts["pbx-a"], self.parts["pbx-b"]]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PbxInstallation]:
    installation = PbxInstallation(tmp_path_factory.mktemp("pbx"), 1, ("anna",), "", {})
    installation.pbx = Pbx()
    try:
        installation.open(PARTS)
        yield installation
    finally:
        installation.close()


@pytest.fixture
async def pbx(running: PbxInstallation) -> AsyncIterator[Pbx]:
    async with running.pbx as pbx:
        yield pbx


def news(anna: Operator, conversation: str) -> list[Frame]:
    """What the desk shows of calls, in order."""
    items = anna.items.get(conversation, {}).values()
    contents = [item["content"] for item in items if item["kind"] == "message"]
    return [content for content in contents if content["kind"] == "call"]


def story(anna: Operator, conversation: str) -> list[str]:
    return [content["event"] for content in news(anna, conversation)]


async def test_the_events_of_a_call_may_come_to_any_node(running: PbxInstallation, pbx: Pbx) -> None:
    async with anna_of(running, answering=False) as anna:
        await available(anna)
        for number, event in enumerate(STORY):
            changes = {"to": ANNA} if event in ("ringing", "answered") and number < 3 else {}
            told = pbx.event("c-1", event, at=1_800_000_000_000 + 1_000 * number, **changes)
            assert await pbx.post(running.nodes[number % 2], told) is True
            assert await pbx.post(running.nodes[1 - number % 2], told) is False
        recording = pbx.event("c-1", "recording", recording=f"{pbx.url}/recordings/c-1.wav")
        assert await pbx.post(running.nodes[0], recording) is True
        assert await pbx.post(running.nodes[1], pbx.event("c-1", "held")) is False
        await until(lambda: anna.mine, "anna has the conversation")
        [conversation] = anna.mine
        await until(lambda: story(anna, conversation) == [*STORY, "recording"], "each event is shown once")
        end, recorded = news(anna, conversation)[-2:]
        assert (end["duration"], end["to"]) == (5_000, ANNA)
        assert (recorded["recording"]["type"], recorded["recording"]["file"]["size"]) == ("audio/wav", len(WAV))
        assert pbx.asked == ["c-1.wav"]
        await close(anna)


async def test_kills_of_either_node_lose_and_double_nothing(running: PbxInstallation, pbx: Pbx) -> None:
    async with anna_of(running, answering=False) as anna:
        await available(anna)
        calls = {f"k-{number}": f"60010040{number}" for number in range(CUSTOMERS)}
        for number in range(ROUNDS):
            talking = asyncio.gather(*(_talk(running, pbx, f"{call}-{number}", calls[call]) for call in calls))
            await asyncio.sleep(random.uniform(0, 0.5))  # noqa: S311 - so that kills meet every moment
            struck = running.nodes[number % 2]
            struck.signal(signal.SIGKILL)
            struck.start()
            await talking
        whole = sorted([STORY * ROUNDS] * CUSTOMERS)
        await until(
            lambda: sorted(story(anna, one) for one in anna.mine) == whole,
            "each event is shown once, in order",
            SETTLED,
        )
        ends = [one for name in anna.mine for one in news(anna, name) if one["event"] == "ended"]
        assert {end["duration"] for end in ends} == {5_000}
        await close(anna)
    for node in running.nodes:
        running.wait_ready(node, ["pbx"])


async def _talk(running: PbxInstallation, pbx: Pbx, call: str, customer: str) -> None:
    """A whole call; each event comes to a node at random, and to the other one until it is taken."""
    for number, event in enumerate(STORY):
        changes = {"to": ANNA} if number in (1, 2) else {}
        told = pbx.event(call, event, customer=customer, at=1_800_000_000_000 + 1_000 * number, **changes)
        await pbx.insist(random.sample(running.nodes, 2), told)
        await asyncio.sleep(0.05)
