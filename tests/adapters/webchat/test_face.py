"""What visitors notice of the chat beyond a plain conversation, in a real Chromium over a scripted router."""

import asyncio
import base64
import re
from pathlib import Path
from typing import Any

import jwt
import pytest
from playwright.async_api import Page, Route, expect

from adapters.webchat.face import (
    Invitation,
    InvitationLimits,
    InviteWhen,
    Option,
    Question,
    Texts,
    Theme,
    Variant,
)
from adapters.webchat.settings import FileSettings, IdentifySettings
from config import Secret, Size
from normalizer.content import Choice, Delete, Edit, Form, Media, Rating, StoredFile, Text
from normalizer.content import Option as Answer
from normalizer.outbound import Author
from tests.adapters.webchat.conftest import Visit
from tests.adapters.webchat.fakes import ANNA, FakeContext
from tests.adapters.webchat.test_browser import PNG
from tests.adapters.webchat.visiting import AT_REST, address, fills, say, until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
AXE = Path(__file__).parents[3] / "web/ui/node_modules/axe-core/axe.min.js"
SHOTS = Path(__file__).parents[2] / "screenshots/widget"
SYSTEM = Author(kind="system")
PHONE = {"viewport": {"width": 390, "height": 844}, "reduced_motion": "reduce"}


async def open_chat(page: Page) -> None:
    await page.locator(".launcher").click()


async def close(context: FakeContext, visitor: str) -> None:
    await context.lines.record(context.item("closed", visitor))


# --- the conversation ---


async def test_edits_and_deletions_and_phrases_of_the_system(shop: Page, context: FakeContext) -> None:
    visitor = await address(context, shop)
    await context.reply(visitor, "We are looking for the right colleague.", author=SYSTEM)
    first = await context.reply(visitor, "It costs 20.")
    second = await context.reply(visitor, "Wrong window")
    await context.lines.record(context.item("reply", visitor, content=Edit(target=first.id, text="It costs 25.")))
    await context.lines.record(context.item("reply", visitor, content=Delete(target=second.id)))
    await expect(shop.locator(".reply .bubble")).to_have_text(
        ["We are looking for the right colleague.", "It costs 25.", "Message deleted"]
    )
    await expect(shop.locator(".log")).to_contain_text("edited")
    await expect(shop.locator(".who")).to_have_text(["Anna"])


async def test_the_place_in_the_queue_is_told_until_somebody_comes(shop: Page, context: FakeContext) -> None:
    visitor = await address(context, shop)
    for ahead, words in ((2, "2 people are before you"), (1, "1 person is before you"), (0, "You are next")):
        context.lines.ahead = {context.conversation_of(visitor): ahead}
        await expect(shop.locator(".place")).to_contain_text(words)
    context.lines.ahead = {}
    await context.lines.record(context.item("joined", visitor, author=ANNA))
    await expect(shop.locator(".place")).to_have_count(0)
    await expect(shop.locator(".head h2")).to_have_text("Anna")


async def test_choices_can_be_chosen_once(shop: Page, context: FakeContext) -> None:
    visitor = await address(context, shop)
    options = (Answer(id="a", label="A"), Answer(id="x", label="Evil", url="javascript:alert(1)"))
    await context.lines.record(context.item("reply", visitor, content=Choice(text="Which?", options=options)))
    await expect(shop.locator(".options a")).to_have_count(0)
    await shop.get_by_role("button", name="A", exact=True).click()
    await expect(shop.locator(".options")).to_have_count(0)
    await until(lambda: context.accepted[-1].content == Choice(text="A", chosen="a"))


async def test_a_refused_message_can_be_sent_again_or_removed(shop: Page, context: FakeContext) -> None:
    from adapters.errors import EnvelopeRefused  # noqa: PLC0415 - only here

    context.refuse_next = [EnvelopeRefused("too_big", "no")]
    await say(shop, "one")
    await expect(shop.locator(".meta.failed")).to_contain_text("could not be sent")
    await shop.get_by_role("button", name="Try again").click()
    await expect(shop.locator(".own .meta")).to_contain_text("delivered")
    assert [each.content for each in context.accepted] == [Text(text="one")]


