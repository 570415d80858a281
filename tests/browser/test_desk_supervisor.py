"""A supervisor and an operator, each with a page: watching, whispering, asking, taking over, sending again."""

import pytest
from playwright.async_api import Page, expect

from normalizer.outbound import Receipt, ReceiptState
from tests.browser.operators import chromium, desk_page, sign_in
from tests.browser.test_desk import answer, take_first
from tests.desk.world import Desk, World

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


async def test_a_supervisor_watches_whispers_is_asked_and_takes_over(world: World, desk: Desk) -> None:
    async with chromium() as browser, desk_page(browser, desk) as ben, desk_page(browser, desk) as anna:
        await sign_in(ben, "ben")
        world.log.customer("I want my money back")
        await take_first(ben)
        await sign_in(anna, "anna")
        await anna.keyboard.press("3")
        await anna.locator("#list .row").first.click()
        await expect(anna.locator("#items")).to_contain_text("I want my money back")
        await anna.keyboard.press("Alt+h")
        await answer(anna, "Offer a voucher")
        await expect(ben.locator(".notice")).to_contain_text("Anna whispers: Offer a voucher")
        await expect(ben.locator(".item.note")).to_contain_text("whisper")

        await ben.keyboard.press("Alt+n")
        await ben.locator("#text").press_sequentially("of how much? @an")
        await expect(ben.get_by_role("option")).to_contain_text("Anna")
        await ben.keyboard.press("Enter")
        await ben.keyboard.press("Enter")
        await expect(anna.locator(".notice")).to_contain_text("Ben asks you something")

        await anna.keyboard.press("Alt+4")
        await expect(anna.locator("tr").filter(has_text="Ben")).to_contain_text("site 1")
        await anna.keyboard.press("Alt+3")
        await anna.locator("#list .row").first.click()
        await anna.get_by_role("button", name="Take over").click()
        await expect(ben.locator(".notice").last).to_contain_text("belongs to somebody else now")
        await expect(anna.locator(".who-facts")).to_contain_text("Anna")


async def test_an_answer_that_did_not_arrive_is_sent_again_for_real(world: World, page: Page) -> None:
    await sign_in(page)
    conversation = world.log.customer("Hello")
    await take_first(page)
    await answer(page, "Hello, too")
    reply = page.locator(".item.reply:not(.pending)")
    await expect(reply).to_have_count(1)
    error = "The connection was lost."
    world.log.receipt(
        Receipt(outbound=f"{conversation}-2", state=ReceiptState.FAILED, at=world.log.now, code="x", error=error)
    )
    await expect(reply).to_contain_text("The connection was lost.")
    await page.get_by_role("button", name="Send again").click()
    await expect(reply).to_contain_text("1 earlier attempt")
    await expect(reply).to_have_count(1)
    await expect(reply.locator(".receipt")).to_have_attribute("data-state", "queued")
    world.log.receipt(Receipt(outbound=f"{conversation}-3", state=ReceiptState.READ, at=world.log.now))
    await expect(reply.locator(".receipt")).to_have_attribute("data-state", "read")
