"""A visitor and the operators, over real sockets."""

import asyncio

import pytest

from adapters.contract import FellBehind, Typing
from adapters.errors import EnvelopeRefused, NotAccepted
from normalizer.content import Choice, Option, Rating, Text
from normalizer.ids import IdSource
from normalizer.outbound import ReceiptState
from tests.adapters.webchat.conftest import Chat, Node
from tests.adapters.webchat.fakes import FakeContext

IDS = IdSource()


async def test_a_message_is_acknowledged_only_when_it_cannot_be_lost(node: Node, context: FakeContext) -> None:
    stored = asyncio.Event()
    context.before_accept = stored.wait
    tab = await (await node.visitor()).open()
    await tab.caught_up()
    await tab.say(message_id := IDS.new(), "hello")
    await tab.send(type="ping")
    assert await tab.receive() == {"type": "pong"}
    assert not context.accepted
    stored.set()
    assert await tab.until("ack") == {"type": "ack", "id": message_id}
    [envelope] = context.accepted
    assert (envelope.native_id, envelope.channel, envelope.type) == (message_id, "site", "webchat")
    assert (envelope.address, envelope.content) == (tab.page.address, Text(text="hello"))


async def test_the_page_is_told_of_in_the_envelope_but_not_its_token(node: Node, context: FakeContext) -> None:
    tab = await (await node.visitor()).open(page="https://shop.example/shoes", title="Shoes", language="pl-PL")
    await tab.say(IDS.new(), "hello")
    await tab.until("ack")
    [envelope] = context.accepted
    assert envelope.attributes == {"page": "https://shop.example/shoes", "title": "Shoes"}
    assert envelope.sender.languages[0].code == "pl-PL"
    assert tab.page.token not in repr(envelope)


async def test_an_answer_reaches_the_visitor_with_the_operators_name_only(node: Node, context: FakeContext) -> None:
    tab = await (await node.visitor()).open()
    await tab.caught_up()
    await context.reply(tab.page.address, "Good morning")
    [item] = (await tab.until("items"))["items"]
    assert item["content"] == {"kind": "text", "text": "Good morning"}
    assert item["author"] == {"name": "Anna", "avatar": "https://shop.example/anna.png"}
    assert "anna-login" not in repr(item)


async def test_the_other_tabs_see_what_one_tab_sends(node: Node) -> None:
    one = await (await node.visitor()).open()
    two = await one.page.other().open()
    await two.caught_up()
    await one.say(message_id := IDS.new(), "from the first tab")
    assert (await two.until("items"))["items"][0]["id"] == message_id


async def test_nobody_sees_what_others_write(node: Node, context: FakeContext) -> None:
    one, two = await (await node.visitor()).open(), await (await node.visitor()).open()
    await one.caught_up()
    await two.caught_up()
    await context.reply(one.page.address, "for one")
    await context.reply(two.page.address, "for two")
    await one.has(1)
    await two.has(1)
    assert [page.transcript[0]["content"]["text"] for page in (one.page, two.page)] == ["for one", "for two"]


async def test_everything_that_happens_on_the_line_is_shown(node: Node, context: FakeContext) -> None:
    tab = await (await node.visitor()).open()
    address = tab.page.address
    await context.lines.record(context.item("joined", address, author=context.item("reply", address).author))
    await context.lines.record(context.item("read", address, n=7))
    await context.lines.record(
        context.item("reply", address, content=Choice(text="Which?", options=(Option(id="a", label="A"),)))
    )
    await context.lines.record(context.item("closed", address))
    await tab.has(4)
    assert [item["kind"] for item in tab.page.transcript] == ["joined", "read", "reply", "closed"]
    assert tab.page.transcript[1]["n"] == 7
    assert tab.page.transcript[2]["content"]["options"] == [{"id": "a", "label": "A"}]


async def test_choices_and_ratings_are_taken(node: Node, context: FakeContext) -> None:
    tab = await (await node.visitor()).open()
    await tab.send(type="send", id=IDS.new(), content={"kind": "choice", "chosen": "a", "text": "A"})
    await tab.send(type="send", id=IDS.new(), content={"kind": "rating", "score": 9, "scale": 5, "comment": "!"})
    await tab.until("ack")
    await tab.until("ack")
    assert [envelope.content for envelope in context.accepted] == [
        Choice(text="A", chosen="a"),
        Rating(score=5, scale=5, comment="!"),
    ]


async def test_messages_are_handed_over_in_the_order_they_were_sent(node: Node, context: FakeContext) -> None:
    tab = await (await node.visitor()).open()
    for number in range(15):
        await tab.say(IDS.new(), str(number))
    for _ in range(15):
        await tab.until("ack")
    assert [e.content for e in context.accepted] == [Text(text=str(number)) for number in range(15)]


