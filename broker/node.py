"""One process of a workspace besides the router: channels, desk, HTTP server, and the log they all follow."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from aiohttp import web
from prometheus_client import REGISTRY

from adapters.contract import Adapter
from adapters.registry import adapter_types
from adapters.session import Reach, open_session
from broker.bus.connection import Bus
from broker.bus.settings import BusSettings
from broker.bus.streams import Workspace, ensure_streams
from broker.channels.context import ChannelMedia
from broker.channels.runner import Channel, Services
from broker.channels.secret import derive, workspace_secret
from broker.channels.tally import ChannelEvents, wall_clock
from broker.health import Health
from broker.http import LOOPBACK, HttpServer, health_routes
from broker.links import FileLinks
from broker.logs import Scrubber, get_logger
from broker.metrics import LogMetrics
from broker.outside import DeskDoor, DeskLive, FileAccounts, KvRevocations
from broker.router_figures import RouterFigures
from broker.routing.follower import Follower
from broker.storage import Storage, disk_share
from broker.workspace import WorkspaceSettings, channel_type
from desk.app import MOUNT, make_desk
from desk.ports import Outside
from normalizer.ids import IdSource
from web.errors import protect

DESK = "desk"
FOLD_TIMEOUT = 120.0
"""Seconds to read the log at the start."""

STOP_TIMEOUT = 15.0


class Node:
    """Channels and desk of ``parts`` (all when empty), on one HTTP server.

    ``disk`` is a folder on the disk of the bus, where that is this machine's.
    """

    def __init__(
        self,
        settings: WorkspaceSettings,
        bus: BusSettings,
        scrubber: Scrubber,
        *,
        parts: Sequence[str] = (),
        disk: Path | None = None,
    ) -> None:
        self.settings = settings
        self.public_url = settings.http.public_url or f"http://{settings.http.listen}"
        self._bus_settings = bus
        self._scrubber = scrubber
        self._parts = parts
        self._disk = disk
        self._workspace = Workspace(settings.workspace)
        self._ids = IdSource()
        self._stack = AsyncExitStack()
        self._running: set[asyncio.Task[None]] = set()
        self._log = get_logger("node")

    # --- life ---

    async def start(self) -> None:
        """Connect, read the log, and let people in; what it cannot do is raised, and nothing is left running."""
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def wait(self, stop: asyncio.Event) -> None:
        """Wait until ``stop``, or until a part ends that must not; its error is raised."""
        stopping = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait({stopping, *self._running}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        for task in done & self._running:
            task.result()

    async def stop(self) -> None:
        """Send visitors and operators elsewhere, store what waits, and let go; bounded by its parts."""
        await self._stack.aclose()

    async def _start(self) -> None:
        bus = await Bus.connect(self._bus_settings, f"node {self.settings.workspace}")
        self._stack.push_async_callback(bus.close)
        times = await ensure_streams(bus, self._workspace)
        follower = await self._follow(bus)
        secret = await workspace_secret(bus, self._workspace)
        self._metrics(bus, follower)
        app = self._application(bus, follower)
        await self._add_channels(app, bus, follower, secret, times.log_stream)
        if self._has(DESK):
            await self._add_desk(app, bus, follower, secret)
        server = HttpServer(app, self.settings.http.listen, free=(*LOOPBACK, *self.settings.http.proxies))
        await server.start()
        self._stack.push_async_callback(server.stop)

    def _has(self, part: str) -> bool:
        return not self._parts or part in self._parts

    def _keep(self, task: asyncio.Task[None]) -> None:
        """Own a task that must run until the node stops."""
        self._running.add(task)
        self._stack.push_async_callback(_end, task)

    # --- parts ---

    async def _follow(self, bus: Bus) -> Follower:
        follower = Follower(bus, self._workspace)
        self._keep(asyncio.create_task(follower.run(), name="follower"))
        async with asyncio.timeout(FOLD_TIMEOUT):
            await follower.wait_ready()
        return follower

    def _metrics(self, bus: Bus, follower: Follower) -> None:
        metrics = LogMetrics(REGISTRY, follower)
        self._stack.callback(follower.subscribe(metrics.record))
        self._stack.callback(metrics.close)
        share = partial(disk_share, self._disk) if self._disk is not None else None
        storage = Storage(bus, self._workspace, REGISTRY, share=share)
        self._stack.callback(storage.close)
        self._keep(asyncio.create_task(storage.run(), name="storage"))
        figures = RouterFigures(bus, self._workspace, REGISTRY)
        self._stack.callback(figures.close)
        self._keep(asyncio.create_task(figures.run(), name="router figures"))

    def _application(self, bus: Bus, follower: Follower) -> web.Application:
        app = web.Application()
        protect(app, trusted_proxies=self.settings.http.proxies)
        health = Health(bus, self._workspace, follower)
        self._stack.callback(follower.subscribe(health.record))
        app.add_routes(health_routes(health, REGISTRY, self.settings.http.watchers))
        return app

    async def _add_channels(
        self, app: web.Application, bus: Bus, follower: Follower, secret: bytes, created: str
    ) -> None:
        http = await self._stack.enter_async_context(open_session(Reach.ANYWHERE))
        links = FileLinks(ChannelMedia(bus, self._workspace, "links"), derive(secret, "files"), self.public_url)
        app.add_routes(links.routes())
        events = ChannelEvents(REGISTRY)
        self._stack.callback(events.close)
        services = Services(
            bus=bus,
            workspace=self._workspace,
            created=created,
            following=follower,
            http=http,
            public_url=self.public_url,
            secret=secret,
            link=links.make,
            scrub=self._scrubber.add,
            events=events,
        )
        types = adapter_types()
        tasks = []
        for name in filter(self._has, self.settings.channels):
            channel = self._channel(name, types, services)
            app.add_routes(channel.routes())
            tasks.append(asyncio.create_task(channel.run(), name=f"channel {name}"))

        async def end_channels(_app: web.Application) -> None:
            """Before the server waits for open connections: visitors' sockets end with their channel."""
            await asyncio.gather(*map(_end, tasks))

        app.on_shutdown.append(end_channels)
        for task in tasks:
            self._keep(task)

    def _channel(self, name: str, types: dict[str, type[Adapter]], services: Services) -> Channel:
        settings = self.settings.channels[name]
        return Channel(name, types[channel_type(settings)], settings, services)

    async def _add_desk(self, app: web.Application, bus: Bus, follower: Follower, secret: bytes) -> None:
        live = DeskLive(bus, self._workspace)
        self._stack.push_async_callback(live.close)
        revocations = KvRevocations(bus, self._workspace, wall_clock)
        self._stack.push_async_callback(revocations.close)
        await revocations.start()
        outside = Outside(
            ledger=follower,
            door=DeskDoor(bus, self._workspace),
            live=live,
            media=ChannelMedia(bus, self._workspace, DESK),
            accounts=FileAccounts(self.settings),
            revocations=revocations,
            now=wall_clock,
            new_id=self._ids.new,
            secret=lambda purpose: derive(secret, f"desk {purpose}"),
            monotonic=time.monotonic,
            node=self._ids.new(),
            public_url=self.public_url,
        )
        app.add_subapp(MOUNT, make_desk(outside, self.settings.desk))


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel a part and wait until it has let go."""
    task.cancel()
    await asyncio.wait([task], timeout=STOP_TIMEOUT)
