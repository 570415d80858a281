"""Visitor and operator in real Chromium, over the whole product, which is killed and started again between them."""

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect

from broker.bus.server import free_port

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 60_000
"""Milliseconds that a page has to show something; reconnecting takes some of it."""

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


class Demo:
    """``trunkline demo``, as a person starts it."""

    def __init__(self, data: Path, log: Path) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self._data, self._log = data, log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = (sys.executable, "-m", "broker.cli.main", "demo", "--data", str(self._data), "--listen")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  # our own command line
                [*command, self.url.removeprefix("http://")], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        deadline = time.monotonic() + 120
        while not self._ready():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise AssertionError(f"the demo does not come up:\n{self.log}")
            time.sleep(0.1)

    def end(self, sign: signal.Signals) -> int:
        """Send a signal and wait for the end; gives the exit status."""
        assert self._process is not None
        if self._process.poll() is None:
            os.kill(self._process.pid, sign)
        return self._process.wait(40)

    @property
    def log(self) -> str:
        """What it has said."""
        return self._log.read_text()

    def _ready(self) -> bool:
        with suppress(OSError), urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:  # noqa: S310  # ours
            return answer.status == 200
        return False


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    running = Demo(tmp_path / "data", tmp_path / "log")
    running.start()
    yield running
    running.end(signal.SIGTERM)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as play:
        launched = await play.chromium.launch(
            executable_path=shutil.which("chromium"), args=FLAGS, timeout=2 * PATIENCE
        )
        yield launched
        await launched.close()


async def new_page(browser: Browser, complaints: list[str]) -> Page:
    """A page of a person of their own; what its scripts complain about is collected, a lost network left out."""

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error" and "401" not in message.text and "ERR_CONNECTION" not in message.text:
            complaints.append(message.text)

    page = await (await browser.new_context()).new_page()
    page.on("console", listen)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.set_default_timeout(PATIENCE)
    return page


async def open_shop(page: Page, url: str) -> None:
    await page.goto(f"{url}/channels/site/demo")
    await page.get_by_role("button", name="Chat").last.click()


async def write(page: Page, text: str) -> None:
    box = page.get_by_role("textbox", name="Write a message")
    await box.fill(text)
    await box.press("Enter")


async def sign_in(page: Page, url: str) -> None:
    await page.goto(f"{url}/desk/")
    await page.locator("#operator").fill("anna")
    await page.locator("#password").fill("trunkline-demo")
    await page.keyboard.press("Enter")
    await expect(page.locator("#connection")).to_have_text("connected", timeout=PATIENCE)


async def answer(page: Page, text: str) -> None:
    await page.locator("#text").fill(text)
    await page.locator("#text").press("Enter")


async def order_of(page: Page, selector: str, texts: list[str]) -> list[str]:
    """Those of ``texts`` that the element shows, in the order and as often as it shows them."""
    shown = await page.locator(selector).inner_text()
    found = sorted((at, text) for text in texts for at in _places(shown, text))
    return [text for _, text in found]


def _places(shown: str, text: str) -> list[int]:
    return [at for at in range(len(shown)) if shown.startswith(text, at)]


async def test_a_conversation_goes_on_while_everything_is_killed_and_started_again(
    demo: Demo, browser: Browser
) -> None:
    complaints: list[str] = []
    said = ["Where is my parcel?", "It is on its way.", "Are you still there?", "Yes, I am.", "Thank you."]
    shop, desk = await new_page(browser, complaints), await new_page(browser, complaints)
    await sign_in(desk, demo.url)
    await open_shop(shop, demo.url)

    await write(shop, said[0])
    await desk.locator("#list .row").first.click()
    await expect(desk.locator("#items")).to_contain_text(said[0], timeout=PATIENCE)
    await answer(desk, said[1])
    await expect(shop.get_by_role("log")).to_contain_text(said[1], timeout=PATIENCE)
    await expect(desk.locator("#items")).to_contain_text("read", timeout=PATIENCE)

    demo.end(signal.SIGKILL)
    await expect(desk.locator("#connection")).not_to_have_text("connected", timeout=PATIENCE)
    await write(shop, said[2])  # nobody can take it now: it waits in the page
    demo.start()

    await expect(desk.locator("#items")).to_contain_text(said[2], timeout=PATIENCE)
    await answer(desk, said[3])
    await expect(shop.get_by_role("log")).to_contain_text(said[3], timeout=PATIENCE)
    await shop.reload()
    await expect(shop.get_by_role("log")).to_contain_text(said[3], timeout=PATIENCE)
    await desk.reload()
    await desk.locator("#list .row").first.click()
    await write(shop, said[4])
    await expect(desk.locator("#items")).to_contain_text(said[4], timeout=PATIENCE)

    assert await order_of(desk, "#items", said) == said
    assert await order_of(shop, "[role=log]", said) == said
    assert complaints == []


