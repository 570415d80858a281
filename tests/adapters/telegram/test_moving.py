"""A group that becomes a supergroup: two chats at Telegram, one conversation here, in one order (promise P3)."""

import asyncio
import json
from collections.abc import Sequence

import pytest

from adapters.errors import NotAccepted, TryLater
from adapters.telegram.files import PATIENCE, TRIES
from adapters.telegram.intake import LONGEST_FAREWELL
from adapters.telegram.wire import Json
from adapters.testing import Answer, FakeContext
from adapters.testing.context import FakeMemory
from normalizer.content import Media, Text
from tests.adapters.telegram.conftest import WITHIN, TelegramRig, at_work, events, reachable, until
from tests.adapters.telegram.recorded import PNG, Quick, make, simulator

OLD, NEW = -5, -1005
DOWNLOAD = "^GET /file/"
LATE, FAILING = TRIES - 1, TRIES + 1
"""How often a file does not come: it is there in the first reading of its update, or in the second one."""


def said(context: FakeContext) -> list[str]:
    """What was said in the group, in the order of its first acceptance; a file by its name."""
    found = {}
    for envelope in context.accepted:
        if envelope.address == f"telegram:{OLD}" and isinstance(envelope.content, Text | Media):
            content = envelope.content
            found[envelope.native_id] = content.text if isinstance(content, Text) else content.filename
    return list(found.values())


def say(rig: TelegramRig, text: str, chat: int) -> int:
    return rig.peer.write(text, chat)


def show(rig: TelegramRig, name: str, chat: int = OLD, *, failures: int = LATE) -> int:
    """Let somebody send a file that is slow to fetch."""
    rig.peer.will(*[Answer(status=502)] * failures, on=DOWNLOAD)
    document = {**rig.peer.add_file(PNG, name), "file_name": name}
    return rig.peer.queue.add({"message": rig.peer.message(chat, document=document)})


def tell_old(rig: TelegramRig) -> int:
    return rig.peer.queue.add({"message": rig.peer.message(OLD, migrate_to_chat_id=NEW)})


def tell_new(rig: TelegramRig) -> int:
    return rig.peer.queue.add({"message": rig.peer.message(NEW, migrate_from_chat_id=OLD)})


async def all_confirmed(rig: TelegramRig) -> None:
    await until(lambda: not rig.peer.queue.pending, "all are confirmed")


@pytest.mark.parametrize("driver", ["aiogram", "ptb"])
@pytest.mark.parametrize("mode", ["polling", "webhook"])
@pytest.mark.parametrize("failures", [LATE, FAILING], ids=["late", "failing"])
@pytest.mark.parametrize("tell", [(tell_old, tell_new), (tell_new, tell_old)], ids=["old-told", "new-told"])
async def test_what_was_said_last_in_the_group_comes_before_what_is_said_first_in_the_supergroup(
    driver: str, mode: str, failures: int, tell: Sequence[object]
) -> None:
    async with at_work(driver=driver, mode=mode) as rig:
        reachable(rig)
        rig.peer.join(OLD, "Friends")
        show(rig, "last.bin", failures=failures)
        rig.peer.begin_supergroup(OLD, NEW)
        for news in tell:
            assert callable(news)
            news(rig)
        say(rig, "first", NEW)
        say(rig, "second", NEW)
        await all_confirmed(rig)
        assert said(rig.context) == ["last.bin", "first", "second"]
        assert {one.address for one in rig.context.accepted} == {f"telegram:{OLD}"}
        assert rig.context.dead_letters == []


async def test_what_a_poll_brings_of_both_chats_is_taken_by_its_numbers() -> None:
    async with at_work() as rig:
        rig.peer.join(OLD, "Friends")
        rig.peer.begin_supergroup(OLD, NEW)
        show(rig, "1.bin")
        tell_new(rig)
        say(rig, "2", NEW)
        show(rig, "3.bin")
        say(rig, "4", NEW)
        tell_old(rig)
        await all_confirmed(rig)
        assert said(rig.context) == ["1.bin", "2", "3.bin", "4"]


async def test_a_move_is_known_after_a_restart() -> None:
    async with at_work() as rig:
        rig.peer.join(OLD, "Friends")
        rig.peer.begin_supergroup(OLD, NEW)
        tell_new(rig)
        await all_confirmed(rig)
        await rig.replace_adapter(make(rig.context, rig.peer))
        show(rig, "last.bin")
        say(rig, "first", NEW)
        await all_confirmed(rig)
        assert said(rig.context) == ["last.bin", "first"]


async def test_a_restart_in_between_keeps_the_order() -> None:
    async with at_work() as rig:
        rig.peer.join(OLD, "Friends")
        show(rig, "last.bin", failures=2 * TRIES)
        rig.peer.migrate(OLD, NEW)
        say(rig, "first", NEW)
        await until(lambda: "telegram.update_waits" in events(rig.context), "it waits")
        await rig.replace_adapter(make(rig.context, rig.peer))
        await all_confirmed(rig)
        assert said(rig.context) == ["last.bin", "first"]


