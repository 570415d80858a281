"""The fence around the log: one writer at a time, whoever wakes up late.

`Nats-Expected-Last-Sequence` says where a message may go, not who may write: a stalled writer's pipelined appends
would be accepted from the second one on. So nobody writes before a barrier, one atomic batch longer than anything
that may still be under way; behind it no earlier prediction can match.
"""

import asyncio
import uuid
from collections import deque
from collections.abc import Callable

from broker.bus.connection import Bus
from broker.bus.errors import BusError, PublishRefused, PublishUnknown, TailMoved
from broker.bus.pipeline import WRONG_LAST_SEQUENCE, Outcome, Pipeline, PubAck
from broker.bus.reader import purge
from broker.bus.streams import Workspace

WINDOW = 512  # appends unacknowledged at most; no fewer skips may stand in a barrier
BATCH_LIMIT = 1000  # messages that nats-server takes in one atomic batch
BARRIER_TIMEOUT = 5.0
EXPECT = "Nats-Expected-Last-Sequence"
_EXPECTING = b"NATS/1.0\r\n%b: %%d\r\n\r\n" % EXPECT.encode()  # of each append only the number differs
HEAD_ROOM = len(_EXPECTING % 2**64)
BATCH_ID = "Nats-Batch-Id"
BATCH_SEQUENCE = "Nats-Batch-Sequence"
BATCH_COMMIT = "Nats-Batch-Commit"


async def barrier(bus: Bus, workspace: Workspace, *, expect: int, term_payload: bytes, width: int = WINDOW) -> int:
    """Write the term record and `width` skips in one atomic batch; returns the new tail.

    Raises:
        TailMoved: the tail is not `expect`; its `tail` says where it is.
        PublishRefused: the server refuses for another reason (a full disk, batches not allowed).
        PublishUnknown: no answer; read the tail again.
    """
    if not 0 < width < BATCH_LIMIT:
        raise ValueError(f"a barrier of {width} skips is not possible: 1 to {BATCH_LIMIT - 1}")
    pipeline = await bus.publisher(timeout=BARRIER_TIMEOUT)
    try:
        batch = {BATCH_ID: uuid.uuid4().hex, BATCH_SEQUENCE: "1", EXPECT: str(expect)}
        bus.send_now(workspace.term_subject, term_payload, batch)
        del batch[EXPECT]
        for number in range(2, width + 1):
            batch[BATCH_SEQUENCE] = str(number)
            bus.send_now(workspace.skip_subject, b"", batch)
        commit = {**batch, BATCH_SEQUENCE: str(width + 1), BATCH_COMMIT: "1"}
        return (await pipeline.send(workspace.skip_subject, b"", commit)).seq
    except PublishRefused as refused:
        if refused.code == WRONG_LAST_SEQUENCE and refused.tail is not None:
            raise TailMoved(refused.code, refused.description, refused.tail) from refused
        raise
    finally:
        await pipeline.close()


async def purge_skips(bus: Bus, workspace: Workspace) -> int:
    """Remove the skips of past barriers; returns how many."""
    return await purge(bus, workspace.log_stream, subject=workspace.skip_subject)


class FencedLog:
    """Pipelined appends, each with its predicted place; the first doubt ends the term.

    A refusal, a missing answer or a reconnect sets `error` and then `lost`; nothing is sent from then on. To go on
    after that takes a new barrier and a new `FencedLog`.
    """

    def __init__(self, stream: str, tail: int, window: int) -> None:
        self.lost = asyncio.Event()
        self.error: BusError | None = None
        self._stream = stream
        self._tail = tail  # the last acknowledged place
        self._window = window
        self._sent: deque[tuple[str, bytes]] = deque()
        self._answered = asyncio.Event()
        self._pipeline: Pipeline
        self._forget_notice: Callable[[], None]
        self._largest = 0

    @classmethod
    async def open(
        cls, bus: Bus, workspace: Workspace, *, tail: int, ack_timeout: float = 5.0, window: int = WINDOW
    ) -> "FencedLog":
        """Start a term behind a barrier whose new tail is `tail`; `window` must not be over the barrier's width.

        Raises `PublishUnknown` without a connection: a term lives on one, and takes what that one's server takes.
        """
        log = cls(workspace.log_stream, tail, window)
        log._pipeline = await bus.publisher(timeout=ack_timeout, settled=log._settled)
        log._forget_notice = bus.on_disconnect(lambda: log._end(PublishUnknown("the connection was lost")))
        log._largest = bus.largest - HEAD_ROOM
        if not bus.largest:
            await log.close()
            raise PublishUnknown("a term cannot begin: there is no connection at the moment")
        return log

    @property
    def tail(self) -> int:
        """Sequence of the last acknowledged append."""
        return self._tail

    @property
    def largest(self) -> int:
        """How many bytes an append may have: what the server takes, less the longest header."""
        return self._largest

    @property
    def unacknowledged(self) -> list[tuple[str, bytes]]:
        """Subject and payload of what was sent and not acknowledged, in order."""
        return list(self._sent)

    def append(self, subject: str, payload: bytes) -> asyncio.Future[PubAck]:
        """Send now; raises the term's error once it has ended.

        The future may be ignored: `error` and `unacknowledged` tell the same. Raises ValueError without room.
        """
        if self.error is not None:
            raise self.error
        if len(self._sent) >= self._window:
            raise ValueError(f"{self._window} appends are unacknowledged: await wait_room() first")
        expect = self._tail + len(self._sent)
        self._sent.append((subject, payload))
        return self._pipeline.send_block(subject, payload, _EXPECTING % expect)

    async def wait_room(self) -> None:
        """Wait until fewer than the window are unacknowledged; raises the term's error once it has ended."""
        await self._wait_below(self._window)

    async def wait_drained(self) -> None:
        """Wait until everything is acknowledged; raises the term's error once it has ended."""
        await self._wait_below(1)

    async def close(self) -> None:
        """End the term; what is unacknowledged is unknown."""
        self._end(PublishUnknown("the term was ended"))
        await self._pipeline.close()

    async def _wait_below(self, limit: int) -> None:
        while self.error is None and len(self._sent) >= limit:
            self._answered.clear()
            await self._answered.wait()
        if self.error is not None:
            raise self.error

    def _settled(self, outcome: Outcome) -> None:
        """One answer, in the order of the log; anything but the expected place ends the term."""
        if not isinstance(outcome, PubAck):
            self._end(outcome)
        elif self.error is None:
            self._acknowledge(outcome)
        self._answered.set()

    def _acknowledge(self, ack: PubAck) -> None:
        expected = self._tail + 1
        if ack.seq == expected and ack.stream == self._stream:
            self._tail = expected
            self._sent.popleft()
        else:
            self._end(PublishUnknown(f"stored in {ack.stream} at {ack.seq}, expected {self._stream} at {expected}"))

    def _end(self, error: BusError) -> None:
        if self.error is None:
            self.error = error
            self._forget_notice()
            self.lost.set()
            self._answered.set()
            self._pipeline.give_up(f"the term has ended: {error}")
