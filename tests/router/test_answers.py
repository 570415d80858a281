"""Canned answers: who may write them, what is wrong with one, and how many there may be."""

from typing import Any

import pytest

from router import facts as f
from router import inputs as i
from router.explain import explain
from router.rules import CannedText
from router.snapshot import decode_state, encode_state
from tests.router.world import OPERATORS, World, make_rules, of_kind, only

DAY = 86_400_000
HELLO: dict[str, Any] = {"title": "Greeting", "texts": {"en": "Hello {customer}, I am {operator}."}}


@pytest.fixture
def world() -> World:
    world = World(make_rules())
    world.up("anna", "ben")
    return world


def save(world: World, operator: str = "anna", **more: Any) -> list[f.AnyFact]:  # noqa: ANN401  # any field of SaveAnswer
    return world.order(operator, i.SaveAnswer(**(HELLO | more)))


def refusal(facts: list[f.AnyFact]) -> str:
    return only(facts, f.CommandRefused).code


def test_a_supervisor_shares_an_answer_and_changes_it(world: World) -> None:
    saved = only(save(world, folder=" Shop / Greetings/", shortcut="/Hello "), f.AnswerSaved)
    assert (saved.folder, saved.shortcut, saved.owner, saved.version) == ("Shop/Greetings", "hello", "", 1)
    assert world.entries[-1].line == "_"
    changed = only(save(world, answer=saved.answer, version=1, title="Welcome"), f.AnswerSaved)
    assert (changed.answer, changed.version) == (saved.answer, 2)
    kept = world.state.answers[saved.answer]
    assert (kept.title, kept.shortcut, kept.at, kept.by) == ("Welcome", "", world.now, "anna")
    told = explain(world.records()[-2:])
    assert "anna wrote version 2 of the canned answer 'Welcome'." in told[-1]


def test_who_edits_an_old_version_is_told(world: World) -> None:
    name = only(save(world), f.AnswerSaved).answer
    save(world, answer=name, version=1, title="Welcome")
    assert refusal(save(world, answer=name, version=1, title="Hi")) == "answer_changed"
    assert world.state.answers[name].title == "Welcome"


