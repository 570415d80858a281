"""The chat in real Chromium on pages that make it hard: another origin, rules for everything, strict policies."""

import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, Page, expect

from adapters.errors import EnvelopeRefused
from adapters.webchat.face import Question
from broker.bus.server import free_port
from normalizer.content import Choice, Delete, Edit, Option
from normalizer.outbound import Author
from tests.adapters.webchat.conftest import Chat, Visit
from tests.adapters.webchat.fakes import FakeContext
from tests.adapters.webchat.test_browser import PNG
from tests.adapters.webchat.visiting import PATIENCE, address, fills, say, until
from web.sockets import GOING_AWAY

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
LONG = "Donaudampfschifffahrtsgesellschaftskapitaen" * 6
TAG = '<script src="http://CHAT/channels/site/chat.js" defer></script>'
HOSTILE = """<style>
* {letter-spacing: 9px !important; text-transform: uppercase !important; font: 30px serif !important;
  color: red !important; direction: rtl; white-space: nowrap; visibility: hidden}
body > * {position: relative; z-index: 1; opacity: .5; filter: blur(2px); transform: rotate(3deg); max-width: 300px}
button, .panel, .launcher {display: none !important}
</style>"""
POLICY = (
    "default-src 'self'; script-src http://CHAT; connect-src http://CHAT ws://CHAT; img-src blob:; media-src blob:; \
require-trusted-types-for 'script'; trusted-types 'none'"
)

Shop = Callable[..., Awaitable[Page]]
"""Opens a shop on another origin: ``shop_page(head, policy="", body="", **context_of_the_browser)``."""


@pytest.fixture
async def shop_page(chat: Chat, browser: Browser) -> AsyncIterator[Shop]:
    servers = []

    async def go(head: str = TAG, policy: str = "", body: str = "", **context: Any) -> Page:  # noqa: ANN401 - of the browser
        ports = free_port(), free_port()
        host = f"127.0.0.1:{ports[1]}"
        start = '<!doctype html><html lang="ar" dir="rtl"><head>'
        text = f"{start}{head}</head><body>{body}</body></html>".replace("CHAT", host)
        headers = {"Content-Security-Policy": policy.replace("CHAT", host)} if policy else {}

        async def show(_: web.Request) -> web.Response:
            return web.Response(text=text, content_type="text/html", headers=headers)

        app = web.Application()
        app.router.add_get("/", show)
        server = TestServer(app, port=ports[0])
        servers.append(server)
        await server.start_server()
        await chat.start(port=ports[1], origins=[f"http://127.0.0.1:{ports[0]}"])
        wanted = {"viewport": {"width": 1200, "height": 800}, "locale": "en-GB", **context}
        page = await (await browser.new_context(**wanted)).new_page()
        page.set_default_timeout(PATIENCE)
        await page.goto(f"http://127.0.0.1:{ports[0]}/")
        return page

    yield go
    for each in browser.contexts:
        await each.close()
    for server in servers:
        await server.close()


async def outside(page: Page) -> list[str]:
    """Name what reaches over the edge of the panel."""
    found: list[str] = await page.evaluate(
        """() => {
          const root = document.querySelector("trunkline-chat").shadowRoot;
          const edge = root.querySelector(".panel").getBoundingClientRect();
          return [...root.querySelectorAll(".log *")].filter((each) => {
            const box = each.getBoundingClientRect();
            return box.width && (box.right > edge.right + 1 || box.left < edge.left - 1);
          }).map((each) => each.className || each.tagName);
        }"""
    )
    return found


# --- pages ---


async def test_rules_of_the_page_for_everything_do_not_reach_the_chat(shop_page: Shop, context: FakeContext) -> None:
    page = await shop_page(TAG + HOSTILE, body="<main>Shop</main>")
    await page.locator(".launcher").click()
    await say(page, "Hello")
    bubble = page.locator(".own .bubble")
    await expect(bubble).to_have_css("letter-spacing", "normal")
    await expect(bubble).to_have_css("text-transform", "none")
    await expect(bubble).to_have_css("font-size", "15px")
    await expect(bubble).to_have_css("color", "rgb(255, 255, 255)")
    host = page.locator("trunkline-chat")
    for name, value in (("opacity", "1"), ("filter", "none"), ("transform", "none"), ("z-index", "2147483000")):
        await expect(host).to_have_css(name, value)
    box = await page.get_by_role("dialog").bounding_box()
    assert box is not None
    assert (box["x"] + box["width"], box["width"]) == (1180, 400)
    await page.add_style_tag(content="trunkline-chat {--trunkline-display: none}")
    await expect(page.locator(".launcher")).to_be_hidden()
    assert len(context.accepted) == 1


