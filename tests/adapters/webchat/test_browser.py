"""The chat in a real Chromium, under the policies it is served with."""

import pytest
from playwright.async_api import Page, expect

from adapters.contract import Typing
from adapters.errors import NotAccepted
from normalizer.content import Choice, Media, Option, StoredFile, Text
from normalizer.outbound import ReceiptState
from tests.adapters.webchat.conftest import Chat, Visit
from tests.adapters.webchat.fakes import ANNA, FakeContext
from tests.adapters.webchat.visiting import PATIENCE, address, reported, say, until
from web.sockets import GOING_AWAY

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

PNG = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\0\x05"
    b"\0\x01\xff\x89\x99=\x1d\0\0\0\0IEND\xaeB`\x82"
)


async def test_an_answer_is_delivered_to_a_closed_chat_and_read_in_an_open_one(
    shop: Page, context: FakeContext
) -> None:
    visitor = await address(context, shop)
    await shop.keyboard.press("Escape")
    reply = await context.reply(visitor, "one")
    await expect(shop.locator(".badge")).to_have_text("1")
    await reported(context, "delivered", reply.id)
    assert all(receipt.state is ReceiptState.DELIVERED for receipt in context.receipts)
    await shop.get_by_role("button", name="Open chat").click()
    await reported(context, "read", reply.id)


async def test_a_conversation_in_the_shop(shop: Page, context: FakeContext) -> None:
    visitor = await address(context, shop, "Hello <b>there</b>\nDo the boots https://shop.example/boots come in 46?")
    await expect(shop.locator(".own .bubble")).to_contain_text("<b>there</b>")
    await expect(shop.locator(".own a")).to_have_attribute("href", "https://shop.example/boots")
    await context.lines.record(context.item("joined", visitor, author=ANNA))
    await context.reply(visitor, "They do. Shall I put a pair aside?")
    await expect(shop.locator(".reply .bubble")).to_have_text("They do. Shall I put a pair aside?")
    await expect(shop.locator(".note:not(.day)")).to_have_text("Anna is here for you")
    await context.lines.record(context.item("read", visitor, n=1))
    await expect(shop.locator(".own .meta")).to_contain_text("read")
    question = Choice(text="Which size?", options=(Option(id="s46", label="46"), Option(id="s47", label="47")))
    await context.lines.record(context.item("reply", visitor, content=question))
    await shop.get_by_role("button", name="47").click()
    await expect(shop.locator(".own")).to_have_count(2)
    await expect(shop.locator(".own .meta").last).to_contain_text("delivered")
    assert context.accepted[-1].content == Choice(text="47", chosen="s47")
    typing = Typing(conversation=context.lines.records[0][0].conversation, by="operator", name="Anna")
    await context.lines.operator_types(typing)
    await expect(shop.get_by_role("img", name="Anna is typing")).to_be_visible()
    await shop.get_by_label("Write a message").press_sequentially("Thank you")
    await reported(context, "read", [item.id for item in context.lines.of(visitor) if item.kind == "reply"][-1])
    await until(lambda: any(typing.text.startswith("Th") for typing in context.lines.typed))


async def test_a_message_written_without_a_connection_arrives_once(
    shop: Page, chat: Chat, context: FakeContext
) -> None:
    visitor = await address(context, shop)
    context.refuse_next = [NotAccepted("bus_away", "no")] * 100
    await say(shop, "are you there?")
    await expect(shop.locator(".own .meta").last).to_contain_text("sending")
    await shop.reload()
    context.refuse_next = []
    await expect(shop.locator(".own")).to_have_count(2)
    await expect(shop.locator(".own .meta").last).to_contain_text("delivered", timeout=PATIENCE)
    await expect(shop.locator(".own .meta")).to_have_count(1)  # both are, and it is said once
    assert [envelope.content for envelope in context.accepted] == [Text(text="Hello"), Text(text="are you there?")]
    await chat.nodes[0].adapter._hub.close(GOING_AWAY)
    await context.reply(visitor, "While you were away")
    await expect(shop.locator(".reply .bubble")).to_have_text("While you were away")
    await expect(shop.locator(".own")).to_have_count(2)


async def test_a_reload_shows_the_conversation_and_a_second_tab_follows(shop: Page, context: FakeContext) -> None:
    visitor = await address(context, shop)
    await context.reply(visitor, "one")
    second = await shop.context.new_page()
    await second.goto(shop.url)
    await second.get_by_role("button", name="Open chat").click()
    await expect(second.locator(".bubble")).to_have_text(["Hello", "one"])
    await say(second, "from the second tab")
    await expect(shop.locator(".bubble")).to_have_text(["Hello", "one", "from the second tab"])
    await shop.reload()
    await expect(shop.locator(".bubble")).to_have_text(["Hello", "one", "from the second tab"])


async def test_files_both_ways(shop: Page, context: FakeContext) -> None:
    visitor = await address(context, shop)
    picture = {"name": "cat.png", "mimeType": "image/png", "buffer": PNG}
    await shop.locator("input[type=file]").set_input_files(picture)  # type: ignore[arg-type] # a FilePayload by shape
    await expect(shop.locator(".own img")).to_have_js_property("naturalWidth", 1)
    context.media.files["bill"] = b"%PDF-1.7"
    bill = Media(file=StoredFile(name="bill", size=8, key="k"), type="application/pdf", filename="bill.pdf")
    await context.lines.record(context.item("reply", visitor, content=Text(text="Your bill", attachments=(bill,))))
    async with shop.expect_download() as download:
        await shop.get_by_role("button", name="bill.pdf").click()
    assert (await download.value).suggested_filename == "bill.pdf"


async def test_a_page_of_its_own_on_a_phone_in_polish(visit: Visit, context: FakeContext) -> None:
    phone = {"viewport": {"width": 390, "height": 780}, "locale": "pl-PL", "color_scheme": "dark"}
    page = await visit("page", phone)
    await expect(page).to_have_title("Napisz do nas")
    await page.get_by_label("Napisz wiadomość").fill("Dzień dobry")
    await page.keyboard.press("Enter")
    await expect(page.locator(".own .meta")).to_contain_text("dostarczono")
    await context.reply(context.accepted[0].address, "Dzień dobry! W czym pomóc?")
    await expect(page.locator(".reply .bubble")).to_be_visible()
