"""Who is there: breaks with a reason, and operators whose screens nobody touches."""

import pytest

from router import facts as f
from router import inputs as i
from router.explain import explain, why_not
from tests.router.world import World, make_rules, only


@pytest.fixture
def world() -> World:
    world = World(make_rules())
    world.up("ben")
    return world


def idle(world: World, node: str = "n1", *, idle: bool = True) -> list[f.AnyFact]:
    return world.feed(i.OperatorIdle(operator="ben", node=node, idle=idle))


def test_a_break_has_a_reason_and_keeps_new_work_away(world: World) -> None:
    signed_in = world.operator("ben").signed_in
    world.now += 5_000
    world.order("ben", i.SetPresence(state="break", reason=" lunch "))
    ben = world.operator("ben")
    assert (ben.state, ben.reason, ben.since, ben.signed_in) == ("break", "lunch", world.now, signed_in)
    assert "ben is break (lunch)." in explain(world.records()[-1:])[0]
    world.write("v1")
    assert why_not(world.state, world.of("v1").id, "ben") == "ben is on a break."
    world.now += 1_000
    world.order("ben", i.SetPresence(state="break", reason="lunch"))
    assert ben.since == world.now - 1_000, "said twice, it is still the same break"
    world.order("ben", i.SetPresence(state="available", reason="back"))
    assert (ben.state, ben.reason, world.of("v1").owner) == ("available", "", "ben")
    world.order("ben", i.SetPresence(state="offline"))
    assert (ben.signed_in, ben.since) == (0, world.now)


def test_who_is_at_none_of_their_screens_is_away_and_comes_back_themselves(world: World) -> None:
    world.feed(i.OperatorUp(operator="ben", node="n2"))
    assert only(idle(world), f.OperatorIdle).idle
    assert world.operator("ben").state == "available", "there is another screen"
    assert idle(world) == []
    assert only(idle(world, "n2"), f.OperatorState).reason == "idle"
    assert world.operator("ben").state == "away"
    facts = idle(world, "n2", idle=False)
    assert [type(fact) for fact in facts] == [f.OperatorIdle]
    world.order("ben", i.SetPresence(state="available"))
    assert only(idle(world, "n2"), f.OperatorState).state == "away"


def test_the_loss_of_the_only_screen_that_is_used_leaves_nobody(world: World) -> None:
    world.feed(i.OperatorUp(operator="ben", node="n2"))
    idle(world)
    facts = world.down("ben", "n2")
    assert only(facts, f.OperatorState).reason == "idle"
    world.order("ben", i.SetPresence(state="available"))
    facts = world.down("ben", "n1")
    assert not any(isinstance(fact, f.OperatorState) for fact in facts), "the grace time runs"
    assert world.operator("ben").idle == []


@pytest.mark.parametrize(("operator", "node"), [("nobody", "n1"), ("ben", "n9")])
def test_idleness_of_somebody_who_is_not_there_means_nothing(world: World, operator: str, node: str) -> None:
    assert world.feed(i.OperatorIdle(operator=operator, node=node, idle=True)) == []
    assert idle(world, idle=False) == []
