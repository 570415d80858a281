"""Any other telephone system in front of several nodes: each event may come to any of them, and to several."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from typing import Self

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from msgspec.structs import replace

from adapters import signature
from adapters.errors import NotAccepted
from adapters.sip import Sip
from adapters.sip.call import LiveCall
from adapters.sip.pbx.notes import Notes, page_of
from adapters.sip.settings import SipSettings
from adapters.testing import FakeContext
from adapters.testing.context import FakeMemory
from config import Secret
from normalizer.content import Call
from normalizer.envelope import Envelope

SECRET = "a-shared-secret-of-ours"
AT = 1_800_000_000_000
ANNA, BEN = "sip:anna@pbx.example", "sip:ben@pbx.example"


class Broken(FakeMemory):
    """Notes that cannot be kept while ``broken``."""

    broken = False

    async def save(self, key: str, value: bytes) -> None:
        if self.broken:
            raise NotAccepted("not_kept", "the store is away")
        await super().save(key, value)


class Meeting(FakeMemory):
    """Notes that the first two read at the same time."""

    def __init__(self) -> None:
        super().__init__()
        self._both = asyncio.Barrier(2)
        self._met = 0

    async def read(self, key: str) -> tuple[bytes | None, int]:
        found = await super().read(key)
        self._met += 1
        if self._met <= self._both.parties:
            await self._both.wait()
        return found


class Node:
    """One process that serves the channel; ``first`` is another one, whose store it shares."""

    def __init__(self, first: "Node | None" = None) -> None:
        self.context = FakeContext("phone")
        self.memory = Broken()
        self.context.memory = self.memory
        if first is not None:
            self.context.memory = first.context.memory
            self.context.accepted = first.context.accepted
        settings = SipSettings(source="webhook", country="PL", secrets=[Secret(SECRET)])
        app = web.Application()
        app.router.add_routes(
            [web.post(f"/channels/phone{route.path}", route.handler) for route in Sip(settings, self.context).routes()]
        )
        self._client: TestClient[web.Request, web.Application] = TestClient(TestServer(app, host="127.0.0.1"))

    async def __aenter__(self) -> Self:
        await self._client.start_server()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._client.close()
        await self.context.close()

    async def post(self, body: dict[str, object]) -> tuple[int, bool]:
        """Take an event; gives the status, and whether it was news."""
        path, raw = "/channels/phone/events", msgspec.json.encode(body)
        content = signature.content("POST", path, raw)
        signed = signature.sign(SECRET, self.context.now() // 1_000, content)
        async with self._client.post(path, data=raw, headers={signature.HEADER: signed}) as answer:
            return answer.status, (await answer.json()).get("news", False)


class Pbx:
    """A telephone system with a call, and two nodes in front of it."""

    def __init__(self, one: Node, other: Node) -> None:
        self.one, self.other = one, other
        self._ids = count(1)

    def event(self, event: str, **changes: object) -> dict[str, object]:
        number = next(self._ids)
        common = {"id": f"e-{number}", "call": "c-1", "event": event, "customer": "600100200"}
        return {**common, "at": AT + 1_000 * number, **changes}

    async def say(self, node: Node, event: str, **changes: object) -> bool:
        status, news = await node.post(self.event(event, **changes))
        assert status == 200
        return news

    @property
    def told(self) -> list[Envelope]:
        """What the router takes of all that was stored: each native id once."""
        first: dict[tuple[str, str], Envelope] = {}
        for envelope in self.one.context.accepted:
            first.setdefault((envelope.address, envelope.native_id), envelope)
        return list(first.values())

    @property
    def story(self) -> list[str]:
        return [call.event for call in self.calls]

    @property
    def calls(self) -> list[Call]:
        return [one.content for one in self.told if isinstance(one.content, Call)]


@asynccontextmanager
async def nodes() -> AsyncIterator[Pbx]:
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(Node())
        other = await stack.enter_async_context(Node(one))
        yield Pbx(one, other)


@pytest.fixture
async def pbx() -> AsyncIterator[Pbx]:
    async with nodes() as pbx:
        yield pbx


async def test_a_resume_is_told_by_a_node_that_never_saw_the_call(pbx: Pbx) -> None:
    for event in ("initiated", "ringing", "answered", "held"):
        assert await pbx.say(pbx.one, event)
    assert await pbx.say(pbx.other, "answered")
    assert pbx.story == ["initiated", "ringing", "answered", "held", "answered"]


@pytest.mark.parametrize("pattern", ["ab", "ba", "aab", "abb", "abba", "aabb"])
async def test_holds_in_quick_succession_are_all_told_whichever_node_takes_them(pattern: str) -> None:
    story = ["initiated", "answered", "held", "answered", "held", "answered", "held", "answered", "ended"]
    async with nodes() as pbx:
        turn = {"a": pbx.one, "b": pbx.other}
        for number, event in enumerate(story):
            assert await pbx.say(turn[pattern[number % len(pattern)]], event)
        assert pbx.story == story


async def test_a_repetition_at_another_node_is_known_there(pbx: Pbx) -> None:
    for event in ("initiated", "ringing", "answered", "held", "answered", "transferred", "ended"):
        posted = pbx.event(event, to=ANNA)
        assert await pbx.one.post(posted) == (200, True)
        assert await pbx.other.post(posted) == (200, False)
        assert await pbx.one.post(posted) == (200, False)
    assert len(pbx.one.context.accepted) == len(pbx.told) == 7


@pytest.mark.parametrize("killed", ["initiated", "ringing", "answered", "held", "resumed", "transferred", "ended"])
async def test_what_a_killed_node_has_stored_is_known_again_when_it_is_repeated(pbx: Pbx, killed: str) -> None:
    """It dies between the storing of an event and its note, so that the telephone system gets no answer."""
    for event in ("initiated", "ringing", "answered", "held", "resumed", "transferred", "ended"):
        posted = pbx.event("answered" if event == "resumed" else event, to=ANNA)
        if event == killed:
            pbx.one.memory.broken = True
            assert (await pbx.one.post(posted))[0] == 503
            pbx.one.memory.broken = False
        assert await pbx.other.post(posted) == (200, True)
    assert pbx.story == ["initiated", "ringing", "answered", "held", "answered", "transferred", "ended"]
    assert len(pbx.one.context.accepted) == len(pbx.told) + 1


async def test_an_event_whose_note_is_lost_for_good_makes_no_later_one_a_repetition(pbx: Pbx) -> None:
    """A node dies behind its answer's storing, and the telephone system repeats nothing."""
    await pbx.say(pbx.one, "initiated")
    pbx.one.memory.broken = True
    await pbx.one.post(pbx.event("answered", to=ANNA))
    await pbx.one.post(pbx.event("held"))
    pbx.one.memory.broken = False
    assert await pbx.say(pbx.other, "answered")
    assert await pbx.say(pbx.other, "held")
    assert pbx.story == ["initiated", "answered", "held", "answered", "held"]


