"""After any reconnect a screen shows what a fresh one shows."""

import asyncio
import random
from typing import Any

import pytest

from desk.conversations.library import READ_AT_ONCE
from desk.http.socket import WATCHED_AT_ONCE
from desk.screens import feed
from normalizer.outbound import Receipt, ReceiptState
from tests.desk.conftest import at_work
from tests.desk.test_flows import reply, taken
from tests.desk.world import Console, Desk, World


async def settle(world: World, *consoles: Console) -> None:
    """Wait until every screen has what the log holds: a change that all of them see comes last."""
    world.log.pass_time(0.01)
    for console in consoles:
        seen = len(console.frames)
        await console.send({"type": "unwatch", "conversation": "nothing"})
        await console.send({"type": "watch", "conversation": "nothing"})
        await console.frame(lambda f: f["type"] == "error" and f.get("ref") == "nothing", since=seen)


async def fresh(world: World, desk: Desk, operator: str, like: Console) -> dict[str, Any]:
    """Give what a screen shows that has just been opened and has the same conversations open."""
    console = await world.console(desk, operator, everything=like.everything)
    for conversation in like.open:
        await console.watch(conversation)
    await settle(world, console, like)
    await console.drop()
    return console.shown()


def expected(world: World, operator: str, *, everything: bool) -> tuple[set[str], int]:
    """Say by the plainest means what stands in an operator's lists, and how long the queue is."""
    known = world.log.machine.state.conversations.values()
    live = [each for each in known if each.status != "closed" or each.owner]
    queue = {each.id for each in live if each.status in ("open", "waiting")}
    mine = {each.id for each in live if operator in (each.owner, *(offer.operator for offer in each.offers))}
    return ({each.id for each in live} if everything else queue | mine), len(queue)


class Play:
    """Random but plausible doings of customers and operators."""

    def __init__(self, world: World, consoles: dict[str, Console], seed: int) -> None:
        self.world = world
        self.consoles = consoles
        self.random = random.Random(seed)  # noqa: S311 - a test's dice
        self.away = ""

    async def step(self) -> None:
        often = [self.write, self.accept, self.reply]
        seldom = [
            self.decline,
            self.note,
            self.close,
            self.transfer,
            self.release,
            self.receipt,
            self.presence,
            self.link,
        ]
        act = self.random.choice([*often, *often, *seldom, self.read, self.wait, self.open])
        await act()

    def _someone(self) -> tuple[str, Console]:
        name = self.random.choice([each for each in sorted(self.consoles) if each != self.away])
        return name, self.consoles[name]

    def _mine(self, name: str) -> list[str]:
        conversations = self.world.log.machine.state.conversations.values()
        return [each.id for each in conversations if each.owner == name and each.status == "assigned"]

    async def write(self) -> None:
        self.world.log.customer(
            "words", who=f"v{self.random.randrange(15)}", channel=self.random.choice(["site", "mail"])
        )

    async def _offer(self, do: str) -> None:
        for conversation in self.world.log.machine.state.conversations.values():
            for offer in conversation.offers:
                if offer.operator == self.away:
                    continue
                action = {"do": do, "conversation": conversation.id, "offer": offer.id}
                await self.consoles[offer.operator].do(action)
                return

    async def accept(self) -> None:
        await self._offer("accept")

    async def decline(self) -> None:
        await self._offer("decline")

    async def _on_mine(self, **action: object) -> None:
        name, console = self._someone()
        if mine := self._mine(name):
            await console.do({"conversation": self.random.choice(mine), **action})

    async def reply(self) -> None:
        await self._on_mine(do="reply", content={"kind": "text", "text": "answer"}, seen=99)

    async def note(self) -> None:
        mentions = [self.random.choice(sorted(self.consoles))]
        await self._on_mine(do="note", content={"kind": "text", "text": "note"}, mentions=mentions)

    async def close(self) -> None:
        await self._on_mine(do="close")

    async def transfer(self) -> None:
        await self._on_mine(do="transfer", operator=self.random.choice(sorted(self.consoles)))

    async def release(self) -> None:
        await self._on_mine(do="release")

    async def read(self) -> None:
        await self._on_mine(do="read", upto=self.random.randrange(9))

    async def receipt(self) -> None:
        known = [o for c in self.world.log.machine.state.conversations.values() for o in c.outbounds]
        if known:
            state = self.random.choice(list(ReceiptState))
            watermark = self.random.random() < 0.5
            outbound = self.random.choice(known)
            self.world.log.receipt(Receipt(outbound=outbound, state=state, at=self.world.log.now, watermark=watermark))

    async def presence(self) -> None:
        _, console = self._someone()
        await console.do(
            {"do": "presence", "state": self.random.choice(["available", "available", "away", "draining"])}
        )

    async def link(self) -> None:
        people = sorted(self.world.log.machine.state.people)
        if len(people) > 1:
            one, other = self.random.sample(people, 2)
            await self._someone()[1].do({"do": "link", "person": one, "other": other, "evidence": "same order"})

    async def wait(self) -> None:
        seconds = self.random.choice([0.1, 0.5, 1, 2, 3, 4])
        self.world.log.pass_time(25 if self.random.random() < 0.05 else seconds)

    async def open(self) -> None:
        _, console = self._someone()
        if console.lists and len(console.open) < 4:
            await console.watch(self.random.choice(sorted(console.lists)))


