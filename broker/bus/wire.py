"""nats-py's client with a short way in and out for many small messages.

Its own way costs a message some ten calls and a dict of headers that nobody reads: more processor time than the
router's decision. So whole messages for a `Sink` are taken out of what was read in one loop, and publishes are written
to nats-py's buffer at once; everything else (connecting, reconnecting, pings, requests) stays nats-py's.
This module alone leans on the inside of nats-py, whose version is pinned to the minor release for that reason.
"""

import asyncio
import re
from collections.abc import Callable, Coroutine, Mapping
from typing import TypeVar

import msgspec
import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.subscription import Subscription as NatsSubscription
from nats.protocol.parser import Parser

T = TypeVar("T")

CRLF = b"\r\n"
CANCEL_EVERY = 0.1  # seconds between two cancellations of what has dropped one
_NEW_LINES = str.maketrans("\r\n", "  ")
_MESSAGE = re.compile(rb"(H?)MSG (\S+) (\d+) +((?:\S+ )*)(\d+)\r\n").match
"""Kind, subject, subscription, then the reply's subject and the size of the headers as far as there are any, size.

What the server says of itself, such as that it has taken a chunk of a copy, has a second blank for the missing reply.
"""

log = structlog.get_logger(__name__)


def run_now(flush: Coroutine[object, None, object]) -> None:
    """Run a coroutine of nats-py to its end without a task: one that only writes to a buffer never waits."""
    try:
        flush.send(None)
    except StopIteration:
        return
    flush.close()
    raise AssertionError("nats-py waited where it was expected to write to its buffer only")


async def heeding_cancellation(work: Coroutine[object, object, T]) -> T:
    """Await work of nats-py, and when cancelled, cancel it until it ends.

    Its `wait_for` (Python 3.11) drops a cancellation that meets the answer waited for; where every answer is a refusal,
    it would connect again for ever.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait([task])
    finally:
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=CANCEL_EVERY)
        if not task.cancelled():
            task.exception()  # whoever was cancelled does not ask for it
    return task.result()


class Arrived(msgspec.Struct, frozen=True, gc=False):
    """A message that has arrived; `head` is its header block as it came, empty if there is none."""

    subject: str
    reply: str
    data: bytes
    head: bytes = b""

    @property
    def headers(self) -> dict[str, str]:
        """Its headers; see `headers_of`."""
        return headers_of(self.head)


def headers_of(block: bytes) -> dict[str, str]:
    """The headers of a message from its header block (`NATS/1.0`, then `Name: value` lines).

    The server's own word in the first line (`NATS/1.0 408 Request Timeout`) becomes `Status` and `Description`.
    """
    first, *lines = block.decode(errors="replace").split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.strip(): value.strip() for name, _, value in pairs}
    _, status, description = (*first.split(" ", 2), "", "")[:3]
    if status:
        headers |= {"Status": status, "Description": description.strip()}
    return headers


def header_block(headers: Mapping[str, str] | None) -> bytes:
    """Encode headers; a line break in a value, which may be a stranger's text, becomes a space."""
    if not headers:
        return b""
    lines = (f"{name}: {value.translate(_NEW_LINES).strip()}\r\n" for name, value in headers.items())
    return f"NATS/1.0\r\n{''.join(lines)}\r\n".encode()


class Sink(asyncio.Future[None]):
    """Takes the messages of a subscription at once, in the read loop; none is ever dropped.

    nats-py gives a subscription's messages to a future, a queue or a task: the future that never ends marks those
    which `Wire` serves itself.
    """

    def __init__(self, receive: Callable[[Arrived], None]) -> None:
        super().__init__()
        self._receive = receive

    def take(self, message: Arrived) -> None:
        """Hand one over; an exception would end the read loop and with it the connection."""
        try:
            self._receive(message)
        except Exception:
            log.exception("bus.message_not_taken", subject=message.subject)


class Wire(Client):
    """nats-py's client that serves each `Sink` by itself; `write` is its `publish` without a coroutine."""

    def __init__(self) -> None:
        super().__init__()
        self._ps = _SinkParser(self, self._subs)

    def write(self, subject: str, payload: bytes, reply: str = "", head: bytes = b"") -> None:
        """Publish; what is written in one turn of the loop leaves in one system call.

        Raises:
            OutboundBufferLimitError: there is no connection; nothing is kept for a later one.
            MaxPayloadError: headers and payload together are more than the server takes.
        """
        if not self.is_connected:
            raise nats.errors.OutboundBufferLimitError
        size = len(head) + len(payload)
        if size > self._max_payload:
            raise nats.errors.MaxPayloadError
        line = f"HPUB {subject} {reply} {len(head)} {size}\r\n" if head else f"PUB {subject} {reply} {size}\r\n"
        command = b"".join((line.encode(), head, payload, CRLF))
        self._pending.append(command)
        self._pending_data_size += len(command)
        queue = self._flush_queue
        if queue is not None and queue.empty():
            run_now(self._flush_pending())

    def cut(self) -> None:
        """Drop the socket at once: nats-py waits for a server that stands still to read what was written to it.

        A test stops a server with unread bytes to prove the need.
        """
        writer = getattr(self._transport, "_io_writer", None)
        if isinstance(writer, asyncio.StreamWriter):
            writer.transport.abort()


class _SinkParser(Parser):
    """Serves sinks; hands everything else, one whole line or message at a time, to nats-py's parser."""

    def __init__(self, client: Client, subscriptions: Mapping[int, NatsSubscription]) -> None:
        super().__init__(client)
        self._subscriptions = subscriptions

    def reset(self) -> None:
        """Forget what was read in part: the next bytes are another connection's."""
        super().reset()
        self._rest = bytearray()
        self._least = 0  # as many bytes as the message needs that `_rest` begins with; 0: not known

    async def parse(self, data: bytes = b"") -> None:
        """Take in what was read; raises `ProtocolError`. One long loop, because each call costs as much as its work."""
        rest = self._rest
        rest += data
        if len(rest) < self._least:
            return
        whole, size, at = bytes(rest), len(rest), 0
        self._least = 0
        while at < size:
            found = _MESSAGE(whole, at)
            sink = None
            if found is None:
                end = whole.find(CRLF, at) + 2
                if end < 2:  # noqa: PLR2004  # not found: -1 + 2
                    break
            else:
                kind, subject, sid, words, length = found.groups()
                begin = found.end()
                end = begin + int(length) + 2
                if end > size:
                    self._least = end - at
                    break
                subscription = self._subscriptions.get(int(sid))
                sink = subscription._future if subscription is not None else None  # noqa: SLF001  # see the module
            if isinstance(sink, Sink):
                if kind:
                    *reply, head = words.split()
                    body = begin + int(head)
                    arrived = Arrived(
                        subject.decode(), reply[0].decode() if reply else "", whole[body : end - 2], whole[begin:body]
                    )
                else:
                    arrived = Arrived(subject.decode(), words[:-1].decode(), whole[begin : end - 2])
                sink.take(arrived)
            else:
                await super().parse(whole[at:end])
                if self._rest is not rest:
                    return  # the connection was lost meanwhile
            at = end
        del rest[:at]
