"""The delivery policy: what follows from what happened to a call of the provider. Pure; knows no bus and no clock.

===========================  ==========================================================================
what happened                what follows
===========================  ==========================================================================
``Sent``                     :class:`Done`
``TryLater``                 :class:`Repeat` after a growing pause, or after the provider's ``retry_after``
``RateLimited``              the same, and the address or the whole channel is frozen until then
``StartError``               :class:`Repeat`, the whole channel is frozen: the channel is broken, not the message
``Refused, Unreachable``     :class:`Fail`
anything else, a time-out    :class:`Ask`, then what ``find`` says; else :class:`Doubt`, never a blind repetition
patience at its end          :class:`Fail` with the code ``expired``
===========================  ==========================================================================

Times are ms since the epoch, ``draw`` is a random number from 0 up to 1, for the jitter.
"""

from collections import deque
from heapq import heapify, heappop, heappush
from typing import Generic, Literal, TypeVar

from msgspec import Struct

from adapters.contract import Sent
from adapters.errors import ChannelError, OutcomeUnknown, RateLimited, Refused, StartError, TryLater
from adapters.pace import SECOND, Pace

KEPT_MESSAGES = 64
"""Messages of one conversation held in memory; more are remembered by their place in the log and read again."""

Item = TypeVar("Item")


class Done(Struct, frozen=True):
    """It was sent; ``native_id`` is the provider's."""

    native_id: str = ""


class Repeat(Struct, frozen=True, kw_only=True):
    """It was certainly not sent: call again at ``at``, and until then nothing else to what is frozen."""

    at: int
    code: str
    message: str
    freeze: Literal["nothing", "address", "channel"] = "nothing"


class Ask(Struct, frozen=True, kw_only=True):
    """Nobody knows whether it was sent: say so, and ask the provider at ``at``."""

    at: int
    code: str
    message: str


class Doubt(Struct, frozen=True, kw_only=True):
    """Nobody knows whether it was sent, and nobody can tell: it stays so; an operator decides."""

    code: str
    message: str


class Fail(Struct, frozen=True, kw_only=True):
    """It will not be sent: a dead letter, and the operator is told."""

    code: str
    message: str


Verdict = Done | Repeat | Ask | Doubt | Fail


class Try(Struct, frozen=True, kw_only=True):
    """One try of a message: its number from 1, the time, and when the message was decided on."""

    number: int
    now: int
    since: int
    draw: float


def after_send(pace: Pace, outcome: Sent | Exception, tried: Try) -> Verdict:
    """Decide what follows from a call of ``send``."""
    match outcome:
        case Sent():
            return Done(outcome.native_id)
        case RateLimited():
            scope: Literal["address", "channel"] = "channel" if outcome.whole_channel else "address"
            return _repeat(pace, outcome, tried, freeze=scope)
        case TryLater():
            return _repeat(pace, outcome, tried)
        case StartError():
            return _repeat(pace, outcome, tried, freeze="channel")
        case Refused():
            return Fail(code=outcome.code, message=outcome.message)
        case _:
            code, message = explain(outcome)
            return Ask(at=tried.now + pause(pace, 1, tried.draw), code=code, message=message)


def after_find(pace: Pace, outcome: Sent | Exception | None, asked: int, tried: Try, doubt: Ask) -> Verdict:
    """Decide what follows from the ``asked``-th call of ``find`` about ``doubt``."""
    match outcome:
        case Sent():
            return Done(outcome.native_id)
        case None:
            return Doubt(code=doubt.code, message=doubt.message)
        case TryLater():
            return _repeat(pace, outcome, tried)
        case Refused():
            return Fail(code=outcome.code, message=outcome.message)
        case _ if asked < pace.finds:
            return Ask(at=tried.now + pause(pace, asked, tried.draw), code=doubt.code, message=doubt.message)
        case _:
            return Doubt(code=doubt.code, message=doubt.message)


