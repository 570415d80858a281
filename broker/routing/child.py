"""The router as a child process: `python -m broker.routing.child`, told by its parent on standard input what to route.

It reads no configuration: a router that dies while somebody writes on the file must come back all the same.
"""

import asyncio
import signal
import sys
from pathlib import Path

import msgspec
import uvloop

from broker.bus.settings import BusSettings, CredentialsFile, UserPassword
from broker.bus.streams import Workspace
from broker.logs import Format, Scrubber, configure_logs
from broker.routing.process import run_router


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """What the child is to do, and how its log looks. It holds secrets: it travels through a pipe alone."""

    servers: tuple[str, ...]
    replicas: int
    user: UserPassword | None
    credentials: str
    ca: str
    workspace: str
    replay_days: float
    log_format: Format
    log_level: str

    def __repr__(self) -> str:
        return f"Errand({self.workspace})"


def errand(bus: BusSettings, workspace: str, *, replay_days: float, log_format: Format, log_level: str) -> Errand:
    """Make what the child reads."""
    login = bus.credentials
    return Errand(
        servers=bus.servers,
        replicas=bus.replicas,
        user=login if isinstance(login, UserPassword) else None,
        credentials=str(login.path) if isinstance(login, CredentialsFile) else "",
        ca=str(bus.ca) if bus.ca is not None else "",
        workspace=workspace,
        replay_days=replay_days,
        log_format=log_format,
        log_level=log_level,
    )


async def _route(told: Errand) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await run_router(bus_settings(told), Workspace(told.workspace), stop=stop, replay_days=told.replay_days)


def bus_settings(told: Errand) -> BusSettings:
    """The way to the bus."""
    credentials = CredentialsFile(Path(told.credentials)) if told.credentials else told.user
    ca = Path(told.ca) if told.ca else None
    return BusSettings(servers=told.servers, credentials=credentials, ca=ca, replicas=told.replicas)


def main() -> None:
    """Run until told to stop."""
    told = msgspec.json.decode(sys.stdin.buffer.read(), type=Errand)
    scrubber = Scrubber()
    scrubber.add([told.user.password] if told.user is not None else [])
    configure_logs(scrubber, format_=told.log_format, level=told.log_level)
    uvloop.run(_route(told))


if __name__ == "__main__":
    main()
