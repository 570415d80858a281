"""What keeps a channel running: its check at the start, its parts under leases, its routes, its end.

A channel that fails never takes others with it. The three ways to fail at the start: bad settings (the program must
not run so; a channel that came while it ran is off instead), bad credentials (the channel is off and says so, and is
looked at again from time to time), not reachable (tried again with growing pauses).
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec import Struct

from adapters.contract import Adapter, Finding
from adapters.errors import BadCredentials, BadSettings, NotReachable
from broker.bus.connection import Bus
from broker.bus.kv import Bucket
from broker.bus.lease import TTL, Lease
from broker.bus.streams import Workspace
from broker.channels.claims import Overtaken
from broker.channels.context import ChannelContext
from broker.channels.door import Door
from broker.channels.lines import ChannelLines, Following
from broker.channels.tally import Cause, ChannelEvents, ChannelStatus, Health, Tally
from broker.channels.worker import Worker
from normalizer.ids import IdSource
from normalizer.render import Link

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
OFF_PAUSE = 300.0
LOOK_AGAIN = 300.0
"""Seconds between two checks of a channel with which something is wrong."""

STEADY = 60.0
"""Seconds after which a part that ran counts as healthy again."""

AT_ONCE = 10.0
"""Seconds within which an adapter that has nothing to read returns; an end after that is a fault."""

CHECK_TIMEOUT = 60.0
CLOSE_TIMEOUT = 5.0
RETRY_AFTER = "30"


class Ended(Exception):
    """An adapter has stopped to read without being asked to."""


class Services(Struct, frozen=True, kw_only=True):
    """What all channels of a process share.

    ``created`` is the creation time of the log (``StreamTimes.log_stream``), ``secret`` the workspace's key
    (``workspace_secret``), ``link`` gives the public address of a stored file, ``scrub`` takes the values that must
    not appear in logs. The last six are in seconds.
    """

    bus: Bus
    workspace: Workspace
    created: str
    following: Following
    http: aiohttp.ClientSession
    public_url: str
    secret: bytes
    link: Link
    scrub: Callable[[Iterable[str]], None]
    events: ChannelEvents | None = None
    first_pause: float = FIRST_PAUSE
    lease_ttl: float = TTL
    check_timeout: float = CHECK_TIMEOUT
    steady: float = STEADY
    at_once: float = AT_ONCE
    look_again: float = LOOK_AGAIN


class Channel:
    """One configured channel on this node."""

    def __init__(self, name: str, adapter: type[Adapter], settings: Struct, services: Services) -> None:
        self.name = name
        self._services = services
        self._tally = Tally(name, adapter.type, events=services.events)
        self.door = Door(services.bus, services.workspace, self._tally)
        self._lines = ChannelLines(services.bus, services.workspace, services.following, name)
        self._context = ChannelContext(
            bus=services.bus,
            workspace=services.workspace,
            door=self.door,
            tally=self._tally,
            lines=self._lines,
            http=services.http,
            public_url=services.public_url,
            secret=services.secret,
        )
        self.adapter = adapter(settings, self._context)
        services.scrub(self.adapter.secrets())
        self._owner = IdSource().new()
        self._log = self._context.log

    @property
    def status(self) -> ChannelStatus:
        """How it is."""
        return self._tally.status

    def routes(self) -> Sequence[web.RouteDef]:
        """Give its routes with their whole paths. While the channel is off they answer 503."""
        return [
            web.route(route.method, f"/channels/{self.name}{route.path}", self._guard(route.handler), **route.kwargs)
            for route in self.adapter.routes()
        ]

    async def check(self) -> Sequence[Finding]:
        """Look whether it can work. Raises StartError."""
        try:
            async with asyncio.timeout(self._services.check_timeout):
                return await self.adapter.check()
        except TimeoutError as exc:
            message = f"the check of {self.name} took over {self._services.check_timeout:g} s"
            raise NotReachable("timeout", message) from exc

    async def run(self, *, strict: bool = True) -> None:
        """Keep the channel running until cancelled; then end it within bounded time.

        Raises:
            BadSettings: with ``strict``: the check at the start says that it must not run so.
        """
        try:
            await self._keep("start", self._start, strict=strict)
            self._tally.recover("start")
            self._turn("running")
            async with asyncio.TaskGroup() as parts:
                parts.create_task(self._look_again())
                parts.create_task(self._keep("receive", self._receive))
                if self.adapter.delivery == "worker":
                    parts.create_task(self._keep("send", self._send))
                else:
                    self._lines.keep()  # visitors of a node that stops come here at once
                await asyncio.Event().wait()  # routes are served also when no part has anything to do
        except ExceptionGroup as group:
            raise _first(group) from group
        finally:
            await self._close()

    # --- parts ---

    async def _start(self) -> None:
        self._note(await self.check())

    def _note(self, findings: Iterable[Finding]) -> None:
        wrong = tuple(finding for finding in findings if not finding.ok)
        for finding in wrong:
            if finding not in self.status.findings:
                self._log.warning("channel.finding", what=finding.what, remedy=finding.remedy)
        self._tally.find(wrong)

    async def _look_again(self) -> None:
        """Check again while something is wrong: what was mended is no alarm any more."""
        while True:
            await asyncio.sleep(self._services.look_again)
            if not self.status.findings:
                continue
            try:
                self._note(await self.check())
            except Exception as exc:  # noqa: BLE001  # foreign code; what does not work is said by the parts that need it
                self._log.info("channel.not_checked", failure=type(exc).__name__)

    async def _receive(self) -> None:
        if not self.adapter.single_reader:
            await self._read()
            return
        await self._under_lease("receive", self._run_while_held)

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await self.adapter.run()
        if loop.time() - begun > self._services.at_once:
            raise Ended("reading has ended by itself")

    async def _run_while_held(self, lease: Lease) -> None:
        """Read until the lease is lost: a second reader would take what the first one has not stored yet."""
        reading = asyncio.ensure_future(self._read())
        losing = asyncio.ensure_future(lease.lost.wait())
        try:
            await asyncio.wait((reading, losing), return_when=asyncio.FIRST_COMPLETED)
            if losing.done():
                raise Overtaken("the lease of this channel is lost")
            await reading
        finally:
            reading.cancel()
            losing.cancel()
            await asyncio.gather(reading, losing, return_exceptions=True)

    async def _send(self) -> None:
        await self._under_lease("send", self._work)

    async def _work(self, lease: Lease) -> None:
        services = self._services
        worker = Worker(
            self.adapter,
            bus=services.bus,
            workspace=services.workspace,
            created=services.created,
            door=self.door,
            tally=self._tally,
            lease=lease,
            name=IdSource().new(),
            link=services.link,
        )
        await worker.run()

    async def _under_lease(self, part: str, work: Callable[[Lease], Awaitable[None]]) -> None:
        bucket = Bucket(self._services.bus, self._services.workspace.leases_bucket)
        key = f"{self._services.workspace.name}.channel.{self.name}.{part}"
        lease = Lease(bucket, key, self._owner, ttl=self._services.lease_ttl, renew_every=self._services.lease_ttl / 4)
        try:
            await lease.acquire()
            await work(lease)
        finally:
            await lease.release()

    # --- keeping ---

    async def _keep(self, part: str, work: Callable[[], Awaitable[None]], *, strict: bool = False) -> None:
        """Do a part's work until it ends by itself; what fails is begun again after a growing pause."""
        loop, pause = asyncio.get_running_loop(), self._services.first_pause
        while True:
            begun = loop.time()
            recovering = loop.call_later(self._services.steady, self._tally.recover, part)
            try:
                await work()
            except BadSettings as exc:
                if strict:
                    raise
                self._off(part, "settings", f"{exc.key}: {exc.message}")
                pause = OFF_PAUSE
            except BadCredentials as exc:
                self._off(part, "credentials", exc.message)
                pause = OFF_PAUSE
            except NotReachable as exc:
                self._failing(part, "unreachable", exc.message)
                self._log.warning("channel.not_reachable", part=part, reason=exc.message)
            except Overtaken as exc:
                self._log.warning("channel.overtaken", part=part, reason=str(exc))
                pause = self._services.first_pause
            except Ended as exc:
                self._failing(part, "ended", str(exc))
                self._log.error("channel.ended", part=part)  # there is no traceback worth a line
            except Exception as exc:  # noqa: BLE001  # whatever it is, this channel is tried again and others go on
                self._failing(part, "crashed", f"{part}: {type(exc).__name__}")
                self._log.exception("channel.part_failed", part=part)
            else:
                return
            finally:
                recovering.cancel()
            if loop.time() - begun > self._services.steady:
                pause = self._services.first_pause
            await asyncio.sleep(pause * (0.5 + random.random() / 2))  # noqa: S311  # jitter, no secret
            pause = min(2 * pause, max(LONGEST_PAUSE, pause))
            self._turn("running" if part != "start" else "starting")

    def _off(self, part: str, cause: Cause, reason: str) -> None:
        self._turn("off", reason)
        self._tally.trouble(part, cause, reason)
        self._tally.count("alarm")
        self._log.error("channel.off", part=part, reason=reason, remedy=f"mend its {cause}")

    def _failing(self, part: str, cause: Cause, reason: str) -> None:
        self._turn("failing", reason)
        self._tally.trouble(part, cause, reason)

    def _turn(self, state: Health, reason: str = "") -> None:
        self._tally.turn(state, reason)

    def _guard(self, handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            if self.status.state == "off":
                error = {"code": "off", "message": "this channel is off at the moment"}
                return web.json_response({"error": error}, status=503, headers={"Retry-After": RETRY_AFTER})
            return await handler(request)

        return guarded

    async def _close(self) -> None:
        self._turn("stopped")
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self.adapter.close()
        except Exception:  # noqa: BLE001  # foreign code, and there is nothing left to do
            self._log.exception("channel.not_closed")
        self._lines.close()
        await self.door.close()


def _first(group: ExceptionGroup[Exception]) -> Exception:
    """Give the one exception that ended the parts."""
    first = group.exceptions[0]
    return _first(first) if isinstance(first, ExceptionGroup) else first
