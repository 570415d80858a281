"""Versions: proposed, kept sealed, followed live."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest

from broker.bus.connection import Bus
from broker.bus.kv import Bucket
from broker.bus.reader import Reader, read_message
from broker.bus.streams import Workspace, ensure_streams
from broker.file_watch import FileWatch
from broker.live import UNREADABLE, Live
from broker.logs import Scrubber
from broker.monitoring.alarms import Board
from broker.settings.source import Source, read_source
from broker.versions import KEPT, Version, VersionMissing, Versions
from config import ConfigErrors
from router.facts import RulesTaken
from router.inputs import RULES_SOURCE, RulesProposed, decode_input
from router.record import Record
from router.rules import Rules
from router.state import State
from tests.fixtures.nats import own_workspace

TEXT = """
workspace: acme
channels:
  site: {type: webchat, origins: ["https://shop.example"]}
  hook: {type: webhook, secrets: ["an-inline-secret-of-ours"], url: "https://${HOST}/in"}
operators:
  anna: {name: Anna}
routing:
  - name: everything
"""
OTHER = TEXT.replace("Anna", "Ann")
ENV = {"HOST": "crm.example"}


class Scene:
    def __init__(self, bus: Bus, workspace: Workspace, folder: Path) -> None:
        self.bus = bus
        self.workspace = workspace
        self.folder = folder
        self.file = folder / "trunkline.yaml"
        self.versions = Versions(bus, workspace, b"k" * 32)

    def source(self, text: str = TEXT) -> Source:
        self.file.write_text(text)
        return read_source(self.file, ENV)


@pytest.fixture
async def scene(bus: Bus, tmp_path: Path) -> Scene:
    workspace = own_workspace()
    await ensure_streams(bus, workspace)
    return Scene(bus, workspace, tmp_path)


async def test_a_version_is_read_as_it_was_proposed_whatever_the_file_holds_now(scene: Scene) -> None:
    source = scene.source()
    await scene.versions.propose(source, by="start")
    name = scene.versions.proposal(source, "").hash
    scene.source(OTHER)
    kept = await scene.versions.load(name, scene.folder, ENV)
    assert kept.settings.channels == source.settings.channels
    assert kept.settings.operators == source.settings.operators


async def test_a_proposal_stands_on_in_with_its_rules(scene: Scene) -> None:
    source = scene.source()
    seq = await scene.versions.propose(source, by="apply by anna")
    stored = await read_message(scene.bus, scene.workspace.in_stream, seq)
    assert stored is not None
    proposed = decode_input(RULES_SOURCE, stored.payload)
    assert proposed == scene.versions.proposal(source, "apply by anna")


async def test_nothing_that_is_kept_or_proposed_shows_a_secret(scene: Scene) -> None:
    await scene.versions.propose(scene.source(), by="start")
    for stream in (scene.workspace.in_stream, f"KV_{scene.workspace.sends_bucket}"):
        async with Reader(scene.bus, stream) as reader:
            async for batch in reader.read_all():
                assert not [stored.subject for stored in batch if b"an-inline-secret" in stored.payload]


def test_a_version_s_name_depends_on_what_is_meant_and_on_the_workspace_s_key(scene: Scene) -> None:
    def name(text: str, versions: Versions = scene.versions) -> str:
        return versions.proposal(scene.source(text), "").hash

    assert name(TEXT) == name(f"# a comment\n{TEXT}")
    assert name(TEXT) != name(TEXT.replace("an-inline-secret-of-ours", "an-inline-secret-of-mine"))
    assert name(TEXT) != name(TEXT, Versions(scene.bus, scene.workspace, b"m" * 32))


async def test_a_version_that_is_not_kept_or_sealed_otherwise_is_missing(scene: Scene) -> None:
    with pytest.raises(VersionMissing, match="not kept"):
        await scene.versions.load("0" * 32, scene.folder, ENV)
    await Bucket(scene.bus, scene.workspace.sends_bucket).put(f"{scene.workspace.name}.files.{'1' * 32}", b"x" * 40)
    with pytest.raises(VersionMissing, match="another key"):
        await scene.versions.load("1" * 32, scene.folder, ENV)


async def test_a_version_that_needs_what_is_not_here_says_what(scene: Scene) -> None:
    source = scene.source()
    await scene.versions.propose(source, by="start")
    with pytest.raises(ConfigErrors, match="HOST is not set"):
        await scene.versions.load(scene.versions.proposal(source, "").hash, scene.folder, {})


async def test_old_versions_are_let_go(scene: Scene) -> None:
    await scene.versions.propose(scene.source(), by="start")
    first = scene.versions.proposal(scene.source(), "").hash
    await scene.versions.note(Version(number=1, hash=first, at=1))
    for number in range(2, KEPT + 2):
        await scene.versions.note(Version(number=number, hash=f"{number:032}", at=number))
    known = await scene.versions.all()
    assert [version.number for version in known] == list(range(2, KEPT + 2))
    with pytest.raises(VersionMissing):
        await scene.versions.load(first, scene.folder, ENV)


# --- following ---


class Log:
    def __init__(self) -> None:
        self.state = State()
        self._callbacks: list[Callable[[int, str, Record], None]] = []

    def subscribe(self, callback: Callable[[int, str, Record], None]) -> Callable[[], None]:
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback)

    def take(self, proposed: RulesProposed) -> None:
        """What the router does with a proposal."""
        self.state.version += 1
        self.state.rules_hash = proposed.hash
        fact = RulesTaken(version=self.state.version, hash=proposed.hash, rules=proposed.rules, by=proposed.by)
        record = Record(input=1, step=0, now=7, term=1, rules=1, cause="input", facts=(fact,))
        for callback in tuple(self._callbacks):
            callback(1, "", record)


class Process:
    """One process that follows the version in force."""

    def __init__(self, scene: Scene, env: dict[str, str], text: str = TEXT) -> None:
        self.log = Log()
        self.board = Board(lambda: 1)
        self.applied: list[Source] = []
        self.live = Live(
            scene.source(text),
            versions=scene.versions,
            following=self.log,
            board=self.board,
            folder=scene.folder,
            env=env,
            apply=self._apply,
        )

    async def _apply(self, source: Source) -> None:
        self.applied.append(source)

    @property
    def alarms(self) -> list[str]:
        return [alarm.name for alarm in self.board.alarms]


@pytest.fixture
async def tasks() -> AsyncIterator[list[asyncio.Task[None]]]:
    running: list[asyncio.Task[None]] = []
    yield running
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110  # a process tells nobody when it has followed
            await asyncio.sleep(0.01)


async def test_a_process_follows_what_the_log_has_decided(scene: Scene, tasks: list[asyncio.Task[None]]) -> None:
    process = Process(scene, ENV)
    await process.live.begin()
    assert process.live.version == 0
    tasks.append(asyncio.create_task(process.live.run()))
    other = scene.source(OTHER)
    await scene.versions.propose(other, by="apply")
    process.log.take(scene.versions.proposal(other, "apply"))
    await until(lambda: process.live.version == 1)
    assert process.live.source.settings.operators["anna"].name == "Ann"
    assert [source.settings.operators for source in process.applied] == [other.settings.operators]
    noted = await scene.versions.all()
    while not noted:
        noted = await scene.versions.all()
    assert [(version.number, version.by, version.at) for version in noted] == [(1, "apply", 7)]


async def test_versions_that_a_process_passes_over_are_written_down_too(
    scene: Scene, tasks: list[asyncio.Task[None]]
) -> None:
    process = Process(scene, ENV)
    tasks.append(asyncio.create_task(process.live.run()))
    await asyncio.sleep(0)
    for text in (OTHER, TEXT.replace("Anna", "Anne")):
        await scene.versions.propose(scene.source(text), by="apply")
    for text in (OTHER, TEXT.replace("Anna", "Anne")):
        process.log.take(scene.versions.proposal(scene.source(text), "apply"))
    await until(lambda: process.live.version == 2)
    async with asyncio.timeout(30):
        while len(known := await scene.versions.all()) < 2:  # both
            pass
    assert [(version.number, version.by) for version in known] == [(1, "apply"), (2, "apply")]


async def test_a_process_that_cannot_read_the_version_says_so_and_goes_on_as_before(
    scene: Scene, tasks: list[asyncio.Task[None]]
) -> None:
    process = Process(scene, {})
    await process.live.begin()
    tasks.append(asyncio.create_task(process.live.run()))
    other = scene.source(OTHER)
    await scene.versions.propose(other, by="apply")
    process.log.take(scene.versions.proposal(other, "apply"))
    await until(lambda: process.alarms == [UNREADABLE])
    assert process.applied == []
    assert process.live.source.settings.operators["anna"].name == "Anna"
    assert "HOST is not set" in process.board.alarms[0].text
    readable = scene.source(OTHER.replace("${HOST}", "crm.example"))
    await scene.versions.propose(readable, by="apply")
    process.log.take(scene.versions.proposal(readable, "apply"))
    await until(lambda: process.live.version == 2)
    assert process.alarms == []


async def test_a_process_that_starts_takes_the_version_in_force_and_not_its_file(scene: Scene) -> None:
    other = scene.source(OTHER)
    await scene.versions.propose(other, by="apply")
    process = Process(scene, ENV)
    process.log.take(scene.versions.proposal(other, "apply"))
    await process.live.begin()
    assert process.live.source.settings.operators["anna"].name == "Ann"


async def test_a_process_that_starts_with_what_is_in_force_reads_nothing(scene: Scene) -> None:
    process = Process(scene, ENV)
    process.log.take(scene.versions.proposal(scene.source(), "start"))
    await process.live.begin()
    assert process.live.version == 1
    assert process.alarms == []


# --- watching a file ---


async def proposed(scene: Scene) -> list[str]:
    """The names of what stands on IN."""
    found: list[str] = []
    async with Reader(scene.bus, scene.workspace.in_stream) as reader:
        async for batch in reader.read_all():
            found += [msgspec.json.decode(stored.payload)["hash"] for stored in batch]
    return found


async def test_a_watched_file_is_proposed_when_it_changes_and_not_before(scene: Scene) -> None:
    source = scene.source(TEXT.replace("${HOST}", "crm.example"))
    board = Board(lambda: 1)
    watch = FileWatch(scene.file, source, scene.versions, board, Scrubber())
    await watch.look()
    assert await proposed(scene) == []
    scene.file.write_text(scene.file.read_text().replace("Anna", "Ann"))
    await watch.look()
    assert await proposed(scene) == [], "it may be half written"
    await watch.look()
    await watch.look()
    assert await proposed(scene) == [scene.versions.proposal(read_source(scene.file, ENV), "").hash]


async def test_a_watched_file_with_mistakes_is_an_alarm_and_changes_nothing(scene: Scene) -> None:
    source = scene.source(TEXT.replace("${HOST}", "crm.example"))
    board = Board(lambda: 1)
    watch = FileWatch(scene.file, source, scene.versions, board, Scrubber())
    good = scene.file.read_text()
    scene.file.write_text(good[: len(good) // 2])
    await watch.look()
    assert not board.alarms, "it may be half written"
    scene.file.write_text(good.replace("name: Anna", "nam: Anna"))
    await watch.look()
    await watch.look()
    assert [alarm.name for alarm in board.alarms] == ["file_wrong"]
    assert 'did you mean "name"?' in board.alarms[0].text
    scene.file.write_text(good.replace("workspace: acme", "workspace: other"))
    await watch.look()
    await watch.look()
    assert "of the workspace other" in board.alarms[0].text
    assert await proposed(scene) == []
    scene.file.write_text(good)
    await watch.look()
    assert board.alarms == ()


async def test_a_watched_file_that_cannot_be_read_any_more_is_an_alarm(scene: Scene) -> None:
    source = scene.source(TEXT.replace("${HOST}", "crm.example"))
    board = Board(lambda: 1)
    watch = FileWatch(scene.file, source, scene.versions, board, Scrubber())
    for wrong in (b"\xff\xfe", b""):
        scene.file.write_bytes(wrong)
        await watch.look()
        await watch.look()
        assert [alarm.name for alarm in board.alarms] == ["file_wrong"]
    scene.file.unlink()
    await watch.look()
    await watch.look()
    assert "cannot be read" in board.alarms[0].text
    assert await proposed(scene) == []


async def test_a_setting_that_a_channel_refuses_is_asked_about_once(scene: Scene) -> None:
    looks = 0

    async def refuse(source: Source) -> None:
        nonlocal looks
        looks += 1
        raise ConfigErrors([source.document.problem(("channels", "hook", "url"), "no such address")])

    source = scene.source(TEXT.replace("${HOST}", "crm.example"))
    board = Board(lambda: 1)
    watch = FileWatch(scene.file, source, scene.versions, board, Scrubber(), refuse)
    scene.file.write_text(scene.file.read_text().replace("crm.example", "wrong.example"))
    for _ in range(4):
        await watch.look()
    assert looks == 1
    assert "no such address" in board.alarms[0].text


def test_the_rules_of_a_version_hold_nothing_of_its_secrets(scene: Scene) -> None:
    proposal = scene.versions.proposal(scene.source(), "")
    assert isinstance(proposal.rules, Rules)
    assert b"an-inline-secret" not in msgspec.json.encode(proposal)
