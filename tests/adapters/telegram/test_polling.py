"""The commit point of polling: nothing is confirmed that is not stored, and nothing stops what comes after it."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping

import msgspec
import pytest

from adapters.errors import BadCredentials, NotAccepted, NotReachable, TryLater
from adapters.telegram.client import BotApi, Upload
from adapters.telegram.faults import Answer as FrameOfAnswer
from adapters.telegram.faults import Conflict
from adapters.telegram.files import TRIES, Files
from adapters.telegram.intake import LONGEST_LETTER
from adapters.telegram.notes import FORGET_AFTER, Notes, Offset
from adapters.telegram.wire import File
from adapters.testing import NOON, Answer, FakeContext
from adapters.testing.context import FakeMemory
from adapters.testing.telegram_rules import Uploaded
from normalizer.content import Media, Text, Unsupported
from tests.adapters.telegram.conftest import TelegramRig, at_work, events, until
from tests.adapters.telegram.recorded import BOT, PNG, Json, make, message, settings, simulator

GET_UPDATES, GET_FILE, DOWNLOAD = "/getUpdates", "/getFile", "^GET /file/"


def texts(context: FakeContext) -> list[str]:
    return [one.content.text for one in context.accepted if isinstance(one.content, Text)]


def offset_of(context: FakeContext) -> int:
    memory = context.memory
    assert isinstance(memory, FakeMemory)
    note = memory.notes.get(f"offset.{BOT}")
    return int(json.loads(note)["next"]) if note else 0


async def test_a_poisoned_update_is_a_dead_letter_and_those_around_it_are_taken(rig: TelegramRig) -> None:
    before = rig.peer.write("before")
    poison = rig.peer.queue.add({"message": {"message_id": "x", "chat": {}}})
    rig.peer.write("after")
    await until(lambda: texts(rig.context) == ["before", "after"], "both are taken")
    letter = rig.context.dead_letters[0]
    assert letter.reason == "poison_update"
    assert json.loads(letter.payload)["update_id"] == poison == before + 1
    await until(lambda: not rig.peer.queue.pending, "all three are confirmed")


@pytest.mark.parametrize("driver", ["aiogram", "ptb"])
async def test_what_the_library_is_too_old_for_is_read_without_it(driver: str) -> None:
    """Telegram brings a new kind of something beside the text: the customer's words are no dead letter for that."""
    async with at_work(driver=driver) as rig:
        rig.peer.write("hello", forward_origin={"type": "hologram", "date": 1, "sender_user_name": "Ewa"}, hologram={})
        await until(lambda: texts(rig.context) == ["hello"], "it is taken")
        assert rig.context.accepted[0].attributes["forwarded_from"] == "Ewa"
        assert not rig.context.dead_letters


async def test_a_start_link_of_a_group_names_the_bot(rig: TelegramRig) -> None:
    rig.peer.join(-5, "Friends")
    rig.peer.write("/start@simulated_bot campaign_7", -5)
    await until(lambda: rig.context.accepted, "it is taken")
    assert rig.context.accepted[0].attributes["start"] == "campaign_7"


async def test_a_poisoned_update_of_any_length_becomes_a_letter_that_can_be_stored(rig: TelegramRig) -> None:
    rig.peer.queue.add({"message": {"message_id": "x", "chat": {}, "text": "y" * 10_000_000}})
    rig.peer.write("after")
    await until(lambda: texts(rig.context) == ["after"] and rig.context.dead_letters, "both are taken")
    assert len(rig.context.dead_letters[0].payload) == LONGEST_LETTER


async def test_the_offset_is_noted_behind_what_is_stored(rig: TelegramRig) -> None:
    last = [rig.peer.write(f"text {number}") for number in range(5)][-1]
    await until(lambda: offset_of(rig.context) == last + 1, "the offset is noted")


async def test_the_offset_stops_before_what_is_not_stored_and_other_chats_go_on(rig: TelegramRig) -> None:
    rig.context.failures.extend(NotAccepted("not_stored", "not now") for _ in range(3))
    mine = rig.peer.write("first")
    rig.peer.write("second")
    await until(lambda: texts(rig.context) == ["first", "second"], "both are taken in order")
    assert "telegram.update_waits" in events(rig.context)
    await until(lambda: mine in rig.peer.queue.confirmed, "it is confirmed at last")