async def test_a_message_that_was_not_stored_is_refused_for_now_and_taken_later(
    node: Node, context: FakeContext
) -> None:
    context.refuse_next = [NotAccepted("bus_away", "no")]
    tab = await (await node.visitor()).open()
    await tab.say(message_id := IDS.new(), "hello")
    fault = await tab.until("error")
    assert (fault["code"], fault["ref"]) == ("not_accepted", message_id)
    assert fault["retry_after"] > 0
    await tab.say(message_id, "hello")
    assert (await tab.until("ack"))["id"] == message_id


async def test_what_was_refused_for_now_is_not_overtaken_by_what_came_later(node: Node, context: FakeContext) -> None:
    context.refuse_next = [NotAccepted("bus_away", "no")]
    tab = await (await node.visitor()).open()
    ids = [IDS.new() for _ in range(4)]
    for number, message_id in enumerate(ids[:3]):
        await tab.say(message_id, str(number))
    faults = [await tab.until("error") for _ in ids[:3]]
    assert [(fault["code"], fault["ref"]) for fault in faults] == [("not_accepted", each) for each in ids[:3]]
    await tab.say(ids[3], "3")  # before the refused ones are repeated
    assert (await tab.until("error"))["ref"] == ids[3]
    for number, message_id in enumerate(ids):
        await tab.say(message_id, str(number))
    for message_id in ids:
        assert (await tab.until("ack"))["id"] == message_id
    assert [e.content for e in context.accepted] == [Text(text=str(number)) for number in range(4)]


async def test_a_message_that_will_never_be_taken_says_so(node: Node, context: FakeContext) -> None:
    context.refuse_next = [EnvelopeRefused("too_big", "no"), ArithmeticError("a fault of ours")]
    tab = await (await node.visitor()).open()
    await tab.say(first := IDS.new(), "hello")
    fault = await tab.until("error")
    assert (fault["code"], fault["ref"], fault.get("retry_after")) == ("refused", first, None)
    await tab.say(IDS.new(), "hello")
    assert (await tab.until("error"))["code"] == "internal"
    await tab.say(last := IDS.new(), "hello")
    assert (await tab.until("ack"))["id"] == last


async def test_a_repeated_message_is_acknowledged_again_and_stands_there_once(node: Node, context: FakeContext) -> None:
    tab = await (await node.visitor()).open()
    message_id = IDS.new()
    for _ in range(3):
        await tab.say(message_id, "hello")
        await tab.until("ack")
    assert len(context.accepted) == 1


async def test_typing_reaches_the_operators_without_what_is_typed(node: Node, context: FakeContext) -> None:
    tab = await (await node.visitor()).open()
    await tab.say(IDS.new(), "hello")
    await tab.has(1)
    await tab.send(type="typing", on=True, preview="a secret")
    await tab.send(type="ping")
    await tab.until("pong")
    conversation = tab.page.transcript[0]["conversation"]
    assert context.lines.typed == [Typing(conversation=conversation, by="customer", on=True)]


async def test_a_preview_is_shown_where_it_is_switched_on_and_four_times_a_second(chat: Chat) -> None:
    node = await chat.start(preview=True)
    tab = await (await node.visitor()).connect()
    assert (await tab.until("welcome"))["preview"] is True
    await tab.say(IDS.new(), "hello")
    await tab.has(1)
    for number in range(20):
        await tab.send(type="typing", on=True, preview=f"text {number}")
        await tab.send(type="ping")
        await tab.until("pong")
    assert [typing.text for typing in chat.context.lines.typed] == [f"text {number}" for number in range(4)]


async def test_without_a_conversation_nobody_is_told_of_typing(node: Node, context: FakeContext) -> None:
    tab = await (await node.visitor()).open()
    await tab.send(type="typing", on=True)
    await tab.send(type="ping")
    await tab.until("pong")
    assert context.lines.typed == []


async def test_the_operators_typing_reaches_the_visitor_without_their_text(node: Node, context: FakeContext) -> None:
    tab = await (await node.visitor()).open()
    await tab.caught_up()
    reply = await context.reply(tab.page.address, "hello")
    await tab.has(1)
    typing = Typing(conversation=reply.conversation, by="operator", name="Anna", text="half a sentence")
    await context.lines.operator_types(typing)
    assert await tab.receive() == {"type": "typing", "on": True, "name": "Anna"}


