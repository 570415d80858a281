"""One process of a workspace besides the router: channels, desk, HTTP server, and the log they all follow."""

import asyncio
import os
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from aiohttp import web
from msgspec import Struct
from prometheus_client import REGISTRY

from adapters.session import Reach, open_session
from broker.bus.connection import Bus
from broker.bus.settings import BusSettings
from broker.bus.streams import Workspace, ensure_streams
from broker.channels.context import ChannelMedia
from broker.channels.runner import Services
from broker.channels.secret import derive, workspace_secret
from broker.channels.serving import Serving
from broker.channels.tally import ChannelEvents, wall_clock
from broker.http import LOOPBACK, HttpServer, health_routes
from broker.links import FileLinks
from broker.live import Live
from broker.logs import Scrubber, get_logger
from broker.monitoring.alarms import AlarmCollector, Board, merged
from broker.monitoring.health import Health
from broker.monitoring.metrics import LogMetrics
from broker.monitoring.nodes import Beat, Nodes
from broker.monitoring.router_figures import RouterFigures
from broker.monitoring.storage import Storage, disk_share
from broker.monitoring.watch import Watch
from broker.outside import DeskDoor, DeskLedger, DeskLive, FileAccounts, FileChannels, KvRevocations
from broker.projections.index import Index
from broker.routing.follower import Follower
from broker.settings.source import Source
from broker.settings.workspace import WorkspaceSettings, secrets_in
from broker.versions import Versions
from desk.http.app import MOUNT, make_desk
from desk.ports import Alarm, Outside
from normalizer.ids import IdSource
from web.errors import protect

DESK = "desk"
CHANNELS = "channels"
FOLD_TIMEOUT = 120.0
"""Seconds to read the log at the start."""

STOP_TIMEOUT = 15.0


class _Common(Struct, frozen=True):
    """What the parts of a node share."""

    bus: Bus
    follower: Follower
    secret: bytes
    created: str


