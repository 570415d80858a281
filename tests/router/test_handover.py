"""Routing rules 16, 17, 19, 21 and 22: transfer, presence, draining, take, release, wrap-up; and what may be said."""

import pytest

from normalizer.content import Text
from normalizer.outbound import ReceiptState
from router import facts as f
from router import inputs as i
from router.explain import explain
from router.rules import Need, OperatorRule, Relax, Route, Times, When
from tests.router.world import World, make_rules, of_kind, only

TEAM = {
    "anna": OperatorRule(name="Anna", role="supervisor", skills={"billing": 5}),
    "ben": OperatorRule(name="Ben", skills={"tech": 4}),
    "cleo": OperatorRule(name="Cleo", skills={"billing": 3}),
}


def served(by: str = "ben", channel: str = "site", **changes: object) -> tuple[World, str]:
    """A world in which ``by`` serves visitor v1; the others are signed in but away."""
    world = World(make_rules(**({"operators": TEAM} | changes)))
    world.up(by)
    world.write("v1", channel=channel)
    name = world.of("v1").id
    if world.of("v1").offers:
        world.order(by, i.Accept(conversation=name, offer=world.of("v1").offers[0].id))
    world.up(*(other for other in TEAM if other != by), state="away")
    return world, name


def refusal(facts: list[f.AnyFact]) -> str:
    (fact,) = facts
    assert isinstance(fact, f.CommandRefused)
    assert fact.reason.endswith((".", "!", "?"))
    return fact.code


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


# --- presence -------------------------------------------------------------------------------------------------


def test_reconnecting_within_the_grace_time_restores_everything() -> None:
    world, name = served()
    facts = world.down("ben")
    assert only(facts, f.OperatorGone).grace_until == world.now + 60_000
    world.write("v2")
    assert world.of("v2").status == "waiting", "nobody who is away gets anything"
    world.wait(50_000)
    world.feed(i.OperatorUp(operator="ben", node="n2"))
    assert (world.operator("ben").state, world.operator("ben").grace_until) == ("available", 0)
    assert world.conv(name).owner == world.of("v2").owner == "ben"
    assert of_kind(world.wait(20_000), f.Unassigned) == []


def test_after_the_grace_time_conversations_go_to_others_ahead_of_the_queue() -> None:
    world, name = served()
    before = (world.conv(name).v, world.conv(name).enqueued_at)
    world.down("ben")
    facts = world.wait(61_000)
    assert only(facts, f.OperatorState).state == "offline"
    queued = only(facts, f.ConversationQueued)
    assert (queued.reason, queued.v, queued.enqueued_at) == ("operator_lost", before[0] - 300_000, before[1])
    world.up("cleo")
    assert world.conv(name).owner == "cleo"
    world.feed(i.OperatorUp(operator="ben", node="n1"))
    assert world.operator("ben").state == "away", "who was gone says when to begin again"


def test_offers_of_somebody_who_fell_silent_are_taken_back_at_once() -> None:
    world = World(make_rules(operators=TEAM))
    world.up("ben")
    world.write("v1", channel="ring")
    world.up("cleo")
    facts = world.down("ben")
    assert only(facts, f.OfferEnded).reason == "operator_lost"
    assert world.of("v1").offers[0].operator == "cleo"


def test_a_transfer_offered_to_somebody_who_fell_silent_goes_back_to_its_source() -> None:
    world, name = served()
    world.up("cleo")
    world.order("ben", i.Transfer(conversation=name, operator="cleo"))
    world.down("cleo")
    assert (world.conv(name).status, world.conv(name).owner) == ("assigned", "ben")


def test_a_source_that_is_lost_in_mid_transfer_leaves_the_offer_running() -> None:
    world, name = served()
    world.up("cleo")
    world.order("ben", i.Transfer(conversation=name, operator="cleo"))
    world.order("ben", i.SetPresence(state="offline"))
    one = world.conv(name)
    assert (one.status, one.owner, one.offers[0].operator) == ("offered", None, "cleo")
    world.order("cleo", i.Decline(conversation=name, offer=one.offers[0].id))
    assert one.offers == [] or one.owner is None


def test_logging_out_hands_everything_over_at_once() -> None:
    world, name = served()
    world.up("cleo")
    world.order("ben", i.SetPresence(state="offline"))
    assert world.conv(name).owner == "cleo"


def test_a_lost_node_takes_its_operators_into_the_grace_time() -> None:
    world, name = served()
    world.feed(i.OperatorUp(operator="ben", node="n2"))
    for _ in range(4):
        world.feed(i.DeskAlive(node="n2"), 4_000)
    assert world.operator("ben").nodes == ["n2"]
    assert world.operator("ben").grace_until == 0, "another node still has them"
    assert world.operator("cleo").grace_until > 0
    facts = [fact for _ in range(4) for fact in world.tick(4_500)]
    assert [fact.node for fact in of_kind(facts, f.NodeLost)] == ["n2"]
    assert world.operator("ben").grace_until > 0
    assert world.conv(name).owner == "ben"


