"""What machines write waits for nobody, and what becomes of an answer is known long after the closing."""

from typing import Any

import pytest

from normalizer.content import Text
from normalizer.outbound import Receipt, ReceiptState
from router import facts as f
from router import inputs as i
from router.explain import explain
from router.rules import Route, Times, Waiting, When
from router.step import Wanted, wanted
from tests.router.world import World, language, make_rules, of_kind, only

MAIL: dict[str, Any] = {"channel": "mail", "type": "email"}
AN_HOUR = 3_600_000


def test_what_a_machine_writes_to_nobody_is_kept_and_asks_nobody() -> None:
    world = World(make_rules())
    world.up("anna")
    facts = world.write("shop", "10 % off", automatic=True, **MAIL)
    assert [type(fact).__struct_config__.tag for fact in facts] == [
        "person.created",
        "conversation.opened",
        "message.taken",
        "conversation.closed",
    ]
    assert only(facts, f.ConversationClosed).result == "automatic"
    assert any("a machine wrote it" in sentence for sentence in explain(world.records()))
    assert not of_kind(world.write("shop", "11 % off", automatic=True, **MAIL), f.ConversationOpened)
    world.wait(600_000)
    assert not world.state.people


def test_what_a_machine_writes_into_an_open_conversation_starts_no_clock_and_moves_no_answer() -> None:
    phrases = (Waiting(after=1_000, say={"en": "One moment."}),)
    world = World(make_rules(waiting=phrases))
    world.up("anna")
    world.write("v1", "hello", language=language("en"))
    one = world.of("v1")
    world.reply("anna", one.id)
    person = world.write("v1", "out of office", automatic=True, language=language("pl"))
    taken = only(person, f.MessageTaken)
    assert not taken.waits
    assert not taken.heard
    assert one.languages == ("en",)
    assert not one.unanswered
    assert not of_kind(world.wait(5_000), f.ReplySent)


def test_a_machine_on_another_address_does_not_get_the_answers() -> None:
    world = World(make_rules())
    world.up("anna")
    world.write("v1")
    world.write("v2", **MAIL)
    one = world.of("v1")
    world.order("anna", i.Link(person=one.person, other=world.of("v2").person, evidence="same"))
    world.write("v1", "again")
    before = one.sendings["visitor:v2"]
    world.write("v2", "out of office", automatic=True, **MAIL)
    assert one.last_address == "visitor:v1"
    assert one.sendings["visitor:v2"] == before
    assert world.state.addresses["visitor:v2"].channel == "mail"


def test_a_machine_opens_nothing_that_was_closed() -> None:
    world = World(make_rules())
    world.up("anna")
    world.write("v1", **MAIL)
    first = world.of("v1").id
    world.close("anna", first)
    facts = world.write("v1", "out of office", automatic=True, **MAIL)
    assert [type(fact) for fact in facts] == [f.MessageTaken]
    world.tick(25 * AN_HOUR)
    facts = world.write("v1", "out of office", automatic=True, **MAIL)
    assert only(facts, f.ConversationClosed).conversation != first


def test_when_a_customer_wrote_last_is_known_for_each_channel() -> None:
    world = World(make_rules())
    world.up("anna")
    world.write("v1", at=world.now - 5_000)
    address = world.state.addresses["visitor:v1"]
    assert address.heard == {"site": world.now - 5_000}
    world.write("v1", "sent earlier, heard later", at=world.now - 9_000)
    assert address.heard == {"site": world.now - 5_000}
    world.write("v1", "from a clock that is ahead", at=world.now + 9_000, channel="ring")
    assert address.heard == {"site": world.now - 5_000, "ring": world.now}


def closed_mail(world: World) -> tuple[str, str]:
    """A mail that was answered by anna and closed: the conversation and the answer."""
    world.up("anna", "ben")
    world.write("v1", **MAIL)
    one = world.of("v1")
    author = str(one.owner)
    sent = only(world.reply(author, one.id), f.ReplySent).outbound.id
    world.receipt(sent, ReceiptState.SENT, "mail")
    world.close(author, one.id)
    return one.id, sent


def test_an_answer_that_comes_back_after_the_closing_is_work_again_and_its_author_is_told() -> None:
    world = World(make_rules())
    name, sent = closed_mail(world)
    author = world.conv(name).authors[sent]
    world.wait(700_000)
    assert name not in world.state.conversations, "the person has left the memory"
    world.tick(3 * 24 * AN_HOUR)
    world.up("anna", "ben", node="n2")
    facts = world.receipt(sent, ReceiptState.FAILED, "mail", error="no such mailbox")
    assert only(facts, f.OutboundChanged).error == "no such mailbox"
    assert only(facts, f.ConversationReopened).undelivered == sent
    note = only(facts, f.NoteAdded)
    assert note.mentions == (author,)
    assert note.content == Text(text=f"The answer {sent} did not reach the customer (no such mailbox).")
    assert only(facts, f.ConversationQueued).reason == "undelivered"
    assert world.conv(name).owner == author, "whom the customer knows"
    assert any(f"Reopened: {sent} did not reach" in sentence for sentence in explain(world.records()))
    assert any("The router added a note." in sentence for sentence in explain(world.records()))


