"""The mailbox reader with a real Dovecot: nothing twice, nothing lost, whatever ends the connection."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

import pytest

from adapters.email.imap import Connection
from adapters.email.mailbox import (
    DAY,
)
from adapters.email.settings import AfterSettings
from adapters.errors import NotAccepted, NotReachable
from adapters.testing import FakeContext
from adapters.testing.context import FakeMemory
from tests.adapters.email.conftest import mail, server
from tests.adapters.email.reading import POSITION, Reader, many, numbered
from tests.fixtures.dovecot import Dovecot
from tests.fixtures.imap import HostileImap


@pytest.fixture
async def reader(context: FakeContext, dovecot: Dovecot) -> AsyncIterator[Reader]:
    context.time = int(time.time() * 1_000)
    reader = Reader(context, dovecot.port)
    yield reader
    await reader.close()


# --- the way it goes on ---


async def test_mail_of_before_the_first_start_is_left_alone(dovecot: Dovecot, reader: Reader) -> None:
    dovecot.deliver(mail(1), mail(2))
    await reader.look()
    dovecot.deliver(mail(3))
    await reader.look()
    await reader.look()
    assert reader.desk.taken == [3]
    assert reader.desk.again == 0
    assert sum(file.name.endswith("S") for file in dovecot.files()) == 1


async def test_unread_mail_of_before_is_taken_if_that_is_wished(dovecot: Dovecot, reader: Reader) -> None:
    dovecot.deliver(*map(mail, range(4)))
    connection = await Connection.open(server(dovecot.port))
    await connection.select("INBOX")
    await connection.flag([2], r"\Seen")
    await connection.close()
    reader.first_start = DAY
    await reader.look()
    await reader.look()
    assert reader.desk.taken == [0, 2, 3]
    assert reader.desk.again == 0


async def test_a_mail_that_was_not_stored_is_looked_at_again(dovecot: Dovecot, reader: Reader) -> None:
    await reader.look()
    dovecot.deliver(*map(mail, range(5)))
    mailbox = await reader.start()
    reader.desk.fails = 1
    with pytest.raises(NotAccepted):
        await mailbox.catch_up()
    assert reader.desk.taken == []
    assert not any(file.name.endswith("S") for file in dovecot.files()), "nothing is acknowledged"
    await reader.look()
    assert reader.desk.taken == [0, 1, 2, 3, 4]
    await reader.look()
    assert reader.desk.again == 0


async def test_what_is_not_for_us_stays_as_it_is(dovecot: Dovecot, reader: Reader) -> None:
    await reader.look()
    reader.desk.not_for_us = {1}
    dovecot.deliver(*map(mail, range(3)))
    await reader.look()
    assert reader.desk.taken == [0, 2]
    assert sum(file.name.endswith("S") for file in dovecot.files()) == 2


async def test_thousands_of_mails_are_each_taken_once(dovecot: Dovecot, reader: Reader) -> None:
    await reader.look()
    dovecot.fill(*map(mail, range(2_500)))
    await reader.look()
    assert sorted(reader.desk.taken) == list(range(2_500))
    assert reader.desk.again == 0


async def test_taken_mail_is_moved_and_tagged_as_wished(dovecot: Dovecot, reader: Reader) -> None:
    reader.after = AfterSettings(seen=False, keyword="Taken", move_to="Done")
    dovecot.make("Done")
    await reader.look()
    dovecot.deliver(mail(1), mail(2))
    await reader.look()
    await reader.look()
    assert reader.desk.taken == [1, 2]
    assert dovecot.files() == []
    assert [file.name.rpartition(",")[2] for file in dovecot.files("Done")] == ["a", "a"]


async def test_a_wish_that_cannot_be_fulfilled_stops_nothing(
    dovecot: Dovecot, reader: Reader, context: FakeContext
) -> None:
    reader.after = AfterSettings(move_to="Nowhere")
    await reader.look()
    dovecot.deliver(mail(1))
    await reader.look()
    dovecot.deliver(mail(2))
    await reader.look()
    assert reader.desk.taken == [1, 2]
    assert len(dovecot.files()) == 2
    assert [said["event"] for said in context.logged] == ["email.not_marked"] * 2


async def test_a_mail_that_is_too_large_is_told_and_passed_over(dovecot: Dovecot, reader: Reader) -> None:
    reader.largest = 100_000
    await reader.look()
    dovecot.deliver(mail(1), mail(2, size=200_000), mail(3))
    await reader.look()
    await reader.look()
    assert reader.desk.taken == [1, 3]
    assert [reason for reason, _ in reader.desk.given_up] == ["too_large"]
    assert reader.desk.given_up[0][1] > 200_000


async def test_a_move_that_was_cut_off_before_its_end_makes_no_second_copy(context: FakeContext) -> None:
    """A server without MOVE (RFC 6851): copy, mark, expunge; the connection goes before the last of these."""
    deleted: list[str] = []
    small = numbered(4, 5)

    def fetch(command: str) -> str:
        if command.endswith("(UID FLAGS)"):
            flags = deleted[0] if deleted else ""
            return f"* 4 FETCH (UID 4 FLAGS ({flags}))\r\n* 5 FETCH (UID 5 FLAGS ())"
        return small(command)

    def store(command: str) -> str:
        if r"\Deleted" in command:
            deleted.append(r"\Deleted")
        return "* "

    ends = [None, "* "]
    script = many(2) | {
        "CAPABILITY": "* CAPABILITY IMAP4rev1 IDLE UIDPLUS",
        "UID FETCH": fetch,
        "UID STORE": store,
        "UID EXPUNGE": lambda _: ends.pop(0),
    }
    async with HostileImap(script) as imap:
        reader = Reader(context, imap.port)
        reader.after = AfterSettings(seen=False, move_to="Done")
        with pytest.raises(NotReachable):
            await reader.look()
        await reader.look()
    moved = [command for command in imap.commands if command.startswith(("UID COPY", "UID EXPUNGE"))]
    assert moved == ['UID COPY 4:5 "Done"', "UID EXPUNGE 4:5", 'UID COPY 5 "Done"', "UID EXPUNGE 4:5"]
    assert reader.desk.taken == [4, 5]


# --- two readers ---


async def test_a_reader_that_stood_still_never_moves_the_position_back(
    dovecot: Dovecot, reader: Reader, context: FakeContext
) -> None:
    await reader.look()
    dovecot.deliver(mail(1))
    old, began, woken = await reader.start(), asyncio.Event(), asyncio.Event()
    take = reader.desk.take

    async def take_late(mails: Sequence[bytes]) -> list[bool]:
        reader.desk.take = take  # type: ignore[method-assign]  # the newer reader does not stand still
        taken = await take(mails)
        began.set()
        await woken.wait()
        return taken

    reader.desk.take = take_late  # type: ignore[method-assign]  # as above
    late = asyncio.create_task(old.catch_up())
    await began.wait()
    dovecot.deliver(*map(mail, range(2, 6)))
    await (await reader.start()).catch_up()
    assert reader.desk.taken == [1, 2, 3, 4, 5]
    position = await context.memory.load(POSITION)
    woken.set()
    with pytest.raises(NotReachable, match="another"):
        await late
    assert await context.memory.load(POSITION) == position
    dovecot.deliver(mail(6))
    await reader.look()
    assert reader.desk.taken == [1, 2, 3, 4, 5, 6]
    assert reader.desk.again == 1, "the one that both have taken"


async def test_a_reader_whose_write_was_kept_unheard_begins_again_behind_it(
    dovecot: Dovecot, reader: Reader, context: FakeContext
) -> None:
    class Deaf(FakeMemory):
        deaf = False

        async def write(self, key: str, value: bytes, revision: int) -> int:
            kept = await super().write(key, value, revision)
            if self.deaf:
                raise NotAccepted("not_kept", "nobody knows")
            return kept

    context.memory = memory = Deaf()
    await reader.look()
    dovecot.deliver(mail(1))
    mailbox = await reader.start()
    memory.deaf = True
    with pytest.raises(NotAccepted):
        await mailbox.catch_up()
    memory.deaf = False
    with pytest.raises(NotReachable):
        await mailbox.catch_up()
    dovecot.deliver(mail(2))
    await reader.look()
    assert reader.desk.taken == [1, 2]
    assert reader.desk.again == 1


# --- renumbering ---


async def test_after_a_renumbering_what_was_taken_is_known_and_what_is_new_is_taken(
    dovecot: Dovecot, reader: Reader, context: FakeContext
) -> None:
    dovecot.append(mail(99), context.time / 1_000 - 4 * 3_600)
    await reader.look()
    dovecot.deliver(*map(mail, range(5)))
    await reader.look()
    dovecot.deliver(mail(5))
    dovecot.renumber()
    await reader.look()
    assert reader.desk.taken == [0, 1, 2, 3, 4, 5]
    assert reader.desk.again == 5
    assert "email.renumbered" in [said["event"] for said in context.logged]
    dovecot.deliver(mail(6))
    await reader.look()
    assert reader.desk.taken[-1] == 6
    assert reader.desk.again == 5


async def test_a_renumbering_that_is_interrupted_goes_on(dovecot: Dovecot, reader: Reader) -> None:
    await reader.look()
    dovecot.deliver(*map(mail, range(5)))
    dovecot.renumber()
    reader.desk.fails = 1
    with pytest.raises(NotAccepted):
        await reader.look()
    await reader.look()
    assert sorted(reader.desk.taken) == [0, 1, 2, 3, 4]


# --- a server that is killed ---


async def test_a_connection_killed_at_any_moment_loses_and_doubles_nothing(dovecot: Dovecot, reader: Reader) -> None:
    await reader.look()
    done = asyncio.Event()

    async def read() -> None:
        while not done.is_set():
            try:
                mailbox = await reader.start()
                connection = reader._connections[-1]
                while not done.is_set():
                    await mailbox.catch_up()
                    await connection.wait_for_news(0.3)
            except NotReachable:
                await reader.close()

    async with asyncio.timeout(120), asyncio.TaskGroup() as parts:
        parts.create_task(read())
        for round_ in range(12):
            await asyncio.to_thread(dovecot.deliver, *(mail(round_ * 10 + i) for i in range(10)))
            await asyncio.sleep(0.05 * (round_ % 4))
            dovecot.cut()
        reader.desk.full = lambda: done.set() if len(reader.desk.taken) == 120 else None
        reader.desk.full()
    assert sorted(reader.desk.taken) == list(range(120))
