"""Snapshots of acknowledged state, in messages of 128 KB: the first half of every recovery.

A snapshot is complete when its manifest is stored, is never changed, and is checked by its hash when it is read.
"""

import asyncio
import gc
import hashlib
import os
import secrets
import signal
import tempfile
import time
import warnings
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec
import structlog
import zstandard

from broker.bus.connection import Bus
from broker.bus.pipeline import PubAck
from broker.bus.reader import Reader, delete_message, next_by_subject, purge
from broker.bus.streams import Workspace
from broker.routing.term import Term
from router.people import PersonRecord
from router.snapshot import decode_state, encode_state
from router.state import State

CHUNK = 128 * 1024  # bytes
UNDER_WAY = 16  # chunks written without acknowledgement
READ_BATCH = 64  # chunks asked for at a time: 8 MB
KEPT = 2
MANIFEST = "manifest"
ZSTD = "zstd"
LEVEL = 1  # quick; it leaves less than a tenth for the router to read, hash and send
NICE = 5  # the child that encodes gives way to the routers and servers of the machine
ENCODE_TIMEOUT = 60.0  # seconds for the child that encodes
READ_TIMEOUT = 60.0
REST = 9.0  # times as long as a snapshot took: a big state under load is not encoded over and over beside the steps

_encode_backlog = msgspec.json.Encoder().encode
_decode_backlog = msgspec.json.Decoder(list[PersonRecord]).decode

log = structlog.get_logger(__name__)


class SnapshotFailed(Exception):
    """The child that encodes a snapshot did not finish; the router goes on without it."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a snapshot stands for: everything up to `log` of the log that was created at `created`.

    `input` is the last input consumed. `first` is the sequence of the first chunk in the stream of snapshots, `size`
    and `hash` (BLAKE2b, 128 bits) are those of all chunks together, which are packed as `packed` says ("" not at all).
    """

    v: int = 1
    name: str
    created: str
    log: int
    input: int
    term: Term | None
    first: int
    size: int
    hash: str
    packed: str = ""


class Snapshot(msgspec.Struct, kw_only=True):
    """A loaded snapshot. `backlog` are parked people whom their bucket may lack."""

    manifest: Manifest
    state: State
    backlog: list[PersonRecord]


class _Body(msgspec.Struct):
    """Two pieces of JSON: what channels left in a conversation is raw JSON and can stand in nothing else."""

    backlog: bytes | list[PersonRecord]  # a list in snapshots of 0.1.0; whole only where nobody was ever answered
    state: bytes


class Encoding(NamedTuple):
    """A child that encodes a snapshot since `begun` (monotonic, seconds), and what it will stand for."""

    begun: float
    folder: tempfile.TemporaryDirectory[str]
    path: Path
    child: int
    name: str
    log: int
    input: int
    term: Term | None


class Kept(msgspec.Struct, frozen=True):
    """A manifest and its place in the stream of snapshots; `time_ns` is when it was stored."""

    seq: int
    manifest: Manifest
    time_ns: int


