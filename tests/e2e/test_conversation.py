"""One conversation, end to end, over real processes and the real bus."""

import asyncio
import signal
import time
from collections.abc import Callable

import pytest

from normalizer.ids import IdSource
from tests.e2e.actors import Operator, Visitor
from tests.e2e.installation import Installation
from tests.e2e.provider import WebhookProvider

IDS = IdSource()
pytestmark = [pytest.mark.usefixtures("lost_sockets"), pytest.mark.timeout(300)]


async def eventually(look: Callable[[], object], what: str, within: float = 60.0) -> None:
    end = time.monotonic() + within
    while not look():
        assert time.monotonic() < end, f"not within {within:g} s: {what}"
        await asyncio.sleep(0.02)


def visitor(installation: Installation, number: int) -> Visitor:
    return Visitor(lambda: installation.parts["site"].url, f"v{number}", f"10.0.0.{number}")


def operator(installation: Installation, name: str, *, answering: bool = False) -> Operator:
    address = f"10.1.0.{installation.operators.index(name) + 1}"
    return Operator(lambda: installation.parts["desk"].url, name, address, answering=answering)


def available(desk: Operator) -> bool:
    return desk.card.get("state") == "available" and bool(desk.card.get("online"))


async def test_a_visitor_writes_an_operator_answers_and_both_see_receipts(installation: Installation) -> None:
    async with visitor(installation, 1) as customer, operator(installation, "anna") as anna:
        await eventually(lambda: available(anna), "anna is available")
        asked = customer.write("Do you ship to Poland?")
        await eventually(lambda: customer.written[asked].acked, "the tick")
        await eventually(lambda: anna.mine, "anna has the conversation")
        conversation = anna.mine[0]
        await eventually(lambda: anna.said(conversation, "message") == ["Do you ship to Poland?"], "anna sees it")
        anna.order({"do": "read", "conversation": conversation, "upto": 1})
        await eventually(lambda: any(i["kind"] == "read" for i in customer.shown.values()), "it has been read")
        order = anna.reply(conversation, "We do.")
        await eventually(lambda: customer.replies, "the answer")
        answer = customer.replies[0]
        assert answer["content"] == {"kind": "text", "text": "We do."}
        assert answer["author"]["name"] == "Anna"
        assert order.status == "confirmed" or await _settled(anna)
        customer.report("read", answer["id"])
        await eventually(
            lambda: [i.get("receipt") for i in anna.items[conversation].values() if i["kind"] == "reply"] == ["read"],
            "anna sees that it was read",
        )
        anna.order({"do": "close", "conversation": conversation, "result": "answered"})
        await eventually(lambda: any(i["kind"] == "closed" for i in customer.shown.values()), "it is closed")


async def _settled(desk: Operator) -> bool:
    await eventually(lambda: not desk.pending, "every command is answered")
    return all(order.status == "confirmed" for order in desk.orders.values())


async def test_a_second_operator_takes_over_a_transferred_conversation(installation: Installation) -> None:
    async with (
        visitor(installation, 2) as customer,
        operator(installation, "anna") as anna,
        operator(installation, "ben") as ben,
    ):
        await eventually(lambda: available(anna) and available(ben), "both are available")
        customer.write("hello")
        await eventually(lambda: anna.mine or ben.mine, "somebody has it")
        first, second = (anna, ben) if anna.mine else (ben, anna)
        conversation = first.mine[0]
        await eventually(lambda: first.said(conversation, "message"), "the first one sees it")
        first.reply(conversation, "one moment, I fetch a colleague")
        await eventually(lambda: len(customer.replies) == 1, "the first answer")
        first.order({"do": "transfer", "conversation": conversation, "operator": second.name})
        await eventually(lambda: _offered(second, conversation) or second.mine, "the second one is asked")
        if offer := _offered(second, conversation):
            second.order({"do": "accept", "conversation": conversation, "offer": offer})
        await eventually(lambda: second.mine == [conversation], "the second one has it")
        await eventually(lambda: second.said(conversation, "reply"), "and sees what was said")
        stale = first.reply(conversation, "I still am here")
        await eventually(lambda: not stale.open, "the first one is told")
        assert stale.status == "refused"
        second.reply(conversation, "here I am")
        await eventually(lambda: len(customer.replies) == 2, "the second answer")
        assert [reply["author"]["name"] for reply in customer.replies] == [first.name.title(), second.name.title()]
        second.order({"do": "close", "conversation": conversation})
        await eventually(lambda: not second.mine, "it is closed")
        # A desk that has just gone still gets work for some seconds: the tests that follow know anna alone.
        ben.on_duty = False
        ben.order({"do": "presence", "state": "offline"})
        await eventually(lambda: ben.card.get("state") == "offline", "ben has logged out")


