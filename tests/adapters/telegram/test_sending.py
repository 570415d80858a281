"""Sending: what is healed within an attempt, where a message goes, and at which pace."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from adapters.contract import Sent
from adapters.errors import OutcomeUnknown, RateLimited, Refused, TryLater, Unreachable
from adapters.telegram.adapter import group_rate
from adapters.telegram.outgoing import CAPABILITIES
from adapters.telegram.sending import Floods
from adapters.testing import NOON, After, Answer, Cut, outbound
from adapters.testing.context import FakeMedia, FakeMemory
from adapters.testing.telegram_rules import CAPTION_LIMIT, TEXT_LIMIT, utf16
from normalizer.content import Content, Delete, Edit, Media, Reaction, StoredFile, Text
from normalizer.outbound import Outbound
from normalizer.render import render
from tests.adapters.telegram.conftest import TelegramRig, at_work
from tests.adapters.telegram.recorded import BOT, PNG

OGG = b"OggS\x00\x02" + bytes(64)


async def send(rig: TelegramRig, content: Content, address: str = "telegram:42", number: int = 1) -> Sent | Exception:
    return await rig.send(outbound(address, "test", content, message_id=f"c1-{number}"))


def refusal(status: int, description: str) -> Answer:
    return Answer(status=status, body=json.dumps({"ok": False, "description": description}).encode())


def methods(rig: TelegramRig) -> list[str]:
    return [line.path.rpartition("/")[2] for line in rig.peer.requests if "/send" in line.path or "/edit" in line.path]


@pytest.fixture(params=["aiogram", "ptb"])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[TelegramRig]:
    async with at_work(driver=request.param) as rig:
        yield rig


def picture(rig: TelegramRig, content: bytes = PNG, type_: str = "image/png", **more: object) -> Media:
    return Media(file=rig.context.files.add(content), type=type_, filename="a file.png", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("type_", "content", "method"),
    [
        ("image/jpeg", PNG, "sendPhoto"),
        ("image/gif", PNG, "sendAnimation"),
        ("video/mp4", PNG, "sendVideo"),
        ("audio/mpeg", PNG, "sendAudio"),
        ("audio/ogg", OGG, "sendVoice"),
        ("audio/ogg", OGG + bytes(1_000_000), "sendDocument"),
        ("image/png", PNG + bytes(10_000_000), "sendDocument"),
        ("application/pdf", PNG, "sendDocument"),
    ],
)
async def test_a_file_is_sent_as_what_it_is(rig: TelegramRig, type_: str, content: bytes, method: str) -> None:
    sent = await send(rig, picture(rig, content, type_, caption="see"))
    assert sent == Sent(native_id=f"{BOT}/42/1")
    assert methods(rig) == [method]
    assert rig.peer.shown[0].text == "see"
    assert rig.peer.shown[0].files[0][1] == len(content)


async def test_a_picture_that_telegram_cannot_read_goes_as_a_document(rig: TelegramRig) -> None:
    await send(rig, picture(rig, b"no picture at all", "image/jpeg", caption="see"))
    assert methods(rig) == ["sendPhoto", "sendDocument"]
    assert len(rig.peer.shown) == 1


async def test_a_voice_message_that_is_not_wanted_goes_as_a_document(rig: TelegramRig) -> None:
    rig.peer.will(refusal(400, "Bad Request: VOICE_MESSAGES_FORBIDDEN"))
    await send(rig, picture(rig, OGG, "audio/ogg", duration=1_000))
    assert methods(rig) == ["sendVoice", "sendDocument"]


async def test_what_heals_is_tried_once(rig: TelegramRig) -> None:
    rig.peer.will(*[refusal(400, "Bad Request: IMAGE_PROCESS_FAILED")] * 2)
    assert isinstance(await send(rig, picture(rig)), Refused)
    assert rig.peer.left == []
    assert len(methods(rig)) == 2


async def test_a_group_that_has_moved_gets_it_at_once_and_later_ones_directly(rig: TelegramRig) -> None:
    rig.peer.join(-5, "Friends")
    rig.peer.join(-1005, "Friends", kind="supergroup")
    rig.peer.moved[-5] = -1005
    assert await send(rig, Text(text="one"), "telegram:-5") == Sent(native_id=f"{BOT}/-1005/1")
    assert await send(rig, Text(text="two"), "telegram:-5", 2) == Sent(native_id=f"{BOT}/-1005/2")
    assert [one.to for one in rig.peer.shown] == ["-1005", "-1005"]
    assert len(methods(rig)) == 3


async def test_what_was_sent_can_be_changed_taken_back_and_reacted_to(rig: TelegramRig) -> None:
    sent = await send(rig, Text(text="one"))
    assert isinstance(sent, Sent)
    assert await send(rig, Edit(target="c1-1", text="two"), number=2) == sent
    assert rig.peer.messages[42, 1]["text"] == "two"
    assert await send(rig, Edit(target="c1-1", text="two"), number=3) == sent
    await send(rig, Reaction(target=sent.native_id, emoji="👍"), number=4)
    assert rig.peer.reactions[42, 1] == ["👍"]
    await send(rig, Reaction(target="c1-1"), number=5)
    assert rig.peer.reactions[42, 1] == []
    await send(rig, Delete(target="c1-1"), number=6)
    assert (42, 1) not in rig.peer.messages
    assert isinstance(await send(rig, Delete(target="c1-1"), number=7), Sent)


async def test_the_caption_of_a_file_can_be_changed(rig: TelegramRig) -> None:
    await send(rig, picture(rig, caption="one"))
    assert isinstance(await send(rig, Edit(target="c1-1", text="two"), number=2), Sent)
    assert rig.peer.messages[42, 1]["caption"] == "two"


async def test_a_message_of_another_chat_is_not_touched(rig: TelegramRig) -> None:
    await send(rig, Text(text="one"), "telegram:43")
    outcome = await send(rig, Delete(target=f"{BOT}/43/1"), number=2)
    assert isinstance(outcome, Refused)
    assert (43, 1) in rig.peer.messages


@pytest.mark.parametrize("change", ["edit", "delete", "react"])
async def test_in_a_group_that_has_moved_no_message_of_the_same_number_is_touched(
    rig: TelegramRig, change: str
) -> None:
    """A supergroup counts its messages from 1: the number that we know is somebody else's there."""
    rig.peer.join(-5, "Friends")
    sent = await send(rig, Text(text="one"), "telegram:-5")
    assert isinstance(sent, Sent)
    rig.peer.join(-1005, "Friends", kind="supergroup")
    rig.peer.moved[-5] = -1005
    rig.peer.messages[-1005, 1] = {"message_id": 1, "text": "somebody's", "from": rig.peer.bot}
    wishes = {
        "edit": Edit(target="c1-1", text="two"),
        "delete": Delete(target=sent.native_id),
        "react": Reaction(target="c1-1", emoji="👍"),
    }
    outcome = await send(rig, wishes[change], "telegram:-5", 2)
    assert isinstance(outcome, Refused)
    assert outcome.code == "no_target"
    assert rig.peer.messages[-1005, 1]["text"] == "somebody's"
    assert not rig.peer.reactions
    assert await send(rig, Text(text="three"), "telegram:-5", 3) == Sent(native_id=f"{BOT}/-1005/2")


