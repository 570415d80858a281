"""Three operators with skills, of whom one serves a visitor."""

from router import facts as f
from router import inputs as i
from router.rules import OperatorRule
from tests.router.world import World, make_rules

TEAM = {
    "anna": OperatorRule(name="Anna", role="supervisor", skills={"billing": 5}),
    "ben": OperatorRule(name="Ben", skills={"tech": 4}),
    "cleo": OperatorRule(name="Cleo", skills={"billing": 3}),
}


def served(by: str = "ben", channel: str = "site", **changes: object) -> tuple[World, str]:
    """A world in which ``by`` serves visitor v1; the others are signed in but away."""
    world = World(make_rules(**({"operators": TEAM} | changes)))
    world.up(by)
    world.write("v1", channel=channel)
    name = world.of("v1").id
    if world.of("v1").offers:
        world.order(by, i.Accept(conversation=name, offer=world.of("v1").offers[0].id))
    world.up(*(other for other in TEAM if other != by), state="away")
    return world, name


def refusal(facts: list[f.AnyFact]) -> str:
    (fact,) = facts
    assert isinstance(fact, f.CommandRefused)
    assert fact.reason.endswith((".", "!", "?"))
    return fact.code
