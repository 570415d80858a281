"""Canned answers on screens: who sees which, live and after a break, and the files they come and go in."""

from typing import Any

import pytest
from msgspec.structs import replace

from desk.canned.files import to_yaml
from router.inputs import RulesProposed
from router.rules import CannedText
from tests.desk.conftest import at_work
from tests.desk.world import RULES, Browser, Console, Desk, World

HELLO: dict[str, Any] = {
    "do": "save_answer",
    "title": "Greeting",
    "shortcut": "/hi",
    "texts": {"en": "Hello {customer}"},
}


def titles(console: Console) -> list[str]:
    return [each["title"] for each in console.answers.values()]


async def send(browser: Browser, body: bytes, kind: str, query: str = "") -> tuple[int, Any]:
    headers = {**browser.headers, "Content-Type": kind}
    async with browser.http.post(browser.desk.url(f"/answers{query}"), data=body, headers=headers) as response:
        return response.status, await response.json()


async def test_a_shared_answer_reaches_every_screen_and_a_personal_one_its_owners(
    world: World, desk: Desk, ben: Console, cleo: Console
) -> None:
    anna = await at_work(world, desk, "anna")
    answer = await anna.do(HELLO)
    assert [event["event"] for event in answer["events"]] == ["answer"]
    await cleo.until(lambda: titles(cleo) == ["Greeting"])
    shared = next(iter(cleo.answers.values()))
    assert (shared["shortcut"], shared["version"], shared["by"], "personal" in shared) == ("hi", 1, "anna", False)
    await ben.do({**HELLO, "title": "Mine", "personal": True})
    await ben.until(lambda: set(titles(ben)) == {"Greeting", "Mine"})
    assert (await ben.do(HELLO))["code"] == "not_allowed"

    changed = {**HELLO, "answer": shared["id"], "version": 1, "title": "Welcome"}
    assert (await anna.do(changed))["status"] == "confirmed"
    assert (await anna.do(changed))["code"] == "answer_changed"
    await cleo.until(lambda: titles(cleo) == ["Welcome"])
    await anna.do({"do": "delete_answer", "answer": shared["id"]})
    await ben.until(lambda: titles(ben) == ["Mine"])
    assert not cleo.answers


async def test_a_screen_that_comes_back_shows_what_a_fresh_one_does(world: World, desk: Desk, ben: Console) -> None:
    anna = await at_work(world, desk, "anna")
    await anna.do(HELLO)
    await ben.until(lambda: bool(ben.answers))
    name = next(iter(ben.answers))
    await ben.drop()
    await anna.do({"do": "delete_answer", "answer": name})
    await anna.do({**HELLO, "title": "New"})
    await anna.do({**HELLO, "title": "Not for Ben", "personal": True})
    await ben.reconnect()
    assert ben.welcome["resumed"]
    await ben.until(lambda: titles(ben) == ["New"])
    other = await world.console(await world.desk(), "ben")
    await other.until(lambda: other.answers == ben.answers)


async def test_answers_of_the_file_stand_beside_them_and_cannot_be_changed_here(
    world: World, desk: Desk, ben: Console
) -> None:
    anna = await at_work(world, desk, "anna")
    assert ben.choices == {
        "results": [],
        "queues": ["everything else"],
        "skills": [],
        "variables": ["customer", "first_name", "operator", "channel", "conversation", "date"],
    }
    given = (CannedText(title="From the file", texts={"en": "x"}),)
    world.log.put(RulesProposed(hash="two", rules=replace(RULES, answers=given, results=("solved",))))
    await anna.until(lambda: titles(anna) == ["From the file"])
    assert anna.choices["results"] == ["solved"]
    name = next(iter(anna.answers))
    assert anna.answers[name]["from_file"]
    assert (await anna.do({"do": "delete_answer", "answer": name}))["code"] == "in_file"