async def test_what_does_not_pass_by_itself_ends_as_a_dead_letter_and_holds_nobody_up(rig: TelegramRig) -> None:
    class Broken(FakeMemory):
        def __init__(self) -> None:
            super().__init__()
            self.faults: list[Exception] = [
                NotAccepted("not_read", "the store is away"),
                RuntimeError("a fault of ours"),
            ]

        async def load(self, key: str) -> bytes | None:
            if key.startswith("home") and self.faults:
                raise self.faults.pop(0)
            return await super().load(key)

    rig.adapter._intake._notes._memory = memory = Broken()  # type: ignore[attr-defined]  # the notes of the channel
    chat = {"id": -5, "type": "group", "title": "a group"}
    broken = rig.peer.queue.add({"message": {**rig.peer.message(text="in the group"), "chat": chat}})
    rig.peer.write("from somebody else")
    await until(lambda: broken in rig.peer.queue.confirmed, "it is confirmed")
    assert memory.faults == [], "a store that is away was waited for"
    assert set(texts(rig.context)) == {"from somebody else"}, "which comes again, for it came behind"
    assert [letter.reason for letter in rig.context.dead_letters] == ["poison_update"]
    assert rig.context.dead_letters[0].detail == "RuntimeError: a fault of ours"
    assert {"telegram.update_waits", "telegram.update_failed"} <= {*events(rig.context)}


async def test_an_album_is_as_many_messages_in_order(rig: TelegramRig) -> None:
    photo: Json = {"photo": [{**rig.peer.add_file(PNG), "width": 1, "height": 1}], "media_group_id": "77"}
    for _ in range(10):
        rig.peer.queue.add({"message": rig.peer.message(**photo)})
    await until(lambda: len(rig.context.accepted) == 10, "ten messages")
    numbers = [int(one.native_id.rpartition("/")[2]) for one in rig.context.accepted]
    assert numbers == sorted(numbers)
    assert {one.attributes["album"] for one in rig.context.accepted} == {"77"}


async def test_the_second_reader_of_a_bot_is_told_by_both_and_neither_runs_hot(rig: TelegramRig) -> None:
    other_context = FakeContext("other")
    other = make(other_context, rig.peer)
    try:
        with pytest.raises(Conflict, match="another program polls this bot"):
            async with asyncio.timeout(30):
                await asyncio.gather(other.run(), rig.reading)
    finally:
        await other.close()
        await other_context.close()
    counts = rig.context.counts + other_context.counts
    assert counts["two_readers"] >= 4
    assert "telegram.two_readers" in events(rig.context) + events(other_context)
    assert rig.peer.queue.polls < 30


async def test_somebody_elses_webhook_is_said_and_removed_without_dropping_what_waits(rig: TelegramRig) -> None:
    await until(lambda: rig.peer.queue.polls, "it polls")
    await rig.peer.queue.set_webhook({"url": "https://other.example/bot/secret-path"})
    rig.peer.write("waiting")
    with pytest.raises(Conflict, match="a webhook is set"):
        async with asyncio.timeout(30):
            await rig.reading
    assert rig.context.counts["webhook_set"] >= 1
    again = asyncio.create_task(rig.adapter.run())  # as the program does after a pause
    await until(lambda: texts(rig.context) == ["waiting"], "it is polled after all")
    again.cancel()
    await asyncio.gather(again, return_exceptions=True)
    assert "other.example" in str(rig.context.logged)
    assert "secret-path" not in str(rig.context.logged)


async def test_a_revoked_token_ends_the_reading_as_bad_credentials(rig: TelegramRig) -> None:
    rig.peer.token = "123456789:AAanotherTokenAnotherToken00000"
    rig.peer.write("wakes the poll")
    with pytest.raises(BadCredentials, match="BotFather"):
        async with asyncio.timeout(30):
            await rig.reading


@pytest.mark.parametrize(
    "answer", [Answer(status=500), Answer(body=b"<html>hello</html>"), Answer(body=b'{"ok":false}')]
)
async def test_whatever_is_no_answer_is_waited_out_and_then_said(answer: Answer) -> None:
    async with at_work() as rig:
        rig.peer.will(*[answer] * 100, on=GET_UPDATES)
        rig.peer.write("wakes the poll")
        with pytest.raises(NotReachable):
            async with asyncio.timeout(30):
                await rig.reading
        assert len([line for line in rig.peer.requests if GET_UPDATES in line.path]) < 10


