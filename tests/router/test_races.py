"""Things that cross on their way: late and doubled commands, people who leave in the middle, rules that change."""

import pytest

from normalizer.content import Text
from normalizer.outbound import ReceiptState
from router import facts as f
from router import inputs as i
from router.entries import SEEN_FOR, SEEN_LEAST, SEEN_MOST
from router.rules import ChannelRule, Need, OperatorRule, Relax, Route, Waiting, When
from tests.router.team import TEAM, refusal, served
from tests.router.world import CHANNELS, World, make_rules, of_kind, only

PHRASES = (Waiting(after=15_000, say={"en": "One moment."}), Waiting(after=60_000, say={"en": "Still looking."}))


def ringing(**changes: object) -> tuple[World, str, str]:
    """A world in which ben is asked whether he takes v1's conversation."""
    world = World(make_rules(**({"operators": TEAM} | changes)))
    world.up("ben")
    world.write("v1", channel="ring")
    one = world.of("v1")
    return world, one.id, one.offers[0].id


# --- accepting ------------------------------------------------------------------------------------------------


def test_a_second_accept_of_the_same_offer_is_refused_and_changes_nothing() -> None:
    world, name, offer = ringing()
    world.order("ben", i.Accept(conversation=name, offer=offer))
    epoch = world.conv(name).epoch
    facts = world.order("ben", i.Accept(conversation=name, offer=offer))
    assert (refusal(facts), only(facts, f.CommandRefused).now) == ("offer_gone", "ben")
    assert (world.conv(name).epoch, world.operator("ben").load) == (epoch, 40)


def test_an_accept_after_the_offer_ran_out_loses_to_who_is_asked_now() -> None:
    world, name, offer = ringing()
    world.up("cleo")
    world.wait(21_000)
    assert world.conv(name).offers[0].operator == "cleo"
    assert refusal(world.order("ben", i.Accept(conversation=name, offer=offer))) == "offer_gone"
    world.order("cleo", i.Accept(conversation=name, offer=world.conv(name).offers[0].id))
    assert world.conv(name).owner == "cleo"


def test_an_accept_in_the_very_millisecond_in_which_the_offer_runs_out_comes_too_late() -> None:
    world, name, offer = ringing()
    world.wait(15_000)
    world.now = world.conv(name).offers[0].expires
    facts = world.order("ben", i.Accept(conversation=name, offer=offer))
    assert [fact.reason for fact in of_kind(facts, f.OfferEnded)] == ["no_answer"]
    assert only(facts, f.CommandRefused).code == "offer_gone"


def test_an_accept_that_waited_longer_than_it_is_valid_is_refused_though_the_offer_stands() -> None:
    world, name, offer = ringing()
    facts = world.order("ben", i.Accept(conversation=name, offer=offer), expires=world.now - 1)
    assert refusal(facts) == "expired"
    assert world.order("ben", i.Accept(conversation=name, offer=offer), expires=world.now)
    assert world.conv(name).owner == "ben"


def test_a_repeated_command_is_not_carried_out_again_after_the_conversation_has_moved_on() -> None:
    world, name, offer = ringing()
    world.order("ben", i.Accept(conversation=name, offer=offer), id="first")
    world.order("ben", i.Release(conversation=name))
    assert world.order("ben", i.Accept(conversation=name, offer=offer), id="first") == []
    assert world.conv(name).owner is None


def test_an_accept_after_the_customer_was_served_and_the_conversation_closed_is_refused() -> None:
    world, name, offer = ringing()
    world.up("anna", state="away")
    facts = world.close("anna", name)
    assert (only(facts, f.OfferEnded).reason, world.operator("ben").load) == ("withdrawn", 0)
    assert refusal(world.order("ben", i.Accept(conversation=name, offer=offer))) == "closed"


# --- leaving in the middle ------------------------------------------------------------------------------------


def test_a_target_that_logs_out_gives_the_transfer_back_before_anything_else_is_offered() -> None:
    world, name = served()
    world.up("cleo")
    world.order("ben", i.Transfer(conversation=name, operator="cleo"))
    offer = world.conv(name).offers[0].id
    facts = world.order("cleo", i.SetPresence(state="offline"))
    assert only(facts, f.OfferEnded).reason == "operator_lost"
    assert (world.conv(name).status, world.conv(name).owner, world.operator("cleo").held) == ("assigned", "ben", {})
    world.up("cleo")
    assert refusal(world.order("cleo", i.Accept(conversation=name, offer=offer))) == "offer_gone"


