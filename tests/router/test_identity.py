"""Linking and unlinking people: evidence, one line, and answers that go to the right address (promises P3 and P7)."""

from router import facts as f
from router import inputs as i
from router.rules import Times
from tests.router.test_handover import refusal
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
    assert (sent.channel, sent.address, sent.reply_to) == ("mail", "visitor:v3", None)
