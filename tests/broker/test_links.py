"""Links to files: they lead to the file, and nobody can make one."""

import base64
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from broker.bus.errors import MediaMissing
from broker.links import FileLinks
from normalizer.content import Media, StoredFile
from web.errors import protect

FILE = StoredFile(name="f1", size=5, key=base64.urlsafe_b64encode(b"k" * 32).decode())


class Store:
    async def read(self, file: StoredFile) -> AsyncIterator[bytes]:
        assert file == FILE
        yield b"hello"


async def client_of(links: FileLinks) -> TestClient[web.Request, web.Application]:
    app = web.Application()
    protect(app)
    app.add_routes(links.routes())
    return TestClient(TestServer(app))


async def test_a_link_leads_to_the_file_and_shows_neither_name_nor_key() -> None:
    links = FileLinks(Store(), b"s" * 32, "https://chat.example")
    url = links.make(Media(file=FILE, type="text/html", filename="a.html"))
    assert FILE.key not in url
    async with await client_of(links) as client:
        answer = await client.get(urlsplit(url).path)
        assert await answer.read() == b"hello"
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert "sandbox" in answer.headers["Content-Security-Policy"]


class Empty(Store):
    async def read(self, file: StoredFile) -> AsyncIterator[bytes]:
        raise MediaMissing(f"{file.name} has 0 of 1 pieces")
        yield b""


async def test_a_link_to_a_file_that_is_gone_leads_nowhere() -> None:
    links = FileLinks(Empty(), b"s" * 32, "https://chat.example")
    async with await client_of(links) as client:
        answer = await client.get(urlsplit(links.make(Media(file=FILE, type="text/plain"))).path)
        assert (answer.status, (await answer.json())["error"]["code"]) == (404, "not_found")


async def test_a_link_of_somebody_else_s_making_leads_nowhere() -> None:
    links = FileLinks(Store(), b"s" * 32, "https://chat.example")
    forged = FileLinks(Store(), b"x" * 32, "https://chat.example").make(Media(file=FILE, type="text/plain"))
    async with await client_of(links) as client:
        for path in (urlsplit(forged).path, "/files/nonsense"):
            assert (await client.get(path)).status == 404
