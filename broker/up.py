"""``trunkline up``: the bus, the router as a child process, and a node with channels and desk, supervised as one."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from msgspec import Struct

from broker.bus.connection import Bus
from broker.bus.server import EmbeddedServer
from broker.bus.settings import BusSettings
from broker.bus.streams import Workspace, ensure_streams
from broker.child import ChildProcess
from broker.compile import propose
from broker.logs import Scrubber, get_logger
from broker.node import Node
from broker.place import find_bus, prepare_data, publish_connection
from broker.routing.process import run_router
from broker.workspace import WorkspaceSettings
from router.inputs import RULES_SOURCE, encode_input

ROUTER = "router"


class Plan(Struct, frozen=True, kw_only=True):
    """What this process is to run.

    ``file`` and ``log_options`` are handed on to child processes. ``only`` names parts (``router``, ``desk``, a
    channel's name); empty means everything, the embedded bus included.
    """

    file: Path
    settings: WorkspaceSettings
    data: Path
    scrubber: Scrubber
    only: tuple[str, ...] = ()
    log_options: tuple[str, ...] = ()


async def run(plan: Plan, started: Callable[[Node], None] = lambda _: None) -> None:
    """Run until SIGINT or SIGTERM; ``started`` is called when people can come in.

    Raises:
        BusNotStarted, BusError, OSError: it cannot start; the message says why.
    """
    stop = _stop_on_signals()
    if plan.only == (ROUTER,):
        await _run_router(plan, stop)
        return
    async with contextlib.AsyncExitStack() as stack:
        bus = await stack.enter_async_context(_bus(plan))
        if not plan.only or ROUTER in plan.only:
            await stack.enter_async_context(_router_child(plan))
        disk = plan.data if plan.settings.nats == "embedded" else None
        node = Node(plan.settings, bus, plan.scrubber, parts=plan.only, disk=disk)
        await node.start()
        stack.push_async_callback(node.stop)
        started(node)
        await node.wait(stop)


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


async def _run_router(plan: Plan, stop: asyncio.Event) -> None:
    settings = find_bus(plan.settings, plan.data)
    workspace = Workspace(plan.settings.workspace)
    await _propose_rules(plan.settings, settings, workspace)
    await run_router(settings, workspace, stop=stop, replay_days=plan.settings.replay_days)


async def _propose_rules(settings: WorkspaceSettings, bus_settings: BusSettings, workspace: Workspace) -> None:
    """The file proposes, the log decides: a router puts its rules on IN when it starts; known ones change nothing."""
    bus = await Bus.connect(bus_settings, f"rules {workspace.name}")
    try:
        await ensure_streams(bus, workspace)
        proposal = propose(settings, by="start")
        await bus.publish(workspace.in_subject(RULES_SOURCE), encode_input(proposal))
        get_logger("router").info("rules proposed", hash=proposal.hash)
    finally:
        await bus.close()


@contextlib.asynccontextmanager
async def _bus(plan: Plan) -> AsyncIterator[BusSettings]:
    """Start the embedded bus where it is ours to start, else find the one that runs."""
    if plan.settings.nats != "embedded" or plan.only:
        yield find_bus(plan.settings, plan.data)
        return
    data = prepare_data(plan.data)
    log = get_logger("supervisor")
    server = EmbeddedServer(
        data / "nats",
        durability=plan.settings.durability,
        on_restart=lambda code: log.error("nats-server died and is started again", code=code),
    )
    await server.start()
    try:
        publish_connection(data, server.url, server.credentials)
        yield BusSettings(servers=(server.url,), credentials=server.credentials)
    finally:
        await server.stop()


@contextlib.asynccontextmanager
async def _router_child(plan: Plan) -> AsyncIterator[None]:
    """A stalled desk must not cost the router its lease, so the router has a process of its own."""
    arguments = (
        "-m",
        "broker.cli.main",
        "up",
        str(plan.file),
        "--data",
        str(plan.data),
        "--only",
        ROUTER,
        *plan.log_options,
    )
    child = ChildProcess(ROUTER, arguments)
    await child.start()
    try:
        yield
    finally:
        await child.stop()
