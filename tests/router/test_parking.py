"""Conversations that wait for the customer cost nothing, and wake with their owner if that can be."""

from typing import Any

import pytest

from normalizer.content import Reaction
from normalizer.outbound import ReceiptState
from router import facts as f
from router import inputs as i
from router.explain import explain
from router.rules import ChannelRule, OperatorRule, Times
from tests.router.parking import TEAM, park, parked, rules, served
from tests.router.team import refusal
from tests.router.world import CHANNELS, World, of_kind, only

# --- put aside ------------------------------------------------------------------------------------------------


def test_a_parked_conversation_costs_nothing_and_stays_with_its_owner() -> None:
    world, name = served()
    for who in ("v2", "v3"):
        world.write(who)
    assert world.of("v3").status == "waiting"
    park(world, name)
    one, ben = world.conv(name), world.operator("ben")
    assert (one.status, one.owner, one.parked_at, one.parked_by) == ("assigned", "ben", world.now, "ben")
    assert (list(ben.parked), ben.load, world.of("v3").owner) == ([name], 80, "ben"), "the next one fits"
    assert "ben put it aside until the customer writes; ben keeps it." in "".join(explain(world.records()))


def test_nothing_but_the_customer_is_waited_for_without_a_time() -> None:
    world, name = served()
    world.write("v1", "and?")
    assert refusal(park(world, name)) == "customer_waits"
    assert refusal(park(world, name, until=world.now)) == "bad_time"
    assert refusal(park(world, name, until=world.now + 366 * 86_400_000)) == "bad_time"
    fact = only(park(world, name, until=world.now + 60_000), f.ConversationParked)
    assert fact.until == world.now + 60_000
    assert "at the latest" in explain(world.records()[-1:])[0]
    assert not of_kind(world.wait(59_000), f.ConversationWoken)
    woken = only(world.wait(2_000), f.ConversationWoken)
    assert (woken.reason, woken.unanswered_at > 0) == ("time", True)
    assert world.operator("ben").load == 40
    assert "ben goes on with it (time)." in "".join(explain(world.records()))


def test_only_what_somebody_has_can_be_put_aside() -> None:
    world = World(rules())
    world.up("anna", state="away")
    world.write("v1")
    assert refusal(park(world, world.of("v1").id, operator="anna")) == "not_assigned"
    assert refusal(world.order("anna", i.Wake(conversation=world.of("v1").id))) == "not_parked"


def test_nobody_puts_a_call_aside() -> None:
    world = World(rules())
    world.up("ben")
    world.call("+48", "ringing")
    world.call("+48", "answered", to="sip:ben@pbx")
    assert refusal(park(world, world.of("+48").id)) == "on_call"


def test_the_time_of_a_parked_conversation_can_be_changed() -> None:
    world, name = parked()
    park(world, name, until=world.now + 10_000)
    world.now += 1_000
    park(world, name, until=world.now + 20_000)
    assert world.conv(name).wake_at == world.now + 20_000
    park(world, name)
    assert not of_kind(world.wait(30_000), f.ConversationWoken)


# --- nothing happens ------------------------------------------------------------------------------------------


QUIET = {"channels": CHANNELS | {"site": ChannelRule(type="webchat", units=40, park_after=60_000)}}


def test_a_conversation_in_which_nothing_happens_is_put_aside() -> None:
    world, name = served(**QUIET)
    world.wait(50_000)
    world.reply("ben", name, "still there?")
    assert not of_kind(world.wait(59_000), f.ConversationParked)
    fact = only(world.wait(2_000), f.ConversationParked)
    assert (fact.operator, fact.by, fact.until) == ("ben", "", 0)
    assert "It was put aside" in "".join(explain(world.records()))
    world.reply("ben", name, "a last word")
    assert world.conv(name).parked_at, "one's own words wake nobody"


def test_a_customer_who_waits_for_an_answer_is_not_put_aside() -> None:
    world, name = served(**QUIET)
    world.write("v1", "and?")
    assert not of_kind(world.wait(120_000), f.ConversationParked)
    world.reply("ben", name)
    assert of_kind(world.wait(61_000), f.ConversationParked)


def test_what_is_being_handed_over_is_put_aside_when_that_has_failed() -> None:
    world, name = served(**QUIET, times=Times(transfer=90_000))
    world.up("cleo")
    world.wait(30_000)
    world.order("ben", i.Transfer(conversation=name, operator="cleo"))
    assert not of_kind(world.wait(80_000), f.ConversationParked)
    assert of_kind(world.wait(121_000), f.ConversationParked)


def test_a_channel_that_parks_no_more_does_not() -> None:
    world, name = served(**QUIET, times=Times(transfer=90_000))
    world.up("cleo")
    world.order("ben", i.Transfer(conversation=name, operator="cleo"))
    world.propose(rules(times=Times(transfer=90_000)))
    assert not of_kind(world.wait(200_000), f.ConversationParked)