def test_news_of_unknown_operators_and_sockets_do_nothing() -> None:
    world, _ = served()
    assert world.feed(i.OperatorUp(operator="stranger", node="n1")) == []
    assert world.feed(i.OperatorLost(operator="stranger", node="n1")) == []
    assert world.feed(i.OperatorLost(operator="ben", node="n9")) == []
    assert world.feed(i.OperatorUp(operator="ben", node="n1")) == []


def test_a_call_stays_with_a_lost_operator_and_mail_waits_for_the_end_of_the_shift() -> None:
    world, call = served(channel="phone", times=Times(orphan=120_000))
    world.write("v2", channel="mail")
    assert world.of("v2").owner == "ben"
    world.down("ben")
    world.wait(100_000)
    assert (world.conv(call).owner, world.of("v2").owner) == ("ben", "ben")
    world.wait(90_000)
    assert (world.conv(call).owner, world.of("v2").owner) == ("ben", None)


def test_mail_stays_with_an_operator_who_came_back() -> None:
    world, name = served(channel="mail", times=Times(orphan=120_000))
    world.order("ben", i.SetPresence(state="offline"))
    world.order("ben", i.SetPresence(state="available"))
    world.wait(130_000)
    assert world.conv(name).owner == "ben"


def test_a_short_break_of_the_line_does_not_cost_the_mail_of_somebody_who_came_back() -> None:
    world, name = served(channel="mail", times=Times(orphan=120_000))
    world.order("ben", i.SetPresence(state="offline"))
    world.order("ben", i.SetPresence(state="available"))
    world.wait(115_000)
    world.down("ben")
    assert of_kind(world.wait(10_000), f.Unassigned) == []
    world.feed(i.OperatorUp(operator="ben", node="n1"))
    assert world.conv(name).owner == "ben"


def test_draining_keeps_what_is_there_and_ends_with_it() -> None:
    world, name = served()
    world.order("ben", i.SetPresence(state="draining"))
    world.write("v2")
    assert world.of("v2").status == "waiting"
    world.close("ben", name)
    assert world.operator("ben").state == "offline"


# --- wrap-up, closing, reopening ------------------------------------------------------------------------------


def test_wrap_up_holds_the_capacity_and_ends_by_itself() -> None:
    world, name = served(times=Times(wrap_up=10_000))
    facts = world.close("ben", name, result="sold")
    assert only(facts, f.ConversationClosed).wrap_up_until == world.now + 10_000
    assert (world.conv(name).result, world.operator("ben").load) == ("sold", 40)
    assert only(world.wait(11_000), f.WrapUpEnded).operator == "ben"
    assert world.operator("ben").load == 0


def test_a_conversation_is_closed_with_one_of_the_results_of_the_rules() -> None:
    world, name = served(results=("solved", "spam"))
    assert refusal(world.close("ben", name, result="sold")) == "unknown_result"
    assert only(world.close("ben", name, result="solved"), f.ConversationClosed).result == "solved"


def test_a_customer_who_writes_during_wrap_up_ends_it() -> None:
    world, name = served(times=Times(wrap_up=10_000))
    world.reply("ben", name)
    world.close("ben", name)
    facts = world.write("v1")
    assert only(facts, f.WrapUpEnded)
    assert only(facts, f.Assigned).operator == "ben"


def test_a_long_wrap_up_keeps_the_person_and_the_conversation_here() -> None:
    world, name = served(times=Times(wrap_up=30_000, park_person=5_000, archive=10_000))
    world.close("ben", name)
    world.wait(20_000)
    assert name in world.state.conversations
    world.wait(20_000)
    assert world.state.people == {}


def test_closing_takes_offers_back_and_frees_everybody() -> None:
    world, name = served()
    world.up("cleo")
    world.order("ben", i.Transfer(conversation=name, operator="cleo"))
    facts = world.close("anna", name)
    assert only(facts, f.OfferEnded).reason == "withdrawn"
    assert (world.operator("ben").load, world.operator("cleo").load) == (0, 0)
    assert refusal(world.close("anna", name)) == "closed"


def test_an_operator_reopens_and_owns_it_if_there_is_room() -> None:
    world, name = served()
    person = world.of("v1").person
    assert refusal(world.order("ben", i.Reopen(conversation=name, person=person))) == "not_closed"
    world.close("ben", name)
    world.wait(601_000)
    assert world.state.people == {}
    facts = world.order("cleo", i.Reopen(conversation=name, person=person))
    assert (only(facts, f.Assigned).operator, world.conv(name).enqueued_at) == ("cleo", world.now)
    world.close("cleo", name)
    for visitor in ("v2", "v3"):
        world.write(visitor)
    assert refusal(world.order("ben", i.Reopen(conversation=name, person=person))) == "over_capacity"
    assert world.conv(name).status == "closed"
    assert refusal(world.order("ben", i.Reopen(conversation="c999", person=person))) == "unknown_conversation"


