"""Taking over, and going on after a doubt: read to the tail, then raise a barrier there (promise P6)."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from broker.bus.connection import Bus
from broker.bus.errors import PublishRefused, PublishUnknown, TailMoved
from broker.bus.fence import barrier
from broker.bus.reader import Stored, next_by_subject
from broker.bus.streams import Workspace
from broker.routing.settings import RouterStats
from broker.routing.term import Term, encode_term

PAUSE = 0.1  # seconds after an unknown outcome
FULL_PAUSE = 1.0  # seconds after a refusal that only a person can mend, such as a full disk

log = structlog.get_logger(__name__)


class ForeignRecord(Exception):
    """Somebody else has written to the log: this router's state is not the truth any more."""


async def raise_barrier(  # noqa: PLR0913  # all but two by name
    bus: Bus,
    workspace: Workspace,
    *,
    width: int,
    term: Callable[[], Term],
    position: Callable[[], int],
    read_on: Callable[[int], Awaitable[None]],
    stats: RouterStats,
) -> int:
    """Raise a barrier at the tail and return the new tail.

    `position()` is how far the log has been read, `read_on(tail)` reads up to a tail that has moved, `term()` gives
    the record to write. Tries until it is there or cancelled; raises what `read_on` raises.
    """
    while True:
        try:
            tail = await barrier(bus, workspace, expect=position(), term_payload=encode_term(term()), width=width)
        except TailMoved as moved:
            await read_on(moved.tail)
        except PublishUnknown as unknown:
            log.info("router.barrier_unknown", workspace=workspace.name, error=str(unknown))
            await asyncio.sleep(PAUSE)
        except PublishRefused as refused:
            stats.alarms += 1
            log.error("router.log_refuses", workspace=workspace.name, error=str(refused), alarm=True)  # noqa: TRY400  # no traceback helps
            await asyncio.sleep(FULL_PAUSE)
        else:
            stats.barriers += 1
            return tail


async def read_range(bus: Bus, stream: str, first: int, last: int) -> list[Stored]:
    """Everything from `first` to `last`, read at the leader; gaps are left out. Raises `NoAnswer`."""
    found: list[Stored] = []
    while first <= last:
        stored = await next_by_subject(bus, stream, ">", first)
        if stored is None or stored.seq > last:
            break
        found.append(stored)
        first = stored.seq + 1
    return found