async def test_a_resume_leaves_a_call_at_the_phone_it_was_transferred_to_elsewhere(pbx: Pbx) -> None:
    await pbx.say(pbx.one, "initiated")
    await pbx.say(pbx.one, "answered", to=ANNA)
    await pbx.say(pbx.other, "transferred", to=BEN)
    await pbx.say(pbx.other, "held")
    await pbx.say(pbx.one, "answered")
    assert [call.to for call in pbx.calls] == ["", ANNA, BEN, BEN, BEN]


async def test_an_end_at_the_other_node_says_how_long_they_talked_and_who(pbx: Pbx) -> None:
    await pbx.say(pbx.one, "initiated", name="Zoe", called="221234567", direction="out")
    await pbx.say(pbx.one, "answered", to=ANNA, at=AT)
    await pbx.say(pbx.other, "ended", at=AT + 61_000)
    end = pbx.told[-1]
    assert isinstance(end.content, Call)
    assert (end.content.duration, end.content.to, end.content.direction) == (61_000, ANNA, "out")
    assert (end.sender.name, end.attributes) == ("Zoe", {"called": "+48221234567"})


async def test_a_call_stays_with_the_customer_whom_its_first_event_named(pbx: Pbx) -> None:
    await pbx.say(pbx.one, "initiated", customer="600100200")
    await pbx.say(pbx.other, "ended", customer="")
    assert {envelope.address for envelope in pbx.told} == {"tel:+48600100200"}