async def test_a_clean_stop_and_start_keeps_the_whole_conversation(demo: Demo, browser: Browser) -> None:
    complaints: list[str] = []
    shop = await new_page(browser, complaints)
    await open_shop(shop, demo.url)
    await write(shop, "Do you sell laces?")
    await expect(shop.get_by_role("log")).to_contain_text("Do you sell laces?", timeout=PATIENCE)
    await expect(shop.get_by_role("log")).to_contain_text("delivered", timeout=PATIENCE)
    assert demo.end(signal.SIGINT) == 0, demo.log
    demo.start()
    desk = await new_page(browser, complaints)
    await sign_in(desk, demo.url)
    await desk.locator("#list .row").first.click()
    await expect(desk.locator("#items")).to_contain_text("Do you sell laces?", timeout=PATIENCE)
    assert complaints == []


async def test_what_was_said_is_found_and_counted_by_the_index_of_the_product(demo: Demo, browser: Browser) -> None:
    complaints: list[str] = []
    shop, desk = await new_page(browser, complaints), await new_page(browser, complaints)
    await sign_in(desk, demo.url)
    await open_shop(shop, demo.url)
    await write(shop, "Do the Ridge boots come in 46?")
    row = desk.locator("#list .row").first
    await row.click()
    called = await row.locator(".row-name").inner_text()
    assert called.startswith("Visitor ")
    await answer(desk, "Yes, they do, and waterproof ones as well.")
    await expect(shop.get_by_role("log")).to_contain_text("waterproof", timeout=PATIENCE)

    await desk.keyboard.press("Alt+s")
    await _ask_until_found(desk, "ridge waterpr", 0)  # both in one message: nobody said that
    await _ask_until_found(desk, "waterpr", 1)
    hit = desk.locator(".found")
    await expect(hit.locator("b")).to_have_text(called)
    await expect(hit.locator("mark")).to_have_text("waterproof")
    await desk.keyboard.press("ArrowDown")
    await desk.keyboard.press("Enter")
    await expect(desk.locator("#items")).to_contain_text("Ridge boots", timeout=PATIENCE)

    await desk.keyboard.press("Alt+5")
    for figure in ("Begun 1", "By customers 1", "Messages 1", "Answers 1", "Calls 0"):
        await expect(desk.get_by_role("figure", name=figure)).to_be_visible(timeout=PATIENCE)
    await expect(desk.locator("tr").filter(has_text="site")).to_have_count(1)
    link = await desk.get_by_role("link", name="CSV").get_attribute("href")
    table = await desk.evaluate("(link) => fetch(link).then((answer) => answer.text())", link)
    assert [line for line in table.splitlines() if "site" in line and ",1," in line], table
    assert complaints == []


async def _ask_until_found(desk: Page, words: str, count: int) -> None:
    """Search again and again until so much is found: the index follows the log a moment later."""
    for _ in range(PATIENCE // 500):
        await desk.get_by_role("searchbox").fill("")
        async with desk.expect_response(lambda answer: "/desk/search?" in answer.url):
            await desk.get_by_role("searchbox").fill(words)
        await desk.wait_for_timeout(500)
        if await desk.locator(".found").count() == count:
            return
    raise AssertionError(f"{words!r} is not found {count} times: {await desk.locator('.page').inner_text()}")
