"""The way into IN for one channel: envelopes one by one per address, receipts merged.

What is accepted is acknowledged by the store (promise P1). A publish without an answer may be stored, now or later,
so it is repeated with the same id and bytes, and nothing else of that address goes out meanwhile: a repetition behind
a younger message would turn their order around.
"""

import asyncio
import hashlib
import re

import msgspec
import structlog
from msgspec.structs import replace

from adapters.errors import EnvelopeRefused, NotAccepted
from broker.bus.connection import Bus
from broker.bus.dead import DeadLetters
from broker.bus.errors import BusError, PublishRefused, PublishUnknown
from broker.bus.pipeline import PubAck
from broker.bus.streams import Workspace
from broker.channels.tally import Tally
from broker.channels.turns import Turns
from normalizer import codec
from normalizer.envelope import Envelope
from normalizer.outbound import RECEIPT_RANK, Receipt, ReceiptState
from router.inputs import Message, decode_input, encode_input

ACCEPT_TIMEOUT = 10.0
"""Seconds that a provider waits for us; most give up after 10 to 15."""

PUBLISH_TIMEOUT = 2.0
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
MERGE_FOR = 0.5
CLOSE_TIMEOUT = 5.0
PIECE = "~"
"""Between an outbound id and the number of a piece; the last piece bears the plain id."""