async def test_news_of_a_call_that_is_over_is_no_news_at_any_node(pbx: Pbx) -> None:
    await pbx.say(pbx.one, "initiated")
    await pbx.say(pbx.one, "ended")
    for event in ("initiated", "ringing", "answered", "held", "transferred", "failed", "ended"):
        assert not await pbx.say(pbx.other, event)
    assert await pbx.say(pbx.other, "recording")
    assert pbx.story == ["initiated", "ended", "recording"]


async def test_an_end_before_the_answer_is_the_end_of_a_missed_call(pbx: Pbx) -> None:
    await pbx.say(pbx.one, "initiated")
    assert await pbx.say(pbx.other, "failed", sip=487)
    assert not await pbx.say(pbx.one, "answered")
    assert pbx.story == ["initiated", "failed"]


async def test_a_slow_node_does_not_take_back_what_a_faster_one_has_noted(pbx: Pbx) -> None:
    """The telephone system has given up waiting, repeats at the other node, and goes on there."""
    await pbx.say(pbx.one, "initiated")
    answered = pbx.event("answered", to=ANNA, at=AT)
    pbx.one.context.store.clear()
    async with asyncio.timeout(30):
        slow = asyncio.create_task(pbx.one.post(answered))
        await pbx.one.context.until(lambda: len(pbx.one.context.offered) == 2)
        assert await pbx.other.post(answered) == (200, True)
        assert await pbx.say(pbx.other, "ended", at=AT + 5_000)
        pbx.one.context.store.set()
        await slow
    assert not await pbx.say(pbx.one, "ringing", to=BEN)
    assert pbx.story == ["initiated", "answered", "ended"]
    assert pbx.calls[-1].duration == 5_000


async def test_events_that_come_to_two_nodes_at_once_are_all_told(pbx: Pbx) -> None:
    """In which order is up to whoever posts them so; the last word is lost to nobody."""
    await pbx.say(pbx.one, "initiated")
    await pbx.say(pbx.one, "answered", to=ANNA)
    events = [pbx.event("held" if number % 2 else "answered") for number in range(1, 9)]
    async with asyncio.timeout(30):
        posts: list[Callable[[dict[str, object]], Awaitable[tuple[int, bool]]]] = [pbx.one.post, pbx.other.post]
        results = await asyncio.gather(*(posts[number % 2](event) for number, event in enumerate(events)))
    assert results == [(200, True)] * 8
    assert sorted(pbx.story[2:]) == ["answered"] * 4 + ["held"] * 4


async def test_clocks_that_differ_give_no_talk_of_less_than_nothing(pbx: Pbx) -> None:
    """Where the telephone system names no times, those of the nodes are taken."""
    pbx.other.context.time = pbx.one.context.time - 120_000
    for node, event in ((pbx.one, "initiated"), (pbx.one, "answered"), (pbx.other, "held"), (pbx.other, "answered")):
        assert await pbx.say(node, event, at=None)
    assert await pbx.say(pbx.other, "ended", at=None)
    assert pbx.story == ["initiated", "answered", "held", "answered", "ended"]
    assert pbx.calls[-1].duration == 0


async def test_events_of_the_same_millisecond_are_told_apart(pbx: Pbx) -> None:
    story = ["initiated", "answered", "held", "answered", "held", "answered"]
    for number, event in enumerate(story):
        assert await pbx.say((pbx.one, pbx.other)[number % 2], event, at=AT)
    assert pbx.story == story


async def test_many_calls_share_the_notes(pbx: Pbx) -> None:
    for number in range(300):
        call = f"c-{number}"
        await pbx.say(pbx.one, "initiated", call=call)
        await pbx.say(pbx.other, "answered", call=call, at=AT)
    for number in range(300):
        await pbx.say(pbx.one, "ended", call=f"c-{number}", at=AT + number)
    ends = [call for call in pbx.calls if call.event == "ended"]
    assert [end.duration for end in ends] == list(range(300))


async def test_two_nodes_that_write_one_page_at_once_lose_nothing() -> None:
    memory = Meeting()
    first = LiveCall(id="c-0", direction="in", address=ANNA)
    page = page_of(first.id)
    neighbour = next(f"c-{number}" for number in count(1) if page_of(f"c-{number}") == page)
    second = replace(first, id=neighbour)
    async with asyncio.timeout(30):
        await asyncio.gather(Notes(memory).keep(first), Notes(memory).keep(second))
    assert await Notes(memory).find(first.id) == first
    assert await Notes(memory).find(neighbour) == second
