"""A real aiohttp server on loopback around the handlers of a test, and a client for it."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from web.errors import Networks, protect

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Clock:
    """Seconds that only a test moves."""

    time: float = 1_000.0

    def __call__(self) -> float:
        return self.time


@dataclass
class Site:
    """Where the server of a test is, and a session to talk to it."""

    url: str
    http: ClientSession


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Awaitable[Site]]]:
    async with contextlib.AsyncExitStack() as stack:

        async def start(handler: Handler, *, trusted_proxies: Networks = ()) -> Site:
            app = web.Application()
            protect(app, trusted_proxies=trusted_proxies)
            app.router.add_route("*", "/", handler)
            server = TestServer(app)
            await server.start_server()
            stack.push_async_callback(server.close)
            http = await stack.enter_async_context(ClientSession())
            return Site(str(server.make_url("/")), http)

        yield start
