"""Calls when people are linked and separated, whose phone it is, and when a phone stops ringing."""

import pytest

from normalizer.content import Call
from router import facts as f
from router import inputs as i
from router.explain import explain
from router.policy import Policy
from router.rules import ChannelRule
from tests.router.calls import ANNA, BEN, NUMBER, OPERATORS, linked, missed, rings, world_of
from tests.router.world import CHANNELS, make_rules, only

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
