"""The bus's clock was ahead and is set back: what is open goes on as if it had been right (promises P4 and P5)."""

import pytest

from router import facts as f
from router import inputs as i
from router.rules import Times, Waiting
from tests.router.world import START, World, make_rules, of_kind, only

HOURS = 3_600_000
AHEAD = 3 * HOURS


def ahead(world: World, ms: int = AHEAD) -> None:
    world.tick(ms)


def set_back(world: World, ms: int = AHEAD) -> list[f.AnyFact]:
    world.now -= ms
    return world.tick(1_000)


def test_an_offer_made_while_the_clock_was_ahead_runs_out_in_its_time() -> None:
    world = World(make_rules())
    world.up("anna")
    ahead(world)
    world.write("v1", channel="ring")
    expires = world.of("v1").offers[0].expires
    assert only(set_back(world), f.ClockSetBack).gap == AHEAD - 1_000
    assert world.of("v1").offers[0].expires == expires - AHEAD + 1_000
    assert not of_kind(world.wait(19_000), f.OfferEnded)
    assert only(world.wait(2_000), f.OfferEnded).reason == "no_answer"


def test_a_customer_who_wrote_while_the_clock_was_ahead_hears_a_phrase_and_an_operator_keeps_their_node() -> None:
    world = World(make_rules(waiting=(Waiting(after=15_000, say={"en": "One moment."}),)))
    world.up("anna")
    ahead(world)
    world.write("v1")
    set_back(world)
    assert of_kind(world.wait(16_000), f.ReplySent)
    world.tick(4_000)
    assert only(world.tick(4_000) + world.tick(4_000) + world.tick(4_000), f.NodeLost)


def test_who_waits_since_the_clock_was_ahead_is_before_who_comes_afterwards() -> None:
    world = World(make_rules())
    world.write("early")
    ahead(world)
    world.write("v1")
    world.write("v2", after=2_000)
    set_back(world)
    world.write("v3")
    queue = sorted(world.state.conversations.values(), key=lambda one: (one.v, one.seq))
    assert [one.address for one in queue] == [f"visitor:{name}" for name in ("early", "v1", "v2", "v3")]
    assert world.now - world.of("v1").enqueued_at == 2_000, "nobody's wait is changed by it"


def test_an_exclusion_and_the_grace_time_end_in_their_time() -> None:
    world = World(make_rules(times=Times(grace=8_000, exclude_min=60_000)))
    world.up("anna", "ben")
    ahead(world)
    world.write("v1", channel="ring")
    one = world.of("v1")
    first = one.offers[0].operator
    world.order(first, i.Decline(conversation=one.id, offer=one.offers[0].id))
    world.down(first)
    set_back(world)
    assert world.operator(first).grace_until == world.state.timers[f"grace:{first}"] == world.now + 8_000
    assert one.excluded[first] == world.now + 60_000
    world.order(one.offers[0].operator, i.SetPresence(state="offline"))
    assert world.state.timers[f"excluded:{one.id}"] == one.excluded[first]


def test_nothing_is_put_away_too_early_and_a_time_that_was_named_stays() -> None:
    world = World(make_rules(times=Times(park_person=HOURS * 24, archive=HOURS * 48)))
    world.up("anna")
    world.write("v1")
    world.write("v2")
    one, two = world.of("v1"), world.of("v2")
    world.reply("anna", one.id)
    world.order("anna", i.Park(conversation=one.id, until=START + 24 * HOURS))
    world.close("anna", two.id)
    before = dict(world.state.timers)
    ahead(world)
    set_back(world)
    for name in (f"wake:{one.id}", f"archive:{two.id}:{two.person}", f"park:{two.person}"):
        assert world.state.timers[name] == before[name]


def test_a_step_that_was_due_widens_in_its_time() -> None:
    from router.rules import Need, Relax, Route  # noqa: PLC0415  # for this test alone

    route = Route(name="all", need=Need(skills={"law": 1}), relax=(Relax(after=60_000, need=Need()),))
    world = World(make_rules(routes=(route,)))
    world.up("anna")
    ahead(world)
    world.write("v1")
    set_back(world)
    assert not of_kind(world.wait(58_000), f.Assigned)
    assert only(world.wait(3_000), f.Assigned).operator == "anna"


def test_commands_are_obeyed_again_and_the_shell_ticks_for_timers_that_come() -> None:
    world = World(make_rules())
    world.up("anna")
    ahead(world)
    set_back(world)
    world.write("v1")
    assert of_kind(world.reply("anna", world.of("v1").id), f.ReplySent)
    assert world.machine.next_due is not None
    assert world.machine.next_due < world.now + 20_000


@pytest.mark.parametrize("ms", [1_000, 5_000])
def test_nodes_that_differ_a_little_make_time_stand_still(ms: int) -> None:
    world = World(make_rules())
    world.write("v1")
    world.now -= ms
    world.write("v1")
    assert world.records()[-1].now == START
    assert not of_kind([fact for record in world.records() for fact in record.facts], f.ClockSetBack)


def test_a_router_that_takes_over_anywhere_decides_the_same() -> None:
    world = World(make_rules(waiting=(Waiting(after=15_000, say={"en": "One moment."}),)))
    world.up("anna")
    ahead(world)
    world.write("v1", channel="ring")
    world.write("v2")
    world.write("v3", native_id="n1")
    set_back(world)
    world.wait(40_000)
    for boundary in range(len(world.payloads)):
        assert world.replay_from(boundary) == world.payloads[boundary:]