async def test_a_caption_that_is_changed_twice_is_as_it_should_be(rig: TelegramRig) -> None:
    """The answer to the first change may have been lost."""
    await send(rig, picture(rig, caption="one"))
    sent = await send(rig, Edit(target="c1-1", text="two"), number=2)
    assert await send(rig, Edit(target="c1-1", text="two"), number=2) == sent


@pytest.mark.parametrize("fault", [Cut(), After(Cut()), Answer(status=502)], ids=["cut", "lost", "502"])
async def test_a_change_of_unknown_outcome_may_be_made_again(rig: TelegramRig, fault: object) -> None:
    await send(rig, Text(text="one"))
    rig.peer.will(fault)  # type: ignore[arg-type]  # a fault
    outcome = await send(rig, Edit(target="c1-1", text="two"), number=2)
    assert isinstance(outcome, TryLater)
    assert isinstance(await send(rig, Edit(target="c1-1", text="two"), number=2), Sent)


async def test_an_upload_that_breaks_before_its_end_was_not_sent(rig: TelegramRig) -> None:
    class Broken(FakeMedia):
        async def read(self, file: StoredFile) -> AsyncIterator[bytes]:
            yield self.files[file.name]
            raise ConnectionError("the store is away")

    media = Broken()
    rig.adapter._driver._media = media  # type: ignore[attr-defined]  # the store of the driver
    file = media.add(PNG)
    assert isinstance(await send(rig, Media(file=file, type="image/png")), TryLater)
    assert rig.peer.shown == []


async def test_a_file_that_is_gone_is_refused(rig: TelegramRig) -> None:
    class Empty(FakeMedia):
        async def read(self, file: StoredFile) -> AsyncIterator[bytes]:
            if file.name not in self.files:
                raise LookupError(file.name)
            yield self.files[file.name]

    rig.adapter._driver._media = Empty()  # type: ignore[attr-defined]  # the store of the driver
    outcome = await send(rig, Media(file=StoredFile(name="x", size=1, key="k"), type="image/png"))
    assert isinstance(outcome, Refused)
    assert outcome.code == "file_gone"


async def test_that_it_cannot_be_noted_does_not_unsend_it(rig: TelegramRig) -> None:
    class Full(FakeMemory):
        async def save(self, key: str, value: bytes) -> None:
            raise ConnectionError(f"{key} of {len(value)} bytes")

    rig.adapter._sending._notes._memory = Full()  # type: ignore[attr-defined]  # the notes of the channel
    assert isinstance(await send(rig, Text(text="one")), Sent)


