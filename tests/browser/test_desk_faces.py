"""How the desk is for everybody: accessibility by axe, languages, a phone, an installed page, sounds."""

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from normalizer.content import Media
from normalizer.outbound import Receipt, ReceiptState
from tests.adapters.webchat.visiting import AT_REST
from tests.browser.operators import chromium, desk_page, sign_in
from tests.browser.test_desk import PIXEL, answer
from tests.desk.conversations.test_reach import stored
from tests.desk.world import Desk, World

AXE = Path(__file__).parents[2] / "web" / "ui" / "node_modules" / "axe-core" / "axe.min.js"
SHOTS = os.environ.get("TRUNKLINE_SCREENSHOTS", "")
"""A folder for screenshots, if wished for."""
WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as launched:
        yield launched


async def faults(page: Page) -> list[str]:
    """What axe finds on the page (WCAG 2.2 A and AA, and its best practices)."""
    await page.evaluate(AXE.read_text())
    found: dict[str, Any] = await page.evaluate("axe.run({resultTypes: ['violations']})")
    return [
        f"{each['id']}: {node['target']} {node.get('failureSummary', '')}"
        for each in found["violations"]
        for node in each["nodes"]
    ]


async def look(page: Page, name: str) -> None:
    """Nothing is found; and a picture is kept if somebody wants to look."""
    await page.wait_for_timeout(300)  # what slides in has begun to
    await page.wait_for_function(AT_REST)
    if SHOTS:
        await page.screenshot(path=f"{SHOTS}/{name}.png")
    assert await faults(page) == [], name


async def furnish(world: World, page: Page) -> None:
    """Some conversations, and one open with every kind of thing in it."""
    for who in range(8):
        world.log.now += 20_000
        world.log.customer(f"Hello, a question about order {who}", who=f"v{who}")
    await page.locator("#list .row").first.click()
    await page.get_by_role("button", name="Accept").click()
    await expect(page.locator(".offer")).to_have_count(0)
    await answer(page, "Let me look, see https://shop.example/orders")
    await expect(page.locator(".item.reply:not(.pending)")).to_have_count(1)
    conversation = await page.evaluate("location.hash.split('/')[2]")
    error = "The customer has blocked us."
    world.log.receipt(
        Receipt(outbound=f"{conversation}-2", state=ReceiptState.FAILED, at=world.log.now, code="blocked", error=error)
    )
    picture = Media(file=stored(world, "parcel", PIXEL), type="image/png", filename="parcel.png", width=320, height=200)
    world.log.customer("", who="v0", content=picture)
    voice = Media(file=stored(world, "voice", b"RIFF"), type="audio/ogg", voice=True, duration=9_000)
    world.log.customer("", who="v0", content=voice)
    await expect(page.locator(".item.message")).to_have_count(3)
    await page.locator("#text").fill("@anna please have a look")
    await page.keyboard.press("Alt+n")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_on_a_desk(world: World, desk: Desk, browser: Browser, scheme: str) -> None:
    async with desk_page(browser, desk, viewport=WIDE, color_scheme=scheme) as page:
        await look(page, f"wide-{scheme}-sign-in")
        await sign_in(page, "anna")
        await look(page, f"wide-{scheme}-empty")
        await furnish(world, page)
        await look(page, f"wide-{scheme}-conversation")
        for key, name in (("Control+k", "palette"), ("Alt+t", "transfer"), ("Alt+z", "presence")):
            await page.keyboard.press(key)
            await expect(page.get_by_role("dialog")).to_be_visible()
            await look(page, f"wide-{scheme}-{name}")
            await page.keyboard.press("Escape")
            await expect(page.get_by_role("dialog")).to_have_count(0)
        for key, name in (("s", "search"), ("4", "team"), ("5", "reports"), ("6", "answers"), ("Comma", "settings")):
            await page.keyboard.press(f"Alt+{key}")
            await expect(page.locator(".page")).to_be_visible()
            await look(page, f"wide-{scheme}-{name}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_on_a_phone(world: World, desk: Desk, browser: Browser, scheme: str) -> None:
    async with desk_page(browser, desk, viewport=PHONE, color_scheme=scheme, has_touch=True) as page:
        await sign_in_on_a_phone(page)
        await look(page, f"phone-{scheme}-list")
        await furnish(world, page)
        await look(page, f"phone-{scheme}-conversation")
        await page.locator(".who").click()
        await expect(page.locator(".card")).to_be_visible()
        await look(page, f"phone-{scheme}-card")


async def sign_in_on_a_phone(page: Page) -> None:
    await page.get_by_label("Name").fill("ben")
    await page.get_by_label("Password").fill("correct horse")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.locator(".bottom-bar #presence")).to_have_attribute("data-state", "available")


