"""What a visitor does in the shop's page, in a real Chromium."""

import asyncio
from collections.abc import Callable

from playwright.async_api import Locator, Page, expect

from tests.adapters.webchat.fakes import FakeContext

PATIENCE = 60_000
"""Milliseconds that a page has to show something: the machine is busy."""

AT_REST = """() => [document, document.querySelector("trunkline-chat")?.shadowRoot].every((root) =>
  !root || root.getAnimations().every((each) =>
    each.playState !== "running" || each.effect.getComputedTiming().iterations === Infinity))"""
"""Whether nothing slides or fades any more."""

expect.set_options(timeout=PATIENCE)  # of all that run in this process


async def say(page: Page, text: str) -> None:
    await page.get_by_label("Write a message").fill(text)
    await page.keyboard.press("Enter")


async def address(context: FakeContext, page: Page, text: str = "Hello") -> str:
    """Write one message and find out who wrote it."""
    await say(page, text)
    await expect(page.locator(".own .meta").last).to_contain_text("delivered")
    return context.accepted[-1].address


async def fills(dialog: Locator, width: int, height: int) -> None:
    """Wait until it fills a screen of that size: it comes in from below, and tells nobody."""
    whole = {"x": 0, "y": 0, "width": width, "height": height}
    async with asyncio.timeout(PATIENCE / 1_000):
        while await dialog.bounding_box() != whole:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.05)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE / 1_000):
        while not holds():  # noqa: ASYNC110 - the fakes tell nobody
            await asyncio.sleep(0.01)


async def reported(context: FakeContext, state: str, outbound: str) -> None:
    await until(lambda: (state, outbound) in {(each.state.value, each.outbound) for each in context.receipts})
