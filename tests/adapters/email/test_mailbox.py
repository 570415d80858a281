"""The mailbox reader with a real Dovecot: nothing twice, nothing lost, whatever ends the connection."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from adapters.email.imap import CommandRefused, Connection, Folder, Item
from adapters.email.mailbox import (
    BATCH_BYTES,
    BATCH_MAILS,
    DAY,
    PATIENCE,
    SKEW,
    Mailbox,
    Position,
    Reach,
    Stall,
    batches,
    criteria,
    place,
)
from adapters.email.settings import AfterSettings
from adapters.errors import NotAccepted, NotReachable
from adapters.testing import FakeContext
from adapters.testing.context import FakeMemory
from tests.adapters.email.conftest import mail, server
from tests.fixtures.dovecot import USER, Dovecot
from tests.fixtures.imap import HostileImap

NOW = 1_800_000_000_000
POSITION = f"position.{USER}.INBOX"


class Desk:
    """Takes mails, and knows those again that it has had; ``fails`` is how many it refuses to take first."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.again = 0
        self.given_up: list[tuple[str, int]] = []
        self.fails = 0
        self.not_for_us: set[int] = set()
        self.full: Callable[[], None] = lambda: None

    async def take(self, mails: Sequence[bytes]) -> list[bool]:
        return [self._take(mail) for mail in mails]

    def _take(self, mail: bytes) -> bool:
        number = int(mail.split(b"Subject: question ")[1].split(b"\r\n")[0])
        if number in self.not_for_us:
            return False
        if number in self.taken:
            self.again += 1
            return True
        if self.fails:
            self.fails -= 1
            raise NotAccepted("not_stored", "not now")
        self.taken.append(number)
        self.full()
        return True

    async def give_up(self, header: bytes, item: Item, reason: str) -> None:
        assert b"Subject: " in header or not header
        self.given_up.append((reason, item.size))


class Reader:
    """Makes a connection and a mailbox, again and again."""

    def __init__(self, context: FakeContext, port: int) -> None:
        self.desk = Desk()
        self.context = context
        self.port = port
        self.after = AfterSettings()
        self.first_start = 0
        self.largest = 50_000_000
        self.stall = Stall(context.now)
        self._connections: list[Connection] = []

    async def start(self) -> Mailbox:
        connection = await Connection.open(server(self.port))
        self._connections.append(connection)
        mailbox = Mailbox(
            connection,
            self.desk,
            self.context.memory,
            account=USER,
            folder="INBOX",
            after=self.after,
            first_start=self.first_start,
            largest=self.largest,
            stall=self.stall,
            now=self.context.now,
            log=self.context.log,
        )
        await mailbox.open()
        return mailbox

    async def look(self) -> None:
        """Connect, catch up, leave: what a restart does."""
        await (await self.start()).catch_up()
        await self.close()

    async def close(self) -> None:
        for connection in self._connections:
            await connection.close()
        self._connections.clear()


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


# --- a server that misbehaves ---


async def test_a_mail_that_the_server_cannot_give_is_told_and_passed_over(context: FakeContext) -> None:
    def fetch(command: str) -> str:
        _, _, uids, what = command.split(" ", 3)
        if "SIZE" in what:
            return "\r\n".join(f"* {uid} FETCH (UID {uid} RFC822.SIZE 10)" for uid in (5, 6) if str(uid) in uids)
        if "HEADER" in what:
            return "* 5 FETCH (UID 5 BODY[HEADER] {11}\r\nSubject: x\r\n)"
        if "FLAGS" in what:
            return "* 5 FETCH (UID 5 FLAGS ())"
        if "5" in uids:
            return "{tag} NO [UNAVAILABLE] BODY[] failed"
        return "* 6 FETCH (UID 6 BODY[] {21}\r\nSubject: question 6\r\n)"

    script = {
        "SELECT": "* 3 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n* OK [UIDNEXT 4] ok",
        "UID SEARCH": "* SEARCH 5 6",
        "UID FETCH": fetch,
    }
    async with HostileImap(script) as imap:
        reader = Reader(context, imap.port)
        await reader.look()
        assert reader.desk.given_up == [("not_fetched", 10)]
        assert reader.desk.taken == [6]
        assert "UID STORE 6 +FLAGS.SILENT (\\Seen)" in imap.commands


