"""What a visitor does in the shop's page, in a real Chromium."""

import asyncio
from collections.abc import Callable

from playwright.async_api import Page, expect

from tests.adapters.webchat.fakes import FakeContext

PATIENCE = 30_000
"""Milliseconds that a page has to show something."""


async def say(page: Page, text: str) -> None:
    await page.get_by_label("Write a message").fill(text)
    await page.keyboard.press("Enter")


async def address(context: FakeContext, page: Page, text: str = "Hello") -> str:
    """Write one message and find out who wrote it."""
    await say(page, text)
    await expect(page.locator(".own .meta").last).to_contain_text("delivered")
    return context.accepted[-1].address


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - the fakes tell nobody
            await asyncio.sleep(0.01)


async def reported(context: FakeContext, state: str, outbound: str) -> None:
    await until(lambda: (state, outbound) in {(each.state.value, each.outbound) for each in context.receipts})
