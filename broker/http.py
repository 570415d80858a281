"""The HTTP server of a node: health, metrics, and whatever its parts mount."""

import asyncio
from collections.abc import Iterable

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest

from broker.health import Health
from config import ListenAddress

STOP_TIMEOUT = 5.0
"""Seconds that open requests and sockets have to end."""

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def health_routes(health: Health, registry: CollectorRegistry) -> Iterable[web.RouteDef]:
    """Give ``/healthz`` (the loop turns), ``/readyz`` (a message would be taken and decided) and ``/metrics``."""

    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    async def readyz(_request: web.Request) -> web.Response:
        found = await health.readiness()
        body = {"ok": found.ok, "bus": found.bus, "store": found.store, "router": found.router}
        return web.json_response(body, status=200 if found.ok else 503)

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": _METRICS_TYPE})

    return (web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics))


class HttpServer:
    """Serves an application on an address, and stops in bounded time."""

    def __init__(self, app: web.Application, listen: ListenAddress) -> None:
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_TIMEOUT, handler_cancellation=True)
        self._listen = listen
        self.port = 0

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address is taken or not ours; the message names it.
        """
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._listen.host, self._listen.port, reuse_address=True)
        try:
            await site.start()
        except OSError as exc:
            await self._runner.cleanup()
            raise OSError(f"cannot listen on {self._listen} ({exc.strerror}): change `http.listen`") from exc
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """End open requests and close; bounded."""
        async with asyncio.timeout(2 * STOP_TIMEOUT):
            await self._runner.cleanup()
