"""Key-value buckets, read at the leader, laid out as NATS does (ADR-8) so that its own tools can show them."""

import re
from collections.abc import AsyncIterator

import msgspec

from broker.bus.connection import Bus
from broker.bus.errors import KeyExists, PublishRefused, WrongRevision
from broker.bus.pipeline import WRONG_LAST_SEQUENCE
from broker.bus.reader import Reader, Stored, last_by_subject, purge

EXPECT = "Nats-Expected-Last-Subject-Sequence"
OPERATION = "KV-Operation"
STILL_UNDER_WAY = 10164  # on replicas: another write of the same key is not settled yet
_UNSAFE = re.compile(rb"[^A-Za-z0-9_-]")
_ESCAPED = re.compile(r"=([0-9A-F]{2})")
_KEY = re.compile(r"[A-Za-z0-9_=-]+(\.[A-Za-z0-9_=-]+)*")


class Entry(msgspec.Struct, frozen=True):
    """A value and its revision (the sequence in the bucket's stream)."""

    value: bytes
    revision: int


def kv_key(text: str) -> str:
    """Encode any text as one safe key token, reversibly: every other byte of its UTF-8 becomes `=XX`.

    "email:a@b.c" is "email=3Aa=40b=2Ec"; the empty text is "=".
    """
    return _UNSAFE.sub(lambda found: b"=%02X" % found[0][0], text.encode()).decode() or "="


def kv_text(key: str) -> str:
    """Undo `kv_key`."""
    if key == "=":
        return ""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), key).encode("latin-1").decode()


class Bucket:
    """A bucket. Keys are tokens of ours or from `kv_key`, joined by dots; anything else is a ValueError.

    Every method may raise `NoAnswer` (reads) or `PublishUnknown` (writes: read again to know).
    """

    def __init__(self, bus: Bus, name: str) -> None:
        self._bus = bus
        self.name = name
        self._stream = f"KV_{name}"
        self._prefix = f"$KV.{name}."

    async def get(self, key: str) -> Entry | None:
        """The newest value, None when there is none or it was deleted."""
        stored = await self._newest(key)
        return None if stored is None or is_marker(stored) else Entry(stored.payload, stored.seq)

    async def put(self, key: str, value: bytes) -> int:
        """Write and return the revision."""
        return (await self._bus.publish(self._subject(key), value)).seq

    async def create(self, key: str, value: bytes) -> int:
        """Write only if the key is not there; raises `KeyExists`."""
        try:
            return await self._write(key, value, 0)
        except WrongRevision as error:
            stored = await self._newest(key)
            if stored is None or not is_marker(stored):
                raise KeyExists(f"{self.name}: key {key!r} is there already") from error
        try:
            return await self._write(key, value, stored.seq)
        except WrongRevision as error:
            raise KeyExists(f"{self.name}: key {key!r} was created by somebody else just now") from error

    async def update(self, key: str, value: bytes, revision: int) -> int:
        """Write only if the key still has `revision`; raises `WrongRevision`."""
        return await self._write(key, value, revision)

    async def write(self, key: str, value: bytes, revision: int) -> int:
        """Write over ``revision``, or where nothing is (0); raises `WrongRevision` or `KeyExists`."""
        return await (self.update(key, value, revision) if revision else self.create(key, value))

    async def delete(self, key: str, *, revision: int | None = None) -> None:
        """Delete; with `revision` only if the key still has it, else `WrongRevision`.

        First a marker is written, which other clients of the bucket understand, then both are removed.
        """
        headers = {OPERATION: "DEL"}
        if revision is None:
            marker = (await self._bus.publish(self._subject(key), b"", headers=headers)).seq
        else:
            marker = await self._write(key, b"", revision, headers)
        await purge(self._bus, self._stream, subject=self._subject(key), up_to_seq=marker)

    async def entries(self, pattern: str = ">") -> AsyncIterator[tuple[str, Entry]]:
        """Keys that match `pattern` (wildcards as in subjects) with their values, in the order of their writing.

        A key that is written meanwhile may come twice, the newer value last.
        """
        async with Reader(self._bus, self._stream, subjects=[self._prefix + pattern]) as reader:
            async for batch in reader.read_all():
                for stored in batch:
                    if not is_marker(stored):
                        yield stored.subject.removeprefix(self._prefix), Entry(stored.payload, stored.seq)

    async def keys(self, pattern: str = ">") -> list[str]:
        """Keys that have a value, in no order."""
        return list({key: None async for key, _ in self.entries(pattern)})

    def _subject(self, key: str) -> str:
        if not _KEY.fullmatch(key):
            raise ValueError(f"{key!r} is not a key: encode text of others with kv_key()")
        return self._prefix + key

    async def _newest(self, key: str) -> Stored | None:
        return await last_by_subject(self._bus, self._stream, self._subject(key))

    async def _write(self, key: str, value: bytes, revision: int, headers: dict[str, str] | None = None) -> int:
        guarded = {**(headers or {}), EXPECT: str(revision)}
        try:
            return (await self._bus.publish(self._subject(key), value, headers=guarded)).seq
        except PublishRefused as refused:
            if refused.code in (WRONG_LAST_SEQUENCE, STILL_UNDER_WAY):
                raise WrongRevision(f"{self.name}: key {key!r} does not have revision {revision} any more") from refused
            raise


def is_marker(stored: Stored) -> bool:
    """Whether a stored value says that the key was deleted."""
    return stored.headers.get(OPERATION) in ("DEL", "PURGE")