async def test_on_a_phone_there_is_one_column_and_back_leads_to_the_list(
    world: World, desk: Desk, browser: Browser
) -> None:
    async with desk_page(browser, desk, viewport=PHONE, has_touch=True) as page:
        await sign_in_on_a_phone(page)
        world.log.customer("Hello")
        await page.locator("#list .row").first.tap()
        await expect(page.locator(".conversation")).to_be_visible()
        await expect(page.locator(".list-pane")).to_be_hidden()
        wide = await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert wide, "something is wider than the screen"
        await page.get_by_role("button", name="Accept").tap()
        await page.locator("#text").fill("Hi")
        await page.locator("#send").tap()
        await expect(page.locator(".item.reply:not(.pending)")).to_have_count(1)
        await page.go_back()
        await expect(page.locator(".list-pane")).to_be_visible()
        await expect(page.locator(".conversation")).to_be_hidden()


@pytest.mark.parametrize(
    ("locale", "words"),
    [("ru-RU", ("Мои", "Принять")), ("pl-PL", ("Moje", "Przyjmij")), ("de-DE", ("Mine", "Accept"))],
)
async def test_the_desk_speaks_the_browsers_language(
    world: World, desk: Desk, browser: Browser, locale: str, words: tuple[str, str]
) -> None:
    mine, accept = words
    async with desk_page(browser, desk, locale=locale) as page:
        await page.locator("#operator").fill("ben")
        await page.locator("#password").fill("correct horse")
        await page.keyboard.press("Enter")
        await expect(page.locator("#tab-mine")).to_contain_text(mine)
        await expect(page.locator(".rail #presence")).to_have_attribute("data-state", "available")
        world.log.customer("Hello")
        await page.locator("#list .row").first.click()
        await expect(page.get_by_role("button", name=accept)).to_be_visible()
        assert await page.evaluate("document.documentElement.lang") == ("en" if locale == "de-DE" else locale[:2])


@pytest.mark.parametrize(("viewport", "scheme"), [(WIDE, "light"), (PHONE, "dark")])
async def test_the_desk_runs_from_right_to_left_and_words_by_their_own_direction(
    world: World, desk: Desk, browser: Browser, viewport: dict[str, int], scheme: str
) -> None:
    async with desk_page(browser, desk, viewport=viewport, color_scheme=scheme, has_touch=True) as page:
        await sign_in_on_a_phone(page) if viewport == PHONE else await sign_in(page)
        await page.evaluate("document.documentElement.dir = 'rtl'")
        for text in ("שלום, יש לי שאלה!", "Hello (in English).", "مرحبا، أين طردي؟"):
            world.log.customer(text)
        row = page.locator("#list .row")
        await row.click()
        bubbles = page.locator(".item.message .text")
        await expect(bubbles).to_have_count(3)
        assert await bubbles.evaluate_all("all => all.map(each => getComputedStyle(each).direction)") == [
            "rtl",
            "ltr",
            "rtl",
        ]
        await look(page, f"rtl-{scheme}-conversation")
        middle = viewport["width"] / 2
        for each in await page.locator(".item.message .bubble").all():
            box = await each.bounding_box()
            assert box
            assert box["x"] + box["width"] > middle, "the customer stands at the beginning of the line"
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_the_desk_can_be_installed_and_keeps_built_files_only(world: World, desk: Desk, browser: Browser) -> None:
    async with desk_page(browser, desk) as page:
        await sign_in(page)
        world.log.customer("a secret of the customer")
        await page.locator("#list .row").first.click()
        await page.evaluate("navigator.serviceWorker.ready.then(() => null)")
        await page.reload()
        await expect(page.locator("#list .row")).to_have_count(1)
        manifest = json.loads(await page.evaluate("fetch('/desk/static/manifest.webmanifest').then((r) => r.text())"))
        assert (manifest["start_url"], manifest["scope"], manifest["display"]) == ("/desk/", "/desk/", "standalone")
        kept: list[str] = await page.evaluate(
            """async () => (await Promise.all((await caches.keys()).map(async (name) =>
                 (await (await caches.open(name)).keys()).map((request) => new URL(request.url).pathname)))).flat()"""
        )
        assert kept
        assert all(path == "/desk/" or path.startswith("/desk/static/") for path in kept), kept


async def test_the_title_the_sound_and_a_notification_tell_of_what_has_come(
    world: World, desk: Desk, browser: Browser
) -> None:
    async with desk_page(browser, desk, permissions=["notifications"]) as page:
        await page.add_init_script(
            """window.heard = []; window.told = [];
               const start = OscillatorNode.prototype.start;
               OscillatorNode.prototype.start = function (at) {
                 window.heard.push(performance.now()); return start.call(this, at); };
               Document.prototype.hasFocus = () => false;
               window.Notification = class { constructor(title, more) { window.told.push([title, more.body]); }
                 static permission = "granted"; };"""
        )
        await page.reload()
        await sign_in(page)
        world.log.customer("Are you there?")
        await expect(page).to_have_title("(1) Trunkline desk")
        assert await page.evaluate("window.heard.length") > 0
        assert ["New conversation: Customer v1", "Are you there?"] in await page.evaluate("window.told")
        assert "circle" in str(await page.locator("link[rel=icon]").get_attribute("href"))
