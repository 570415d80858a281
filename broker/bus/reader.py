"""Reading a stream from a position of the reader's own, whatever happens to servers and consumers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Self

import msgspec
import structlog

from broker.bus.api import (
    NO_MESSAGE,
    NO_STREAM,
    ConsumerInfo,
    Done,
    MessageAnswer,
    StreamInfo,
    call,
)
from broker.bus.connection import Bus
from broker.bus.errors import ApiError, BusError, NoAnswer, PublishUnknown, StreamReplaced
from broker.bus.subscription import Subscription
from broker.bus.wire import Arrived, headers_of

BATCH = 512  # messages asked for at a time
HEARTBEAT = 1.0  # seconds between two signs of life of a consumer that has nothing to say
SILENCE = 3.5  # seconds without any before the consumer counts as lost
PULL_EXPIRES = 60.0  # seconds
INACTIVE = 120.0  # seconds after which the server forgets a consumer that nobody pulls from
RETRY_PAUSE = 0.2
DOUBT = 5.0  # seconds for which a leader may be behind before its word is believed
CLOSE_TIMEOUT = 1.0
SECOND = 1_000_000_000

log = structlog.get_logger(__name__)


class Stored(msgspec.Struct, frozen=True, gc=False):
    """A stored message; `time_ns` is the server's clock, nanoseconds since the epoch, `head` its header block."""

    seq: int
    subject: str
    payload: bytes
    time_ns: int
    head: bytes = b""

    @property
    def headers(self) -> dict[str, str]:
        """Its headers, decoded when asked for: few readers do."""
        return headers_of(self.head)


class StreamState(msgspec.Struct, frozen=True):
    """What a stream holds; `created` is RFC 3339 as the server writes it."""

    first: int
    last: int
    messages: int
    bytes: int
    created: str


