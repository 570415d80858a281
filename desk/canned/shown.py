"""Canned answers as screens list them: those of the file, the shared ones, and the operator's own."""

from collections.abc import Iterable, Iterator

from desk.protocol.events import AnswerChanged, AnswerGone
from desk.protocol.wire import AnswerShown, Choices
from router.answers import FROM_FILE, VARIABLES
from router.facts import AnswerDeleted, AnswerSaved, AnyFact
from router.rules import Rules
from router.state import CannedAnswer, State

Named = tuple[str, str]
"""The id of an answer and whose it is (empty: everybody's)."""


def list_answers(state: State, operator: str) -> tuple[AnswerShown, ...]:
    """Give every answer that an operator can use, by folder and title."""
    mine = (_show(each) for each in state.answers.values() if each.owner in ("", operator))
    return tuple(sorted([*_of_file(state.rules), *mine], key=lambda each: (each.folder, each.title, each.id)))


def _of_file(rules: Rules) -> Iterator[AnswerShown]:
    for place, each in enumerate(rules.answers):
        yield AnswerShown(
            id=f"{FROM_FILE}{place}",
            folder=each.folder,
            title=each.title,
            shortcut=each.shortcut,
            texts=each.texts,
            from_file=True,
        )


def _show(answer: CannedAnswer) -> AnswerShown:
    return AnswerShown(
        id=answer.id,
        folder=answer.folder,
        title=answer.title,
        shortcut=answer.shortcut,
        texts=answer.texts,
        personal=bool(answer.owner),
        version=answer.version,
        by=answer.by,
        at=answer.at,
    )


def changed_answers(facts: Iterable[AnyFact]) -> tuple[Named, ...]:
    """Name the answers that these facts change."""
    return tuple((fact.answer, fact.owner) for fact in facts if isinstance(fact, AnswerSaved | AnswerDeleted))


def tell_answers(state: State, operator: str, changed: Iterable[Named]) -> list[AnswerChanged | AnswerGone]:
    """Say how answers that have changed stand now, those that are the operator's to see."""
    events: list[AnswerChanged | AnswerGone] = []
    for name, owner in changed:
        if owner in ("", operator):
            known = state.answers.get(name)
            events.append(AnswerChanged(answer=_show(known)) if known is not None else AnswerGone(answer=name))
    return events


def choices(rules: Rules) -> Choices:
    """Give what there is to choose from by the rules in force."""
    return Choices(
        results=rules.results,
        queues=tuple(route.name for route in rules.routes),
        skills=tuple(sorted({skill for operator in rules.operators.values() for skill in operator.skills})),
        variables=VARIABLES,
    )
