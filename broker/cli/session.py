"""One short connection of the command line to a workspace's bus."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct

from broker.bus.connection import Bus
from broker.bus.streams import Workspace
from broker.cli.files import read_settings
from broker.logs import Scrubber, configure_logs
from broker.place import find_bus
from broker.workspace import WorkspaceSettings

T = TypeVar("T")


class Session(Struct, frozen=True):
    """A connection, and what it is connected to."""

    bus: Bus
    workspace: Workspace
    settings: WorkspaceSettings


@asynccontextmanager
async def connected(file: Path, data: Path) -> AsyncIterator[Session]:
    """Connect to the bus of the workspace in ``file``; raises ConfigErrors, BusNotStarted or NotConnected."""
    configure_logs(Scrubber(), level="warning")
    settings = read_settings(file)
    bus = await Bus.connect(find_bus(settings, data), name="trunkline-cli")
    try:
        yield Session(bus, Workspace(settings.workspace), settings)
    finally:
        await bus.close()


def run_session(job: Coroutine[Any, Any, T]) -> T | None:
    """Run a coroutine until it ends or somebody presses Ctrl-C, which is no mistake."""
    try:
        return asyncio.run(job)
    except KeyboardInterrupt:
        return None