async def test_a_policy_that_allows_what_the_guide_names_is_enough(shop_page: Shop, context: FakeContext) -> None:
    page = await shop_page(policy=POLICY)
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    await page.locator(".launcher").click()
    await address(context, page)
    picture = {"name": "cat.png", "mimeType": "image/png", "buffer": PNG}
    await page.locator("input[type=file]").set_input_files(picture)  # type: ignore[arg-type] # a FilePayload by shape
    await expect(page.locator(".own img")).to_have_js_property("naturalWidth", 1)
    assert faults == []


async def test_a_tag_without_defer_in_the_head_works(shop_page: Shop) -> None:
    page = await shop_page(TAG.replace(" defer", ""))
    await page.locator(".launcher").click()
    await expect(page.get_by_role("dialog")).to_be_visible()


async def test_words_written_from_the_right_stand_as_they_are_read(shop_page: Shop) -> None:
    tag = TAG.replace("defer", 'data-title="متجر!" data-radius="round" data-scheme="blue" defer')
    page = await shop_page(tag)
    await page.locator(".launcher").click()
    for name in (".head h2", ".head p", ".bubble"):
        await expect(page.locator(name).first).to_have_css("unicode-bidi", "plaintext")
    await expect(page.get_by_role("dialog")).to_have_css("border-radius", "18px")


async def test_nothing_is_printed(shop_page: Shop) -> None:
    page = await shop_page()
    await page.locator(".launcher").wait_for()
    await page.emulate_media(media="print")
    await expect(page.locator(".launcher")).to_be_hidden()


@pytest.mark.parametrize("width", [1200, 390])
async def test_nothing_however_long_reaches_over_the_edge(shop_page: Shop, context: FakeContext, width: int) -> None:
    page = await shop_page(viewport={"width": width, "height": 800})
    await page.locator(".launcher").click()
    visitor = await address(context, page, f"https://shop.example/{LONG}")
    author = Author(id="x", name=LONG)
    await context.lines.record(context.item("joined", visitor, author=author))
    await context.reply(visitor, LONG, author=author)
    choice = Choice(text=LONG, options=(Option(id="a", label=LONG), Option(id="b", label="No")))
    await context.lines.record(context.item("reply", visitor, content=choice, author=author))
    await page.get_by_role("button", name="No", exact=True).wait_for()
    assert await outside(page) == []


async def test_a_phone_on_its_side_gives_the_chat_its_whole_screen(shop_page: Shop) -> None:
    page = await shop_page(viewport={"width": 844, "height": 390})
    await page.locator(".launcher").click()
    await fills(page.get_by_role("dialog"), 844, 390)


# --- what is written, heard and counted ---


async def test_what_is_half_written_in_a_form_survives_closing_reloading_and_a_colleague_who_comes(
    visit: Visit, context: FakeContext
) -> None:
    context.lines.staffed = False
    page = await visit()
    await page.locator(".launcher").click()
    await page.get_by_label("Your e-mail address").fill("ola@shop.example")
    await page.get_by_label("Your message").fill("A long story")
    await page.keyboard.press("Escape")
    await page.locator(".launcher").click()
    await expect(page.get_by_label("Your message")).to_have_value("A long story")
    await page.reload()
    await expect(page.get_by_label("Your e-mail address")).to_have_value("ola@shop.example")
    await expect(page.get_by_label("Your message")).to_have_value("A long story")
    context.lines.staffed = True
    await expect(page.get_by_label("Write a message")).to_have_value("A long story")
    await page.get_by_role("button", name="Send").click()
    await until(lambda: len(context.accepted) == 1)
    await page.reload()
    await expect(page.get_by_label("Write a message")).to_have_value("")


async def test_the_focus_goes_on_where_a_form_was(visit: Visit, context: FakeContext) -> None:
    page = await visit(questions=[Question(name="topic", label={"en": "Topic"})])
    await page.locator(".launcher").click()
    await page.get_by_label("Topic").fill("Boots")
    await page.get_by_label("Your message").fill("Hello")
    await page.get_by_role("button", name="Start the chat").press("Enter")
    await until(lambda: len(context.accepted) == 1)
    await expect(page.get_by_label("Write a message")).to_be_focused()


async def test_a_closed_chat_does_not_listen(visit: Visit) -> None:
    page = await visit(context={"permissions": ["microphone"]})
    await page.evaluate(
        """() => {
          const media = navigator.mediaDevices, ask = media.getUserMedia.bind(media);
          media.getUserMedia = async (what) => (window.heard = await ask(what));
        }"""
    )
    await page.locator(".launcher").click()
    await page.get_by_role("button", name="Record a voice message").click()
    await page.locator(".recording").wait_for()
    await page.keyboard.press("Escape")
    await page.wait_for_function("() => heard.getTracks().every((track) => track.readyState === 'ended')")