def explain(outcome: Exception) -> tuple[str, str]:
    """Give the stable code and the sentence of anything that a call can raise."""
    match outcome:
        case ChannelError():
            return outcome.code, outcome.message
        case TimeoutError():
            return "timeout", "the provider did not answer in time; the message may have been sent"
        case _:
            return "crashed", f"the channel failed ({type(outcome).__name__}); the message may have been sent"


def interrupted() -> OutcomeUnknown:
    """Decide about a claim without an outcome: the process that made the call died during it."""
    return OutcomeUnknown("interrupted", "sending was interrupted; the message may have been sent")


def pause(pace: Pace, number: int, draw: float) -> int:
    """Give the pause after the ``number``-th attempt: doubling, with jitter over its upper half."""
    whole: int = min(pace.longest_pause, pace.first_pause << min(number - 1, 30))
    return round(whole * (0.5 + draw / 2))


def _repeat(
    pace: Pace,
    error: TryLater | StartError,
    tried: Try,
    freeze: Literal["nothing", "address", "channel"] = "nothing",
) -> Repeat | Fail:
    wanted = error.retry_after if isinstance(error, TryLater) else None
    wait = pause(pace, tried.number, tried.draw)
    if wanted is not None:
        wait = round(wanted * SECOND * (1 + tried.draw / 20))
    at = tried.now + max(wait, 0)
    if at > tried.since + pace.patience:
        return Fail(code="expired", message=f"given up after {tried.number} attempts; the last one: {error.message}")
    return Repeat(at=at, code=error.code, message=error.message, freeze=freeze)


class Backlog(Generic[Item]):
    """What was read from the log and is not settled: one queue per conversation, and the low-water mark.

    A queue keeps ``bound`` items; of those beyond it only the place in the log is kept, so that a conversation that
    is stuck costs a few bytes a message and never stops the others.
    """

    def __init__(self, mark: int, bound: int = KEPT_MESSAGES) -> None:
        self._read = mark
        self._bound = bound
        self._queues: dict[str, deque[tuple[int, Item | None]]] = {}
        self._heads: list[tuple[int, str]] = []

    def __bool__(self) -> bool:
        return bool(self._queues)

    @property
    def mark(self) -> int:
        """The sequence up to and including which everything is settled."""
        while self._heads and not self._is_head(*self._heads[0]):
            heappop(self._heads)
        return self._heads[0][0] - 1 if self._heads else self._read

    @property
    def read(self) -> int:
        """The last sequence that was read."""
        return self._read

    def skip(self, seq: int) -> None:
        """Note that there is nothing to send up to and including ``seq``."""
        self._read = max(self._read, seq)

    def add(self, seq: int, conversation: str, item: Item) -> bool:
        """Put an item at the end of its conversation's queue; True when it is alone there."""
        self.skip(seq)
        queue = self._queues.setdefault(conversation, deque())
        queue.append((seq, item if len(queue) < self._bound else None))
        if len(queue) == 1:
            self._push(seq, conversation)
        return len(queue) == 1

    def head(self, conversation: str) -> tuple[int, Item | None] | None:
        """Give the oldest of a conversation; an item of None must be read again by its sequence."""
        queue = self._queues.get(conversation)
        return queue[0] if queue else None

    def settle(self, conversation: str) -> None:
        """Take the oldest of a conversation away."""
        queue = self._queues[conversation]
        queue.popleft()
        if queue:
            self._push(queue[0][0], conversation)
        else:
            del self._queues[conversation]

    def _is_head(self, seq: int, conversation: str) -> bool:
        queue = self._queues.get(conversation)
        return queue is not None and queue[0][0] == seq

    def _push(self, seq: int, conversation: str) -> None:
        heappush(self._heads, (seq, conversation))
        if len(self._heads) > 2 * len(self._queues) + KEPT_MESSAGES:
            self._heads = [(queue[0][0], name) for name, queue in self._queues.items()]
            heapify(self._heads)
