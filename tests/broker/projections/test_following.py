"""The index follows a real log and archive: nothing missing, nothing doubled, whatever happens to it."""

import asyncio
import random
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import msgspec
import pytest

from broker.bus.reader import delete_message
from broker.bus.settings import UserPassword
from broker.projections import child
from broker.projections.following import Indexer
from broker.projections.schema import FILE, connect
from broker.projections.store import Store
from broker.routing.archive import archive_conversation
from broker.routing.child import errand
from broker.routing.people import PeopleBucket
from broker.routing.positions import DEAD_LETTERS, HOUSEKEEPING, PEOPLE, Positions, index_name
from broker.routing.tasks import end
from broker.routing.trim import INDEX_PATIENCE, Housekeeper
from router import facts as f
from router.people import Person, PersonRecord
from router.record import encode_record
from tests.broker.projections.story import DAY, MINUTE, Story, rows
from tests.broker.routing.play import Play, until

TABLES = (
    "conversations",
    "entries",
    "said",
    "participants",
    "addresses",
    "names",
    "cases",
    "served",
    "stays",
    "offers",
    "calls",
)


class Scene:
    """A log that a story is written to, and an index that follows it."""

    def __init__(self, play: Play, folder: Path) -> None:
        self.play = play
        self.folder = folder
        self.story = Story(None, 1_700_000_000_000)
        self.now = 1_000_000
        self.positions = Positions(play.bus, play.workspace, play.times.log_stream)
        self._written = 0

    async def write(self) -> int:
        """Put what the story has told since the last time on the log; gives the last sequence."""
        seq = 0
        for _, line, record in self.story.records[self._written :]:
            subject = self.play.workspace.log_subject(line)
            seq = (await self.play.bus.publish(subject, encode_record(record))).seq
        self._written = len(self.story.records)
        return seq

    @asynccontextmanager
    async def following(self) -> AsyncIterator[Indexer]:
        """Follow in this loop."""
        store = Store.open(self.folder)
        indexer = Indexer(self.play.bus, self.play.workspace, store, now=lambda: self.now, look_every=0.05)
        task = asyncio.create_task(indexer.run())
        try:
            yield indexer
        finally:
            await end([task])
            store.close()

    async def index(self, *, after: str = "") -> None:
        """Follow until everything is in, in another index than the one that is named."""
        async with self.following():
            await until(partial(self.complete, after), "indexed")

    async def complete(self, after: str = "") -> bool:
        stream = await self.play.messages()
        last = stream[-1][0] if stream else 0
        statement = "SELECT 1 FROM place WHERE done = 1 AND log >= ? AND name <> ?"
        with suppress(sqlite3.Error):
            return rows(self.folder, statement, last, after) != []
        return False

    def texts(self) -> list[str]:
        return [str(text) for (text,) in rows(self.folder, "SELECT text FROM said ORDER BY text")]

    def dump(self) -> dict[str, list[tuple[object, ...]]]:
        return {table: sorted(rows(self.folder, f"SELECT * FROM {table}")) for table in TABLES}  # noqa: S608  # ours

    def found(self, word: str) -> int:
        return len(rows(self.folder, "SELECT rowid FROM texts WHERE texts MATCH ?", f'"{word}"'))

    def place(self, column: str) -> object:
        return rows(self.folder, f"SELECT {column} FROM place")[0][0]  # noqa: S608  # a name of ours

    def tell_all(self) -> None:
        """A day at the desk."""
        story = self.story
        story.opens("c1", "alpha", person="p1")
        story.wait(MINUTE).assigns("c1", "ben")
        story.wait(MINUTE).answers("c1", "ben", "beta")
        story.wait(MINUTE).closes("c1")
        story.wait(MINUTE).opens("c2", "gamma", person="p2")
        story.calls("c3", "k1")
        story.wait(MINUTE).rings("c3", "k1", "missed")
        story.reopens("c1")
        story.closes("c1", result="done")


@pytest.fixture
def scene(play: Play, folder: Path) -> Scene:
    return Scene(play, folder)


async def test_what_is_in_the_log_is_in_the_index(scene: Scene) -> None:
    scene.tell_all()
    await scene.write()
    await scene.index()
    assert scene.texts() == ["again", "alpha", "beta", "done", "gamma", "solved"]
    before = scene.dump()
    await scene.index()
    assert scene.dump() == before


async def test_what_comes_later_is_followed(scene: Scene) -> None:
    async with scene.following():
        for number in range(5):
            scene.story.opens(f"c{number}", f"word{number}")
            await scene.write()
            await until(scene.complete)
    assert scene.texts() == [f"word{number}" for number in range(5)]


async def test_a_deleted_index_is_built_from_archive_and_log(scene: Scene) -> None:
    scene.tell_all()
    await scene.write()
    await scene.index()
    before = scene.dump()
    for name, person in (("c1", "p1"), ("c2", "p2")):
        await archive_conversation(scene.play.bus, scene.play.workspace, person, name)
    (scene.folder / FILE).unlink()
    await scene.index()
    assert scene.dump() == before
    assert scene.found("alpha") == 1