class Node:
    """Channels and desk of ``parts`` (all when empty), on one HTTP server.

    ``file`` is what the process was started with, ``folder`` where it lies; channels and operators are those of the
    version in force. ``disk`` is a folder on the disk of the bus, where that is this machine's, ``index`` that of the
    index for search and reports.
    """

    def __init__(  # noqa: PLR0913  # all but two by name
        self,
        file: Source,
        bus: BusSettings,
        *,
        board: Board,
        scrubber: Scrubber,
        folder: Path,
        parts: Sequence[str] = (),
        disk: Path | None = None,
        index: Path | None = None,
    ) -> None:
        self.settings = file.settings
        self.public_url = self.settings.http.public_url or f"http://{self.settings.http.listen}"
        self._file = file
        self._bus_settings = bus
        self._board = board
        self._scrubber = scrubber
        self._folder = folder
        self._parts = parts
        self._disk = disk
        self._index = index
        self._workspace = Workspace(self.settings.workspace)
        self._ids = IdSource()
        self._name = self._ids.new()
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
        common = _Common(bus, follower, await workspace_secret(bus, self._workspace), times.log_stream)
        self._metrics(common)
        serving = await self._serving(common)
        live = await self._live(common, serving)
        nodes = await self._watch(common, serving, live)
        app = self._application(common, nodes)
        app.add_routes(self._links(common).routes())
        app.router.register_resource(serving.resource)
        if self._has(DESK):
            await self._add_desk(app, common, live, nodes)
        await self._open(app, serving, live)

    async def _open(self, app: web.Application, serving: Serving, live: Live) -> None:
        """Start the channels, and let people in."""

        async def end_channels(_app: web.Application) -> None:
            """Before the server waits for open connections: visitors' sockets end with their channel."""
            await serving.close()

        app.on_shutdown.append(end_channels)
        self._stack.push_async_callback(serving.close)
        wanted = self._channels(live.source.settings)
        if live.version:  # it has run before: what one channel's provider refuses by now must not take others with it
            await serving.change(wanted, live.source.types)
        else:
            serving.start(wanted, live.source.types)
        self._keep(asyncio.create_task(serving.wait(), name="channels"))
        server = HttpServer(app, self.settings.http.listen, free=(*LOOPBACK, *self.settings.http.proxies))
        await server.start()
        self._stack.push_async_callback(server.stop)
        self._keep(asyncio.create_task(live.run(), name="version"))

    def _has(self, part: str) -> bool:
        return not self._parts or part in self._parts

    def _channels(self, settings: WorkspaceSettings) -> dict[str, Struct]:
        """Give the channels that this process runs."""
        every = self._has(CHANNELS)
        return {name: channel for name, channel in settings.channels.items() if every or name in self._parts}

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

    def _metrics(self, common: _Common) -> None:
        metrics = LogMetrics(REGISTRY, common.follower)
        self._stack.callback(common.follower.subscribe(metrics.record))
        self._stack.callback(metrics.close)
        share = partial(disk_share, self._disk) if self._disk is not None else None
        storage = Storage(common.bus, self._workspace, REGISTRY, self._board, share=share)
        self._stack.callback(storage.close)
        self._keep(asyncio.create_task(storage.run(), name="storage"))
        figures = RouterFigures(common.bus, self._workspace, REGISTRY)
        self._stack.callback(figures.close)
        self._keep(asyncio.create_task(figures.run(), name="router figures"))
        self._stack.callback(AlarmCollector(self._board, REGISTRY).close)

    async def _serving(self, common: _Common) -> Serving:
        http = await self._stack.enter_async_context(open_session(Reach.ANYWHERE))
        events = ChannelEvents(REGISTRY)
        self._stack.callback(events.close)
        return Serving(
            Services(
                bus=common.bus,
                workspace=self._workspace,
                created=common.created,
                following=common.follower,
                http=http,
                public_url=self.public_url,
                secret=common.secret,
                link=self._links(common).make,
                scrub=self._scrubber.add,
                events=events,
            )
        )

    def _links(self, common: _Common) -> FileLinks:
        media = ChannelMedia(common.bus, self._workspace, "links")
        return FileLinks(media, derive(common.secret, "files"), self.public_url)

    async def _live(self, common: _Common, serving: Serving) -> Live:
        async def change(source: Source) -> None:
            self._scrubber.add(secrets_in(source.settings))
            await serving.change(self._channels(source.settings), source.types)

        live = Live(
            self._file,
            versions=Versions(common.bus, self._workspace, common.secret),
            following=common.follower,
            board=self._board,
            folder=self._folder,
            env=os.environ,
            apply=change,
        )
        await live.begin()
        self._scrubber.add(secrets_in(live.source.settings))
        return live

    async def _watch(self, common: _Common, serving: Serving, live: Live) -> Nodes:
        """Say what this process does, hear what others do, and look whether anything hangs."""

        def beat() -> Beat:
            return Beat(
                node=self._name,
                parts=tuple(self._parts),
                version=live.version,
                channels=serving.statuses,
                alarms=self._board.alarms,
            )

        nodes = Nodes(common.bus, self._workspace, beat)
        self._stack.push_async_callback(nodes.close)
        await nodes.start()
        self._keep(asyncio.create_task(nodes.run(), name="nodes"))
        watch = Watch(
            common.bus,
            self._workspace,
            self._board,
            created=common.created,
            following=common.follower,
            statuses=lambda: serving.statuses,
            alive=lambda: nodes.alive,
            expect_every=lambda: live.source.settings.alarms.expect_every,
            now=wall_clock,
        )
        self._stack.callback(common.follower.subscribe(watch.record))
        self._keep(asyncio.create_task(watch.run(), name="watch"))
        return nodes

    def _application(self, common: _Common, nodes: Nodes) -> web.Application:
        app = web.Application()
        protect(app, trusted_proxies=self.settings.http.proxies)
        health = Health(common.bus, self._workspace, common.follower)
        self._stack.callback(common.follower.subscribe(health.record))
        app.add_routes(health_routes(health, REGISTRY, self.settings.http.watchers, lambda: _alarms(nodes)))
        return app

    async def _add_desk(self, app: web.Application, common: _Common, live: Live, nodes: Nodes) -> None:
        bus = common.bus
        typing = DeskLive(bus, self._workspace)
        self._stack.push_async_callback(typing.close)
        revocations = KvRevocations(bus, self._workspace, wall_clock)
        self._stack.push_async_callback(revocations.close)
        await revocations.start()
        index = self._find_index()
        outside = Outside(
            ledger=DeskLedger(common.follower),
            door=DeskDoor(bus, self._workspace),
            live=typing,
            media=ChannelMedia(bus, self._workspace, DESK),
            accounts=FileAccounts(lambda: live.source.settings),
            channels=FileChannels(lambda: live.source.settings),
            revocations=revocations,
            now=wall_clock,
            new_id=self._ids.new,
            secret=lambda purpose: derive(common.secret, f"desk {purpose}"),
            monotonic=time.monotonic,
            node=self._name,
            public_url=self.public_url,
            alarms=lambda: _alarms(nodes),
            search=index,
            figures=index,
        )
        app.add_subapp(MOUNT, make_desk(outside, self.settings.desk))

    def _find_index(self) -> Index | None:
        if self._index is None:
            return None
        index = Index(self._index, self._workspace.name, now=wall_clock)
        self._stack.callback(index.close)
        return index


def _alarms(nodes: Nodes) -> tuple[Alarm, ...]:
    """Give what is wrong anywhere in the workspace."""
    return merged(beat.alarms for beat in nodes.alive)


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel a part and wait until it has let go."""
    task.cancel()
    await asyncio.wait([task], timeout=STOP_TIMEOUT)
