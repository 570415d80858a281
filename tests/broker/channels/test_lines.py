"""The lines as one channel's customers may see them."""

import asyncio
from collections.abc import Callable
from typing import Any, Literal

import msgspec
import pytest

from adapters.contract import FellBehind, LineItem, Typing
from broker.channels import lines as lines_module
from broker.channels.lines import ChannelLines
from broker.routing.people import Stamps
from normalizer.content import Text
from normalizer.envelope import Envelope
from normalizer.outbound import Author, Outbound
from router.facts import Assigned, ConversationClosed, EntriesRead, Fact, MessageTaken, NoteAdded, ReplySent, Step
from router.people import AddressState, Conversation, Person, Sending
from router.record import Record
from router.rules import Hours, Need, OperatorRule, Rules
from router.state import Operator, State
from tests.broker.channels.conftest import Scene

STREAM = 1_800_000_000_000_000_000
ALICE, OTHER = "visitor:alice", "telegram:7"
RULES = Rules(channels={}, operators={"anna": OperatorRule(name="Anna", avatar="/a.png")}, routes=())


class Log:
    """A log in memory and its fold, as far as lines need it."""

    def __init__(self) -> None:
        self.state = State(rules=RULES)
        self.position = 0
        self.stream = STREAM
        self.stamps = Stamps()
        self.records: dict[str, list[tuple[int, Record]]] = {}
        self._callbacks: list[Callable[[int, str, Record], None]] = []

    def subscribe(self, callback: Callable[[int, str, Record], None]) -> Callable[[], None]:
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback)

    async def history(self, conversation: str, person: str, *, after: int = 0) -> list[tuple[int, Record]]:
        del person
        return [(seq, record) for seq, record in self.records.get(conversation, []) if seq > after]

    def open(self, conversation: str, *addresses: tuple[str, str]) -> None:
        (address, channel), *_ = addresses
        sendings = {one: Sending(channel=name) for one, name in addresses}
        self.state.conversations[conversation] = Conversation(
            id=conversation, person="p1", channel=channel, address=address, opened_at=1, sendings=sendings
        )
        person = self.state.people.setdefault("p1", Person(id="p1", addresses=[one for one, _ in addresses]))
        if person.conversation:
            person.past.append(person.conversation)
        person.conversation = conversation
        for one, _ in addresses:
            self.state.addresses[one] = AddressState(address=one, person="p1")

    def add(self, conversation: str, *facts: Fact) -> int:
        self.position += 1
        record = Record(
            input=self.position,
            step=0,
            now=1_000 * self.position,
            term=1,
            rules=1,
            cause="input",
            facts=facts,  # type: ignore[arg-type]  # each of them is one of the union
        )
        self.records.setdefault(conversation, []).append((self.position, record))
        for callback in list(self._callbacks):
            callback(self.position, "subject", record)
        return self.position


def said(n: int, *, address: str = ALICE, channel: str = "site", conversation: str = "c1") -> MessageTaken:
    envelope = Envelope(
        id=f"e{n}",
        at=n,
        channel=channel,
        type="webchat",
        native_id=f"m{n}",
        address=address,
        content=Text(text=f"t{n}"),
    )
    return MessageTaken(conversation=conversation, n=n, envelope=envelope)


def answered(n: int, *, address: str = ALICE, channel: str = "site", conversation: str = "c1") -> ReplySent:
    outbound = Outbound(
        id=f"{conversation}-{n}",
        conversation=conversation,
        channel=channel,
        address=address,
        at=n,
        content=Text(text=f"a{n}"),
        author=Author(id="anna", name="Anna"),
    )
    return ReplySent(conversation=conversation, n=n, outbound=outbound)


@pytest.fixture
def log() -> Log:
    log = Log()
    log.open("c1", (ALICE, "site"))
    return log


@pytest.fixture
def lines(scene: Scene, log: Log) -> ChannelLines:
    return ChannelLines(scene.bus, scene.workspace, log, "site")


def kinds(items: list[LineItem]) -> list[tuple[str, int, str]]:
    return [(item.kind, item.cursor[1], item.id) for item in items]


