"""What closes, moves, links or calls a conversation that was put aside, and its age."""

from typing import Any

import pytest

from router import facts as f
from router import inputs as i
from router.rules import Need, OperatorRule, Relax, Route, Times
from tests.router.parking import TEAM, park, parked, rules
from tests.router.world import World, of_kind, only

# --- what else happens to it ----------------------------------------------------------------------------------


def test_it_is_closed_without_wrap_up_taken_over_and_released() -> None:
    world, name = parked(times=Times(wrap_up=10_000))
    facts = world.close("ben", name)
    assert only(facts, f.ConversationClosed).wrap_up_until == 0
    assert (world.operator("ben").parked, world.conv(name).parked_at) == ({}, 0)

    world, name = parked()
    world.up("anna")
    world.order("anna", i.Take(conversation=name, operator="anna"))
    assert (world.conv(name).owner, world.operator("anna").load, world.operator("ben").parked) == ("anna", 40, {})

    world, name = parked()
    world.order("ben", i.Release(conversation=name))
    assert (world.conv(name).status, world.operator("ben").parked) == ("waiting", {})


def old(**changes: Any) -> tuple[World, str]:  # noqa: ANN401  # any field of Rules
    """Parked for ten minutes; its requirement was relaxed long ago, and others move forward by a minute."""
    route = Route(name="all", boost=60_000, relax=(Relax(after=30_000, need=Need()),))
    world, name = parked(routes=(route,), **changes)
    world.wait(600_000)
    return world, name


def given_back(world: World, facts: list[f.AnyFact]) -> list[tuple[int, int, int]]:
    """Age, how far it is moved forward, and requirement step, each time that it was queued."""
    queued = of_kind(facts, f.ConversationQueued)
    assert all(one.steps[0].at == one.enqueued_at for one in queued if one.rule == "all")
    return [(world.now - one.enqueued_at, one.enqueued_at - one.v, one.step) for one in queued]


def test_what_was_put_aside_waits_from_the_moment_it_is_given_back() -> None:
    world, name = old()
    world.write("v2", channel="mail")
    assert given_back(world, world.order("ben", i.Release(conversation=name))) == [(0, 60_000, 0)]
    world.tick(1_000)
    world.up("cleo")
    world.reply("cleo", name)
    assert given_back(world, world.order("cleo", i.Release(conversation=name))) == [(1_000, 60_000, 0)], "kept since"


def test_what_has_woken_waits_from_its_waking() -> None:
    world, name = old()
    world.write("v1")
    assert world.conv(name).owner == "ben"
    world.tick(1_000)
    assert given_back(world, world.order("ben", i.Release(conversation=name))) == [(1_000, 60_000, 0)]


@pytest.mark.parametrize("at_work", [True, False])
def test_what_was_put_aside_waits_from_the_moment_it_is_handed_over(*, at_work: bool) -> None:
    for target in ({"queue": "all"}, {"skills": {}}):
        world, name = old()
        if not at_work:
            world.order("ben", i.SetPresence(state="offline"))
        facts = world.order("ben" if at_work else "anna", i.Transfer(conversation=name, **target))
        assert given_back(world, facts) == [(0, 60_000, 0)]


def test_a_direct_transfer_that_nobody_takes_waits_from_the_transfer() -> None:
    world, name = old()
    world.order("ben", i.SetPresence(state="offline"))
    world.up("cleo")
    world.order("anna", i.Transfer(conversation=name, operator="cleo"))
    world.propose(rules(routes=(Route(name="all", boost=60_000, relax=(Relax(after=40_000, need=Need()),)),)))
    world.tick(1_000)
    facts = world.order("cleo", i.Decline(conversation=name, offer=world.conv(name).offers[0].id))
    assert given_back(world, facts) == [(1_000, 60_000, 0)]


def test_what_a_supervisor_took_waits_from_then_when_it_is_given_back() -> None:
    world, name = old()
    world.up("anna")
    world.order("anna", i.Take(conversation=name, operator="anna"))
    world.tick(1_000)
    assert given_back(world, world.order("anna", i.Release(conversation=name)))[0] == (1_000, 60_000, 0)


def test_who_hands_it_over_carries_it_until_the_other_has_it() -> None:
    world, name = parked()
    world.up("cleo")
    facts = world.order("ben", i.Transfer(conversation=name, operator="cleo"))
    assert only(facts, f.ConversationWoken).reason == "transferred"
    assert (world.operator("ben").load, world.conv(name).owner) == (40, "ben")
    world.order("cleo", i.Accept(conversation=name, offer=world.conv(name).offers[0].id))
    assert (world.operator("ben").load, world.conv(name).owner) == (0, "cleo")


