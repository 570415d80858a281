"""Linking and unlinking people: evidence, one line, and answers that go to the right address (promises P3 and P7)."""

from normalizer.content import Text
from router import facts as f
from router import inputs as i
from router.rules import Times, Waiting
from tests.router.team import refusal
from tests.router.world import World, make_rules, of_kind, only


def two() -> World:
    world = World(make_rules())
    world.up("anna", "ben")
    world.write("v1")
    world.write("v2", after=1_000)
    return world


def person(world: World, visitor: str) -> str:
    return world.state.addresses[f"visitor:{visitor}"].person


def link(world: World, one: str, other: str) -> list[f.AnyFact]:
    return world.order("anna", i.Link(person=one, other=other, evidence="same order number"))


def test_the_older_conversation_goes_on_and_the_younger_is_closed_as_linked() -> None:
    world = two()
    older, younger = world.of("v1").id, world.of("v2").id
    first, second = person(world, "v1"), person(world, "v2")
    facts = link(world, second, first)
    assert only(facts, f.PersonMerged).evidence == "same order number"
    assert only(facts, f.ConversationClosed).result == "linked"
    assert world.conv(younger).status == "closed"
    assert world.conv(older).person == second == person(world, "v1")
    world.write("v2")
    assert world.of("v2").id == older
    assert only(world.reply("anna", older), f.ReplySent).outbound.address == "visitor:v2"
    assert world.people[first].person.moved == second


def test_a_person_with_an_open_conversation_takes_in_one_without() -> None:
    world = two()
    closed = world.of("v2").id
    world.close("anna", closed)
    one, other = person(world, "v1"), person(world, "v2")
    facts = link(world, one, other)
    assert only(facts, f.PersonMerged).conversation == world.of("v1").id
    assert world.state.people[one].past == [closed]
    assert f"archive:{closed}:{one}" in world.state.timers
    world.wait(601_000)
    assert one in world.state.people


def test_two_who_have_gone_are_linked_in_the_store_and_leave_again() -> None:
    world = two()
    one, other = person(world, "v1"), person(world, "v2")
    served = world.of("v2").owner or ""
    world.reply(served, world.of("v2").id)
    world.close("anna", world.of("v1").id)
    world.close("anna", world.of("v2").id)
    world.wait(601_000)
    assert world.state.people == {}
    link(world, one, other)
    assert len(world.records()[-1].loaded) == 2
    assert world.state.people[one].last_operator == served
    world.wait(601_000)
    assert world.state.people == {}
    world.write("v2")
    assert person(world, "v2") == one
    assert refusal(link(world, one, other)) == "unknown_person"


def test_people_without_any_conversation_can_be_linked() -> None:
    world = World(make_rules(times=Times(archive=1_000, park_person=60_000)))
    world.up("anna")
    for visitor in ("v1", "v2"):
        world.write(visitor)
        world.close("anna", world.of(visitor).id)
    world.wait(2_000)
    assert only(link(world, person(world, "v1"), person(world, "v2")), f.PersonMerged).conversation is None


def test_linking_oneself_or_a_stranger_is_refused() -> None:
    world = two()
    one = person(world, "v1")
    assert refusal(link(world, one, one)) == "same_person"
    assert refusal(link(world, one, "p999")) == "unknown_person"


def test_unlinking_gives_the_address_a_person_of_its_own_and_answers_do_not_follow() -> None:
    world = two()
    one = person(world, "v1")
    link(world, one, person(world, "v2"))
    world.write("v2")
    name = world.of("v1").id
    facts = world.order("anna", i.Unlink(person=one, address="visitor:v2", evidence="a neighbour"))
    assert only(facts, f.AddressTaken).before == one
    assert person(world, "v2") != one
    assert refusal(world.reply("anna", name)) == "no_address"
    assert only(world.reply("anna", name, address="visitor:v1"), f.ReplySent)
    assert of_kind(world.write("v2"), f.ConversationOpened)
    assert world.of("v2").id != name


