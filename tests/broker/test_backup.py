"""A workspace is copied while its router works, and comes back as it was: on one server, on three nodes, and across."""

import asyncio
import pathlib
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Literal

import msgspec
import pytest

from broker.backup.folder import MANIFEST, BadBackup, Manifest, Part, PartWriter, Source, Target
from broker.backup.rehearse import rehearse
from broker.backup.restore import NotEmpty, Restored, _Restore, restore
from broker.backup.save import back_up
from broker.bus.connection import Bus
from broker.bus.dead import DeadLetters
from broker.bus.errors import ApiError, RestoreUnfinished
from broker.bus.kv import Bucket, kv_text
from broker.bus.media import MediaRef, MediaStore
from broker.bus.reader import Reader, read_message, stream_state
from broker.bus.streams import Workspace, ensure_shared, ensure_streams
from broker.channels.claims import Claim, Claims
from broker.channels.door import PIECE
from broker.routing.archive import read_history
from broker.routing.people import PeopleBucket
from broker.routing.positions import Positions
from normalizer.content import Text
from normalizer.outbound import Outbound
from router import facts as f
from router import inputs as i
from router.evolve import apply
from router.record import Record, encode_record
from router.snapshot import encode_state
from router.state import State
from tests.broker.bus.case import chunks
from tests.broker.routing.play import SETTINGS, Play, Run, until
from tests.fixtures.nats import Servers, own_workspace, running

OFTEN = msgspec.structs.replace(SETTINGS, snapshot_records=40)
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def elsewhere(tmp_path: pathlib.Path) -> Iterator[Servers]:
    """A server without a workspace."""
    yield from running(tmp_path / "elsewhere", 1)


@asynccontextmanager
async def connected(servers: Servers) -> AsyncIterator[Bus]:
    bus = await Bus.connect(servers.settings, "backup test")
    try:
        yield bus
    finally:
        await bus.close()


async def play_on(bus: Bus, name: str) -> Play:
    workspace = Workspace(name)
    return Play(bus, workspace, await ensure_streams(bus, workspace))


async def save(play: Play, path: pathlib.Path, *, quiet: bool = True) -> Source:
    await back_up(play.bus, play.workspace, path, release="test", tell=lambda *_: None, patience=1 if quiet else 20)
    return Source(path)


async def bring_back(bus: Bus, source: Source, **more: set[str]) -> Restored:
    workspace = Workspace(source.manifest.workspace)
    unclaimed = more.get("unclaimed", set())
    return await restore(bus, workspace, source, unclaimed=unclaimed, tell=lambda *_: None)


async def served(play: Play, run: Run, address: str) -> f.ConversationOpened:
    """Somebody who came, was served, and is closed, archived and parked."""
    before = await play.count(f.PersonParked)
    await run.stepped(await play.say(address))
    opened = (await play.facts(f.ConversationOpened))[-1]
    assert isinstance(opened, f.ConversationOpened)
    await play.command(i.Close(conversation=opened.conversation))

    async def parked() -> bool:
        return await play.count(f.PersonParked) > before and await play.count(f.ConversationArchived) > before

    await until(parked)
    return opened


class Witness:
    """Remembers every record of a log from the first one on: the log itself is trimmed meanwhile."""

    def __init__(self) -> None:
        self.records: list[tuple[int, Record]] = []

    def take(self, seq: int, _subject: str, record: Record) -> None:
        self.records.append((seq, record))

    def state_at(self, end: int) -> State:
        state = State()
        for seq, record in self.records:
            if seq <= end:
                apply(state, record)
        return state

    def messages_upto(self, end: int) -> list[str]:
        return [
            fact.envelope.native_id
            for seq, record in self.records
            for fact in record.facts
            if seq <= end and isinstance(fact, f.MessageTaken)
        ]


