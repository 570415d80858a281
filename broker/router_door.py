"""Health, metrics and alarms of a process that runs only a router, and its entry in the list of processes.

It follows no log: the router beside it does that already, and must not share its time with a second one.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

from aiohttp import web
from prometheus_client import REGISTRY

from broker.bus.connection import Bus
from broker.bus.settings import BusSettings
from broker.bus.streams import Workspace, ensure_streams
from broker.channels.tally import wall_clock
from broker.http import LOOPBACK, HttpServer, health_routes
from broker.monitoring.alarms import AlarmCollector, Board, merged
from broker.monitoring.health import LATE_AFTER, RouterHealth
from broker.monitoring.nodes import ROUTER_ALONE, Beat, Nodes
from broker.monitoring.router_figures import RouterFigures
from broker.monitoring.storage import Storage, disk_share
from broker.monitoring.watch import bus_away, router_missing
from broker.routing.tasks import end
from broker.settings.workspace import WorkspaceSettings
from desk.ports import Alarm
from normalizer.ids import IdSource
from web.errors import protect

LOOK_EVERY: Final = 5.0
OWN: Final = frozenset(("bus_away", "router_missing"))


@asynccontextmanager
async def router_door(
    settings: WorkspaceSettings, bus_settings: BusSettings, board: Board, *, disk: Path | None = None
) -> AsyncIterator[None]:
    """Tell, while a router runs in this process. ``disk`` as for :class:`broker.node.Node`.

    Raises:
        BusError: the bus cannot be reached.
        OSError: the address cannot be listened on.
    """
    workspace = Workspace(settings.workspace)
    name = IdSource().new()
    async with AsyncExitStack() as stack:
        bus = await Bus.connect(bus_settings, f"router door {workspace.name}")
        stack.push_async_callback(bus.close)
        await ensure_streams(bus, workspace)
        nodes = Nodes(bus, workspace, lambda: Beat(node=name, parts=ROUTER_ALONE, alarms=board.alarms))
        stack.push_async_callback(nodes.close)
        await nodes.start()
        figures = RouterFigures(bus, workspace, REGISTRY)
        stack.callback(figures.close)
        share = partial(disk_share, disk) if disk is not None else None
        storage = Storage(bus, workspace, REGISTRY, board, share=share)
        stack.callback(storage.close)
        stack.callback(AlarmCollector(board, REGISTRY).close)
        works = (nodes.run(), figures.run(), storage.run(), _watch(board, bus, figures.silence))
        tasks = [asyncio.create_task(work) for work in works]
        stack.push_async_callback(end, tasks)
        server = HttpServer(
            _application(settings, RouterHealth(bus, workspace, figures.silence), nodes),
            settings.http.listen,
            free=(*LOOPBACK, *settings.http.proxies),
        )
        await server.start()
        stack.push_async_callback(server.stop)
        yield


def _application(settings: WorkspaceSettings, health: RouterHealth, nodes: Nodes) -> web.Application:
    def alarms() -> tuple[Alarm, ...]:
        return merged(beat.alarms for beat in nodes.alive)

    app = web.Application()
    protect(app, trusted_proxies=settings.http.proxies)
    app.add_routes(health_routes(health, REGISTRY, settings.http.watchers, alarms))
    return app


async def _watch(board: Board, bus: Bus, silence: Callable[[], float]) -> None:
    while True:
        now = wall_clock()
        away = not bus.connected
        missing = not away and silence() > LATE_AFTER
        found = [bus_away(now)] if away else [router_missing(now - int(silence() * 1_000))] if missing else []
        board.settle(OWN, found)
        await asyncio.sleep(LOOK_EVERY)
