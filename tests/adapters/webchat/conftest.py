"""A web chat on a real aiohttp server on loopback, over a scripted router."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, async_playwright
from playwright.async_api import Page as Tab

from adapters.webchat import WebChat
from adapters.webchat.settings import VisitorLimits, WebChatSettings
from broker.bus.server import free_port
from tests.adapters.webchat.fakes import ORIGIN, FakeContext, Page
from tests.adapters.webchat.visiting import PATIENCE
from tests.fixtures.sockets import client_session
from web.errors import protect

EXPECTED = ("ERR_", "status of 4", "the shop's own fault")
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]


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
        async with asyncio.timeout(30):
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


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    chromium = shutil.which("chromium")
    assert chromium, "Chromium is needed: apt-get install chromium"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS, timeout=2 * PATIENCE)
        yield browser
        await browser.close()


Visit = Callable[..., Awaitable[Tab]]
"""Opens the demo shop: ``visit(path="demo", browser={...}, **settings)``."""


@pytest.fixture
async def visit(chat: Chat, browser: Browser) -> AsyncIterator[Visit]:
    """Visitors with browsers of their own; whatever a console complains about fails the test."""
    faults: list[str] = []

    async def go(path: str = "demo", context: dict[str, Any] | None = None, **settings: Any) -> Tab:  # noqa: ANN401 - settings
        if not chat.nodes:
            port = free_port()
            chat.context.public_url = f"http://127.0.0.1:{port}"
            await chat.start(port=port, demo=True, **settings)
        wanted = {"viewport": {"width": 1200, "height": 800}, "locale": "en-GB", **(context or {})}
        page = await (await browser.new_context(**wanted)).new_page()
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.set_default_timeout(PATIENCE)
        await page.goto(f"{chat.nodes[0].url}/{path}")
        return page

    yield go
    for each in browser.contexts:
        await each.close()
    assert [fault for fault in faults if not any(word in fault for word in EXPECTED)] == []


@pytest.fixture
async def shop(visit: Visit) -> Tab:
    """The shop's page with an open chat, in which what is typed can be seen."""
    page = await visit(preview=True)
    await page.get_by_role("button", name="Open chat").click()
    return page
