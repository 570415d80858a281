"""Calls that operators make, and hanging up."""

import msgspec
import pytest

from normalizer.content import Call
from normalizer.outbound import ReceiptState
from router import facts as f
from router import inputs as i
from router.rules import ChannelRule
from tests.router.calls import BEN, NUMBER, linked, missed, world_of
from tests.router.world import CHANNELS, only


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
