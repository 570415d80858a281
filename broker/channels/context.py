"""What an adapter gets of Trunkline: :class:`adapters.contract.Context` over the bus."""

import base64
import hashlib
from collections.abc import AsyncIterator

import aiohttp
import msgspec
import structlog

from adapters.contract import FileTooBig, Lines, Media, Memory, NoteChanged
from adapters.errors import NotAccepted
from broker.bus.connection import Bus
from broker.bus.errors import (
    BusError,
    KeyExists,
    MediaTooLarge,
    NoAnswer,
    PublishRefused,
    PublishUnknown,
    WrongRevision,
)
from broker.bus.kv import Bucket, Entry, kv_key
from broker.bus.media import MediaRef, MediaStore
from broker.bus.streams import Workspace
from broker.channels.door import Door
from broker.channels.program import Program
from broker.channels.secret import derive
from broker.channels.tally import Tally, wall_clock
from normalizer.content import StoredFile
from normalizer.envelope import Envelope
from normalizer.ids import IdSource
from normalizer.outbound import Receipt

_IDS = IdSource()


class ChannelContext:
    """The context of one channel. ``secret`` is the workspace's; each channel and purpose has one of its own."""

    def __init__(  # noqa: PLR0913  # what it is wired to, by name
        self,
        *,
        bus: Bus,
        workspace: Workspace,
        door: Door,
        tally: Tally,
        lines: Lines,
        http: aiohttp.ClientSession,
        public_url: str,
        secret: bytes,
    ) -> None:
        self.channel = door.channel
        self.public_url = public_url
        self.log: structlog.stdlib.BoundLogger = structlog.get_logger(f"channel.{self.channel}").bind(
            channel=self.channel
        )
        self.http = http
        self.media: Media = ChannelMedia(bus, workspace, self.channel)
        self.memory: Memory = ChannelMemory(bus, workspace, self.channel)
        self.lines = lines
        self._program = Program(bus, workspace, door.channel)
        self._door = door
        self._tally = tally
        self._secret = secret

    def now(self) -> int:
        """Give the time in ms since the epoch."""
        return wall_clock()

    def new_id(self) -> str:
        """Give a fresh UUIDv7."""
        return _IDS.new()

    def secret(self, purpose: str) -> bytes:
        """Give 32 bytes for a purpose of this channel."""
        return derive(self._secret, f"channel {self.channel} {purpose}")

    async def accept(self, envelope: Envelope) -> None:
        """Store an envelope: see :meth:`adapters.contract.Context.accept`."""
        await self._door.accept(envelope)

    async def report(self, receipt: Receipt, *, stored: bool = False) -> None:
        """Tell what became of an outbound message."""
        await self._door.report(receipt, stored=stored)

    async def dead(self, reason: str, payload: bytes, detail: str) -> None:
        """Put something with the dead letters."""
        await self._door.dead(reason, payload, detail)

    async def ask(self, question: bytes, *, within: float) -> bytes:
        """Ask the program that serves the channel over the bus."""
        return await self._program.ask(question, within=within)

    def count(self, event: str) -> None:
        """Count an event."""
        self._tally.count(event)


class ChannelMemory:
    """Notes of one channel."""

    def __init__(self, bus: Bus, workspace: Workspace, channel: str) -> None:
        self._bucket = Bucket(bus, workspace.sends_bucket)
        self._prefix = f"{workspace.name}.mem.{channel}."

    async def load(self, key: str) -> bytes | None:
        """Give the value, or None. Raises NotAccepted."""
        value, _ = await self.read(key)
        return value

    async def save(self, key: str, value: bytes) -> None:
        """Keep the value. Raises NotAccepted."""
        try:
            await self._bucket.put(self._prefix + kv_key(key), value)
        except (PublishRefused, PublishUnknown) as exc:
            raise NotAccepted("not_kept", f"a note of the channel could not be kept: {exc}") from exc

    async def read(self, key: str) -> tuple[bytes | None, int]:
        """Give the value and its revision; (None, 0) where there is none. Raises NotAccepted."""
        try:
            entry = await self._bucket.get(self._prefix + kv_key(key))
        except BusError as exc:
            raise NotAccepted("not_read", f"a note of the channel could not be read: {exc}") from exc
        return (entry.value, entry.revision) if entry else (None, 0)

    async def write(self, key: str, value: bytes, revision: int) -> int:
        """Keep the value over ``revision``, and give the new one. Raises NoteChanged, NotAccepted."""
        try:
            return await self._bucket.write(self._prefix + kv_key(key), value, revision)
        except (KeyExists, WrongRevision) as exc:
            raise NoteChanged(str(exc)) from exc
        except BusError as exc:
            raise NotAccepted("not_kept", f"a note of the channel could not be kept: {exc}") from exc


class ChannelMedia:
    """The media store, with a memory of seven days for files that a provider delivers again.

    That memory holds the file's key, so erasing a file for good means waiting for it to expire, or deleting it too.
    """

    def __init__(self, bus: Bus, workspace: Workspace, channel: str) -> None:
        self._store = MediaStore(bus, workspace)
        self._known = Bucket(bus, workspace.claims_bucket)
        self._prefix = f"{workspace.name}.{channel}.file."

    async def put(self, chunks: AsyncIterator[bytes], *, limit: int, key: str | None = None) -> StoredFile:
        """Store a file of at most ``limit`` bytes, or give the one that was stored with the same ``key`` and still is.

        Raises:
            FileTooBig: it is longer.
            NotAccepted: the store does not take it now.
        """
        try:
            if key is None:
                return await self._put(chunks, limit)
            place = self._prefix + hashlib.sha256(key.encode()).hexdigest()
            known = await self._known.get(place)
            if known is not None and await self._store.holds((file := _stored(known)).name):
                return file
            return await self._put_once(place, known.revision if known is not None else 0, chunks, limit)
        except BusError as exc:
            raise NotAccepted("not_kept", f"a file could not be kept: {exc}") from exc

    async def read(self, file: StoredFile) -> AsyncIterator[bytes]:
        """Give the decrypted bytes. Raises `MediaMissing`, `MediaDamaged`, NotAccepted."""
        ref = MediaRef(name=file.name, size=file.size, sha256=file.sha256, key=base64.urlsafe_b64decode(file.key))
        try:
            async for chunk in self._store.read(ref):
                yield chunk
        except NoAnswer as exc:
            raise NotAccepted("not_read", f"a file could not be read now: {exc}") from exc

    async def _put(self, chunks: AsyncIterator[bytes], limit: int) -> StoredFile:
        try:
            ref = await self._store.put(chunks, limit)
        except MediaTooLarge as exc:
            raise FileTooBig(limit) from exc
        key = base64.urlsafe_b64encode(ref.key).decode()
        return StoredFile(name=ref.name, size=ref.size, key=key, sha256=ref.sha256)

    async def _put_once(self, place: str, revision: int, chunks: AsyncIterator[bytes], limit: int) -> StoredFile:
        file = await self._put(chunks, limit)
        try:
            await self._known.write(place, msgspec.json.encode(file), revision)
        except (KeyExists, WrongRevision):
            faster = await self._known.get(place)
            if faster is not None:
                await self._forget(file.name)
                return _stored(faster)
        return file

    async def _forget(self, name: str) -> None:
        """Remove what a faster one has stored as well; without its key it is rubbish, not a secret."""
        try:
            await self._store.delete(name)
        except BusError as exc:
            structlog.get_logger(__name__).warning("channel.rubbish_left", name=name, reason=str(exc))


def _stored(entry: Entry) -> StoredFile:
    return msgspec.json.decode(entry.value, type=StoredFile)