async def test_typing_works_after_resuming_without_news(node: Node, context: FakeContext) -> None:
    page = await node.visitor()
    reply = await context.reply(page.address, "hello")
    tab = await page.open()
    await tab.caught_up()
    await tab.cut()
    tab = await page.open()
    await tab.caught_up()
    await tab.send(type="typing", on=True)
    await tab.send(type="ping")
    await tab.until("pong")
    assert [typing.conversation for typing in context.lines.typed] == [reply.conversation]


async def test_delivered_and_read_are_reported_as_watermarks(node: Node, context: FakeContext) -> None:
    tab = await (await node.visitor()).open()
    reply = await context.reply(tab.page.address, "hello")
    await tab.has(1)
    await tab.send(type="delivered", upto=reply.id)
    await tab.send(type="read", upto=reply.id)
    await tab.send(type="ping")
    await tab.until("pong")
    assert [(r.outbound, r.state, r.watermark) for r in context.receipts] == [
        (reply.id, ReceiptState.DELIVERED, True),
        (reply.id, ReceiptState.READ, True),
    ]


async def test_a_visitor_cannot_tell_of_somebody_elses_answers(node: Node, context: FakeContext) -> None:
    one, two = await (await node.visitor()).open(), await (await node.visitor()).open()
    reply = await context.reply(one.page.address, "for one")
    await one.has(1)
    await two.send(type="read", upto=reply.id)
    assert (await two.until("error"))["code"] == "not_yours"
    assert context.receipts == []


async def test_a_restart_closes_every_tab_with_1001_and_another_node_goes_on(chat: Chat) -> None:
    first, second = await chat.start(), await chat.start()
    tab = await (await first.visitor()).open()
    await tab.caught_up()
    await chat.context.reply(tab.page.address, "one")
    await tab.has(1)
    async with asyncio.timeout(30):
        await first.adapter.close()
    assert await tab.receive() == {"type": "closed", "code": 1001}
    tab.page.url = second.url
    again = await tab.page.open()
    await chat.context.reply(tab.page.address, "two")
    await again.has(2)
    assert [item["content"]["text"] for item in tab.page.transcript] == ["one", "two"]
    async with chat.http.get(f"{first.url}/socket", headers={"Origin": tab.page.origin}) as response:
        assert response.status == 503


async def test_when_the_bus_was_away_nothing_is_missing(node: Node, context: FakeContext) -> None:
    tab = await (await node.visitor()).open()
    await tab.caught_up()
    await context.reply(tab.page.address, "one")
    await tab.has(1)
    context.lines.fail_follow = ConnectionError("the bus is away")
    await context.reply(tab.page.address, "two")
    assert node.running is not None
    await asyncio.wait([node.running])
    assert isinstance(node.running.exception(), ExceptionGroup)
    await context.reply(tab.page.address, "three")
    node.run()
    await tab.has(3)
    assert [item["content"]["text"] for item in tab.page.transcript] == ["one", "two", "three"]


async def test_when_the_follower_fell_behind_every_tab_resumes(node: Node, context: FakeContext) -> None:
    tab = await (await node.visitor()).open()
    await tab.caught_up()
    await context.reply(tab.page.address, "one")
    await tab.has(1)
    context.lines.fail_follow = FellBehind("too much is missing")
    await context.reply(tab.page.address, "two")
    assert await tab.receive() == {"type": "closed", "code": 1013}
    again = await tab.page.open()
    await context.reply(tab.page.address, "three")
    await again.has(3)
    assert [item["content"]["text"] for item in tab.page.transcript] == ["one", "two", "three"]
    assert node.running is not None
    assert not node.running.done()


async def test_a_history_that_cannot_be_read_closes_the_tab_and_no_other(node: Node, context: FakeContext) -> None:
    good = await (await node.visitor()).open()
    await good.caught_up()

    async def fail() -> None:
        raise ConnectionError("the bus is away")

    context.lines.before_history = fail
    bad = await (await node.visitor()).connect()
    await bad.until("welcome")
    assert await bad.receive() == {"type": "closed", "code": 1011}
    await good.send(type="ping")
    assert await good.receive() == {"type": "pong"}


async def test_one_follower_serves_all_tabs(node: Node, context: FakeContext) -> None:
    tabs = [await (await node.visitor()).open() for _ in range(10)]
    for tab in tabs:
        await tab.caught_up()
    assert context.lines.followers == 1


@pytest.mark.parametrize("text", [" ", "\n\t", "\x00\x01"])
async def test_nothing_is_not_a_message(node: Node, context: FakeContext, text: str) -> None:
    tab = await (await node.visitor()).open()
    await tab.caught_up()
    await tab.say(IDS.new(), text)
    assert (await tab.receive())["code"] == "bad_request"
    assert context.accepted == []
