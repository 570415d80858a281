"""Phone calls: they wait, ring at one phone, keep who talks busy, and are called back when missed."""

import msgspec
import pytest

from normalizer.content import Call
from normalizer.outbound import ReceiptState
from router import facts as f
from router import inputs as i
from router.explain import explain, why_not
from router.policy import Policy
from router.rules import ChannelRule, OperatorRule, Times
from tests.router.world import CHANNELS, World, make_rules, of_kind, only

ANNA, BEN = "sip:anna@pbx.example", "sip:ben@pbx.example"
OPERATORS = {
    "anna": OperatorRule(name="Anna", role="supervisor", phone=ANNA),
    "ben": OperatorRule(name="Ben", phone=BEN),
    "cleo": OperatorRule(name="Cleo"),
}
NUMBER = "+48123456789"


def world_of(*present: str, **changes: object) -> World:
    """A world in which these operators are there, the first of them idle for the longest time."""
    world = World(make_rules(**{"operators": OPERATORS, **changes}))
    for name in present:
        world.up(name)
        world.tick(10)
    return world


def rings(facts: list[f.AnyFact]) -> list[str]:
    """Whose phones are asked to ring."""
    wishes = [fact.outbound.content for fact in of_kind(facts, f.ReplySent) if fact.wish]
    return [content.to for content in wishes if isinstance(content, Call) and content.event == "ringing"]


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


def test_a_caller_who_gives_up_stays_in_the_queue_as_somebody_to_call_back() -> None:
    world = world_of()
    world.call(NUMBER, "ringing")
    began = world.now
    facts = world.call(NUMBER, "failed", after=9_000, sip=487)
    queued = only(facts, f.ConversationQueued)
    assert (queued.reason, queued.kind, queued.enqueued_at) == ("missed", "deferrable", began)
    assert world.of(NUMBER).unanswered == began
    world.up("cleo")
    assert world.of(NUMBER).status == "waiting", "who calls back needs a phone, if anybody has one"
    world.up("ben")
    assert world.of(NUMBER).owner == "ben"


def test_without_phones_anybody_may_call_back() -> None:
    world = world_of(operators={"cleo": OPERATORS["cleo"]})
    world.call(NUMBER, "ringing")
    world.call(NUMBER, "failed")
    world.up("cleo")
    assert world.of(NUMBER).owner == "cleo"


def test_a_caller_who_gives_up_while_a_phone_rings_frees_the_operator_for_others() -> None:
    world = world_of("ben")
    world.call(NUMBER, "ringing")
    world.write("v1")
    facts = world.call(NUMBER, "failed")
    assert only(facts, f.OfferEnded).reason == "withdrawn"
    assert world.of("v1").owner == "ben"
    assert world.of(NUMBER).owner == "ben", "to be called back, which keeps nobody from a chat"
    assert world.operator("ben").silent == 0


def test_a_call_of_which_only_the_failure_is_known_is_missed_too() -> None:
    world = world_of("ben")
    world.call(NUMBER, "failed", sip=487)
    assert world.of(NUMBER).unanswered
    assert world.of(NUMBER).owner == "ben"
    world.call(NUMBER, "failed", "x2")
    assert list(world.of(NUMBER).calls) == ["x1", "x2"]


def test_news_of_a_call_that_nobody_knows_is_kept_and_is_nobodys_work() -> None:
    world = world_of("ben")
    facts = world.call(NUMBER, "ended")
    assert only(facts, f.ConversationClosed).result == "call"
    assert [type(fact) for fact in world.call(NUMBER, "recording")] == [f.MessageTaken]


def test_events_that_come_late_begin_nothing() -> None:
    world = world_of("ben")
    world.call(NUMBER, "ringing")
    world.call(NUMBER, "answered", to=BEN)
    world.call(NUMBER, "ended")
    for event in ("initiated", "held", "failed", "recording"):
        assert [type(fact) for fact in world.call(NUMBER, event)] == [f.MessageTaken]
    assert not world.operator("ben").talking


def test_a_phone_of_nobodys_that_answers_ends_a_conversation_that_was_only_the_call() -> None:
    world = world_of("ben")
    world.call(NUMBER, "ringing")
    facts = world.call(NUMBER, "answered", to="sip:reception@pbx.example")
    assert only(facts, f.OfferEnded).reason == "withdrawn"
    assert only(facts, f.ConversationClosed).result == "answered elsewhere"
    assert [type(fact) for fact in world.call(NUMBER, "held")] == [f.MessageTaken]
    facts = world.call(NUMBER, "transferred", to=BEN)
    assert only(facts, f.ConversationReopened)
    assert world.of(NUMBER).owner == "ben"
    assert world.operator("ben").talking


