"""Forms, attributes, invitations and how the visitor stands."""

from typing import Any

import pytest

from adapters.webchat.face import Invitation, InviteWhen, Option, Question
from normalizer.content import Form, Rating
from tests.adapters.webchat.conftest import Chat, Node
from tests.adapters.webchat.fakes import FakeContext, Tab

M1 = "018bcfe5-6800-7000-8000-000000000001"
QUESTIONS = [
    Question(name="name", label={"en": "Your name"}),
    Question(name="email", label={"en": "E-mail"}, kind="email", required=False),
    Question(
        name="topic",
        label={"en": "What about?"},
        kind="choice",
        options=[Option(value="orders", label={"en": "An order"}), Option(value="returns", label={"en": "A return"})],
    ),
]
GOOD = {"name": "Ola", "topic": "orders", "message": "Where is it?"}


@pytest.fixture
async def node(chat: Chat) -> Node:
    invitation = Invitation(name="checkout", when=InviteWhen(pages=["/checkout*"]), text={"en": "Can we help?"})
    return await chat.start(questions=QUESTIONS, invitations=[invitation])


@pytest.fixture
async def tab(node: Node) -> Tab:
    return await (await node.visitor()).open()


async def test_answers_become_a_form_and_attributes_for_the_rules(tab: Tab, context: FakeContext) -> None:
    await tab.send(type="send", id=M1, content={"kind": "form", "name": "questions", "answers": GOOD})
    await tab.until("ack")
    [envelope] = context.accepted
    assert envelope.content == Form(name="questions", answers=GOOD)
    assert envelope.attributes == {"name": "Ola", "topic": "orders"}
    assert envelope.sender.name == "Ola"
    await tab.has(1)
    assert tab.page.transcript[0]["content"] == {"kind": "form", "name": "questions", "answers": GOOD}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": " "}, "name"),
        ({"topic": "something else"}, "topic"),
        ({"email": "not an address"}, "email"),
        ({"email": "a@b"}, "email"),
        ({"message": "\n"}, "message"),
        ({"password": "x"}, "password"),
    ],
)
async def test_a_wrong_answer_is_named(tab: Tab, context: FakeContext, change: dict[str, str], field: str) -> None:
    await tab.send(type="send", id=M1, content={"kind": "form", "name": "questions", "answers": GOOD | change})
    fault = await tab.until("error")
    assert (fault["code"], fault["field"], fault["ref"]) == ("bad_form", f"content.answers.{field}", M1)
    assert "retry_after" not in fault
    assert context.accepted == []


async def test_the_offline_form_needs_an_address(tab: Tab, context: FakeContext) -> None:
    form = {"kind": "form", "name": "offline"}
    await tab.send(type="send", id=M1, content={**form, "answers": {"message": "Call me"}})
    assert (await tab.until("error"))["field"] == "content.answers.email"
    answers = {"email": "ola@shop.example", "message": "Call me"}
    await tab.send(type="send", id=M1, content={**form, "answers": answers})
    await tab.until("ack")
    assert context.accepted[0].content == Form(name="offline", answers=answers)


async def test_a_rating_is_taken_as_it_is(tab: Tab, context: FakeContext) -> None:
    await tab.send(type="send", id=M1, content={"kind": "rating", "score": 3, "scale": 3, "comment": "quick"})
    await tab.until("ack")
    assert context.accepted[0].content == Rating(score=3, scale=3, comment="quick")


@pytest.mark.parametrize(("named", "attributes"), [("checkout", {"invitation": "checkout"}), ("made up", {})])
async def test_an_invitation_that_was_accepted_is_told(
    tab: Tab, context: FakeContext, named: str, attributes: dict[str, str]
) -> None:
    await tab.send(type="send", id=M1, content={"kind": "text", "text": "Yes"}, invitation=named)
    await tab.until("ack")
    assert context.accepted[0].attributes == attributes


async def test_where_a_visitor_comes_from_and_is_now(node: Node, context: FakeContext) -> None:
    tab = await (await node.visitor()).open(
        page="https://shop.example/",
        title="Shop",
        referrer="https://search.example/?q=boots",
        campaign="spring",
        department="pro",
        attributes={"cart": "1"},
    )
    await tab.send(type="about", page="https://shop.example/boots", title="Boots", attributes={"cart": "2"})
    await tab.say(M1, "Hello")
    await tab.until("ack")
    assert context.accepted[0].attributes == {
        "page": "https://shop.example/boots",
        "title": "Boots",
        "referrer": "https://search.example/?q=boots",
        "campaign": "spring",
        "department": "pro",
        "cart": "2",
    }


@pytest.mark.parametrize(
    "attributes",
    [{"x": "y" * 301}, {f"name{n}": "x" for n in range(17)}, {"<b>": "x"}, {"a" * 41: "x"}, {"x": 1}],
)
async def test_attributes_are_bounded(tab: Tab, attributes: dict[str, Any]) -> None:
    await tab.send(type="about", attributes=attributes)
    assert (await tab.until("error"))["code"] == "bad_request"


async def test_the_session_says_all_that_the_page_decides_by(node: Node) -> None:
    async with node.chat.http.post(f"{node.url}/session", headers={"Origin": "https://shop.example"}) as response:
        grant = await response.json()
    assert grant["staffed"] is True
    assert grant["look"]["invitations"][0]["when"] == {"pages": ["/checkout*"]}
    assert [question["name"] for question in grant["look"]["questions"]] == ["name", "email", "topic"]
    assert grant["look"]["quiet"] == 7 * 86_400_000
    assert grant["look"]["identify"] is False


async def test_a_visitor_is_told_their_place_and_whether_somebody_is_there(node: Node, context: FakeContext) -> None:
    tab = await (await node.visitor()).open()
    assert await tab.stands() == {"type": "status", "staffed": True, "ahead": None, "opens_at": 0}
    await tab.say(M1, "Hello")
    await tab.until("ack")
    await tab.has(1)
    context.lines.ahead = {context.conversation_of(tab.page.address): 2}
    assert await tab.stands() == {"type": "status", "staffed": True, "ahead": 2, "opens_at": 0}
    context.lines.ahead, context.lines.staffed = {}, False
    assert await tab.stands() == {"type": "status", "staffed": False, "ahead": None, "opens_at": 0}