@pytest.mark.cluster
@pytest.mark.parametrize(("origin", "target"), [("nats_server", "nats_cluster"), ("nats_cluster", "elsewhere")])
async def test_everything_comes_back_and_goes_on(
    origin: str, target: str, request: pytest.FixtureRequest, tmp_path: pathlib.Path
) -> None:
    name = f"w{uuid.uuid4().hex[:12]}"
    async with connected(request.getfixturevalue(origin)) as bus:
        play = await play_on(bus, name)
        await play.open_desk(archive=1, park_person=1)
        file = await MediaStore(bus, play.workspace).put(chunks(b"a picture" * 50_000), 10_000_000)
        await DeadLetters(bus).add(play.workspace, "not_sent", "somewhere", b"{}", "why")
        await Bucket(bus, play.workspace.sends_bucket).put(f"{name}.secret", b"the key")
        witness = Witness()
        async with play.following() as original, play.running(OFTEN) as run:
            original.subscribe(witness.take)
            gone = await served(play, run, "visitor:gone")
            await run.stepped(await play.say("visitor:stays"))
            traffic = asyncio.create_task(keep_talking(play))
            await until(lambda: run.stats.snapshots >= 3, "snapshots")
            source = await save(play, tmp_path / "backup", quiet=False)
            traffic.cancel()
            await asyncio.gather(traffic, return_exceptions=True)
            await run.stepped(await play.tick())
        manifest = source.manifest
        assert manifest.undecided == 0
        assert manifest.log < (await stream_state(bus, play.workspace.log_stream)).last
        wanted = witness.state_at(manifest.log)
        assert len(witness.messages_upto(manifest.log)) > 50
        history = await read_history(bus, play.workspace, gone.conversation, gone.person)
    async with connected(request.getfixturevalue(target)) as bus:
        await bring_back(bus, source, unclaimed={"site"})
        workspace = Workspace(name)
        assert (await stream_state(bus, workspace.log_stream)).last == manifest.log
        assert (await stream_state(bus, workspace.in_stream)).last == manifest.input + 1  # that it was restored
        play = await play_on(bus, name)
        async with play.following() as follower:
            assert follower.position <= manifest.log
            assert decoded(follower.state) == decoded(wanted)
        assert upto(await read_history(bus, workspace, gone.conversation, gone.person), manifest.log) == upto(
            history, manifest.log
        )
        assert await read_media(bus, workspace, file) == b"a picture" * 50_000
        assert [letter.reason for letter in await DeadLetters(bus).list(workspace)] == ["not_sent"]
        entry = await Bucket(bus, workspace.sends_bucket).get(f"{name}.secret")
        assert entry is not None
        assert entry.value == b"the key"
        person = await PeopleBucket(bus, workspace).address("visitor:gone")
        assert person is not None
        assert person.person.id == gone.person
        async with play.running(OFTEN) as run:
            await run.active()
            await run.stepped(await play.say("visitor:gone"))
            await run.stepped(await play.say("visitor:stays"))
        await play.ids_once()
        assert len({fact.person for fact in await play.facts(f.PersonCreated) if "gone" in fact.address}) <= 1


def upto(history: list[tuple[int, Record]], end: int) -> list[tuple[int, Record]]:
    return [(seq, record) for seq, record in history if seq <= end]


def decoded(state: State) -> object:
    """A state as plain values, in which order does not matter."""
    return msgspec.json.decode(encode_state(state))


async def keep_talking(play: Play) -> None:
    for number in range(100_000):
        await play.say(f"visitor:v{number % 17}", text=f"message {number}")
        await asyncio.sleep(0.005)


async def read_media(bus: Bus, workspace: Workspace, ref: MediaRef) -> bytes:
    return b"".join([piece async for piece in MediaStore(bus, workspace).read(ref)])


@pytest.fixture
async def play(bus: Bus) -> Play:
    return await play_on(bus, f"w{uuid.uuid4().hex[:12]}")


def outbound(name: str) -> Outbound:
    content = Text(text="an answer")
    return Outbound(id=name, conversation=name.partition("-")[0], channel="hook", address="a", at=1, content=content)


async def decide_to_send(play: Play, name: str) -> int:
    """A record with an answer, as a router writes it."""
    sent = outbound(name)
    fact = f.ReplySent(conversation=sent.conversation, n=1, outbound=sent, by="anna")
    record = Record(input=1, step=0, now=1, term=1, rules=1, cause="input", facts=(fact,))
    subject = play.workspace.out_subject(fact.conversation, "hook")
    return (await play.bus.publish(subject, encode_record(record))).seq


def claim(state: Literal["calling", "waiting", "sent"], native_id: str = "") -> Claim:
    return Claim(worker="w", number=2, state=state, at=7, native_id=native_id)


async def states(bus: Bus, workspace: Workspace) -> dict[str, str]:
    bucket = Bucket(bus, workspace.claims_bucket)
    return {
        kv_text(key.split(".")[2]): msgspec.json.decode(entry.value, type=Claim).state
        async for key, entry in bucket.entries(f"{workspace.name}.hook.*")
    }


