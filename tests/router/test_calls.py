"""Phone calls: they wait, ring at one phone, and keep who talks busy."""

from normalizer.content import Call
from normalizer.outbound import ReceiptState
from router import facts as f
from router import inputs as i
from router.explain import explain, why_not
from router.rules import OperatorRule
from tests.router.calls import ANNA, BEN, NUMBER, OPERATORS, rings, world_of
from tests.router.world import only


def test_a_call_is_offered_by_letting_the_phone_ring_in_the_same_record() -> None:
    world = world_of("ben")
    facts = world.call(NUMBER, "ringing")
    offered, sent = only(facts, f.Offered), only(facts, f.ReplySent)
    assert (offered.operator, offered.expires) == ("ben", world.now + 20_000)
    assert offered.ring == sent.outbound.id
    assert sent.wish
    assert (sent.outbound.channel, sent.outbound.address) == ("phone", f"tel:{NUMBER}")
    assert sent.outbound.content == Call(call="x1", event="ringing", to=BEN)
    assert world.entries[-1].channel == "phone"


def test_who_picks_up_has_the_conversation_and_nothing_else_is_offered_to_them() -> None:
    world = world_of("ben")
    world.call(NUMBER, "ringing")
    facts = world.call(NUMBER, "answered", to="<sip:ben@PBX.example:5060;transport=udp>")
    assert only(facts, f.Assigned).offer is not None
    assert world.of(NUMBER).owner == "ben"
    assert not world.of(NUMBER).unanswered
    world.write("v1")
    assert world.of("v1").status == "waiting"
    assert why_not(world.state, world.of("v1").id, "ben") == "ben is on a call, or not free for one."


def test_after_the_call_the_operator_is_free_and_keeps_the_conversation_until_it_is_closed() -> None:
    world = world_of("ben")
    world.call(NUMBER, "ringing")
    world.call(NUMBER, "answered", to=BEN)
    world.write("v1")
    facts = world.call(NUMBER, "ended", duration=60_000)
    assert only(facts, f.ConversationWeighed).kind == "deferrable"
    assert world.of(NUMBER).owner == world.of("v1").owner == "ben"
    assert not world.operator("ben").talking
    world.close("ben", world.of(NUMBER).id)
    assert world.of(NUMBER).status == "closed"


def test_a_phone_that_is_not_picked_up_passes_the_call_on() -> None:
    world = world_of("ben", "anna")
    assert rings(world.call(NUMBER, "ringing")) == [BEN]
    assert rings(world.wait(21_000)) == [ANNA]
    assert world.of(NUMBER).offers[0].operator == "anna"


def test_a_call_that_is_declined_passes_on_at_once() -> None:
    world = world_of("ben", "anna")
    world.call(NUMBER, "ringing")
    one = world.of(NUMBER)
    assert rings(world.order("ben", i.Decline(conversation=one.id, offer=one.offers[0].id))) == [ANNA]


def test_a_phone_stops_ringing_when_its_operator_is_not_asked_any_more() -> None:
    world = world_of("ben", operators={**OPERATORS, "anna": OperatorRule(name="Anna", role="supervisor")})
    world.up("anna")
    world.call(NUMBER, "ringing")
    world.order("ben", i.SetPresence(state="away"))
    one = world.of(NUMBER)
    assert rings(world.order("ben", i.Decline(conversation=one.id, offer=one.offers[0].id))) == [""]
    assert one.status == "waiting"
    assert "No phone should ring for the call." in "\n".join(explain(world.records()))
    world.order("ben", i.SetPresence(state="available"))
    world.wait(70_000)
    assert one.offers[0].operator == "ben"
    assert rings(world.down("ben")) == [""]


def test_a_transfer_that_is_not_taken_stops_ringing_and_goes_on_with_who_talks() -> None:
    world = world_of("ben", "anna")
    world.call(NUMBER, "ringing")
    world.call(NUMBER, "answered", to=BEN)
    one = world.of(NUMBER)
    world.order("ben", i.Transfer(conversation=one.id, operator="anna"))
    assert rings(world.wait(31_000)) == [""]
    assert one.owner == "ben"


def test_a_phone_that_cannot_be_rung_passes_the_call_on() -> None:
    world = world_of("ben", "anna")
    world.call(NUMBER, "ringing")
    ring = world.of(NUMBER).offers[0].ring
    facts = world.receipt(ring, ReceiptState.FAILED, "phone", error="not registered")
    assert only(facts, f.OfferEnded).reason == "unreachable"
    assert rings(facts) == [ANNA]


def test_a_phone_that_cannot_be_rung_is_not_tried_again_at_once() -> None:
    world = world_of("ben")
    world.call(NUMBER, "ringing")
    one = world.of(NUMBER)
    assert rings(world.receipt(one.offers[0].ring, ReceiptState.FAILED, "phone")) == [""]
    assert one.status == "waiting"
    assert rings(world.wait(61_000)) == [BEN]


def test_late_news_of_a_phone_that_is_not_asked_any_more_changes_nothing() -> None:
    world = world_of("ben", "anna")
    world.call(NUMBER, "ringing")
    one = world.of(NUMBER)
    ring = one.offers[0].ring
    world.order("ben", i.Decline(conversation=one.id, offer=one.offers[0].id))
    world.receipt(ring, ReceiptState.FAILED, "phone")
    assert one.offers[0].operator == "anna"


def test_without_anybody_who_has_a_phone_it_is_said_why_the_call_waits() -> None:
    world = world_of("cleo", operators={"cleo": OPERATORS["cleo"]})
    facts = world.call(NUMBER, "ringing")
    assert not only(facts, f.Unroutable).configured
    why = world.records()[-1].why
    assert why is not None
    assert why.excluded == {"phone": 1}
    assert any("1 without a phone" in sentence for sentence in explain(world.records()))


def test_accepted_on_the_desk_but_never_picked_up_the_call_goes_to_the_next() -> None:
    world = world_of("ben", "anna")
    world.call(NUMBER, "ringing")
    one = world.of(NUMBER)
    world.order("ben", i.Accept(conversation=one.id, offer=one.offers[0].id))
    assert one.owner == "ben"
    assert rings(world.wait(22_000)) == [ANNA]
    world.call(NUMBER, "answered", to=ANNA)
    assert one.owner == "anna"


def test_accepted_on_the_desk_and_picked_up_it_stays() -> None:
    world = world_of("ben", "anna")
    world.call(NUMBER, "ringing")
    one = world.of(NUMBER)
    world.order("ben", i.Accept(conversation=one.id, offer=one.offers[0].id))
    world.call(NUMBER, "answered")
    world.wait(60_000)
    assert one.owner == "ben"
    assert world.operator("ben").talking == {"x1": one.id}


def test_who_answers_without_having_been_asked_has_it_even_beyond_capacity() -> None:
    world = world_of("ben")
    world.up("anna", state="away")
    world.write("v1")
    world.write("v2")
    world.order("ben", i.Transfer(conversation=world.of("v2").id, operator="ben"))
    world.call(NUMBER, "ringing")
    assert world.of(NUMBER).status == "waiting"
    facts = world.call(NUMBER, "answered", to=BEN)
    assert only(facts, f.Assigned).reason == "taken by phone"
    assert world.operator("ben").load > 100
    world.call("+4811", "ringing", "x2")
    world.call("+4811", "answered", "x2", to=ANNA)
    assert world.of("+4811").owner == "anna", "she is away, and talks all the same"
