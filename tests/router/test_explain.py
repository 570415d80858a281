import typing

import pytest

from normalizer.outbound import ReceiptState
from router import facts as f
from router import inputs as i
from router.explain import _SENTENCES, explain, reason_in_words, why_not
from router.rules import Need, OperatorRule, Relax, Route, Times, Waiting, When
from router.step import Undecodable
from tests.router.world import World, make_rules


def story(world: World, name: str) -> list[str]:
    return [line.partition(" ")[2] for line in explain(e.record for e in world.entries if e.line == name)]


def test_the_story_of_a_conversation_is_told_with_its_reasons() -> None:
    route = Route(name="all", need=Need(skills={"tech": 2}), relax=(Relax(after=2_000, need=Need()),))
    world = World(make_rules(routes=(route,), waiting=(Waiting(after=1_000, say={"en": "Wait"}),)))
    world.up("anna")
    world.write("v1")
    name = world.of("v1").id
    world.wait(3_000)
    world.reply("anna", name)
    world.receipt(f"{name}-3", ReceiptState.SENT)
    world.order("ben", i.Close(conversation=name))
    world.close("anna", name, result="done")
    told = "\n".join(story(world, name))
    for part in (
        "22:13:20 Opened on site by p4.",
        "Queued (new): tech 2, languages en.",
        "1 lacking the skill tech",
        "A holding phrase went to site.",
        "requirement step 1 is in force",
        "Offered to anna (40 units, accepted by itself).",
        "anna was best of 1 by least_loaded",
        "An answer of anna went to site.",
        f"{name}-3 is sent.",
        "A command was refused (not_owner): The conversation belongs to Anna.",
        "Closed by anna (done).",
    ):
        assert part in told, told


def test_every_fact_has_a_sentence() -> None:
    assert set(typing.get_args(f.AnyFact)) == set(_SENTENCES)
    world = World(make_rules(times=Times(grace=1_000)))
    world.up("anna", "ben", "anna")
    world.write("v1", channel="ring")
    world.order("anna", i.Transfer(conversation=world.of("v1").id, operator="ben"))
    world.feed(i.OperatorLost(operator="ben", node="n1"))
    world.tick(3_600_000)
    told = "\n".join(explain(world.records()))
    assert "next would have been ben" in told
    assert "The bus stood still for 3600 s." in told


def test_it_is_told_when_nobody_is_there() -> None:
    world = World(make_rules())
    world.write("v1")
    assert "Nobody who could ever take it is signed in." in "\n".join(story(world, "c2"))
    world.propose(make_rules(routes=(Route(name="all", need=Need(skills={"law": 1})),)))
    world.write("v2")
    assert "Nobody in the rules could ever take it." in "\n".join(explain(world.records()))


def test_overtaken_conversations_and_failed_steps_are_told() -> None:
    law = Route(name="law", when=When(text=("law",)), need=Need(skills={"law": 1}))
    world = World(make_rules(routes=(law, Route(name="all"))))
    world.write("v1", "law")
    world.write("v2", after=1_000)
    world.up("anna")
    world.feed(Undecodable("broken JSON"))
    told = "\n".join(explain(world.records()))
    assert "older ones that could not be taken: c2" in told
    assert "A step failed and was left out: broken JSON in input:." in told


def test_every_reason_has_words() -> None:
    assert reason_in_words("skill:law") == "lacking the skill law"
    assert reason_in_words("away") == "away"


@pytest.mark.parametrize(
    ("operator", "sentence"),
    [
        ("ben", "ben is away."),
        ("cleo", "cleo is lacking the skill billing."),
        ("nobody", "nobody is not in the rules."),
        ("dora", "dora is not signed in."),
        ("eve", "eve could take c12, but it is with anna."),
        ("anna", "anna is the owner already."),
    ],
)
def test_why_an_operator_does_not_get_it(operator: str, sentence: str) -> None:
    skilled = {"billing": 5}
    operators = {
        "anna": OperatorRule(name="Anna", skills=skilled),
        "ben": OperatorRule(name="Ben", skills=skilled),
        "cleo": OperatorRule(name="Cleo"),
        "dora": OperatorRule(name="Dora", skills=skilled),
        "eve": OperatorRule(name="Eve", skills=skilled),
    }
    world = World(make_rules(operators=operators, routes=(Route(name="all", need=Need(skills=skilled)),)))
    world.up("anna", "cleo")
    world.up("ben", state="away")
    world.order("anna", i.SetPresence(state="available"))
    world.order("anna", i.SetPresence(state="available"))
    world.order("anna", i.SetPresence(state="available"))
    world.order("anna", i.SetPresence(state="available"))
    world.write("v1")
    world.up("eve")
    assert why_not(world.state, "c12", operator) == sentence


def test_why_not_at_other_times() -> None:
    world = World(make_rules())
    world.up("anna")
    world.write("v1", channel="ring")
    world.up("ben")
    name = world.of("v1").id
    assert why_not(world.state, name, "ben") == f"ben could take {name}, but it is with anna."
    world.of("v1").status = "waiting"
    assert why_not(world.state, name, "ben").startswith("ben can take")
    world.of("v1").steps = ()
    assert why_not(world.state, name, "ben").endswith("has not been in the queue yet.")
    world.of("v1").status = "closed"
    assert why_not(world.state, name, "ben") == f"{name} is closed."
