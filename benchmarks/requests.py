"""HTTP/1.1 requests at little cost: the load must not be slower than what it measures."""

import asyncio
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

_LENGTH = re.compile(rb"content-length: *([0-9]+)", re.IGNORECASE)
OK = b"HTTP/1.1 2"
HEAD_END = b"\r\n\r\n"


class Connections:
    """Kept connections to one server, as many as are used at once."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = str(parts.hostname), int(parts.port or 80)
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._all: list[asyncio.StreamWriter] = []

    def request(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
        """Give the bytes of a request."""
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self._host}:{self._port}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + body

    async def ask(self, request: bytes) -> bytes:
        """Make a request, and give the answer's body. Raises RuntimeError when it is not 2xx."""
        reader, writer = self._idle.pop() if self._idle else await self._open()
        writer.write(request)
        head = await reader.readuntil(HEAD_END)
        length = _LENGTH.search(head)
        body = await reader.readexactly(int(length[1])) if length else b""
        if not head.startswith(OK):
            raise RuntimeError(f"the answer was {head!r} {body!r}")
        self._idle.append((reader, writer))
        return body

    async def close(self) -> None:
        """Close all."""
        for writer in self._all:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in self._all), return_exceptions=True)

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        self._all.append(writer)
        return reader, writer