async def test_what_was_on_its_way_is_in_doubt_and_nothing_else_is(
    play: Play, elsewhere: Servers, tmp_path: pathlib.Path
) -> None:
    claims = Claims(play.bus, play.workspace, "hook")
    mark = await decide_to_send(play, "c1-1")  # settled long ago
    for name in ("c2-1", "c3-1", "c4-1", "c5-1"):
        await decide_to_send(play, name)
    positions = Positions(play.bus, play.workspace, play.times.log_stream)
    await positions.raise_to("hook.0", mark)
    await positions.raise_to("_index.one", mark, at=1)
    await claims.write("c2-1", claim("sent", "native"), 0)
    await claims.write("c3-1", claim("waiting"), 0)
    await claims.write(f"c5-1{PIECE}1", claim("sent"), 0)  # a long one: its first piece is out
    await claims.write("c9-1", claim("sent"), 0)  # of a conversation that the copied log does not know
    await Bucket(play.bus, play.workspace.claims_bucket).put(f"{play.workspace.name}.hook.file.abc", b"{}")
    source = await save(play, tmp_path / "backup")
    async with connected(elsewhere) as bus:
        restored = await bring_back(bus, source)
        assert restored.doubtful == 4
        found = await states(bus, play.workspace)
        assert {name: found[name] for name in ("c2-1", "c3-1", "c4-1", f"c5-1{PIECE}1", f"c5-1{PIECE}2", "c5-1")} == {
            "c2-1": "sent",
            "c3-1": "calling",
            "c4-1": "calling",
            f"c5-1{PIECE}1": "sent",
            f"c5-1{PIECE}2": "calling",
            "c5-1": "calling",
        }
        assert {name for name in found if name.startswith(("c1-", "c9-"))} == set()
        file = await Bucket(bus, play.workspace.claims_bucket).get(f"{play.workspace.name}.hook.file.abc")
        assert file is not None
        times = await ensure_streams(bus, play.workspace)
        assert times.log_stream != play.times.log_stream
        assert await Positions(bus, play.workspace, times.log_stream).all() == {"hook.0": mark}  # no index


async def test_no_id_that_was_given_after_the_backup_is_given_again(
    play: Play, elsewhere: Servers, tmp_path: pathlib.Path
) -> None:
    """A receiver that knows the id of an answer takes the next one of that id for the same, and drops it."""

    async def go_on(play: Play, run: Run, conversation: str) -> set[str]:
        """Answer again, and meet somebody new; gives the ids of all that."""
        before = len(await play.records())
        await play.command(i.Reply(conversation=conversation, seen=0, anyway=True, content=Text(text="and this")))
        await run.stepped(await play.say("visitor:new"))
        facts = [fact for _, record in (await play.records())[before:] for fact in record.facts]
        sent = {fact.outbound.id for fact in facts if isinstance(fact, f.ReplySent)}
        return sent | {
            n for fact in facts if isinstance(fact, f.ConversationOpened) for n in (fact.conversation, fact.person)
        }

    await play.open_desk()
    async with play.running() as run:
        await run.stepped(await play.say("visitor:old"))
        opened = (await play.facts(f.ConversationOpened))[-1]
        assert isinstance(opened, f.ConversationOpened)
        source = await save(play, tmp_path / "backup")
        lost = await go_on(play, run, opened.conversation)
    async with connected(elsewhere) as bus:
        await bring_back(bus, source)
        again = await play_on(bus, play.workspace.name)
        async with again.running() as run:
            await run.stepped(await again.tick())
            given = await go_on(again, run, opened.conversation)
    assert (len(lost), len(given)) == (3, 3)
    assert lost & given == set()


async def test_a_channel_that_sends_without_claims_gets_none(
    play: Play, elsewhere: Servers, tmp_path: pathlib.Path
) -> None:
    await decide_to_send(play, "c1-1")
    source = await save(play, tmp_path / "backup")
    async with connected(elsewhere) as bus:
        assert (await bring_back(bus, source, unclaimed={"hook"})).doubtful == 0
        assert await states(bus, play.workspace) == {}