async def test_a_changed_answer_makes_nothing_unread_and_announces_nothing(shop: Page, context: FakeContext) -> None:
    visitor = await address(context, shop)
    await shop.evaluate("() => { window.heard = []; Trunkline.on('message', ({text}) => heard.push(text)) }")
    first = await context.reply(visitor, "It costs 20.")
    second = await context.reply(visitor, "Wrong window")
    await context.lines.record(context.item("reply", visitor, content=Edit(target=first.id, text="It costs 25.")))
    await context.lines.record(context.item("reply", visitor, content=Delete(target=second.id)))
    await expect(shop.locator(".reply .bubble")).to_have_text(["It costs 25.", "Message deleted"])
    await shop.keyboard.press("Escape")
    await expect(shop.get_by_role("button", name="Open chat", exact=True)).to_be_visible()
    assert await shop.evaluate("heard") == ["It costs 20.", "Wrong window"]
    await expect(shop.locator(".root > .hidden[role=status]")).to_have_text("Anna says: Wrong window")


async def test_what_was_refused_is_still_shown_after_a_reload(shop: Page, context: FakeContext) -> None:
    context.refuse_next = [EnvelopeRefused("too_big", "no")]
    await say(shop, "one")
    await shop.locator(".meta.failed").wait_for()
    await shop.reload()
    await expect(shop.locator(".meta.failed")).to_contain_text("could not be sent")
    await shop.get_by_role("button", name="Remove").click()
    await shop.reload()
    await expect(shop.locator(".own")).to_have_count(0)


async def test_a_table_is_pasted_as_words_although_its_picture_comes_with_it(shop: Page) -> None:
    taken = await shop.evaluate(
        """(data) => {
          const held = new DataTransfer();
          held.items.add(new File([Uint8Array.from(atob(data), (each) => each.charCodeAt(0))], "a.png"));
          held.setData("text/plain", "46");
          held.setData("text/html", "<td>46</td>");
          const made = new ClipboardEvent("paste", {clipboardData: held, bubbles: true, cancelable: true});
          document.querySelector("trunkline-chat").shadowRoot.querySelector("textarea").dispatchEvent(made);
          return made.defaultPrevented;
        }""",
        base64.b64encode(PNG).decode(),
    )
    assert taken is False
    await expect(shop.locator(".upload")).to_have_count(0)


async def test_a_language_chosen_without_a_connection_is_spoken_with_the_next_one(
    visit: Visit, chat: Chat, context: FakeContext
) -> None:
    page = await visit()
    await page.locator(".launcher").click()
    await address(context, page)
    await page.route("**/session*", lambda route: route.abort())
    async with page.expect_event("requestfailed"):
        await page.get_by_label("Language").select_option("pl")
    await page.unroute("**/session*")
    await chat.nodes[0].adapter._hub.close(GOING_AWAY)
    await expect(page.get_by_label("Napisz wiadomość")).to_be_visible(timeout=PATIENCE)


async def test_who_signs_out_takes_the_half_written_words_along(visit: Visit) -> None:
    page = await visit()
    await page.locator(".launcher").click()
    await page.get_by_label("Write a message").fill("My secret")
    await page.evaluate("Trunkline.identify(null)")
    await expect(page.get_by_label("Write a message")).to_have_value("")


async def test_who_rates_is_thanked(shop: Page, context: FakeContext) -> None:
    visitor = await address(context, shop)
    await context.lines.record(context.item("closed", visitor))
    await shop.get_by_role("button", name="Good").click()
    await shop.locator(".rating").get_by_role("button", name="Send").click()
    await expect(shop.locator(".place")).to_have_text("Thank you for telling us.")


async def test_the_page_of_its_own_counts_in_its_title_what_came_while_nobody_looked(
    visit: Visit, context: FakeContext
) -> None:
    page = await visit("page")
    visitor = await address(context, page)
    await page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    await context.reply(visitor, "Hello")
    await expect(page).to_have_title("(1) Chat with us")
    await page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    await context.reply(visitor, "There")
    await expect(page).to_have_title("Chat with us")


async def test_a_page_is_not_left_silently_while_a_file_is_on_its_way(shop: Page) -> None:
    leave = "() => !dispatchEvent(new Event('beforeunload', {cancelable: true}))"
    assert await shop.evaluate(leave) is False
    await shop.route("**/files", lambda _: None)
    picture = {"name": "cat.png", "mimeType": "image/png", "buffer": PNG}
    await shop.locator("input[type=file]").set_input_files(picture)  # type: ignore[arg-type] # a FilePayload by shape
    await shop.locator(".upload").wait_for()
    assert await shop.evaluate(leave) is True
    await shop.get_by_role("button", name="Cancel").click()
    assert await shop.evaluate(leave) is False
