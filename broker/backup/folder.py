"""The folder of a backup: parts with their hashes, and a manifest that makes it whole.

A backup is written under another name beside its place and renamed at the end, so a folder of the right name is a
whole one. Whoever can read it can read everything: files are for their owner alone.
"""

import hashlib
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import msgspec
from msgspec.structs import replace

from broker.bus.copying import CHUNK, SavedStream
from broker.bus.reader import Stored
from broker.bus.wire import header_block, headers_of

MANIFEST = "manifest.json"
LENGTH = 4  # bytes that say how long a message is
READ = 1024 * 1024


class BadBackup(Exception):
    """A folder is no backup, or not a whole one; the message says what is wrong with which file."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One file: its size and its SHA-256 (hex). ``saved`` is there when it is the copy of a whole stream."""

    file: str
    bytes: int
    sha256: str
    saved: SavedStream | None = None


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds: everything up to ``log`` of the log, and the inputs up to ``input`` that made it.

    ``at`` is when it was begun (ms), ``created`` names the log (RFC 3339). ``undecided`` inputs are in it that no
    router had decided on; 0 where one was at work. ``digest`` is the SHA-256 (hex) of the manifest's own file with an
    empty digest; backups of before it was written have none.
    """

    v: int = 1
    release: str
    workspace: str
    at: int
    created: str
    log: int
    input: int
    undecided: int = 0
    parts: dict[str, Part]
    digest: str = ""

    @property
    def bytes(self) -> int:
        """Its size on the disk."""
        return sum(part.bytes for part in self.parts.values())


class Message(msgspec.Struct, frozen=True, array_like=True):
    """One message that was copied by itself; ``head`` is its header block as it was stored."""

    seq: int
    subject: str
    head: bytes
    payload: bytes

    @property
    def headers(self) -> dict[str, str]:
        """What its publisher said beside its content; what was said to the server (but its id) was for that time."""
        kept = headers_of(self.head) if self.head else {}
        return {name: value for name, value in kept.items() if not name.startswith("Nats-") or name == "Nats-Msg-Id"}


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Message).decode


class PartWriter:
    """One file that is being written."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
        self._digest = hashlib.sha256()
        self.name = path.name
        self.bytes = 0

    def write(self, data: bytes) -> None:
        """Append."""
        self._file.write(data)
        self._digest.update(data)
        self.bytes += len(data)

    def add(self, stored: Stored) -> None:
        """Append a message."""
        body = _encode(Message(stored.seq, stored.subject, stored.head or header_block(None), stored.payload))
        self.write(len(body).to_bytes(LENGTH, "big") + body)

    def close(self, saved: SavedStream | None = None) -> Part:
        """Put it on the disk and give what goes into the manifest."""
        with self._file:
            self._file.flush()
            os.fsync(self._file.fileno())
        return Part(file=self.name, bytes=self.bytes, sha256=self._digest.hexdigest(), saved=saved)

    def give_up(self) -> None:
        """Close it as it is."""
        self._file.close()


class Target:
    """A backup that is being written; what is not finished on leaving is removed.

    Raises:
        FileExistsError: there is something of that name already.
    """

    def __init__(self, path: Path) -> None:
        if path.exists():
            raise FileExistsError(f"{path} is there already: name a folder that does not exist yet")
        self._path = path.absolute()
        self._folder = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}.partial")

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._folder.mkdir(mode=0o700)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._folder.exists():
            shutil.rmtree(self._folder)

    def part(self, name: str) -> PartWriter:
        """Begin a file, from its beginning."""
        return PartWriter(self._folder / name)

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest with its digest, and give the folder its name."""
        digest = hashlib.sha256(_text_of(manifest, digest="")).hexdigest()
        writer = self.part(MANIFEST)
        writer.write(_text_of(manifest, digest=digest))
        writer.close()
        _sync_folder(self._folder)
        self._folder.rename(self._path)
        _sync_folder(self._path.parent)


class Source:
    """A backup to read. Raises `BadBackup` when it is none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            text = (path / MANIFEST).read_bytes()
            self.manifest = msgspec.json.decode(text, type=Manifest)
        except (FileNotFoundError, NotADirectoryError):
            raise BadBackup(f"{path} holds no {MANIFEST}: it is no backup, or not a whole one") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadBackup(f"{path / MANIFEST} cannot be read: {error}") from error
        if self.manifest.v != 1:
            raise BadBackup(f"{path} was written by release {self.manifest.release}: use that one to read it")
        digest = self.manifest.digest
        if digest and hashlib.sha256(text.replace(digest.encode(), b"", 1)).hexdigest() != digest:
            raise BadBackup(
                f"{path / MANIFEST} is not what was written: copy the backup here again, or use another one"
            )
        for part in self.manifest.parts.values():
            if Path(part.file).name != part.file:
                raise BadBackup(f"{path / MANIFEST} names {part.file!r}, which is no file of this folder")

    def verify(self) -> Iterator[Part]:
        """Read every part and give it once it has the size and the hash of the manifest; raises `BadBackup`."""
        for part in self.manifest.parts.values():
            try:
                with (self.path / part.file).open("rb") as file:
                    found = hashlib.file_digest(file, "sha256").hexdigest()
                    size = file.tell()
            except OSError as error:
                raise BadBackup(f"{self.path / part.file} cannot be read: {error}") from error
            if (size, found) != (part.bytes, part.sha256):
                raise BadBackup(f"{self.path / part.file} is not what was written: {size} of {part.bytes} bytes")
            yield part

    async def chunks(self, name: str) -> AsyncIterator[bytes]:
        """Give the archive of a stream in pieces that any server takes."""
        with (self.path / self.manifest.parts[name].file).open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk

    def messages(self, name: str) -> Iterator[Message]:
        """Give the messages of a part, in the order of their copying."""
        with (self.path / self.manifest.parts[name].file).open("rb", READ) as file:
            while length := file.read(LENGTH):
                yield _decode(file.read(int.from_bytes(length, "big")))


def _text_of(manifest: Manifest, *, digest: str) -> bytes:
    return msgspec.json.format(msgspec.json.encode(replace(manifest, digest=digest)))


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