def test_when_both_ends_of_a_transfer_are_lost_the_conversation_is_queued_once_with_its_age() -> None:
    world, name = served()
    world.up("cleo")
    world.order("ben", i.Transfer(conversation=name, operator="cleo"))
    before = world.conv(name).enqueued_at
    world.order("ben", i.SetPresence(state="offline"))
    facts = world.order("cleo", i.SetPresence(state="offline"))
    assert only(facts, f.ConversationQueued).reason == "operator_lost"
    one = world.conv(name)
    assert (one.status, one.owner, one.enqueued_at) == ("waiting", None, before)


def test_logging_out_hands_on_first_who_was_being_served_then_who_was_only_offered_as_much_as_fits() -> None:
    world = World(make_rules(operators={"ben": OperatorRule(name="Ben", units=200), "cleo": TEAM["cleo"]}))
    world.up("ben")
    world.write("v1")
    world.write("v2", channel="ring", after=1_000)
    world.write("v3", after=1_000)
    world.up("cleo")
    world.order("ben", i.SetPresence(state="offline"))
    assert world.operator("ben").held == {}
    assert (world.of("v1").owner, world.of("v2").status, world.of("v3").owner) == ("cleo", "waiting", "cleo")
    world.close("cleo", world.of("v3").id)
    assert world.of("v2").offers[0].operator == "cleo"


def test_an_operator_on_two_nodes_loses_nothing_when_one_of_them_dies() -> None:
    world, name, offer = ringing()
    world.feed(i.OperatorUp(operator="ben", node="n2"))
    for _ in range(4):
        world.feed(i.DeskAlive(node="n2"), 4_500)
    assert world.operator("ben").nodes == ["n2"]
    assert [one.id for one in world.conv(name).offers] == [offer]
    world.order("ben", i.Accept(conversation=name, offer=offer))
    assert world.conv(name).owner == "ben"


def test_offers_to_the_operators_of_a_lost_node_go_to_others_at_once() -> None:
    world, name, _ = ringing()
    world.up("cleo", node="n2")
    for _ in range(4):
        world.feed(i.DeskAlive(node="n2"), 4_500)
    assert world.conv(name).offers[0].operator == "cleo"


def test_who_writes_again_when_the_last_operator_has_gone_is_served_by_another() -> None:
    world, name = served()
    world.reply("ben", name)
    world.close("ben", name)
    world.order("ben", i.SetPresence(state="offline"))
    world.order("cleo", i.SetPresence(state="available"))
    facts = world.write("v1", after=60_000)
    assert (only(facts, f.ConversationReopened).conversation, world.conv(name).owner) == (name, "cleo")


# --- age and deadlines ----------------------------------------------------------------------------------------


def test_a_decline_keeps_the_place_the_deadlines_and_the_step_in_force() -> None:
    route = Route(name="all", need=Need(skills={"tech": 9}), relax=(Relax(after=30_000, need=Need()),))
    world = World(make_rules(operators=TEAM, routes=(route,)))
    world.write("v1", channel="ring")
    world.wait(31_000)
    world.up("ben")
    one = world.of("v1")
    before = (one.tier, one.v, one.seq, one.enqueued_at, one.steps, one.step)
    assert one.step == 1
    world.up("cleo")
    world.order("ben", i.Decline(conversation=one.id, offer=one.offers[0].id))
    world.order("cleo", i.Decline(conversation=one.id, offer=one.offers[0].id))
    assert (one.tier, one.v, one.seq, one.enqueued_at, one.steps, one.step) == before


def test_a_step_that_came_due_while_it_was_offered_is_in_force_when_it_waits_again() -> None:
    route = Route(name="all", need=Need(skills={"tech": 4}), relax=(Relax(after=10_000, need=Need()),))
    world = World(make_rules(operators=TEAM, routes=(route,)))
    world.up("ben")
    world.write("v1", channel="ring")
    world.up("cleo")
    world.wait(21_000)
    assert (world.of("v1").step, world.of("v1").offers[0].operator) == (1, "cleo")