def test_a_call_that_wanders_among_strangers_stays_closed() -> None:
    world = world_of("ben")
    world.call(NUMBER, "ringing")
    world.call(NUMBER, "answered", to="sip:reception@pbx.example")
    world.call(NUMBER, "transferred", to="sip:boss@pbx.example")
    assert world.of(NUMBER).status == "closed"
    world.call(NUMBER, "ended")
    assert world.of(NUMBER).calls["x1"].state == "over"


def test_an_answer_that_is_told_twice_changes_nothing() -> None:
    world = world_of("ben")
    world.call(NUMBER, "ringing")
    world.call(NUMBER, "answered", to=BEN)
    world.call(NUMBER, "answered", native="x1/answered again")
    assert world.of(NUMBER).owner == "ben"
    assert world.operator("ben").talking == {"x1": world.of(NUMBER).id}


def test_a_leg_that_ends_because_another_was_answered_is_not_missed() -> None:
    world = world_of("ben")
    world.call(NUMBER, "ringing")
    assert only(world.call(NUMBER, "failed", q850=26), f.ConversationClosed).result == "answered elsewhere"


def test_what_else_the_customer_asked_waits_on_when_somebody_unknown_answers_the_call() -> None:
    world = world_of()
    world.write("v1")
    chat = world.of("v1")
    world.call(NUMBER, "ended", "x0")
    world.order("anna", i.Link(person=chat.person, other=world.of(NUMBER).person, evidence="said so"))
    world.call(NUMBER, "ringing")
    assert (chat.status, chat.kind) == ("waiting", "exclusive")
    world.call(NUMBER, "answered", to="sip:reception@pbx.example")
    assert (chat.status, chat.kind) == ("waiting", "interactive")


def linked(world: World) -> str:
    """A chat customer whose number is known; the conversation is the chat's."""
    world.write("v1")
    chat = world.of("v1")
    world.call(NUMBER, "ended", "x0")
    world.order("anna", i.Link(person=chat.person, other=world.of(NUMBER).person, evidence="said so"))
    return chat.id


def test_a_customer_who_chats_and_calls_rings_at_the_operator_who_has_the_chat() -> None:
    world = world_of("ben")
    name = linked(world)
    world.up("anna")
    facts = world.call(NUMBER, "ringing")
    assert rings(facts) == [BEN]
    assert only(facts, f.Unassigned).reason == "call"
    world.call(NUMBER, "answered", to=BEN)
    facts = world.call(NUMBER, "ended")
    assert only(facts, f.ConversationWeighed).kind == "interactive"
    assert world.conv(name).owner == "ben"
    assert world.conv(name).last_address == "visitor:v1", "a call does not move where answers go"


def test_an_operator_who_is_busy_with_others_hands_a_caller_over() -> None:
    world = world_of("ben")
    name = linked(world)
    world.write("v2")
    world.up("anna")
    assert rings(world.call(NUMBER, "ringing")) == [ANNA]
    world.call(NUMBER, "failed")
    assert world.conv(name).status == "assigned", "a missed call goes on as the chat that it was"
    assert world.conv(name).kind == "interactive"


def test_two_calls_of_one_customer_do_not_mix() -> None:
    world = world_of("ben", "anna")
    world.call(NUMBER, "ringing")
    world.call(NUMBER, "answered", to=BEN)
    assert not rings(world.call(NUMBER, "ringing", "x2")), "the customer is being talked to"
    world.call(NUMBER, "ended")
    one = world.of(NUMBER)
    assert one.calls["x2"].state == "ringing"
    assert one.status == "offered", "the other call rings now"
    world.call(NUMBER, "failed", "x2")
    assert one.calls["x2"].state == "missed"
    assert one.calls["x1"].state == "over"


def test_an_answered_second_call_keeps_its_operator_busy_and_gets_the_conversation_afterwards() -> None:
    world = world_of("ben", "anna")
    world.call(NUMBER, "ringing")
    world.call(NUMBER, "answered", to=BEN)
    world.call(NUMBER, "ringing", "x2")
    world.call(NUMBER, "answered", "x2", to=ANNA)
    one = world.of(NUMBER)
    assert one.owner == "anna"
    assert world.operator("ben").talking
    world.write("v1")
    assert world.of("v1").status == "waiting", "both are on the phone"
    world.call(NUMBER, "ended", "x2")
    assert one.owner == "ben"