async def test_without_a_router_inputs_are_kept_and_decided_after_the_restore(
    play: Play, elsewhere: Servers, tmp_path: pathlib.Path
) -> None:
    await play.open_desk()
    for number in range(10):
        await play.say("visitor:v", f"m{number}")
    source = await save(play, tmp_path / "backup")
    assert source.manifest.undecided == 14
    async with connected(elsewhere) as bus:
        await bring_back(bus, source)
        there = await play_on(bus, play.workspace.name)
        async with there.running() as run:
            await run.active()
            await run.stepped(source.manifest.input)
        said = [fact.envelope.native_id for fact in await there.facts(f.MessageTaken)]
        assert said == [f"m{number}" for number in range(10)]


def names(folder: pathlib.Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_a_backup_is_whole_or_not_there(play: Play, tmp_path: pathlib.Path) -> None:
    target = tmp_path / "backup"
    with pytest.raises(ApiError):
        await back_up(play.bus, own_workspace(), target, release="test", tell=lambda *_: None)
    assert names(tmp_path) == []
    await save(play, target)
    assert names(tmp_path) == ["backup"]
    with pytest.raises(FileExistsError, match="is there already"):
        await save(play, target)
    assert target.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in target.iterdir())


async def test_a_changed_file_is_found_before_anything_is_restored(
    play: Play, elsewhere: Servers, tmp_path: pathlib.Path
) -> None:
    await play.say("visitor:v")
    source = await save(play, tmp_path / "backup")
    assert len(list(source.verify())) == len(source.manifest.parts)
    archive = tmp_path / "backup" / source.manifest.parts["in"].file
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    archive.write_bytes(content)
    async with connected(elsewhere) as bus:
        with pytest.raises(BadBackup, match=r"in\.snapshot is not what was written"):
            await bring_back(bus, source)
        with pytest.raises(ApiError):
            await stream_state(bus, play.workspace.in_stream)


@pytest.mark.parametrize(
    ("content", "found"),
    [(None, "no backup"), (b"{", "be read"), (b"{}", "be read"), (b'{"release":"\xff"}', "be read")],
)
def test_a_folder_that_is_no_backup_is_said_to_be_none(
    tmp_path: pathlib.Path, content: bytes | None, found: str
) -> None:
    if content is not None:
        (tmp_path / MANIFEST).write_bytes(content)
    with pytest.raises(BadBackup, match=found):
        Source(tmp_path)


@pytest.fixture
def manifest(tmp_path: pathlib.Path) -> pathlib.Path:
    """That of a backup without parts."""
    with Target(tmp_path / "backup") as target:
        target.finish(Manifest(release="1.0", workspace="shop", at=1_700, created="then", log=42, input=7, parts={}))
    return tmp_path / "backup" / MANIFEST


def test_a_changed_digit_of_the_manifest_is_found(manifest: pathlib.Path) -> None:
    text = manifest.read_text()
    assert Source(manifest.parent).manifest.log == 42
    digest = Source(manifest.parent).manifest.digest
    for changed in (text.replace('"log": 42', '"log": 43'), text.replace(digest, digest[::-1])):
        assert changed != text
        manifest.write_text(changed)
        with pytest.raises(BadBackup, match=r"manifest\.json is not what was written"):
            Source(manifest.parent)


def test_a_manifest_of_before_it_had_a_digest_is_read(manifest: pathlib.Path) -> None:
    old = msgspec.json.decode(manifest.read_bytes())
    del old["digest"]
    manifest.write_bytes(msgspec.json.encode(old))
    assert Source(manifest.parent).manifest.log == 42


async def test_a_manifest_leads_to_no_other_file_and_no_other_stream(
    play: Play, elsewhere: Servers, tmp_path: pathlib.Path
) -> None:
    source = await save(play, tmp_path / "backup")
    whole = msgspec.structs.replace(source.manifest, digest="")

    def changed(name: str, part: Part | None) -> Manifest:
        others = {each: known for each, known in whole.parts.items() if each != name}
        return msgspec.structs.replace(whole, parts=others | ({name: part} if part else {}))

    outside = msgspec.structs.replace(whole.parts["notes"], file="../notes.messages")
    (tmp_path / "backup" / MANIFEST).write_bytes(msgspec.json.encode(changed("notes", outside)))
    with pytest.raises(BadBackup, match="no file of this folder"):
        Source(tmp_path / "backup")
    log = whole.parts["log"]
    assert log.saved is not None
    foreign = msgspec.structs.replace(log.saved, config={**log.saved.config, "name": "TL_other_LOG"})
    async with connected(elsewhere) as bus:
        for manifest, found in (
            (changed("log", msgspec.structs.replace(log, saved=foreign)), "not described as the stream"),
            (changed("claims", None), "names no part 'claims'"),
        ):
            source.manifest = manifest
            with pytest.raises(BadBackup, match=found):
                await bring_back(bus, source)
        with pytest.raises(ApiError):
            await stream_state(bus, "TL_other_LOG")


