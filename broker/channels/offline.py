"""A context for ``trunkline check --connect``: the channel reaches its provider, but stores and follows nothing."""

from collections.abc import AsyncIterator

import aiohttp
import structlog

from adapters.contract import Cursor, Duty, LineItem, Lines, Media, Memory, NobodyServes, NoteChanged, Typing
from adapters.errors import NotAccepted
from broker.channels.program import Program
from broker.channels.secret import derive
from broker.channels.tally import wall_clock
from normalizer.content import StoredFile
from normalizer.envelope import Envelope
from normalizer.ids import IdSource
from normalizer.outbound import Receipt

NO_BYTES: tuple[bytes, ...] = ()
NO_ITEMS: tuple[LineItem, ...] = ()
NO_TYPINGS: tuple[Typing, ...] = ()


class OfflineContext:
    """What a channel's ``check`` may use. ``secret`` is the workspace's key, or any where there is none yet."""

    def __init__(
        self,
        channel: str,
        http: aiohttp.ClientSession,
        *,
        public_url: str,
        secret: bytes,
        program: Program | None = None,
    ) -> None:
        self.channel = channel
        self.public_url = public_url
        self.log: structlog.stdlib.BoundLogger = structlog.get_logger(f"channel.{channel}").bind(channel=channel)
        self.http = http
        self.media: Media = _Nowhere()
        self.memory: Memory = _Forgetful()
        self.lines: Lines = _Silence()
        self._ids = IdSource()
        self._secret = secret
        self._program = program

    def now(self) -> int:
        """Give the time in ms since the epoch."""
        return wall_clock()

    def new_id(self) -> str:
        """Give a fresh UUIDv7."""
        return self._ids.new()

    def secret(self, purpose: str) -> bytes:
        """Give 32 bytes for a purpose, the same as a running channel has."""
        return derive(self._secret, f"channel {self.channel} {purpose}")

    async def accept(self, envelope: Envelope) -> None:
        """Refuse: nothing runs that could take it."""
        raise _offline(envelope.native_id)

    async def report(self, receipt: Receipt, *, stored: bool = False) -> None:
        """Refuse."""
        raise _offline(f"{receipt.outbound} {stored}")

    async def dead(self, reason: str, payload: bytes, detail: str) -> None:
        """Refuse."""
        raise _offline(f"{reason}: {detail} ({len(payload)} bytes)")

    async def ask(self, question: bytes, *, within: float) -> bytes:
        """Ask the program on the bus, where there is a bus."""
        if self._program is None:
            raise NobodyServes("the bus that the program is asked over does not run")
        return await self._program.ask(question, within=within)

    def count(self, event: str) -> None:
        """Count nothing."""


class _Nowhere:
    """A media store that takes and has nothing."""

    async def put(self, chunks: AsyncIterator[bytes], *, limit: int, key: str | None = None) -> StoredFile:
        """Refuse."""
        raise _offline(f"{chunks} {limit} {key}")

    async def read(self, file: StoredFile) -> AsyncIterator[bytes]:
        """Give nothing."""
        del file
        for chunk in NO_BYTES:
            yield chunk


class _Forgetful:
    """Notes that last as long as the check."""

    def __init__(self) -> None:
        self._notes: dict[str, tuple[bytes, int]] = {}

    async def load(self, key: str) -> bytes | None:
        """Give what this check has noted."""
        return (await self.read(key))[0]

    async def save(self, key: str, value: bytes) -> None:
        """Note."""
        _, revision = await self.read(key)
        self._notes[key] = value, revision + 1

    async def read(self, key: str) -> tuple[bytes | None, int]:
        """Give what this check has noted, and its revision."""
        return self._notes.get(key, (None, 0))

    async def write(self, key: str, value: bytes, revision: int) -> int:
        """Note over what was read. Raises NoteChanged."""
        if revision != (await self.read(key))[1]:
            raise NoteChanged(f"{key} does not have revision {revision} any more")
        await self.save(key, value)
        return revision + 1


class _Silence:
    """Lines on which nothing stands."""

    async def history(self, address: str, after: Cursor | None) -> tuple[list[LineItem], Cursor]:
        """Give nothing."""
        del address
        return [], after or (0, 0)

    async def follow(self, after: Cursor | None = None) -> AsyncIterator[LineItem]:
        """Give nothing, and end."""
        del after
        for item in NO_ITEMS:
            yield item

    async def conversation(self, address: str) -> str | None:
        """Name none."""
        del address
        return None

    def duty(self) -> Duty:
        """Nobody is there."""
        return Duty(staffed=False, ahead={})

    async def typing(self, typing: Typing) -> None:
        """Tell nobody."""

    async def typings(self) -> AsyncIterator[Typing]:
        """Give nothing, and end."""
        for typing in NO_TYPINGS:
            yield typing


def _offline(what: str) -> NotAccepted:
    return NotAccepted("offline", f"nothing is taken in while a channel is only looked at ({what})")
