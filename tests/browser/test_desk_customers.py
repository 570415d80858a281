"""Two customers who are one, and one who is two after all; canned answers from elsewhere; all of it by keyboard."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.operators import chromium, desk_page, sign_in
from tests.browser.test_desk import take_first
from tests.browser.test_desk_faces import PHONE, faults, sign_in_on_a_phone
from tests.desk.world import Desk, World

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def person_of(world: World, who: str) -> str:
    return world.log.machine.state.addresses[f"visitor:{who}"].person


async def join(page: Page, name: str) -> None:
    """Say that the customer at hand is the same as another one."""
    await page.keyboard.press("Alt+l")
    await page.keyboard.type(name)
    await expect(page.get_by_role("dialog").get_by_role("option")).to_have_count(1)
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("How do you know?")).to_be_focused()
    assert await faults(page) == []
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_be_visible()  # not without a word why
    await page.keyboard.type("the same order")
    await page.keyboard.press("Enter")
    await expect(page.locator(".notice")).to_contain_text("are one customer now")


async def test_two_customers_are_joined_by_keyboard_and_it_is_undone(world: World, page: Page) -> None:
    await sign_in(page)
    world.log.customer("order 7")
    await take_first(page)
    world.log.customer("I wrote before", who="x2")
    await join(page, "x2")
    assert person_of(world, "v1") == person_of(world, "x2")
    card = page.locator(".card")
    await expect(card.locator(".address")).to_have_count(2)
    await expect(card.locator(".past")).to_contain_text("I wrote before")
    await page.get_by_role("button", name="Undo").click()
    await expect(card.locator(".address")).to_have_count(1)
    assert person_of(world, "v1") != person_of(world, "x2")


async def test_an_address_is_separated_from_the_palette_and_from_the_card(world: World, page: Page) -> None:
    await sign_in(page)
    world.log.customer("order 7")
    await take_first(page)
    await page.keyboard.press("Control+k")
    await page.keyboard.type("separate")
    await expect(page.get_by_role("dialog").get_by_role("option")).to_have_count(0)  # there is one address only
    await page.keyboard.press("Escape")
    for who in ("x2", "x3"):
        world.log.customer("I wrote before", who=who)
        await join(page, who)
        await page.get_by_role("button", name="Dismiss").last.click()
    await page.keyboard.press("Control+k")
    await page.keyboard.type("separate")
    await page.keyboard.press("Enter")
    assert await page.locator("#text").input_value() == ""  # nothing of it was typed to the customer
    await page.get_by_label("Which one").select_option("visitor:x2")
    await page.get_by_label("How do you know?").fill("a neighbour")
    await page.keyboard.press("Enter")
    await expect(page.locator(".card .address")).to_have_count(2)
    assert person_of(world, "v1") == person_of(world, "x3") != person_of(world, "x2")
    await page.get_by_role("button", name="Separate Visitor x3").click()
    await page.get_by_label("How do you know?").fill("a neighbour, too")
    await page.keyboard.press("Enter")
    await expect(page.locator(".card .address")).to_have_count(1)
    assert person_of(world, "v1") != person_of(world, "x3")


async def test_customers_are_joined_on_a_phone(world: World, desk: Desk) -> None:
    async with chromium() as browser, desk_page(browser, desk, viewport=PHONE, has_touch=True) as page:
        await sign_in_on_a_phone(page)
        world.log.customer("order 7")
        await page.locator("#list .row").first.tap()
        world.log.customer("I wrote before", who="x2")
        await page.locator(".who").tap()
        await page.get_by_role("button", name="Same customer as").tap()
        await page.get_by_role("dialog").get_by_role("option").filter(has_text="x2").tap()
        await page.get_by_label("How do you know?").fill("the same order")
        await page.get_by_role("button", name="Join").tap()
        await expect(page.locator(".card .address")).to_have_count(2)


async def test_canned_answers_are_looked_at_and_then_taken_in(world: World, page: Page) -> None:
    await sign_in(page, "anna")
    await page.keyboard.press("Control+k")
    await page.keyboard.type("import")
    await page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    await page.get_by_label("or paste it here").fill("title\tshortcut\nHello\thi")
    await page.get_by_role("button", name="Preview").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("title and a text")
    await page.get_by_label("or paste it here").fill(
        "title\tshortcut\ttext\nHello\thi\tHello!\nPrice\tp\tIt is {price}"
    )
    await page.get_by_role("button", name="Preview").click()
    await expect(dialog.locator(".import-line")).to_have_text(
        [
            "new Hello /hiHello!",
            re.compile("left out Price /pOnly {customer}, .* can be filled in.It is {price}"),
        ]
    )
    assert await faults(page) == []
    assert not world.log.machine.state.answers
    await expect(page.get_by_role("button", name="Add 1 answer")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator(".notice")).to_contain_text("1 canned answer was taken in")
    await expect(page.locator(".two-list")).to_contain_text("Hello")
    assert [each.shortcut for each in world.log.machine.state.answers.values()] == ["hi"]


async def test_more_answers_than_a_frame_holds_are_taken_in_and_none_is_lost(world: World, page: Page) -> None:
    await sign_in(page, "anna")
    await page.keyboard.press("Alt+6")
    await page.get_by_role("button", name="Import answers").click()
    table = "title\ttext\n" + "".join(f"Answer {n}\t{n} {'long ' * 150}\n" for n in range(600))
    file = {"name": "answers.tsv", "mimeType": "text/plain", "buffer": table.encode()}
    await page.get_by_label("Choose a file").set_input_files(file)
    await page.get_by_role("button", name="Add 600 answers").click()
    await expect(page.locator(".notice")).to_contain_text("600 canned answers were taken in")
    assert {each.title for each in world.log.machine.state.answers.values()} == {f"Answer {n}" for n in range(600)}


async def test_a_file_of_answers_is_taken_in_by_an_operator_for_themselves(world: World, page: Page) -> None:
    await sign_in(page)
    await page.keyboard.press("Alt+6")
    await page.get_by_role("button", name="Import answers").click()
    file = {"name": "answers.yaml", "mimeType": "text/plain", "buffer": b"answers: [{title: Bye, texts: {en: Bye!}}]"}
    await page.get_by_label("Choose a file").set_input_files(file)
    await page.get_by_role("button", name="Add 1 answer").click()
    await expect(page.locator(".two-list")).to_contain_text("Bye yours")
    assert [each.owner for each in world.log.machine.state.answers.values()] == ["ben"]
