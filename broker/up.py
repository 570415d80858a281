"""``trunkline up``: the bus, the router as a child process, and a node with channels and desk, supervised as one."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from broker.bus.connection import Bus
from broker.bus.server import EmbeddedServer
from broker.bus.settings import BusSettings
from broker.bus.streams import Workspace, ensure_streams
from broker.channels.secret import workspace_secret
from broker.channels.serving import ChannelRefused
from broker.channels.tally import wall_clock
from broker.child import ChildProcess
from broker.file_watch import FileWatch
from broker.logs import Format, Scrubber, get_logger
from broker.monitoring.alarms import Board
from broker.monitoring.doctor import refuse_bad_settings
from broker.node import DESK, Node
from broker.place import find_bus, prepare_data, publish_connection
from broker.projections import child as index_child
from broker.projections.store import folder_of
from broker.router_door import router_door
from broker.routing import child as router_child
from broker.routing.process import run_router
from broker.settings.source import Source, channel_problem
from broker.versions import Versions
from config import ConfigErrors

ROUTER = "router"
INDEX = "index"


class Plan(Struct, frozen=True, kw_only=True):
    """What this process is to run.

    ``only`` names parts (``router``, ``desk``, ``channels``, a channel's name); empty means everything, the embedded
    bus included. With ``watch`` the file is put in force at the start and whenever it changes. ``listens``: an address
    was named for this very process, so a router by itself answers there too. The logs' look is handed on to child
    processes.
    """

    file: Path
    source: Source
    data: Path
    scrubber: Scrubber
    only: tuple[str, ...] = ()
    watch: bool = False
    listens: bool = False
    log_format: Format = "console"
    log_level: str = "info"

    @property
    def routes(self) -> bool:
        """Whether a router is among the parts."""
        return not self.only or ROUTER in self.only

    @property
    def shows(self) -> bool:
        """Whether a desk is among the parts."""
        return not self.only or DESK in self.only


async def run(plan: Plan, started: Callable[[Node], None] = lambda _: None) -> None:
    """Run until SIGINT or SIGTERM; ``started`` is called when people can come in.

    Raises:
        BusNotStarted, BusError, OSError: it cannot start; the message says why.
        config.ConfigErrors: a channel must not run with the settings that it has.
    """
    try:
        await _run(plan, started)
    except ChannelRefused as exc:
        raise ConfigErrors([channel_problem(plan.source.document, exc.channel, exc.key, exc.message)]) from exc


async def _run(plan: Plan, started: Callable[[Node], None]) -> None:
    stop = _stop_on_signals()
    board = Board(wall_clock)
    async with contextlib.AsyncExitStack() as stack:
        bus = await stack.enter_async_context(_bus(plan))
        if plan.routes or plan.watch:
            await _propose(plan, bus)
        if plan.watch:
            await stack.enter_async_context(_watching(plan, bus, board))
        settings = plan.source.settings
        if plan.only == (ROUTER,):
            if plan.listens:
                await stack.enter_async_context(router_door(settings, bus, board, disk=_disk(plan)))
            await run_router(bus, Workspace(settings.workspace), stop=stop, replay_days=settings.replay_days)
            return
        if plan.routes:
            await stack.enter_async_context(_child(ROUTER, router_child.__name__, _errand(plan, bus)))
        node = Node(
            plan.source,
            bus,
            board=board,
            scrubber=plan.scrubber,
            folder=plan.source.document.folder,
            parts=plan.only,
            disk=_disk(plan),
            index=folder_of(plan.data) if plan.shows else None,
        )
        await node.start()
        stack.push_async_callback(node.stop)
        if plan.shows:
            await stack.enter_async_context(_child(INDEX, index_child.__name__, _index_errand(plan, bus)))
        started(node)
        await node.wait(stop)


def _disk(plan: Plan) -> Path | None:
    return plan.data if plan.source.settings.nats == "embedded" else None


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


async def _propose(plan: Plan, bus_settings: BusSettings) -> None:
    """The file proposes, the log decides.

    A start proposes a file that has never been a version: whoever starts again after a crash, or with an old file,
    undoes nobody's apply or rollback. Who watches the file has said that it is the truth. Raises config.ConfigErrors.
    """
    async with _versions(plan, bus_settings) as versions:
        name = versions.proposal(plan.source, "").hash
        if plan.watch or name not in {version.hash for version in await versions.all()}:
            await refuse_bad_settings(plan.source)
            await versions.propose(plan.source, by="start")
            get_logger("version").info("file proposed", hash=name)


@contextlib.asynccontextmanager
async def _watching(plan: Plan, bus_settings: BusSettings, board: Board) -> AsyncIterator[None]:
    """Put the file in force whenever it changes."""
    async with _versions(plan, bus_settings) as versions:
        watching = asyncio.create_task(FileWatch(plan.file, plan.source, versions, board, plan.scrubber).run())
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


@contextlib.asynccontextmanager
async def _versions(plan: Plan, bus_settings: BusSettings) -> AsyncIterator[Versions]:
    workspace = Workspace(plan.source.settings.workspace)
    bus = await Bus.connect(bus_settings, f"versions {workspace.name}")
    try:
        await ensure_streams(bus, workspace)
        yield Versions(bus, workspace, await workspace_secret(bus, workspace))
    finally:
        await bus.close()


@contextlib.asynccontextmanager
async def _bus(plan: Plan) -> AsyncIterator[BusSettings]:
    """Start the embedded bus where it is ours to start, else find the one that runs."""
    if plan.source.settings.nats != "embedded" or plan.only:
        yield find_bus(plan.source.settings, plan.data)
        return
    data = prepare_data(plan.data)
    log = get_logger("supervisor")
    server = EmbeddedServer(
        data / "nats",
        durability=plan.source.settings.durability,
        on_restart=lambda code: log.error("nats-server died and is started again", code=code),
    )
    await server.start()
    try:
        publish_connection(data, server.url, server.credentials)
        yield BusSettings(servers=(server.url,), credentials=server.credentials)
    finally:
        await server.stop()


def _errand(plan: Plan, bus: BusSettings) -> router_child.Errand:
    return router_child.errand(
        bus,
        plan.source.settings.workspace,
        replay_days=plan.source.settings.replay_days,
        log_format=plan.log_format,
        log_level=plan.log_level,
    )


def _index_errand(plan: Plan, bus: BusSettings) -> index_child.Errand:
    return index_child.Errand(bus=_errand(plan, bus), folder=str(folder_of(plan.data)))


@contextlib.asynccontextmanager
async def _child(name: str, module: str, told: msgspec.Struct) -> AsyncIterator[None]:
    """Run a part in a process of its own: a stalled desk must not cost the router its lease, nor the index the desk."""
    child = ChildProcess(name, ("-m", module), msgspec.json.encode(told))
    await child.start()
    try:
        yield
    finally:
        await child.stop()
