"""The chat in a page that goes on without being loaded anew, and one that has been talked in for long."""

import pytest
from playwright.async_api import Page, expect

from normalizer.content import Text
from tests.adapters.webchat.conftest import Visit
from tests.adapters.webchat.fakes import FakeContext
from tests.adapters.webchat.visiting import address, say

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

NEW_BODY = """() => {
  const body = new DOMParser().parseFromString(`<body><main>The next page</main>${TAG}</body>`, "text/html").body;
  HOW;
}"""
SWAPS = {
    "assigned": "document.body = body",
    "replaced": "document.body.replaceWith(body)",
    "emptied": "document.body.replaceChildren(...body.childNodes)",
}


async def swap(page: Page, how: str, tag: str = "") -> None:
    await page.evaluate(NEW_BODY.replace("HOW", SWAPS[how]).replace("${TAG}", tag))
    await expect(page.locator("main")).to_have_text("The next page")


@pytest.mark.parametrize("tag", ["", "<trunkline-chat></trunkline-chat>"])
@pytest.mark.parametrize("how", SWAPS)
async def test_a_chat_outlives_the_body_of_its_page(visit: Visit, context: FakeContext, how: str, tag: str) -> None:
    page = await visit()
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    await page.get_by_role("button", name="Open chat").click()
    visitor = await address(context, page)
    await page.get_by_label("Write a message").fill("half a sent")
    await swap(page, how, tag)
    await expect(page.get_by_label("Write a message")).to_have_value("half a sent")
    await context.reply(visitor, "Still here?")
    await expect(page.locator(".bubble")).to_have_text(["Hello", "Still here?"])
    await page.evaluate("Trunkline.close()")
    await swap(page, how, tag)
    await expect(page.locator("trunkline-chat")).to_have_count(1)
    await expect(page.locator(".panel")).to_have_count(0)
    await page.evaluate("Trunkline.open()")
    await say(page, "yes")
    await expect(page.locator(".bubble")).to_have_text(["Hello", "Still here?", "yes"])
    assert len(sockets) == 1


async def test_a_chat_that_the_shop_takes_away_stays_away_until_it_is_put_back(shop: Page) -> None:
    await shop.evaluate("window.chat = document.querySelector('trunkline-chat'); chat.remove()")
    await shop.evaluate("new Promise((done) => setTimeout(done))")
    await expect(shop.locator("trunkline-chat")).to_have_count(0)
    await shop.evaluate("document.body.append(chat)")
    await expect(shop.locator(".panel")).to_be_visible()


async def test_a_new_message_draws_no_old_one_again(shop: Page, context: FakeContext) -> None:
    visitor = await address(context, shop)
    await context.lines.record(
        *(context.item("reply", visitor, content=Text(text=f"Answer {n}")) for n in range(500)),
    )
    await expect(shop.locator(".reply")).to_have_count(500)
    await expect(shop.locator(".reply .bubble").last).to_have_text("Answer 499")
    await shop.evaluate(
        """() => {
          window.drawn = 0;
          const links = RegExp.prototype[Symbol.matchAll]; // every bubble's words are searched for links
          RegExp.prototype[Symbol.matchAll] = function (text) { drawn += 1; return links.call(this, text); };
        }"""
    )
    await context.reply(visitor, "The last one")
    await expect(shop.locator(".reply .bubble").last).to_have_text("The last one")
    await context.lines.record(context.item("read", visitor, n=1))
    await expect(shop.locator(".own .meta")).to_contain_text("read")
    drawn = await shop.evaluate("drawn")
    assert 1 <= drawn <= 6, "at most the new bubble, the one before it and the one that was read"
