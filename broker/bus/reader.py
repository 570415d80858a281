"""Reading a stream from a position of the reader's own."""

from collections.abc import AsyncIterator, Sequence

import msgspec

from broker.bus.connection import Bus


class Stored(msgspec.Struct, frozen=True, gc=False):
    """A stored message; `time_ns` is the server's clock, nanoseconds since the epoch."""

    seq: int
    subject: str
    payload: bytes
    time_ns: int
    headers: dict[str, str] | None = None


class StreamState(msgspec.Struct, frozen=True):
    """What a stream holds; `created` is RFC 3339 as the server writes it."""

    first: int
    last: int
    messages: int
    bytes: int
    created: str


class Reader:
    """Gives everything from a position on, in order, without skip or repeat."""

    def __init__(
        self,
        bus: Bus,
        stream: str,
        *,
        start_seq: int = 1,
        created: str | None = None,
        subjects: Sequence[str] = (),
    ) -> None: ...

    def batches(self) -> AsyncIterator[list[Stored]]:
        """Yield what is there at once, for ever; raises `StreamReplaced`."""
        raise NotImplementedError

    async def close(self) -> None:
        """Delete the consumer; bounded. `batches` ends."""
        raise NotImplementedError


async def read_message(bus: Bus, stream: str, seq: int) -> Stored | None:
    """The message at `seq`, read at the leader; None when there is none."""
    raise NotImplementedError


async def next_by_subject(bus: Bus, stream: str, subject_filter: str, from_seq: int = 1) -> Stored | None:
    """The first message at or after `from_seq` whose subject matches, read at the leader."""
    raise NotImplementedError


async def last_by_subject(bus: Bus, stream: str, subject: str) -> Stored | None:
    """The newest message of a subject, read at the leader."""
    raise NotImplementedError


async def stream_state(bus: Bus, stream: str) -> StreamState:
    """What the stream holds now; right after a leader change it may be old."""
    raise NotImplementedError


async def purge(bus: Bus, stream: str, *, subject: str | None = None, up_to_seq: int | None = None) -> int:
    """Remove messages (below and including `up_to_seq`); returns how many. The bytes stay on disk for a while."""
    raise NotImplementedError


async def delete_message(bus: Bus, stream: str, seq: int) -> bool:
    """Delete one message and overwrite its bytes; False when it was not there."""
    raise NotImplementedError