async def test_a_mail_that_the_server_leaves_out_of_its_answer_is_told_and_not_passed_over(
    context: FakeContext,
) -> None:
    """Its number is there, and what it is is not said; a mail that is gone has no number any more."""
    whole = numbered(5, 5)

    def fetch(command: str) -> str:
        if "HEADER" in command:
            return "* 4 FETCH (UID 4 BODY[HEADER] {11}\r\nSubject: x\r\n)"
        if command.endswith("(UID FLAGS)"):
            return "* 4 FETCH (UID 4 FLAGS ())\r\n* 9 FETCH (UID 9 FLAGS (\\Seen))"  # the other one was not asked for
        return whole(command) or "* "

    async with HostileImap(many(3) | {"UID FETCH": fetch}) as imap:
        reader = Reader(context, imap.port)
        await reader.look()
    assert reader.desk.taken == [5]
    assert reader.desk.given_up == [("not_fetched", 0)]


async def test_a_mail_of_which_the_server_says_nothing_stops_no_other(context: FakeContext) -> None:
    """Its index is broken: all questions that name this mail are refused."""
    whole = numbered(4, 6)

    def fetch(command: str) -> str:
        asked = {int(found) for found in re.findall("UID ([0-9]+)", whole(command))}
        if command.endswith("(UID FLAGS)"):
            return "\r\n".join(f"* {uid} FETCH (UID {uid} FLAGS ())" for uid in asked)
        return "{tag} NO [SERVERBUG] internal error" if 5 in asked else whole(command)

    async with HostileImap(many(3) | {"UID FETCH": fetch}) as imap:
        reader = Reader(context, imap.port)
        await reader.look()
    assert reader.desk.taken == [4, 6]
    assert reader.desk.given_up == [("not_fetched", 0)]


def refused(times: int) -> Callable[[str], str]:
    """Refuse to give mail 4 as often as that; what it is and its header are told."""
    whole, left = numbered(4, 4), [times]

    def fetch(command: str) -> str:
        if command.endswith("(UID FLAGS)"):
            return "* 4 FETCH (UID 4 FLAGS ())"
        if "HEADER" in command:
            return "* 4 FETCH (UID 4 BODY[HEADER] {11}\r\nSubject: x\r\n)"
        if "BODY" not in command:
            return "* 4 FETCH (UID 4 RFC822.SIZE 20)"
        left[0] -= 1
        return "{tag} NO [UNAVAILABLE] the storage is away" if left[0] >= 0 else whole(command)

    return fetch


async def test_a_server_that_can_give_no_mail_for_a_while_is_asked_again(context: FakeContext) -> None:
    async with HostileImap(many(1) | {"UID FETCH": refused(3)}) as imap:
        reader = Reader(context, imap.port)
        with pytest.raises(CommandRefused, match="UID 4"):
            await reader.look()
        await reader.close()
        context.time += PATIENCE - 1
        await reader.look()
    assert reader.desk.taken == [4]
    assert reader.desk.given_up == []


async def test_the_only_mail_that_a_server_cannot_give_is_passed_over_in_the_end(context: FakeContext) -> None:
    async with HostileImap(many(1) | {"UID FETCH": refused(1_000)}) as imap:
        reader = Reader(context, imap.port)
        with pytest.raises(CommandRefused):
            await reader.look()
        await reader.close()
        context.time += PATIENCE
        await reader.look()
        assert reader.desk.given_up == [("not_fetched", 20)]
        assert not reader.stall.is_long(), "the next one is waited for anew"