MESSAGE_ID = "Nats-Msg-Id"
_OUTBOUND = re.compile(r"[A-Za-z0-9_.-]{1,70}(~[0-9]{1,4})?")
_REASON = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Door:
    """What a channel puts into IN. Times in seconds."""

    def __init__(  # noqa: PLR0913  # the rest are times that tests shorten
        self,
        bus: Bus,
        workspace: Workspace,
        tally: Tally,
        *,
        accept_timeout: float = ACCEPT_TIMEOUT,
        publish_timeout: float = PUBLISH_TIMEOUT,
        merge_for: float = MERGE_FOR,
    ) -> None:
        self.channel = tally.status.channel
        self._bus = bus
        self._workspace = workspace
        self._dead = DeadLetters(bus)
        self._tally = tally
        self._subject = workspace.in_subject(self.channel)
        self._accept_timeout = accept_timeout
        self._publish_timeout = publish_timeout
        self._merge_for = merge_for
        self._turns = Turns(self._publish_now, self._count_stored, within=accept_timeout, attempt=publish_timeout)
        self._merging: dict[str, dict[str, Receipt]] = {}
        self._flushes: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()
        self._log = structlog.get_logger(f"channel.{self.channel}")

    async def accept(self, envelope: Envelope) -> None:
        """Store an envelope. A caller that is cancelled leaves it under way, so that the order stays.

        Raises:
            NotAccepted: it could not be stored in time.
            EnvelopeRefused: it is malformed, too big or of another channel; it stands with the dead letters.
        """
        try:
            self._check(envelope)
        except codec.EnvelopeRefused as exc:
            await self.dead("envelope_refused", _readable(envelope), exc.reason)
            raise EnvelopeRefused("envelope_refused", exc.reason) from exc
        identity = f"{self.channel}\0{envelope.address}\0{envelope.native_id}"
        head = b"NATS/1.0\r\n%s: %s\r\n\r\n" % (MESSAGE_ID.encode(), _digest(identity).encode())
        try:
            await self._turns.take(envelope.address, encode_input(Message(envelope=envelope)), head)
        except (TimeoutError, PublishRefused) as exc:
            raise self._not_accepted(exc) from exc

    async def report(self, receipt: Receipt, *, stored: bool = False) -> None:
        """Merge a receipt with others of its message, then append it; with ``stored`` wait for that.

        Raises:
            NotAccepted: with ``stored``: it could not be stored in time.
            EnvelopeRefused: it is malformed; it stands with the dead letters.
        """
        whole = await self._checked_receipt(receipt)
        if whole is None:
            return
        flush = self._merge(whole)
        if stored:
            await self._in_time(flush, self._accept_timeout + self._merge_for)

    async def append(self, receipt: Receipt) -> None:
        """Append a receipt at once, and return when it is stored."""
        message_id = _digest(f"{self.channel}\0{receipt.outbound}\0{receipt.state}\0{receipt.watermark}")
        while True:
            try:
                await self._publish(encode_input(receipt), message_id)
            except PublishRefused as exc:
                self._log.error("channel.receipt_refused", outbound=receipt.outbound, reason=str(exc))
                await asyncio.sleep(LONGEST_PAUSE)
            else:
                self._tally.count(receipt.state.value)
                return

    async def dead(self, reason: str, payload: bytes, detail: str, *, source: str = "") -> None:
        """Put something with the dead letters. ``source`` is the subject it came from; none: this channel's input.

        Raises:
            NotAccepted: it could not be stored.
        """
        if not _REASON.fullmatch(reason):
            raise ValueError(f"{reason!r} is no reason: letters, digits, _ and -")
        subject = source or self._subject
        message_id = _digest(f"{reason}\0{subject}\0{hashlib.sha256(payload).hexdigest()}")
        try:
            await self._dead.add(self._workspace, reason, subject, payload, detail, msg_id=message_id)
        except BusError as exc:
            raise NotAccepted("not_stored", f"the store does not take it now: {exc}") from exc
        self._tally.count("dead")

    async def close(self) -> None:
        """Append what waits; bounded."""
        self._closing.set()
        waiting = {asyncio.create_task(self._turns.settled()), *self._tasks}
        _, late = await asyncio.wait(waiting, timeout=CLOSE_TIMEOUT)
        for task in late:
            task.cancel()
        if late:
            self._log.error("channel.not_stored_at_stop", count=len(late))
            await asyncio.wait(late)

    # --- envelopes ---

    def _check(self, envelope: Envelope) -> None:
        if envelope.channel != self.channel:
            raise codec.EnvelopeRefused(f"The envelope is of channel {envelope.channel}, not of {self.channel}.")
        codec.encode_envelope(envelope)

    def _publish_now(self, payload: bytes, head: bytes) -> asyncio.Future[PubAck]:
        return self._bus.send(self._subject, payload, head)

    def _count_stored(self, ack: PubAck) -> None:
        self._tally.count("duplicate" if ack.duplicate else "accepted")

    def _not_accepted(self, reason: Exception) -> NotAccepted:
        self._tally.count("not_accepted")
        return NotAccepted("not_stored", f"the store does not take it now: {str(reason) or 'no answer in time'}")

    # --- receipts ---

    async def _publish(self, payload: bytes, message_id: str) -> PubAck:
        """Repeat the same bytes with the same id until there is an answer. Raises PublishRefused."""
        pause = FIRST_PAUSE
        while True:
            try:
                return await self._bus.publish(
                    self._subject, payload, headers={MESSAGE_ID: message_id}, timeout=self._publish_timeout
                )
            except PublishUnknown as exc:
                self._log.warning("channel.no_answer", reason=str(exc))
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _checked_receipt(self, receipt: Receipt) -> Receipt | None:
        """Give what is to be reported of the whole message; of a piece but the last only its failure matters."""
        try:
            self._check_receipt(receipt)
        except (msgspec.MsgspecError, ValueError) as exc:
            await self.dead("receipt_refused", _readable(receipt), str(exc))
            raise EnvelopeRefused("receipt_refused", str(exc)) from exc
        whole, piece, _ = receipt.outbound.partition(PIECE)
        if piece and receipt.state is not ReceiptState.FAILED:
            return None
        return replace(receipt, outbound=whole) if piece else receipt

    def _check_receipt(self, receipt: Receipt) -> None:
        if not _OUTBOUND.fullmatch(receipt.outbound):
            raise ValueError("The receipt names no message of ours: give the id that was sent with it.")
        decode_input(self.channel, encode_input(receipt))

    async def _in_time(self, work: asyncio.Task[None], within: float) -> None:
        """Wait for work that goes on when its caller is gone."""
        try:
            async with asyncio.timeout(within):
                await asyncio.shield(work)
        except TimeoutError as exc:
            raise self._not_accepted(exc) from exc

    def _merge(self, receipt: Receipt) -> asyncio.Task[None]:
        conversation = receipt.outbound.rpartition("-")[0]
        waiting = self._merging.setdefault(conversation, {})
        known = waiting.get(receipt.outbound)
        if known is None or _weight(receipt) > _weight(known):
            waiting[receipt.outbound] = receipt
        if conversation not in self._flushes:
            self._flushes[conversation] = task = asyncio.create_task(self._flush(conversation))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return self._flushes[conversation]

    async def _flush(self, conversation: str) -> None:
        try:
            async with asyncio.timeout(self._merge_for):
                await self._closing.wait()
        except TimeoutError:
            pass  # the time to merge is over
        del self._flushes[conversation]
        for receipt in self._merging.pop(conversation).values():
            await self.append(receipt)


def _weight(receipt: Receipt) -> tuple[int, bool]:
    return RECEIPT_RANK[receipt.state], receipt.watermark


def _digest(text: str) -> str:
    """Name something by its hash: ids of strangers are neither safe nor fit for a header."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=18).hexdigest()


def _readable(value: object) -> bytes:
    try:
        return msgspec.json.encode(value)
    except (UnicodeError, TypeError, ValueError):
        return repr(value).encode("utf-8", "backslashreplace")
