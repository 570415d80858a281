"""One message at a time per address, each repeated with the same id and bytes until the store has answered.

No task and no lock belongs to a message, only a timer: this is what every message of every channel goes through, and
an idle address costs nothing.
"""

import asyncio
from collections import deque
from collections.abc import Callable

import structlog

from broker.bus.errors import PublishUnknown
from broker.bus.pipeline import PubAck

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 0.5
"""Seconds between two tries of a message, while the store is away."""

Publish = Callable[[bytes, bytes], asyncio.Future[PubAck]]
"""Sends a payload with its header block at once; see :meth:`broker.bus.connection.Bus.send`."""


class Turn:
    """A message on its way. ``told`` is what its caller waits for, and may give up without any consequence."""

    __slots__ = ("address", "answer", "deadline", "head", "pause", "payload", "timer", "told")

    def __init__(
        self, address: str, payload: bytes, head: bytes, told: asyncio.Future[PubAck], deadline: float
    ) -> None:
        self.address = address
        self.payload = payload
        self.head = head
        self.told = told
        self.deadline = deadline
        self.pause = FIRST_PAUSE
        self.answer: asyncio.Future[PubAck] | None = None
        self.timer: asyncio.TimerHandle


class Turns:
    """The messages of one channel that are not stored yet. ``within`` is for all of a message, ``attempt`` for one try.

    ``stored`` hears of each that was, whoever still waits for it. Times in seconds.
    """

    def __init__(self, publish: Publish, stored: Callable[[PubAck], None], *, within: float, attempt: float) -> None:
        self._publish = publish
        self._stored = stored
        self._within = within
        self._attempt = attempt
        self._loop = asyncio.get_running_loop()
        self._lines: dict[str, deque[Turn]] = {}
        self._empty = asyncio.Event()
        self._empty.set()
        self._log = structlog.get_logger(__name__)

    def __len__(self) -> int:
        """How many addresses have something under way."""
        return len(self._lines)

    def take(self, address: str, payload: bytes, head: bytes) -> asyncio.Future[PubAck]:
        """Publish when all earlier ones of the address are settled.

        The future raises TimeoutError or PublishRefused; cancelling it calls nothing back.
        """
        turn = Turn(address, payload, head, self._loop.create_future(), self._loop.time() + self._within)
        line = self._lines.get(address)
        if line is None:
            self._lines[address] = deque((turn,))
            self._empty.clear()
            self._send(turn)
        else:
            line.append(turn)
            turn.timer = self._loop.call_at(turn.deadline, self._give_up, turn, TimeoutError())
        return turn.told

    async def settled(self) -> None:
        """Wait until nothing is under way: at most as long as one may take."""
        await self._empty.wait()

    def _send(self, turn: Turn) -> None:
        until = min(self._loop.time() + self._attempt, turn.deadline)
        turn.timer = self._loop.call_at(until, self._overdue, turn)
        turn.answer = self._publish(turn.payload, turn.head)
        turn.answer.add_done_callback(lambda answer: self._answered(turn, answer))

    def _answered(self, turn: Turn, answer: asyncio.Future[PubAck]) -> None:
        if answer.cancelled():
            return  # it was overdue
        turn.timer.cancel()
        failure = answer.exception()
        if failure is None:
            self._succeed(turn, answer.result())
        elif isinstance(failure, PublishUnknown):
            self._again(turn, str(failure))
        else:
            self._give_up(turn, failure)

    def _overdue(self, turn: Turn) -> None:
        if turn.answer is not None and not turn.answer.cancel():
            return  # it has come in this very moment, and is about to be heard
        self._again(turn, f"no answer within {self._attempt:g} s")

    def _again(self, turn: Turn, reason: str) -> None:
        """Try again after a pause: it may be stored already, which its id tells the store."""
        turn.answer = None
        now = self._loop.time()
        if now >= turn.deadline:
            self._give_up(turn, TimeoutError(reason))
            return
        if turn.pause == FIRST_PAUSE:
            self._log.warning("channel.no_answer", reason=reason)
        turn.timer = self._loop.call_at(min(now + turn.pause, turn.deadline), self._send, turn)
        turn.pause = min(2 * turn.pause, LONGEST_PAUSE)

    def _succeed(self, turn: Turn, ack: PubAck) -> None:
        self._stored(ack)
        if not turn.told.done():
            turn.told.set_result(ack)
        self._leave(turn)

    def _fail(self, turn: Turn, failure: BaseException) -> None:
        if not turn.told.done():
            turn.told.set_exception(failure)
        self._leave(turn)

    def _give_up(self, turn: Turn, failure: BaseException) -> None:
        """Give it back, and with it all behind: stored now, they would stand before its repetition."""
        line = self._lines[turn.address]
        while line[-1] is not turn:
            line[-1].timer.cancel()
            self._fail(line[-1], TimeoutError(str(failure)))
        self._fail(turn, failure)

    def _leave(self, turn: Turn) -> None:
        """Give the next one of the address its turn."""
        line = self._lines[turn.address]
        was_first = line[0] is turn
        line.remove(turn)
        if not line:
            del self._lines[turn.address]
            if not self._lines:
                self._empty.set()
        elif was_first:
            line[0].timer.cancel()
            self._send(line[0])
