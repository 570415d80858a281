"""WebSockets that neither a slow, a dead nor a rude peer can hurt: bounded queues, bounded waiting, little memory.

An idle socket has no task of its own besides aiohttp's. While there is something to send, one sender task runs;
each send is bounded in time, because a send to a peer that is gone can block for ever. A peer that reads too slowly
is closed with 1013 and catches up later from its cursor. Close codes: RFC 6455 section 7.4.1; 1013 is registered
with IANA ("try again later").
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Final, Literal, Self, TypeVar

import msgspec
from aiohttp import WebSocketError, WSCloseCode, WSMsgType, web
from msgspec import Struct

from web.errors import REFUSALS, Error, decode_json, describe

T = TypeVar("T")

SLOW_READER: Final = "slow_reader"
_MAX_REASON_BYTES: Final = 123  # RFC 6455 section 5.5: a control frame carries 125 bytes, two of them the code


class SocketLimits(Struct, frozen=True, kw_only=True):
    """What one socket may cost. Times are in seconds, sizes in bytes."""

    frame_bytes: int = 64 * 1024
    queued_frames: int = 256
    queued_bytes: int = 1024 * 1024
    send_within: float = 10.0
    close_within: float = 2.0
    heartbeat: float = 20.0
    faults: int = 10


class Fault(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="error"):
    """The frame that says what was wrong with a frame of theirs; ``ref`` is its id, ``retry_after`` is in seconds."""

    code: str
    message: str
    field: str = ""
    ref: str = ""
    retry_after: float | None = None


class Closing(Struct, frozen=True):
    """Why a socket is being closed."""

    code: int
    reason: str


GOING_AWAY: Final = Closing(WSCloseCode.GOING_AWAY, "we restart, please reconnect")
TOO_SLOW: Final = Closing(WSCloseCode.TRY_AGAIN_LATER, "you read too slowly, please reconnect")
TOO_MANY_FAULTS: Final = Closing(WSCloseCode.POLICY_VIOLATION, "too many wrong frames")
INTERNAL: Final = Closing(WSCloseCode.INTERNAL_ERROR, "something went wrong on our side")


class Outbox:
    """Frames that wait for one peer, bounded in number and bytes."""

    __slots__ = ("_bytes", "_frames", "_max_bytes", "_max_frames")

    def __init__(self, max_frames: int, max_bytes: int) -> None:
        self._frames: deque[bytes] | None = None  # an empty deque costs 600 bytes, and most sockets are idle
        self._bytes = 0
        self._max_frames = max_frames
        self._max_bytes = max_bytes

    def put(self, frame: bytes) -> bool:
        """Queue a frame; False: there is no room."""
        if not self.has_room(len(frame)):
            return False
        if self._frames is None:
            self._frames = deque()
        self._frames.append(frame)
        self._bytes += len(frame)
        return True

    def take(self) -> bytes | None:
        """Take the oldest frame; None: there is none."""
        if not self._frames:
            self._frames = None
            return None
        frame = self._frames.popleft()
        self._bytes -= len(frame)
        return frame

    def has_room(self, size: int) -> bool:
        """Say whether a frame of ``size`` bytes would be taken; an empty outbox takes any."""
        waiting = len(self)
        return not waiting or (waiting < self._max_frames and self._bytes + size <= self._max_bytes)

    def clear(self) -> None:
        """Forget everything that waits."""
        self._frames = None
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._frames) if self._frames else 0


class Socket:
    """One accepted WebSocket. Use as ``async with Socket(request) as socket``, then iterate over :meth:`frames`.

    :meth:`send` and :meth:`close` never wait and may be called from anywhere in the loop. Leaving the block ends the
    sender; return :attr:`response` from the handler.
    """

    __slots__ = ("_closing", "_faults", "_limits", "_outbox", "_request", "_room", "_sender", "response")

    def __init__(self, request: web.Request, limits: SocketLimits = SocketLimits()) -> None:  # noqa: B008 - frozen
        self._request = request
        self._limits = limits
        self._outbox = Outbox(limits.queued_frames, limits.queued_bytes)
        self._sender: asyncio.Task[None] | None = None
        self._room: asyncio.Event | None = None
        self._closing: Closing | None = None
        self._faults = 0
        self.response: web.WebSocketResponse[Literal[False]] = web.WebSocketResponse(
            heartbeat=limits.heartbeat,
            timeout=limits.close_within,
            max_msg_size=limits.frame_bytes,
            compress=False,  # a deflate context costs more memory than all the rest of an idle socket
            writer_limit=16 * 1024,
            decode_text=False,
        )

    async def __aenter__(self) -> Self:
        await self.response.prepare(self._request)
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, exc: BaseException | None, __: TracebackType | None
    ) -> None:
        if isinstance(exc, Exception):
            self.close(INTERNAL)
        sender = self._sender
        if sender is None:
            return
        try:
            if self._closing is not None:
                await asyncio.wait([sender])  # ends by itself: each of its steps is bounded
        finally:
            sender.cancel()
            await asyncio.wait([sender])
        if not sender.cancelled() and (failure := sender.exception()):
            raise failure

    @property
    def closed(self) -> bool:
        """Say whether nothing more will be sent."""
        return self._closing is not None or self.response.closed

    def send(self, frame: bytes) -> bool:
        """Queue a text frame (UTF-8); False: the socket is closed, or closed now because its peer is too slow."""
        if self.closed:
            return False
        if not self._outbox.put(frame):
            self._outbox.clear()
            self._cut_off()
            return False
        self._wake()
        return True

    async def put(self, frame: bytes) -> bool:
        """Send like :meth:`send`, but wait for room first: for long catch-ups. False: the socket is closed."""
        while not self.closed and not self._outbox.has_room(len(frame)):
            self._room = self._room or asyncio.Event()
            self._room.clear()
            await self._room.wait()
        return self.send(frame)

    def refuse(self, error: Error, *, ref: str = "", retry_after: float | None = None, grave: bool = True) -> None:
        """Send an error frame and count it; ``grave`` ones close the socket with 1008 when there are too many."""
        REFUSALS.labels(error.code).inc()
        fault = Fault(code=error.code, message=error.message, field=error.field, ref=ref, retry_after=retry_after)
        self.send(msgspec.json.encode(fault))
        self._faults += grave
        if self._faults >= self._limits.faults:
            self.close(TOO_MANY_FAULTS)

    def close(self, closing: Closing) -> None:
        """Send what is queued, then close; the first reason given stands."""
        if not self.closed:
            self._closing = closing
            self._wake()

    async def first(self, decoder: msgspec.json.Decoder[T], *, within: float) -> T | None:
        """Give the first frame, or None when none came within so many seconds or the socket was closed."""
        try:
            async with asyncio.timeout(within):
                return await self.receive(decoder)
        except TimeoutError:
            self.refuse(Error("too_slow", f"the first frame must come within {within:g} s"))
            self.close(Closing(WSCloseCode.POLICY_VIOLATION, "no first frame"))
        return None

    async def receive(self, decoder: msgspec.json.Decoder[T]) -> T | None:
        """Give the next frame that the decoder understands, or None at the end; others get an error frame."""
        while not self.closed:
            message = await self.response.receive()
            if message.type is WSMsgType.TEXT:
                try:
                    return decode_json(decoder, message.data)
                except msgspec.DecodeError as exc:
                    self.refuse(describe(exc))
            elif message.type is WSMsgType.BINARY:
                self.refuse(_NOT_TEXT)
            else:
                if isinstance(message.data, WebSocketError):
                    _count_violation(message.data)
                return None
        return None

    async def frames(self, decoder: msgspec.json.Decoder[T]) -> AsyncIterator[T]:
        """Give each frame that :meth:`receive` gives, until the end."""
        while (frame := await self.receive(decoder)) is not None:
            yield frame

    def _cut_off(self) -> None:
        """Let go of a peer that does not read."""
        if not self.closed:
            REFUSALS.labels(SLOW_READER).inc()
            self.close(TOO_SLOW)

    def _wake(self) -> None:
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_queued())

    async def _send_queued(self) -> None:
        """Send until nothing is queued, then close if that was asked for."""
        try:
            while (frame := self._outbox.take()) is not None:
                self._tell_room()
                async with asyncio.timeout(self._limits.send_within):
                    await self.response.send_frame(frame, WSMsgType.TEXT)
        except TimeoutError:
            self._cut_off()
        except ConnectionError:
            self._outbox.clear()  # the receive loop learns of it too, and ends
        finally:
            self._tell_room()
        if self._closing is not None:
            await self._part(self._closing)
        self._sender = None

    def _tell_room(self) -> None:
        if self._room is not None:
            self._room.set()

    async def _part(self, closing: Closing) -> None:
        """Make the closing handshake; a peer that does not answer in time is cut off."""
        reason = closing.reason.encode()[:_MAX_REASON_BYTES]
        transport = self._request.transport
        try:
            async with asyncio.timeout(self._limits.close_within):
                # no draining: a send that timed out leaves aiohttp's drain waiter cancelled, and waiting for it
                # again would look like a cancellation of our own
                await self.response.close(code=closing.code, message=reason, drain=False)
        except (TimeoutError, ConnectionError):
            if transport is not None:
                transport.abort()
        else:
            if transport is not None:  # what is still in its buffer gets a little time
                asyncio.get_running_loop().call_later(self._limits.close_within, transport.abort)


def _count_violation(error: WebSocketError) -> None:
    """Count an end by a frame that breaks the protocol or the limits; aiohttp has closed the socket."""
    REFUSALS.labels("too_large" if error.code == WSCloseCode.MESSAGE_TOO_BIG else "bad_frame").inc()


_NOT_TEXT: Final = Error("bad_frame", "frames must be text: JSON in UTF-8")