async def test_a_group_that_moves_holds_nobody_else_up() -> None:
    async with at_work() as rig:
        rig.peer.join(OLD, "Friends")
        rig.peer.join(-7, "Others")
        show(rig, "last.bin", failures=1_000)
        rig.peer.migrate(OLD, NEW)
        say(rig, "first", NEW)
        say(rig, "in another group", -7)
        say(rig, "in private", 42)
        others = {"telegram:-7", "telegram:42"}
        await until(lambda: {one.address for one in rig.context.accepted} == others, "the others are taken")
        await until(lambda: "telegram.update_waits" in events(rig.context), "the file is waited for")
        rig.context.time += 2 * PATIENCE
        await all_confirmed(rig)
        assert said(rig.context) == ["first"], "behind the file that was given up"


async def test_groups_wait_for_a_store_that_is_away_and_people_do_not() -> None:
    async with at_work() as rig:
        rig.adapter._intake._notes._memory = Away()  # type: ignore[attr-defined]  # the notes of the channel
        rig.peer.join(OLD, "Friends")
        rig.peer.join(-7, "Others")
        say(rig, "in a group", OLD)
        say(rig, "in another group", -7)
        say(rig, "in private", 42)
        await until(lambda: "telegram.update_waits" in events(rig.context), "groups wait")
        await until(lambda: rig.context.accepted, "people do not")
        assert {one.address for one in rig.context.accepted} == {"telegram:42"}
        rig.adapter._intake._notes._memory = rig.context.memory  # type: ignore[attr-defined]  # as above
        await all_confirmed(rig)
        assert {one.address for one in rig.context.accepted} == {"telegram:42", "telegram:-5", "telegram:-7"}
        assert rig.context.dead_letters == []


async def test_the_supergroup_waits_for_the_group_on_every_node_and_after_a_restart() -> None:
    """Telegram repeats what was not taken, and posts the other chat meanwhile, perhaps to another node."""
    context, peer = FakeContext(), simulator()
    peer.join(OLD, "Friends")
    peer.begin_supergroup(OLD, NEW)
    last, ended, begun, first = (
        {"update_id": number, "message": peer.message(chat, **content)}
        for number, chat, content in (
            (1, OLD, {"text": "last"}),
            (2, OLD, {"migrate_to_chat_id": NEW}),
            (3, NEW, {"migrate_from_chat_id": OLD}),
            (4, NEW, {"text": "first"}),
        )
    )
    async with peer:
        one, other = make(context, peer), make(context, peer)
        with pytest.raises(TryLater, match="has moved"):
            await post(one, begun)
        await post(other, last)
        with pytest.raises(TryLater, match="has moved"):
            await post(other, begun)
        await post(one, ended)
        again = make(context, peer)
        for update in (begun, first):
            await post(again, update)
    assert said(context) == ["last", "first"]
    assert {one.address for one in context.accepted} == {f"telegram:{OLD}"}
    await context.close()


async def test_updates_of_both_chats_that_are_posted_at_once_are_taken_in_their_order() -> None:
    context, peer = FakeContext(), simulator()
    peer.join(OLD, "Friends")
    peer.begin_supergroup(OLD, NEW)
    context.store.clear()
    async with peer:
        adapter = make(context, peer)
        contents: Sequence[tuple[int, Json]] = (
            (OLD, {"text": "last"}),
            (OLD, {"migrate_to_chat_id": NEW}),
            (NEW, {"migrate_from_chat_id": OLD}),
            (NEW, {"text": "first"}),
        )
        posts = [
            asyncio.create_task(post(adapter, {"update_id": number, "message": peer.message(chat, **content)}))
            for number, (chat, content) in enumerate(contents, start=1)
        ]
        await until(lambda: context.offered, "the first is offered")
        context.store.set()
        async with asyncio.timeout(WITHIN):
            await asyncio.gather(*posts)
    assert said(context) == ["last", "first"]
    await context.close()


async def test_a_group_whose_last_word_never_comes_holds_the_supergroup_up_for_a_minute() -> None:
    async with at_work(mode="webhook") as rig:
        reachable(rig)
        rig.peer.join(OLD, "Friends")
        rig.peer.begin_supergroup(OLD, NEW)
        tell_new(rig)
        say(rig, "first", NEW)
        await until(lambda: "telegram.update_waits" in events(rig.context), "it waits")
        assert rig.context.accepted == []
        rig.context.time += LONGEST_FAREWELL
        await all_confirmed(rig)
        assert said(rig.context) == ["first"]


async def post(adapter: Quick, update: Json) -> None:
    """Bring an update as the webhook does."""
    await adapter._intake.take_next(json.dumps(update).encode())


class Away(FakeMemory):
    """A store that does not say where groups have moved to."""

    async def load(self, key: str) -> bytes | None:
        if key.startswith("home"):
            raise NotAccepted("not_read", f"{key} could not be read")
        return await super().load(key)
