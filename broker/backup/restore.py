"""Bringing a backup back, into a workspace that does not exist. See docs/decisions.md for what has to change.

Sequences stay; the streams' creation times do not. So every position that is kept is written anew, and every cursor of
a browser is one of another log, which makes pages read their conversations again.
"""

import asyncio
from collections.abc import AsyncIterator, Collection

import msgspec
import structlog

from broker.backup.folder import MANIFEST as MANIFEST_FILE
from broker.backup.folder import BadBackup, Message, Source
from broker.backup.save import Tell
from broker.backup.sent import Claimed
from broker.bus.api import NO_STREAM, Done, Fault, StreamInfo, call
from broker.bus.connection import Bus
from broker.bus.copying import SavedStream, restore_stream
from broker.bus.errors import ApiError, BusError, RestoreUnfinished
from broker.bus.kv import Bucket
from broker.bus.reader import Reader, delete_message, purge, stream_state
from broker.bus.streams import DEAD_STREAM, RESTORING, Workspace, ensure_shared, is_restoring
from broker.channels.tally import wall_clock
from broker.channels.worker import outbounds
from broker.routing.positions import INDEX, Position
from broker.routing.snapshots import MANIFEST
from broker.routing.snapshots import Manifest as SnapshotManifest
from normalizer.outbound import Outbound
from router import inputs

STREAMS = ("in", "log", "arc", "snap", "people", "media")
"""In this order; the inputs' one is marked as unfinished until everything is there."""

SINGLE = ("in-tail", "log-tail", "notes", "versions", "claims", "dead")
"""Parts that hold messages copied one by one."""

EXPECT = "Nats-Expected-Last-Sequence"
PUBLISH_TIMEOUT = 30.0
SETTLE_TIMEOUT = 120.0
"""Seconds that the replicas of a stream may take to have it all."""

SKIPPED, SKIPPED_PER_MS = 1_000_000, 10
"""Numbers that are passed over, at least and for each ms since the backup: far more than inputs can have come."""

log = structlog.get_logger(__name__)


class NotEmpty(Exception):
    """There is something in the workspace already."""


class _Replica(msgspec.Struct):
    current: bool = False


class _Cluster(msgspec.Struct):
    replicas: list[_Replica] = []


