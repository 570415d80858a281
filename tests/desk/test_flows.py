"""Conversations as operators live them, against the real router core."""

from typing import Any

from msgspec.structs import replace

from normalizer.outbound import Receipt, ReceiptState
from router.inputs import RulesProposed
from tests.desk.conftest import at_work
from tests.desk.world import RULES, Console, Desk, World, replies


def reply(conversation: str, text: str, *, seen: int, **more: object) -> dict[str, Any]:
    return {
        "do": "reply",
        "conversation": conversation,
        "content": {"kind": "text", "text": text},
        "seen": seen,
        **more,
    }


async def taken(world: World, console: Console, *, who: str = "v1") -> str:
    """Let a customer write and the operator accept."""
    conversation = world.log.customer("Where is my parcel?", who=who)
    await console.until(lambda: bool(console.lists.get(conversation, {}).get("offers")))
    offer = console.lists[conversation]["offers"][0]["id"]
    answer = await console.do({"do": "accept", "conversation": conversation, "offer": offer})
    assert answer["status"] == "confirmed"
    return conversation


async def test_an_offer_is_accepted_answered_and_closed(world: World, ben: Console) -> None:
    conversation = world.log.customer("Where is my parcel?")
    await ben.until(lambda: conversation in ben.lists)
    shown = ben.lists[conversation]
    assert (shown["preview"], shown["name"], shown["status"]) == ("Where is my parcel?", "Customer v1", "offered")
    await ben.watch(conversation)

    offer = shown["offers"][0]["id"]
    assert (await ben.do({"do": "accept", "conversation": conversation, "offer": offer}))["status"] == "confirmed"
    assert ben.lists[conversation]["owner"] == "ben"
    assert (await ben.do(reply(conversation, "On its way.", seen=1)))["status"] == "confirmed"
    assert list(replies(ben.open[conversation])) == ["On its way."]
    assert (await ben.do({"do": "close", "conversation": conversation}))["status"] == "confirmed"
    assert conversation not in ben.lists
    events = [item["what"] for item in ben.open[conversation].values() if item["kind"] == "event"]
    assert "conversation.closed" in events


async def test_a_confirmed_command_says_what_it_changed_after_the_screen_shows_it(world: World, ben: Console) -> None:
    conversation = await taken(world, ben)
    await ben.watch(conversation)
    answer = await ben.do(reply(conversation, "Hello", seen=1))
    item = next(event["item"] for event in answer["events"] if event["event"] == "item")
    assert ben.open[conversation][item["id"]] == item


async def test_a_declined_offer_goes_to_a_colleague(world: World, ben: Console, cleo: Console) -> None:
    conversation = world.log.customer("Hello")
    await ben.until(lambda: conversation in ben.lists or conversation in cleo.lists)
    first, second = (ben, cleo) if conversation in ben.lists else (cleo, ben)
    offer = first.lists[conversation]["offers"][0]["id"]
    await first.do({"do": "decline", "conversation": conversation, "offer": offer})
    await second.until(lambda: bool(second.lists.get(conversation, {}).get("offers")))
    await first.until(lambda: conversation not in first.lists)


async def test_a_transfer_moves_the_conversation_from_screen_to_screen(
    world: World, ben: Console, cleo: Console
) -> None:
    conversation = world.log.customer("Hello")
    await ben.until(lambda: conversation in ben.lists or conversation in cleo.lists)
    first, second, target = (ben, cleo, "cleo") if conversation in ben.lists else (cleo, ben, "ben")
    offer = first.lists[conversation]["offers"][0]["id"]
    await first.do({"do": "accept", "conversation": conversation, "offer": offer})
    await first.watch(conversation)
    answer = await first.do({"do": "transfer", "conversation": conversation, "operator": target, "note": "please"})
    assert answer["status"] == "confirmed"
    await second.until(lambda: bool(second.lists.get(conversation, {}).get("offers")))
    assert first.lists[conversation]["owner"], "the source keeps it until somebody else has it"
    offer = second.lists[conversation]["offers"][0]["id"]
    await second.do({"do": "accept", "conversation": conversation, "offer": offer})
    await first.until(lambda: conversation not in first.lists and conversation not in first.open)
    assert second.lists[conversation]["owner"] == target


