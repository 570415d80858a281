import asyncio
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest

from adapters.session import open_session, send_by


class Receiver:
    """Takes connections and keeps every byte."""

    def __init__(self) -> None:
        self.connections = 0
        self.heard = b""
        self.ended = asyncio.Event()
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while data := await reader.read(65_536):
            self.heard += data
            if b"\r\n\r\n" in self.heard:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                break
        writer.close()
        self.ended.set()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    async with await asyncio.start_server(receiver.serve, "127.0.0.1", 0) as server:
        receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        yield receiver


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session() as session:
        yield session


@pytest.mark.parametrize(("method", "body"), [("POST", b"hello"), ("GET", None)])
async def test_a_request_that_comes_too_late_is_connected_but_not_written(
    receiver: Receiver, http: aiohttp.ClientSession, method: str, body: bytes | None
) -> None:
    """As after SIGCONT: the kernel has made the connection meanwhile, and the bytes would be next."""
    with send_by(time.monotonic() - 0.001), pytest.raises(aiohttp.ClientError):
        await http.request(method, receiver.url, data=body)
    await asyncio.wait_for(receiver.ended.wait(), 30)
    assert (receiver.connections, receiver.heard) == (1, b"")


@pytest.mark.parametrize(("method", "body"), [("POST", b"hello"), ("GET", None)])
async def test_a_request_in_time_is_sent(
    receiver: Receiver, http: aiohttp.ClientSession, method: str, body: bytes | None
) -> None:
    with send_by(time.monotonic() + 60):
        async with http.request(method, receiver.url, data=body) as answer:
            assert answer.status == 200
    assert receiver.heard.startswith(method.encode())
    assert receiver.heard.endswith(body or b"\r\n\r\n")