async def take(feed: Any, count: int) -> list[LineItem]:  # noqa: ANN401  # an asynchronous iterator
    async with asyncio.timeout(30):
        return [await anext(feed) for _ in range(count)]


async def test_a_customer_sees_messages_answers_and_changes_but_no_notes(lines: ChannelLines, log: Log) -> None:
    log.add("c1", said(1))
    log.add("c1", Assigned(conversation="c1", operator="anna", epoch=1, units=20))
    log.add("c1", NoteAdded(conversation="c1", n=2, by="anna", content=Text(text="secret")))
    log.add("c1", EntriesRead(conversation="c1", upto=1, by="anna"), answered(3))
    log.add("c1", ConversationClosed(conversation="c1", by="anna"))
    items, cursor = await lines.history(ALICE, None)
    assert kinds(items) == [
        ("message", 1, "m1"),
        ("joined", 2, ""),
        ("read", 4, ""),
        ("reply", 4, "c1-3"),
        ("closed", 5, ""),
    ]
    assert items[1].author == Author(id="anna", name="Anna", avatar="/a.png")
    assert items[2].n == 1
    assert cursor == (STREAM, 5)


async def test_a_customer_sees_nothing_of_the_persons_other_addresses(lines: ChannelLines, log: Log) -> None:
    log.open("c2", (ALICE, "site"), (OTHER, "telegram"))
    log.add("c2", said(1, conversation="c2"))
    log.add("c2", said(2, address=OTHER, channel="telegram", conversation="c2"))
    log.add("c2", answered(3, address=OTHER, channel="telegram", conversation="c2"))
    log.add("c2", answered(4, conversation="c2"))
    items, _ = await lines.history(ALICE, None)
    assert [item.id for item in items] == ["m1", "c2-4"]


async def test_a_customer_sees_nothing_of_conversations_that_the_person_has_elsewhere(
    lines: ChannelLines, log: Log
) -> None:
    log.add("c1", said(1))
    first = log.add("c1", answered(2))
    log.open("c2", (OTHER, "telegram"))
    log.state.addresses[ALICE] = AddressState(address=ALICE, person="p1")
    log.add("c2", said(1, address=OTHER, channel="telegram", conversation="c2"))
    log.add("c2", Assigned(conversation="c2", operator="anna", epoch=1, units=20))
    closed = log.add("c1", ConversationClosed(conversation="c1", by="anna"))
    for _ in range(2):
        assert kinds((await lines.history(ALICE, (STREAM, first)))[0]) == [("closed", closed, "")]
        assert (await lines.history(ALICE, None))[0] == []
        log.state.conversations.clear()  # they have left the memory


async def test_history_goes_on_from_a_cursor_over_conversations(lines: ChannelLines, log: Log) -> None:
    log.add("c1", said(1))
    first = log.add("c1", answered(2))
    log.add("c1", ConversationClosed(conversation="c1", by="anna"))
    log.open("c2", (ALICE, "site"))
    log.add("c2", said(1, conversation="c2"))
    items, cursor = await lines.history(ALICE, (STREAM, first))
    assert kinds(items) == [("closed", 3, ""), ("message", 4, "m1")]
    assert (await lines.history(ALICE, cursor))[0] == []
    assert kinds((await lines.history(ALICE, None))[0]) == [("message", 4, "m1")]


async def test_a_cursor_of_another_log_counts_as_none(lines: ChannelLines, log: Log) -> None:
    log.add("c1", said(1))
    assert kinds((await lines.history(ALICE, (STREAM - 1, 99)))[0]) == [("message", 1, "m1")]


async def test_what_is_not_folded_yet_comes_by_following(lines: ChannelLines, log: Log) -> None:
    log.add("c1", said(1))
    log.records["c1"].append((2, log.records["c1"][0][1]))
    items, cursor = await lines.history(ALICE, None)
    assert kinds(items) == [("message", 1, "m1")]
    assert cursor == (STREAM, 1)