def test_who_hands_over_more_than_fits_is_not_left_with_what_nobody_took() -> None:
    world = World(rules())
    world.up("ben")
    names = []
    for visitor in ("v1", "v2", "v3", "v4", "v5"):
        world.write(visitor)
        names.append(world.of(visitor).id)
        world.reply("ben", names[-1])
        park(world, names[-1])
    world.up("cleo")
    for name in names:
        world.order("ben", i.Transfer(conversation=name, operator="cleo"))
        world.order("cleo", i.Decline(conversation=name, offer=world.conv(name).offers[0].id))
    assert world.operator("ben").load == 120, "what fits, and one more"
    assert [world.conv(name).status for name in names] == ["assigned"] * 3 + ["waiting"] * 2


def test_a_supervisor_hands_over_what_somebody_has_left_behind() -> None:
    world, name = parked()
    world.order("ben", i.SetPresence(state="offline"))
    world.up("anna", "cleo")
    world.order("anna", i.Transfer(conversation=name, operator="cleo"))
    assert (world.conv(name).owner, world.operator("ben").parked) == (None, {})
    world.order("cleo", i.Decline(conversation=name, offer=world.conv(name).offers[0].id))
    assert world.conv(name).owner == "anna"


ROOMY = TEAM | {"ben": OperatorRule(name="Ben", phone="sip:ben@pbx")}


def test_a_customer_who_calls_wakes_it_for_an_owner_who_is_there() -> None:
    world, name = parked(operators=ROOMY)
    call(world, "ringing")
    assert world.conv(name).offers[0].operator == "ben"
    call(world, "answered", to="sip:ben@pbx")
    assert (world.conv(name).owner, world.operator("ben").parked) == ("ben", {})


def test_a_customer_who_calls_rings_elsewhere_when_its_owner_is_gone() -> None:
    world, name = parked(operators=ROOMY)
    world.order("ben", i.SetPresence(state="offline"))
    world.up("anna")
    call(world, "ringing")
    assert world.conv(name).offers[0].operator == "anna"


def test_an_owner_who_calls_the_customer_goes_on_when_the_customer_answers() -> None:
    world, name = parked(operators=ROOMY)
    call(world, "initiated", direction="out", to="sip:ben@pbx")
    assert world.conv(name).parked_at
    call(world, "answered", direction="out", to="sip:ben@pbx")
    assert (world.conv(name).parked_at, world.operator("ben").talking) == (0, {"x1": name})


def test_a_call_in_vain_wakes_it() -> None:
    world, name = parked(operators=ROOMY)
    facts = call(world, "failed", sip=487)
    assert only(facts, f.ConversationWoken).reason == "call"
    assert world.conv(name).unanswered


def call(world: World, event: str, **more: Any) -> list[f.AnyFact]:  # noqa: ANN401  # any field of Call
    """News of a call of visitor v1's, who has a number as well."""
    if "tel:+48" not in world.state.addresses:
        world.call("+48", "ended", "x0")
        other = world.state.addresses["tel:+48"].person
        world.order("anna", i.Link(person=world.of("v1").person, other=other, evidence="same"))
    return world.call("+48", event, **more)


def test_a_link_wakes_the_conversation_that_goes_on() -> None:
    world, name = parked()
    world.up("cleo")
    world.order("ben", i.SetPresence(state="away"))
    world.write("v2")
    younger = world.of("v2").id
    facts = world.order("anna", i.Link(person=world.conv(name).person, other=world.conv(younger).person, evidence="x"))
    assert only(facts, f.ConversationJoined).conversation == name
    assert (world.conv(name).parked_at, world.conv(name).owner) == (0, "cleo")
    assert world.conv(younger).status == "closed"


def test_a_parked_conversation_that_ends_with_a_link_is_nobodys() -> None:
    world = World(rules())
    world.up("ben")
    world.write("v1")
    world.write("v2")
    for who in ("v1", "v2"):
        world.reply("ben", world.of(who).id)
    older, younger = world.of("v1"), world.of("v2")
    park(world, younger.id)
    world.order("anna", i.Link(person=older.person, other=younger.person, evidence="x"))
    assert (younger.status, world.operator("ben").parked, list(world.operator("ben").held)) == (
        "closed",
        {},
        [older.id],
    )