def numbered(first: int, last: int) -> Callable[[str], str]:
    """Answer FETCH with small mails, in any order of asking."""

    def fetch(command: str) -> str:
        found = []
        for span in command.split(" ")[2].split(","):
            begin, _, end = span.partition(":")
            found += [uid for uid in range(int(begin), int(end or begin) + 1) if first <= uid <= last]
        texts = {uid: f"Subject: question {uid}\r\n" for uid in found}
        return "\r\n".join(
            f"* {uid} FETCH (UID {uid} RFC822.SIZE {len(text)} BODY[]<0> {{{len(text)}}}\r\n{text})"
            for uid, text in texts.items()
        )

    return fetch


def many(amount: int) -> dict[str, str | Callable[[str], str]]:
    """Script a server with mails from UID 4 on."""
    return {
        "SELECT": "* 3 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n* OK [UIDNEXT 4] ok",
        "UID SEARCH": f"* SEARCH {' '.join(map(str, range(4, 4 + amount)))}",
        "UID FETCH": numbered(4, 3 + amount),
    }


def fetches(imap: HostileImap) -> list[str]:
    return [command.split(" ")[2] for command in imap.commands if command.startswith("UID FETCH")]


async def test_small_mails_take_one_question_for_a_batch(context: FakeContext) -> None:
    async with HostileImap(many(2 * BATCH_MAILS)) as imap:
        reader = Reader(context, imap.port)
        await reader.look()
        assert reader.desk.taken == list(range(4, 4 + 2 * BATCH_MAILS))
        assert fetches(imap) == [f"4:{3 + BATCH_MAILS}", f"{4 + BATCH_MAILS}:{3 + 2 * BATCH_MAILS}"]


class SlowDesk(Desk):
    """Takes the first batch only when the mails of the next one were asked for."""

    def __init__(self, imap: HostileImap) -> None:
        super().__init__()
        self.imap = imap
        self.batches = 0
        self.marked: list[int] = []

    async def take(self, mails: Sequence[bytes]) -> list[bool]:
        self.batches += 1
        self.marked.append(sum("STORE" in command for command in self.imap.commands))
        async with asyncio.timeout(30):
            while self.batches == 1 and len(fetches(self.imap)) < 2:  # noqa: ASYNC110 - the server tells nobody
                await asyncio.sleep(0.01)
        return await super().take(mails)


async def test_the_next_mails_come_while_some_are_taken_and_are_taken_after_them(context: FakeContext) -> None:
    async with HostileImap(many(3 * BATCH_MAILS)) as imap:
        reader = Reader(context, imap.port)
        reader.desk = desk = SlowDesk(imap)
        await reader.look()
        assert desk.taken == list(range(4, 4 + 3 * BATCH_MAILS))
        assert desk.marked[0] == 0, "nothing is marked before it is taken"
        assert sum("STORE" in command for command in imap.commands) == 3


async def test_what_was_fetched_ahead_of_a_mail_that_is_not_stored_is_looked_at_again(context: FakeContext) -> None:
    async with HostileImap(many(3 * BATCH_MAILS)) as imap:
        reader = Reader(context, imap.port)
        mailbox = await reader.start()
        reader.desk.full = lambda: setattr(reader.desk, "fails", len(reader.desk.taken) == BATCH_MAILS)
        with pytest.raises(NotAccepted):
            await mailbox.catch_up()
        assert reader.desk.taken == list(range(4, 4 + BATCH_MAILS))
        assert [command.split(" ")[2] for command in imap.commands if "STORE" in command] == [f"4:{3 + BATCH_MAILS}"]
        await mailbox.catch_up()
        assert reader.desk.taken == list(range(4, 4 + 3 * BATCH_MAILS))
        assert reader.desk.again == 0
        await reader.close()


async def test_a_server_that_refuses_the_next_mails_costs_no_mark_of_those_before(context: FakeContext) -> None:
    script = many(2 * BATCH_MAILS)
    first = numbered(4, 3 + BATCH_MAILS)
    script["UID FETCH"] = lambda command: first(command) or "{tag} NO [SERVERBUG] not these"
    async with HostileImap(script) as imap:
        reader = Reader(context, imap.port)
        mailbox = await reader.start()
        with pytest.raises(CommandRefused):
            await mailbox.catch_up()
        assert [command.split(" ")[2] for command in imap.commands if "STORE" in command] == [f"4:{3 + BATCH_MAILS}"]
        await reader.close()