class _Info(msgspec.Struct):
    cluster: _Cluster = msgspec.field(default_factory=_Cluster)
    error: Fault | None = None


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore has done: answers that are in doubt now, of all that the log holds up to ``log``."""

    log: int
    doubtful: int


async def restore(
    bus: Bus, workspace: Workspace, source: Source, *, unclaimed: Collection[str], tell: Tell
) -> Restored:
    """Bring a backup back; ``unclaimed`` are channels that send without claims (web chat).

    Raises:
        BadBackup: a part is damaged, or the backup is of another workspace.
        NotEmpty: there is something in the workspace.
        BusError: the bus refused; what was restored so far is removed, as far as possible.
    """
    if source.manifest.workspace != workspace.name:
        raise BadBackup(f"the backup is of the workspace {source.manifest.workspace!r}, not of {workspace.name!r}")
    work = _Restore(bus, workspace, source, tell)
    work.require_parts()
    await ensure_shared(bus)
    await work.examine()
    for part in source.verify():
        tell(f"{part.file} is whole", part.bytes, part.bytes)
    await work.make_room()
    try:
        return await work.run(unclaimed)
    except BaseException:
        await work.clear()
        raise


class _Restore:
    def __init__(self, bus: Bus, workspace: Workspace, source: Source, tell: Tell) -> None:
        self._bus = bus
        self._workspace = workspace
        self._source = source
        self._tell = tell
        self._streams = {
            "in": workspace.in_stream,
            "log": workspace.log_stream,
            "arc": workspace.arc_stream,
            "snap": workspace.snap_stream,
            "people": f"KV_{workspace.people_bucket}",
            "media": workspace.media_stream,
        }

    def require_parts(self) -> None:
        """Raise `BadBackup` unless everything is there, and each copy of a stream is of the one it is named after."""
        parts = self._source.manifest.parts
        for name in (*STREAMS, *SINGLE):
            if name not in parts:
                raise BadBackup(f"{self._source.path / MANIFEST_FILE} names no part {name!r}: the backup is not whole")
        for name, stream in self._streams.items():
            saved = parts[name].saved
            if saved is None or saved.config.get("name") != stream:
                raise BadBackup(f"{self._source.path / parts[name].file} is not described as the stream {stream}")

    # --- room ---

    async def examine(self) -> None:
        """Raise `NotEmpty` when anything is there but what an unfinished restore has left."""
        if await self._unfinished():
            return
        for stream in self._streams.values():
            info = await self._find(stream)
            if info is not None and info.state.last_seq:
                raise NotEmpty(
                    f"the workspace {self._workspace.name!r} is not empty: stream {stream} holds or has held messages."
                    " A backup is brought back only where there is nothing: use another NATS account or data folder,"
                    " or delete the workspace's streams first"
                )
        for bucket in (self._workspace.sends_bucket, self._workspace.claims_bucket):
            if await Bucket(self._bus, bucket).keys(f"{self._workspace.name}.>"):
                raise NotEmpty(f"the workspace {self._workspace.name!r} is not empty: it has keys in {bucket}")

    async def make_room(self) -> None:
        """Remove what an unfinished restore has left, and streams that hold nothing."""
        if await self._unfinished():
            log.warning("restore.begun_anew", workspace=self._workspace.name)
            await self.clear()
        for stream in self._streams.values():
            if await self._find(stream) is not None:
                await self._delete(stream)

    async def _unfinished(self) -> bool:
        found = await self._find(self._streams["in"])
        return found is not None and is_restoring(found.config)

    async def clear(self) -> None:
        """Remove everything of the workspace, the mark last; what cannot be removed is left to the next restore."""
        try:
            for bucket in (self._workspace.sends_bucket, self._workspace.claims_bucket):
                await purge(self._bus, f"KV_{bucket}", subject=f"$KV.{bucket}.{self._workspace.name}.>")
            await purge(self._bus, DEAD_STREAM, subject=self._workspace.dead_subject("*"))
            for name in reversed(STREAMS):
                if await self._find(self._streams[name]) is not None:
                    await self._delete(self._streams[name])
        except BusError as error:
            log.error("restore.not_cleared", error=str(error))  # noqa: TRY400  # the cause is on its way up already

    async def _find(self, stream: str) -> StreamInfo | None:
        try:
            return await call(self._bus, f"STREAM.INFO.{stream}", None, StreamInfo)
        except ApiError as error:
            if error.code == NO_STREAM:
                return None
            raise

    async def _delete(self, stream: str) -> None:
        await call(self._bus, f"STREAM.DELETE.{stream}", None, Done)

    # --- what is restored ---

    async def run(self, unclaimed: Collection[str]) -> Restored:
        manifest = self._source.manifest
        for name in STREAMS:
            await self._stream(name)
        await self._tail("in-tail", self._streams["in"], self._workspace.in_subject("_tick"), manifest.input)
        await self._tail("log-tail", self._streams["log"], self._workspace.skip_subject, manifest.log)
        await self._skip_numbers()
        created = (await stream_state(self._bus, self._workspace.log_stream)).created
        await self._rename_snapshots(created)
        marks = await self._notes(created)
        pending = [outbound async for outbound in _pending(self._bus, self._workspace, marks, unclaimed)]
        await self._claims(pending)
        for letter in self._source.messages("dead"):
            await self._publish(letter.subject, letter)
        await self._finish()
        return Restored(log=manifest.log, doubtful=len(pending))

    async def _stream(self, name: str) -> None:
        part = self._source.manifest.parts[name]
        assert part.saved is not None  # noqa: S101  # see `require_parts`
        config = {**part.saved.config, "num_replicas": self._bus.settings.replicas}
        config["metadata"] = {RESTORING: str(self._source.manifest.at)} if name == "in" else {}
        self._tell(name, 0, part.bytes)
        await restore_stream(self._bus, SavedStream(config, part.saved.state), self._source.chunks(name))
        await self._settle(self._streams[name])
        self._tell(name, part.bytes, part.bytes)

    async def _settle(self, stream: str) -> None:
        """Wait until every replica has it: one that is behind may be the next leader."""
        async with asyncio.timeout(SETTLE_TIMEOUT):
            while True:
                info = await call(self._bus, f"STREAM.INFO.{stream}", None, _Info)
                if all(replica.current for replica in info.cluster.replicas):
                    return
                await asyncio.sleep(0.2)

    async def _tail(self, name: str, stream: str, filler: str, end: int) -> None:
        """Append what was copied by itself, each message at its old sequence; what was deleted leaves a gap."""
        last = (await stream_state(self._bus, stream)).last
        for message in self._source.messages(name):
            if message.seq > last:
                last = await self._skip(stream, filler, last, message.seq - 1)
                last = await self._publish(message.subject, message, {EXPECT: str(last)})
        if last != end:
            raise BadBackup(f"stream {stream} ends at {last}, the manifest says {end}")

    async def _skip(self, stream: str, filler: str, last: int, upto: int) -> int:
        while last < upto:
            ack = await self._bus.publish(filler, b"", headers={EXPECT: str(last)}, timeout=PUBLISH_TIMEOUT)
            await delete_message(self._bus, stream, ack.seq)
            last = ack.seq
        return last

    async def _skip_numbers(self) -> None:
        """Let no id be given again that was given after the backup: providers, receivers and screens remember it."""
        skip = SKIPPED + SKIPPED_PER_MS * max(0, wall_clock() - self._source.manifest.at)
        subject = self._workspace.in_subject(inputs.RESTORE_SOURCE)
        await self._bus.publish(subject, inputs.encode_input(inputs.Restored(skip=skip)), timeout=PUBLISH_TIMEOUT)

    async def _rename_snapshots(self, created: str) -> None:
        """Let the snapshots be of this log."""
        subject = self._workspace.snap_subject(MANIFEST)
        async with Reader(self._bus, self._workspace.snap_stream, subjects=[subject]) as reader:
            found = [stored async for batch in reader.read_all() for stored in batch]
        for stored in found:
            snapshot = msgspec.json.decode(stored.payload, type=SnapshotManifest)
            if snapshot.created == self._source.manifest.created:
                renamed = msgspec.structs.replace(snapshot, created=created)
                await self._bus.publish(subject, msgspec.json.encode(renamed), timeout=PUBLISH_TIMEOUT)
            await delete_message(self._bus, self._workspace.snap_stream, stored.seq)

    async def _notes(self, created: str) -> dict[str, int]:
        """Write the keys of the workspace; positions become those of this log. Gives the senders' marks by channel."""
        marks: dict[str, int] = {}
        bucket = self._workspace.sends_bucket
        positions = f"$KV.{bucket}.{self._workspace.name}.pos."
        for name in ("notes", "versions"):
            for message in self._source.messages(name):
                payload = message.payload
                if message.subject.startswith(positions + INDEX):
                    continue  # indexes are in no backup: they are built anew, and hold nothing back until then
                if message.subject.startswith(positions) and payload:
                    position = msgspec.json.decode(payload, type=Position)
                    payload = msgspec.json.encode(msgspec.structs.replace(position, created=created))
                    marks[message.subject.removeprefix(positions).rpartition(".")[0]] = position.seq
                await self._publish(message.subject, msgspec.structs.replace(message, payload=payload))
        return marks

    async def _claims(self, pending: list[Outbound]) -> None:
        bucket = f"$KV.{self._workspace.claims_bucket}."
        claimed = Claimed(self._workspace.name, pending)
        for message in self._source.messages("claims"):
            if claimed.take(message.subject.removeprefix(bucket), message):
                await self._publish(message.subject, message)
        for key, value in claimed.entries(self._source.manifest.at):
            await self._bus.publish(bucket + key, value, timeout=PUBLISH_TIMEOUT)

    async def _publish(self, subject: str, message: Message, more: dict[str, str] | None = None) -> int:
        headers = {**message.headers, **(more or {})}
        return (await self._bus.publish(subject, message.payload, headers=headers, timeout=PUBLISH_TIMEOUT)).seq

    async def _finish(self) -> None:
        """Take the mark away: from here on it is a workspace like any other."""
        info = await call(self._bus, f"STREAM.INFO.{self._workspace.in_stream}", None, StreamInfo)
        if not is_restoring(info.config):
            raise RestoreUnfinished(f"stream {self._workspace.in_stream} was changed by somebody else meanwhile")
        config = {**info.config, "metadata": {}}
        await call(self._bus, f"STREAM.UPDATE.{self._workspace.in_stream}", config, StreamInfo)


async def _pending(
    bus: Bus, workspace: Workspace, marks: dict[str, int], unclaimed: Collection[str]
) -> AsyncIterator[Outbound]:
    """Give what channels had not settled, as far as the log holds it."""
    subject = workspace.out_subject("*", "*")
    async with Reader(bus, workspace.log_stream, subjects=[subject]) as reader:
        async for batch in reader.read_all():
            for stored in batch:
                channel = stored.subject.rpartition(".")[2]
                if channel not in unclaimed and stored.seq > marks.get(channel, 0):
                    for outbound in outbounds(stored.payload):
                        yield outbound
