import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, web
from msgspec import Struct

from tests.fixtures.site import Serve
from web.errors import REFUSALS, Error
from web.sockets import GOING_AWAY, SLOW_READER, Outbox, Socket, SocketLimits


class Ping(Struct, tag_field="type", tag="ping"):
    n: int


DECODER = msgspec.json.Decoder(Ping)
SMALL = SocketLimits(
    frame_bytes=1_024, queued_frames=4, queued_bytes=4_096, send_within=0.3, close_within=0.3, faults=3, heartbeat=20
)


def echo(opened: list[Socket], limits: SocketLimits = SMALL) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handler(request: web.Request) -> web.StreamResponse:
        async with Socket(request, limits) as sock:
            opened.append(sock)
            async for frame in sock.frames(DECODER):
                sock.send(b'{"n":%d}' % frame.n)
        return sock.response

    return handler


Client = ClientWebSocketResponse[bool]


def transport_of(ws: Client) -> asyncio.Transport:
    connection = ws._response.connection
    assert connection is not None
    assert isinstance(connection.transport, asyncio.Transport)
    return connection.transport


async def received(ws: Client) -> Any:  # noqa: ANN401 - whatever JSON says
    async with asyncio.timeout(30):
        message = await ws.receive()
    return msgspec.json.decode(message.data) if message.type is WSMsgType.TEXT else message


async def test_frames_come_and_go_in_order(serve: Serve) -> None:
    site = await serve(echo([]))
    async with site.http.ws_connect(site.url) as ws:
        for n in range(20):
            await ws.send_str(f'{{"type":"ping","n":{n}}}')
            assert await received(ws) == {"n": n}


@pytest.mark.parametrize(
    ("frame", "code", "field"),
    [
        ("{", "bad_json", ""),
        ("[]", "bad_request", ""),
        ('{"type":"ping","n":"x"}', "bad_request", "n"),
        ('{"type":"dance"}', "bad_request", "type"),
        (b"\x00\xff", "bad_frame", ""),
    ],
)
async def test_a_wrong_frame_is_answered_and_the_next_one_served(
    serve: Serve, frame: str | bytes, code: str, field: str
) -> None:
    site = await serve(echo([]))
    before = REFUSALS.labels(code)._value.get()
    async with site.http.ws_connect(site.url) as ws:
        await (ws.send_bytes(frame) if isinstance(frame, bytes) else ws.send_str(frame))
        answer = await received(ws)
        assert (answer["type"], answer["code"], answer.get("field", "")) == ("error", code, field)
        assert answer["message"]
        await ws.send_str('{"type":"ping","n":1}')
        assert await received(ws) == {"n": 1}
    assert REFUSALS.labels(code)._value.get() == before + 1


async def test_a_frame_nested_without_end_is_a_wrong_frame_like_others(serve: Serve) -> None:
    site = await serve(echo([], SocketLimits()))
    async with site.http.ws_connect(site.url) as ws:
        await ws.send_str('{"type":"ping","x":' + "[" * 30_000 + "]" * 30_000 + "}")
        assert (await received(ws))["code"] == "bad_json"
        await ws.send_str('{"type":"ping","n":1}')
        assert await received(ws) == {"n": 1}


async def test_who_goes_on_with_wrong_frames_is_closed_with_1008(serve: Serve) -> None:
    site = await serve(echo([]))
    async with site.http.ws_connect(site.url) as ws:
        for _ in range(3):
            await ws.send_str("{")
        assert [(await received(ws))["code"] for _ in range(3)] == ["bad_json"] * 3
        assert (await received(ws)).data == 1008