def test_holding_phrases_go_on_through_offers_and_end_with_the_answer_not_with_the_transfer() -> None:
    world, name, _ = ringing(waiting=PHRASES)
    facts = world.wait(61_000)
    assert [fact.waiting for fact in of_kind(facts, f.ReplySent)] == [0, 1]
    world.up("anna", "cleo")
    world.reply("anna", name)
    world.order("anna", i.Transfer(conversation=name, skills={"billing": 3}))
    assert of_kind(world.wait(61_000), f.ReplySent) == [], "nobody waits for an answer"
    world.write("v1")
    assert [fact.waiting for fact in of_kind(world.wait(61_000), f.ReplySent)] == [0, 1]


def test_an_offer_that_runs_while_the_clock_jumps_is_not_counted_as_unanswered() -> None:
    world, name, offer = ringing()
    world.tick(3_600_000)
    assert [one.id for one in world.conv(name).offers] == [offer]
    assert world.operator("ben").silent == 0
    world.order("ben", i.Accept(conversation=name, offer=offer))
    assert world.conv(name).owner == "ben"


# --- capacity -------------------------------------------------------------------------------------------------


def test_a_call_waits_for_somebody_without_chats_and_mail_comes_beside_a_call() -> None:
    world = World(make_rules(operators={"jo": OperatorRule(name="Jo")}))
    world.up("jo")
    world.write("v1")
    world.write("v2", channel="phone")
    assert world.of("v2").status == "waiting"
    world.close("jo", world.of("v1").id)
    world.order("jo", i.Accept(conversation=world.of("v2").id, offer=world.of("v2").offers[0].id))
    world.write("v3")
    world.write("v4", channel="mail")
    assert (world.of("v3").status, world.of("v4").owner) == ("waiting", "jo")


def test_the_excess_of_a_supervisors_force_is_a_debt_until_it_is_worked_off() -> None:
    world = World(make_rules(operators={"anna": TEAM["anna"], "jo": OperatorRule(name="Jo", units=40)}))
    world.up("jo")
    world.write("v1")
    world.up("anna", state="away")
    world.write("v2")
    world.write("v3")
    world.order("anna", i.Take(conversation=world.of("v2").id, operator="jo", force=True, reason="jo knows her"))
    assert world.operator("jo").load == 80
    world.close("jo", world.of("v1").id)
    assert (world.operator("jo").load, world.of("v3").status) == (40, "waiting"), "no more than fits"
    world.close("jo", world.of("v2").id)
    assert world.of("v3").owner == "jo"


def test_a_limit_counts_every_channel_of_the_type_and_what_was_handed_on_no_more() -> None:
    operators = {"jo": OperatorRule(name="Jo", limits={"webchat": 2}), "al": OperatorRule(name="Al")}
    world = World(make_rules(operators=operators))
    world.up("jo")
    world.write("v1")
    world.write("v2", channel="ring")
    world.order("jo", i.Accept(conversation=world.of("v2").id, offer=world.of("v2").offers[0].id))
    world.write("v3")
    assert (world.of("v3").status, world.operator("jo").counts) == ("waiting", {"site": 1, "ring": 1})
    world.up("al", state="away")
    world.order("al", i.SetPresence(state="available"))
    world.order("jo", i.Transfer(conversation=world.of("v1").id, operator="al"))
    world.order("al", i.Accept(conversation=world.of("v1").id, offer=world.of("v1").offers[0].id))
    assert world.operator("jo").counts == {"ring": 1}


# --- rules that change under way --------------------------------------------------------------------------------


def test_a_channel_that_leaves_the_rules_keeps_its_conversations_and_gives_back_what_they_cost() -> None:
    world, name = served()
    world.propose(make_rules(operators=TEAM, channels={"mail": CHANNELS["mail"]}))
    assert (world.conv(name).owner, world.operator("ben").load) == ("ben", 40)
    world.close("ben", name)
    assert world.operator("ben").held == {}
    facts = world.write("v1")
    assert only(facts, f.Assigned).units == 20, "what an unknown channel costs"


def test_a_channel_whose_cost_changes_frees_what_was_charged() -> None:
    world, name = served()
    world.propose(
        make_rules(operators=TEAM, channels={**CHANNELS, "site": ChannelRule(type="webchat", kind="deferrable")})
    )
    world.close("ben", name)
    ben = world.operator("ben")
    assert (ben.load, ben.deferred, ben.mails, ben.counts) == (0, 0, 0, {})


def test_a_removed_operator_loses_offers_and_chats_and_may_not_accept_any_more() -> None:
    world, name, offer = ringing()
    world.write("v2")
    world.up("cleo")
    world.propose(make_rules(operators={"anna": TEAM["anna"], "cleo": TEAM["cleo"]}))
    assert world.operator("ben").held == {}
    assert (world.conv(name).offers[0].operator, world.of("v2").owner) == ("cleo", "cleo")
    assert refusal(world.order("ben", i.Accept(conversation=name, offer=offer))) == "unknown_operator"


