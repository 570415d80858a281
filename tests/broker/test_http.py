"""What the HTTP server tells strangers, and how many of them it lets in."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Any

import aiohttp
import pytest
import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter

from broker.http import LOOPBACK, Crowd, HttpServer, health_routes
from broker.monitoring.health import Readiness
from config import ListenAddress
from web.errors import REFUSALS, Networks, protect


class Unwell:
    async def readiness(self) -> Readiness:
        return Readiness(bus="", store="a probe could not be stored: nats://inside:4222", router="")


@asynccontextmanager
async def serving(
    *, monitors: Networks = LOOPBACK, proxies: Networks = (), most: int = 10
) -> AsyncIterator[tuple[str, int]]:
    registry = CollectorRegistry()
    Counter("messages", "Messages", registry=registry)
    app = web.Application()
    protect(app, trusted_proxies=proxies)
    app.add_routes(health_routes(Unwell(), registry, monitors))  # type: ignore[arg-type]  # no bus is needed here
    server = HttpServer(app, ListenAddress.parse("127.0.0.1:0"), most=most)
    await server.start()
    try:
        yield f"http://127.0.0.1:{server.port}", server.port
    finally:
        await server.stop()


async def get(url: str, **headers: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as answer:
        return answer.status, await answer.text()


async def raw(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        async with asyncio.timeout(30):
            return await reader.read()
    finally:
        writer.close()


async def test_our_monitoring_reads_metrics_and_reasons() -> None:
    async with serving() as (url, _):
        assert (await get(f"{url}/metrics"))[0] == 200
        status, body = await get(f"{url}/readyz")
        assert status == 503
        assert "nats://inside" in body


PROXY = ip_network("127.0.0.1/32")
NOBODY = ip_network("192.0.2.0/24")


@pytest.mark.parametrize(
    ("monitors", "proxies", "headers"),
    [
        ((NOBODY,), (), {}),
        (LOOPBACK, (), {"X-Forwarded-For": "127.0.0.1"}),
        (LOOPBACK, (), {"Forwarded": "for=127.0.0.1"}),
        (LOOPBACK, (), {"Via": "1.1 proxy"}),
        (LOOPBACK, (PROXY,), {"X-Forwarded-For": "127.0.0.1, 198.51.100.7"}),
    ],
    ids=["elsewhere", "untrusted-proxy", "forwarded", "via", "stranger-behind-ours"],
)
async def test_strangers_learn_that_we_are_unwell_and_nothing_more(
    monitors: Networks, proxies: Networks, headers: dict[str, str]
) -> None:
    async with serving(monitors=monitors, proxies=proxies) as (url, _):
        status, body = await get(f"{url}/metrics", **headers)
        assert status == 403
        assert "messages" not in body
        assert await get(f"{url}/readyz", **headers) == (503, '{"ok": false}')
        assert await get(f"{url}/healthz", **headers) == (200, '{"ok": true}')


async def test_monitoring_behind_our_own_proxy_is_known_by_its_address() -> None:
    async with serving(monitors=(NOBODY,), proxies=(PROXY,)) as (url, _):
        assert (await get(f"{url}/metrics", **{"X-Forwarded-For": "192.0.2.9"}))[0] == 200


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization Bearer hunter2\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(500)) + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"hunter2 " * 2_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01hello, this is TLS\r\n\r\n",
    ],
    ids=["no-colon", "many-headers", "long-header", "long-path", "tls"],
)
async def test_what_is_no_http_is_refused_counted_and_repeated_to_nobody(request_: bytes) -> None:
    before = REFUSALS.labels("bad_request")._value.get()
    with structlog.testing.capture_logs() as logged:
        async with serving() as (url, port):
            answer = await raw(port, request_)
            assert (await get(f"{url}/healthz"))[0] == 200
    assert answer.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400"))
    assert b'"code":"bad_request"' in answer
    assert b"hunter2" not in answer
    assert b"aiohttp" not in answer
    assert b"Python" not in answer
    assert REFUSALS.labels("bad_request")._value.get() == before + 1
    assert [entry for entry in logged if entry["log_level"] != "debug"] == []


async def test_connections_of_one_network_are_limited_and_the_next_one_gets_in_when_one_leaves() -> None:
    before = REFUSALS.labels("too_many_connections")._value.get()
    async with serving(most=3) as (url, port):
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        assert await raw(port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n") == b""
        idle[0][1].close()
        await eventually(lambda: get(f"{url}/healthz"))
        for _, writer in idle[1:]:
            writer.close()
    assert REFUSALS.labels("too_many_connections")._value.get() > before


async def eventually(ask: Callable[[], Coroutine[Any, Any, tuple[int, str]]]) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                assert (await ask())[0] == 200
            except aiohttp.ClientError:
                await asyncio.sleep(0.01)
            else:
                return


def test_our_own_proxies_may_hold_any_number_of_connections() -> None:
    crowd = Crowd(1, (*LOOPBACK, ip_network("10.0.0.0/8")))
    for _ in range(5):
        assert crowd.enter("10.1.2.3") == ""
        assert crowd.enter("127.0.0.1") == ""
    assert crowd.enter("2001:db8::1") is not None
    assert crowd.enter("2001:db8::2") is None  # the same line
    assert crowd.enter("198.51.100.7") is not None
