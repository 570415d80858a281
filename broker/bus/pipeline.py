"""Publishing to a stream without waiting: many messages under way at once, one inbox for all answers."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping

import msgspec
import nats.errors

from broker.bus.errors import NobodyStores, PublishRefused, PublishUnknown
from broker.bus.wire import Arrived, Wire, header_block

WRONG_LAST_SEQUENCE = 10071
MESSAGE_TOO_LARGE = 10054
# Refusals that leave open whether the message, or an earlier copy of it, will be stored: JetStream or the cluster is
# not available (10008, 10009), a Raft error (10041), the same id is just being stored (10158), parts of an atomic batch
# went to a node that is the leader no more (10176).
NOT_SETTLED = frozenset((10008, 10009, 10041, 10158, 10176))
SWEEPS_PER_TIMEOUT = 10
_TAIL = re.compile(r"wrong last sequence: (\d+)")


class PubAck(msgspec.Struct, frozen=True):
    """JetStream's word that a message is stored."""

    stream: str
    seq: int
    duplicate: bool = False


class _Fault(msgspec.Struct, frozen=True):
    err_code: int = 0
    description: str = ""


class _Answer(msgspec.Struct, frozen=True):
    stream: str = ""
    seq: int = 0
    duplicate: bool = False
    error: _Fault | None = None


Outcome = PubAck | PublishRefused | PublishUnknown
_decode = msgspec.json.Decoder(_Answer).decode


def parse_ack(data: bytes) -> Outcome:
    """Read the answer to a publish; an empty one says that no stream (or no leader) listens at the moment."""
    if not data:
        return NobodyStores("nobody stores this subject at the moment (no leader, or no such stream)")
    try:
        answer = _decode(data)
    except msgspec.DecodeError as error:
        return PublishUnknown(f"the answer is not an acknowledgement: {error}")
    if answer.error is None:
        return PubAck(answer.stream, answer.seq, answer.duplicate)
    if answer.error.err_code in NOT_SETTLED:
        return PublishUnknown(f"not settled ({answer.error.err_code}): {answer.error.description}")
    tail = _TAIL.search(answer.error.description)
    return PublishRefused(answer.error.err_code, answer.error.description, int(tail[1]) if tail else None)


class Pipeline:
    """Publishes without waiting; each message has a future of its acknowledgement.

    `settled` is called with each outcome in the order of the answers, without a turn of the loop in between, and also
    when the future was cancelled; its caller may then ignore the futures. Opened by `Bus.publisher`.
    """

    def __init__(
        self,
        inbox: str,
        timeout: float,
        settled: Callable[[Outcome], None] | None,
        end: Callable[[], Awaitable[None]],
    ) -> None:
        self.inbox = inbox
        self._prefix = len(inbox) + 1
        self._timeout = timeout
        self._settled = settled
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, tuple[asyncio.Future[PubAck], float]] = {}
        self._sent = 0
        self._sweeper: asyncio.TimerHandle | None = None
        self._client: Wire | None = None
        self._end = end

    def attach(self, client: Wire) -> None:
        """Send over `client` from now on."""
        self._client = client

    @property
    def pending(self) -> int:
        """How many messages are sent and not answered."""
        return len(self._waiting)

    def send(self, subject: str, payload: bytes, headers: Mapping[str, str] | None = None) -> asyncio.Future[PubAck]:
        """Send now and return at once; the future gives `PubAck`, `PublishRefused` or `PublishUnknown`.

        A future that is cancelled is forgotten; its message is not called back.
        """
        return self.send_block(subject, payload, header_block(headers))

    def send_block(self, subject: str, payload: bytes, head: bytes) -> asyncio.Future[PubAck]:
        """Like `send`, with headers that are encoded already."""
        future: asyncio.Future[PubAck] = self._loop.create_future()
        client = self._client
        if client is None or not client.is_connected:
            return self._settle(future, PublishUnknown("not sent: there is no connection at the moment"))
        number = self._sent = self._sent + 1
        try:
            client.write(subject, payload, f"{self.inbox}.{number}", head)
        except nats.errors.MaxPayloadError:
            reason = f"{len(payload)} bytes are more than the server's limit of {client.max_payload}"
            return self._settle(future, PublishRefused(MESSAGE_TOO_LARGE, reason))
        except nats.errors.Error as error:
            return self._settle(future, PublishUnknown(f"not sent: {error}"))
        self._waiting[number] = (future, self._loop.time() + self._timeout)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(self._timeout / SWEEPS_PER_TIMEOUT, self._sweep)
        return future

    def receive(self, message: Arrived) -> None:
        """Take one answer from the inbox; late ones and strangers are ignored."""
        token = message.subject[self._prefix :]
        waiting = self._waiting.pop(int(token), None) if token.isdecimal() else None
        if waiting is not None:
            self._settle(waiting[0], parse_ack(message.data))

    def give_up(self, reason: str) -> None:
        """Everything unanswered becomes unknown."""
        waiting, self._waiting = self._waiting, {}
        for future, _ in waiting.values():
            self._settle(future, PublishUnknown(reason))

    async def close(self) -> None:
        """End; what is unanswered becomes `PublishUnknown`."""
        self._client = None
        if self._sweeper is not None:
            self._sweeper.cancel()
        await self._end()
        self.give_up("the publisher was closed before the answer came")

    def _settle(self, future: asyncio.Future[PubAck], outcome: Outcome) -> asyncio.Future[PubAck]:
        if not future.done():
            if isinstance(outcome, PubAck):
                future.set_result(outcome)
            else:
                future.set_exception(outcome)
        if self._settled is not None:
            if not future.cancelled():
                future.exception()  # the hook has it: asyncio need not complain about a future that nobody awaits
            self._settled(outcome)
        return future

    def _sweep(self) -> None:
        """Give up what is overdue. All have the same timeout, so the oldest are always in front."""
        now = self._loop.time()
        overdue = []
        for number, (_, deadline) in self._waiting.items():
            if deadline > now:
                break
            overdue.append(number)
        for number in overdue:
            if waiting := self._waiting.pop(number, None):
                self._settle(waiting[0], PublishUnknown(f"no answer within {self._timeout:g} s"))
        again = self._loop.call_later(self._timeout / SWEEPS_PER_TIMEOUT, self._sweep) if self._waiting else None
        self._sweeper = again