async def test_a_pause_that_telegram_asks_for_is_kept_to(rig: TelegramRig) -> None:
    rig.peer.will(rig.peer.refusal(429, 1), on=GET_UPDATES)
    rig.peer.write("one")
    await until(lambda: texts(rig.context), "it goes on afterwards")


async def test_a_very_long_pause_is_not_kept_in_silence(rig: TelegramRig) -> None:
    rig.peer.will(rig.peer.refusal(429, 86_400), on=GET_UPDATES)
    rig.peer.write("wakes the poll")
    with pytest.raises(NotReachable, match="a pause of 86400 s"):
        async with asyncio.timeout(30):
            await rig.reading


async def test_a_server_that_does_not_wait_is_not_asked_without_end(rig: TelegramRig) -> None:
    rig.peer.will(*[Answer(body=b'{"ok":true,"result":[]}')] * 1_000, on=GET_UPDATES)
    rig.peer.write("wakes the poll")
    before = len(rig.peer.left)
    await asyncio.sleep(0.3)
    assert before - len(rig.peer.left) < 60


async def test_a_broken_download_is_tried_again_before_anything_is_confirmed(rig: TelegramRig) -> None:
    rig.peer.will(Answer(status=502), Answer(status=502), on=DOWNLOAD)
    file = rig.peer.add_file(PNG)
    rig.peer.queue.add({"message": rig.peer.message(document=file)})
    await until(lambda: rig.context.accepted, "the file is there at last")
    content = rig.context.accepted[0].content
    assert isinstance(content, Media)
    assert rig.context.files.files[content.file.name] == PNG


async def test_a_file_that_does_not_come_holds_up_its_own_chat_alone_and_not_for_ever(rig: TelegramRig) -> None:
    rig.peer.will(*[Answer(status=502)] * 1_000, on=DOWNLOAD)
    held = rig.peer.queue.add({"message": rig.peer.message(document=rig.peer.add_file(PNG))})
    rig.peer.write("behind it")
    rig.peer.write("another chat", 43)
    await until(lambda: texts(rig.context)[:1] == ["another chat"], "others are served")
    assert "behind it" not in texts(rig.context)
    assert held in rig.peer.queue.pending
    await until(lambda: "telegram.update_waits" in events(rig.context), "it waits")
    rig.context.time = NOON + 180_000
    await until(lambda: "behind it" in texts(rig.context), "it goes on without the file")
    given_up = next(one.content for one in rig.context.accepted if isinstance(one.content, Unsupported))
    assert "could not be fetched" in given_up.what
    assert rig.context.counts["file_given_up"] == 1


