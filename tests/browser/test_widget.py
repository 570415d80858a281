"""The chat in real Chromium over the whole product: what visitors, and the operator who answers them, notice."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import jwt
import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from broker.bus.server import free_port
from tests.e2e.actors import Operator
from tests.e2e.installation import PASSWORD_HASH

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
PATIENCE = 60_000
KEY = "k" * 64
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
WORKSPACE = """
workspace: shop
languages: [en, pl]
http: {{listen: "127.0.0.1:{port}"}}
channels:
  site: {{type: webchat, origins: ["http://127.0.0.1:{port}"], demo: true, identify: {{secrets: ["{key}"]}},
    invitations: [{{name: bag, when: {{event: bag}}, text: {{en: "Shall we check the size?"}}}}]}}
  ask: {{type: webchat, origins: ["http://127.0.0.1:{port}"], demo: true,
    questions: [{{name: topic, label: {{en: "Your topic"}}}}]}}
operators:
  anna: {{name: Anna Nowak, password_hash: "{password}", capacity: {{units: 20}}}}
routing: [{{name: everything, need: {{}}}}]
capacity: {{site: {{units: 20, accept: auto}}, ask: {{units: 20, accept: auto}}}}
waiting: [{{after: 3s, say: {{en: "One moment, please."}}}}]
times: {{grace: 1s}}
"""


class Product:
    """``trunkline up`` on a workspace of its own."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        text = WORKSPACE.format(port=self.port, key=KEY, password=PASSWORD_HASH)
        (folder / "trunkline.yaml").write_text(text)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "broker.cli.main", "up", str(self._folder / "trunkline.yaml")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  # our own command line
                [*command, "--data", str(self._folder / "data")], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        deadline = time.monotonic() + 120
        while not self._ready():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise AssertionError(f"the product does not come up:\n{(self._folder / 'log').read_text()}")
            time.sleep(0.1)

    def end(self, sign: signal.Signals) -> None:
        assert self._process is not None
        if self._process.poll() is None:
            os.kill(self._process.pid, sign)
        self._process.wait(40)

    def _ready(self) -> bool:
        with suppress(OSError), urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:  # noqa: S310  # ours
            return answer.status == 200
        return False


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    running = Product(tmp_path_factory.mktemp("widget"))
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


@pytest.fixture
async def anna(product: Product) -> AsyncIterator[Operator]:
    async with Operator(lambda: product.url, "anna", "127.0.0.1", answering=False) as operator:
        await operator.online()
        yield operator
        for name in operator.mine:
            operator.order({"do": "close", "conversation": name, "result": ""})
        await holds(lambda: not operator.mine)


