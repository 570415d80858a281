"""Where a mailbox reader goes on, what it asks for, and in which batches."""

import pytest

from adapters.email.imap import Folder, Item
from adapters.email.mailbox import (
    BATCH_BYTES,
    BATCH_MAILS,
    DAY,
    SKEW,
    Position,
    Reach,
    batches,
    criteria,
    place,
)
from tests.adapters.email.reading import NOW

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
