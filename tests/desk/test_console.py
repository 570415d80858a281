"""The plain console in a real Chromium: what an operator sees and does."""

import base64
import shutil
from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import unused_port
from playwright.async_api import ConsoleMessage, Page, async_playwright, expect

from desk.ports import Alarm
from normalizer.content import Media, Text
from tests.desk.test_reach import HOUR, WA, known, mail, rings, stored, write
from tests.desk.world import PASSWORD, Desk, World

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
"""A picture of one point."""

pytestmark = pytest.mark.browser

FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]


EXPECTED = ("401", "Blocked script execution")
"""What the browser may say: the password was wrong, or the script of a mail was kept from running."""


@pytest.fixture
async def desk(world: World) -> Desk:
    port = unused_port()
    return await world.desk(port=port, origin=f"http://127.0.0.1:{port}")


@pytest.fixture
async def page(world: World, desk: Desk) -> AsyncIterator[Page]:
    """A page of the desk with nobody signed in; whatever the browser complains about fails the test."""
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error" and not any(expected in message.text for expected in EXPECTED):
            complaints.append(message.text)

    world.log.now = 1_700_000_000_000
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = await browser.new_page(viewport={"width": 1100, "height": 720})
        page.on("console", listen)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(desk.url("/"))
        yield page
        await browser.close()
    assert complaints == []


async def sign_in(page: Page, operator: str = "ben") -> None:
    await page.get_by_label("Name").fill(operator)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.locator("#connection")).to_have_text("connected")


async def test_an_operator_signs_in_accepts_and_answers_with_the_keyboard(world: World, page: Page) -> None:
    await page.get_by_label("Name").fill("ben")
    await page.get_by_label("Password").fill("wrong")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert").filter(has_text="wrong")).to_be_visible()
    await sign_in(page)
    await expect(page.get_by_label("I am")).to_have_value("available")

    conversation = world.log.customer("<b>Where</b> is my parcel?")
    line = page.locator("#list button").filter(has_text="Customer v1")
    await expect(line).to_contain_text("<b>Where</b> is my parcel?")
    await line.click()
    await page.get_by_role("button", name="Accept").click()
    await expect(page.get_by_role("button", name="Close")).to_be_visible()
    await page.get_by_label("Reply").fill("It is\non its way")
    await page.keyboard.press("Enter")
    await expect(page.locator(".item.reply").filter(has_text="on its way")).to_contain_text("queued")
    await page.get_by_role("button", name="Close").click()
    await expect(page.get_by_role("button", name="Reopen")).to_be_visible()
    assert world.log.machine.state.conversations[conversation].status == "closed"


async def test_what_is_not_confirmed_is_shown_so_and_comes_through_later(world: World, page: Page) -> None:
    await sign_in(page)
    world.log.customer("Hello")
    await page.locator("#list button").click()
    await page.get_by_role("button", name="Accept").click()
    await expect(page.get_by_role("button", name="Close")).to_be_visible()
    world.log.silent = True
    await page.get_by_label("Reply").fill("Are you there?")
    await page.keyboard.press("Enter")
    await expect(page.locator(".item.pending")).to_contain_text("not confirmed")
    world.log.silent = False
    world.log.decide()
    await expect(page.locator(".item.reply:not(.pending)")).to_have_count(1)
    await expect(page.locator(".item.pending")).to_have_count(0)


async def test_a_break_of_the_connection_loses_nothing_and_keeps_the_draft(
    world: World, desk: Desk, page: Page
) -> None:
    await sign_in(page)
    world.log.customer("Hello")
    await page.locator("#list button").click()
    await page.get_by_role("button", name="Accept").click()
    await page.get_by_label("Reply").fill("half a sent")
    desk.node.close_sockets()
    world.log.customer("while you were away")
    await expect(page.locator(".item.message")).to_have_count(2)
    await expect(page.locator("#connection")).to_have_text("connected")
    await page.reload()
    await expect(page.locator("#connection")).to_have_text("connected")
    await page.locator("#list button").click()
    await expect(page.get_by_label("Reply")).to_have_value("half a sent")


