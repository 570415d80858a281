"""The desk in a real Chromium: what an operator sees and does."""

import asyncio
import base64

import pytest
from playwright.async_api import Page, expect

from desk.ports import Alarm
from normalizer.content import Media, Text
from normalizer.outbound import Receipt, ReceiptState
from tests.browser.operators import PATIENCE, sign_in
from tests.desk.conversations.test_reach import HOUR, WA, known, mail, rings, stored, write
from tests.desk.world import Desk, World

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
"""A picture of one point."""

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


async def take_first(page: Page) -> None:
    """Open the first conversation and accept it."""
    await page.locator("#list .row").first.click()
    await page.get_by_role("button", name="Accept").click()
    await expect(page.get_by_role("button", name="Close", exact=True)).to_be_visible()


async def answer(page: Page, text: str) -> None:
    await page.locator("#text").fill(text)
    await page.locator("#text").press("Enter")


async def test_an_operator_signs_in_accepts_and_answers_with_the_keyboard(world: World, page: Page) -> None:
    await page.get_by_label("Name").fill("ben")
    await page.get_by_label("Password").fill("wrong")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert").filter(has_text="wrong")).to_be_visible()
    await sign_in(page)

    conversation = world.log.customer("<b>Where</b> is my parcel?")
    line = page.locator("#list .row").filter(has_text="Customer v1")
    await expect(line).to_contain_text("<b>Where</b> is my parcel?")
    await page.keyboard.press("j")
    await expect(line).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#text")).to_be_focused()
    await page.keyboard.press("Alt+a")
    await expect(page.get_by_role("button", name="Close", exact=True)).to_be_visible()
    await page.keyboard.type("It is")
    await page.keyboard.press("Shift+Enter")
    await page.keyboard.type("on its way")
    await page.keyboard.press("Enter")
    reply = page.locator(".item.reply:not(.pending)").filter(has_text="on its way")
    await expect(reply).to_contain_text("queued")
    world.log.receipt(Receipt(outbound=f"{conversation}-2", state=ReceiptState.READ, at=world.log.now))
    await expect(reply).to_contain_text("read")
    await page.keyboard.press("Alt+e")
    await expect(page.get_by_role("button", name="Reopen")).to_be_visible()
    assert world.log.machine.state.conversations[conversation].status == "closed"


async def test_what_is_not_confirmed_is_shown_so_and_comes_through_later(world: World, page: Page) -> None:
    await sign_in(page)
    world.log.customer("Hello")
    await take_first(page)
    world.log.silent = True
    await answer(page, "Are you there?")
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
    await take_first(page)
    await page.locator("#text").fill("half a sent")
    desk.node.close_sockets()
    world.log.customer("while you were away")
    await expect(page.locator(".item.message")).to_have_count(2)
    await expect(page.locator("#connection")).to_have_text("connected")
    await page.reload()
    await expect(page.locator(".item.message")).to_have_count(2)  # the address names the conversation
    await expect(page.locator("#text")).to_have_value("half a sent")


async def test_a_stale_reply_shows_what_was_not_seen_and_can_be_sent_anyway(
    world: World, desk: Desk, page: Page
) -> None:
    await sign_in(page)
    conversation = world.log.customer("Hello")
    await take_first(page)
    await expect(page.locator(".item.message")).to_have_count(1)
    anna = await world.browser(desk)
    anna.headers["Origin"] = desk.node.outside.public_url
    await anna.sign_in("anna")
    desk.ledger.held = True  # Ben's screen does not show it yet
    content = {"kind": "text", "text": "Anna helps"}
    await anna.do({"do": "reply", "conversation": conversation, "content": content, "seen": 1})
    await answer(page, "Ben helps")
    desk.ledger.held = False
    desk.ledger.follow()
    await expect(page.locator("#stale")).to_contain_text("Anna helps")
    await page.get_by_role("button", name="Send mine anyway").click()
    await expect(page.locator("#items .item.reply:not(.pending)")).to_have_count(2)


async def test_whoever_only_reads_is_not_taken_for_gone(world: World, page: Page) -> None:
    await sign_in(page)
    world.log.customer("Hello")
    await page.locator("#list .row").first.click()
    sent: list[str | bytes] = []

    def keep(frame: str | bytes) -> None:  # Playwright takes no method of a builtin
        sent.append(frame)

    page.on("websocket", lambda socket: socket.on("framesent", keep))
    await page.reload()  # nothing has been said on this page
    await expect(page.locator(".item.message")).to_have_count(1)
    assert '{"type":"active"}' not in sent
    await page.mouse.wheel(0, 100)
    async with asyncio.timeout(PATIENCE / 1_000):
        while '{"type":"active"}' not in sent:
            await page.wait_for_timeout(50)
    await page.wait_for_timeout(1_000)  # and not again at once
    assert sent.count('{"type":"active"}') == 1


