"""Conversations that are put aside, as their owner and a supervisor see them; and what is marked unread."""

from msgspec.structs import replace

from router.inputs import RulesProposed
from tests.desk.test_flows import reply, taken
from tests.desk.world import RULES, Console, Desk, World


async def test_a_parked_conversation_costs_nothing_and_wakes_when_the_customer_writes(
    world: World, desk: Desk, ben: Console
) -> None:
    anna = await world.console(desk, "anna", everything=True)
    conversation = await taken(world, ben)
    await ben.watch(conversation)
    assert (await ben.do({"do": "park", "conversation": conversation}))["code"] == "customer_waits"
    await ben.do(reply(conversation, "Please send us a picture.", seen=1))
    assert (await ben.do({"do": "park", "conversation": conversation}))["status"] == "confirmed"
    assert ben.lists[conversation]["parked"] == {"at": world.log.now, "by": "ben"}
    await anna.until(lambda: anna.operators["ben"].get("parked") == 1)
    assert anna.operators["ben"].get("load", 0) == 0

    world.log.customer("Here it is.")
    await ben.until(lambda: "parked" not in ben.lists[conversation])
    assert ben.operators["ben"]["load"] == 20
    items = ben.open[conversation].values()
    events = [(item["what"], item.get("operator")) for item in items if item["kind"] == "event"]
    assert events[-2:] == [("conversation.parked", "Ben"), ("conversation.woken", "Ben")]


async def test_it_wakes_in_time_or_by_hand(world: World, ben: Console) -> None:
    conversation = await taken(world, ben)
    park = {"do": "park", "conversation": conversation, "until": world.log.now + 8_000}
    assert (await ben.do(park))["status"] == "confirmed"
    assert ben.lists[conversation]["parked"]["until"] == world.log.now + 8_000
    for _ in range(3):
        world.log.pass_time(3)
    await ben.until(lambda: "parked" not in ben.lists[conversation])
    assert (await ben.do({"do": "wake", "conversation": conversation}))["code"] == "not_parked"
    await ben.do({**park, "until": world.log.now + 8_000})
    assert (await ben.do({"do": "wake", "conversation": conversation}))["status"] == "confirmed"
    assert "parked" not in ben.lists[conversation]


async def test_what_has_been_quiet_for_long_is_parked_by_itself(world: World, ben: Console) -> None:
    site = replace(RULES.channels["site"], park_after=6_000)
    world.log.put(RulesProposed(hash="two", rules=replace(RULES, channels={**RULES.channels, "site": site})))
    conversation = await taken(world, ben)
    await ben.do(reply(conversation, "Anything else?", seen=1))
    for _ in range(3):
        world.log.pass_time(3)
    await ben.until(lambda: "parked" in ben.lists[conversation])
    assert "by" not in ben.lists[conversation]["parked"]


async def test_what_was_read_can_be_marked_unread(world: World, ben: Console) -> None:
    conversation = await taken(world, ben)
    await ben.do({"do": "read", "conversation": conversation, "upto": 1})
    assert ben.lists[conversation]["read"] == {"ben": 1}
    assert (await ben.do({"do": "unread", "conversation": conversation, "upto": 0}))["status"] == "confirmed"
    assert ben.lists[conversation]["read"] == {"ben": 0}


async def test_a_result_is_one_of_those_of_the_rules(world: World, ben: Console) -> None:
    world.log.put(RulesProposed(hash="two", rules=replace(RULES, results=("solved", "spam"))))
    conversation = await taken(world, ben)
    close = {"do": "close", "conversation": conversation, "result": "sold"}
    assert (await ben.do(close))["code"] == "unknown_result"
    assert (await ben.do({**close, "result": "solved"}))["status"] == "confirmed"


async def test_a_colleague_is_not_told_that_somebody_has_waited_who_was_put_aside(
    world: World, ben: Console, cleo: Console
) -> None:
    await cleo.do({"do": "presence", "state": "away"})
    conversation = await taken(world, ben)
    await ben.do(reply(conversation, "Anything else?", seen=1))
    await ben.do({"do": "park", "conversation": conversation})
    for _ in range(3):
        world.log.pass_time(3)
    await cleo.do({"do": "presence", "state": "available"})
    await ben.do({"do": "transfer", "conversation": conversation, "operator": "cleo"})
    await cleo.until(lambda: cleo.lists.get(conversation, {}).get("offers"))
    assert cleo.lists[conversation]["waiting_since"] == world.log.now