def test_what_is_taken_over_and_answered_already_is_put_aside_in_time() -> None:
    world, name = served(**QUIET)
    world.up("anna")
    world.order("anna", i.Take(conversation=name, operator="anna"))
    assert only(world.wait(61_000), f.ConversationParked).operator == "anna"


# --- waking ---------------------------------------------------------------------------------------------------


def test_the_customer_wakes_it_and_its_owner_goes_on() -> None:
    world, name = parked()
    world.write("v1", Reaction(target="n1", emoji="x"))
    assert world.conv(name).parked_at
    facts = world.write("v1", "hello again")
    woken = only(facts, f.ConversationWoken)
    assert (woken.operator, woken.reason, woken.units) == ("ben", "customer", 40)
    one = world.conv(name)
    assert (one.status, one.owner, one.parked_at, world.operator("ben").load) == ("assigned", "ben", 0, 40)
    assert f"unanswered:{name}" in world.state.timers


def test_an_owner_may_have_one_more_than_fits_and_gets_nothing_new_until_that_is_over() -> None:
    world, first = parked()
    world.write("v2")
    world.reply("ben", world.of("v2").id)
    second = world.of("v2").id
    park(world, second)
    for who in ("v3", "v4"):
        world.write(who)
    assert world.operator("ben").load == 80
    world.write("v1")
    assert (world.conv(first).owner, world.operator("ben").load) == ("ben", 120)
    world.write("v2")
    assert (world.conv(second).owner, world.conv(second).status) == (None, "waiting"), "a second one would be too much"
    world.close("ben", world.of("v3").id)
    assert world.conv(second).status == "waiting"
    world.close("ben", world.of("v4").id)
    assert world.conv(second).owner == "ben"


def test_a_limit_may_be_passed_by_one() -> None:
    team = TEAM | {"ben": OperatorRule(name="Ben", limits={"webchat": 1})}
    world, first = parked(operators=team)
    world.write("v2")
    second = world.of("v2").id
    world.reply("ben", second)
    park(world, second)
    world.write("v3")
    world.write("v1")
    assert world.conv(first).owner == "ben"
    world.write("v2")
    assert world.conv(second).owner is None


def test_mails_are_measured_apart() -> None:
    team = TEAM | {"ben": OperatorRule(name="Ben", units=25)}
    world = World(rules(operators=team))
    world.up("ben")
    world.write("m1", channel="mail")
    name = world.of("m1").id
    world.reply("ben", name)
    park(world, name)
    world.write("m2", channel="mail")
    world.write("m1", channel="mail")
    assert (world.conv(name).owner, world.operator("ben").deferred) == ("ben", 50)


@pytest.mark.parametrize("state", ["away", "break", "offline"])
def test_an_owner_who_is_not_at_work_keeps_it_until_the_customer_writes_then_others_get_it(state: Any) -> None:  # noqa: ANN401  # a state
    world, name = parked(times=Times(boost_orphan=30_000))
    world.wait(600_000)
    world.order("ben", i.SetPresence(state=state))
    assert world.conv(name).owner == "ben"
    world.up("cleo")
    facts = world.write("v1")
    assert only(facts, f.Unassigned).reason == "woken"
    queued = only(facts, f.ConversationQueued)
    assert (queued.reason, queued.enqueued_at, queued.v) == ("woken", world.now, world.now - 30_000)
    assert world.conv(name).owner == "cleo"


def test_a_mail_waits_for_an_owner_who_has_gone_home_but_not_for_ever() -> None:
    world = World(rules(times=Times(orphan=60_000)))
    world.up("ben")
    world.write("m1", channel="mail")
    name = world.of("m1").id
    world.reply("ben", name)
    park(world, name)
    world.order("ben", i.SetPresence(state="offline"))
    world.up("cleo")
    assert only(world.write("m1", channel="mail"), f.ConversationWoken).operator == "ben"
    assert (world.conv(name).owner, world.conv(name).parked_at) == ("ben", 0)
    world.wait(61_000)
    assert world.conv(name).owner == "cleo"


def test_a_mail_put_aside_after_a_night_stays_with_its_owner_the_next_night() -> None:
    world = World(rules(times=Times(orphan=60_000)))
    world.up("ben")
    world.write("m1", channel="mail")
    name = world.of("m1").id
    world.order("ben", i.SetPresence(state="offline"))
    world.wait(10_000)
    world.order("ben", i.SetPresence(state="available"))
    world.reply("ben", name)
    park(world, name)
    world.order("ben", i.SetPresence(state="offline"))
    assert not of_kind(world.wait(120_000), f.Unassigned), "the time was counted from the first night"
    assert (world.conv(name).owner, world.conv(name).parked_at > 0) == ("ben", True)