def test_news_of_an_older_call_stays_with_its_conversation() -> None:
    world = world_of("ben", times=Times(reopen=1_000))
    world.call(NUMBER, "ringing")
    world.call(NUMBER, "answered", to=BEN)
    world.call(NUMBER, "ended")
    first = world.of(NUMBER).id
    world.close("ben", first)
    world.wait(2_000)
    world.call(NUMBER, "ringing", "x2")
    assert world.of(NUMBER).id != first
    assert only(world.call(NUMBER, "recording"), f.MessageTaken).conversation == first


def test_a_call_that_moves_to_another_operators_phone_moves_the_conversation() -> None:
    world = world_of("ben", "anna")
    world.call(NUMBER, "ringing")
    world.call(NUMBER, "answered", to=BEN)
    world.call(NUMBER, "transferred", to=ANNA)
    assert world.of(NUMBER).owner == "anna"
    assert not world.operator("ben").talking


def test_a_call_that_leaves_the_house_frees_the_operator_who_keeps_the_notes() -> None:
    world = world_of("ben")
    world.call(NUMBER, "ringing")
    world.call(NUMBER, "answered", to=BEN)
    world.call(NUMBER, "transferred", to="sip:lawyer@elsewhere.example")
    assert world.of(NUMBER).owner == "ben"
    assert world.of(NUMBER).kind == "deferrable"
    assert not world.operator("ben").talking


def test_a_transfer_in_the_call_lets_the_other_phone_ring() -> None:
    world = world_of("ben", "anna", "cleo")
    world.call(NUMBER, "ringing")
    world.call(NUMBER, "answered", to=BEN)
    name = world.of(NUMBER).id
    refused = only(world.order("ben", i.Transfer(conversation=name, operator="cleo")), f.CommandRefused)
    assert refused.code == "no_phone"
    assert rings(world.order("ben", i.Transfer(conversation=name, operator="anna"))) == [ANNA]
    assert world.of(NUMBER).owner == "ben"
    world.call(NUMBER, "transferred", to=ANNA)
    assert world.of(NUMBER).owner == "anna"


def test_a_call_handed_to_whoever_has_the_skill_needs_a_phone() -> None:
    world = world_of("ben", "anna", "cleo")
    world.call(NUMBER, "ringing")
    world.call(NUMBER, "answered", to=BEN)
    assert rings(world.order("ben", i.Transfer(conversation=world.of(NUMBER).id))) == [ANNA]


def test_a_call_that_ends_while_it_is_handed_over_goes_to_whoever_has_room_now() -> None:
    world = world_of("ben", "anna")
    world.call("+4811", "ringing", "x2")
    world.call("+4811", "answered", "x2", to=ANNA)
    world.call(NUMBER, "ringing")
    world.call(NUMBER, "answered", to=BEN)
    world.order("ben", i.Transfer(conversation=world.of(NUMBER).id))
    assert (world.of(NUMBER).status, world.of(NUMBER).owner) == ("waiting", "ben")
    world.call(NUMBER, "ended")
    assert (world.of(NUMBER).status, world.of(NUMBER).owner) == ("assigned", "anna")


def test_a_supervisor_gives_a_call_to_an_operators_phone() -> None:
    world = world_of("cleo")
    world.call(NUMBER, "ringing")
    world.up("ben", state="away")
    name = world.of(NUMBER).id
    take = i.Take(conversation=name, operator="ben", force=True, reason="the boss calls")
    assert rings(world.order("anna", take)) == [BEN]
    take = i.Take(conversation=name, operator="cleo", force=True, reason="at her desk")
    assert rings(world.order("anna", take)) == [""], "Ben's falls silent"


def test_an_operator_who_signs_out_while_the_phone_rings_gives_the_call_back() -> None:
    world = world_of("ben", "anna")
    world.call(NUMBER, "ringing")
    one = world.of(NUMBER)
    world.order("ben", i.Accept(conversation=one.id, offer=one.offers[0].id))
    assert rings(world.order("ben", i.SetPresence(state="offline"))) == [ANNA]


