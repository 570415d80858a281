"""The HTTP server of a node: health, metrics, and whatever its parts mount.

Strangers learn whether we are well, not how we are: metrics and reasons are for the networks of ``http.monitors``.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from ipaddress import ip_network
from typing import Any, Final

import msgspec
import structlog
from aiohttp import hdrs, web
from prometheus_client import CollectorRegistry, generate_latest

from broker.monitoring.health import Probing
from config import ListenAddress
from desk.ports import Alarm
from web.errors import REFUSALS, Error, Networks, Refusal, client_ip, error_response, is_within
from web.limits import network_key

STOP_TIMEOUT = 5.0
"""Seconds that open requests and sockets have to end."""

KEPT_IDLE = 75.0
"""Seconds for which a connection may be open without a whole request; proxies keep theirs for 60."""

MOST_CONNECTIONS = 1_000
"""Of one network address; proxies that are ours and this machine itself may have any number."""

LOOPBACK: Final[Networks] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_MALFORMED = "this is not a well-formed HTTP request"
_FORWARDED = (hdrs.X_FORWARDED_FOR, hdrs.FORWARDED, hdrs.VIA)
_log: Final = structlog.stdlib.get_logger(__name__)


def health_routes(
    health: Probing,
    registry: CollectorRegistry,
    monitors: Networks = LOOPBACK,
    alarms: Callable[[], Sequence[Alarm]] = tuple,
) -> Iterable[web.RouteDef]:
    """Give ``/healthz`` (the loop turns), ``/readyz`` (a message would be taken and decided) and ``/metrics``.

    Alarms make nobody unready: a process that is taken out of service mends none of them.
    """

    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    async def readyz(request: web.Request) -> web.Response:
        found = await health.readiness()
        body: dict[str, object] = {"ok": found.ok}
        if _may_look(request, monitors):
            body |= {"bus": found.bus, "store": found.store, "router": found.router}
            body["alarms"] = msgspec.to_builtins(alarms())
        return web.json_response(body, status=200 if found.ok else 503)

    async def metrics(request: web.Request) -> web.Response:
        if not _may_look(request, monitors):
            raise Refusal(403, "forbidden", "metrics are for the networks under `http.monitors`")
        return web.Response(body=generate_latest(registry), headers={"Content-Type": _METRICS_TYPE})

    return (web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics))


def _may_look(request: web.Request, monitors: Networks) -> bool:
    """Say whether a request comes from our own monitoring.

    What a proxy has passed on that nobody trusts comes from anywhere, however near the proxy is.
    """
    address = client_ip(request)
    passed_on = address == request.remote and any(name in request.headers for name in _FORWARDED)
    return is_within(address, monitors) and not passed_on


class Crowd:
    """Counts the open connections of each network address; ``free`` networks may have any number."""

    def __init__(self, most: int, free: Networks) -> None:
        self._most = most
        self._free = free
        self._open: Counter[str] = Counter()

    def enter(self, address: str) -> str | None:
        """Count one more; give the name under which it counts, or None: these are too many."""
        if is_within(address, self._free):
            return ""
        network = network_key(address)
        if self._open[network] >= self._most:
            return None
        self._open[network] += 1
        return network

    def leave(self, network: str | None) -> None:
        """Count one less."""
        if network:
            self._open[network] -= 1
            if not self._open[network]:
                del self._open[network]


class _Connection(web.RequestHandler):
    """One connection: refused where there are too many, and answered in our one shape when it speaks no HTTP."""

    __slots__ = ("_crowd", "_network")

    def __init__(self, manager: web.Server, crowd: Crowd, loop: asyncio.AbstractEventLoop) -> None:
        no_log: Any = None  # what AppRunner takes, and hands on, too
        super().__init__(manager, loop=loop, access_log=no_log, keepalive_timeout=KEPT_IDLE)
        self._crowd = crowd
        self._network: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection."""
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self._network = self._crowd.enter(peer[0] if peer else "")
        if self._network is None:
            REFUSALS.labels("too_many_connections").inc()
            self.force_close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Count it no more."""
        self._crowd.leave(self._network)
        self._network = None
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what never became a request; aiohttp would log, and send back, what the stranger sent."""
        if request.writer.output_size > 0 or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return super().handle_error(request, status, exc, message)
        _log.debug("malformed request", remote=request.remote, reason=type(exc).__name__)
        answer = error_response(status, Error("bad_request", _MALFORMED))
        answer.headers[hdrs.SERVER] = "Trunkline"  # without it aiohttp names itself and its version
        answer.force_close()
        return answer


class HttpServer:
    """Serves an application on an address, and stops in bounded time."""

    def __init__(
        self, app: web.Application, listen: ListenAddress, *, free: Networks = (), most: int = MOST_CONNECTIONS
    ) -> None:
        self._runner = web.AppRunner(app, shutdown_timeout=STOP_TIMEOUT, handler_cancellation=True)
        self._listen = listen
        self._crowd = Crowd(most, free)
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address is taken or not ours; the message names it.
        """
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        manager = self._runner.server
        assert manager is not None  # noqa: S101 - set up just now
        try:
            self._server = await loop.create_server(
                lambda: _Connection(manager, self._crowd, loop),
                self._listen.host,
                self._listen.port,
                reuse_address=True,
                backlog=1_024,
            )
        except OSError as exc:
            await self._runner.cleanup()
            remedy = "change `http.listen`, or name another address with --listen"
            raise OSError(f"cannot listen on {self._listen} ({exc.strerror}): {remedy}") from exc
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """End open requests and close; bounded."""
        if self._server is not None:
            self._server.close()
        async with asyncio.timeout(2 * STOP_TIMEOUT):
            await self._runner.cleanup()