async def test_a_reply_on_a_stale_screen_is_refused_with_what_was_not_seen(
    world: World, desk: Desk, ben: Console
) -> None:
    anna = await at_work(world, desk, "anna")
    await anna.do({"do": "presence", "state": "away"})
    conversation = await taken(world, ben)
    assert (await anna.do(reply(conversation, "Anna helps", seen=1)))["status"] == "confirmed"

    stale = await ben.do(reply(conversation, "Ben too", seen=1))
    assert (stale["status"], stale["code"]) == ("refused", "stale")
    assert [item["content"]["text"] for item in stale["since"]] == ["Anna helps"]
    assert (await ben.do(reply(conversation, "Ben too", seen=1, anyway=True)))["status"] == "confirmed"


async def test_receipts_rise_on_the_screen_and_a_watermark_covers_earlier_answers(world: World, ben: Console) -> None:
    conversation = await taken(world, ben)
    await ben.watch(conversation)
    for n in range(3):
        await ben.do(reply(conversation, f"answer {n}", seen=1 + n))
    answers = [item for item in ben.open[conversation].values() if item["kind"] == "reply"]
    first, second, third = (item["outbound"] for item in answers)
    world.log.receipt(Receipt(outbound=first, state=ReceiptState.FAILED, at=world.log.now, code="gone", error="No."))
    world.log.receipt(Receipt(outbound=third, state=ReceiptState.DELIVERED, at=world.log.now, watermark=True))
    world.log.receipt(Receipt(outbound=second, state=ReceiptState.SENT, at=world.log.now))

    def states() -> list[str]:
        return [item["receipt"] for item in ben.open[conversation].values() if item["kind"] == "reply"]

    await ben.until(lambda: states() == ["failed", "delivered", "delivered"])
    live = dict(ben.open[conversation])
    await ben.watch(conversation)
    assert ben.open[conversation] == live

    again = await ben.do(reply(conversation, "answer 0", seen=9, again=first))
    assert again["status"] == "confirmed"


async def test_a_note_reaches_the_mentioned_colleague_who_may_then_read(
    world: World, ben: Console, cleo: Console
) -> None:
    await cleo.do({"do": "presence", "state": "away"})
    conversation = await taken(world, ben)
    assert (await cleo.watch(conversation))["code"] == "not_found"
    note = {"do": "note", "conversation": conversation, "content": {"kind": "text", "text": "?"}, "mentions": ["cleo"]}
    await ben.do(note)
    await cleo.frame(lambda f: f["type"] == "changes" and any(e["event"] == "mention" for e in f["events"]))
    assert (await cleo.watch(conversation))["type"] == "watched"
    world.log.customer("More")
    await cleo.until(lambda: any(item["n"] == 3 for item in cleo.open[conversation].values() if "n" in item))
    assert conversation not in cleo.lists


async def test_nobody_lets_themselves_in_by_a_note(world: World, ben: Console, cleo: Console) -> None:
    await cleo.do({"do": "presence", "state": "away"})
    conversation = await taken(world, ben)
    note = {"do": "note", "conversation": conversation, "content": {"kind": "text", "text": "?"}, "mentions": ["cleo"]}
    answer = await cleo.do(note)
    assert (answer["status"], answer["code"]) == ("refused", "not_found")


async def test_who_mentions_themselves_reads_no_longer_for_it(world: World, ben: Console, cleo: Console) -> None:
    await cleo.do({"do": "presence", "state": "away"})
    conversation = await taken(world, ben)
    note = {"do": "note", "conversation": conversation, "content": {"kind": "text", "text": "?"}, "mentions": ["ben"]}
    events = (await ben.do(note))["events"]
    assert "mention" not in [event["event"] for event in events]
    await cleo.do({"do": "presence", "state": "available"})
    await ben.do({"do": "transfer", "conversation": conversation, "operator": "cleo"})
    await cleo.until(lambda: cleo.lists.get(conversation, {}).get("offers"))
    offer = cleo.lists[conversation]["offers"][0]["id"]
    await cleo.do({"do": "accept", "conversation": conversation, "offer": offer})
    await ben.until(lambda: conversation not in ben.lists)
    assert (await ben.watch(conversation))["code"] == "not_found"