async def holds(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  # clients tell nobody
            await asyncio.sleep(0.05)


async def shop(browser: Browser, product: Product, channel: str = "site") -> Page:
    page = await (await browser.new_context(locale="en-GB")).new_page()
    page.set_default_timeout(PATIENCE)
    await page.goto(f"{product.url}/channels/{channel}/demo")
    await page.locator(".launcher").wait_for()
    return page


async def write(page: Page, text: str) -> None:
    box = page.get_by_label("Write a message")
    await box.fill(text)
    await box.press("Enter")


async def conversation(anna: Operator) -> str:
    """The one that the operator has now, with its items on the screen."""
    await holds(lambda: anna.mine and anna.items.get(anna.mine[0]))
    return anna.mine[0]


def contents(anna: Operator, name: str) -> list[dict[str, Any]]:
    return [item["content"] for item in anna.items[name].values() if item["kind"] == "message"]


async def test_a_conversation_from_the_first_word_to_the_rating(
    product: Product, browser: Browser, anna: Operator
) -> None:
    page = await shop(browser, product)
    await page.locator(".launcher").click()
    await write(page, "Do they come in 46?")
    name = await conversation(anna)
    await expect(page.locator(".head h2")).to_have_text("Anna Nowak", timeout=PATIENCE)
    anna.reply(name, "They do: https://shop.example/46")
    link = page.get_by_role("link", name="https://shop.example/46")
    await expect(link).to_have_attribute("rel", "noopener noreferrer nofollow", timeout=PATIENCE)
    anna.order({"do": "read", "conversation": name, "upto": 1})
    await expect(page.locator(".own .meta")).to_contain_text("read", timeout=PATIENCE)
    await holds(lambda: any(item.get("receipt") == "read" for item in anna.items[name].values()))
    anna.order({"do": "close", "conversation": name, "result": "sold"})
    await page.get_by_role("button", name="Good").click()
    await page.locator(".rating").get_by_role("button", name="Send").click()
    await expect(page.locator(".rating")).to_have_count(0, timeout=PATIENCE)
    await page.reload()
    await expect(page.locator(".note").last).to_have_text("This conversation is over.", timeout=PATIENCE)
    await expect(page.locator(".rating")).to_have_count(0)
    assert anna.mine == [], "a rating opens nothing again"


async def test_who_waits_sees_their_place_and_is_not_left_in_silence(
    product: Product, browser: Browser, anna: Operator
) -> None:
    pages = []
    for text in ("first", "second", "third"):
        page = await shop(browser, product)
        await page.locator(".launcher").click()
        await write(page, text)
        await expect(page.locator(".own .meta")).to_contain_text("delivered", timeout=PATIENCE)
        pages.append(page)
    served = await conversation(anna)
    await expect(pages[1].locator(".place")).to_contain_text("You are next", timeout=PATIENCE)
    await expect(pages[2].locator(".place")).to_contain_text("1 person is before you", timeout=PATIENCE)
    await expect(pages[2].locator(".reply .bubble")).to_have_text("One moment, please.", timeout=PATIENCE)
    anna.order({"do": "close", "conversation": served, "result": ""})
    await expect(pages[1].locator(".head h2")).to_have_text("Anna Nowak", timeout=PATIENCE)
    await expect(pages[2].locator(".place")).to_contain_text("You are next", timeout=PATIENCE)
    for _ in pages[1:]:
        name = await conversation(anna)
        anna.order({"do": "close", "conversation": name, "result": ""})
        await holds(lambda name=name: name not in anna.mine)


async def test_questions_before_the_chat_reach_the_operator(product: Product, browser: Browser, anna: Operator) -> None:
    page = await shop(browser, product, "ask")
    await page.locator(".launcher").click()
    await page.get_by_label("Your topic").fill("<script>alert(1)</script>")
    await page.get_by_label("Your message").fill("Where is it?")
    await page.get_by_role("button", name="Start the chat").click()
    name = await conversation(anna)
    [form] = contents(anna, name)
    assert form["kind"] == "form"
    assert form["answers"] == {"topic": "<script>alert(1)</script>", "message": "Where is it?"}
    await expect(page.locator(".own .bubble")).to_contain_text("<script>alert(1)</script>", timeout=PATIENCE)


async def test_an_accepted_invitation_and_a_signed_user(product: Product, browser: Browser, anna: Operator) -> None:
    page = await shop(browser, product)
    now = int(time.time())
    token = jwt.encode({"sub": "42", "name": "Ola Nowak", "iat": now, "exp": now + 300}, KEY)
    await page.evaluate("(token) => Trunkline.identify({token})", token)
    await page.get_by_role("button", name="Put in the bag").first.click()
    await page.get_by_role("button", name="Shall we check the size?").click()
    await write(page, "Yes, please")
    name = await conversation(anna)
    await holds(lambda: anna.lists[name].get("name"))
    assert anna.lists[name]["name"] == "Ola Nowak"
    [said] = [item for item in anna.items[name].values() if item["kind"] == "message"]
    assert said["attributes"].items() >= {"invitation": "bag", "bag": "Ridge boots", "user": "42"}.items()
    assert said["attributes"]["page"].endswith("/channels/site/demo")
    phone = await shop(browser, product)
    await phone.evaluate("(token) => Trunkline.identify({token})", token)
    await phone.locator(".launcher").click()
    await expect(phone.locator(".own .bubble")).to_have_text("Yes, please", timeout=PATIENCE)


async def test_nobody_there_means_a_form_and_an_answer_later(product: Product, browser: Browser) -> None:
    page = await shop(browser, product)
    await page.locator(".launcher").click()
    await page.get_by_label("Your e-mail address").fill("ola@shop.example", timeout=2 * PATIENCE)
    await page.get_by_label("Your message").fill("Do you repair boots?")
    await page.get_by_role("button", name="Send message").click()
    await expect(page.locator(".own .bubble")).to_contain_text("Do you repair boots?", timeout=PATIENCE)
    async with Operator(lambda: product.url, "anna", "127.0.0.1", answering=False) as anna:
        name = await conversation(anna)
        assert contents(anna, name)[0]["answers"]["email"] == "ola@shop.example"
        anna.reply(name, "We do.")
        await expect(page.locator(".reply .bubble").last).to_have_text("We do.", timeout=PATIENCE)
        anna.order({"do": "close", "conversation": name, "result": ""})
        await holds(lambda: name not in anna.mine)


async def test_a_visitor_goes_on_where_they_were_when_the_product_is_killed(
    product: Product, browser: Browser, anna: Operator
) -> None:
    page = await shop(browser, product)
    await page.locator(".launcher").click()
    await write(page, "one")
    name = await conversation(anna)
    second = await page.context.new_page()
    await second.goto(page.url)
    await second.locator(".launcher").click()
    await expect(second.locator(".own .bubble")).to_have_text("one", timeout=PATIENCE)
    product.end(signal.SIGKILL)
    await write(page, "two")
    await write(page, "three")
    await expect(page.locator(".bar")).to_contain_text("What you write is kept", timeout=PATIENCE)
    product.start()
    said = ["one", "two", "three"]
    await expect(page.locator(".bar")).to_have_count(0, timeout=2 * PATIENCE)
    await expect(second.locator(".own .bubble")).to_have_text(said, timeout=2 * PATIENCE)
    await expect(page.locator(".own .bubble")).to_have_text(said)
    await holds(lambda: [content["text"] for content in contents(anna, name)] == said)