class Reader:
    """Gives everything from `start_seq` on, in order, without skip or repeat.

    `subjects` are filters (none: everything); `created` is the stream's creation time that the position belongs to.
    The consumer is ephemeral, in memory, on one node and without acknowledgements; when it, its node or the
    connection is lost, a new one goes on behind the last message given. Gaps in the sequence are normal.
    """

    def __init__(  # noqa: PLR0913  # all but two by name
        self,
        bus: Bus,
        stream: str,
        *,
        start_seq: int = 1,
        created: str | None = None,
        subjects: Sequence[str] = (),
        batch: int = BATCH,
    ) -> None:
        self._bus = bus
        self._stream = stream
        self._next = max(1, start_seq)
        self._created = created
        self._subjects = list(subjects)
        self._batch = batch
        self._inbox = bus.new_inbox()
        self._subscription: Subscription | None = None
        self._generation = 0
        self._consumer = ""  # the name of the present consumer; empty while there is none
        self._consumer_seq = 0
        self._asked = 0  # messages asked for and not yet delivered
        self._pending: int | None = None
        self._buffer: list[Stored] = []
        self._arrived = asyncio.Event()
        self._heard = 0.0
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._forget_notice = bus.on_reconnect(lambda: self._lose("reconnected"))

    @property
    def next_seq(self) -> int:
        """Where the next message will be looked for; together with the creation time the position to go on from."""
        return self._next

    @property
    def pending(self) -> int | None:
        """How many matching messages the stream holds beyond the last one received; None when not known."""
        return self._pending

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def batches(self) -> AsyncIterator[list[Stored]]:
        """Yield what is there at once, for ever.

        Raises:
            StreamReplaced: the stream is gone, another one, or ends before the position.
        """
        while not self._closed:
            if batch := await self._next_batch(SILENCE):
                yield batch

    async def read_all(self, *, through: int = 0) -> AsyncIterator[list[Stored]]:
        """Yield what the stream holds now and end; raises like `batches`, and `NoAnswer`.

        The leader says where the end is: the consumer's node may be behind without knowing. A node that was suspended
        believes for a moment that it still leads: `through` is a matching message that is known to be there, or to
        have been there until just now.
        """
        goal = await self._end(through)
        while (goal >= self._next or self._buffer) and not self._closed:  # some may arrive while the end is asked for
            if batch := await self._next_batch(HEARTBEAT):
                yield batch
            if goal >= self._next and (not batch or self._pending == 0):  # the last messages may have been deleted
                goal = await self._end(through)

    async def close(self) -> None:
        """Delete the consumer; bounded. `batches` ends."""
        self._closed = True
        self._forget_notice()
        self._arrived.set()
        consumer, self._consumer = self._consumer, ""
        if self._subscription is not None:
            await self._subscription.unsubscribe()
            self._subscription = None
        if consumer:
            await self._delete(consumer)

    async def _next_batch(self, seconds: float) -> list[Stored]:
        """What has arrived, waiting at most `seconds` for the first; empty also after the loss of the consumer."""
        if not self._consumer:
            await self._open()
        if self._consumer and not self._buffer:
            self._arrived.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._arrived.wait()
            if self._consumer and self._loop.time() - self._heard > SILENCE:
                self._lose("silent")
        batch, self._buffer = self._buffer, []
        if batch:
            self._top_up()
        return batch

    async def _end(self, through: int) -> int:
        """Where the end is; a leader that puts it before `through` is asked again, and believed when it insists."""
        for _ in range(int(DOUBT / RETRY_PAUSE)):
            last = await self._last_matching()
            if last >= through or self._next > through:
                return last
            await asyncio.sleep(RETRY_PAUSE)
        return await self._last_matching()

    async def _last_matching(self) -> int:
        """The sequence of the last message that matches, 0 when there is none; asked at the leader."""
        if not self._subjects:  # a stream goes on counting behind its last message when that is deleted
            rest = await next_by_subject(self._bus, self._stream, ">", self._next)
            return (await stream_state(self._bus, self._stream)).last if rest else 0
        found = [await last_by_subject(self._bus, self._stream, subject) for subject in self._subjects]
        return max(stored.seq if stored else 0 for stored in found)

    async def _open(self) -> None:
        """Make a consumer at the present position; returns without one when nobody answers yet."""
        try:
            if self._subscription is None:
                self._subscription = await self._bus.listen(f"{self._inbox}.*.*", self._receive)
            await self._verify()
            await self._create()
        except (NoAnswer, ApiError, PublishUnknown) as error:
            log.info("reader.waiting", stream=self._stream, error=str(error))
            await asyncio.sleep(RETRY_PAUSE)

    async def _verify(self) -> None:
        """The position must lie in this very stream, or just behind its end; a new leader may need a moment."""
        until = self._loop.time() + DOUBT
        while True:
            problem = await self._doubt()
            if problem is None:
                return
            if self._loop.time() > until:
                raise StreamReplaced(f"stream {self._stream} {problem}")
            await asyncio.sleep(RETRY_PAUSE)

    async def _doubt(self) -> str | None:
        try:
            state = await stream_state(self._bus, self._stream)
        except ApiError as error:
            if error.code == NO_STREAM:
                return "does not exist"
            raise
        self._created = self._created or state.created
        if state.created != self._created:
            message = f"stream {self._stream} was created at {state.created}; the position belongs to {self._created}"
            raise StreamReplaced(message)
        if state.last < self._next - 1:
            return f"ends at {state.last}, before {self._next - 1}, which was read already"
        return None

    async def _create(self) -> None:
        self._generation += 1
        name = f"r{self._inbox.rsplit('.', 1)[-1]}-{self._generation}"
        config = {
            "name": name,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": self._next,
            "ack_policy": "none",
            "replay_policy": "instant",
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": int(INACTIVE * SECOND),
            "filter_subjects": self._subjects,
        }
        request = {"stream_name": self._stream, "config": config, "action": "create"}
        info = await call(self._bus, f"CONSUMER.CREATE.{self._stream}.{name}", request, ConsumerInfo)
        self._consumer, self._consumer_seq, self._asked = name, 0, 0
        self._pending = info.num_pending
        self._heard = self._loop.time()
        self._top_up()

    def _top_up(self) -> None:
        """Ask for more before the last request runs dry: the server never has to wait for us."""
        if not self._consumer or self._asked > self._batch // 2:
            return
        request = {
            "batch": self._batch,
            "expires": int(PULL_EXPIRES * SECOND),
            "idle_heartbeat": int(HEARTBEAT * SECOND),
        }
        reply = f"{self._inbox}.{self._generation}.{self._asked}"
        try:
            self._bus.send_now(
                f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._consumer}", msgspec.json.encode(request), reply=reply
            )
        except PublishUnknown:
            self._lose("no connection")
        else:
            self._asked += self._batch

    def _receive(self, message: Arrived) -> None:
        """Take a message or a status; runs inside nats-py's read loop and must not raise."""
        if message.reply.startswith("$JS.ACK."):
            self._take(message, message.reply.split("."))
        elif message.subject.startswith(f"{self._inbox}.{self._generation}."):
            self._take_status(message.headers)

    def _take(self, message: Arrived, words: list[str]) -> None:
        """`words`: $JS.ACK.[domain.account.]stream.consumer.deliveries.seq.consumer seq.time.pending[.random]."""
        at = 2 if len(words) == 9 else 4  # noqa: PLR2004  # the two layouts of ADR-15
        if words[at + 1] != self._consumer:
            return  # a late message of a consumer that was given up
        seq, consumer_seq = int(words[at + 3]), int(words[at + 4])
        if consumer_seq != self._consumer_seq + 1:
            self._lose("a message was lost on the way")
            return
        self._consumer_seq = consumer_seq
        self._heard = self._loop.time()
        self._asked -= 1
        self._pending = int(words[at + 6])
        if seq >= self._next:  # a leader that is behind starts a new consumer too early
            self._next = seq + 1
            self._buffer.append(Stored(seq, message.subject, message.data, int(words[at + 5]), message.head))
            self._arrived.set()

    def _take_status(self, headers: dict[str, str]) -> None:
        """100 sign of life; 404, 408 and some 409 end a request; everything else ends the consumer."""
        status, reason = headers.get("Status", ""), headers.get("Description", "")
        self._heard = self._loop.time()
        if status == "100":
            return
        left = headers.get("Nats-Pending-Messages", "")
        if status in ("404", "408", "409") and left.isdecimal():
            self._asked = max(0, self._asked - int(left))
            self._top_up()
        else:
            self._lose(f"{status} {reason}")

    def _lose(self, reason: str) -> None:
        log.info("reader.consumer_lost", stream=self._stream, reason=reason, next=self._next)
        self._consumer = ""
        self._arrived.set()

    async def _delete(self, consumer: str) -> None:
        """Best effort: the server forgets it after INACTIVE seconds anyway."""
        with contextlib.suppress(BusError, TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT):
                operation = f"CONSUMER.DELETE.{self._stream}.{consumer}"
                await call(self._bus, operation, None, Done, seconds=CLOSE_TIMEOUT)


