"""The command line's connection to the bus of a running workspace."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct

from broker.bus.connection import Bus
from broker.bus.errors import ApiError, NotConnected
from broker.bus.reader import stream_state
from broker.bus.streams import Workspace
from broker.cli.terminal import INTERRUPTED, fail
from broker.logs import Scrubber, configure_logs
from broker.place import BusNotStarted, find_bus
from broker.routing.follower import Follower
from broker.settings.source import Source, read_source
from broker.settings.workspace import ExternalNats, secrets_in

T = TypeVar("T")


FOLD_TIMEOUT = 60.0
"""Seconds that a command waits until it has read the log."""

NO_STREAM = 10_059
"""JetStream's code for a stream that does not exist."""


class Session(Struct, frozen=True):
    """A connection, what it is connected to, and the file that says so."""

    bus: Bus
    workspace: Workspace
    source: Source


@asynccontextmanager
async def connected(file: Path, data: Path) -> AsyncIterator[Session]:
    """Connect to the bus of the workspace in ``file``, which must have been started there once.

    Raises:
        ConfigErrors, BusNotStarted, NotConnected: the file is wrong, or there is no way to the bus.
    """
    scrubber = Scrubber()
    configure_logs(scrubber, level="warning")
    source = read_source(file, os.environ)
    scrubber.add(secrets_in(source.settings))
    bus = await _connect(source, data)
    workspace = Workspace(source.settings.workspace)
    try:
        await _look_for(bus, workspace)
        yield Session(bus, workspace, source)
    finally:
        await bus.close()


async def _connect(source: Source, data: Path) -> Bus:
    try:
        return await Bus.connect(find_bus(source.settings, data), name="trunkline-cli")
    except NotConnected as exc:
        if isinstance(source.settings.nats, ExternalNats):
            raise
        raise BusNotStarted(
            f"the embedded bus of {data} does not run any more: run `trunkline up` with the same --data first"
        ) from exc


async def _look_for(bus: Bus, workspace: Workspace) -> None:
    try:
        await stream_state(bus, workspace.log_stream)
    except ApiError as exc:
        if exc.code != NO_STREAM:
            raise
        fail(
            f"there is no workspace {workspace.name} on this bus: `trunkline up` makes it; "
            "or are `workspace:` and `nats:` in the file not those that run?"
        )


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


def run_session(job: Coroutine[Any, Any, T], *, endless: bool = False) -> T:
    """Run a coroutine to its end. Ctrl-C ends the process; of what is endless that is the right end."""
    try:
        return asyncio.run(job)
    except KeyboardInterrupt:
        if endless:
            sys.exit(0)
        fail("broken off by Ctrl-C", INTERRUPTED)