def test_an_operator_who_signs_out_in_a_call_keeps_it_and_its_follow_up_waits_for_them() -> None:
    world = world_of("ben", times=Times(orphan=60_000))
    world.call(NUMBER, "ringing")
    world.call(NUMBER, "answered", to=BEN)
    world.order("ben", i.SetPresence(state="offline"))
    assert world.of(NUMBER).owner == "ben"
    world.call(NUMBER, "ended")
    assert world.of(NUMBER).owner == "ben"
    world.wait(61_000)
    assert world.of(NUMBER).status == "waiting"


def test_a_call_whose_end_is_never_heard_is_over_after_some_hours() -> None:
    world = world_of("ben", times=Times(call=60_000))
    world.call(NUMBER, "ringing")
    world.call(NUMBER, "answered", to=BEN)
    world.wait(61_000)
    assert not world.operator("ben").talking
    assert world.of(NUMBER).kind == "deferrable"


def test_people_with_a_call_stay_in_memory_until_it_is_over() -> None:
    world = world_of("ben", times=Times(park_person=1_000, archive=2_000, call=30_000))
    world.call(NUMBER, "ringing")
    world.call(NUMBER, "answered", to="sip:reception@pbx.example")
    world.wait(5_000)
    assert world.of(NUMBER).calls["x1"].state == "answered"
    world.call(NUMBER, "ended")
    world.wait(40_000)
    assert f"tel:{NUMBER}" not in world.state.addresses


def test_only_the_latest_calls_are_remembered() -> None:
    world = world_of("ben")
    for number in range(20):
        world.call(NUMBER, "failed", f"x{number}", after=10)
    assert list(world.of(NUMBER).calls) == [f"x{number}" for number in range(4, 20)]


# --- calls that we make ----------------------------------------------------------------------------------------


def missed(world: World) -> str:
    world.call(NUMBER, "ringing")
    world.call(NUMBER, "failed")
    return world.of(NUMBER).id


def test_an_operator_calls_back_with_their_own_phone() -> None:
    world = world_of("ben")
    name = missed(world)
    facts = world.order("ben", i.Dial(conversation=name))
    sent = only(facts, f.ReplySent).outbound
    assert sent.content == Call(call=sent.id, event="initiated", direction="out", to=BEN)
    assert (sent.channel, sent.address, sent.author.id) == ("phone", f"tel:{NUMBER}", "ben")
    assert world.conv(name).unanswered, "nobody has talked to the customer yet"
    world.call(NUMBER, "initiated", sent.id, direction="out", to=BEN)
    assert only(world.order("ben", i.Dial(conversation=name)), f.CommandRefused).code == "on_call"
    world.call(NUMBER, "answered", sent.id, direction="out", to=BEN)
    assert not world.conv(name).unanswered
    assert only(world.order("ben", i.Dial(conversation=name)), f.CommandRefused).code == "on_call"
    assert only(world.order("ben", i.Close(conversation=name)), f.CommandRefused).code == "on_call"
    world.write("v1")
    assert world.of("v1").status == "waiting"
    world.call(NUMBER, "ended", sent.id, direction="out")
    assert world.of("v1").owner == "ben"


def test_a_call_to_somebody_who_does_not_answer_is_not_missed_by_us() -> None:
    world = world_of("ben")
    name = missed(world)
    world.call(NUMBER, "initiated", "y1", direction="out", to=BEN)
    world.call(NUMBER, "failed", "y1", direction="out", sip=486)
    assert world.conv(name).calls["y1"].state == "over"
    assert world.conv(name).unanswered, "still to be called back"


def test_two_clicks_make_one_call() -> None:
    world = world_of("ben")
    name = missed(world)
    world.order("ben", i.Dial(conversation=name))
    assert only(world.order("ben", i.Dial(conversation=name)), f.CommandRefused).code == "on_call"


def test_who_could_not_be_called_may_be_called_again_at_once() -> None:
    world = world_of("ben")
    name = missed(world)
    sent = only(world.order("ben", i.Dial(conversation=name)), f.ReplySent).outbound
    world.receipt("c1-99", ReceiptState.FAILED, "phone", error="another one")
    world.receipt(sent.id, ReceiptState.FAILED, "phone", error="busy")
    again = only(world.order("ben", i.Dial(conversation=name)), f.ReplySent).outbound
    world.call(NUMBER, "initiated", again.id, direction="out", to=BEN)
    world.call(NUMBER, "failed", again.id, direction="out", to=BEN)
    assert only(world.order("ben", i.Dial(conversation=name)), f.ReplySent)


