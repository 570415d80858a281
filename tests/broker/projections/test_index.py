"""The desk's way to the index: bounded waits, and the truth about how far it is."""

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from broker.projections import index as module
from broker.projections.index import UNHEARD, Index
from broker.projections.schema import FILE, connect
from broker.projections.store import Place, Store
from desk.finding.reports import Asked, period
from desk.finding.search import IndexAway, Page, Query, Term
from tests.broker.projections.story import Story

FIRST = Page(20)


@pytest.fixture
def index(folder: Path, story: Story) -> Iterator[Index]:
    made = Index(folder, "w", now=lambda: story.now)
    yield made
    made.close()


async def test_it_finds_people_and_conversations_and_counts(index: Index, story: Story, store: Store) -> None:
    story.opens("c1", "alpha", who="Anna")
    store.hear(story.now)
    hits, following, state = await index.conversations(Query(terms=(Term("alpha"),)), FIRST, None)
    assert ([hit.conversation for hit in hits], following) == (["c1"], None)
    assert (state.state, state.done, state.as_of) == ("ready", 1.0, story.now)
    people, _, _ = await index.people(Query(terms=(Term("anna"),)), FIRST, None)
    assert [each.person for each in people] == ["p-c1"]
    over = period(date(2026, 11, 2), date(2026, 11, 2), "day", ZoneInfo("Europe/Warsaw"))
    groups, _ = await index.report(Asked(name="volume", period=over))
    assert groups[0].total["begun"] == 1


async def test_it_says_when_it_is_being_built_and_when_nobody_follows(index: Index, story: Story, store: Store) -> None:
    store.hear(story.now)

    async def status() -> str:
        return (await index.conversations(Query(sort="newest"), FIRST, None))[2].state

    store.take_log((), 1, whole={}, done=0.4)
    assert await status() == "building"
    store.take_log((), 1, whole={}, done=1.0)
    assert await status() == "ready"
    story.wait(UNHEARD + 1)
    assert await status() == "behind"


async def test_without_a_file_there_is_no_answer(tmp_path: Path) -> None:
    index = Index(tmp_path, "w", now=lambda: 0)
    with pytest.raises(IndexAway, match="cannot be read"):
        await index.conversations(Query(sort="newest"), FIRST, None)
    (tmp_path / FILE).touch()
    with pytest.raises(IndexAway, match="not built yet"):
        await index.conversations(Query(sort="newest"), FIRST, None)
    index.close()


async def test_an_index_of_another_workspace_gives_no_answer(folder: Path, store: Store) -> None:
    del store
    index = Index(folder, "other", now=lambda: 0)
    with pytest.raises(IndexAway, match="not built yet"):
        await index.people(Query(terms=(Term("a"),)), FIRST, None)
    index.close()


async def test_a_question_that_takes_too_long_is_broken_off(index: Index, story: Story) -> None:
    story.opens("c1")
    begun = time.monotonic()
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    for _ in range(module.THREADS):
        with pytest.raises(IndexAway, match="ask for less"):
            await index._ask(lambda database, _: database.execute(endless).fetchall(), 0.1)
    hits, _, _ = await index.conversations(Query(sort="newest"), FIRST, None)
    assert len(hits) == 1
    assert time.monotonic() - begun < 60


async def test_a_question_that_nobody_waits_for_is_broken_off(index: Index, story: Story) -> None:
    story.opens("c1")
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    for _ in range(module.THREADS):
        task = asyncio.create_task(index._ask(lambda database, _: database.execute(endless).fetchall(), 60))
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.wait([task])
    assert (await index.conversations(Query(sort="newest"), FIRST, None))[0] != ()


async def test_readers_and_the_writer_do_not_wait_for_one_another(index: Index, folder: Path, story: Story) -> None:
    story.opens("c1")
    writer = connect(folder / FILE, writes=True)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE conversations SET status = 'closed'")
    hits, _, _ = await index.conversations(Query(sort="newest"), FIRST, None)
    assert hits[0].status == "open"
    writer.execute("COMMIT")
    writer.close()
    hits, _, _ = await index.conversations(Query(sort="newest"), FIRST, None)
    assert hits[0].status == "closed"


async def test_what_is_read_is_of_one_moment(index: Index, story: Story, store: Store) -> None:
    story.opens("c1", "alpha")

    def read(database: sqlite3.Connection, _: Place) -> list[int]:
        counts = []
        for number in range(2):
            counts.append(database.execute("SELECT count(*) FROM entries").fetchone()[0])
            story.opens(f"d{number}", "beta")
        return counts

    counts, _ = await index._ask(read, 60)
    assert counts == [1, 1]
    assert store.place is not None
    hits, _, _ = await index.conversations(Query(terms=(Term("beta"),)), FIRST, None)
    assert len(hits) == 2
