"""Operators with phones, and a customer who calls."""

from normalizer.content import Call
from router import facts as f
from router import inputs as i
from router.rules import OperatorRule
from tests.router.world import World, make_rules, of_kind

ANNA, BEN = "sip:anna@pbx.example", "sip:ben@pbx.example"
OPERATORS = {
    "anna": OperatorRule(name="Anna", role="supervisor", phone=ANNA),
    "ben": OperatorRule(name="Ben", phone=BEN),
    "cleo": OperatorRule(name="Cleo"),
}
NUMBER = "+48123456789"


def world_of(*present: str, **changes: object) -> World:
    """A world in which these operators are there, the first of them idle for the longest time."""
    world = World(make_rules(**{"operators": OPERATORS, **changes}))
    for name in present:
        world.up(name)
        world.tick(10)
    return world


def rings(facts: list[f.AnyFact]) -> list[str]:
    """Whose phones are asked to ring."""
    wishes = [fact.outbound.content for fact in of_kind(facts, f.ReplySent) if fact.wish]
    return [content.to for content in wishes if isinstance(content, Call) and content.event == "ringing"]


def linked(world: World) -> str:
    """A chat customer whose number is known; the conversation is the chat's."""
    world.write("v1")
    chat = world.of("v1")
    world.call(NUMBER, "ended", "x0")
    world.order("anna", i.Link(person=chat.person, other=world.of(NUMBER).person, evidence="said so"))
    return chat.id


def missed(world: World) -> str:
    world.call(NUMBER, "ringing")
    world.call(NUMBER, "failed")
    return world.of(NUMBER).id