async def test_a_lost_connection_is_said_calmly_and_nothing_is_lost(
    visit: Visit,
    context: FakeContext,
    chat: Any,  # noqa: ANN401 - the fixture
) -> None:
    page = await visit()
    await open_chat(page)
    visitor = await address(context, page)
    port = chat.nodes[0].server.port
    await chat.nodes.pop().stop()
    await say(page, "first")
    await say(page, "second")
    await expect(page.locator(".bar")).to_contain_text("What you write is kept")
    await context.reply(visitor, "Meanwhile")
    await chat.start(port=port, demo=True)
    await expect(page.locator(".bar")).to_have_count(0, timeout=60_000)
    await expect(page.locator(".reply .bubble")).to_have_text("Meanwhile")
    await until(lambda: [each.content.text for each in context.accepted] == ["Hello", "first", "second"])  # type: ignore[union-attr] # texts


async def test_unread_answers_are_counted_and_announced(shop: Page, context: FakeContext) -> None:
    visitor = await address(context, shop)
    await shop.keyboard.press("Escape")
    await expect(shop.locator(".launcher")).to_be_focused()
    await context.reply(visitor, "one")
    await context.reply(visitor, "two")
    await expect(shop.get_by_role("button", name="Open chat, 2 new messages")).to_be_visible()
    await expect(shop.locator(".root > .hidden[role=status]")).to_have_text("Anna says: two")
    await shop.reload()
    await expect(shop.get_by_role("button", name="Open chat, 2 new messages")).to_be_visible()
    await open_chat(shop)
    await expect(shop.locator(".badge")).to_have_count(0)
    await shop.keyboard.press("Escape")
    await shop.reload()
    await expect(shop.get_by_role("button", name="Open chat", exact=True)).to_be_visible()


