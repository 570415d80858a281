"""The index as a child process: `python -m broker.projections.child`, told on standard input what to follow.

A process of its own, because building an index takes minutes of processor time that the desk's screens need.
"""

import asyncio
import contextlib
import os
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import structlog
import uvloop

from broker.bus.connection import Bus
from broker.bus.streams import Workspace
from broker.logs import Scrubber, configure_logs
from broker.projections.following import Indexer
from broker.projections.store import Gone, InUse, Store
from broker.routing.child import Errand as BusErrand
from broker.routing.child import bus_settings

NICENESS = 10
"""Building takes what the desk, the channels and the router leave of the processor."""

WAIT_FOR_TURN = 2.0
"""Seconds between two looks whether the process that writes the same index has ended."""

WAIT_FOR_DISK = 30.0

log = structlog.get_logger(__name__)


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """What to follow, and in which folder the index lies."""

    bus: BusErrand
    folder: str


async def run(told: Errand) -> None:
    """Follow until told to stop; returns early when the file was taken away, to be started again."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    following = asyncio.create_task(_follow(told))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({following, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    following.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await following


async def _follow(told: Errand) -> None:
    workspace = Workspace(told.bus.workspace)
    async with _store(Path(told.folder)) as store:
        bus = await Bus.connect(bus_settings(told.bus), f"index {workspace.name}")
        try:
            await Indexer(bus, workspace, store, now=_now).run()
        except* Gone as gone:
            log.warning("index.gone", reason=str(gone.exceptions[0]))
        finally:
            await bus.close()


@contextlib.asynccontextmanager
async def _store(folder: Path) -> AsyncIterator[Store]:
    """Open the index as soon as nobody else writes it."""
    while True:
        try:
            store = Store.open(folder)
            break
        except InUse:
            await asyncio.sleep(WAIT_FOR_TURN)
        except (OSError, sqlite3.OperationalError) as exc:
            mend = "give the desk a data folder (--data) that it may write to, with room for the index"
            log.error("index.not_writable", folder=str(folder), reason=str(exc), mend=mend)  # noqa: TRY400  # no traceback
            await asyncio.sleep(WAIT_FOR_DISK)
    try:
        yield store
    finally:
        store.close()


def _now() -> int:
    return time.time_ns() // 1_000_000


def main() -> None:
    """Run until told to stop."""
    told = msgspec.json.decode(sys.stdin.buffer.read(), type=Errand)
    os.nice(NICENESS)
    scrubber = Scrubber()
    scrubber.add([told.bus.user.password] if told.bus.user is not None else [])
    configure_logs(scrubber, format_=told.bus.log_format, level=told.bus.log_level)
    uvloop.run(run(told))


if __name__ == "__main__":
    main()