@pytest.mark.parametrize("address", ["telegram:ola", "email:a@b.example"])
async def test_an_address_that_is_none_of_ours_is_not_called(rig: TelegramRig, address: str) -> None:
    assert isinstance(await send(rig, Text(text="one"), address), Unreachable)
    assert methods(rig) == []


@pytest.mark.parametrize(
    ("quote", "address", "shown"),
    [
        ("groups", "telegram:-5", True),
        ("groups", "telegram:42", False),
        ("always", "telegram:42", True),
        ("never", "telegram:-5", False),
    ],
)
async def test_an_answer_shows_what_it_answers_where_it_is_wished(quote: str, address: str, shown: bool) -> None:  # noqa: FBT001  # a table
    async with at_work(quote=quote) as rig:
        rig.peer.join(-5, "Friends")
        chat = int(address.partition(":")[2])
        asked = rig.peer.message(chat, text="?")["message_id"]
        message = outbound(address, "test", Text(text="!"))
        await rig.adapter.send(_answering(message, f"{BOT}/{chat}/{asked}"))
        assert ("reply_parameters" in rig.peer.sends[0]) is shown


async def test_a_message_that_is_answered_and_gone_does_not_keep_the_answer() -> None:
    async with at_work(quote="always") as rig:
        await rig.adapter.send(_answering(outbound("telegram:42", "test", Text(text="!")), f"{BOT}/42/999"))
        assert len(rig.peer.shown) == 1


def _answering(message: Outbound, native_id: str) -> Outbound:
    return replace(message, reply_to=native_id)


async def test_two_chats_in_a_flood_are_a_flood_of_the_bot(rig: TelegramRig) -> None:
    rig.peer.will(rig.peer.refusal(429, 30), rig.peer.refusal(429, 30), rig.peer.refusal(429, 30))
    outcomes = [await send(rig, Text(text="x"), address) for address in ("telegram:42", "telegram:42", "telegram:43")]
    assert [one.whole_channel for one in outcomes if isinstance(one, RateLimited)] == [False, False, True]


def test_a_flood_is_forgotten_when_its_pause_is_over() -> None:
    floods = Floods()
    assert not floods.whole(1, NOON, 5)
    assert floods.whole(2, NOON, 5)
    assert not floods.whole(3, NOON + 5_001, 5)


async def test_groups_have_a_pace_of_their_own_and_their_topics_share_it(rig: TelegramRig) -> None:
    group, rate = rig.adapter.lane("telegram:-1005/7")
    assert (group, rate) == rig.adapter.lane("telegram:-1005/8")
    person, other = rig.adapter.lane("telegram:42")
    assert (group, person) == ("telegram:-1005", "telegram:42")
    assert rate == group_rate(20)
    assert other is not None
    assert other.per_second == 1


@pytest.mark.parametrize("per_minute", [6, 20, 60, 999])
def test_no_minute_holds_more_than_a_group_may_have(per_minute: int) -> None:
    rate = group_rate(per_minute)
    assert rate.burst + 60 * rate.per_second <= per_minute + 1e-9


@pytest.mark.parametrize("text", ["👍" * 3_000, "long word" * 2_000, "a\n\n" * 4_000])
def test_long_text_is_cut_as_telegram_counts(text: str) -> None:
    pieces = render(Text(text=text), CAPABILITIES, link=lambda _: "https://chat.example/file")
    assert all(isinstance(piece, Text) and 0 < utf16(piece.text) <= TEXT_LIMIT for piece in pieces)


def test_a_long_caption_follows_its_file() -> None:
    media = Media(file=StoredFile(name="x", size=1, key="k"), type="image/png", caption="👍" * (CAPTION_LIMIT // 2 + 1))
    first, *rest = render(media, CAPABILITIES, link=lambda _: "https://chat.example/file")
    assert isinstance(first, Media)
    assert first.caption == ""
    assert "".join(piece.text for piece in rest if isinstance(piece, Text)) == media.caption


async def test_a_lost_answer_to_a_message_is_an_unknown_outcome_and_nothing_is_sent_twice(rig: TelegramRig) -> None:
    rig.peer.will(After(Cut()))
    assert isinstance(await send(rig, Text(text="one")), OutcomeUnknown)
    assert len(rig.peer.shown) == 1


async def test_a_large_file_is_streamed(rig: TelegramRig) -> None:
    class Store(FakeMedia):
        async def read(self, file: StoredFile) -> AsyncIterator[bytes]:
            for _ in range(file.size // 65_536):
                yield bytes(65_536)

    rig.adapter._driver._media = Store()  # type: ignore[attr-defined]  # the store of the driver
    file = StoredFile(name="x", size=8 * 1_048_576, key="k")
    async with asyncio.timeout(30):
        assert isinstance(await send(rig, Media(file=file, type="application/pdf", filename="a.pdf")), Sent)
    assert rig.peer.shown[0].files[0][1] == file.size
