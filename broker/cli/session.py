"""One short connection of the command line to a workspace's bus."""

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct

from broker.bus.connection import Bus
from broker.bus.streams import Workspace
from broker.logs import Scrubber, configure_logs
from broker.place import find_bus
from broker.routing.follower import Follower
from broker.source import Source, read_source
from broker.workspace import secrets_in

T = TypeVar("T")


FOLD_TIMEOUT = 60.0
"""Seconds that a command waits until it has read the log."""


class Session(Struct, frozen=True):
    """A connection, what it is connected to, and the file that says so."""

    bus: Bus
    workspace: Workspace
    source: Source


@asynccontextmanager
async def connected(file: Path, data: Path) -> AsyncIterator[Session]:
    """Connect to the bus of the workspace in ``file``; raises ConfigErrors, BusNotStarted or NotConnected."""
    scrubber = Scrubber()
    configure_logs(scrubber, level="warning")
    source = read_source(file, os.environ)
    scrubber.add(secrets_in(source.settings))
    bus = await Bus.connect(find_bus(source.settings, data), name="trunkline-cli")
    try:
        yield Session(bus, Workspace(source.settings.workspace), source)
    finally:
        await bus.close()


@asynccontextmanager
async def folded(session: Session) -> AsyncIterator[Follower]:
    """Read the log to its end, and follow it."""
    follower = Follower(session.bus, session.workspace)
    running = asyncio.create_task(follower.run())
    try:
        async with asyncio.timeout(FOLD_TIMEOUT):
            await follower.wait_ready()
        yield follower
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def run_session(job: Coroutine[Any, Any, T]) -> T | None:
    """Run a coroutine until it ends or somebody presses Ctrl-C, which is no mistake."""
    try:
        return asyncio.run(job)
    except KeyboardInterrupt:
        return None