async def test_a_stale_reply_shows_what_was_not_seen_and_can_be_sent_anyway(
    world: World, desk: Desk, page: Page
) -> None:
    await sign_in(page)
    conversation = world.log.customer("Hello")
    await page.locator("#list button").click()
    await page.get_by_role("button", name="Accept").click()
    await expect(page.get_by_role("button", name="Close")).to_be_visible()
    anna = await world.browser(desk)
    anna.headers["Origin"] = desk.node.outside.public_url
    await anna.sign_in("anna")
    desk.ledger.held = True  # Ben's screen does not show it yet
    content = {"kind": "text", "text": "Anna helps"}
    await anna.do({"do": "reply", "conversation": conversation, "content": content, "seen": 1})
    await page.get_by_label("Reply").fill("Ben helps")
    await page.keyboard.press("Enter")
    desk.ledger.held = False
    desk.ledger.follow()
    await expect(page.locator("#stale")).to_contain_text("Anna helps")
    await page.get_by_role("button", name="Send mine anyway").click()
    await expect(page.locator("#items .item.reply")).to_have_count(2)


async def test_a_session_that_ended_leads_back_to_the_sign_in(world: World, desk: Desk, page: Page) -> None:
    await sign_in(page)
    del world.accounts.accounts["ben"]
    desk.node.sweep()
    await expect(page.get_by_label("Password")).to_be_visible()
    await expect(page.locator("#desk")).to_be_hidden()


async def test_a_missed_call_is_called_back_with_a_button(world: World, page: Page) -> None:
    known(world)
    await sign_in(page)
    rings(world, "ringing")
    await expect(page.locator("#list button")).to_contain_text("calling")
    rings(world, "failed")
    line = page.locator("#list button")
    await expect(line).to_contain_text("missed call")
    await line.click()
    await expect(page.get_by_role("button", name="Send", exact=True)).to_be_disabled()
    await page.get_by_role("button", name="Call", exact=True).click()
    await expect(page.locator(".item.reply").nth(0)).to_contain_text("Rings at · sip:ben@pbx.example")
    await expect(page.locator(".item.reply").nth(1)).to_contain_text("Calls the customer from · sip:ben@pbx.example")
    rings(world, "answered", "y1", direction="out", to="sip:ben@pbx.example")
    await expect(line).to_contain_text("on the phone")
    await page.get_by_role("button", name="Hang up").click()
    await expect(page.locator(".item.reply").nth(2)).to_contain_text("Hangs up")


async def test_when_the_window_has_closed_an_approved_text_is_chosen(world: World, page: Page) -> None:
    known(world)
    await sign_in(page)
    write(world, WA, Text(text="hello"), channel="wa")
    await page.locator("#list button").click()
    await expect(page.locator("#window")).to_contain_text("open for")
    world.log.pass_time(HOUR + 1)
    await page.reload()
    await expect(page.locator("#connection")).to_have_text("connected")
    await page.locator("#list button").filter(has_text="hello").click()
    await expect(page.locator("#window")).to_contain_text("is over")
    await expect(page.get_by_role("button", name="Send", exact=True)).to_be_disabled()
    await page.get_by_label("Approved text").select_option("order")
    await page.get_by_label("{{1}}").fill("A7")
    await page.get_by_label("{{state}}").fill("ready")
    await expect(page.locator("#template-text")).to_have_text("Your order A7 is ready. A7!")
    await page.get_by_role("button", name="Send", exact=True).click()
    await expect(page.locator(".item.reply")).to_contain_text("Your order A7 is ready. A7!")


async def test_a_mail_shows_its_layout_and_what_was_quoted_on_demand(world: World, page: Page) -> None:
    known(world)
    await sign_in(page)
    logo = Media(file=stored(world, "logo", PIXEL), type="image/png", inline="logo")
    mail(world, '<h1>Invoice 7</h1><img src="cid:logo"><script>parent.document.title="owned"</script>', logo)
    await page.locator("#list button").click()
    await expect(page.locator(".item strong")).to_have_text("Invoice")
    await page.get_by_text("Show quoted").click()
    await expect(page.get_by_text("> quoted")).to_be_visible()
    await page.get_by_text("Show as laid out by the author").click()
    frame = page.frame_locator("iframe.layout")
    await expect(frame.get_by_role("heading")).to_have_text("Invoice 7")
    assert await frame.locator("img").evaluate("image => image.naturalWidth") == 1
    assert await page.title() == "Trunkline desk"


async def test_a_supervisor_sees_what_somebody_has_to_look_at(world: World, page: Page) -> None:
    text, remedy = "The channel mail is off.", "Mend its credentials."
    world.alarms.append(Alarm(name="channel_off", channel="mail", text=text, remedy=remedy, since=1_700_000_000_000))
    await sign_in(page, "anna")
    await expect(page.locator("#alarms")).to_contain_text(f"{text} {remedy}")
    await expect(page.get_by_role("alert").filter(has_text=text)).to_be_visible()
