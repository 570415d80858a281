"""JetStream's own requests (`$JS.API...`), typed and repeated until a leader answers.

nats-py's manager is not used: it knows no atomic batches, and every request here can be repeated without harm.
"""

import asyncio
from typing import Protocol, TypeVar

import msgspec

from broker.bus.connection import Bus
from broker.bus.errors import ApiError, NoAnswer

ATTEMPT_TIMEOUT = 1.5  # seconds for one attempt; a request to a leader that just died is lost
RETRY_PAUSE = 0.1
NOT_AVAILABLE = 10008  # JetStream is temporarily unavailable: the leader is being elected
NO_MESSAGE = 10037
NO_STREAM = 10059


class Fault(msgspec.Struct, frozen=True):
    """An error in an answer."""

    code: int = 0
    err_code: int = 0
    description: str = ""


class Answer(Protocol):
    """What every answer has."""

    error: Fault | None


A = TypeVar("A", bound=Answer)


class Done(msgspec.Struct):
    """The answer to purge and delete; `purged` counts messages."""

    success: bool = False
    purged: int = 0
    error: Fault | None = None


class Kept(msgspec.Struct):
    """What a stream holds."""

    first_seq: int = 0
    last_seq: int = 0
    messages: int = 0
    bytes: int = 0


class StreamInfo(msgspec.Struct):
    """A stream's creation time (RFC 3339), settings and contents."""

    created: str = ""
    config: dict[str, object] = {}
    state: Kept = msgspec.field(default_factory=Kept)
    error: Fault | None = None


class RawMessage(msgspec.Struct):
    """A stored message as STREAM.MSG.GET gives it; `hdrs` is the header block."""

    subject: str = ""
    seq: int = 0
    data: bytes = b""
    hdrs: bytes = b""
    time: str = ""


class MessageAnswer(msgspec.Struct):
    """The answer to STREAM.MSG.GET."""

    message: RawMessage | None = None
    error: Fault | None = None


class ConsumerInfo(msgspec.Struct):
    """The answer to the creation of a consumer; `num_pending` messages wait for it."""

    num_pending: int = 0
    error: Fault | None = None


async def call(bus: Bus, operation: str, body: object, kind: type[A], *, seconds: float | None = None) -> A:
    """Send `$JS.API.<operation>` with `body` as JSON and decode the answer.

    Raises:
        ApiError: JetStream answered with an error.
        NoAnswer: nobody answered within `seconds` (default: the bus's `request_timeout`).
    """
    payload = msgspec.json.encode(body) if body is not None else b""
    now = asyncio.get_running_loop().time
    deadline = now() + (bus.settings.request_timeout if seconds is None else seconds)
    while True:
        try:
            answer = await bus.ask(
                f"$JS.API.{operation}", payload, max(RETRY_PAUSE, min(deadline - now(), ATTEMPT_TIMEOUT))
            )
        except NoAnswer:
            if now() + RETRY_PAUSE > deadline:
                raise
        else:
            decoded = msgspec.json.decode(answer.data, type=kind)
            fault = decoded.error
            if fault is None:
                return decoded
            if fault.err_code != NOT_AVAILABLE or now() + RETRY_PAUSE > deadline:
                raise ApiError(fault.err_code, fault.code, fault.description)
        await asyncio.sleep(RETRY_PAUSE)
