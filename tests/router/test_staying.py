"""Operators who reconnect, are lost, sign out or finish: what stays with them and what goes to others."""

from router import facts as f
from router import inputs as i
from router.rules import Times
from tests.router.team import TEAM, served
from tests.router.world import World, make_rules, of_kind, only

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