def test_what_a_removed_operator_leaves_does_not_overtake_who_waited_for_a_skill_that_somebody_has_now() -> None:
    routes = (Route(name="law", when=When(text=("law",)), need=Need(skills={"law": 1})), Route(name="all"))
    world = World(make_rules(operators=TEAM, routes=routes))
    world.up("ben", "cleo")
    world.order("cleo", i.SetPresence(state="away"))
    world.write("v1", "law")
    world.write("v2", channel="ring", after=1_000)
    assert world.of("v2").offers[0].operator == "ben"
    world.order("cleo", i.SetPresence(state="available"))
    cleo = OperatorRule(name="Cleo", skills={"law": 1}, units=40)
    world.propose(make_rules(operators={"cleo": cleo}, routes=routes))
    assert (world.of("v1").owner, world.of("v2").status) == ("cleo", "waiting")


def test_a_skill_that_nobody_has_any_more_leaves_the_served_alone_and_is_told_to_the_waiting() -> None:
    routes = (Route(name="all", need=Need(skills={"tech": 4})),)
    world = World(make_rules(operators=TEAM, routes=routes))
    world.up("ben")
    for visitor in ("v1", "v2", "v3"):
        world.write(visitor)
    facts = world.propose(make_rules(operators=TEAM | {"ben": OperatorRule(name="Ben")}, routes=routes))
    assert [world.of(visitor).owner for visitor in ("v1", "v2", "v3")] == ["ben", "ben", None]
    assert only(facts, f.Unroutable).conversation == world.of("v3").id


# --- what is remembered ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("age", "forgotten"), [(SEEN_FOR - 1, 0), (SEEN_FOR, 1)])
def test_a_native_id_is_remembered_for_48_hours_to_the_millisecond(age: int, forgotten: int) -> None:
    world = World(make_rules())
    for number in range(SEEN_LEAST):
        world.write("v1", native_id=f"x{number}")
    facts = world.write("v1", after=age)
    assert only(facts, f.MessageTaken).forget == forgotten
    assert (world.write("v1", native_id="x0") == []) is (forgotten == 0)


def test_the_least_that_is_remembered_is_kept_however_old_it_is() -> None:
    world = World(make_rules())
    for number in range(SEEN_LEAST - 1):
        world.write("v1", native_id=f"x{number}")
    assert only(world.write("v1", after=10 * SEEN_FOR), f.MessageTaken).forget == 0
    assert world.write("v1", native_id="x0") == [], "the 64th does not drive out the first"
    assert only(world.write("v1"), f.MessageTaken).forget == 1


@pytest.mark.parametrize(("count", "forgotten"), [(SEEN_MOST - 1, 0), (SEEN_MOST, 1), (SEEN_MOST + 5, 6)])
def test_never_more_than_the_most_is_remembered(count: int, forgotten: int) -> None:
    world = World(make_rules())
    world.write("v1")
    for state in (world.state, world.follower):
        seen = state.addresses["visitor:v1"].seen
        seen.update({f"site/x{number}": world.now for number in range(count - len(seen))})
    assert only(world.write("v1"), f.MessageTaken).forget == forgotten
    assert len(world.state.addresses["visitor:v1"].seen) == min(count + 1, SEEN_MOST)


def test_an_operators_own_later_answer_does_not_hide_a_colleagues_that_was_not_seen() -> None:
    world, name = served()
    seen = world.conv(name).n
    world.reply("anna", name)
    world.reply("ben", name, seen=seen, anyway=True)
    assert refusal(world.reply("anna", name, seen=seen + 1)) == "stale"
    world.order("ben", i.AddNote(conversation=name, content=Text(text="x")))
    assert only(world.reply("anna", name), f.ReplySent)


def test_an_answer_that_is_sent_again_does_not_make_the_first_attempts_news_count() -> None:
    world, name = served()
    world.reply("ben", name)
    world.receipt(f"{name}-2", ReceiptState.UNKNOWN)
    world.reply("ben", name, again=f"{name}-2", anyway=True)
    assert world.receipt(f"{name}-2", ReceiptState.FAILED) == []
    assert refusal(world.reply("ben", name, again=f"{name}-2")) == "not_failed", "it is not sent a third time"
