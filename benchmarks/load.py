"""The two ends of the pipeline: customers' messages put into IN, and a reader of LOG who notes when they are seen."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager

import msgspec
from msgspec import Struct

from benchmarks.stage import CHANNEL
from broker.bus.connection import Bus
from broker.bus.pipeline import Pipeline
from broker.bus.reader import Reader, Stored, stream_state
from broker.bus.streams import Workspace
from normalizer.content import Language, Text
from normalizer.envelope import Envelope, Sender
from normalizer.ids import IdSource
from router.facts import MessageTaken
from router.inputs import Message, encode_input
from router.record import decode_record

WINDOW = 512
"""Publishes without an acknowledgement at any time: an adapter has one per address, and there are 100 at least."""

MESSAGE_ID = "Nats-Msg-Id"
PATIENCE = 20.0  # seconds without anything new at the reader before a run counts as stuck
WORDS = "Hello, I have ordered two pairs last week and would like to know when they will be sent. Thank you!"

Decode = Callable[[Stored], Iterator[str]]
_ids = IdSource()
_message = msgspec.json.Decoder(Message).decode


class Parcel(Struct, frozen=True):
    """A message as the door encodes it: its native id, its bytes, its headers."""

    native_id: str
    payload: bytes
    headers: dict[str, str]


def parcel(address: str) -> Parcel:
    """A new message from `address`."""
    name = _ids.new()
    envelope = Envelope(
        id=name,
        at=time.time_ns() // 1_000_000,
        channel=CHANNEL,
        type="webchat",
        native_id=name,
        address=address,
        content=Text(text=WORDS),
        sender=Sender(name="Ada", languages=(Language(code="en"),)),
        attributes={"page": "https://shop.example/orders"},
    )
    return Parcel(name, encode_input(Message(envelope=envelope)), {MESSAGE_ID: name})


def addresses(first: int, count: int) -> list[str]:
    """Visitors' addresses, each always the same."""
    return [f"visitor:{number:012d}" for number in range(first, first + count)]


def strangers(count: int) -> list[str]:
    """Addresses that nobody has seen before."""
    return [f"visitor:{_ids.new()}" for _ in range(count)]


def parcels(count: int, known: Sequence[str]) -> list[Parcel]:
    """`count` messages from `known` addresses in turn."""
    return [parcel(known[number % len(known)]) for number in range(count)]


def in_records(stored: Stored) -> Iterator[str]:
    """The native ids of the messages that a record takes in; barriers are no records."""
    if not stored.subject.endswith((".term", ".skip")):
        for fact in decode_record(stored.payload).facts:
            if isinstance(fact, MessageTaken):
                yield fact.envelope.native_id


def in_copies(stored: Stored) -> Iterator[str]:
    """The native id of a message that the floor has forwarded."""
    yield _message(stored.payload).envelope.native_id


class Course:
    """One workspace with whatever forwards in it, and both of our ends."""

    def __init__(self, workspace: Workspace, publisher: Pipeline, reader: Reader, decode: Decode) -> None:
        self._subject = workspace.in_subject(CHANNEL)
        self._publisher = publisher
        self._reader = reader
        self._decode = decode
        self._seen: dict[str, float] = {}
        self._expected = 0
        self._complete = asyncio.Event()

    async def throughput(self, load: Sequence[Parcel]) -> float:
        """Messages per second from the first publish until the last message was read."""
        begun = self._expect(len(load))
        await self._publish_all(load)
        await self._finish(load)
        return len(load) / (max(self._seen.values()) - begun)

    async def latencies(self, load: Sequence[Parcel], rate: float) -> list[float]:
        """Seconds from each publish until it was read, in an open loop of `rate` messages a second."""
        begun = self._expect(len(load))
        sent: dict[str, float] = {}
        for number, one in enumerate(load):
            wait = begun + number / rate - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            sent[one.native_id] = time.perf_counter()
            self._publisher.send(self._subject, one.payload, one.headers)
        await self._finish(load)
        return [self._seen[name] - at for name, at in sent.items()]

    async def follow(self) -> None:
        """Read for ever."""
        async for batch in self._reader.batches():
            for stored in batch:
                for name in self._decode(stored):
                    assert name not in self._seen, f"{name} was seen twice"
                    self._seen[name] = time.perf_counter()
            if len(self._seen) >= self._expected:
                self._complete.set()

    def _expect(self, count: int) -> float:
        self._seen.clear()
        self._expected = count
        self._complete.clear()
        return time.perf_counter()

    async def _publish_all(self, load: Sequence[Parcel]) -> None:
        room = asyncio.Semaphore(WINDOW)
        for one in load:
            await room.acquire()
            future = self._publisher.send(self._subject, one.payload, one.headers)
            future.add_done_callback(lambda _done: room.release())

    async def _finish(self, load: Sequence[Parcel]) -> None:
        while not self._complete.is_set():
            before = len(self._seen)
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._complete.wait()
            except TimeoutError:
                if len(self._seen) == before:
                    raise RuntimeError(f"stuck: {before} of {len(load)} messages were seen") from None
        assert self._seen.keys() == {one.native_id for one in load}


@asynccontextmanager
async def course(bus: Bus, workspace: Workspace, decode: Decode) -> AsyncIterator[Course]:
    """Follow the log of `workspace` from its present end."""
    tail = (await stream_state(bus, workspace.log_stream)).last
    publisher = await bus.publisher(timeout=PATIENCE)
    async with Reader(bus, workspace.log_stream, start_seq=tail + 1) as reader:
        running = Course(workspace, publisher, reader, decode)
        following = asyncio.create_task(running.follow())
        try:
            yield running
        finally:
            following.cancel()
            await asyncio.wait([following])
            await publisher.close()