def test_a_call_of_which_nothing_was_heard_may_be_made_again_after_a_minute() -> None:
    world = world_of("ben")
    name = missed(world)
    world.order("ben", i.Dial(conversation=name))
    world.wait(60_000)
    assert only(world.order("ben", i.Dial(conversation=name)), f.ReplySent)


def test_a_call_begun_at_the_phone_opens_a_conversation_of_its_operator() -> None:
    world = world_of("ben")
    facts = world.call(NUMBER, "initiated", direction="out", to=BEN)
    assert only(facts, f.Assigned).reason == "calls the customer"
    world.call(NUMBER, "answered", direction="out")
    assert world.operator("ben").talking
    world.call(NUMBER, "ended", direction="out")
    assert world.of(NUMBER).kind == "deferrable"


def test_an_answered_call_is_taken_in_where_its_beginning_was_not_heard() -> None:
    world = world_of("ben")
    world.call(NUMBER, "answered", direction="out", to=BEN)
    assert world.of(NUMBER).owner == "ben"
    assert world.operator("ben").talking


def test_a_call_by_somebody_who_is_no_operator_is_written_down() -> None:
    world = world_of("ben")
    facts = world.call(NUMBER, "initiated", direction="out", to="sip:boss@pbx.example")
    assert only(facts, f.ConversationClosed).result == "call"


def test_a_call_by_somebody_unknown_leaves_a_waiting_chat_where_it_is() -> None:
    world = world_of()
    name = linked(world)
    world.call(NUMBER, "initiated", "y1", direction="out")
    facts = world.call(NUMBER, "failed", "y1", direction="out")
    assert [type(fact) for fact in facts] == [f.MessageTaken, f.CallChanged]
    assert world.conv(name).status == "waiting"


def test_a_waiting_conversation_belongs_to_whoever_calls_the_customer() -> None:
    world = world_of()
    name = missed(world)
    world.up("ben", state="away")
    world.call(NUMBER, "initiated", "y1", direction="out", to=BEN)
    assert world.conv(name).status == "waiting"
    world.call(NUMBER, "answered", "y1", direction="out", to=BEN)
    assert world.conv(name).owner == "ben"
    assert world.conv(name).kind == "exclusive"


@pytest.mark.parametrize(
    ("operator", "action", "code"),
    [
        ("cleo", i.Dial(conversation="c1"), "no_phone"),
        ("ben", i.Dial(conversation="c1"), "no_number"),
        ("ben", i.Dial(conversation="c1", address="tel:+4800"), "no_address"),
        ("ben", i.Dial(conversation="c1", address="visitor:v1"), "no_number"),
        ("ben", i.HangUp(conversation="c1"), "no_call"),
    ],
)
def test_a_call_that_cannot_be_made_is_refused_with_the_reason(operator: str, action: i.Action, code: str) -> None:
    world = world_of("cleo")
    world.write("v1")
    name = world.of("v1").id
    if operator == "ben":
        world.up("ben")
        world.order("anna", i.Take(conversation=name, operator="ben"))
    refused = only(world.order(operator, msgspec.structs.replace(action, conversation=name)), f.CommandRefused)
    assert refused.code == code


def test_without_a_phone_channel_nobody_can_be_called() -> None:
    channels = {"sms": ChannelRule(type="twilio", units=20)}
    world = world_of("ben", channels=channels)
    envelope = world.envelope("x", channel="sms", type="twilio")
    world.feed(i.Message(envelope=msgspec.structs.replace(envelope, address=f"tel:{NUMBER}")))
    refused = only(world.order("ben", i.Dial(conversation=world.of(NUMBER).id)), f.CommandRefused)
    assert refused.code == "no_phone_channel"


def test_a_number_known_from_another_channel_is_called_on_the_phone() -> None:
    world = world_of("ben", channels={**CHANNELS, "sms": ChannelRule(type="twilio", units=20)})
    envelope = world.envelope("x", channel="sms", type="twilio", channel_data=msgspec.Raw(b'{"sid":1}'))
    world.feed(i.Message(envelope=msgspec.structs.replace(envelope, address=f"tel:{NUMBER}")))
    sent = only(world.order("ben", i.Dial(conversation=world.of(NUMBER).id)), f.ReplySent).outbound
    assert (sent.channel, sent.address) == ("phone", f"tel:{NUMBER}")
    assert sent.channel_data == msgspec.Raw(b"null"), "the other channel's own data stay with it"
    world.call(NUMBER, "initiated", sent.id, direction="out", to=BEN)
    reply = only(world.reply("ben", world.of(NUMBER).id), f.ReplySent).outbound
    assert reply.channel == "sms"


