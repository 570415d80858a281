"""Trimming: removes inputs and records that nobody needs again, and archives closed conversations.

Everything happens below the mark, the lowest of the oldest kept snapshot and of everybody's position, so that a
recovery, a sender or a projection never misses a record. Each step may be repeated; the position is raised last.
"""

import asyncio

import msgspec
import structlog

from broker.bus.connection import Bus
from broker.bus.fence import purge_skips
from broker.bus.reader import Reader, next_by_subject, purge, stream_state
from broker.bus.streams import Workspace
from broker.routing.archive import archive_conversation
from broker.routing.positions import DEAD_LETTERS, HOUSEKEEPING, PEOPLE, Positions
from broker.routing.snapshots import KEPT, Kept
from router.facts import ConversationArchived
from router.record import WORKSPACE_LINE, decode_record

NANOS_PER_DAY = 86_400 * 1_000_000_000
MS = 1_000_000  # nanoseconds
PURGES_AT_ONCE = 16
INDEX_PATIENCE = 2 * 86_400_000
"""An index that was not heard of for so long (ms) holds nothing back any more; it is built anew if it comes back."""

ARCHIVED_MARK = b'"conversation.archived"'
PASSING_LINES = ("o-", "p-")
"""Operators' and persons' lines: their records count until the next snapshot, and for no history."""

log = structlog.get_logger(__name__)


class _Found(msgspec.Struct):
    """What a stretch of the log holds: lines to purge, and (person, conversation) to archive."""

    lines: set[str] = msgspec.field(default_factory=set)
    closed: set[tuple[str, str]] = msgspec.field(default_factory=set)


class Housekeeper:
    """Trims IN and LOG and packs conversations. Only the active router runs it, after each snapshot."""

    def __init__(self, bus: Bus, workspace: Workspace, positions: Positions, *, replay_days: float) -> None:
        self._bus = bus
        self._workspace = workspace
        self._positions = positions
        self._replay_ns = int(replay_days * NANOS_PER_DAY)

    async def mark(self, kept: list[Kept]) -> int:
        """The last log sequence that nobody needs: below every kept snapshot and every position but our own."""
        positions = await self._positions.all()
        own = positions.pop(HOUSEKEEPING, 0)
        for ours in (PEOPLE, DEAD_LETTERS):
            positions.setdefault(ours, 0)
        snapshot = min(kept_.manifest.log for kept_ in kept) if len(kept) >= KEPT else 0
        mark = min(snapshot, *positions.values())
        if mark < own:
            slowest = min(positions, key=lambda name: positions[name])
            log.warning("housekeeping.held_back", by=slowest, at=positions[slowest], trimmed=own)
        return mark

    async def run(self, kept: list[Kept], now_ns: int) -> None:
        """Trim and archive what the kept snapshots allow; `now_ns` is the bus's time."""
        await self._forget_indexes(now_ns // MS)
        mark = await self.mark(kept)
        done = await self._positions.get(HOUSEKEEPING)
        if mark > done:
            found = await self._search(done + 1, mark)
            for person, conversation in sorted(found.closed):
                await archive_conversation(self._bus, self._workspace, person, conversation)
            await self._positions.raise_to(HOUSEKEEPING, mark)
            await self._purge_lines(found.lines, mark)
            log.info("housekeeping.trimmed", up_to=mark, lines=len(found.lines), archived=len(found.closed))
        await purge_skips(self._bus, self._workspace)
        if kept:
            await self._trim_inputs(min(kept_.manifest.input for kept_ in kept), now_ns)

    async def _forget_indexes(self, now: int) -> None:
        for name, heard in (await self._positions.indexes()).items():
            if now - heard > INDEX_PATIENCE:
                await self._positions.forget(name)
                log.warning(
                    "housekeeping.index_forgotten", index=name, mend="it is built anew when it is started again"
                )

    async def _search(self, first: int, last: int) -> _Found:
        found = _Found()
        prefix = len(self._workspace.log_subject("*").split("*")[0])
        async with Reader(self._bus, self._workspace.log_stream, start_seq=first) as reader:
            async for batch in reader.read_all():
                for stored in batch:
                    if stored.seq > last:
                        return found
                    line = stored.subject[prefix:].partition(".")[0]
                    if line == WORKSPACE_LINE or line.startswith(PASSING_LINES):
                        found.lines.add(line)
                    if ARCHIVED_MARK in stored.payload:
                        found.closed.update(
                            (fact.person, fact.conversation)
                            for fact in decode_record(stored.payload).facts
                            if isinstance(fact, ConversationArchived)
                        )
                await asyncio.sleep(0)
        return found

    async def _purge_lines(self, lines: set[str], mark: int) -> None:
        waiting = sorted(lines)
        while waiting:
            some, waiting = waiting[:PURGES_AT_ONCE], waiting[PURGES_AT_ONCE:]
            subjects = [self._workspace.line_subjects(line) for line in some]
            await asyncio.gather(
                *(purge(self._bus, self._workspace.log_stream, subject=subject, up_to_seq=mark) for subject in subjects)
            )

    async def _trim_inputs(self, consumed: int, now_ns: int) -> None:
        """Remove inputs that every kept snapshot has consumed and that are older than the time for replays."""
        last = await self._last_before(consumed, now_ns - self._replay_ns)
        if last:
            removed = await purge(self._bus, self._workspace.in_stream, up_to_seq=last)
            log.info("housekeeping.inputs_trimmed", up_to=last, removed=removed)

    async def _last_before(self, consumed: int, time_ns: int) -> int:
        """The highest sequence up to `consumed` whose input was stored before `time_ns`, 0 if there is none."""
        stream = self._workspace.in_stream
        low, high = (await stream_state(self._bus, stream)).first - 1, consumed
        bottom = low
        while low < high:
            middle = (low + high + 1) // 2
            stored = await next_by_subject(self._bus, stream, ">", middle)
            if stored is not None and stored.time_ns < time_ns and stored.seq <= consumed:
                low = min(stored.seq, high)
            else:
                high = middle - 1
        return low if low > bottom else 0
