"""A web chat on a real aiohttp server on loopback, over a scripted router."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from adapters.webchat import WebChat
from adapters.webchat.settings import VisitorLimits, WebChatSettings
from tests.adapters.webchat.fakes import ORIGIN, FakeContext, Page
from tests.fixtures.sockets import client_session
from web.errors import protect


@dataclass
class Chat:
    """A running channel; more nodes of it can be started over the same router."""

    context: FakeContext
    http: ClientSession
    stack: contextlib.AsyncExitStack
    time: float = 0.0
    nodes: list["Node"] = field(default_factory=list)

    async def start(self, limits: VisitorLimits = VisitorLimits(), port: int | None = None, **settings: Any) -> "Node":  # noqa: ANN401, B008 - frozen
        adapter = WebChat(
            WebChatSettings(**{"origins": [ORIGIN], "limits": limits, **settings}),
            self.context,
            clock=lambda: self.time,
        )
        app, channel = web.Application(), web.Application()
        protect(app)
        channel.add_routes(adapter.routes())
        app.add_subapp("/channels/site", channel)
        server = TestServer(app, port=port)
        await server.start_server()
        node = Node(self, adapter, server, str(server.make_url("/channels/site")))
        node.run()
        self.nodes.append(node)
        self.stack.push_async_callback(node.stop)
        return node


@dataclass
class Node:
    chat: Chat
    adapter: WebChat
    server: TestServer
    url: str
    running: asyncio.Task[None] | None = None

    def run(self) -> None:
        self.running = asyncio.create_task(self.adapter.run())

    async def visitor(self) -> Page:
        page = Page(self.chat.http, self.url)
        await page.begin()
        return page

    async def stop(self) -> None:
        async with asyncio.timeout(10):
            await self.adapter.close()
            if self.running is not None:
                self.running.cancel()
                await asyncio.wait([self.running])
            await self.server.close()


@pytest.fixture
def context() -> FakeContext:
    return FakeContext()


@pytest.fixture
async def chat(context: FakeContext) -> AsyncIterator[Chat]:
    async with client_session() as http, contextlib.AsyncExitStack() as stack:
        yield Chat(context, http, stack)


@pytest.fixture
async def node(chat: Chat) -> Node:
    return await chat.start()