async def test_a_session_that_ended_leads_back_to_the_sign_in(world: World, desk: Desk, page: Page) -> None:
    await sign_in(page)
    del world.accounts.accounts["ben"]
    desk.node.sweep()
    await expect(page.get_by_label("Password")).to_be_visible()
    await expect(page.get_by_role("alert")).to_contain_text("session has ended")
    await expect(page.locator("#desk")).to_have_count(0)


async def test_a_missed_call_is_called_back_with_a_button(world: World, page: Page) -> None:
    known(world)
    await sign_in(page)
    rings(world, "ringing")
    line = page.locator("#list .row")
    await expect(line).to_contain_text("calling")
    rings(world, "failed")
    await expect(line).to_contain_text("missed call")
    await line.click()
    await expect(page.locator("#reply-hint")).to_contain_text("phone only")
    await page.locator("#text").fill("nobody reads this")
    await expect(page.locator("#send")).to_be_disabled()
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
    await page.locator("#list .row").click()
    await expect(page.locator("#window")).to_contain_text("open for")
    world.log.pass_time(HOUR + 1)
    await page.reload()
    await page.locator("#list .row").filter(has_text="hello").click()
    await expect(page.locator("#window")).to_contain_text("is over")
    await expect(page.locator("#send")).to_be_disabled()
    await page.locator("#template").select_option("order")
    await page.get_by_label("{{1}}").fill("A7")
    await page.get_by_label("{{state}}").fill("ready")
    await expect(page.locator("#template-text")).to_have_text("Your order A7 is ready. A7!")
    await page.locator("#send").click()
    await expect(page.locator(".item.reply")).to_contain_text("Your order A7 is ready. A7!")


async def test_a_mail_shows_its_layout_and_what_was_quoted_on_demand(world: World, page: Page) -> None:
    known(world)
    await sign_in(page)
    logo = Media(file=stored(world, "logo", PIXEL), type="image/png", inline="logo")
    mail(world, '<h1>Invoice 7</h1><img src="cid:logo"><script>parent.document.title="owned"</script>', logo)
    await page.locator("#list .row").click()
    await expect(page.locator(".item strong")).to_have_text("Invoice")
    await page.get_by_text("Show quoted").click()
    await expect(page.get_by_text("> quoted")).to_be_visible()
    await page.get_by_text("Show as laid out by the author").click()
    frame = page.frame_locator("iframe.layout")
    await expect(frame.get_by_role("heading")).to_have_text("Invoice 7")
    assert await frame.locator("img").evaluate("image => image.naturalWidth") == 1
    assert "owned" not in await page.title()


async def test_a_picture_is_seen_in_place_and_large(world: World, page: Page) -> None:
    await sign_in(page)
    picture = Media(file=stored(world, "parcel", PIXEL), type="image/png", filename="parcel.png")
    world.log.customer("", content=picture)
    await take_first(page)
    await expect(page.get_by_role("img", name="parcel.png")).to_be_visible()
    await page.locator(".picture").click()
    await expect(page.get_by_role("dialog").get_by_role("img")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_a_file_is_uploaded_and_sent_with_a_caption(world: World, page: Page) -> None:
    await sign_in(page)
    world.log.customer("Can I see it?")
    await take_first(page)
    await page.locator("#file").set_input_files({"name": "shoe.png", "mimeType": "image/png", "buffer": PIXEL})
    await expect(page.locator(".files")).to_contain_text("shoe.png")
    await answer(page, "Here it is")
    reply = page.locator(".item.reply:not(.pending)")
    await expect(reply).to_contain_text("Here it is")
    await expect(reply.get_by_role("img", name="Here it is")).to_be_visible()
    await expect(page.locator(".files")).to_have_count(0)


async def test_a_supervisor_sees_what_somebody_has_to_look_at(world: World, page: Page) -> None:
    text, remedy = "The channel mail is off.", "Mend its credentials."
    world.alarms.append(Alarm(name="channel_off", channel="mail", text=text, remedy=remedy, since=1_700_000_000_000))
    await sign_in(page, "anna")
    await expect(page.locator("#alarms")).to_contain_text(f"{text} {remedy}")
    await expect(page.get_by_role("alert").filter(has_text=text)).to_be_visible()