def test_an_old_conversation_is_not_reopened_beside_an_open_one_but_after_it() -> None:
    world, first = served(times=Times(reopen=1_000))
    person = world.of("v1").person
    world.close("ben", first)
    world.write("v1", after=2_000)
    second = world.of("v1").id
    assert refusal(world.order("ben", i.Reopen(conversation=first, person=person))) == "another_open"
    world.close("ben", second)
    world.order("ben", i.Reopen(conversation=first, person=person))
    assert world.of("v1").id == first
    assert world.state.people[person].past == [second]


def test_a_reopened_conversation_keeps_its_wrap_up_from_firing() -> None:
    world, name = served(times=Times(wrap_up=10_000))
    world.close("ben", name)
    facts = world.order("ben", i.Reopen(conversation=name, person=world.of("v1").person))
    assert only(facts, f.WrapUpEnded)
    assert of_kind(world.wait(11_000), f.WrapUpEnded) == []


# --- what may be said -----------------------------------------------------------------------------------------


def test_only_the_owner_or_a_supervisor_answers() -> None:
    world, name = served()
    assert refusal(world.reply("cleo", name)) == "not_owner"
    assert world.records()[-1].facts[0].now == "ben"  # type: ignore[union-attr]  # it is a refusal
    sent = only(world.reply("anna", name), f.ReplySent)
    assert (sent.by, sent.outbound.author.name, sent.outbound.id) == ("anna", "Anna", f"{name}-2")
    assert world.entries[-1].channel == "site"
    assert world.state.people[world.of("v1").person].last_operator == "anna"


def test_an_answer_on_top_of_a_colleagues_is_refused_unless_meant() -> None:
    world, name = served()
    seen = world.conv(name).n
    world.reply("anna", name)
    assert refusal(world.reply("ben", name, seen=seen)) == "stale"
    assert only(world.reply("ben", name, seen=seen, anyway=True), f.ReplySent)
    assert only(world.reply("ben", name, seen=seen), f.ReplySent), "one's own answers do not make stale"


def test_only_what_failed_or_is_unknown_is_sent_again() -> None:
    world, name = served()
    world.reply("ben", name)
    assert refusal(world.reply("ben", name, again=f"{name}-2")) == "not_failed"
    world.receipt(f"{name}-2", ReceiptState.UNKNOWN)
    again = only(world.reply("ben", name, again=f"{name}-2", anyway=True), f.ReplySent)
    assert (again.again, again.outbound.id) == (f"{name}-2", f"{name}-3")
    assert set(world.conv(name).outbounds) == {f"{name}-3"}


def test_an_answer_goes_to_where_the_customer_wrote_last_or_to_a_named_address_of_theirs() -> None:
    world, name = served()
    assert refusal(world.reply("ben", name, address="visitor:other")) == "no_address"
    world.propose(make_rules(operators=TEAM, channels={}))
    assert refusal(world.reply("ben", name)) == "no_address"


def test_notes_are_open_to_all_and_reading_never_goes_back() -> None:
    world, name = served()
    world.order("cleo", i.AddNote(conversation=name, content=Text(text="hm"), mentions=("ben",)))
    world.close("ben", name)
    assert only(world.order("cleo", i.AddNote(conversation=name, content=Text(text="hm"))), f.NoteAdded).n == 3
    assert only(world.order("cleo", i.MarkRead(conversation=name, upto=99)), f.EntriesRead).upto == 3
    assert only(world.order("cleo", i.MarkRead(conversation=name, upto=1)), f.EntriesRead).upto == 3


def test_a_command_is_carried_out_once_and_not_too_late() -> None:
    world, name = served()
    action = i.AddNote(conversation=name, content=Text(text="hm"))
    assert world.order("ben", action, id="same")
    assert world.order("ben", action, id="same") == []
    assert refusal(world.order("ben", action, expires=world.now - 1)) == "expired"
    assert refusal(world.order("stranger", action)) == "unknown_operator"
    assert world.entries[-1].line == "o-stranger"
    assert world.records()[-1].by == ""


def test_the_memory_of_commands_is_bounded() -> None:
    world, name = served()
    for _ in range(300):
        world.order("ben", i.MarkRead(conversation=name, upto=1))
    assert len(world.operator("ben").commands) == 256


def test_a_removed_owner_is_named_by_id_in_a_refusal() -> None:
    world, name = served(channel="phone")
    world.propose(make_rules(operators={"cleo": TEAM["cleo"], "anna": TEAM["anna"]}))
    facts = world.order("cleo", i.Close(conversation=name))
    assert "belongs to ben" in only(facts, f.CommandRefused).reason
