"""What the bus has room for: how full its disk is, how much each stream holds, how large a message it takes.

A full disk refuses new messages, so that nothing accepted is lost; but then nobody can write to us.
"""

import asyncio
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge

from broker.bus.connection import Bus
from broker.bus.errors import BusError
from broker.bus.reader import stream_state
from broker.bus.server import MAX_PAYLOAD, WIDEN
from broker.bus.streams import DEAD_STREAM, Workspace
from broker.logs import get_logger
from broker.monitoring.alarms import Board

ALARM_AT = 0.70
"""The share of the disk from which an alarm is raised."""

LOOK_EVERY = 30.0


def disk_share(folder: Path) -> float:
    """Give the used share, 0 to 1, of the disk that holds ``folder``."""
    usage = shutil.disk_usage(folder)
    return usage.used / ((usage.used + usage.free) or 1)  # as df counts: what is reserved for root is nobody's


def narrow(taken: int) -> str:
    """Say that the bus takes messages of ``taken`` bytes only; empty when that is enough, or not known (0)."""
    if not 0 < taken < MAX_PAYLOAD:
        return ""
    return f"NATS takes messages of {taken:,} bytes at most; Trunkline may need {MAX_PAYLOAD:,}"


class Storage:
    """Looks at the streams, and at the disk where the bus is embedded (``share`` gives its used part)."""

    def __init__(
        self,
        bus: Bus,
        workspace: Workspace,
        registry: CollectorRegistry,
        board: Board,
        *,
        share: Callable[[], float] | None,
    ) -> None:
        self._bus = bus
        self._board = board
        self._streams: Sequence[str] = (
            workspace.in_stream,
            workspace.log_stream,
            workspace.arc_stream,
            workspace.snap_stream,
            workspace.media_stream,
            DEAD_STREAM,
        )
        self._share = share
        self._registry = registry
        self._bytes = Gauge("trunkline_stream_bytes", "Bytes that a stream holds", ["stream"], registry=registry)
        self._messages = Gauge("trunkline_stream_messages", "Messages in a stream", ["stream"], registry=registry)
        self._disk = Gauge("trunkline_disk_used_ratio", "Used share of the embedded bus's disk", registry=registry)
        self._log = get_logger("storage")

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY)

    async def look(self) -> None:
        """Read the figures once; a bus that does not answer leaves the old ones."""
        if self._share is not None:
            self._judge(self._share())
        self._judge_largest(self._bus.largest)
        for name in self._streams:
            try:
                kept = await stream_state(self._bus, name)
            except BusError as exc:
                self._log.warning("stream not read", stream=name, reason=str(exc))
                return
            self._bytes.labels(name).set(kept.bytes)
            self._messages.labels(name).set(kept.messages)

    def close(self) -> None:
        """Leave the registry."""
        for gauge in (self._bytes, self._messages, self._disk):
            self._registry.unregister(gauge)

    def _judge_largest(self, taken: int) -> None:
        if wrong := narrow(taken):
            text = f"{wrong}. What a longer one is needed for will be put with the dead letters."
            self._board.raise_("bus_narrow", text=text, remedy=f"{WIDEN[0].upper()}{WIDEN[1:]}.")
        elif taken:
            self._board.clear("bus_narrow")

    def _judge(self, share: float) -> None:
        self._disk.set(share)
        if share < ALARM_AT:
            self._board.clear("disk_full")
            return
        self._board.raise_(
            "disk_full",
            text=f"The disk of the bus is {share:.0%} full; when it is full, nobody can write to us.",
            remedy="Give it a larger disk, or lower replay_days and times.archive.",
        )
