"""Transfer, take-over and release."""

import pytest

from normalizer.content import Text
from router import facts as f
from router import inputs as i
from router.explain import explain
from router.rules import Need, OperatorRule, Relax, Route, Times, When
from tests.router.team import TEAM, refusal, served
from tests.router.world import World, make_rules, of_kind, only

# --- transfer -------------------------------------------------------------------------------------------------


def test_the_source_keeps_a_conversation_until_the_target_accepts() -> None:
    world, name = served()
    world.up("cleo")
    facts = world.order("ben", i.Transfer(conversation=name, operator="cleo", note="knows her"))
    assert only(facts, f.NoteAdded).content == Text(text="knows her")
    one = world.conv(name)
    assert (one.status, one.owner, one.offers[0].operator) == ("offered", "ben", "cleo")
    assert (world.operator("ben").load, world.operator("cleo").load) == (40, 40)
    assert only(world.reply("ben", name), f.ReplySent)
    world.order("cleo", i.Accept(conversation=name, offer=one.offers[0].id))
    assert (one.owner, world.operator("ben").load) == ("cleo", 0)


@pytest.mark.parametrize("how", ["decline", "time"])
def test_a_transfer_that_is_not_taken_stays_with_its_source(how: str) -> None:
    world, name = served()
    world.up("cleo")
    world.order("ben", i.Transfer(conversation=name, operator="cleo"))
    if how == "decline":
        world.order("cleo", i.Decline(conversation=name, offer=world.conv(name).offers[0].id))
    else:
        world.wait(31_000)
    assert (world.conv(name).status, world.conv(name).owner) == ("assigned", "ben")


def test_a_transfer_to_skills_waits_in_the_queue_with_its_age_while_the_source_keeps_it() -> None:
    world, name = served()
    before = (world.conv(name).v, world.conv(name).enqueued_at)
    world.order("ben", i.Transfer(conversation=name, skills={"billing": 3}), id="t1")
    one = world.conv(name)
    assert (one.status, one.owner, (one.v, one.enqueued_at)) == ("waiting", "ben", before)
    world.propose(make_rules(operators=TEAM, times=Times(grace=59_000)))
    assert one.steps[0].need.skills == {"billing": 3}, "what an operator asked for outlives a change of rules"
    world.up("cleo")
    assert (one.owner, world.operator("ben").held) == ("cleo", {})


def test_a_transfer_to_a_queue_asks_for_what_its_rule_asks_for_from_now_on() -> None:
    relax = (Relax(after=60_000, need=Need(skills={"billing": 1})),)
    bills = Route(name="bills", when=When(text=("invoice",)), need=Need(skills={"billing": 4}), relax=relax)
    world, name = served(routes=(bills, Route(name="all")))
    world.wait(70_000)
    facts = world.order("ben", i.Transfer(conversation=name, queue="bills", note="about the invoice"))
    assert only(facts, f.NoteAdded).handover
    one = world.conv(name)
    assert (one.rule, one.status, one.owner, one.step) == ("bills", "waiting", "ben", 0)
    world.up("cleo")
    assert one.owner == "ben", "Cleo knows too little of it for now"
    world.wait(60_000)
    assert one.owner == "cleo"
    assert "for whoever takes it over" in "".join(explain(world.records()))
    refused = only(world.order("cleo", i.Transfer(conversation=name, queue="bill")), f.CommandRefused)
    assert (refused.code, "bills, all" in refused.reason) == ("unknown_queue", True)


def test_a_change_of_rules_moves_no_deadline_of_a_transfer_to_a_queue() -> None:
    relax = (Relax(after=60_000, need=Need(skills={"billing": 1})),)
    bills = Route(name="bills", when=When(text=("invoice",)), need=Need(skills={"billing": 4}), relax=relax)
    world, name = served(routes=(bills, Route(name="all")))
    world.wait(70_000)
    world.order("ben", i.Transfer(conversation=name, queue="bills"))
    before = world.conv(name).steps
    changed = make_rules(operators=TEAM, routes=(bills, Route(name="all")), results=("sold",))
    assert not of_kind(world.propose(changed), f.ConversationQueued)
    assert (world.conv(name).steps, world.conv(name).step) == (before, 0)


def test_a_transfer_to_skills_that_nobody_has_is_said_at_once() -> None:
    world, name = served()
    facts = world.order("ben", i.Transfer(conversation=name, skills={"law": 1}))
    assert only(facts, f.Unroutable).configured is False


def test_a_transfer_to_skills_that_only_its_source_has_is_not_silent() -> None:
    world, name = served()
    facts = world.order("ben", i.Transfer(conversation=name, skills={"tech": 4}))
    assert only(facts, f.Unroutable).configured is False


def test_an_offer_made_for_a_transfer_to_skills_goes_on_to_the_next_when_declined() -> None:
    world, name = served(channel="ring")
    world.up("cleo", "anna")
    world.order("ben", i.Transfer(conversation=name, skills={"billing": 3}))
    one = world.conv(name)
    first = one.offers[0]
    world.order(first.operator, i.Decline(conversation=name, offer=first.id))
    assert one.offers[0].operator in {"anna", "cleo"} - {first.operator}
    assert one.owner == "ben"


