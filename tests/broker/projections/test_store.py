"""What a batch writes and the position behind it are one; what is erased leaves no bytes behind."""

from pathlib import Path

import pytest

from broker.projections.schema import FILE, SCHEMA, connect
from broker.projections.store import Archive, Gone, Incomplete, InUse, Place, Store
from router.people import Person, PersonRecord
from tests.broker.projections.story import DAY, Story, rows

SECRET = "Kryptonit"


def test_a_batch_that_fails_leaves_nothing(folder: Path, store: Store, story: Story) -> None:
    story.opens("c1", "alpha")
    before = store.place
    story.store = None
    story.says("c1", "beta")
    story.says("c2", "gamma")
    with pytest.raises(Incomplete) as raised:
        store.take_log(story.records[1:], story.seq, whole={}, done=1.0)
    assert dict(raised.value.missing) == {"c2": ""}
    assert store.place == before
    assert rows(folder, "SELECT text FROM said") == [("alpha",)]
    store.take_log(story.records[1:2], story.seq, whole={}, done=1.0)
    assert rows(folder, "SELECT text FROM said") == [("alpha",), ("beta",)]


def test_a_record_that_comes_twice_changes_nothing(folder: Path, store: Store, story: Story) -> None:
    story.opens("c1", "alpha")
    story.answers("c1")
    before = rows(folder, "SELECT * FROM conversations"), rows(folder, "SELECT * FROM entries")
    store.take_log(story.records, story.seq, whole={}, done=1.0)
    assert (rows(folder, "SELECT * FROM conversations"), rows(folder, "SELECT * FROM entries")) == before


def test_the_place_moves_with_the_batch(store: Store, story: Story) -> None:
    seq = story.opens("c1")
    place = store.place
    assert place is not None
    assert (place.log, place.as_of, place.done) == (seq, story.now, 1.0)
    place = store.take_log((), seq + 5, whole={}, done=1.0)
    assert (place.log, place.as_of) == (seq + 5, story.now)


def test_one_index_has_one_writer(folder: Path, store: Store) -> None:
    with pytest.raises(InUse, match="another process"):
        Store.open(folder)
    store.close()
    Store.open(folder).close()


def test_a_file_that_is_replaced_is_noticed(folder: Path, store: Store) -> None:
    store.hear(7)
    assert rows(folder, "SELECT heard FROM place") == [(7,)]
    (folder / FILE).rename(folder / "elsewhere")
    with pytest.raises(Gone):
        store.hear(8)
    (folder / FILE).touch()
    with pytest.raises(Gone):
        store.hear(8)


def test_an_index_of_another_release_has_no_place(folder: Path, store: Store) -> None:
    database = connect(folder / FILE, writes=True)
    database.execute("ALTER TABLE place RENAME COLUMN floor TO ceiling")
    assert store.place is None
    database.close()
    store.begin_anew(Place(SCHEMA, "two", "w", "now", 3))
    assert store.place == Place(SCHEMA, "two", "w", "now", 3)


def test_an_archived_conversation_is_folded_at_once_where_nothing_is_known_of_it(
    folder: Path, store: Store, story: Story
) -> None:
    story.store = None
    story.opens("c1", "alpha")
    story.closes("c1", result="")
    line = [(seq, record) for seq, _, record in story.records]
    store.take_archive([Archive("p-c1", "c1", line)], 4, whole={}, done=0.5)
    assert rows(folder, "SELECT text FROM said") == [("alpha",)]
    store.take_archive([Archive("p-c1", "c1", line)], 5, whole={}, done=0.5)
    place = store.place
    assert place is not None
    assert (place.archive, place.log) == (5, 0)
    with pytest.raises(Incomplete):
        store.take_archive([Archive("p-c1", "c1", line[:1])], 6, whole={}, done=0.5)
    with pytest.raises(Incomplete):
        store.take_archive([Archive("p2", "c2", None)], 6, whole={}, done=0.5)


def test_people_who_moved_twice_are_one(folder: Path, store: Store, story: Story) -> None:
    for name in ("p1", "p2", "p3"):
        story.opens(f"c-{name}", person=name)
    moved = [
        PersonRecord(person=Person(id="p2", addresses=[], moved="p3"), addresses=[]),
        PersonRecord(person=Person(id="p1", addresses=[], moved="p2"), addresses=[]),
    ]
    store.take_people(moved)
    assert rows(folder, "SELECT DISTINCT person FROM conversations") == [("p3",)]
    story.opens("c4", person="p1")
    assert rows(folder, "SELECT person FROM conversations WHERE id = 'c4'") == [("p3",)]


def test_what_is_erased_leaves_no_bytes(folder: Path, store: Store, story: Story) -> None:
    story.opens(
        "c1", f"my secret is {SECRET} {SECRET.lower()}ner", person="p1", who=SECRET, address=f"email:{SECRET}@x.example"
    )
    story.answers("c1", "ben", f"so it is {SECRET}")
    story.closes("c1", result=SECRET)
    story.wait(DAY).opens("c2", "an innocent word", person="p2", who="Ola")
    for number in range(50):
        story.opens(f"d{number}", "many other words", person="p2")
    store.erase("p1")
    assert rows(folder, "SELECT DISTINCT person FROM conversations") == [("p2",)]
    assert rows(folder, "SELECT who FROM persons WHERE persons MATCH 'ola'") != []
    assert rows(folder, "SELECT rowid FROM texts WHERE texts MATCH 'innocent'") != []
    for table in ("names", "addresses", "cases", "served", "participants"):
        assert not [row for row in rows(folder, f"SELECT * FROM {table}") if "c1" in row or "p1" in row]  # noqa: S608  # ours
    store.close()
    held = b"".join(file.read_bytes() for file in folder.iterdir()).lower()
    assert SECRET.lower().encode() not in held
    assert b"innocent" in held