def test_hanging_up_asks_the_channel_and_a_call_that_it_does_not_know_is_over() -> None:
    world = world_of("ben")
    world.call(NUMBER, "ringing")
    world.call(NUMBER, "answered", to=BEN)
    sent = only(world.order("ben", i.HangUp(conversation=world.of(NUMBER).id)), f.ReplySent).outbound
    assert sent.content == Call(call="x1", event="ended")
    world.receipt(sent.id, ReceiptState.FAILED, "phone", error="no such call")
    assert not world.operator("ben").talking
    assert world.of(NUMBER).owner == "ben"


def test_only_the_call_that_was_to_be_hung_up_is_over() -> None:
    world = world_of("ben")
    world.call(NUMBER, "ringing")
    world.call(NUMBER, "ringing", "x2", after=10)
    world.call(NUMBER, "answered", "x2", to=BEN)
    sent = only(world.order("ben", i.HangUp(conversation=world.of(NUMBER).id)), f.ReplySent).outbound
    world.receipt(sent.id, ReceiptState.FAILED, "phone")
    assert {call.id: call.state for call in world.of(NUMBER).calls.values()} == {"x1": "ringing", "x2": "over"}


def test_a_call_that_waits_can_be_turned_away_by_a_supervisor() -> None:
    world = world_of("cleo")
    world.call(NUMBER, "ringing")
    world.order("anna", i.HangUp(conversation=world.of(NUMBER).id))
    world.call(NUMBER, "failed")
    assert world.of(NUMBER).calls["x1"].state == "missed"


# --- people --------------------------------------------------------------------------------------------------


def test_a_link_during_the_call_takes_it_into_the_conversation_that_goes_on() -> None:
    world = world_of("anna")
    world.write("v1")
    chat = world.of("v1")
    world.up("ben")
    world.call(NUMBER, "ringing")
    world.call(NUMBER, "answered", to=BEN)
    world.order("ben", i.Link(person=chat.person, other=world.of(NUMBER).person, evidence="said so"))
    assert chat.owner == "ben", "who talks to the customer has the conversation"
    assert world.operator("ben").talking == {"x1": chat.id}
    world.call(NUMBER, "ended")
    assert chat.kind == "interactive"


def test_a_link_takes_calls_that_are_over_along() -> None:
    world = world_of("anna")
    world.write("v1")
    missed(world)
    chat = world.of("v1")
    world.order("anna", i.Link(person=chat.person, other=world.of(NUMBER).person, evidence="said so"))
    assert chat.calls["x1"].state == "missed"


def test_a_link_while_the_phone_rings_lets_it_ring_on_in_the_conversation_that_goes_on() -> None:
    world = world_of("anna")
    world.write("v1")
    chat = world.of("v1")
    world.up("ben")
    world.call(NUMBER, "ringing")
    world.order("anna", i.Link(person=chat.person, other=world.of(NUMBER).person, evidence="said so"))
    assert chat.status == "offered"
    world.call(NUMBER, "failed")
    assert chat.calls["x1"].state == "missed"


def test_a_number_is_not_separated_in_the_middle_of_a_call() -> None:
    world = world_of("ben")
    name = linked(world)
    world.call(NUMBER, "ringing")
    person = world.conv(name).person
    apart = i.Unlink(person=person, address=f"tel:{NUMBER}", evidence="wrong")
    assert only(world.order("anna", apart), f.CommandRefused).code == "on_call"
    world.call(NUMBER, "failed")
    assert only(world.order("anna", apart), f.AddressTaken)


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("sip:anna@pbx.example", "anna"),
        ('"Anna" <sip:anna@PBX.example:5060;transport=tcp>;tag=1', "anna"),
        ("sips:anna:secret@pbx.example", "anna"),
        ("anna@pbx.example", "anna"),
        ("sip:Anna@pbx.example", None),
        ("sip:anna@[2001:db8::1]", None),
        ("sip:pbx.example", None),
    ],
)
def test_a_phone_is_known_by_user_and_host(uri: str, name: str | None) -> None:
    assert Policy(make_rules(operators=OPERATORS)).whose_phone(uri) == name


