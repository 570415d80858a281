"""The index as the desk reads it: in threads, with bounded waits, each question on a connection of its own."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from broker.projections import counting, finding
from broker.projections.schema import FILE, SCHEMA, connect
from broker.projections.store import Place, read_place
from desk.finding.reports import Asked, Group
from desk.finding.search import Conversations, IndexAway, IndexState, IndexStatus, Page, People, Query, Reach

THREADS = 2
SEARCH_WITHIN = 3.0
COUNT_WITHIN = 30.0
"""Seconds; a question that takes longer is broken off."""

LOOK_EVERY = 20_000
"""Instructions of SQLite's machine between two looks whether anybody still waits; some milliseconds."""

UNHEARD = 30_000
"""Nobody follows the log into the index for so long (ms): what it says may be old."""

T = TypeVar("T")


class Index:
    """Answers the desk. ``now`` is in ms since the epoch."""

    def __init__(self, folder: Path, workspace: str, *, now: Callable[[], int]) -> None:
        self._file = folder / FILE
        self._workspace = workspace
        self._now = now
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="search")

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def conversations(self, query: Query, page: Page, reach: Reach | None) -> Conversations:
        """Find conversations; raises `IndexAway`."""
        (hits, following), state = await self._ask(
            lambda database, _: finding.conversations(database, query, page, reach, self._now()), SEARCH_WITHIN
        )
        return hits, following, state

    async def people(self, query: Query, page: Page, reach: Reach | None) -> People:
        """Find customers; raises `IndexAway`."""
        (hits, following), state = await self._ask(
            lambda database, _: finding.people(database, query, page, reach), SEARCH_WITHIN
        )
        return hits, following, state

    async def report(self, asked: Asked) -> tuple[tuple[Group, ...], IndexState]:
        """Count; raises `IndexAway`."""
        return await self._ask(lambda database, place: counting.count(database, asked, place.as_of), COUNT_WITHIN)

    async def _ask(self, question: Callable[[sqlite3.Connection, Place], T], within: float) -> tuple[T, IndexState]:
        """Answer in a thread. A question that takes too long, or that nobody waits for any more, is broken off."""
        unwanted = threading.Event()

        def work() -> tuple[T, IndexState]:
            database = connect(self._file)
            database.set_progress_handler(unwanted.is_set, LOOK_EVERY)
            try:
                database.execute("BEGIN")  # everything that is read is of one moment
                place = read_place(database)
                if place is None or (place.schema, place.workspace) != (SCHEMA, self._workspace):
                    raise IndexAway("the index is not built yet")
                return question(database, place), self._state(place)
            finally:
                database.close()

        try:
            async with asyncio.timeout(within):
                return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except TimeoutError:
            raise IndexAway(f"the index gave no answer within {within:g} s: ask for less") from None
        except sqlite3.Error as exc:
            raise IndexAway(f"the index cannot be read now: {exc}") from exc
        finally:
            unwanted.set()

    def _state(self, place: Place) -> IndexState:
        status: IndexStatus = "ready"
        if place.done < 1:
            status = "building"
        elif self._now() - place.heard > UNHEARD:
            status = "behind"
        return IndexState(state=status, done=place.done, as_of=place.as_of)