def test_a_supervisor_hands_a_waiting_conversation_to_an_operator_or_to_skills() -> None:
    world = World(make_rules(operators=TEAM))
    world.up("anna", "ben", state="away")
    world.write("v1")
    name = world.of("v1").id
    assert refusal(world.order("ben", i.Transfer(conversation=name, skills={"tech": 1}))) == "not_owner"
    world.order("anna", i.Transfer(conversation=name, skills={"tech": 1}))
    world.order("ben", i.SetPresence(state="available"))
    assert world.conv(name).owner == "ben"


@pytest.mark.parametrize(
    ("target", "code"),
    [("nobody", "unknown_operator"), ("ben", "already_owner"), ("anna", "not_available"), ("cleo", "over_capacity")],
)
def test_a_transfer_respects_presence_and_capacity(target: str, code: str) -> None:
    world, name = served(operators=TEAM | {"cleo": OperatorRule(name="Cleo", units=30)})
    world.order("cleo", i.SetPresence(state="available"))
    assert refusal(world.order("ben", i.Transfer(conversation=name, operator=target))) == code
    assert world.conv(name).status == "assigned"


def test_a_target_that_leaves_the_rules_hands_a_transfer_back_to_its_source() -> None:
    world, name = served()
    world.up("cleo")
    world.order("ben", i.Transfer(conversation=name, operator="cleo"))
    world.propose(make_rules(operators={"anna": TEAM["anna"], "ben": TEAM["ben"]}))
    assert (world.conv(name).status, world.conv(name).owner) == ("assigned", "ben")


def test_an_offer_of_a_transfer_to_skills_is_made_again_when_the_rules_take_the_skill_away() -> None:
    world, name = served(channel="ring")
    world.up("cleo")
    world.order("ben", i.Transfer(conversation=name, skills={"billing": 3}))
    assert world.conv(name).offers[0].operator == "cleo"
    world.order("anna", i.SetPresence(state="available"))
    world.propose(make_rules(operators=TEAM | {"cleo": OperatorRule(name="Cleo")}))
    assert (world.conv(name).owner, world.conv(name).offers[0].operator) == ("ben", "anna")


def test_an_offer_of_a_transfer_survives_a_jump_of_the_clock_and_new_rules() -> None:
    world, name = served()
    world.up("cleo")
    world.order("ben", i.Transfer(conversation=name, operator="cleo"))
    offer = world.conv(name).offers[0]
    world.tick(3_600_000)
    world.propose(make_rules(operators=TEAM | {"cleo": OperatorRule(name="Cleo")}))
    (moved,) = world.conv(name).offers
    assert (moved.id, moved.expires) == (offer.id, offer.expires + 3_600_000)


# --- take and release -----------------------------------------------------------------------------------------


def test_a_supervisor_takes_a_conversation_and_force_needs_a_reason() -> None:
    world, name = served(operators=TEAM | {"cleo": OperatorRule(name="Cleo", units=30)})
    world.order("cleo", i.SetPresence(state="available"))

    def take(operator: str, by: str = "anna", **more: object) -> list[f.AnyFact]:
        return world.order(by, i.Take(conversation=name, operator=operator, **more))

    assert refusal(take("cleo", by="ben")) == "not_allowed"
    assert refusal(take("nobody")) == "unknown_operator"
    assert refusal(take("ben")) == "already_owner"
    assert refusal(take("anna")) == "not_available"
    assert refusal(take("cleo")) == "over_capacity"
    assert refusal(take("cleo", force=True)) == "reason_needed"
    facts = take("cleo", force=True, reason="she asked for Cleo")
    assert only(facts, f.Unassigned).reason == "taken"
    assert (only(facts, f.Assigned).by, only(facts, f.Assigned).reason) == ("anna", "she asked for Cleo")
    world.write("v2", channel="mail")
    assert world.of("v2").status == "assigned"
    assert world.of("v2").owner == "ben", "nothing new for who has more than fits"
    world.order("anna", i.Take(conversation=name, operator="anna", force=True, reason="away, but here"))
    assert world.conv(name).owner == "anna"


def test_taking_needs_the_skills_unless_forced_and_somebody_who_is_there() -> None:
    world, name = served()
    world.up("cleo")
    world.order("ben", i.Transfer(conversation=name, skills={"tech": 4}))
    facts = world.order("anna", i.Take(conversation=name, operator="cleo"))
    assert refusal(facts) == "not_qualified"
    world.down("cleo")
    assert refusal(world.order("anna", i.Take(conversation=name, operator="cleo", force=True, reason="x"))) == (
        "not_available"
    )


def test_taking_an_offered_conversation_takes_the_offer_back() -> None:
    world = World(make_rules(operators=TEAM))
    world.up("ben")
    world.write("v1", channel="ring")
    world.up("anna")
    name = world.of("v1").id
    offer = world.of("v1").offers[0].id
    facts = world.order("anna", i.Take(conversation=name, operator="anna"))
    assert only(facts, f.OfferEnded).reason == "withdrawn"
    assert refusal(world.order("ben", i.Accept(conversation=name, offer=offer))) == "offer_gone"


def test_a_released_conversation_does_not_come_straight_back() -> None:
    world, name = served()
    assert only(world.order("ben", i.Release(conversation=name)), f.ConversationQueued).reason == "released"
    assert world.conv(name).status == "waiting"
    assert refusal(world.order("anna", i.Release(conversation=name))) == "not_assigned"
    world.wait(60_000)
    assert world.conv(name).owner == "ben"