def _offered(desk: Operator, conversation: str) -> str:
    offers = desk.lists.get(conversation, {}).get("offers", ())
    return next((offer["id"] for offer in offers if offer["operator"] == desk.name), "")


async def test_a_restart_of_everything_keeps_the_whole_conversation(installation: Installation) -> None:
    async with visitor(installation, 3) as customer, operator(installation, "anna", answering=True) as anna:
        await eventually(lambda: available(anna), "anna is available")
        for number in range(5):
            customer.write(f"before {number}")
        await eventually(lambda: len(customer.replies) == 5, "five answers")
        for part in installation.parts.values():
            part.stop()
        installation.servers.signal(0, signal.SIGKILL)
        for name, part in installation.parts.items():
            part.start()
            installation.wait_ready(part, [name])
        await eventually(lambda: customer.connections > 1 and anna.connections > 1, "both are back")
        for number in range(5):
            customer.write(f"after {number}")
        await eventually(lambda: len(customer.replies) == 10, "ten answers", 60)
        conversation = anna.mine[0]
        said = [f"{when} {number}" for when in ("before", "after") for number in range(5)]
        assert [item["content"]["text"] for item in customer.own] == said
        assert anna.said(conversation, "message") == said
        assert [item["content"]["text"] for item in customer.replies] == [f"re: {text}" for text in said]
        async with visitor(installation, 4) as other:
            other.adopt(customer)
            await eventually(lambda: len(other.replies) == 10, "a page without a cursor shows it all")
            assert list(other.shown) == list(customer.shown)
        anna.order({"do": "close", "conversation": conversation})
        await eventually(lambda: not anna.mine, "it is closed")


async def test_a_webhook_message_is_answered_once_signed_and_in_order(
    installation: Installation, provider: WebhookProvider
) -> None:
    base = installation.parts["hook"].url
    async with operator(installation, "anna", answering=True) as anna:
        await eventually(lambda: available(anna), "anna is available")
        moods = iter(["busy", "fail"])
        provider.mood = lambda: next(moods, "take")
        for number in range(3):
            assert await provider.post(base, f"m{number}", "client-1", f"question {number}") == 200
        assert await provider.post(base, "m0", "client-1", "question 0") == 200
        await eventually(lambda: len([d for d in provider.deliveries if d.answered]) == 3, "three answers")
        taken = [delivery.text for delivery in provider.deliveries if delivery.taken]
        assert taken == [f"re: question {number}" for number in range(3)]
        conversation = anna.mine[0]
        await eventually(lambda: _receipts(anna, conversation) == ["sent"] * 3, "all are sent")
        anna.order({"do": "close", "conversation": conversation})
        await eventually(lambda: not anna.mine, "it is closed")


async def test_a_forged_webhook_message_is_refused(installation: Installation, provider: WebhookProvider) -> None:
    async with provider._http.post(
        f"{installation.parts['hook'].url}/channels/hook/messages",
        data=b'{"id": "x", "from": "c", "text": "t"}',
        headers={"Trunkline-Signature": f"t={int(time.time())},v1=00"},
    ) as answer:
        assert answer.status == 401


async def test_a_refused_answer_is_failed_and_lies_with_the_dead_letters(
    installation: Installation, provider: WebhookProvider
) -> None:
    base = installation.parts["hook"].url
    async with operator(installation, "anna", answering=True) as anna:
        await eventually(lambda: available(anna), "anna is available")
        provider.mood = lambda: "refuse"
        assert await provider.post(base, IDS.new(), "client-2", "will you refuse me?") == 200
        await eventually(lambda: anna.mine and _receipts(anna, anna.mine[0]) == ["failed"], "anna sees that it failed")
        listed = await asyncio.to_thread(installation.command, "dead", "list")
        assert "not_sent" in listed
        assert "http_400" in listed
        anna.order({"do": "close", "conversation": anna.mine[0]})
        await eventually(lambda: not anna.mine, "it is closed")


async def test_an_answer_whose_fate_nobody_knows_is_unknown_and_not_sent_again(
    installation: Installation, provider: WebhookProvider
) -> None:
    base = installation.parts["hook"].url
    async with operator(installation, "anna", answering=True) as anna:
        await eventually(lambda: available(anna), "anna is available")
        provider.mood = lambda: "cut"
        assert await provider.post(base, IDS.new(), "client-3", "are you there?") == 200
        await eventually(lambda: anna.mine and _receipts(anna, anna.mine[0]) == ["unknown"], "anna sees the doubt")
        await asyncio.sleep(3)
        assert len(provider.deliveries) == 1
        anna.order({"do": "close", "conversation": anna.mine[0]})
        await eventually(lambda: not anna.mine, "it is closed")


def _receipts(desk: Operator, conversation: str) -> list[str]:
    items = desk.items.get(conversation, {}).values()
    return [str(item.get("receipt", "queued")) for item in items if item["kind"] == "reply"]