class Snapshots:
    """The snapshots of one workspace."""

    def __init__(self, bus: Bus, workspace: Workspace, created: str) -> None:
        self._bus = bus
        self._workspace = workspace
        self._created = created
        self._subject = workspace.snap_subject(MANIFEST)
        self._rested = 0.0

    def rest(self) -> float:
        """Seconds until the next one may begin, so that at most a tenth of the time goes into snapshots."""
        return max(0.0, self._rested - time.monotonic())

    async def kept(self) -> list[Kept]:
        """The manifests of this log that are there, the one with the highest position last."""
        found: list[Kept] = []
        seq = 1
        while stored := await next_by_subject(self._bus, self._workspace.snap_stream, self._subject, seq):
            found.append(Kept(stored.seq, msgspec.json.decode(stored.payload, type=Manifest), stored.time_ns))
            seq = stored.seq + 1
        return sorted(
            (kept for kept in found if kept.manifest.created == self._created), key=lambda kept: kept.manifest.log
        )

    async def load(self) -> Snapshot | None:
        """The newest snapshot that is whole; a broken one raises the alarm and is passed over."""
        for kept in reversed(await self.kept()):
            try:
                return await self._load(kept)
            except (msgspec.DecodeError, ValueError, TimeoutError, zstandard.ZstdError) as error:
                log.error("snapshot.broken", snapshot=kept.manifest.name, error=str(error), alarm=True)  # noqa: TRY400  # the sentence says it all
        return None

    def fork(self, state: State, position: int, *, backlog: list[PersonRecord], term: Term | None) -> "Encoding":
        """Copy `state`, which stands at log sequence `position`, by a fork; it may change as soon as this returns."""
        begun = time.monotonic()
        folder = tempfile.TemporaryDirectory(prefix="trunkline-")
        path = Path(folder.name) / "snapshot"
        child = encode_in_child(path, lambda: _pack(_Body(_encode_backlog(backlog), encode_state(state))))
        number = term.number if term else 0
        name = f"{number}-{position}-{state.input}-{secrets.token_hex(4)}"
        return Encoding(begun, folder, path, child, name, position, state.input, term)

    async def store(self, encoding: "Encoding") -> Manifest:
        """Store what the child has encoded and remove all but the newest two.

        Raises `SnapshotFailed` or an error of the bus; then nothing is there that anybody would read.
        """
        with encoding.folder:
            await _wait_for(encoding.child)
            first, size, digest = await self._store_chunks(encoding.path, self._workspace.snap_subject(encoding.name))
        manifest = Manifest(
            name=encoding.name,
            created=self._created,
            log=encoding.log,
            input=encoding.input,
            term=encoding.term,
            first=first,
            size=size,
            hash=digest,
            packed=ZSTD,
        )
        await self._bus.publish(self._subject, msgspec.json.encode(manifest))
        took = time.monotonic() - encoding.begun
        self._rested = time.monotonic() + REST * took
        log.info("snapshot.written", snapshot=manifest.name, bytes=size, seconds=round(took, 3))
        await self._remove_old()
        return manifest

    async def _load(self, kept: Kept) -> Snapshot:
        started = time.monotonic()
        async with asyncio.timeout(READ_TIMEOUT):
            payload = await self._read_chunks(kept)
        if hashlib.blake2b(payload, digest_size=16).hexdigest() != kept.manifest.hash:
            raise ValueError(f"its {len(payload)} bytes do not have the hash of its manifest")
        body = _unpack(payload, kept.manifest.packed)
        gc.disable()  # decoding makes millions of objects, none of which is garbage
        try:
            state = decode_state(body.state)
        finally:
            gc.enable()
        gc.freeze()
        took = round(time.monotonic() - started, 3)
        log.info("snapshot.loaded", snapshot=kept.manifest.name, bytes=len(payload), seconds=took)
        return Snapshot(manifest=kept.manifest, state=state, backlog=_backlog_of(body))

    async def _read_chunks(self, kept: Kept) -> bytes:
        """Read up to the manifest, which stands behind its chunks and is there for certain."""
        subject = self._workspace.snap_subject(kept.manifest.name)
        chunks: list[bytes] = []
        async with Reader(
            self._bus,
            self._workspace.snap_stream,
            start_seq=kept.manifest.first,
            subjects=[subject, self._subject],
            batch=READ_BATCH,
        ) as reader:
            async for batch in reader.batches():
                chunks += [stored.payload for stored in batch if stored.subject == subject]
                if batch[-1].seq >= kept.seq:
                    break
        return b"".join(chunks)

    async def _store_chunks(self, path: Path, subject: str) -> tuple[int, int, str]:
        """Give the sequence of the first chunk, the size and the hash."""
        digest, size, first = hashlib.blake2b(digest_size=16), 0, 0
        under_way: deque[asyncio.Future[PubAck]] = deque()
        pipeline = await self._bus.publisher()
        try:
            with path.open("rb") as file:
                while chunk := file.read(CHUNK):
                    digest.update(chunk)
                    size += len(chunk)
                    under_way.append(pipeline.send(subject, chunk))
                    if len(under_way) >= UNDER_WAY or not first:
                        first = first or (await under_way.popleft()).seq
                        while len(under_way) >= UNDER_WAY:
                            await under_way.popleft()
            await asyncio.gather(*under_way)
        finally:
            await pipeline.close()
        return first, size, digest.hexdigest()

    async def _remove_old(self) -> None:
        """Keep the newest two, and nothing that was stored before the older one: chunks of writers that died too."""
        kept = await self.kept()
        for old in kept[:-KEPT]:
            await delete_message(self._bus, self._workspace.snap_stream, old.seq)
        if len(kept) >= KEPT:
            oldest = min(snapshot.manifest.first for snapshot in kept[-KEPT:])
            await purge(self._bus, self._workspace.snap_stream, up_to_seq=oldest - 1)


def _backlog_of(body: _Body) -> list[PersonRecord]:
    return _decode_backlog(body.backlog) if isinstance(body.backlog, bytes) else body.backlog


def _pack(body: _Body) -> bytes:
    return zstandard.ZstdCompressor(level=LEVEL).compress(msgspec.msgpack.encode(body))


def _unpack(payload: bytes, packed: str) -> _Body:
    plain = zstandard.ZstdDecompressor().decompress(payload) if packed == ZSTD else payload
    return msgspec.msgpack.decode(plain, type=_Body)


def encode_in_child(path: Path, encode: Callable[[], bytes]) -> int:
    """Fork a child that writes what `encode` gives to `path` and ends; returns its process id.

    The child sees the memory as it is now and touches nothing but the file: no lock that another thread may hold,
    no connection.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of threads; see above
        child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.nice(NICE)
        path.write_bytes(encode())
        code = 0
    finally:
        os._exit(code)


async def _wait_for(child: int) -> None:
    waiting = asyncio.create_task(asyncio.to_thread(os.waitpid, child, 0))
    try:
        async with asyncio.timeout(ENCODE_TIMEOUT):
            _, status = await asyncio.shield(waiting)
    except TimeoutError:
        raise SnapshotFailed(f"the child that encodes it took more than {ENCODE_TIMEOUT:g} s") from None
    finally:
        if not waiting.done():
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            await waiting
    if status:
        raise SnapshotFailed(f"the child that encodes it ended with {os.waitstatus_to_exitcode(status)}")