async def test_a_stranger_has_no_history_and_no_conversation(lines: ChannelLines, log: Log) -> None:
    log.add("c1", said(1))
    assert await lines.history("visitor:nobody", None) == ([], (STREAM, 1))
    assert await lines.conversation("visitor:nobody") is None


async def test_a_closed_conversation_is_not_the_open_one(lines: ChannelLines, log: Log) -> None:
    assert await lines.conversation(ALICE) == "c1"
    log.state.conversations["c1"].status = "closed"
    assert await lines.conversation(ALICE) is None


async def test_followers_get_what_is_new_on_their_channel(lines: ChannelLines, log: Log) -> None:
    log.add("c1", said(1))
    feeds = [lines.follow(), lines.follow()]
    log.add("c1", said(2))
    log.add("c1", said(3, address=OTHER, channel="telegram"))
    log.add("c1", EntriesRead(conversation="c1", upto=2, by="anna"), answered(4))
    for feed in feeds:
        items = await take(feed, 3)
        assert kinds(items) == [("message", 2, "m2"), ("read", 4, ""), ("reply", 4, "c1-4")]
        assert {item.address for item in items} == {ALICE}


async def test_nothing_falls_between_history_and_following(lines: ChannelLines, log: Log) -> None:
    log.add("c1", said(1))
    _, cursor = await lines.history(ALICE, None)
    log.add("c1", said(2))
    feed = lines.follow(cursor)
    log.add("c1", said(3))
    assert kinds(await take(feed, 2)) == [("message", 2, "m2"), ("message", 3, "m3")]


async def test_who_comes_back_after_a_moment_is_served_from_memory(lines: ChannelLines, log: Log) -> None:
    log.add("c1", said(1))
    lines.keep()
    log.add("c1", said(2))
    log.add("c1", said(3, address="visitor:bob"), answered(4))
    log.records.clear()  # nothing is read again
    items, cursor = await lines.history(ALICE, (STREAM, 1))
    assert kinds(items) == [("message", 2, "m2"), ("reply", 3, "c1-4")]
    assert cursor == (STREAM, 3)
    assert (await lines.history(ALICE, (STREAM, 3)))[0] == []


async def test_who_was_away_for_longer_is_served_from_the_log(lines: ChannelLines, log: Log) -> None:
    log.add("c1", said(1))
    log.add("c1", said(2))
    lines.keep()
    log.add("c1", said(3))
    items, _ = await lines.history(ALICE, (STREAM, 1))
    assert kinds(items) == [("message", 2, "m2"), ("message", 3, "m3")]


@pytest.mark.parametrize("cursor", [(STREAM, 0), (STREAM - 1, 1)], ids=["too old", "another log"])
async def test_a_cursor_that_cannot_be_followed_is_said(lines: ChannelLines, log: Log, cursor: tuple[int, int]) -> None:
    log.add("c1", said(1))
    await lines.history(ALICE, None)
    with pytest.raises(FellBehind):
        await anext(lines.follow(cursor))


async def test_what_was_pushed_out_of_the_memory_is_not_followed(lines: ChannelLines, log: Log) -> None:
    _, cursor = await lines.history(ALICE, None)
    for n in range(lines_module.RECENT + 1):
        log.add("c1", said(n))
    with pytest.raises(FellBehind):
        await anext(lines.follow(cursor))
    assert len(await take(lines.follow((STREAM, 1)), lines_module.RECENT)) == lines_module.RECENT


async def test_a_slow_reader_is_told_and_the_others_go_on(lines: ChannelLines, log: Log) -> None:
    slow, quick = lines.follow(), lines.follow()
    for n in range(lines_module.QUEUE + 1):
        log.add("c1", said(n))
        await anext(quick)
    with pytest.raises(FellBehind):
        await anext(slow)
    log.add("c1", answered(1))
    assert kinds(await take(quick, 1))[0][2] == "c1-1"


async def test_a_reader_that_ended_is_forgotten(lines: ChannelLines, log: Log) -> None:
    feed = lines.follow()
    await feed.aclose()  # type: ignore[attr-defined]  # a Feed
    log.add("c1", said(1))
    assert lines._feeds == set()
    lines.close()
    lines.close()
    assert log._callbacks == []


