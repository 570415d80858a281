"""The floor: bare nats-py and msgspec that forward the same bytes over two streams, and nothing else.

A process of its own. It pulls with a standing request (own inbox, topped up before it runs dry), decodes, publishes
pipelined with one inbox for all acknowledgements, and acks each message once its copy is stored. It uses nats-py as
well as it can be used: messages reach it through futures, which spares the queue and the task of a callback.
"""

import asyncio
import sys
from collections import deque
from collections.abc import Callable

import msgspec
import uvloop
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from router.inputs import Message

BATCH = 512
UNACKNOWLEDGED = 4 * BATCH
READY = b"ready\n"


class FloorPlan(msgspec.Struct, frozen=True):
    """Where the floor runs: `stream` is read, and everything in it goes to `subject`."""

    url: str
    user: str
    password: str
    stream: str
    subject: str


class _Sink(asyncio.Future[Msg]):
    """Hands each message to a function at once."""

    def __init__(self, receive: Callable[[Msg], None]) -> None:
        super().__init__()
        self._receive = receive

    def set_result(self, result: Msg, /) -> None:
        self._receive(result)


class Floor:
    """Forwards for ever."""

    def __init__(self, client: Client, plan: FloorPlan) -> None:
        self._client = client
        self._plan = plan
        self._decode = msgspec.json.Decoder(Message).decode
        self._pulled = client.new_inbox()
        self._stored = client.new_inbox()
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{plan.stream}.floor"
        self._request = msgspec.json.encode({"batch": BATCH, "expires": 60_000_000_000})
        self._asked = 0
        self._inbound: deque[Msg] = deque()
        self._waiting: deque[str] = deque()  # where to ack, in the order of the publishes, which is that of the answers
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Create the consumer, say so, forward."""
        config = ConsumerConfig(name="floor", ack_policy=AckPolicy.EXPLICIT, max_ack_pending=UNACKNOWLEDGED)
        config.deliver_policy = DeliverPolicy.NEW
        config.mem_storage = True
        await self._client.jetstream().add_consumer(self._plan.stream, config)
        await self._client.subscribe(self._pulled, future=_Sink(self._take))
        await self._client.subscribe(self._stored, future=_Sink(self._acknowledge))
        await self._client.flush()
        sys.stdout.buffer.write(READY)
        sys.stdout.buffer.flush()
        while True:
            if self._asked <= BATCH // 2:
                await self._client.publish(self._next, self._request, self._pulled)
                self._asked += BATCH
            await self._wake.wait()
            self._wake.clear()
            await self._forward()

    async def _forward(self) -> None:
        publish, decode = self._client.publish, self._decode
        while self._inbound:
            message = self._inbound.popleft()
            decode(message.data)
            self._waiting.append(message.reply)
            await publish(self._plan.subject, message.data, self._stored)

    def _take(self, message: Msg) -> None:
        if message.reply:
            self._asked -= 1
            self._inbound.append(message)
        else:
            self._asked = 0  # the request has ended
        self._wake.set()

    def _acknowledge(self, message: Msg) -> None:
        assert b'"seq"' in message.data, message.data
        try:
            self._client.publish(self._waiting.popleft()).send(None)  # it never waits: buffering is off
        except StopIteration:
            return


async def main() -> None:
    """Forward what the plan on standard input says until that is closed."""
    loop = asyncio.get_running_loop()
    line = await loop.run_in_executor(None, sys.stdin.buffer.readline)
    plan = msgspec.json.decode(line, type=FloorPlan)
    client = Client()
    await client.connect(
        plan.url, user=plan.user, password=plan.password, pending_size=-1, skip_subject_validation=True
    )
    await Floor(client, plan).run()


if __name__ == "__main__":
    uvloop.run(main())
