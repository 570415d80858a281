"""Rights are looked at by the rules in force, whatever the desk node that let a command through has followed."""

import msgspec
import pytest

from normalizer.content import Text
from router import facts as f
from router import inputs as i
from router.rules import OperatorRule
from tests.router.world import OPERATORS, World, make_rules, only


def demoted() -> World:
    """Anna supervised while three customers wrote, and does not any more."""
    world = World(make_rules())
    world.up("anna", "ben")
    for name in ("v1", "v2", "v3"):
        world.write(name)
    world.close("anna", world.of("v3").id)
    anna = msgspec.structs.replace(OPERATORS["anna"], role="operator")
    world.propose(make_rules(operators=OPERATORS | {"anna": anna}))
    return world


def actions(world: World) -> dict[str, i.Action]:
    one, two, over = world.of("v1"), world.of("v2"), world.of("v3")
    return {
        "link": i.Link(person=one.person, other=two.person, evidence="same phone"),
        "unlink": i.Unlink(person=one.person, address="visitor:v1", evidence="was wrong"),
        "reopen": i.Reopen(conversation=over.id, person=over.person),
        "note": i.AddNote(conversation=one.id, content=Text(text="look"), mentions=("anna",)),
        "read": i.MarkRead(conversation=one.id, upto=1),
    }


@pytest.mark.parametrize("what", ["link", "unlink", "reopen", "note", "read"])
def test_what_a_node_with_older_rules_has_let_a_supervisor_do_is_refused(what: str) -> None:
    world = demoted()
    facts = world.order("anna", actions(world)[what], role="supervisor")
    assert only(facts, f.CommandRefused).code == "role_changed"


@pytest.mark.parametrize("role", ["operator", ""])
def test_what_was_let_through_for_another_reason_is_done(role: str) -> None:
    world = demoted()
    assert only(world.order("anna", actions(world)["link"], role=role), f.PersonMerged)


def test_who_has_become_a_supervisor_meanwhile_is_obeyed() -> None:
    world = World(make_rules(operators=OPERATORS | {"cleo": OperatorRule(name="Cleo", role="supervisor")}))
    world.up("cleo")
    world.write("v1")
    note = i.AddNote(conversation=world.of("v1").id, content=Text(text="look"))
    assert only(world.order("cleo", note, role="operator"), f.NoteAdded)
    assert only(world.order("cleo", note, role="supervisor"), f.NoteAdded)


@pytest.mark.parametrize("what", ["take", "whisper", "shared answer"])
def test_what_is_for_supervisors_alone_is_refused_to_others_whatever_the_node_says(what: str) -> None:
    world = World(make_rules())
    world.up("anna", "ben")
    world.write("v1")
    one = world.of("v1")
    action: i.Action = {
        "take": i.Take(conversation=one.id, operator="ben"),
        "whisper": i.AddNote(conversation=one.id, content=Text(text="psst"), whisper=True),
        "shared answer": i.SaveAnswer(title="Hi", texts={"en": "Hi"}),
    }[what]
    assert only(world.order("ben", action), f.CommandRefused).code == "not_allowed"
