"""An operator's page in real Chromium, over a desk whose outside world is in memory."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect

from broker.bus.server import free_port
from tests.desk.world import PASSWORD, Desk, World

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]
EXPECTED = ("400", "401", "503", "Blocked script execution", "ERR_CONNECTION", "WebSocket connection")
"""What the browser may say: a file could not be read, the password was wrong, the script of a mail was kept from
running, a node is away, a desk has no index."""
PATIENCE = 60_000
"""Milliseconds that a page has to show something: the machine is busy."""

expect.set_options(timeout=PATIENCE)  # of all that run in this process


async def start_desk(world: World) -> Desk:
    """Start a node that a browser can reach."""
    port = free_port()
    return await world.desk(port=port, origin=f"http://127.0.0.1:{port}")


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS, timeout=2 * PATIENCE)
        yield browser
        await browser.close()


@asynccontextmanager
async def desk_page(browser: Browser, desk: Desk, **context: Any) -> AsyncIterator[Page]:  # noqa: ANN401  # Playwright's
    """A page of the desk with nobody signed in; whatever the browser complains about fails the test."""
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error" and not any(expected in message.text for expected in EXPECTED):
            complaints.append(message.text)

    opened = await browser.new_context(**({"viewport": {"width": 1440, "height": 900}, "locale": "en-GB"} | context))
    page = await opened.new_page()
    page.set_default_timeout(PATIENCE)
    page.on("console", listen)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(desk.url("/"))
    yield page
    await opened.close()
    assert complaints == []


async def sign_in(page: Page, operator: str = "ben") -> None:
    """Sign in; the operator is at work then."""
    await page.get_by_label("Name").fill(operator)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.locator("#connection")).to_have_text("connected")
    await expect(page.locator(".rail #presence")).to_have_attribute("data-state", "available")