async def test_typing_goes_both_ways_for_the_owner_only(world: World, ben: Console, cleo: Console) -> None:
    await cleo.do({"do": "presence", "state": "away"})
    conversation = await taken(world, ben)
    await ben.watch(conversation)
    world.live.customer_types(conversation, "Where is")
    shown = await ben.frame(lambda f: f["type"] == "typing")
    assert shown["text"] == "Where is"
    await cleo.send({"type": "typing", "conversation": conversation})
    await ben.send({"type": "typing", "conversation": conversation})
    await ben.do({"do": "read", "conversation": conversation, "upto": 1})
    assert [told.name for told in world.live.told] == ["Ben"]


async def test_a_supervisor_sees_everything_and_takes_a_conversation_over(
    world: World, desk: Desk, ben: Console, cleo: Console
) -> None:
    await cleo.do({"do": "presence", "state": "away"})
    conversation = await taken(world, ben)
    anna = await world.console(desk, "anna", everything=True)
    assert anna.lists[conversation]["owner_name"] == "Ben"
    assert anna.operators["ben"]["load"] == 20
    forced = {"do": "take", "conversation": conversation, "operator": "cleo", "force": True, "reason": "knows them"}
    assert (await cleo.do(forced))["code"] == "not_allowed"
    assert (await anna.do(forced))["status"] == "confirmed"
    await cleo.until(lambda: conversation in cleo.lists)
    await ben.until(lambda: conversation not in ben.lists)
    await anna.until(lambda: anna.operators["ben"].get("load", 0) == 0)


async def test_everything_is_for_supervisors(ben: Console) -> None:
    await ben.send({"type": "show", "everything": True})
    assert (await ben.frame(lambda f: f["type"] == "error"))["code"] == "forbidden"


async def test_a_closed_conversation_can_be_read_again_and_reopened(world: World, ben: Console) -> None:
    conversation = await taken(world, ben)
    await ben.do(reply(conversation, "Bye", seen=1))
    await ben.do({"do": "close", "conversation": conversation})
    watched = await ben.watch(conversation)
    assert watched["opened"]["summary"]["status"] == "closed"
    person = watched["opened"]["person"]
    assert (await ben.do({"do": "reopen", "conversation": conversation, "person": person}))["status"] == "confirmed"
    assert ben.lists[conversation]["owner"] == "ben"


async def test_new_rules_are_shown_at_once(world: World, ben: Console) -> None:
    renamed = {**RULES.operators, "ben": replace(RULES.operators["ben"], name="Benedict")}
    world.log.put(RulesProposed(hash="two", rules=replace(RULES, operators=renamed)))
    await ben.until(lambda: ben.operators["ben"]["name"] == "Benedict")


async def test_a_link_of_two_people_shows_at_once(world: World, ben: Console) -> None:
    first = await taken(world, ben)
    await ben.do(reply(first, "Bye", seen=1))
    await ben.do({"do": "close", "conversation": first})
    second = await taken(world, ben, who="v2")
    people = world.log.machine.state.conversations
    link = {"do": "link", "person": people[first].person, "other": people[second].person, "evidence": "same order"}
    assert (await ben.do(link))["status"] == "confirmed"
    assert ben.lists[second]["person"] == people[second].person
    assert (await ben.watch(second))["opened"]["past"] == [first]
    assert ben.lists[second]["others"] == ["visitor:v1"]
    separate = {"do": "unlink", "person": people[second].person, "address": "visitor:v1", "evidence": "another order"}
    assert (await ben.do(separate))["status"] == "confirmed"
    assert "others" not in ben.lists[second]
