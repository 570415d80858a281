"""Whole streams out of JetStream and into it again, with sequences, times and headers: its own snapshots.

nats-py has no client for it. The server sends a compressed archive of the stream in chunks, each of which is answered
so that it never runs ahead of the reader; the other way round each chunk is a request. A restored stream has its old
sequences and a new creation time, so every position in it has to be written anew. What was appended while a stream was
being copied may or may not be in the copy.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

import msgspec

from broker.bus.api import A, Fault, StreamInfo
from broker.bus.connection import Bus
from broker.bus.errors import ApiError, CopyFailed, NobodyThere, PublishUnknown
from broker.bus.reader import stream_state
from broker.bus.wire import Arrived

CHUNK = 128 * 1024  # bytes; well below the largest message of any server
WINDOW = 4 * 1024 * 1024  # bytes that the server may have sent without an answer
SILENCE = 30.0  # seconds without a chunk after which a copy has failed
COMPLETE = "204"  # the status of the empty message behind the last chunk; older servers give none
HEARSAY = 10.0  # seconds after which every node of a cluster knows who listens where
RETRY_PAUSE = 0.05
SETTLE = 900.0  # seconds that the server may take to check all checksums, and to unpack what it was given


class SavedStream(msgspec.Struct, frozen=True):
    """What a copy is of: the stream's settings and contents at its beginning, in JetStream's words."""

    config: dict[str, object]
    state: dict[str, object]

    @property
    def last(self) -> int:
        """The sequence up to which everything is in the copy."""
        return int(str(self.state.get("last_seq", 0)))

    @property
    def bytes(self) -> int:
        """The size of the messages, before compression."""
        return int(str(self.state.get("bytes", 0)))


class _SaveAnswer(msgspec.Struct):
    config: dict[str, object] = {}
    state: dict[str, object] = {}
    error: Fault | None = None


class _RestoreAnswer(msgspec.Struct):
    deliver_subject: str = ""
    error: Fault | None = None


async def save_stream(
    bus: Bus, stream: str, write: Callable[[bytes], None], begun: Callable[[SavedStream], None] = lambda _: None
) -> SavedStream:
    """Copy a stream: `write` gets the archive piece by piece, `begun` what it is of. A few MB are in memory at most.

    Raises:
        ApiError: there is no such stream, or the server finds it damaged.
        CopyFailed: the server fell silent, gave up, or the connection was lost; try again.
    """
    chunks: asyncio.Queue[Arrived | None] = asyncio.Queue()
    inbox = bus.new_inbox()
    subscription = await bus.listen(inbox, chunks.put_nowait)
    forget = bus.on_disconnect(lambda: chunks.put_nowait(None))
    try:
        request = {
            "deliver_subject": inbox,
            "no_consumers": True,
            "chunk_size": CHUNK,
            "window_size": WINDOW,
            "jsck": True,
        }
        await stream_state(bus, stream)  # a cluster does not answer for a stream that it does not have
        answer = await _ask(bus, f"STREAM.SNAPSHOT.{stream}", request, _SaveAnswer)
        saved = SavedStream(answer.config, answer.state)
        begun(saved)
        while chunk := await _next(chunks, stream):
            write(chunk.data)
            if chunk.reply:  # the last one wants no answer
                _answer(bus, chunk, stream)
    finally:
        forget()
        await subscription.unsubscribe()
    return saved


async def restore_stream(bus: Bus, saved: SavedStream, chunks: AsyncIterator[bytes]) -> StreamInfo:
    """Create the stream of a copy, with the settings in `saved`, and give what it is now.

    Raises:
        ApiError: it exists already, or the server refuses the copy.
        NoAnswer: the server fell silent; nothing or all of it is there.
    """
    stream = str(saved.config["name"])
    answer = await _ask(bus, f"STREAM.RESTORE.{stream}", saved, _RestoreAnswer)
    async for chunk in chunks:
        _check(await _give(bus, answer.deliver_subject, chunk, SILENCE))
    done = await _give(bus, answer.deliver_subject, b"", SETTLE)
    _check(done)
    return msgspec.json.decode(done, type=StreamInfo)


async def _give(bus: Bus, subject: str, chunk: bytes, seconds: float) -> bytes:
    """Hand over a chunk; the node that we are at hears a moment after us which of the others takes them."""
    loop = asyncio.get_running_loop()
    until = loop.time() + HEARSAY
    while True:
        try:
            return (await bus.ask(subject, chunk, seconds)).data
        except NobodyThere:
            if loop.time() > until:
                raise
            await asyncio.sleep(RETRY_PAUSE)


async def _ask(bus: Bus, operation: str, body: object, kind: type[A]) -> A:
    """Ask once: a repetition would begin a second copy. Checksums are looked at before the answer, which takes time."""
    answer = await bus.ask(f"$JS.API.{operation}", msgspec.json.encode(body), SETTLE)
    decoded = msgspec.json.decode(answer.data, type=kind)
    if decoded.error is not None:
        raise ApiError(decoded.error.err_code, decoded.error.code, decoded.error.description)
    return decoded


async def _next(chunks: asyncio.Queue[Arrived | None], stream: str) -> Arrived | None:
    """Give the next chunk, None behind the last; its headers say when the server gave up."""
    try:
        async with asyncio.timeout(SILENCE):
            chunk = await chunks.get()
    except TimeoutError:
        raise CopyFailed(f"copy of {stream}: the server has sent nothing for {SILENCE:g} s") from None
    if chunk is None:
        raise CopyFailed(f"copy of {stream}: the connection was lost")
    if chunk.data:
        return chunk
    status = chunk.headers.get("Status", COMPLETE)
    if status != COMPLETE:
        raise CopyFailed(f"copy of {stream}: the server gave up ({status} {chunk.headers['Description']})")
    return None


def _answer(bus: Bus, chunk: Arrived, stream: str) -> None:
    """Say that there is room for more."""
    try:
        bus.send_now(chunk.reply, b"")
    except PublishUnknown as error:
        raise CopyFailed(f"copy of {stream}: the connection was lost") from error


def _check(answer: bytes) -> None:
    """Raise what a chunk was answered with; an empty answer asks for the next one."""
    if answer:
        fault = msgspec.json.decode(answer, type=StreamInfo).error
        if fault is not None:
            raise ApiError(fault.err_code, fault.code, fault.description)
