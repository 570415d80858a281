"""Inputs that no step could take: a projection of `input.refused` into the dead letters, with a position of its own."""

import asyncio

import structlog

from broker.bus.connection import Bus
from broker.bus.dead import DeadLetters
from broker.bus.errors import BusError, PublishRefused
from broker.bus.pipeline import MESSAGE_TOO_LARGE
from broker.bus.reader import Reader, Stored, read_message
from broker.bus.streams import Workspace
from broker.routing.positions import DEAD_LETTERS, Positions
from broker.routing.settings import RouterStats
from router.facts import InputRefused
from router.record import WORKSPACE_LINE, Record, decode_record

REASON = "refused"
RETRY_PAUSE = 1.0  # seconds

log = structlog.get_logger(__name__)


class Burial:
    """Copies each refused input once it is acknowledged; a repetition after a crash is refused by its message id."""

    def __init__(self, bus: Bus, workspace: Workspace, positions: Positions, stats: RouterStats) -> None:
        self._bus = bus
        self._workspace = workspace
        self._positions = positions
        self._stats = stats
        self._letters = DeadLetters(bus)
        self._upto = 0
        self._digging = asyncio.Lock()
        self._wake = asyncio.Event()

    def acknowledged(self, seq: int) -> None:
        """The record at `seq` refuses an input."""
        self._upto = max(self._upto, seq)
        self._wake.set()

    async def run(self, tail: int) -> None:
        """Catch up with the log as of `tail`, then bury what is acknowledged, for ever."""
        self.acknowledged(tail)
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self.advance(self._upto)
            except BusError as error:
                log.warning("router.dead_letter_waits", error=str(error))
                self._wake.set()
                await asyncio.sleep(RETRY_PAUSE)

    async def advance(self, upto: int) -> None:
        """Bury everything refused up to log sequence `upto`, and raise the position."""
        async with self._digging:
            done = await self._positions.get(DEAD_LETTERS)
            if done < upto:
                await self._bury_all(done + 1, upto)
                await self._positions.raise_to(DEAD_LETTERS, upto)

    async def _bury_all(self, first: int, upto: int) -> None:
        subject = self._workspace.log_subject(WORKSPACE_LINE)
        async with Reader(self._bus, self._workspace.log_stream, start_seq=first, subjects=[subject]) as reader:
            async for batch in reader.read_all():
                for stored in batch:
                    if stored.seq <= upto:
                        await self._bury(stored)

    async def _bury(self, stored: Stored) -> None:
        record = decode_record(stored.payload)
        for fact in record.facts:
            if isinstance(fact, InputRefused):
                source, payload = await self._origin(stored, record)
                number = f"{self._workspace.name}-log-{stored.seq}"
                await self._add(source, payload, f"{fact.cause}: {fact.error}", number, record.input)
                self._stats.alarms += 1
                log.error(
                    "router.input_refused", input=record.input, cause=fact.cause, release=fact.release, alarm=True
                )

    async def _add(self, source: str, payload: bytes, detail: str, number: str, consumed: int) -> None:
        """Add a letter; what is too long for one is left in IN, for as long as inputs are kept."""
        try:
            await self._letters.add(self._workspace, REASON, source, payload, detail, msg_id=number)
        except PublishRefused as refused:
            if refused.code != MESSAGE_TOO_LARGE:
                raise
            where = f"{detail}; too large for a letter: it stands as number {consumed} of {self._workspace.in_stream}"
            await self._letters.add(self._workspace, REASON, source, b"", where, msg_id=number)

    async def _origin(self, stored: Stored, record: Record) -> tuple[str, bytes]:
        """The input that was refused; for a timer or a todo, which are no messages, the record itself."""
        if record.cause == "input":
            found = await read_message(self._bus, self._workspace.in_stream, record.input)
            if found is not None:
                return found.subject, found.payload
        return stored.subject, stored.payload
