"""Runs the delivery policy on a simulated clock, as the worker does between the log and a channel's ``send``."""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct

from adapters.contract import Sent
from adapters.delivery import Ask, Done, Doubt, Fail, Repeat, Try, after_find, after_send
from adapters.pace import Gate, Pace
from adapters.testing.context import FakeContext
from normalizer.outbound import Outbound

Send = Callable[[Outbound], Awaitable[Sent | Exception]]
Find = Callable[[Outbound], Awaitable[Sent | Exception | None]]
MIDDLE = 0.5


class Call(Struct, frozen=True):
    """A call of ``send``: when (ms), and of what."""

    at: int
    outbound: Outbound


class Courier:
    """Sends one after the other, each as soon as order, rates and pauses allow; time passes only between calls.

    ``calls`` are all calls of ``send`` in order, ``ends`` what became of each message.
    """

    def __init__(self, pace: Pace, context: FakeContext, send: Send, find: Find) -> None:
        self.calls: list[Call] = []
        self.ends: dict[str, Done | Doubt | Fail] = {}
        self._pace = pace
        self._context = context
        self._gate = Gate(pace)
        self._send = send
        self._find = find
        self._queues: dict[str, deque[Outbound]] = {}
        self._ready: dict[str, int] = {}
        self._tries: dict[str, int] = {}

    async def deliver(self, messages: Sequence[Outbound]) -> None:
        """See all messages to their end."""
        for message in messages:
            self._queues.setdefault(message.conversation, deque()).append(message)
        while self._queues:
            conversation = min(self._queues, key=self._opens)
            self._context.time = max(self._context.time, self._opens(conversation))
            await self._attempt(conversation, self._queues[conversation][0])

    def _opens(self, conversation: str) -> int:
        now = self._context.time
        address = self._queues[conversation][0].address
        return max(
            self._ready.get(conversation, 0), self._gate.address_opens(address, now), self._gate.channel_opens(now)
        )

    async def _attempt(self, conversation: str, message: Outbound) -> None:
        now = self._context.time
        self._gate.enter(message.address, now)
        self.calls.append(Call(now, message))
        self._tries[message.id] = self._tries.get(message.id, 0) + 1
        verdict = after_send(self._pace, await self._send(message), self._try(message))
        asked = 0
        while isinstance(verdict, Ask):
            asked += 1
            verdict = after_find(self._pace, await self._find(message), asked, self._try(message), verdict)
        if isinstance(verdict, Repeat):
            self._wait(conversation, message, verdict)
        else:
            self._settle(conversation, message, verdict)

    def _wait(self, conversation: str, message: Outbound, verdict: Repeat) -> None:
        self._ready[conversation] = verdict.at
        if verdict.freeze == "address":
            self._gate.freeze(verdict.at, message.address)
        elif verdict.freeze == "channel":
            self._gate.freeze(verdict.at)

    def _settle(self, conversation: str, message: Outbound, end: Done | Doubt | Fail) -> None:
        self.ends[message.id] = end
        queue = self._queues[conversation]
        queue.popleft()
        if not queue:
            del self._queues[conversation]

    def _try(self, message: Outbound) -> Try:
        return Try(number=self._tries[message.id], now=self._context.time, since=message.at, draw=MIDDLE)