def test_other_news_after_the_closing_is_only_noted() -> None:
    world = World(make_rules())
    name, sent = closed_mail(world)
    world.wait(700_000)
    facts = world.receipt(sent, ReceiptState.DELIVERED, "mail")
    assert [type(fact) for fact in facts] == [f.OutboundChanged, f.TimerSet]
    world.wait(700_000)
    assert name not in world.state.conversations


def test_an_answer_that_comes_back_is_told_in_the_conversation_that_goes_on() -> None:
    world = World(make_rules(times=Times(reopen=1_000)))
    name, sent = closed_mail(world)
    world.wait(2_000)
    world.write("v1", "and another thing", **MAIL)
    going_on = world.of("v1")
    assert going_on.id != name
    facts = world.receipt(sent, ReceiptState.FAILED, "mail")
    assert [note.conversation for note in of_kind(facts, f.NoteAdded)] == [name, going_on.id]
    assert world.conv(name).status == "closed"


def test_an_answer_that_fails_while_the_conversation_is_open_stays_with_its_owner() -> None:
    world = World(make_rules())
    world.up("anna")
    world.write("v1")
    one = world.of("v1")
    sent = only(world.reply("anna", one.id), f.ReplySent).outbound.id
    assert [type(fact) for fact in world.receipt(sent, ReceiptState.FAILED)] == [f.OutboundChanged]
    assert one.outbounds == {sent: ReceiptState.FAILED}


def test_a_phrase_of_the_system_that_fails_opens_nothing() -> None:
    world = World(make_rules(waiting=(Waiting(after=1_000, say={"en": "One moment."}),)))
    world.up("anna")
    world.write("v1", language=language("en"))
    one = world.of("v1")
    sent = only(world.wait(2_000), f.ReplySent).outbound.id
    world.close("anna", one.id)
    world.receipt(sent, ReceiptState.FAILED)
    assert one.status == "closed"


def test_mail_waits_longer_for_the_archive_than_what_was_delivered() -> None:
    world = World(make_rules())
    name, _ = closed_mail(world)
    day = 24 * AN_HOUR
    archive = {timer: due for timer, due in world.state.timers.items() if timer.startswith("archive")}
    assert archive == {f"archive:{name}:{world.conv(name).person}": world.now + 8 * day}
    world.write("v2", **MAIL)
    other = world.of("v2")
    sent = only(world.reply(str(other.owner), other.id), f.ReplySent).outbound.id
    world.receipt(sent, ReceiptState.DELIVERED, "mail")
    world.close(str(other.owner), other.id)
    assert world.state.timers[f"archive:{other.id}:{other.person}"] == world.now + 2 * day


@pytest.mark.parametrize(
    ("outbound", "conversations"),
    [("c12-3", ("c12",)), ("c12-3-2", ()), ("c-3", ()), ("*-1", ()), ("nothing", ()), ("c12x-1", ())],
)
def test_a_receipt_asks_for_its_conversation_if_it_can_be_one(outbound: str, conversations: tuple[str, ...]) -> None:
    receipt = Receipt(outbound=outbound, state=ReceiptState.READ, at=1)
    assert wanted(i.Reported(channel="mail", receipt=receipt)) == Wanted(conversations=conversations)


def test_a_link_carries_over_what_let_the_other_go_first() -> None:
    routes = (Route(name="vip", when=When(text=("vip",)), tier=-1, boost=60_000), Route(name="all"))
    world = World(make_rules(routes=routes))
    world.write("v1")
    world.write("v2", "I am a vip", after=1_000)
    first, other = world.of("v1"), world.of("v2")
    world.order("anna", i.Link(person=first.person, other=other.person, evidence="same"))
    assert (first.tier, first.v) == (-1, first.enqueued_at - 60_000)
    world.write("v3", after=1_000)
    third = world.of("v3")
    world.order("anna", i.Link(person=first.person, other=third.person, evidence="same"))
    assert (first.tier, first.v) == (-1, first.enqueued_at - 60_000)


def test_a_person_who_is_loaded_for_a_receipt_is_found_by_the_conversation() -> None:
    world = World(make_rules())
    name, sent = closed_mail(world)
    world.wait(700_000)
    receipt = i.Reported(channel="mail", receipt=Receipt(outbound=sent, state=ReceiptState.SENT, at=1))
    assert world.machine.missing(receipt) == Wanted(conversations=(name,))
    assert world.feed(receipt) == [], "nothing new: nobody is loaded for it"
    assert name not in world.state.conversations
