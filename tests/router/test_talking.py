"""What is said: answers that are sent again, whispers, and what an operator wants to come back to."""

import pytest

from normalizer.content import Call, Text
from normalizer.outbound import ReceiptState
from router import facts as f
from router import inputs as i
from router.explain import explain
from tests.router.team import refusal, served
from tests.router.world import World, make_rules, only


def sent(state: ReceiptState) -> tuple[World, str, str]:
    """A world in which an answer of Ben's has come to this."""
    world, name = served()
    outbound = only(world.reply("ben", name, "The parcel left."), f.ReplySent).outbound.id
    world.receipt(outbound, state)
    return world, name, outbound


def again(world: World, name: str, outbound: str, *, anyway: bool = False, text: str = "x") -> list[f.AnyFact]:
    return world.order(
        "ben", i.Resend(conversation=name, outbound=outbound, anyway=anyway, content=Text(text=text) if text else None)
    )


def test_an_answer_that_failed_is_sent_again_to_its_address_as_a_new_one() -> None:
    world, name, outbound = sent(ReceiptState.FAILED)
    fact = only(again(world, name, outbound), f.ReplySent)
    assert (fact.again, fact.outbound.address, fact.by) == (outbound, "visitor:v1", "ben")
    assert fact.outbound.id != outbound
    assert outbound not in world.conv(name).outbounds
    assert f"went to site, instead of {outbound}." in explain(world.records()[-1:])[0]
    assert refusal(again(world, name, outbound)) == "not_failed", "once is enough"


def test_an_answer_of_which_nothing_is_known_is_sent_again_only_by_who_wants_that() -> None:
    world, name, outbound = sent(ReceiptState.UNKNOWN)
    assert refusal(again(world, name, outbound)) == "unknown_outcome"
    assert refusal(world.reply("ben", name, again=outbound)) == "unknown_outcome"
    assert only(again(world, name, outbound, anyway=True), f.ReplySent).again == outbound


@pytest.mark.parametrize("state", [ReceiptState.SENT, ReceiptState.DELIVERED, ReceiptState.READ])
def test_an_answer_that_went_out_is_not_sent_again(state: ReceiptState) -> None:
    world, name, outbound = sent(state)
    assert refusal(again(world, name, outbound, anyway=True)) == "not_failed"


def test_without_its_content_or_as_a_call_nothing_is_sent_again() -> None:
    world, name, outbound = sent(ReceiptState.FAILED)
    assert refusal(again(world, name, outbound, text="")) == "no_content"
    call = Call(call="x", event="ringing")
    assert refusal(world.order("ben", i.Resend(conversation=name, outbound=outbound, content=call))) == "not_a_message"


def test_an_address_that_is_not_theirs_any_more_gets_nothing_again() -> None:
    world, name, outbound = sent(ReceiptState.FAILED)
    world.write("v2")
    person = world.conv(name).person
    world.order("anna", i.Link(person=person, other=world.of("v2").person, evidence="same"))
    world.order("anna", i.Unlink(person=person, address="visitor:v1", evidence="wrong"))
    assert refusal(again(world, name, outbound)) == "no_address"


def test_a_supervisor_whispers_to_the_owner() -> None:
    world, name = served()
    whisper = i.AddNote(conversation=name, content=Text(text="offer a refund"), whisper=True)
    assert refusal(world.order("cleo", whisper)) == "not_allowed"
    assert only(world.order("anna", whisper), f.NoteAdded).whisper == "ben"
    assert "anna added a note for ben." in explain(world.records()[-1:])[0]
    world.close("ben", name)
    assert refusal(world.order("anna", whisper)) == "no_owner"


def test_what_was_read_can_be_marked_unread_for_oneself() -> None:
    world, name = served()
    world.write("v1")
    world.order("ben", i.MarkRead(conversation=name, upto=2))
    world.order("anna", i.MarkRead(conversation=name, upto=2))
    assert only(world.order("ben", i.MarkUnread(conversation=name, upto=1)), f.EntriesUnread).upto == 1
    world.order("ben", i.MarkUnread(conversation=name, upto=9))
    assert world.conv(name).read == {"ben": 1, "anna": 2}


def test_who_mentions_themselves_in_a_note_has_asked_nobody() -> None:
    world = World(make_rules())
    world.up("anna")
    world.write("v1")
    note = i.AddNote(conversation=world.of("v1").id, content=Text(text="?"), mentions=("ben", "anna", "ben"))
    assert only(world.order("anna", note), f.NoteAdded).mentions == ("ben",)
