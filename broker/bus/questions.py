"""Questions and their answers: one inbox for all, as for publishing; nats-py's own way costs twice the time."""

import asyncio

from broker.bus.errors import NoAnswer, NobodyThere
from broker.bus.wire import Arrived, Wire

NOBODY = b"NATS/1.0 503"


class Questions:
    """Asks over one `inbox`, which is a subject that only its owner listens on; whoever asks bounds the time."""

    inbox = ""

    def __init__(self) -> None:
        self._asked = 0
        self._waiting: dict[int, asyncio.Future[Arrived]] = {}

    async def ask(self, client: Wire, subject: str, payload: bytes) -> Arrived:
        """Ask over `client` and wait for the answer.

        Raises:
            NobodyThere: the server knows of nobody who listens on `subject`.
            NoAnswer: the connection was lost before the answer came.
            nats.errors.Error: not sent.
        """
        number = self._asked = self._asked + 1
        answer: asyncio.Future[Arrived] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            client.write(subject, payload, f"{self.inbox}.{number}")
            arrived = await answer
        finally:
            del self._waiting[number]
        if arrived.head.startswith(NOBODY):
            raise NobodyThere(f"nobody serves {subject}")
        return arrived

    def receive(self, message: Arrived) -> None:
        """Take one answer from the inbox; only the first counts, late ones and strangers are ignored."""
        token = message.subject[len(self.inbox) + 1 :]
        answer = self._waiting.get(int(token)) if token.isdecimal() else None
        if answer is not None and not answer.done():
            answer.set_result(message)

    def give_up(self, reason: str) -> None:
        """Nothing asked before will be answered."""
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(NoAnswer(reason))
                answer.exception()  # who was cancelled meanwhile does not ask, and asyncio need not complain
