"""The fence around the log: one writer at a time, whoever wakes up late."""

import asyncio

from broker.bus.connection import Bus, PubAck
from broker.bus.streams import Workspace

WINDOW = 512


async def barrier(bus: Bus, workspace: Workspace, *, expect: int, term_payload: bytes, width: int = WINDOW) -> int:
    """Write the term record and `width` skips in one atomic batch; returns the new tail.

    Raises:
        TailMoved: the tail is not `expect`; its `tail` says where it is.
        PublishUnknown: no answer; read the tail again.
    """
    raise NotImplementedError


async def purge_skips(bus: Bus, workspace: Workspace) -> int:
    """Remove the skips of past barriers; returns how many."""
    raise NotImplementedError


class FencedLog:
    """Pipelined appends, each with its predicted place; the first doubt ends the term."""

    lost: asyncio.Event
    error: Exception | None

    @classmethod
    async def open(cls, bus: Bus, workspace: Workspace, *, tail: int, ack_timeout: float = 5.0) -> "FencedLog":
        """Start a term behind a barrier whose new tail is `tail`."""
        raise NotImplementedError

    def append(self, subject: str, payload: bytes) -> asyncio.Future[PubAck]:
        """Send now; never call it without room. Raises the term's error once it has ended."""
        raise NotImplementedError

    async def wait_room(self) -> None:
        """Wait until fewer than WINDOW appends are unacknowledged; raises the term's error once it has ended."""
        raise NotImplementedError

    async def wait_drained(self) -> None:
        """Wait until everything is acknowledged; raises the term's error once it has ended."""
        raise NotImplementedError

    @property
    def tail(self) -> int:
        """Sequence of the last acknowledged append."""
        raise NotImplementedError

    @property
    def unacknowledged(self) -> list[tuple[str, bytes]]:
        """Subject and payload of what was sent and not acknowledged, in order."""
        raise NotImplementedError

    async def close(self) -> None:
        """End the term."""
        raise NotImplementedError