@pytest.mark.parametrize("seed", range(8))
async def test_after_any_reconnect_the_screen_equals_a_fresh_one(world: World, seed: int) -> None:
    first, second = await world.desk(), await world.desk()
    consoles = {
        "anna": await at_work(world, first, "anna"),
        "ben": await at_work(world, first, "ben"),
        "cleo": await at_work(world, second, "cleo"),
    }
    everything = consoles["anna"]
    await everything.send({"type": "show", "everything": True})
    everything.everything = True
    play = Play(world, consoles, seed)
    for _ in range(12):
        await play.write()
    for round_ in range(4):
        for _ in range(10):
            await play.step()
        play.away = play.random.choice(sorted(consoles))
        await settle(world, *consoles.values())
        gone = consoles[play.away]
        await gone.drop()
        for _ in range(play.random.randrange(1, 9)):
            await play.step()
        await gone.reconnect(play.random.choice([first, second]))
        play.away = ""
        assert gone.welcome["resumed"]
        await settle(world, *consoles.values())
        for name, console in consoles.items():
            assert console.shown() == await fresh(world, console.browser.desk, name, console), (seed, round_, name)
            assert (set(console.lists), console.waiting) == expected(world, name, everything=console.everything)


async def test_a_node_that_no_longer_knows_the_cursor_sends_a_whole_view(world: World, ben: Console) -> None:
    await taken(world, ben)
    late = await world.desk()  # began after the cursor was given, so it knows nothing of before
    before = ben.cursor
    world.log.customer("later", who="v2")
    await ben.drop()
    newest = await world.desk()
    ben.browser.desk = newest
    await ben.connect(cursor=before)
    assert not ben.welcome["resumed"]
    assert ben.shown() == await fresh(world, late, "ben", ben)


async def test_a_screen_that_missed_more_than_is_remembered_gets_a_whole_view(world: World, ben: Console) -> None:
    conversation = await taken(world, ben)
    await ben.drop()
    for _ in range(feed.REMEMBERED + 1):
        world.log.customer("words")
    await ben.reconnect()
    assert not ben.welcome["resumed"]
    assert ben.lists[conversation]["n"] == feed.REMEMBERED + 2


@pytest.mark.parametrize("cursor", ["nonsense", "v1.e30.AAAA", "v1.", "x" * 300])
async def test_a_forged_cursor_gives_a_whole_view(world: World, ben: Console, cursor: str) -> None:
    conversation = await taken(world, ben)
    await ben.drop()
    await ben.connect(cursor=cursor)
    assert not ben.welcome["resumed"]
    assert conversation in ben.lists


async def test_a_cursor_is_good_for_the_same_lists_only(world: World, desk: Desk) -> None:
    anna = await world.console(desk, "anna")
    await anna.drop()
    await anna.connect(cursor=anna.cursor, everything=True)
    assert not anna.welcome["resumed"]


async def test_a_screen_from_a_node_that_was_ahead_is_not_thrown_back(world: World, ben: Console) -> None:
    conversation = await taken(world, ben)
    behind = await world.desk()
    behind.ledger.held = True
    for n in range(3):
        await ben.do(reply(conversation, f"answer {n}", seen=1 + n))
    seen = len(ben.frames)
    await ben.reconnect(behind)
    assert ben.welcome["resumed"]
    behind.ledger.held = False
    behind.ledger.follow()
    world.log.customer("Thanks")
    await ben.until(lambda: ben.lists[conversation]["n"] == 5)
    changes = [event for frame in ben.frames[seen:] if frame["type"] == "changes" for event in frame["events"]]
    assert [event["summary"]["n"] for event in changes if event["event"] == "conversation"] == [5]


