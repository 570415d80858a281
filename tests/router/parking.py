"""A visitor whom Ben serves, and whose conversation he puts aside."""

from typing import Any

from router import facts as f
from router import inputs as i
from router.rules import OperatorRule, Rules
from tests.router.world import World, make_rules, only

TEAM = {
    "anna": OperatorRule(name="Anna", role="supervisor", phone="sip:anna@pbx"),
    "ben": OperatorRule(name="Ben", units=80, phone="sip:ben@pbx"),
    "cleo": OperatorRule(name="Cleo", units=80),
}


def rules(**changes: Any) -> Rules:  # noqa: ANN401  # any field of Rules
    return make_rules(**({"operators": TEAM} | changes))


def served(**changes: Any) -> tuple[World, str]:  # noqa: ANN401  # any field of Rules
    """Ben has answered visitor v1; nobody else is there."""
    world = World(rules(**changes))
    world.up("ben")
    world.write("v1")
    world.reply("ben", world.of("v1").id)
    return world, world.of("v1").id


def parked(**changes: Any) -> tuple[World, str]:  # noqa: ANN401  # any field of Rules
    """The same, put aside until the customer writes."""
    world, name = served(**changes)
    only(park(world, name), f.ConversationParked)
    return world, name


def park(world: World, name: str, until: int = 0, operator: str = "ben") -> list[f.AnyFact]:
    return world.order(operator, i.Park(conversation=name, until=until))
