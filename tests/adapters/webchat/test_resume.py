"""Whatever is cut, and whenever: a page ends up with what the log says, once and in order."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.webchat.settings import VisitorLimits
from normalizer.content import Text
from normalizer.ids import IdSource
from tests.adapters.webchat.conftest import Chat, Node
from tests.adapters.webchat.fakes import FakeContext, Page, Tab

IDS = IdSource()
STEPS = (
    "reply",
    "reply",
    "two in one record",
    "somebody else",
    "close",
    "say",
    "say",
    "cut",
    "new tab",
    "wait",
    "follow",
)


class Traffic:
    """Drives one visitor with several tabs over a chat whose bus answers at random moments."""

    def __init__(self, node: Node, seed: int) -> None:
        self.node = node
        self.context = node.chat.context
        self.random = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self.tabs: list[Reader] = []
        self.said: list[str] = []
        self.conversation = 1
        self.context.lines.before_history = self.pause
        self.context.lines.before_item = self.pause
        self.context.before_accept = self.pause
        self.context.conversation_of = lambda address: "other" if address.endswith("other") else f"c{self.conversation}"

    async def pause(self) -> None:
        for _ in range(self.random.randrange(6)):
            await asyncio.sleep(0)

    async def begin(self) -> None:
        self.tabs.append(Reader(await self.node.visitor()))
        await self.tabs[0].connect()
        async with asyncio.timeout(30):
            while self.page.cursor is None:  # noqa: ASYNC110 - seen from outside
                await asyncio.sleep(0)

    @property
    def page(self) -> Page:
        return self.tabs[0].page

    def any_tab(self) -> "Reader":
        return self.random.choice(self.tabs)

    async def step(self, name: str) -> None:
        address = self.page.address
        match name:
            case "reply":
                await self.context.reply(address, "answer")
            case "two in one record":
                texts = (Text(text="first"), Text(text="second"))
                pair = [self.context.item("reply", address, content=text) for text in texts]
                await self.context.lines.record(*pair)
            case "somebody else":
                await self.context.reply("visitor:other", "not for you")
            case "close":
                await self.context.lines.record(self.context.item("closed", address))
                self.conversation += 1
            case "say":
                self.said.append(IDS.new())
                await self.any_tab().say(self.said[-1])
            case "cut":
                await self.any_tab().reconnect()
            case "new tab":
                self.tabs.append(Reader(self.page.other()))
                await self.tabs[-1].connect()
            case "follow":
                await self.restart_follower()
        await self.pause()

    async def restart_follower(self) -> None:
        """The bus is away for a moment; the runtime starts the channel again."""
        assert self.node.running is not None
        self.node.running.cancel()
        await asyncio.wait([self.node.running])
        self.node.run()

    def settled(self) -> bool:
        return all(complete(reader, self.log()) for reader in self.tabs)

    def log(self) -> list[tuple[str, int, str]]:
        records = self.context.lines.records
        return [
            (item.conversation, item.n, item.id)
            for record in records
            for item in record
            if item.address == self.page.address
        ]


class Reader:
    """A tab that reads all the time and repeats what was not acknowledged."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.unacknowledged: list[str] = []
        self.tab: Tab | None = None
        self.reading: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        self.tab = await self.page.connect()
        self.reading = asyncio.create_task(self.read(self.tab))
        for message_id in self.unacknowledged:
            await self.tab.say(message_id, "question")

    async def read(self, tab: Tab) -> None:
        while (frame := await tab.receive())["type"] != "closed":
            if frame["type"] == "ack" and frame["id"] in self.unacknowledged:
                self.unacknowledged.remove(frame["id"])

    async def say(self, message_id: str) -> None:
        self.unacknowledged.append(message_id)
        assert self.tab is not None
        with contextlib.suppress(ConnectionError):
            await self.tab.say(message_id, "question")

    async def reconnect(self) -> None:
        await self.disconnect()
        await self.connect()

    async def disconnect(self) -> None:
        assert self.tab is not None
        assert self.reading is not None
        await self.tab.cut()
        await asyncio.wait([self.reading])

    def shown(self) -> list[tuple[str, int, str]]:
        return [(item["conversation"], item["n"], item.get("id", "")) for item in self.page.transcript]