async def test_what_comes_while_a_history_is_read_is_neither_lost_nor_doubled(world: World, ben: Console) -> None:
    conversation = await taken(world, ben)
    ledger = ben.browser.desk.ledger
    ledger.slow = asyncio.Event()
    await ben.send({"type": "watch", "conversation": conversation})
    world.log.customer("one")
    await ben.until(lambda: ben.lists[conversation]["n"] == 2)
    world.log.customer("two")
    await ben.until(lambda: ben.lists[conversation]["n"] == 3)
    ledger.slow.set()
    await ben.until(lambda: conversation in ben.open)
    numbers = [item["n"] for item in ben.open[conversation].values() if item["kind"] == "message"]
    assert numbers == [1, 2, 3]


async def test_what_many_open_at_once_is_read_in_turn(ben: Console) -> None:
    ledger = ben.browser.desk.ledger
    ledger.slow = asyncio.Event()
    seen = len(ben.frames)
    for n in range(WATCHED_AT_ONCE):
        await ben.send({"type": "watch", "conversation": f"c9{n}"})
    await ben.until(lambda: ledger.reading == READ_AT_ONCE)
    await ben.do({"do": "presence", "state": "available"})  # whatever was asked for before has been begun
    assert ledger.reading == READ_AT_ONCE < WATCHED_AT_ONCE
    ledger.slow.set()
    await ben.until(lambda: sum(frame["type"] == "error" for frame in ben.frames[seen:]) == WATCHED_AT_ONCE)
    assert ledger.reading == 0


async def test_a_history_that_cannot_be_read_now_is_said_so_and_the_socket_stays(world: World, ben: Console) -> None:
    conversation = await taken(world, ben)
    ledger = ben.browser.desk.ledger
    ledger.away = True
    seen = len(ben.frames)
    await ben.send({"type": "watch", "conversation": conversation})
    refused = await ben.frame(lambda frame: frame["type"] == "error", since=seen)
    assert (refused["code"], refused["ref"]) == ("unavailable", conversation)
    ledger.away = False
    await ben.send({"type": "watch", "conversation": conversation})
    await ben.until(lambda: conversation in ben.open)


async def test_what_could_not_be_opened_takes_no_place_among_what_is_open(world: World, ben: Console) -> None:
    conversation = await taken(world, ben)
    for n in range(2 * WATCHED_AT_ONCE):
        assert (await ben.watch(f"c9{n}"))["code"] == "not_found"
    assert (await ben.watch(conversation))["type"] == "watched"


async def test_what_is_not_to_be_read_any_more_takes_no_place_among_what_is_open(
    world: World, ben: Console, cleo: Console
) -> None:
    await cleo.do({"do": "presence", "state": "away"})
    for n in range(WATCHED_AT_ONCE + 1):
        conversation = await taken(world, ben, who=f"v{n}")
        assert (await ben.watch(conversation))["type"] == "watched"
        await hand_over(conversation, ben, cleo)
        await cleo.do({"do": "close", "conversation": conversation})
        await cleo.do({"do": "presence", "state": "away"})


async def hand_over(conversation: str, source: Console, target: Console) -> None:
    await target.do({"do": "presence", "state": "available"})
    transfer = {"do": "transfer", "conversation": conversation, "operator": target.welcome["me"]["id"]}
    assert (await source.do(transfer))["status"] == "confirmed"
    await target.until(lambda: conversation in target.lists)
    offer = target.lists[conversation]["offers"][0]["id"]
    assert (await target.do({"do": "accept", "conversation": conversation, "offer": offer}))["status"] == "confirmed"
    await source.until(lambda: conversation not in source.lists)


async def test_a_node_that_is_behind_says_so(ben: Console) -> None:
    ben.browser.desk.ledger.held = True
    beat = await ben.frame(lambda f: f["type"] == "beat" and f["lag"] > 0)
    assert beat["lag"] == 9.0
    ben.browser.desk.ledger.held = False
    seen = len(ben.frames)
    assert (await ben.frame(lambda f: f["type"] == "beat", since=seen))["lag"] == 0.0


async def test_names_and_previews_of_conversations_from_before_the_start_are_found(world: World) -> None:
    conversation = world.log.customer("From yesterday")
    late = await world.desk()
    ben = await world.console(late, "ben")
    await ben.until(lambda: ben.lists[conversation].get("preview") == "From yesterday")
    assert ben.lists[conversation]["name"] == "Customer v1"