async def test_an_archived_conversation_that_is_known_is_not_taken_twice(scene: Scene) -> None:
    scene.tell_all()
    await scene.write()
    await scene.index()
    before = scene.dump()
    await archive_conversation(scene.play.bus, scene.play.workspace, "p1", "c1")
    await scene.index()
    assert scene.dump() == before


async def test_a_conversation_opened_again_after_it_was_archived_is_whole(scene: Scene) -> None:
    scene.tell_all()
    await scene.write()
    await archive_conversation(scene.play.bus, scene.play.workspace, "p1", "c1")
    scene.story.says("c1", "late word")
    await scene.write()
    await scene.index()
    assert scene.texts() == ["again", "alpha", "beta", "done", "gamma", "late word", "solved"]
    whole = scene.dump()
    (scene.folder / FILE).unlink()
    await scene.index()
    assert scene.dump() == whole


async def test_records_that_went_to_the_archive_while_the_log_was_read_are_fetched_from_there(scene: Scene) -> None:
    scene.story.opens("c1", "alpha", person="p1")
    await scene.write()
    await scene.index()
    scene.story.answers("c1", "ben", "beta")
    await scene.write()
    await archive_conversation(scene.play.bus, scene.play.workspace, "p1", "c1")
    scene.story.says("c1", "gamma")
    await scene.write()
    await scene.index()
    assert scene.texts() == ["alpha", "beta", "gamma"]


async def test_what_is_left_of_a_conversation_without_its_beginning_is_nobodys(scene: Scene) -> None:
    scene.story.opens("c1", "alpha")
    first = await scene.write()
    scene.story.says("c1", "beta")
    scene.story.opens("c2", "gamma")
    await scene.write()
    await delete_message(scene.play.bus, scene.play.workspace.log_stream, first)
    await scene.index()
    assert scene.texts() == ["gamma"]


@pytest.mark.parametrize("change", ["schema = 0", "created = '2001-01-01T00:00:00Z'", "workspace = 'other'"])
async def test_an_index_of_another_release_or_log_is_built_anew(scene: Scene, change: str) -> None:
    scene.tell_all()
    await scene.write()
    await scene.index()
    before, name = scene.dump(), scene.place("name")
    database = connect(scene.folder / FILE, writes=True)
    database.execute(f"UPDATE place SET {change}")  # noqa: S608  # words of this test
    database.execute("UPDATE said SET text = 'wrong'")
    database.close()
    await scene.index(after=str(name))
    assert scene.dump() == before


async def test_a_file_that_is_no_database_is_thrown_away(scene: Scene) -> None:
    scene.tell_all()
    await scene.write()
    await scene.index()
    before = scene.dump()
    (scene.folder / FILE).write_bytes(b"what is this?" * 1_000)
    await scene.index()
    assert scene.dump() == before


async def test_the_place_holds_the_trimming_back_until_it_was_silent_for_long(scene: Scene) -> None:
    scene.tell_all()
    last = await scene.write()
    await scene.index()
    name = index_name(str(scene.place("name")))
    assert name in await scene.positions.indexes()
    for other in (PEOPLE, DEAD_LETTERS):
        await scene.positions.raise_to(other, 10_000)
    keeper = Housekeeper(scene.play.bus, scene.play.workspace, scene.positions, replay_days=1)
    assert (await scene.positions.all())[name] <= last
    await keeper.run([], (scene.now + INDEX_PATIENCE) * 1_000_000)
    assert name in await scene.positions.all()
    await keeper.run([], (scene.now + INDEX_PATIENCE + 1) * 1_000_000)
    assert name not in await scene.positions.all()


async def test_a_place_is_told_while_nothing_happens(scene: Scene) -> None:
    scene.story.opens("c1")
    last = await scene.write()
    async with scene.following():
        await until(scene.complete)
        scene.now += DAY
        name = index_name(str(scene.place("name")))

        async def told() -> bool:
            heard = await scene.positions.indexes()
            return heard[name] == scene.now and (await scene.positions.all())[name] == last

        await until(told)
        await until(lambda: scene.place("heard") == scene.now)


async def test_an_index_behind_the_trimmed_log_is_built_anew(scene: Scene) -> None:
    scene.story.opens("c1", "alpha", person="p1")
    await scene.write()
    await scene.index()
    name = scene.place("name")
    await scene.positions.forget(index_name(str(name)))
    scene.story.opens("c2", "beta", person="p2")
    last = await scene.write()
    await archive_conversation(scene.play.bus, scene.play.workspace, "p1", "c1")
    await scene.positions.raise_to(HOUSEKEEPING, last)
    await scene.index(after=str(name))
    assert scene.place("floor") == last
    assert scene.texts() == ["alpha", "beta"]
    assert list(await scene.positions.indexes()) == [index_name(str(scene.place("name")))]