async def test_a_refusal_that_is_not_grave_is_no_step_towards_closing(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        async with Socket(request, SMALL) as sock:
            async for _ in sock.frames(DECODER):
                sock.refuse(Error("rate_limited", "slowly"), ref="x", retry_after=1.5, grave=False)
        return sock.response

    site = await serve(handler)
    async with site.http.ws_connect(site.url) as ws:
        for _ in range(10):
            await ws.send_str('{"type":"ping","n":1}')
            assert (await received(ws))["retry_after"] == 1.5


async def test_a_frame_too_big_is_closed_with_1009(serve: Serve) -> None:
    site = await serve(echo([]))
    async with site.http.ws_connect(site.url) as ws:
        before = REFUSALS.labels("too_large")._value.get()
        await ws.send_str("x" * 2_000)
        await received(ws)
        assert ws.close_code == 1009
        assert REFUSALS.labels("too_large")._value.get() == before + 1


async def test_ten_megabytes_are_refused_without_being_read(serve: Serve) -> None:
    opened: list[Socket] = []
    site = await serve(echo(opened))
    async with site.http.ws_connect(site.url) as ws:
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(30):
                await ws.send_str("x" * 10_000_000)
        await received(ws)
        assert ws.closed
    assert opened[0].closed


async def test_a_peer_that_does_not_read_is_closed_and_forgotten(serve: Serve) -> None:
    opened: list[Socket] = []
    ended = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            return await echo(opened)(request)
        finally:
            ended.set()

    async def flood() -> None:
        while opened[0].send(b"x" * 2_000):  # noqa: ASYNC110 - a flood, not a wait
            await asyncio.sleep(0)

    site = await serve(handler)
    before = REFUSALS.labels(SLOW_READER)._value.get()
    ws = await site.http.ws_connect(site.url)
    await ws.send_str('{"type":"ping","n":1}')
    await received(ws)
    transport_of(ws).pause_reading()  # the kernel's buffers fill up
    async with asyncio.timeout(30):
        await flood()
        await ended.wait()
    assert REFUSALS.labels(SLOW_READER)._value.get() == before + 1
    assert len(opened[0]._outbox) == 0
    assert opened[0]._sender is None or opened[0]._sender.done()
    transport_of(ws).abort()
    await ws.close()


async def test_closing_says_what_is_queued_first_and_then_why(serve: Serve) -> None:
    opened: list[Socket] = []
    site = await serve(echo(opened))
    async with site.http.ws_connect(site.url) as ws:
        await ws.send_str('{"type":"ping","n":1}')
        await received(ws)
        opened[0].send(b'"last words"')
        opened[0].close(GOING_AWAY)
        assert await received(ws) == "last words"
        end = await received(ws)
        assert (end.data, end.extra) == (1001, GOING_AWAY.reason)
        assert not opened[0].send(b"too late")


async def test_an_idle_socket_has_no_task_of_its_own(serve: Serve) -> None:
    opened: list[Socket] = []
    site = await serve(echo(opened))
    async with site.http.ws_connect(site.url) as ws:
        await ws.send_str('{"type":"ping","n":1}')
        await received(ws)
        assert opened[0]._sender is None


async def test_a_cut_connection_ends_the_handler(serve: Serve) -> None:
    ended = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            return await echo([])(request)
        finally:
            ended.set()

    site = await serve(handler)
    async with ClientSession() as http:
        ws = await http.ws_connect(site.url)
        transport_of(ws).abort()
        async with asyncio.timeout(30):
            await ended.wait()


async def test_the_first_frame_must_come_in_time(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        async with Socket(request, SMALL) as sock:
            assert await sock.first(DECODER, within=0.05) is None
        return sock.response

    site = await serve(handler)
    async with site.http.ws_connect(site.url) as ws:
        assert (await received(ws))["code"] == "too_slow"
        assert (await received(ws)).data == 1008


async def test_a_failing_handler_closes_with_1011(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        async with Socket(request, SMALL):
            raise ArithmeticError

    site = await serve(handler)
    async with site.http.ws_connect(site.url) as ws:
        assert (await received(ws)).data == 1011


async def test_put_waits_for_room_instead_of_closing(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        async with Socket(request, SMALL) as sock:
            for n in range(200):
                assert await sock.put(b'{"n":%d,"fill":"%s"}' % (n, b"x" * 900))
            async for _ in sock.frames(DECODER):
                pass
        return sock.response

    site = await serve(handler)
    async with site.http.ws_connect(site.url) as ws:
        assert [(await received(ws))["n"] for _ in range(200)] == list(range(200))


async def test_a_server_that_hears_nothing_for_long_ends_the_socket(serve: Serve) -> None:
    ended = asyncio.Event()
    limits = SocketLimits(heartbeat=0.2)

    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            return await echo([], limits)(request)
        finally:
            ended.set()

    site = await serve(handler)
    host, port = site.url.removeprefix("http://").strip("/").split(":")
    loop = asyncio.get_running_loop()
    with socket.create_connection((host, int(port))) as raw:
        raw.setblocking(False)
        await loop.sock_sendall(
            raw,
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        async with asyncio.timeout(30):
            await ended.wait()


def test_an_outbox_is_bounded_in_number_and_bytes() -> None:
    outbox = Outbox(max_frames=2, max_bytes=10)
    assert outbox.put(b"12345")
    assert not outbox.put(b"123456")
    assert outbox.put(b"12345")
    assert not outbox.put(b"")
    assert (outbox.take(), outbox.take(), outbox.take()) == (b"12345", b"12345", None)


def test_an_empty_outbox_takes_one_frame_of_any_size() -> None:
    outbox = Outbox(max_frames=2, max_bytes=10)
    assert outbox.put(b"x" * 100)
    assert not outbox.put(b"x")
