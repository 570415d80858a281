"""A customer who chats and calls, several calls at once, and calls that are handed over."""

from router import facts as f
from router import inputs as i
from router.rules import Times
from tests.router.calls import ANNA, BEN, NUMBER, linked, rings, world_of
from tests.router.world import only


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