async def test_the_chat_can_be_used_with_the_keyboard_alone(visit: Visit, context: FakeContext) -> None:
    page = await visit()
    await page.locator(".launcher").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_be_visible()
    await expect(page.get_by_label("Write a message")).to_be_focused()
    await page.keyboard.type("Hello")
    await page.keyboard.press("Shift+Enter")
    await page.keyboard.type("there")
    await page.keyboard.press("Enter")
    await until(lambda: [each.content for each in context.accepted] == [Text(text="Hello\nthere")])
    await expect(page.get_by_label("Write a message")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_what_is_half_written_goes_from_page_to_page(visit: Visit, context: FakeContext) -> None:
    page = await visit()
    await open_chat(page)
    await page.get_by_label("Write a message").fill("half a sent")
    await page.reload()
    await expect(page.get_by_label("Write a message")).to_have_value("half a sent")
    await expect(page.get_by_label("Write a message")).not_to_be_focused()
    await page.get_by_label("Write a message").press("Enter")
    await until(lambda: len(context.accepted) == 1)
    await page.keyboard.press("Escape")
    await page.reload()
    await page.locator(".launcher").wait_for()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await open_chat(page)
    await expect(page.get_by_label("Write a message")).to_have_value("")


async def test_nothing_that_anybody_says_becomes_markup(visit: Visit, context: FakeContext) -> None:
    evil = "<img src=x onerror=alert(1)>"
    page = await visit(
        texts={"en": Texts(title=evil[:80], subtitle=evil, greeting=evil, write=evil, launcher=evil)},
        invitations=[Invitation(name="evil", when=InviteWhen(), text={"en": evil})],
    )
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    await page.locator(".invited").click()
    visitor = await address(context, page, evil)
    author = Author(id="x", name=evil, avatar="javascript:alert(1)")
    await context.lines.record(context.item("joined", visitor, author=author))
    await context.reply(visitor, evil, author=author)
    file = Media(file=StoredFile(name="x", size=5, key="k"), type="text/html", filename=evil)
    await context.lines.record(context.item("reply", visitor, content=file, author=author))
    await page.get_by_role("button", name="Download").wait_for()
    assert await page.locator(".root img").count() == 0
    assert await page.locator(".root script").count() == 0
    await expect(page.locator(".reply .bubble").first).to_have_text(evil)
    assert dialogs == []


async def test_the_tag_has_the_last_word(visit: Visit) -> None:
    page = await visit(theme=Theme(color="#112233"))
    tag = 'data-color="#aa0044" data-scheme="dark" data-position="start" data-language="pl" data-title="Sklep"'

    async def add(route: Route) -> None:
        answer = await route.fetch()
        body = (await answer.text()).replace('<script src="chat.js"', f'<script src="chat.js" {tag}')
        await route.fulfill(response=answer, body=body)

    await page.route("**/demo", add)
    await page.reload()
    await page.get_by_role("button", name="Otwórz czat").click()
    await expect(page.locator(".head")).to_have_css("background-color", "rgb(170, 0, 68)")
    await expect(page.locator(".head h2")).to_have_text("Sklep")
    await expect(page.locator(".panel")).to_have_css("background-color", "rgb(23, 25, 28)")


async def test_on_a_phone_the_focus_stays_in_the_chat(visit: Visit) -> None:
    page = await visit(context=PHONE)
    await open_chat(page)
    await fills(page.get_by_role("dialog"), 390, 844)
    for _ in range(12):
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.tagName") == "TRUNKLINE-CHAT"


async def test_the_language_can_be_changed(shop: Page) -> None:
    await shop.get_by_label("Language").select_option("ru")
    await expect(shop.get_by_label("Ваше сообщение")).to_have_attribute("lang", "ru")
    await shop.reload()
    await shop.get_by_label("Язык").select_option("pl")
    await expect(shop.get_by_label("Napisz wiadomość")).to_be_visible()


# --- files ---


async def drop(page: Page, event: str, name: str, data: bytes) -> None:
    """Paste or drop a file."""
    await page.evaluate(
        """([event, name, data]) => {
          const root = document.querySelector("trunkline-chat").shadowRoot;
          const bytes = Uint8Array.from(atob(data), (each) => each.charCodeAt(0));
          const held = new DataTransfer();
          held.items.add(new File([bytes], name, {type: "image/png"}));
          const rest = {bubbles: true, cancelable: true};
          const made = event === "paste" ? new ClipboardEvent("paste", {clipboardData: held, ...rest})
            : new DragEvent(event, {dataTransfer: held, ...rest});
          root.querySelector(event === "paste" ? "textarea" : ".panel").dispatchEvent(made);
        }""",
        [event, name, base64.b64encode(data).decode()],
    )


async def test_screenshots_are_pasted_and_files_dropped(shop: Page, context: FakeContext) -> None:
    await address(context, shop)
    await drop(shop, "paste", "image.png", PNG)
    await until(lambda: isinstance(context.accepted[-1].content, Media))
    await drop(shop, "dragover", "cat.png", PNG)
    await expect(shop.locator(".drop")).to_be_visible()
    await drop(shop, "drop", "cat.png", PNG)
    await expect(shop.locator(".own img")).to_have_count(2)
    await until(lambda: len(context.accepted) == 3)


async def test_a_file_that_is_not_taken_is_explained(visit: Visit) -> None:
    page = await visit(files=FileSettings(max_size=Size(1_000), types=["image/png"]))
    await open_chat(page)
    picker = page.locator("input[type=file]")
    big = {"name": "big.png", "mimeType": "image/png", "buffer": PNG + bytes(2_000)}
    await picker.set_input_files(big)  # type: ignore[arg-type] # a FilePayload by shape
    await expect(page.get_by_role("alert")).to_have_text("big.png is too large. A file may have at most 1 kB.")
    await page.get_by_role("button", name="Remove").click()
    zipped = {"name": "a.zip", "mimeType": "image/png", "buffer": b"PK\x03\x04" + bytes(40)}
    await picker.set_input_files(zipped)  # type: ignore[arg-type] # as above
    await expect(page.get_by_role("alert")).to_have_text("Files such as a.zip are not accepted here.")


async def test_a_voice_message_is_recorded_and_played(visit: Visit, context: FakeContext) -> None:
    page = await visit(context={"permissions": ["microphone"]})
    await open_chat(page)
    await page.get_by_role("button", name="Record a voice message").click()
    await expect(page.locator(".recording time")).to_have_text(re.compile("0:0[1-9]"))
    await page.get_by_role("button", name="Send").click()
    await until(lambda: len(context.accepted) == 1)
    [envelope] = context.accepted
    assert isinstance(envelope.content, Media)
    assert envelope.content.voice
    assert 500 < (envelope.content.duration or 0) < 30_000
    await expect(page.locator(".own audio")).to_be_visible()


# --- forms, rating, invitations ---

QUESTIONS = [
    Question(name="name", label={"en": "Your name", "pl": "Imię"}),
    Question(
        name="topic",
        label={"en": "What is it about?"},
        kind="choice",
        options=[
            Option(value="orders", label={"en": "An order"}),
            Option(value="other", label={"en": "Else"}),
        ],
    ),
]


async def test_questions_come_before_the_chat(visit: Visit, context: FakeContext) -> None:
    page = await visit(questions=QUESTIONS)
    await open_chat(page)
    await page.get_by_role("button", name="Start the chat").click()
    await expect(page.locator(".wrong")).to_have_count(3)
    await expect(page.get_by_label("Your name")).to_be_focused()
    await page.get_by_label("Your name").fill("<b>Ola</b>")
    await page.get_by_label("What is it about?").select_option("An order")
    await page.get_by_label("Your message").fill("Where is it?")
    await page.get_by_role("button", name="Start the chat").click()
    await expect(page.locator(".own .bubble")).to_contain_text("<b>Ola</b>")
    await expect(page.locator(".own .bubble")).to_contain_text("An order")
    await expect(page.get_by_label("Write a message")).to_be_visible()
    [envelope] = context.accepted
    assert isinstance(envelope.content, Form)
    assert envelope.attributes["topic"] == "orders"


async def test_when_nobody_is_there_an_address_is_asked_for(visit: Visit, context: FakeContext) -> None:
    context.lines.staffed = False
    page = await visit()
    await open_chat(page)
    await page.get_by_label("Your e-mail address").fill("ola")
    await page.get_by_label("Your message").fill("Call me")
    await page.get_by_role("button", name="Send message").click()
    await expect(page.locator(".wrong")).to_have_text("Please check the address")
    await page.get_by_label("Your e-mail address").fill("ola@shop.example")
    await page.get_by_role("button", name="Send message").click()
    await until(lambda: len(context.accepted) == 1)
    assert context.accepted[0].content == Form(
        name="offline", answers={"email": "ola@shop.example", "message": "Call me"}
    )
    await expect(page.locator(".place")).to_contain_text("We answer as soon as we are back")
    context.lines.ahead = {context.conversation_of(context.accepted[0].address): 0}
    context.lines.staffed = True
    await expect(page.locator(".place")).to_contain_text("You are next")
    context.lines.staffed = False
    await expect(page.locator(".place")).to_have_text([re.compile("We answer as soon as we are back")])
    context.lines.ahead = {}
    context.lines.staffed = True
    await expect(page.locator(".place")).to_have_count(0)


async def test_a_conversation_is_rated_once(shop: Page, context: FakeContext) -> None:
    visitor = await address(context, shop)
    await close(context, visitor)
    await expect(shop.locator(".note").last).to_have_text("This conversation is over.")
    await shop.get_by_role("button", name="Good").click()
    await shop.get_by_label("What could be better?").fill("Quick!")
    await shop.locator(".rating").get_by_role("button", name="Send").click()
    await until(lambda: context.accepted[-1].content == Rating(score=3, scale=3, comment="Quick!"))
    await expect(shop.locator(".rating")).to_have_count(0)
    await shop.reload()
    await expect(shop.locator(".note").last).to_have_text("This conversation is over.")
    await expect(shop.locator(".rating")).to_have_count(0)


def invitation(**when: Any) -> Invitation:  # noqa: ANN401 - conditions
    return Invitation(name="hello", when=InviteWhen(**when), text={"en": "Can we help with <b>boots</b>?"})


async def test_an_invitation_is_accepted_and_the_operator_sees_which(visit: Visit, context: FakeContext) -> None:
    page = await visit(invitations=[invitation(pages=["*/demo"], event="cart")])
    await page.wait_for_timeout(1_500)
    await expect(page.locator(".invite")).to_have_count(0)
    await page.evaluate("Trunkline.track('cart', {cart: '3 items'})")
    await page.get_by_role("button", name="Can we help").click()
    await expect(page.locator(".reply .bubble")).to_have_text("Can we help with <b>boots</b>?")
    await say(page, "Yes, please")
    await until(lambda: len(context.accepted) == 1)
    attributes = context.accepted[0].attributes
    assert (attributes["invitation"], attributes["cart"]) == ("hello", "3 items")
    assert attributes["page"].endswith("/demo")


async def test_a_refused_invitation_does_not_come_again(visit: Visit) -> None:
    page = await visit(invitations=[invitation()], invitation_limits=InvitationLimits(per_visit=9, per_week=9))
    await page.get_by_role("button", name="No, thank you").click()
    await page.reload()
    await page.locator(".launcher").wait_for()
    await page.wait_for_timeout(2_500)
    await expect(page.locator(".invite")).to_have_count(0)


# --- the shop's own: looks, words, script ---


async def test_the_shop_decides_how_it_looks_and_what_it_says(visit: Visit) -> None:
    page = await visit(
        theme=Theme(color="#ffd400", position="start", radius=4),
        texts={"en": Texts(title="<i>Fern</i>", greeting="Ahoy!", launcher="Ask us")},
        variants=[Variant(pages=["*/page"], theme=Theme(color="#102030"), texts={"en": Texts(title="The page")})],
    )
    await page.get_by_role("button", name="Ask us").click()
    await expect(page.locator(".head h2")).to_have_text("<i>Fern</i>")
    await expect(page.locator(".reply .bubble")).to_have_text("Ahoy!")
    header = page.locator(".head")
    await expect(header).to_have_css("background-color", "rgb(255, 212, 0)")
    await expect(header).to_have_css("color", "rgb(0, 0, 0)")
    box = await page.get_by_role("dialog").bounding_box()
    assert box is not None
    assert box["x"] < 100
    alone = await visit("page")
    await expect(alone.locator(".head")).to_have_css("background-color", "rgb(16, 32, 48)")
    await expect(alone).to_have_title("The page")


async def test_the_shops_script_opens_listens_and_tells(visit: Visit, context: FakeContext) -> None:
    page = await visit()
    await page.locator(".launcher").wait_for()
    await page.evaluate(
        """() => {
          window.heard = [];
          for (const event of ["open", "close", "message", "sent", "unread", "conversation", "closed"])
            Trunkline.on(event, (data) => heard.push(event));
          Trunkline.on("open", () => { throw new Error("the shop's own fault") });
          Trunkline.set({plan: "gold", "Bad Name": 1, long: "x".repeat(5000), user: "root", fn: () => 1});
          Trunkline.open();
        }"""
    )
    visitor = await address(context, page)
    await context.reply(visitor, "Hi")
    await page.wait_for_function("() => heard.includes('message')")
    await close(context, visitor)
    await page.wait_for_function("() => heard.includes('closed')")
    await page.evaluate("Trunkline.close()")
    heard = await page.evaluate("heard")
    assert {"open", "sent", "conversation", "message", "closed", "close"} <= set(heard)
    attributes = context.accepted[0].attributes
    assert attributes["plan"] == "gold"
    assert len(attributes["long"]) == 300
    assert not attributes.keys() & {"user", "Bad Name", "fn"}


async def test_a_signed_user_finds_the_conversation_on_another_device(visit: Visit, context: FakeContext) -> None:
    key = "k" * 64
    now = context.now() // 1_000
    token = jwt.encode({"sub": "42", "name": "Ola", "iat": now, "exp": now + 300}, key)
    laptop = await visit(identify=IdentifySettings(secrets=[Secret(key)]))
    await laptop.evaluate("(token) => Trunkline.identify({token})", token)
    await open_chat(laptop)
    await address(context, laptop, "from the laptop")
    assert context.accepted[0].attributes["user"] == "42"
    phone = await visit(context=PHONE)
    await phone.evaluate("(token) => Trunkline.identify({token})", token)
    await open_chat(phone)
    await expect(phone.locator(".own .bubble")).to_have_text("from the laptop")
    await phone.evaluate("Trunkline.identify(null)")
    await expect(phone.locator(".own .bubble")).to_have_count(0)
    forged = await phone.evaluate(
        "(token) => Trunkline.identify({token}).then(() => 'taken', (fault) => fault.code)", token[:-4] + "AAAA"
    )
    assert forged == "identity_forged"


# --- for everybody, in every light ---


async def faults_of(page: Page) -> list[str]:
    """What axe finds (WCAG 2.2 AA and its best practices), as short sentences."""
    await page.evaluate(await asyncio.to_thread(AXE.read_text))
    found = await page.evaluate("axe.run(document.querySelector('trunkline-chat'))")
    return [
        f"{fault['id']}: {node['html'][:120]} {node['failureSummary'][:200]}"
        for fault in found["violations"]
        for node in fault["nodes"]
    ]


async def look(page: Page, name: str) -> list[str]:
    await page.wait_for_timeout(350)  # what moves has begun to
    await page.wait_for_function(AT_REST)
    SHOTS.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=SHOTS / f"{name}.png")
    return [f"{name}: {fault}" for fault in await faults_of(page)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
async def test_axe_finds_nothing(visit: Visit, context: FakeContext, scheme: str, width: int) -> None:
    page = await visit(
        context={"viewport": {"width": width, "height": 844}, "color_scheme": scheme},
        preview=True,
        invitations=[Invitation(name="hello", when=InviteWhen(), text={"en": "Not sure about the size? Ask us."})],
        invitation_limits=InvitationLimits(per_visit=1),
        questions=QUESTIONS,
    )
    name = f"{width}-{scheme}"
    await page.locator(".invite").wait_for()
    found = await look(page, f"{name}-invitation")
    await page.get_by_role("button", name="Not sure").click()
    found += await look(page, f"{name}-questions")
    await page.get_by_label("Your name").fill("Ola")
    await page.get_by_label("What is it about?").select_option("An order")
    await page.get_by_label("Your message").fill("Do the ridge boots come in 46? https://shop.example/boots")
    await page.get_by_role("button", name="Start the chat").click()
    await until(lambda: len(context.accepted) == 1)
    visitor = context.accepted[0].address
    context.lines.ahead = {context.conversation_of(visitor): 2}
    await page.locator(".place").wait_for()
    found += await look(page, f"{name}-queue")
    context.lines.ahead = {}
    anna = Author(id="anna", name="Anna Nowak")
    await context.lines.record(context.item("joined", visitor, author=anna))
    await context.reply(visitor, "They do, and the 46 comes in a wide last as well.", author=anna)
    options = (Answer(id="46", label="46"), Answer(id="46w", label="46 wide"))
    question = Choice(text="Which one shall I put aside?", options=options)
    await context.lines.record(context.item("reply", visitor, content=question, author=anna))
    await page.get_by_role("button", name="46 wide").wait_for()
    found += await look(page, f"{name}-conversation")
    picture = {"name": "cat.png", "mimeType": "image/png", "buffer": PNG}
    await page.locator("input[type=file]").set_input_files(picture)  # type: ignore[arg-type] # a FilePayload by shape
    await until(lambda: len(context.accepted) == 2)
    await close(context, visitor)
    await page.get_by_role("button", name="Good").click()
    found += await look(page, f"{name}-rating")
    assert found == []


async def test_everything_to_press_is_large_enough_for_a_thumb(visit: Visit, context: FakeContext) -> None:
    page = await visit(context=PHONE, preview=True)
    await open_chat(page)
    visitor = await address(context, page)
    await context.reply(visitor, "Hello")
    await close(context, visitor)
    await page.locator(".rating").wait_for()
    small = await page.evaluate(
        """() => {
          const root = document.querySelector("trunkline-chat").shadowRoot;
          return [...root.querySelectorAll("button, select, textarea, input:not([hidden])")]
            .map((each) => [each.className || each.tagName, each.getBoundingClientRect()])
            .filter(([, box]) => box.width && (box.width < 44 || box.height < 44))
            .map(([name, box]) => `${name} ${box.width}x${box.height}`);
        }"""
    )
    assert small == []


async def test_it_works_where_a_page_allows_next_to_nothing(visit: Visit) -> None:
    page = await visit()
    policy = (await page.request.get(page.url)).headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    await open_chat(page)
    await expect(page.get_by_role("dialog")).to_have_css("border-radius", "18px")
