"""The desk without a mouse: ten people answered at once, the palette, the cheat sheet, canned answers."""

import pytest
from msgspec.structs import replace
from playwright.async_api import Page, expect

from router.inputs import RulesProposed
from tests.browser.operators import sign_in
from tests.desk.world import RULES, World

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

PEOPLE = 10


@pytest.fixture(autouse=True)
def room(world: World) -> None:
    """Ben has room for many."""
    operators = RULES.operators | {"ben": replace(RULES.operators["ben"], units=1_000)}
    world.log.put(RulesProposed(hash="room", rules=replace(RULES, operators=operators)))


async def test_an_operator_answers_ten_people_at_once_from_the_keyboard_alone(world: World, page: Page) -> None:
    await expect(page.locator("#operator")).to_be_focused()
    await page.keyboard.type("ben")
    await page.keyboard.press("Tab")
    await page.keyboard.type("correct horse")
    await page.keyboard.press("Enter")
    await expect(page.locator(".rail #presence")).to_have_attribute("data-state", "available")
    conversations = []
    for who in range(PEOPLE):
        world.log.now += 1_000
        conversations.append(world.log.customer(f"Question {who}", who=f"v{who}"))
    await expect(page.locator("#list .row.offered")).to_have_count(PEOPLE)
    for who in range(PEOPLE):  # the longest wait first
        world.seconds += 1  # the time by which commands are counted
        await page.keyboard.press("Alt+g")
        await expect(page.locator("#title")).to_have_text(f"Customer v{who}")
        await expect(page.locator("#text")).to_be_focused()
        await page.keyboard.press("Alt+a")
        await expect(page.locator(".offer")).to_have_count(0)
        await page.keyboard.type(f"Answer {who}")
        await page.keyboard.press("Enter")
        await expect(page.locator(".item.reply:not(.pending)")).to_contain_text(f"Answer {who}")
    state = world.log.machine.state
    for who, conversation in enumerate(conversations):
        sent = [each for each in world.log.inputs if f"Answer {who}" in str(each)]
        assert len(sent) == 1
        assert conversation in str(sent[0])
        assert state.conversations[conversation].unanswered == 0
    for who in reversed(range(PEOPLE)):
        world.seconds += 1
        await page.keyboard.press("Alt+e")
        await expect(page.get_by_role("button", name="Reopen")).to_be_visible()
        await page.keyboard.press("Alt+ArrowUp")
        if who:
            await expect(page.locator("#title")).to_have_text(f"Customer v{who - 1}")
    assert {state.conversations[each].status for each in conversations} == {"closed"}


async def test_the_keys_move_through_the_list_and_escape_steps_back(world: World, page: Page) -> None:
    await sign_in(page)
    for who in ("v1", "v2", "v3"):
        world.log.now += 1_000
        world.log.customer(f"From {who}", who=who)
    await expect(page.locator("#list .row")).to_have_count(3)
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await expect(page.locator(":focus .row-name")).to_have_text("Customer v2")
    await page.keyboard.press("k")
    await expect(page.locator(":focus .row-name")).to_have_text("Customer v1")
    await page.keyboard.press("Enter")
    await expect(page.locator("#text")).to_be_focused()
    await page.keyboard.press("Alt+ArrowDown")
    await expect(page.locator("#title")).to_have_text("Customer v2")
    await expect(page.locator("#text")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.locator(":focus .row-name")).to_have_text("Customer v2")
    await page.keyboard.press("Escape")
    await expect(page.locator("#title")).to_have_count(0)


async def test_the_palette_does_and_finds_everything_and_the_cheat_sheet_shows_all_keys(
    world: World, page: Page
) -> None:
    await sign_in(page)
    world.log.customer("Where is my parcel?")
    await page.keyboard.press("Control+k")
    await expect(page.locator(".palette-box")).to_be_focused()
    await page.keyboard.type("parcel")
    await expect(page.get_by_role("option")).to_have_count(1)
    await page.keyboard.press("Enter")
    await expect(page.locator("#title")).to_have_text("Customer v1")
    await expect(page.locator("#text")).to_be_focused()
    await page.keyboard.press("Control+k")
    await expect(page.locator(".palette-box")).to_be_focused()
    await page.keyboard.type("accept")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Close", exact=True)).to_be_visible()
    await expect(page.locator("#text")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.locator("#list .row")).to_be_focused()
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_contain_text("Open who waits longest")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_canned_answers_come_by_shortcut_by_key_and_from_the_first_letters(world: World, page: Page) -> None:
    await sign_in(page)
    await page.keyboard.press("6")
    await page.get_by_role("button", name="New answer").click()
    await page.get_by_label("Title").fill("How to return")
    await page.get_by_label("Shortcut").fill("ret")
    await page.get_by_label("Text (en)").fill("Dear {first_name}, send it back. {operator}")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator(".two-list")).to_contain_text("How to return")
    await page.keyboard.press("1")
    world.log.customer("Can I send it back?")
    await page.locator("#list .row").first.click()
    await page.get_by_role("button", name="Accept").click()
    box = page.locator("#text")
    await box.press_sequentially("/re")
    await expect(page.locator("#completion")).to_contain_text("How to return")
    await page.keyboard.press("Enter")
    await expect(box).to_have_value("Dear Customer, send it back. Ben")
    await box.fill("")
    await expect(page.locator("#send")).to_be_disabled()
    await box.press_sequentially("dear")
    await expect(page.locator(".suggestion")).to_contain_text("send it back")
    await page.keyboard.press("Tab")
    await expect(box).to_have_value("Dear Customer, send it back. Ben")
    await box.fill("")
    await expect(page.locator(".suggestion")).to_have_count(0)
    await page.keyboard.press("Control+/")
    await expect(page.locator(".palette-box")).to_be_focused()
    await page.keyboard.type("return")
    await page.keyboard.press("Enter")
    await expect(box).to_have_value("Dear Customer, send it back. Ben")
    await expect(box).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator(".item.reply:not(.pending)")).to_contain_text("Dear Customer, send it back. Ben")