def test_operators_write_for_themselves_only_and_nobody_else_finds_it(world: World) -> None:
    assert refusal(save(world, "ben")) == "not_allowed"
    mine = only(save(world, "ben", personal=True), f.AnswerSaved)
    assert (mine.owner, world.entries[-1].line) == ("ben", "o-ben")
    assert refusal(save(world, "anna", answer=mine.answer, version=1)) == "unknown_answer"
    assert refusal(world.order("anna", i.DeleteAnswer(answer=mine.answer))) == "unknown_answer"
    shared = only(save(world), f.AnswerSaved)
    assert refusal(world.order("ben", i.DeleteAnswer(answer=shared.answer))) == "not_allowed"
    assert only(world.order("ben", i.DeleteAnswer(answer=mine.answer)), f.AnswerDeleted).owner == "ben"
    assert set(world.state.answers) == {shared.answer}
    assert "deleted the canned answer" in explain(world.records()[-1:])[-1]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"title": " "}, "empty"),
        ({"texts": {}}, "empty"),
        ({"texts": {"en": " \n"}}, "empty"),
        ({"title": "x" * 101}, "too_long"),
        ({"folder": "x" * 101}, "too_long"),
        ({"texts": {"en": "x" * 4_001}}, "too_long"),
        ({"shortcut": "x" * 33}, "too_long"),
        ({"shortcut": "two words"}, "bad_shortcut"),
        ({"texts": {"English": "Hi"}}, "bad_language"),
        ({"texts": {"en": "Your order { order }"}}, "unknown_variable"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_with_an_answer_is_said(world: World, wrong: dict[str, Any], code: str) -> None:
    assert refusal(save(world, **wrong)) == code
    assert not world.state.answers


def test_an_unknown_variable_is_refused_with_those_that_exist(world: World) -> None:
    refused = only(save(world, texts={"en": "{oder}"}), f.CommandRefused)
    assert "{customer}, {first_name}, {operator}" in refused.reason
    only(save(world, texts={"en": 'It says {"a": 1} and { }.'}), f.AnswerSaved)


def test_a_shortcut_stands_for_one_shared_answer_and_for_one_of_ones_own(world: World) -> None:
    first = only(save(world, shortcut="hi"), f.AnswerSaved)
    assert refusal(save(world, shortcut="HI")) == "shortcut_taken"
    only(save(world, shortcut="hi", answer=first.answer, version=1), f.AnswerSaved)
    only(save(world, "ben", shortcut="hi", personal=True), f.AnswerSaved)
    assert refusal(save(world, "ben", shortcut="hi", personal=True)) == "shortcut_taken"


def test_answers_of_the_file_are_changed_there(world: World) -> None:
    only(save(world, shortcut="bye"), f.AnswerSaved)
    world.propose(make_rules(answers=(CannedText(title="Bye", shortcut="bye", texts={"en": "Bye"}),)))
    assert refusal(save(world, shortcut="bye")) == "shortcut_taken"
    assert refusal(save(world, answer="file/0", version=1)) == "in_file"
    assert refusal(world.order("anna", i.DeleteAnswer(answer="file/0"))) == "in_file"
    assert refusal(world.order("anna", i.DeleteAnswer(answer="bye"))) == "unknown_answer"
    only(save(world, shortcut="other"), f.AnswerSaved)


def test_there_are_not_more_than_everybody_can_hold(world: World) -> None:
    many = tuple(CannedText(title=f"t{n}", texts={"en": "x"}) for n in range(200))
    assert len(of_kind(world.order("ben", i.ImportAnswers(answers=many, personal=True)), f.AnswerSaved)) == 200
    assert refusal(save(world, "ben", personal=True)) == "too_many"
    long = tuple(CannedText(title=f"t{n}", texts={"en": "x" * 4_000}) for n in range(33))
    assert refusal(world.order("anna", i.ImportAnswers(answers=long, personal=True))) == "too_many"
    only(save(world), f.AnswerSaved)


def test_an_import_changes_what_is_known_and_adds_the_rest_or_does_nothing(world: World) -> None:
    known = only(save(world, shortcut="hi"), f.AnswerSaved)
    other = only(save(world, folder="A", title="B"), f.AnswerSaved)
    texts = {"en": "New"}
    given = (
        CannedText(title="Greeting", texts=texts, shortcut="/Hi"),
        CannedText(title="B", texts=dict(HELLO["texts"]), folder="A"),
        CannedText(title="More", texts=texts),
    )
    facts = of_kind(world.order("anna", i.ImportAnswers(answers=given)), f.AnswerSaved)
    assert [(fact.answer, fact.version) for fact in facts] == [(known.answer, 2), (f"a{world.seq}-2", 1)]
    assert world.state.answers[other.answer].version == 1
    assert refusal(world.order("anna", i.ImportAnswers(answers=given))) == "nothing_new"
    wrong = (CannedText(title="Fine", texts=texts), CannedText(title="Bad", texts={"en": "{x}"}))
    assert refusal(world.order("anna", i.ImportAnswers(answers=wrong))) == "unknown_variable"
    assert refusal(world.order("ben", i.ImportAnswers(answers=wrong))) == "not_allowed"
    twice = tuple(CannedText(title=title, texts=texts, shortcut="hi") for title in "ab")
    assert refusal(world.order("anna", i.ImportAnswers(answers=twice))) == "shortcut_taken"
    new = tuple(CannedText(title=title, texts=texts, shortcut="new") for title in "ab")
    assert refusal(world.order("anna", i.ImportAnswers(answers=new))) == "shortcut_taken"
    assert len(world.state.answers) == 3


def test_a_snapshot_keeps_them(world: World) -> None:
    save(world, shortcut="hi")
    assert decode_state(encode_state(world.state)).answers == world.state.answers
    assert world.replay_from(0) == world.payloads


def test_own_answers_of_a_removed_operator_are_kept_for_a_month_in_case_they_come_back(world: World) -> None:
    save(world, "ben", personal=True)
    save(world)
    only_anna = make_rules(operators={"anna": OPERATORS["anna"]})
    world.propose(only_anna)
    world.tick(20 * DAY)
    world.propose(make_rules())
    world.tick(20 * DAY)
    assert len(world.state.answers) == 2, "who was taken out by mistake finds everything again"
    world.propose(only_anna)
    world.tick(20 * DAY)
    world.propose(make_rules(operators={"anna": OPERATORS["anna"]}, results=("solved",)))
    facts = world.tick(11 * DAY)
    assert only(facts, f.AnswerDeleted).owner == "ben"
    assert [one.owner for one in world.state.answers.values()] == [""]
    assert "The router deleted the canned answer" in explain(world.records()[-2:])[-1]
    assert not [name for name in world.state.timers if name.startswith("forget")]
