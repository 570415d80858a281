"""Taking over, and going on after a doubt: raise a barrier at the tail, then read what stands before it (promise P6).

In this order, because the tail that a refusal names counts what the leader has proposed and not stored yet: a reader
finds nothing there, and takes for missing what is stored a moment later. Once the barrier's own first message, the term
record, can be read, everything before it is there for good.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from msgspec import Struct

from broker.bus.connection import Bus
from broker.bus.errors import NoAnswer, PublishRefused, PublishUnknown, TailMoved
from broker.bus.fence import barrier
from broker.bus.reader import Stored, next_by_subject
from broker.bus.streams import Workspace
from broker.routing.settings import RouterStats
from broker.routing.term import Term, encode_term

PAUSE = 0.1  # seconds after an unknown outcome
READ_PAUSE = 0.02  # seconds until a message that is known to be there is asked for again
READ_WITHIN = 10.0
FULL_PAUSE = 1.0  # seconds after a refusal that only a person can mend, such as a full disk

log = structlog.get_logger(__name__)


class ForeignRecord(Exception):
    """Somebody else has written to the log: this router's state is not the truth any more."""


class NotStorable(Exception):
    """The server takes less than when a record was decided: it and all behind it have to be decided anew."""


class Barrier(Struct, frozen=True):
    """A barrier that stands: the sequence of its first message, the term record, and of its last."""

    begin: int
    tail: int


async def raise_barrier(  # noqa: PLR0913  # all but two by name
    bus: Bus,
    workspace: Workspace,
    *,
    tail: int,
    width: int,
    term: Callable[[], Term],
    look: Callable[[int], Awaitable[None]],
    stats: RouterStats,
) -> Barrier:
    """Raise a barrier at the tail, which is believed to be at `tail`.

    `term()` gives the record to write. `look(tail)` may look at what there is up to a tail that has moved, and raise;
    it cannot know whether that is all of it. Tries until it is there or cancelled.
    """
    while True:
        try:
            end = await barrier(bus, workspace, expect=tail, term_payload=encode_term(term()), width=width)
        except TailMoved as moved:
            tail = moved.tail
            await look(tail)
        except PublishUnknown as unknown:
            log.info("router.barrier_unknown", workspace=workspace.name, error=str(unknown))
            await asyncio.sleep(PAUSE)
        except PublishRefused as refused:
            stats.alarms += 1
            log.error("router.log_refuses", workspace=workspace.name, error=str(refused), alarm=True)  # noqa: TRY400  # no traceback helps
            await asyncio.sleep(FULL_PAUSE)
        else:
            stats.barriers += 1
            return Barrier(end - width, end)


async def read_range(bus: Bus, stream: str, first: int, last: int) -> list[Stored]:
    """What there is from `first` to `last` at this moment, read at the leader. Raises `NoAnswer`."""
    found: list[Stored] = []
    while first <= last:
        stored = await next_by_subject(bus, stream, ">", first)
        if stored is None or stored.seq > last:
            break
        found.append(stored)
        first = stored.seq + 1
    return found


async def read_through(bus: Bus, stream: str, first: int, last: int) -> list[Stored]:
    """Everything from `first` to `last`, where `last` is known to be stored; sequences without a message are left out.

    Raises:
        NoAnswer: `last` could not be read in time.
    """
    found: list[Stored] = []
    try:
        async with asyncio.timeout(READ_WITHIN):
            while first <= last:
                more = await read_range(bus, stream, first, last)
                found += more
                if more:
                    first = more[-1].seq + 1
                else:
                    await asyncio.sleep(READ_PAUSE)
    except TimeoutError as error:
        raise NoAnswer(f"message {last} of {stream} could not be read within {READ_WITHIN:g} s") from error
    return found