async def read_message(bus: Bus, stream: str, seq: int) -> Stored | None:
    """The message at `seq`, read at the leader; None when there is none."""
    return await _get(bus, stream, {"seq": seq})


async def next_by_subject(bus: Bus, stream: str, subject_filter: str, from_seq: int = 1) -> Stored | None:
    """The first message at or after `from_seq` whose subject matches, read at the leader."""
    return await _get(bus, stream, {"seq": max(1, from_seq), "next_by_subj": subject_filter})


async def last_by_subject(bus: Bus, stream: str, subject: str) -> Stored | None:
    """The newest message of a subject, read at the leader."""
    return await _get(bus, stream, {"last_by_subj": subject})


async def stream_state(bus: Bus, stream: str) -> StreamState:
    """What the stream holds now; right after a leader change it may be old. Raises `ApiError`, `NoAnswer`."""
    info = await call(bus, f"STREAM.INFO.{stream}", None, StreamInfo)
    kept = info.state
    return StreamState(kept.first_seq, kept.last_seq, kept.messages, kept.bytes, info.created)


async def purge(bus: Bus, stream: str, *, subject: str | None = None, up_to_seq: int | None = None) -> int:
    """Remove messages, of one subject (or filter) only and up to and including `up_to_seq` where given.

    Returns how many. Their bytes stay on disk for a while: to erase use `delete_message`.
    """
    body: dict[str, object] = {}
    if subject is not None:
        body["filter"] = subject
    if up_to_seq is not None:
        body["seq"] = up_to_seq + 1
    return (await call(bus, f"STREAM.PURGE.{stream}", body, Done)).purged


async def delete_message(bus: Bus, stream: str, seq: int) -> bool:
    """Delete one message and overwrite its bytes; False when it was not there."""
    try:
        await call(bus, f"STREAM.MSG.DELETE.{stream}", {"seq": seq}, Done)
    except ApiError:  # the code is the same for "not there" and for a failing disk
        if await read_message(bus, stream, seq) is None:
            return False
        raise
    return True


async def _get(bus: Bus, stream: str, body: dict[str, object]) -> Stored | None:
    try:
        answer = await call(bus, f"STREAM.MSG.GET.{stream}", body, MessageAnswer)
    except ApiError as error:
        if error.code == NO_MESSAGE:
            return None
        raise
    raw = answer.message
    if raw is None:
        return None
    return Stored(raw.seq, raw.subject, raw.data, nanoseconds(raw.time), raw.hdrs)


def nanoseconds(time: str) -> int:
    """RFC 3339 with up to nine decimals, as the server writes it, in nanoseconds since the epoch."""
    whole, _, fraction = time.rstrip("Z").partition(".")
    return int(datetime.fromisoformat(f"{whole}+00:00").timestamp()) * SECOND + int(fraction.ljust(9, "0"))
