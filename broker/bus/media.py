"""Media objects: encrypted one by one, stored in pieces of one stream.

A plain stream with a subject per object, not NATS's object store: nats-py reads 100 MB from that in 19 s, and its
second stream entry per object (name, digest) would outlive the key. Each object has a random name and a random key
that stands in its `MediaRef` alone, so whoever deletes the reference has erased the file.
"""

import asyncio
import contextlib
import hashlib
import secrets
from collections import deque
from collections.abc import AsyncIterator

import msgspec
import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from broker.bus.connection import Bus
from broker.bus.errors import BusError, MediaDamaged, MediaMissing, MediaTooLarge
from broker.bus.pipeline import Pipeline, PubAck
from broker.bus.reader import Reader, next_by_subject, purge
from broker.bus.streams import Workspace

PIECE = 128 * 1024  # bytes of content in one message
WINDOW = 16  # pieces under way at once
PUT_TIMEOUT = 15.0  # seconds for one piece; `power` durability on a busy disk is slow
SETTLE_TIMEOUT = 2.0  # seconds that a failed upload waits for what it has sent
READ_AHEAD = 32  # pieces

log = structlog.get_logger(__name__)


class MediaRef(msgspec.Struct, frozen=True):
    """Where an object is and how to read it; whoever forgets `key` has erased the object.

    `size` in bytes and `sha256` (hex) are of the content.
    """

    name: str
    size: int
    sha256: str
    key: bytes

    def __repr__(self) -> str:
        return f"MediaRef(name={self.name!r}, size={self.size}, key=***)"


class MediaStore:
    """Objects of one workspace."""

    def __init__(self, bus: Bus, workspace: Workspace) -> None:
        self._bus = bus
        self._workspace = workspace

    async def put(self, chunks: AsyncIterator[bytes], limit: int) -> MediaRef:
        """Store; at most about 4 MB of it are in memory at any time.

        Raises:
            MediaTooLarge: over `limit` bytes.
            PublishRefused, PublishUnknown: not (surely) stored. In every case nothing is kept, as far as possible.
        """
        name, key = secrets.token_hex(16), AESGCM.generate_key(256)
        try:
            size, digest = await self._put_pieces(name, AESGCM(key), pieces_of(chunks), limit)
        except BaseException:
            await self._discard(name)
            raise
        return MediaRef(name, size, digest, key)

    async def read(self, ref: MediaRef) -> AsyncIterator[bytes]:
        """Yield the object's bytes; raises `MediaMissing` or `MediaDamaged`.

        Every piece is authentic when it is yielded; that the whole is complete is known at the end only.
        """
        cipher, digest, number = AESGCM(ref.key), hashlib.sha256(), 0
        total = piece_count(ref.size)
        subject = self._workspace.media_subject(ref.name)
        async with Reader(self._bus, self._workspace.media_stream, subjects=[subject], batch=READ_AHEAD) as reader:
            async for batch in reader.read_all():
                for stored in batch:
                    piece = opened(cipher, ref.name, number, stored.payload)
                    digest.update(piece)
                    number += 1
                    yield piece
        if number < total:
            raise MediaMissing(f"media object {ref.name} has {number} of {total} pieces: deleted or expired")
        if digest.hexdigest() != ref.sha256:
            raise MediaDamaged(f"media object {ref.name} is not what was stored")

    async def holds(self, name: str) -> bool:
        """Whether an object is there, or what is left of it."""
        subject = self._workspace.media_subject(name)
        return await next_by_subject(self._bus, self._workspace.media_stream, subject) is not None

    async def delete(self, name: str) -> None:
        """Remove the object's pieces."""
        await purge(self._bus, self._workspace.media_stream, subject=self._workspace.media_subject(name))

    async def _put_pieces(self, name: str, cipher: AESGCM, pieces: AsyncIterator[bytes], limit: int) -> tuple[int, str]:
        size, number, digest = 0, 0, hashlib.sha256()
        under_way: deque[asyncio.Future[PubAck]] = deque()
        pipeline = await self._bus.publisher(timeout=PUT_TIMEOUT)
        try:
            async for piece in pieces:
                size += len(piece)
                if size > limit:
                    raise MediaTooLarge(f"more than the limit of {limit} bytes")
                digest.update(piece)
                under_way.append(self._send(pipeline, name, sealed(cipher, name, number, piece)))
                number += 1
                if len(under_way) >= WINDOW:
                    await under_way.popleft()
            while under_way:
                await under_way.popleft()
        finally:
            # What is under way must be settled before it can be discarded; a first failure was raised already.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SETTLE_TIMEOUT):
                    await asyncio.gather(*under_way, return_exceptions=True)
            await pipeline.close()
        return size, digest.hexdigest()

    def _send(self, pipeline: Pipeline, name: str, payload: bytes) -> asyncio.Future[PubAck]:
        return pipeline.send(self._workspace.media_subject(name), payload)

    async def _discard(self, name: str) -> None:
        """What an upload that failed left; nobody has its key, so it is rubbish, not a secret, if this fails."""
        try:
            await self.delete(name)
        except BusError as error:
            log.warning("media.rubbish_left", name=name, error=str(error))


async def pieces_of(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Cut into pieces of PIECE bytes; the last one is shorter; an empty object has one empty piece."""
    buffer, empty = bytearray(), True
    async for chunk in chunks:
        buffer += chunk
        while len(buffer) >= PIECE:
            yield bytes(buffer[:PIECE])
            del buffer[:PIECE]
            empty = False
    if buffer or empty:
        yield bytes(buffer)


def piece_count(size: int) -> int:
    """How many pieces an object of `size` bytes has."""
    return max(1, -(-size // PIECE))


def sealed(cipher: AESGCM, name: str, number: int, piece: bytes) -> bytes:
    """Encrypt one piece; the key is used for this object alone, so the piece's number is a safe nonce."""
    return cipher.encrypt(number.to_bytes(12, "big"), piece, name.encode())


def opened(cipher: AESGCM, name: str, number: int, payload: bytes) -> bytes:
    """Undo `sealed`; raises `MediaDamaged` for another key, name or place."""
    try:
        return cipher.decrypt(number.to_bytes(12, "big"), payload, name.encode())
    except InvalidTag as error:
        raise MediaDamaged(f"media object {name}, piece {number}: wrong key or changed bytes") from error