def test_a_call_in_vain_of_a_colleague_leaves_it_with_an_owner_who_has_gone_home() -> None:
    world = World(rules())
    world.up("ben")
    for event in ("ringing", "answered", "ended"):
        world.call("+48", event, direction="in", to="sip:ben@pbx" if event == "answered" else "")
    name = world.of("+48").id
    park(world, name)
    world.order("ben", i.SetPresence(state="offline"))
    world.call("+48", "ringing", call="x2", direction="out", to="sip:anna@pbx")
    world.call("+48", "failed", call="x2", direction="out")
    assert (world.conv(name).owner, world.conv(name).parked_at > 0) == ("ben", True)
    assert f"orphan:{name}" not in world.state.timers


@pytest.mark.parametrize("at_work", [True, False])
def test_an_answer_that_does_not_arrive_wakes_it(*, at_work: bool) -> None:
    world, name = served()
    sent = only(world.reply("ben", name), f.ReplySent).outbound.id
    park(world, name)
    if not at_work:
        world.order("ben", i.SetPresence(state="offline"))
    world.up("cleo")
    world.receipt(sent, ReceiptState.DELIVERED)
    assert world.conv(name).parked_at
    sent = only(world.reply("anna", name), f.ReplySent).outbound.id
    facts = world.receipt(sent, ReceiptState.FAILED)
    assert world.conv(name).parked_at == 0
    assert world.conv(name).owner == ("ben" if at_work else "cleo")
    assert [each.reason for each in of_kind(facts, f.ConversationWoken)] == ["undelivered"][: int(at_work)]


def test_what_an_operator_has_set_is_still_needed_when_it_wakes() -> None:
    team = TEAM | {"ben": OperatorRule(name="Ben", skills={"billing": 4})}
    world = World(rules(operators=team))
    world.up("cleo")
    world.write("v1")
    name = world.of("v1").id
    world.up("ben")
    world.order("cleo", i.Transfer(conversation=name, skills={"billing": 4}))
    world.reply("ben", name)
    world.tick(1_000)
    park(world, name)
    world.order("ben", i.SetPresence(state="offline"))
    world.write("v1", "and this?")
    one = world.conv(name)
    assert (one.status, one.owner, one.steps[0].need.skills) == ("waiting", None, {"billing": 4})


def test_an_owner_who_is_finishing_goes_on_and_one_who_has_nothing_else_is_done() -> None:
    world, name = parked()
    world.write("v2")
    world.order("ben", i.SetPresence(state="draining"))
    world.write("v1")
    assert world.conv(name).owner == "ben"
    world.reply("ben", name)
    park(world, name)
    world.close("ben", world.of("v2").id)
    assert (world.operator("ben").state, world.conv(name).owner) == ("offline", "ben")


def test_an_owner_who_is_in_the_rules_no_more_keeps_nothing() -> None:
    world, name = parked()
    world.up("anna")
    facts = world.propose(rules(operators={"anna": TEAM["anna"]}))
    assert only(facts, f.Unassigned).reason == "operator_lost"
    queued = only(facts, f.ConversationQueued)
    assert (queued.enqueued_at, world.now - queued.v) == (world.now, Times().boost_orphan)
    assert (world.conv(name).owner, world.operator("ben").parked) == ("anna", {})


def test_what_somebody_kept_who_had_gone_home_and_is_in_the_rules_no_more_comes_back_at_once() -> None:
    world = World(rules())
    world.up("ben")
    for visitor in ("m1", "m2"):
        world.write(visitor, channel="mail")
        world.reply("ben", world.of(visitor).id)
    park(world, world.of("m1").id)
    world.order("ben", i.SetPresence(state="offline"))
    world.up("anna")
    assert [world.of(each).owner for each in ("m1", "m2")] == ["ben", "ben"], "who will come back"
    world.propose(rules(operators={"anna": TEAM["anna"]}))
    assert [world.of(each).owner for each in ("m1", "m2")] == ["anna", "anna"]
    assert (world.operator("ben").held, world.operator("ben").parked) == ({}, {})
    assert not of_kind(world.propose(rules(operators={"anna": TEAM["anna"], "cleo": TEAM["cleo"]})), f.OperatorState)


def test_it_can_be_taken_up_by_hand_if_there_is_room() -> None:
    world, name = parked()
    world.write("v2")
    world.write("v3")
    for who in ("v2", "v3"):
        world.reply("ben", world.of(who).id)
    assert only(world.order("ben", i.Wake(conversation=name)), f.ConversationWoken).by == "ben"
    park(world, name)
    second = world.of("v2").id
    park(world, second)
    world.write("v4")
    world.order("ben", i.Wake(conversation=name))
    assert refusal(world.order("ben", i.Wake(conversation=second))) == "over_capacity"
    world.order("ben", i.SetPresence(state="break"))
    assert refusal(world.order("ben", i.Wake(conversation=second))) == "not_available"
    world.up("anna")
    assert only(world.order("anna", i.Wake(conversation=second)), f.ConversationQueued).reason == "woken"