async def test_operators_are_seen_typing_in_conversations_of_this_channel_only(
    scene: Scene, lines: ChannelLines, log: Log
) -> None:
    log.open("c3", (OTHER, "telegram"))
    typings = lines.typings()
    waiting = asyncio.ensure_future(anext(typings))
    subject = scene.workspace.live_subject
    while not waiting.done():
        await scene.bus.publish_live(subject("c1"), b"nonsense")
        for typing in (
            Typing(conversation="c3", by="operator", name="Anna"),
            Typing(conversation="c1", by="customer"),
            Typing(conversation="c1", by="operator", name="Anna"),
        ):
            await scene.bus.publish_live(subject(typing.conversation), msgspec.json.encode(typing))
        await asyncio.wait([waiting], timeout=0.05)
    assert waiting.result() == Typing(conversation="c1", by="operator", name="Anna")
    await typings.aclose()  # type: ignore[attr-defined]  # a generator


async def test_a_customers_typing_is_told_where_there_is_a_conversation(scene: Scene, lines: ChannelLines) -> None:
    heard: asyncio.Queue[Typing] = asyncio.Queue()

    async def hear(message: Any) -> None:  # noqa: ANN401  # a live message
        heard.put_nowait(msgspec.json.decode(message.payload, type=Typing))

    subscription = await scene.bus.subscribe_live(scene.workspace.live_subject("*"), hear)
    await lines.typing(Typing(conversation="not.*.ours>", by="customer"))
    await lines.typing(Typing(conversation="c1", by="customer", text="Hel"))
    async with asyncio.timeout(30):
        assert (await heard.get()).text == "Hel"
    await subscription.unsubscribe()


async def test_who_waits_is_told_how_many_wait_before_them(lines: ChannelLines, log: Log) -> None:
    for place, name in enumerate(("late", "early", "mail", "urgent")):
        log.open(name, (f"visitor:{name}", "site"))
        found = log.state.conversations[name]
        found.status, found.tier, found.v = "waiting", 0, 100 - place
        found.steps = (Step(at=0, need=Need()),)
    log.state.rules = Rules(channels={}, operators={"anna": OperatorRule(name="Anna")}, routes=())
    log.state.conversations["mail"].kind = "deferrable"
    log.state.conversations["urgent"].tier = -1
    assert dict(lines.duty().ahead) == {"urgent": 0, "early": 1, "late": 2}


def test_the_first_team_that_opens_is_who_to_wait_for(scene: Scene, log: Log) -> None:
    hour = 3_600_000
    lines = ChannelLines(scene.bus, scene.workspace, log, "site", now=lambda: 6 * hour)
    assert lines.duty().opens_at == 0, "there are no opening hours"
    day, later, never = (Hours(week=(each,) * 7) for each in (((540, 600),), ((600, 660),), ()))
    log.state.rules = Rules(channels={}, operators={}, routes=(), hours={"a": later, "b": day, "c": never})
    assert lines.duty().opens_at == 9 * hour
    lines = ChannelLines(scene.bus, scene.workspace, log, "site", now=lambda: 10 * hour)
    assert lines.duty().opens_at == 0, "one of them is there"
    log.state.rules = Rules(channels={}, operators={}, routes=(), hours={"c": never})
    assert lines.duty().opens_at == 0, "nothing is known"


@pytest.mark.parametrize(
    ("state", "staffed"),
    [("available", True), ("away", True), ("draining", False), ("not_responding", False), ("offline", False)],
)
async def test_somebody_who_is_signed_in_and_stays_is_on_duty(
    lines: ChannelLines,
    log: Log,
    state: Literal["available", "away", "draining", "not_responding", "offline"],
    staffed: bool,  # noqa: FBT001  # the other half of the table
) -> None:
    assert not lines.duty().staffed
    log.state.operators["anna"] = Operator(id="anna", state=state)
    assert lines.duty().staffed is staffed