async def test_a_server_that_gives_no_beginnings_is_asked_for_the_whole(context: FakeContext) -> None:
    text = "Subject: question 4\r\n"

    def fetch(command: str) -> str:
        if "<0." in command:
            return "{tag} BAD what is that"
        size = f"RFC822.SIZE {len(text)}" if "SIZE" in command else f"BODY[] {{{len(text)}}}\r\n{text}"
        return f"* 4 FETCH (UID 4 {size})"

    async with HostileImap(many(1) | {"UID FETCH": fetch}) as imap:
        reader = Reader(context, imap.port)
        await reader.look()
        assert reader.desk.taken == [4]


async def test_the_last_mail_is_not_taken_for_a_new_one(context: FakeContext) -> None:
    """``UID 4:*`` names mail 3 where there is none above (RFC 9051 section 9)."""
    script = {
        "SELECT": "* 3 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n* OK [UIDNEXT 4] ok",
        "UID SEARCH": "* SEARCH 3",
    }
    async with HostileImap(script) as imap:
        reader = Reader(context, imap.port)
        mailbox = await reader.start()
        await mailbox.catch_up()
        assert "UID SEARCH UID 4:*" in imap.commands
        assert not any("FETCH" in command for command in imap.commands)
        await reader.close()


# --- pure ---

FOLDER = Folder(validity=7, next_uid=11, writable=True)


def test_a_first_start_begins_behind_the_last_mail() -> None:
    assert place(None, FOLDER, now=NOW, first_start=0) == Position(validity=7, uid=10, begun=NOW, looked=NOW)


def test_a_known_place_is_kept() -> None:
    known = Position(validity=7, uid=8, begun=1, looked=2)
    assert place(known, FOLDER, now=NOW, first_start=0) == known


@pytest.mark.parametrize("known_uid", [8, 500], ids=["another validity", "numbers that go back"])
def test_a_folder_that_counts_anew_is_gone_through_from_before_the_last_look(known_uid: int) -> None:
    validity = 6 if known_uid == 8 else 7
    known = Position(validity=validity, uid=known_uid, begun=NOW - 100 * DAY, looked=NOW - DAY)
    found = place(known, FOLDER, now=NOW, first_start=0)
    assert (found.validity, found.uid, found.older) == (7, 0, Reach(until=10, after=NOW - 4 * DAY))


def test_a_folder_that_counts_anew_never_gives_what_was_there_before_the_first_start() -> None:
    known = Position(validity=6, uid=8, begun=NOW - DAY, looked=NOW)
    found = place(known, FOLDER, now=NOW, first_start=0)
    assert found.older == Reach(until=10, after=NOW - DAY - SKEW)


def test_a_folder_that_counts_anew_while_older_mail_is_gone_through_keeps_its_reach() -> None:
    known = Position(validity=6, uid=8, begun=1, looked=NOW, older=Reach(until=90, after=5, unread=True))
    assert place(known, FOLDER, now=NOW, first_start=0).older == Reach(until=10, after=5, unread=True)


def test_the_server_is_asked_in_its_own_words() -> None:
    position = Position(validity=7, uid=8, begun=0, looked=0)
    older = Reach(until=10, after=NOW, unread=True)
    assert criteria(position, None) == "UID 9:*"
    assert criteria(position, older) == "UID 9:10 SINCE 14-Jan-2027 UNSEEN"


def test_batches_keep_the_order_and_their_size() -> None:
    sizes = [1, BATCH_BYTES - 1, 1, BATCH_BYTES * 3, 5]
    items = [Item(uid=uid, size=size, arrived=0) for uid, size in enumerate(sizes)]
    assert [[item.uid for item in batch] for batch in batches(items)] == [[0, 1], [2], [3], [4]]
    small = [Item(uid=uid, size=1, arrived=0) for uid in range(BATCH_MAILS + 1)]
    assert [len(batch) for batch in batches(small)] == [BATCH_MAILS, 1]