def test_only_an_address_of_somebody_with_several_can_be_unlinked() -> None:
    world = two()
    one = person(world, "v1")
    assert refusal(world.order("anna", i.Unlink(person=one, address="visitor:v2", evidence="x"))) == "no_address"
    assert refusal(world.order("anna", i.Unlink(person=one, address="visitor:v1", evidence="x"))) == "only_address"


def test_somebody_unlinked_who_never_writes_leaves_the_memory() -> None:
    world = two()
    one = person(world, "v1")
    link(world, one, person(world, "v2"))
    world.order("anna", i.Unlink(person=one, address="visitor:v2", evidence="x"))
    new = person(world, "v2")
    world.wait(601_000)
    assert new not in world.state.people
    assert world.people[new].addresses[0].seen, "the duplicate guard goes with the address"


def test_a_linked_customer_can_be_answered_on_the_other_channel() -> None:
    world = two()
    world.write("v3", channel="mail", type="email")
    one = person(world, "v1")
    link(world, one, person(world, "v3"))
    sent = only(world.reply("anna", world.of("v1").id, address="visitor:v3"), f.ReplySent).outbound
    assert (sent.channel, sent.address, sent.reply_to) == ("mail", "visitor:v3", "n8")


PHRASES = (Waiting(after=15_000, say={"en": "One moment."}), Waiting(after=60_000, say={"en": "Still looking."}))


def test_who_waits_in_the_younger_conversation_waits_on_in_the_older() -> None:
    world = World(make_rules(waiting=PHRASES, times=Times(unanswered=100_000)))
    world.up("anna", "ben")
    world.write("v1")
    owner = world.of("v1").owner or ""
    world.reply(owner, world.of("v1").id)
    world.write("v2", channel="mail", type="email", native_id="mail7", after=1_000)
    asked = world.now
    world.wait(16_000)
    one = world.of("v1")
    assert (world.of("v2").unanswered, world.of("v2").said) == (asked, 1)
    facts = link(world, person(world, "v1"), person(world, "v2"))
    joined = only(facts, f.ConversationJoined)
    assert (joined.conversation, joined.unanswered, joined.said, joined.say_at) == (one.id, asked, 1, asked + 60_000)
    facts = world.wait(45_000)
    assert [fact.waiting for fact in of_kind(facts, f.ReplySent)] == [1]
    assert only(facts, f.ReplySent).outbound.address == "visitor:v2"
    assert only(world.wait(60_000), f.Unassigned).reason == "unanswered", "the owner has to answer it"
    sent = only(world.reply("anna", one.id, anyway=True), f.ReplySent).outbound
    assert (sent.address, sent.channel, sent.reply_to) == ("visitor:v2", "mail", "mail7")
    assert of_kind(world.wait(100_000), f.ReplySent) == []


def test_who_waits_in_both_waits_since_the_first_message_and_is_answered_where_the_last_was() -> None:
    world = World(make_rules(waiting=PHRASES))
    world.write("v1")
    asked = world.now
    world.write("v2", after=5_000)
    world.write("v1", after=1_000)
    world.up("anna")
    link(world, person(world, "v2"), person(world, "v1"))
    one = world.of("v1")
    assert (one.unanswered, one.said, one.last_address) == (asked, 0, "visitor:v1")
    said = of_kind(world.wait(100_000), f.ReplySent)
    assert [(fact.waiting, fact.outbound.address) for fact in said] == [(0, "visitor:v1"), (1, "visitor:v1")]


def test_a_link_of_two_who_were_answered_lets_nobody_wait() -> None:
    world = two()
    for visitor in ("v1", "v2"):
        world.reply(world.of(visitor).owner or "", world.of(visitor).id)
    link(world, person(world, "v1"), person(world, "v2"))
    assert world.of("v1").unanswered == 0
    assert not [name for name in world.state.timers if name.startswith(("say:", "unanswered:"))]


