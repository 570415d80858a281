"""Closed conversations leave the log for the archive, and are read from wherever they are."""

import secrets
import sys
from types import FrameType

import msgspec

from broker.bus.reader import last_by_subject
from broker.routing.archive import PARTS, Archived, archive_conversation, pack, read_history, unpack
from router.record import Record, encode_record
from tests.broker.routing.play import Play

PERSON, CONVERSATION = "p1", "c1"


async def write(play: Play, count: int, *, first: int = 1, padding: int = 0) -> None:
    for number in range(first, first + count):
        record = Record(
            input=number, step=0, now=number, term=1, rules=1, cause="input", ref=secrets.token_hex(padding)
        )
        subject = play.workspace.log_subject(CONVERSATION)
        if number % 3 == 0:
            subject = play.workspace.out_subject(CONVERSATION, "site")
        await play.bus.publish(subject, encode_record(record))


async def history(play: Play, person: str = PERSON) -> list[int]:
    return [record.input for _, record in await read_history(play.bus, play.workspace, CONVERSATION, person)]


async def test_history_is_the_same_before_and_after_archiving(play: Play) -> None:
    await write(play, 10)
    before = await read_history(play.bus, play.workspace, CONVERSATION, PERSON)
    assert await archive_conversation(play.bus, play.workspace, PERSON, CONVERSATION) == 10
    assert await play.messages() == []
    assert await read_history(play.bus, play.workspace, CONVERSATION, PERSON) == before
    assert [record.input for _, record in before] == list(range(1, 11))


async def test_archiving_again_changes_nothing(play: Play) -> None:
    await write(play, 5)
    await archive_conversation(play.bus, play.workspace, PERSON, CONVERSATION)
    assert await archive_conversation(play.bus, play.workspace, PERSON, CONVERSATION) == 0
    assert await history(play) == [1, 2, 3, 4, 5]


async def test_a_conversation_opened_again_is_read_from_both_and_archived_as_one(play: Play) -> None:
    await write(play, 5)
    await archive_conversation(play.bus, play.workspace, PERSON, CONVERSATION)
    await write(play, 4, first=6)
    assert await history(play) == list(range(1, 10))
    await archive_conversation(play.bus, play.workspace, PERSON, CONVERSATION)
    assert await history(play) == list(range(1, 10))


async def test_what_is_known_already_is_not_read_again(play: Play) -> None:
    await write(play, 3)
    await archive_conversation(play.bus, play.workspace, PERSON, CONVERSATION)
    await write(play, 4, first=4)
    found = await read_history(play.bus, play.workspace, CONVERSATION, PERSON, after=2)
    assert [record.input for _, record in found] == [3, 4, 5, 6, 7]
    found = await read_history(play.bus, play.workspace, CONVERSATION, PERSON, after=found[2][0])
    assert [record.input for _, record in found] == [6, 7]


async def test_a_conversation_is_found_after_its_person_turned_out_to_be_another(play: Play) -> None:
    await write(play, 5)
    await archive_conversation(play.bus, play.workspace, PERSON, CONVERSATION)
    assert await history(play, "p2") == [1, 2, 3, 4, 5]
    assert await history(play, "") == [1, 2, 3, 4, 5]
    await write(play, 1, first=6)
    await archive_conversation(play.bus, play.workspace, "p2", CONVERSATION)
    assert await history(play, "p2") == [1, 2, 3, 4, 5, 6]


async def test_what_does_not_fit_into_one_message_goes_into_several(play: Play) -> None:
    await write(play, 12, padding=150_000)
    assert await archive_conversation(play.bus, play.workspace, PERSON, CONVERSATION) == 12
    stored = await last_by_subject(
        play.bus, play.workspace.arc_stream, play.workspace.arc_subject(PERSON, CONVERSATION)
    )
    assert stored is not None
    assert int((stored.headers or {})[PARTS]) > 1
    assert await history(play) == list(range(1, 13))


async def test_nothing_is_known_of_a_conversation_that_never_was(play: Play) -> None:
    assert await history(play) == []


def test_packing_is_undone_by_unpacking() -> None:
    records = [Archived(n, f"s.{n}", msgspec.Raw(b'{"in":%d}' % n)) for n in range(100)]
    parts = pack(records, limit=300)
    assert len(parts) > 1
    assert [record for part in parts for record in unpack(part)] == records


async def test_packing_holds_up_nobody_else(play: Play) -> None:
    """100,000 messages take 4.5 s: a router that stands still for 2 s has lost its lease, and so would the next one."""
    in_the_loop = []

    def note(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code is pack.__code__:
            in_the_loop.append(frame)

    await write(play, 3)
    sys.setprofile(note)  # of this thread only
    try:
        await archive_conversation(play.bus, play.workspace, PERSON, CONVERSATION)
    finally:
        sys.setprofile(None)
    assert not in_the_loop
    assert await history(play) == [1, 2, 3]