@contextlib.asynccontextmanager
async def one_chat() -> AsyncIterator[Node]:
    async with ClientSession() as http, contextlib.AsyncExitStack() as stack:
        limits = VisitorLimits(messages_per_minute=10_000, sockets_per_visitor=100)
        yield await Chat(FakeContext(), http, stack).start(limits)


def complete(reader: Reader, log: list[tuple[str, int, str]]) -> bool:
    """A tab shows the end of the log, from the start of the conversation that was open when it came."""
    shown = reader.shown()
    return not reader.unacknowledged and (shown == log[len(log) - len(shown) :] and bool(shown or not log))


@given(steps=st.lists(st.sampled_from(STEPS), max_size=40), seed=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_tab_ends_up_with_what_the_log_says(steps: list[str], seed: int) -> None:
    async def play() -> None:
        async with one_chat() as node:
            traffic = Traffic(node, seed)
            await traffic.begin()
            for name in steps:
                await traffic.step(name)
            await traffic.step("reply")  # so that there is an end to see
            try:
                async with asyncio.timeout(30):
                    while not traffic.settled():  # noqa: ASYNC110 - seen from outside
                        await asyncio.sleep(0.001)
            except TimeoutError:
                pytest.fail(f"log {traffic.log()}, tabs {[reader.shown() for reader in traffic.tabs]}")
            log, first = traffic.log(), traffic.tabs[0]
            assert first.shown() == log  # this one was there from the start
            assert sorted(key for _, _, key in log if key in traffic.said) == sorted(traffic.said)
            for reader in traffic.tabs:
                await reader.disconnect()

    asyncio.run(play())


async def test_what_happens_while_history_is_read_is_neither_lost_nor_doubled(node: Node, context: FakeContext) -> None:
    page = await node.visitor()
    await context.reply(page.address, "before")
    reading, go_on = asyncio.Event(), asyncio.Event()

    async def gate() -> None:
        reading.set()
        await go_on.wait()

    context.lines.before_history = gate
    tab = await page.open()
    await reading.wait()
    await context.reply(page.address, "during")
    go_on.set()
    await context.reply(page.address, "after")
    await tab.has(3)
    await tab.send(type="ping")
    await tab.until("pong")
    assert [item["content"]["text"] for item in page.transcript] == ["before", "during", "after"]


async def test_what_was_read_is_not_shown_again_by_a_follower_that_lags(node: Node, context: FakeContext) -> None:
    page = await node.visitor()
    lagging = asyncio.Event()
    context.lines.before_item = lagging.wait
    await context.reply(page.address, "one")
    await context.reply(page.address, "two")
    tab = await page.open()
    await tab.caught_up()
    lagging.set()
    await context.reply(page.address, "three")
    [item] = (await tab.until("items"))["items"]
    assert item["content"]["text"] == "three"
    assert [item["content"]["text"] for item in page.transcript] == ["one", "two", "three"]


async def test_a_long_history_comes_in_pieces_and_can_be_cut_anywhere(node: Node, context: FakeContext) -> None:
    page = await node.visitor()
    for number in range(350):
        await context.reply(page.address, f"{number} " + "x" * 500)
    tab = await page.open()
    pieces = 0
    while (await tab.until("items")).get("more"):
        pieces += 1
        await tab.cut()
        tab = await page.open()
    assert pieces >= 4
    assert [item["n"] for item in page.transcript] == list(range(1, 351))


async def test_a_page_that_is_loaded_again_gets_the_last_conversation(node: Node, context: FakeContext) -> None:
    page = await node.visitor()
    await context.reply(page.address, "old", conversation="c1")
    await context.reply(page.address, "new", conversation="c2")
    tab = await page.open()
    await tab.caught_up()
    assert [item["content"]["text"] for item in page.transcript] == ["new"]