async def test_answers_go_out_as_a_file_and_come_back(world: World, desk: Desk, ben: Console) -> None:
    anna = await at_work(world, desk, "anna")
    await anna.do(
        {**HELLO, "folder": "Shop/Hello", "texts": {"en": 'Costs ${date}, says "no"\n— {operator}', "no": "Hei"}}
    )
    await anna.do({**HELLO, "shortcut": "", "title": "1"})
    status, kept = await anna.browser.ask("GET", "/answers")
    assert (status, [each["title"] for each in kept["answers"]]) == (200, ["1", "Greeting"])
    _, yaml = await anna.browser.ask("GET", "/answers?format=yaml")
    for name in tuple(anna.answers):
        await anna.do({"do": "delete_answer", "answer": name})

    status, answer = await send(anna.browser, yaml, "application/yaml")
    assert (status, answer["status"], len(answer["events"])) == (200, "confirmed", 2)
    assert (await anna.browser.ask("GET", "/answers"))[1] == kept
    assert (await anna.browser.ask("POST", "/answers", kept))[1]["code"] == "nothing_new"
    assert (await ben.browser.ask("POST", "/answers", kept))[1]["code"] == "not_allowed"
    assert (await ben.browser.ask("POST", "/answers?scope=personal", kept))[0] == 200
    assert len(ben.answers) == 4
    assert (await ben.browser.ask("GET", "/answers?scope=personal"))[1] == kept
    assert to_yaml([]) == "answers: []\n"


async def test_a_file_that_is_wrong_is_refused_with_the_place(world: World, desk: Desk) -> None:
    anna = await at_work(world, desk, "anna")
    status, body = await send(anna.browser, b"answers: [", "application/yaml")
    assert (status, body["error"]["code"]) == (400, "bad_request")
    assert "the file:1" in body["error"]["message"]
    status, body = await send(anna.browser, b"answers: [{title: A, texts: {en: '${file:/etc/passwd}'}}]", "text/yaml")
    assert status == 200, "references are words like others"
    assert titles(anna) == ["A"]
    assert (await send(anna.browser, b"answers: []", "text/yaml"))[0] == 400
    assert (await send(anna.browser, b"x", "text/plain"))[0] == 415
    assert (await send(anna.browser, b"x" * 400_000, "text/yaml"))[0] == 413


async def test_a_file_is_looked_at_before_it_is_taken_in(world: World, desk: Desk) -> None:
    in_file = CannedText(title="Bye", shortcut="bye", texts={"en": "Bye"})
    world.log.put(RulesProposed(hash="two", rules=replace(RULES, answers=(in_file,), languages=("pl", "en"))))
    anna = await at_work(world, desk, "anna")
    await anna.do(HELLO)
    await anna.do({**HELLO, "title": "Later", "shortcut": "later", "texts": {"pl": "Potem"}})
    before = dict(world.log.machine.state.answers)
    table = (
        "\ufeffTitle;Shortcut;Text;EN\r\n"
        "Greeting;/hi;;Hello {customer}\r\n"
        'Later;later;"Zaraz; ""moment""";\r\n'
        "Boots;;Buty;Boots\r\n;;;\r\n"
        "Bye;bye;Pa;\r\n"
        "Boots;;Buty;\r\n"
        "Price;;{price};\r\n"
    )
    status, seen = await send(anna.browser, table.encode(), "text/csv", "/preview")
    assert status == 200
    assert [(each["title"], each["becomes"], each.get("code", "")) for each in seen["answers"]] == [
        ("Greeting", "same", ""),
        ("Later", "changed", ""),
        ("Boots", "new", ""),
        ("Bye", "wrong", "shortcut_taken"),
        ("Boots", "wrong", "twice"),
        ("Price", "wrong", "unknown_variable"),
    ]
    assert seen["answers"][1]["texts"] == {"pl": 'Zaraz; "moment"'}
    assert world.log.machine.state.answers == before
    status, seen = await send(anna.browser, b"title\ttext\nBye\tPa", "text/csv", "/preview?scope=personal")
    assert (status, seen["answers"]) == (200, [{"title": "Bye", "texts": {"pl": "Pa"}, "becomes": "new"}])
    assert (await send(anna.browser, b"title,shortcut,pl\nBye,pa,Pa", "text/csv"))[0] == 200


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("", "not nothing"),
        ("name,text\nA,B", "title and a text"),
        ("title,text\n", "length"),
        ("title\nA", "title and a text"),
        ("title,text,en\nA,B,C", "each once"),
        ("title,text,colour\nA,B,C", "colour"),
        ('title,text\nA,"B', "line 2"),
        (b"title,text\nA,\xc4", "UTF-8"),
    ],
)
async def test_what_is_no_table_of_answers_is_refused_in_words(
    world: World, desk: Desk, table: str | bytes, said: str
) -> None:
    anna = await at_work(world, desk, "anna")
    body = table if isinstance(table, bytes) else table.encode()
    status, answer = await send(anna.browser, body, "text/csv", "/preview")
    assert status == 400
    assert said in answer["error"]["message"]