def test_a_link_frees_who_had_the_younger_conversation_in_whatever_state() -> None:
    for channel, state in (("ring", "offered"), ("site", "assigned")):
        world = World(make_rules())
        world.up("anna", "ben")
        world.write("v1")
        world.write("v2", channel=channel, after=1_000)
        younger = world.of("v2")
        holder = younger.owner or younger.offers[0].operator
        assert (younger.status, world.operator(holder).load) == (state, 40)
        link(world, person(world, "v1"), person(world, "v2"))
        assert (world.operator(holder).held, younger.offers, younger.owner) == ({}, [], None)
        assert world.of("v1").owner != holder


def test_a_younger_conversation_in_mid_transfer_frees_its_source_and_its_target() -> None:
    world = two()
    younger = world.of("v2")
    source = younger.owner or ""
    target = world.of("v1").owner or ""
    world.order(source, i.Transfer(conversation=younger.id, operator=target))
    link(world, person(world, "v1"), person(world, "v2"))
    assert list(world.operator(target).held) == [world.of("v1").id]
    assert world.operator(source).held == {}


def test_an_answer_to_what_was_linked_by_mistake_never_goes_to_the_other_person() -> None:
    world = World(make_rules(waiting=PHRASES))
    world.up("anna")
    world.write("v1")
    world.write("v2", after=1_000)
    one = world.of("v1").id
    name = person(world, "v1")
    link(world, name, person(world, "v2"))
    assert world.conv(one).last_address == "visitor:v2"
    world.order("anna", i.Unlink(person=name, address="visitor:v2", evidence="a neighbour"))
    assert of_kind(world.wait(100_000), f.ReplySent) == [], "no phrase either"
    for address in (None, "visitor:v2"):
        assert refusal(world.reply("anna", one, address=address)) == "no_address"


def test_a_linked_conversation_that_is_opened_again_after_the_unlink_does_not_reach_who_left() -> None:
    world = two()
    younger, name = world.of("v2").id, person(world, "v1")
    link(world, name, person(world, "v2"))
    assert refusal(world.order("anna", i.Reopen(conversation=younger, person=name))) == "another_open"
    world.order("anna", i.Unlink(person=name, address="visitor:v2", evidence="a neighbour"))
    world.close("anna", world.of("v1").id)
    world.order("anna", i.Reopen(conversation=younger, person=name))
    for address in (None, "visitor:v2"):
        assert refusal(world.reply("anna", younger, address=address)) == "no_address"
    world.write("v2")
    assert world.of("v2").id != younger


def test_notes_of_both_conversations_stay_where_they_were_written() -> None:
    world = two()
    older, younger = world.of("v1").id, world.of("v2").id
    for name in (older, younger):
        world.order("ben", i.AddNote(conversation=name, content=Text(text="vip")))
    link(world, person(world, "v1"), person(world, "v2"))
    assert only(world.order("ben", i.AddNote(conversation=younger, content=Text(text="late"))), f.NoteAdded).n == 3
    assert (world.conv(older).n, world.conv(younger).n) == (2, 3)


def test_a_first_message_is_never_given_to_who_the_same_browser_turns_out_to_be() -> None:
    """Who writes as a stranger and a moment later as the shop's user is two people until an operator links them."""
    world = World(make_rules())
    world.up("anna")
    world.write("stranger", "hello", native_id="m1")
    world.write("u42", "it is me", after=1, attributes={"user": "42"})
    world.write("u42", "hello", after=1, native_id="m1", attributes={"user": "42"})
    first, second = world.of("stranger"), world.of("u42")
    assert (first.id != second.id, first.person != second.person) == (True, True)
    assert (first.n, second.n) == (1, 2), (
        "the same message over both addresses is taken twice: the page must not do that"
    )
    facts = world.reply("anna", first.id)
    assert only(facts, f.ReplySent).outbound.address == "visitor:stranger"
    world.order("anna", i.Link(person=first.person, other=second.person, evidence="wrote twice in a second"))
    assert (world.of("u42").id, second.status) == (first.id, "closed")
