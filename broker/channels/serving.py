"""The channels that a process runs now: they come, change and go while it serves, and none disturbs another."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence, Sized
from typing import Any

from aiohttp import web
from aiohttp.web_urldispatcher import AbstractResource, AbstractRoute
from msgspec import Struct
from yarl import URL

from adapters.contract import Adapter
from adapters.errors import BadSettings
from broker.channels.runner import Channel, Services
from broker.channels.tally import Cause, ChannelStatus, Tally
from broker.logs import get_logger

PREFIX = "/channels"
STOP_TIMEOUT = 15.0
"""Seconds that a channel has to store what it holds and to end."""


class ChannelRefused(Exception):
    """A channel must not run with the settings that it has; ``key`` is the path below them."""

    def __init__(self, channel: str, key: str, message: str) -> None:
        super().__init__(f"channels.{channel}.{key}: {message}" if key else f"channels.{channel}: {message}")
        self.channel = channel
        self.key = key
        self.message = message


class _Running(Struct, frozen=True, eq=False):
    """One channel, what it was made from, and the way to its routes."""

    channel: Channel
    settings: Struct
    task: asyncio.Task[None]
    router: web.UrlDispatcher


class Serving:
    """The channels of one process. :attr:`resource` leads requests below ``/channels`` to whoever is there now."""

    def __init__(self, services: Services) -> None:
        self.resource = _ChannelRoutes(self)
        self._services = services
        self._running: dict[str, _Running] = {}
        self._refused: dict[str, ChannelStatus] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._log = get_logger("channels")

    @property
    def statuses(self) -> dict[str, ChannelStatus]:
        """How each channel is, also those that could not be made."""
        return self._refused | {name: one.channel.status for name, one in self._running.items()}

    def start(self, wanted: Mapping[str, Struct], types: Mapping[str, type[Adapter]]) -> None:
        """Start the channels of a workspace that has never run: a setting that one refuses ends the process.

        Raises:
            ChannelRefused: one must not run so; nothing has been started.
        """
        made = {name: self._make(name, types[_type(settings)], settings) for name, settings in wanted.items()}
        for name, channel in made.items():
            self._begin(name, channel, wanted[name], strict=True)

    async def change(self, wanted: Mapping[str, Struct], types: Mapping[str, type[Adapter]]) -> None:
        """End what is not wanted any more or not so, start what is new; all others do not notice."""
        leaving = [name for name, one in self._running.items() if wanted.get(name) != one.settings]
        await asyncio.gather(*map(self._end, leaving))
        self._refused.clear()
        for name, settings in wanted.items():
            if name not in self._running and not self._closed:
                self._add(name, types[_type(settings)], settings)

    async def wait(self) -> None:
        """Wait until a channel ends that must not; its error is raised: ChannelRefused, or a fault of ours."""
        await asyncio.shield(self._failed)

    async def close(self) -> None:
        """End all channels, those included that a change has told to end; bounded."""
        self._closed = True
        await asyncio.gather(*map(self._end, list(self._running)))
        if self._ending:
            await asyncio.wait(self._ending, timeout=STOP_TIMEOUT)
        self._failed.cancel()

    def router(self, channel: str) -> web.UrlDispatcher | None:
        """Give the routes of a channel that runs."""
        running = self._running.get(channel)
        return running.router if running is not None else None

    # --- one channel ---

    def _make(self, name: str, adapter: type[Adapter], settings: Struct) -> Channel:
        try:
            return Channel(name, adapter, settings, self._services)
        except BadSettings as exc:
            raise ChannelRefused(name, exc.key, exc.message) from exc

    def _add(self, name: str, adapter: type[Adapter], settings: Struct) -> None:
        """Start a channel that comes while others run: what is wrong with it is its own affair."""
        try:
            self._begin(name, self._make(name, adapter, settings), settings, strict=False)
        except ChannelRefused as exc:
            self._refuse(name, adapter, "settings", f"{exc.key}: {exc.message}")
        except Exception as exc:  # noqa: BLE001  # foreign code, whatever it raises
            self._log.exception("channel.not_made", channel=name)
            self._refuse(name, adapter, "crashed", f"it cannot be made: {type(exc).__name__}")

    def _refuse(self, name: str, adapter: type[Adapter], cause: Cause, reason: str) -> None:
        tally = Tally(name, adapter.type)
        tally.turn("off", reason)
        tally.trouble("start", cause, reason)
        self._refused[name] = tally.status
        self._log.error("channel.refused", channel=name, reason=reason)

    def _begin(self, name: str, channel: Channel, settings: Struct, *, strict: bool) -> None:
        router = web.UrlDispatcher()
        router.add_routes(channel.routes())
        router.freeze()
        task = asyncio.create_task(channel.run(strict=strict), name=f"channel {name}")
        self._running[name] = _Running(channel, settings, task, router)
        task.add_done_callback(lambda task: self._ended(name, task))
        self._log.info("channel.started", channel=name, type=_type(settings))

    async def _end(self, name: str) -> None:
        """Cancel a channel and wait until it has let go; requests to it find nothing from now on."""
        running = self._running.pop(name, None)
        if running is None:
            return
        self._ending.add(running.task)
        running.task.add_done_callback(self._ending.discard)
        running.task.cancel()
        done, _ = await asyncio.wait([running.task], timeout=STOP_TIMEOUT)
        self._log.info("channel.stopped" if done else "channel.still_stopping", channel=name)

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        if task.cancelled() or (failure := task.exception()) is None or self._failed.done():
            return
        if isinstance(failure, BadSettings):
            failure = ChannelRefused(name, failure.key, failure.message)
        self._failed.set_exception(failure)


class _ChannelRoutes(AbstractResource, Sized):
    """Routes below ``/channels``: aiohttp freezes an application's own once it runs."""

    def __init__(self, serving: Serving) -> None:
        super().__init__()
        self._serving = serving

    @property
    def canonical(self) -> str:
        """The path below which these routes are."""
        return PREFIX

    async def resolve(self, request: web.Request) -> tuple[web.UrlMappingMatchInfo | None, set[str]]:
        """Find the route in those of the channel that the path names."""
        name = request.rel_url.parts[2] if len(request.rel_url.parts) > len(("/", "channels")) else ""
        router = self._serving.router(name)
        return (None, set()) if router is None else (await router.resolve(request), set())

    def url_for(self, **kwargs: str) -> URL:
        """Give no address: each channel makes its own."""
        raise NotImplementedError(kwargs)

    def add_prefix(self, prefix: str) -> None:
        """Stay where it is: it belongs to the outermost application."""
        raise NotImplementedError(prefix)

    def get_info(self) -> Any:  # noqa: ANN401  # a type that aiohttp does not export
        """Say the path."""
        return {"path": PREFIX}

    def raw_match(self, path: str) -> bool:
        """Say whether a path is this one."""
        return path == PREFIX

    def __len__(self) -> int:
        return 0

    def __iter__(self) -> Iterator[AbstractRoute]:
        routes: Sequence[AbstractRoute] = ()
        return iter(routes)


def _type(settings: Struct) -> str:
    return str(settings.__struct_config__.tag)