async def test_a_file_that_has_waited_at_telegram_is_not_given_up_because_it_is_old(rig: TelegramRig) -> None:
    """After an outage of ours all files are old, and the network is not good again yet."""
    rig.peer.will(*[Answer(status=502)] * (2 * TRIES), on=DOWNLOAD)
    file = rig.peer.add_file(PNG)
    rig.peer.queue.add({"message": rig.peer.message(document=file, date=NOON // 1_000 - 3_600)})
    await until(lambda: rig.context.accepted, "the file is there")
    assert isinstance(rig.context.accepted[0].content, Media)


async def test_an_album_that_does_not_come_is_given_up_at_once_and_not_file_by_file(rig: TelegramRig) -> None:
    rig.peer.will(*[Answer(status=502)] * 1_000, on=DOWNLOAD)
    for _ in range(3):
        rig.peer.queue.add({"message": rig.peer.message(document=rig.peer.add_file(PNG))})
    await until(lambda: "telegram.update_waits" in events(rig.context), "it waits")
    rig.context.time = NOON + 180_000
    await until(lambda: len(rig.context.accepted) == 3, "it goes on without the files")
    assert rig.context.counts["file_given_up"] == 3


async def test_a_file_that_is_longer_than_it_was_said_to_be_is_cut_off() -> None:
    async with at_work(max_file=100) as rig:
        file = {**rig.peer.add_file(bytes(5_000)), "file_size": 10}
        rig.peer.queue.add({"message": rig.peer.message(document=file)})
        await until(lambda: rig.context.accepted, "it is told")
        assert "too big" in str(rig.context.accepted[0].content)
        assert not rig.context.files.files


class Trickling(BotApi):
    """Begins a file, and never ends it."""

    async def post(
        self, method: str, fields: Mapping[str, str], upload: Upload | None = None, *, within: float | None = None
    ) -> FrameOfAnswer:
        del method, fields, upload, within
        return FrameOfAnswer(ok=True, result=msgspec.Raw(b'{"file_path":"documents/1"}'))

    async def download(self, path: str) -> AsyncIterator[bytes]:
        while path:
            await asyncio.sleep(0.01)
            yield b"."


async def test_a_file_that_trickles_does_not_keep_the_poller_for_ever() -> None:
    context = FakeContext()
    files = Files(Trickling(settings("http://127.0.0.1:1"), context), context, 20_000_000, within=0.1)
    with pytest.raises(TryLater, match=r"did not come within 0\.1 s"):
        async with asyncio.timeout(30):
            await files.fetch(File(file_id="f"), "key", 42)
    await context.close()


async def test_a_file_of_20_mb_is_fetched_and_a_larger_one_is_told(rig: TelegramRig) -> None:
    rig.peer.files["big"] = Uploaded("big.bin", bytes(20_000_001))
    rig.peer.queue.add({"message": rig.peer.message(document={"file_id": "big", "file_unique_id": "b"})})
    await until(lambda: rig.context.accepted, "it is told")
    assert "too big" in str(rig.context.accepted[0].content)


async def test_a_repetition_does_not_fetch_a_file_again(rig: TelegramRig) -> None:
    number = rig.peer.queue.add({"message": rig.peer.message(document=rig.peer.add_file(PNG))})
    await until(lambda: number in rig.peer.queue.confirmed, "taken once")
    rig.peer.queue.put(rig.peer.queue.all[-1])
    await until(lambda: len(rig.context.accepted) == 2, "taken twice")
    first, again = rig.context.accepted
    assert first.content == again.content
    assert len(rig.context.files.files) == 1
    assert len([line for line in rig.peer.requests if line.path.startswith("/file/")]) == 1


async def test_a_group_that_becomes_a_supergroup_keeps_its_address(rig: TelegramRig) -> None:
    rig.peer.join(-5, "Friends")
    rig.peer.write("before", -5)
    rig.peer.migrate(-5, -1005)
    rig.peer.write("after", -1005)
    await until(lambda: texts(rig.context) == ["before", "after"], "both are taken")
    assert {one.address for one in rig.context.accepted} == {"telegram:-5"}


async def test_chats_of_a_kind_that_is_not_served_are_left_alone() -> None:
    async with at_work(chats=("private",)) as rig:
        rig.peer.join(-5, "Friends")
        rig.peer.write("in the group", -5)
        rig.peer.write("in private")
        await until(lambda: texts(rig.context) == ["in private"], "the private one is taken")
        assert rig.context.counts["not_served"] == 1


async def test_a_press_is_answered_after_it_is_stored(rig: TelegramRig) -> None:
    rig.context.store.clear()
    rig.peer.messages[42, 900] = {
        "message_id": 900,
        "date": 1,
        "chat": rig.peer.chats[42],
        "from": rig.peer.bot,
        "reply_markup": {"inline_keyboard": [[{"text": "Yes", "callback_data": "yes"}]]},
    }
    rig.peer.press("yes")
    await until(lambda: rig.context.offered, "it is offered to the store")
    assert rig.peer.answered == []
    rig.context.store.set()
    await until(lambda: rig.peer.answered, "the press is answered")


async def test_a_channel_goes_on_where_it_was() -> None:
    context, peer = FakeContext(), simulator()
    peer.queue.repeats = False
    async with peer:
        for round_ in range(3):
            adapter = make(context, peer)
            reading = asyncio.create_task(adapter.run())
            peer.write(f"round {round_}")
            await until(lambda: len(context.accepted) == round_ + 1, "it is taken")  # noqa: B023  # awaited at once
            await until(lambda: offset_of(context) == peer.queue.next, "it is noted")
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await adapter.close()
    assert texts(context) == ["round 0", "round 1", "round 2"]
    await context.close()


async def test_numbers_that_begin_anew_after_a_week_of_silence_are_not_taken_for_old_ones(rig: TelegramRig) -> None:
    rig.peer.queue.repeats = False
    rig.peer.write("before the holidays")
    await until(lambda: offset_of(rig.context) == rig.peer.queue.next, "it is noted")
    rig.context.time += 8 * 24 * 3_600_000
    polls = rig.peer.queue.polls
    await until(lambda: rig.peer.queue.polls > polls, "the next poll has no offset")
    rig.peer.queue.next = 5
    rig.peer.write("after the holidays")
    await until(lambda: texts(rig.context)[-1] == "after the holidays", "it is taken")


async def test_another_bot_in_the_same_channel_begins_with_its_own_oldest_update() -> None:
    memory = FakeMemory()
    await Notes(memory, BOT).keep_offset(Offset(900, NOON))
    await Notes(memory, BOT).keep_sent("o-1", 42, 7)
    other = Notes(memory, BOT + 1)
    assert (await other.offset()).valid(NOON) is None
    assert await other.sent("o-1") is None


def test_an_offset_is_good_for_six_days() -> None:
    assert Offset(7, NOON).valid(NOON + FORGET_AFTER - 1) == 7
    assert Offset(7, NOON).valid(NOON + FORGET_AFTER) is None


async def test_moves_follow_one_another_and_are_found_by_another_node() -> None:
    memory = FakeMemory()
    one, other = Notes(memory, BOT), Notes(memory, BOT)
    assert await other.home(-1005) == -1005
    await one.move(-5, -1005)
    await one.move(-1005, -1006)
    assert [await other.home(chat) for chat in (-1006, -1005, -5, 42)] == [-5, -5, -5, 42]
    assert [await other.whereabouts(chat) for chat in (-5, 42)] == [-1006, 42]


async def test_updates_of_one_chat_are_taken_one_after_the_other_by_the_webhook_too() -> None:
    async with at_work(mode="webhook") as rig:
        rig.context.store.clear()
        intake = rig.adapter._intake  # type: ignore[attr-defined]  # the channel's own
        takes = [
            asyncio.create_task(intake.take(await intake.hear(json.dumps(message(number)).encode())))
            for number in (1, 2)
        ]
        await until(lambda: rig.context.offered, "the first is offered")
        await asyncio.sleep(0.05)
        assert len(rig.context.offered) == 1
        rig.context.store.set()
        await asyncio.gather(*takes)
        assert texts(rig.context) == ["message 1", "message 2"]


async def test_a_second_reader_is_noticed_although_both_get_something_now_and_then(rig: TelegramRig) -> None:
    for number in range(10):
        rig.peer.will(rig.peer.refusal(409), on=GET_UPDATES)
        rig.peer.write(f"text {number}")
        await until(lambda: rig.reading.done() or not rig.peer.queue.pending, "one is taken")
    with pytest.raises(Conflict):
        await rig.reading
    assert len(texts(rig.context)) >= 2
    assert rig.context.counts["two_readers"] == 4


async def test_one_conflict_is_our_own_last_poll_and_not_worth_a_word(rig: TelegramRig) -> None:
    rig.peer.will(rig.peer.refusal(409), on=GET_UPDATES)
    rig.peer.write("one")
    rig.peer.write("two")
    await until(lambda: rig.context.counts["two_readers"] and len(texts(rig.context)) == 2, "it goes on")
    assert "telegram.two_readers" not in events(rig.context)


async def test_an_update_that_is_repeated_when_its_file_is_gone_everywhere_is_taken_without_it(
    rig: TelegramRig,
) -> None:
    update = {"message": rig.peer.message(document=rig.peer.add_file(PNG))}
    rig.peer.queue.add(update)
    await until(lambda: rig.context.accepted, "it is taken with its file")
    rig.context.files.files.clear()
    rig.peer.will(Answer(status=404), on=DOWNLOAD)
    rig.peer.queue.add(update)
    await until(lambda: not rig.peer.queue.pending, "it is confirmed")
    assert rig.context.dead_letters == []
    first, again = rig.context.accepted
    assert first.native_id == again.native_id, "the router takes it for what it is"
    assert isinstance(again.content, Unsupported)
