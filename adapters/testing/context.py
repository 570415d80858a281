"""A context for tests: keeps what an adapter says, fails when told to, and has a clock and ids of its own."""

import asyncio
import hashlib
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any, cast

import structlog
from msgspec import Struct
from structlog.testing import LogCapture

from adapters.contract import (
    Cursor,
    Duty,
    FileTooBig,
    LineItem,
    Lines,
    Media,
    Memory,
    NobodyServes,
    NoteChanged,
    Typing,
)
from adapters.errors import EnvelopeRefused
from adapters.session import Reach, open_session
from normalizer import codec
from normalizer.content import StoredFile
from normalizer.envelope import Envelope
from normalizer.ids import uuid7_at
from normalizer.outbound import Receipt

NOON = 1_800_000_000_000
"""What the clock of tests says at first, in ms since the epoch."""


class NotScripted(AssertionError):
    """The adapter asked for something that the test has not prepared."""


class DeadLetter(Struct, frozen=True):
    """What an adapter gave up."""

    reason: str
    payload: bytes
    detail: str


class FakeContext:
    """Make it inside a running loop, and close it.

    ``failures`` are raised by the next calls of :meth:`accept`; while :attr:`store` is not set, they wait. ``offered``
    is every envelope that was handed to :meth:`accept`, ``accepted`` those that were stored.
    """

    def __init__(self, channel: str = "test", *, public_url: str = "https://chat.example") -> None:
        self.channel = channel
        self.public_url = public_url
        self.http = open_session(Reach.LOOPBACK)
        self.files = FakeMedia()
        self.media: Media = self.files
        self.memory: Memory = FakeMemory()
        self.lines: Lines = NoLines()
        self.offered: list[Envelope] = []
        self.accepted: list[Envelope] = []
        self.receipts: list[Receipt] = []
        self.dead_letters: list[DeadLetter] = []
        self.counts: Counter[str] = Counter()
        self.failures: deque[Exception] = deque()
        self.store = asyncio.Event()
        self.store.set()
        self.serving: Callable[[bytes], Awaitable[bytes]] | None = None
        self.time = NOON
        self._changed = asyncio.Condition()
        self._ids = 0
        self._capture = LogCapture()
        self.log = cast(
            "structlog.stdlib.BoundLogger",
            structlog.wrap_logger(
                structlog.testing.CapturingLogger(),
                processors=[structlog.processors.format_exc_info, self._capture],
                wrapper_class=structlog.stdlib.BoundLogger,
            ),
        )

    @property
    def logged(self) -> list[MutableMapping[str, Any]]:
        """What was logged."""
        return self._capture.entries

    def now(self) -> int:
        """Give ``time``."""
        return self.time

    def new_id(self) -> str:
        """Give ids that count: see :func:`made_id`."""
        self._ids += 1
        return made_id(self._ids, self.time)

    def secret(self, purpose: str) -> bytes:
        """Give bytes that follow from the purpose."""
        return hashlib.sha256(f"{self.channel} {purpose}".encode()).digest()

    async def accept(self, envelope: Envelope) -> None:
        """Keep an envelope, or raise the next of ``failures``. Raises EnvelopeRefused as the real one."""
        self.offered.append(envelope)
        await self._tell()
        await self.store.wait()
        if self.failures:
            raise self.failures.popleft()
        try:
            codec.encode_envelope(envelope)
        except codec.EnvelopeRefused as exc:
            await self.dead("envelope_refused", repr(envelope).encode(errors="backslashreplace"), exc.reason)
            raise EnvelopeRefused("envelope_refused", exc.reason) from exc
        self.accepted.append(envelope)
        await self._tell()

    async def report(self, receipt: Receipt, *, stored: bool = False) -> None:
        """Keep a receipt, or (``stored``) raise the next of ``failures``."""
        if stored and self.failures:
            raise self.failures.popleft()
        self.receipts.append(receipt)
        await self._tell()

    async def dead(self, reason: str, payload: bytes, detail: str) -> None:
        """Keep a dead letter."""
        self.dead_letters.append(DeadLetter(reason, payload, detail))
        await self._tell()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds; it is looked at whenever the adapter has offered or told something."""
        async with self._changed:
            await self._changed.wait_for(condition)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def ask(self, question: bytes, *, within: float) -> bytes:
        """Let ``serving`` answer; without one, nobody serves."""
        if self.serving is None:
            raise NobodyServes(self.channel)
        async with asyncio.timeout(within):
            return await self.serving(question)

    def count(self, event: str) -> None:
        """Count."""
        self.counts[event] += 1

    async def close(self) -> None:
        """Close the HTTP client."""
        await self.http.close()


def made_id(number: int, time: int = NOON) -> str:
    """Give the ``number``-th id that a :class:`FakeContext` makes at ``time``."""
    digits = f"{uuid7_at(time, number):032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


class FakeMemory:
    """Notes in memory."""

    def __init__(self) -> None:
        self.notes: dict[str, bytes] = {}
        self._revisions: Counter[str] = Counter()

    async def load(self, key: str) -> bytes | None:
        """Give the value, or None."""
        return self.notes.get(key)

    async def save(self, key: str, value: bytes) -> None:
        """Keep the value."""
        self.notes[key] = value
        self._revisions[key] += 1

    async def read(self, key: str) -> tuple[bytes | None, int]:
        """Give the value and its revision."""
        revision = self._revisions[key]
        return await self.load(key), revision

    async def write(self, key: str, value: bytes, revision: int) -> int:
        """Keep the value over ``revision``. Raises NoteChanged."""
        if revision != self._revisions[key]:
            raise NoteChanged(f"{key} does not have revision {revision} any more")
        await self.save(key, value)
        return self._revisions[key]


class FakeMedia:
    """Files in memory, not encrypted."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self._known: dict[str, StoredFile] = {}

    def add(self, content: bytes) -> StoredFile:
        """Keep a file."""
        file = StoredFile(name=f"file-{len(self.files) + 1}", size=len(content), key="none")
        self.files[file.name] = content
        return file

    async def put(self, chunks: AsyncIterator[bytes], *, limit: int, key: str | None = None) -> StoredFile:
        """Keep a file, or find the one with the same key if it is still there."""
        known = self._known.get(key or "")
        if known is not None and known.name in self.files:
            return known
        content = b""
        async for chunk in chunks:
            content += chunk
            if len(content) > limit:
                raise FileTooBig(limit)
        file = self.add(content)
        if key is not None:
            self._known[key] = file
        return file

    async def read(self, file: StoredFile) -> AsyncIterator[bytes]:
        """Give the bytes."""
        yield self.files[file.name]


class NoLines:
    """For channels that do not feed sockets of their own."""

    async def history(self, address: str, after: Cursor | None) -> tuple[list[LineItem], Cursor]:
        """Nothing is prepared."""
        raise NotScripted(f"history of {address} after {after}")

    def follow(self, after: Cursor | None = None) -> AsyncIterator[LineItem]:
        """Nothing is prepared."""
        raise NotScripted(f"follow after {after}")

    async def conversation(self, address: str) -> str | None:
        """Nothing is prepared."""
        raise NotScripted(f"conversation of {address}")

    def duty(self) -> Duty:
        """Nothing is prepared."""
        raise NotScripted("duty")

    async def typing(self, typing: Typing) -> None:
        """Nothing is prepared."""
        raise NotScripted(f"typing in {typing.conversation}")

    def typings(self) -> AsyncIterator[Typing]:
        """Nothing is prepared."""
        raise NotScripted("typings")