async def test_only_an_empty_workspace_is_restored_into(play: Play, tmp_path: pathlib.Path) -> None:
    await play.say("visitor:v")
    source = await save(play, tmp_path / "backup")
    with pytest.raises(NotEmpty, match="_IN holds or has held messages"):
        await bring_back(play.bus, source)
    assert (await stream_state(play.bus, play.workspace.in_stream)).messages == 1
    with pytest.raises(BadBackup, match="is of the workspace"):
        await restore(play.bus, Workspace("other"), source, unclaimed=(), tell=lambda *_: None)


async def test_keys_without_streams_are_something_too(play: Play, elsewhere: Servers, tmp_path: pathlib.Path) -> None:
    source = await save(play, tmp_path / "backup")
    async with connected(elsewhere) as bus:
        await ensure_streams(bus, play.workspace)  # empty ones are no obstacle
        await Bucket(bus, play.workspace.sends_bucket).put(f"{play.workspace.name}.secret", b"x")
        with pytest.raises(NotEmpty, match="keys in TL_sends"):
            await bring_back(bus, source)
        await Bucket(bus, play.workspace.sends_bucket).delete(f"{play.workspace.name}.secret")
        await bring_back(bus, source)


async def test_a_restore_that_was_killed_keeps_everybody_out_until_it_is_repeated(
    play: Play, elsewhere: Servers, tmp_path: pathlib.Path
) -> None:
    for number in range(5):
        await play.say("visitor:v", f"m{number}")
    source = await save(play, tmp_path / "backup")
    async with connected(elsewhere) as bus:
        await ensure_shared(bus)
        killed = _Restore(bus, play.workspace, source, lambda *_: None)
        await killed._stream("in")
        await killed._stream("log")
        with pytest.raises(RestoreUnfinished, match="run `trunkline restore` again"):
            await ensure_streams(bus, play.workspace)
        await bring_back(bus, source)
        await ensure_streams(bus, play.workspace)
        assert (await stream_state(bus, play.workspace.in_stream)).messages == 6  # with that it was restored


async def test_a_restore_that_fails_leaves_nothing(play: Play, elsewhere: Servers, tmp_path: pathlib.Path) -> None:
    await play.say("visitor:v")
    source = await save(play, tmp_path / "backup")
    source.manifest = msgspec.structs.replace(source.manifest, log=source.manifest.log + 5)
    async with connected(elsewhere) as bus:
        with pytest.raises(BadBackup, match="the manifest says"):
            await bring_back(bus, source)
        with pytest.raises(ApiError):
            await stream_state(bus, play.workspace.in_stream)


async def test_a_rehearsal_reads_the_log_in_a_bus_of_its_own(play: Play, tmp_path: pathlib.Path) -> None:
    await play.open_desk()
    async with play.running() as run:
        await run.stepped(await play.say("visitor:v"))
        source = await save(play, tmp_path / "backup", quiet=False)
    counted = await rehearse(source, tmp_path / "bus", unclaimed={"site"}, tell=lambda *_: None)
    assert sum(counted.values()) == 1


async def test_what_was_deleted_from_the_end_of_a_stream_leaves_its_gap(
    play: Play, elsewhere: Servers, tmp_path: pathlib.Path
) -> None:
    await play.say("visitor:v", "first")
    source = await save(play, tmp_path / "backup")
    message = next(iter(source.messages("in-tail")), None)
    assert message is None
    writer = PartWriter(tmp_path / "backup" / "in-tail.messages")
    stored = await read_message(play.bus, play.workspace.in_stream, 1)
    assert stored is not None
    writer.add(msgspec.structs.replace(stored, seq=4))
    parts = {**source.manifest.parts, "in-tail": writer.close()}
    source.manifest = msgspec.structs.replace(source.manifest, parts=parts, input=4)
    async with connected(elsewhere) as bus:
        await bring_back(bus, source)
        async with Reader(bus, play.workspace.in_stream) as reader:
            found = [stored.seq async for batch in reader.read_all() for stored in batch]
        assert found == [1, 4, 5]  # the last one says that it was restored