def test_a_call_is_told_in_words() -> None:
    world = world_of("ben")
    world.call(NUMBER, "ringing")
    world.call(NUMBER, "answered", to=BEN)
    world.order("ben", i.HangUp(conversation=world.of(NUMBER).id))
    world.call(NUMBER, "ended")
    world.reply("ben", world.of(NUMBER).id, "As promised")
    told = "\n".join(explain(world.records()))
    for sentence in (
        f"The call from tel:{NUMBER} is ringing.",
        f"The phone {BEN} should ring.",
        f"The call from tel:{NUMBER} is answered by ben.",
        "The phone of the call should hang up.",
        "It takes 10 units (deferrable) now.",
        "Queued (new): no skill, a phone, languages en.",
    ):
        assert sentence in told


def test_who_has_put_a_call_through_to_somewhere_else_takes_what_there_is_room_for() -> None:
    light = ChannelRule(type="sip", kind="interactive", units=20, accept="manual")
    world = world_of("anna", channels={**CHANNELS, "phone": light})
    world.call(NUMBER, "ringing")
    world.call(NUMBER, "answered", to=ANNA)
    world.write("v1")
    assert world.of("v1").status == "waiting"
    world.call(NUMBER, "transferred", to="sip:fax@pbx.example")
    assert not world.operator("anna").talking
    assert world.of("v1").owner == "anna"


def test_whose_next_call_rings_already_takes_what_else_there_is_room_for() -> None:
    light = ChannelRule(type="sip", kind="interactive", units=20, accept="manual")
    world = world_of("anna", channels={**CHANNELS, "phone": light})
    world.call(NUMBER, "ringing", "x1")
    world.call(NUMBER, "answered", "x1", to=ANNA)
    world.write("v1")
    world.call(NUMBER, "ringing", "x2")
    assert world.of("v1").status == "waiting"
    facts = world.call(NUMBER, "ended", "x1")
    assert rings(facts) == [ANNA]
    assert world.of("v1").owner == "anna"


def test_a_phone_stops_ringing_when_new_rules_take_the_call_from_it() -> None:
    world = world_of("ben")
    world.call(NUMBER, "ringing")
    facts = world.propose(make_rules(operators={name: OPERATORS[name] for name in ("anna", "cleo")}))
    assert only(facts, f.OfferEnded).operator == "ben"
    assert rings(facts) == [""]


def test_a_phone_stops_ringing_for_who_talks_to_a_colleague_already_on_another_number() -> None:
    world = world_of("ben", "anna")
    world.call(NUMBER, "ringing", "x1")
    world.call(NUMBER, "answered", "x1", to=BEN)
    assert rings(world.call("+48222222222", "ringing", "x2")) == [ANNA]
    first, second = world.of(NUMBER).person, world.of("+48222222222").person
    facts = world.order("anna", i.Link(person=first, other=second, evidence="the same voice"))
    assert rings(facts) == [""]
    assert rings(world.call(NUMBER, "ended", "x1")) == [BEN]


@pytest.mark.parametrize("how", ["released", "signed out", "taken", "transferred"])
def test_a_phone_stops_ringing_when_its_operator_does_not_have_the_call_any_more(how: str) -> None:
    world = world_of("ben")
    world.up("anna", "cleo", state="away")
    world.call(NUMBER, "ringing")
    name, offer = world.of(NUMBER).id, world.of(NUMBER).offers[0].id
    if how in ("released", "signed out"):
        world.order("ben", i.Accept(conversation=name, offer=offer))
    match how:
        case "released":
            facts = world.order("ben", i.Release(conversation=name))
        case "signed out":
            facts = world.order("ben", i.SetPresence(state="offline"))
        case "taken":
            facts = world.order("anna", i.Take(conversation=name, operator="cleo", force=True, reason="hers"))
        case _:
            facts = world.order("anna", i.Transfer(conversation=name, skills={"tech": 3}))
    assert rings(facts) == [""]


def test_an_answer_cannot_make_a_phone_ring_or_dial_a_number_of_the_operators_choice() -> None:
    world = world_of("ben")
    world.call(NUMBER, "ringing")
    world.call(NUMBER, "answered", to=BEN)
    order = i.Reply(
        conversation=world.of(NUMBER).id, content=Call(call="x9", event="initiated", to="sip:+1900"), seen=9
    )
    assert only(world.order("ben", order), f.CommandRefused).code == "not_a_message"