async def test_who_turned_out_to_be_whom_is_known_after_the_log_was_trimmed(scene: Scene) -> None:
    scene.story.opens("c1", "alpha", person="p1", address="visitor:1")
    scene.story.opens("c2", "beta", person="p2", address="visitor:2")
    merge = f.PersonMerged(person="p1", other="p2", conversation=None, evidence="e")
    taken = f.AddressTaken(person="p1", address="visitor:2", before="p2", evidence="e")
    merged = scene.story.tell("p-p1", taken, merge)
    assert merged
    last = await scene.write()
    await scene.index()
    before = scene.dump()
    bucket = PeopleBucket(scene.play.bus, scene.play.workspace)
    gone = PersonRecord(person=Person(id="p2", addresses=[], moved="p1"), addresses=[], log=last)
    stays = PersonRecord(person=Person(id="p1", addresses=["visitor:1", "visitor:2"]), addresses=[], log=last)
    for record in (gone, stays):
        await bucket.write(record)
    await delete_message(scene.play.bus, scene.play.workspace.log_stream, last)
    (scene.folder / FILE).unlink()
    await scene.index()
    assert scene.dump() == before


async def test_a_file_that_is_taken_away_ends_it(scene: Scene) -> None:
    store = Store.open(scene.folder)
    task = asyncio.create_task(
        Indexer(scene.play.bus, scene.play.workspace, store, now=lambda: 1, look_every=0.05).run()
    )
    await until(scene.complete)
    (scene.folder / FILE).unlink()
    await until(task.done)
    store.close()
    assert "deleted" in repr(task.exception())


# --- a process of its own -------------------------------------------------------------------------------------------


@asynccontextmanager
async def process(scene: Scene, stderr: int | None = None) -> AsyncIterator[asyncio.subprocess.Process]:
    settings = scene.play.bus.settings
    assert isinstance(settings.credentials, UserPassword)
    bus = errand(settings, scene.play.workspace.name, replay_days=14, log_format="json", log_level="warning")
    told = child.Errand(bus=bus, folder=str(scene.folder))
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", child.__name__, stdin=asyncio.subprocess.PIPE, stderr=stderr
    )  # fmt: skip
    assert started.stdin is not None
    started.stdin.write(msgspec.json.encode(told))
    started.stdin.close()
    try:
        yield started
    finally:
        with suppress(ProcessLookupError):
            started.kill()
        await started.wait()


async def test_a_process_that_is_killed_again_and_again_misses_nothing_and_doubles_nothing(scene: Scene) -> None:
    chance = random.Random(7)  # noqa: S311  # not a secret
    expected: list[str] = []

    async def write(conversations: int) -> None:
        for _ in range(conversations):
            name = f"c{len(expected)}"
            scene.story.wait(MINUTE).opens(name, f"word{len(expected)}", person=f"p{chance.randrange(20)}")
            expected.append(f"word{len(expected)}")
            for _ in range(chance.randrange(6)):
                scene.story.says(name, f"word{len(expected)}")
                expected.append(f"word{len(expected)}")
        await scene.write()

    await write(200)
    for _ in range(5):
        async with process(scene) as running:
            begun = rows(scene.folder, "SELECT log FROM place")[0][0] if (scene.folder / FILE).exists() else -1
            await write(60)
            await until(partial(_moved, scene, begun))
            await asyncio.sleep(chance.random() / 20)
            running.send_signal(signal.SIGKILL)
            await running.wait()
    async with process(scene) as running:
        await write(1)  # so that it is this one that completes it
        await until(scene.complete)
        running.terminate()
        async with asyncio.timeout(30):
            assert await running.wait() == 0
    assert scene.texts() == sorted(expected)
    assert all(scene.found(word) == 1 for word in expected)
    counted = rows(scene.folder, "SELECT count(*), sum(records) FROM conversations")
    assert counted == [(len({line for _, line, _ in scene.story.records}), len(scene.story.records))]


def _moved(scene: Scene, begun: object) -> bool:
    with suppress(sqlite3.Error):
        return rows(scene.folder, "SELECT log FROM place")[0][0] != begun
    return False


async def test_a_second_process_waits_for_its_turn(scene: Scene) -> None:
    scene.story.opens("c1", "alpha")
    await scene.write()
    async with process(scene) as first, process(scene) as second:
        await until(scene.complete)
        winner = first if _holds(first.pid, scene.folder) else second
        winner.send_signal(signal.SIGKILL)
        await winner.wait()
        scene.story.opens("c2", "beta")
        await scene.write()
        await until(scene.complete)
    assert scene.texts() == ["alpha", "beta"]


def _holds(pid: int, folder: Path) -> bool:
    """Whether a process has the index open (proc(5))."""
    links = Path(f"/proc/{pid}/fd").iterdir()
    return any(str(folder / FILE) == str(link.readlink()) for link in links)


async def test_a_folder_that_cannot_be_written_to_is_told_and_tried_again(scene: Scene) -> None:
    scene.folder.write_text("a file in the way")
    async with process(scene, asyncio.subprocess.PIPE) as running:
        assert running.stderr is not None
        async with asyncio.timeout(30):
            said = await running.stderr.readline()
        assert b"index.not_writable" in said
        assert b"--data" in said
        assert running.returncode is None
