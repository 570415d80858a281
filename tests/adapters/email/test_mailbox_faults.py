"""The mailbox reader and servers that misbehave: one bad mail is told, and stops no others."""

import asyncio
import re
from collections.abc import Callable, Sequence

import pytest

from adapters.email.imap import CommandRefused
from adapters.email.mailbox import (
    BATCH_MAILS,
    PATIENCE,
)
from adapters.errors import NotAccepted
from adapters.testing import FakeContext
from tests.adapters.email.reading import Desk, Reader, many, numbered
from tests.fixtures.imap import HostileImap


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
