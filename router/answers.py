"""Canned answers: written in the desk, kept in the log, shared by all or one operator's own.

Their texts are ours and no customer's, they are bounded, and every desk node needs them all: so the state holds them.
Those of the configuration file come with the rules and are changed there.
"""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

from router import facts as f
from router.deadlines import FORGET, timer_id
from router.draft import Draft, Refused
from router.inputs import Command, DeleteAnswer, ImportAnswers, SaveAnswer
from router.record import WORKSPACE_LINE
from router.rights import require_supervisor
from router.rules import CannedText
from router.state import CannedAnswer

VARIABLES: Final = ("customer", "first_name", "operator", "channel", "conversation", "date")
"""What a text may name in braces; the operator's screen puts in what it stands for."""
FROM_FILE: Final = "file/"
"""Begins the ids of answers that stand in the configuration file, followed by their places there."""

TITLE_LENGTH: Final = 100
FOLDER_LENGTH: Final = 100
SHORTCUT_LENGTH: Final = 32
TEXT_LENGTH: Final = 4_000
MOST_SHARED: Final = 1_000
MOST_PERSONAL: Final = 200
SHARED_BYTES: Final = 1_000_000
PERSONAL_BYTES: Final = 128_000

KEPT: Final = 30 * 86_400_000
"""So long (ms) the own answers of an operator stay who is in the rules no more: it may have been a mistake."""

_VARIABLE: Final = re.compile(r"\{\s*([^\W\d]\w*)\s*\}")
_SHORTCUT: Final = re.compile(r"[\w-]*")
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}")


def save(d: Draft, command: Command, action: SaveAnswer) -> None:
    """Write a canned answer, or change one that nobody else has changed meanwhile."""
    if action.answer:
        known = _find(d, command, action.answer)
        if action.version != known.version:
            said = "This answer has been changed meanwhile. Look at it again."
            raise Refused("answer_changed", said, now=str(known.version))
        owner, name = known.owner, known.id
    else:
        owner, name = _owner(command, personal=action.personal), f"a{d.number}"
    _enter(d, command, owner)
    _keep(d, command, owner, [(name, action)])


def delete(d: Draft, command: Command, action: DeleteAnswer) -> None:
    """Take a canned answer away."""
    known = _find(d, command, action.answer)
    _enter(d, command, known.owner)
    d.emit(f.AnswerDeleted(answer=known.id, owner=known.owner, by=command.operator))


def take_in(d: Draft, command: Command, action: ImportAnswers) -> None:
    """Take many in at once, or none: those that are known by shortcut, or by folder and title, are changed."""
    owner = _owner(command, personal=action.personal)
    _enter(d, command, owner)
    known = known_as(_of(d, owner))
    given: dict[str, CannedText] = {}
    for number, each in enumerate(action.answers):
        text = tidy(each)
        before = known.get(name_of(text))
        if before is None or not is_same(before, text):
            name = before.id if before is not None else f"a{d.number}-{number}"
            if name in given:
                raise Refused("shortcut_taken", f"{name_of(text)} stands twice in what is imported.")
            given[name] = text
    if not given:
        raise Refused("nothing_new", "All of these are there already, word for word.")
    _keep(d, command, owner, given.items())


def outlive(d: Draft) -> None:
    """Set the time at which the own answers of removed operators are deleted; who is in the rules again keeps them."""
    owners = {each.owner for each in d.state.answers.values()} - {""}
    for name in sorted(owners):
        timer, known = timer_id(FORGET, name), name in d.rules.operators
        if known == (timer in d.state.timers):
            d.emit(f.TimerSet(timer=timer, due=0 if known else d.now + KEPT))


def forget_own(d: Draft, owner: str) -> None:
    """Take away what belongs to nobody any more."""
    for each in _of(d, owner):
        d.emit(f.AnswerDeleted(answer=each.id, owner=owner))


def check(text: CannedText) -> None:
    """Check one answer by itself.

    Raises:
        Refused: ``empty``, ``too_long``, ``bad_shortcut``, ``bad_language``, ``unknown_variable``.
    """
    if not text.title or not text.texts or not all(each.strip() for each in text.texts.values()):
        raise Refused("empty", "An answer needs a title, and a text in at least one language.")
    for what, value, most in (
        ("title", text.title, TITLE_LENGTH),
        ("folder", text.folder, FOLDER_LENGTH),
        ("shortcut", text.shortcut, SHORTCUT_LENGTH),
        *((f"text ({language})", each, TEXT_LENGTH) for language, each in text.texts.items()),
    ):
        if len(value) > most:
            raise Refused("too_long", f"The {what} has {len(value):,} characters; {most:,} are allowed.")
    if not _SHORTCUT.fullmatch(text.shortcut):
        raise Refused("bad_shortcut", f"A shortcut has letters, digits, - and _ only, not {text.shortcut!r}.")
    for language, each in text.texts.items():
        if not _LANGUAGE.fullmatch(language):
            raise Refused("bad_language", f"{language!r} is no language: write its code, such as en.")
        _check_variables(each)


def _check_variables(text: str) -> None:
    for name in _VARIABLE.findall(text):
        if name not in VARIABLES:
            allowed = ", ".join(f"{{{each}}}" for each in VARIABLES)
            raise Refused("unknown_variable", f"There is no {{{name}}}: {allowed} can be filled in.", now=name)


def _keep(d: Draft, command: Command, owner: str, given: Iterable[tuple[str, CannedText]]) -> None:
    """Save these under their ids, if all of them are right."""
    saved = []
    for name, each in given:
        text = tidy(each)
        check(text)
        before = d.state.answers.get(name)
        d.emit(
            f.AnswerSaved(
                answer=name,
                owner=owner,
                folder=text.folder,
                title=text.title,
                shortcut=text.shortcut,
                texts=text.texts,
                version=before.version + 1 if before is not None else 1,
                by=command.operator,
            )
        )
        saved.append(text.shortcut)
    answers = _of(d, owner)
    _check_shortcuts(d, answers, saved, owner)
    _check_room(answers, owner)


def _check_shortcuts(d: Draft, answers: list[CannedAnswer], saved: list[str], owner: str) -> None:
    """A shortcut stands for one answer among the shared ones, and for one among the operator's own."""
    known = Counter(each.shortcut for each in answers)
    known.update(() if owner else (each.shortcut for each in d.rules.answers))
    taken = next((each for each in saved if each and known[each] > 1), None)
    if taken is not None:
        raise Refused("shortcut_taken", f"Another answer has the shortcut /{taken}.", now=taken)


def _check_room(answers: list[CannedAnswer], owner: str) -> None:
    most, room = (MOST_PERSONAL, PERSONAL_BYTES) if owner else (MOST_SHARED, SHARED_BYTES)
    if len(answers) > most:
        raise Refused("too_many", f"There would be {len(answers):,} answers; {most:,} are allowed. Delete some first.")
    size = sum(len(text.encode()) for each in answers for text in each.texts.values())
    if size > room:
        raise Refused("too_many", f"All texts together would have {size:,} bytes; {room:,} are allowed.")


def _enter(d: Draft, command: Command, owner: str) -> None:
    """Check the right to write: one's own answers, and as a supervisor the shared ones."""
    if not owner:
        require_supervisor(d, command)
        d.line = WORKSPACE_LINE


def _owner(command: Command, *, personal: bool) -> str:
    return command.operator if personal else ""


def _find(d: Draft, command: Command, name: str) -> CannedAnswer:
    """Find an answer that the operator can see; another's own does not exist for them."""
    if name.startswith(FROM_FILE):
        raise Refused("in_file", "This answer stands in the configuration file: change it there.")
    known = d.state.answers.get(name)
    if known is None or known.owner not in ("", command.operator):
        raise Refused("unknown_answer", "There is no such answer (any more).")
    return known


def _of(d: Draft, owner: str) -> list[CannedAnswer]:
    return [each for each in d.state.answers.values() if each.owner == owner]


def known_as(answers: Iterable[CannedAnswer]) -> dict[str, CannedAnswer]:
    """Give answers by what they are known by."""
    return {name_of(each): each for each in answers}


def name_of(text: CannedText | CannedAnswer) -> str:
    """Say what an answer is known by: its shortcut, or else its folder and title."""
    return f"/{text.shortcut}" if text.shortcut else f"{text.folder}: {text.title}"


def is_same(known: CannedAnswer, text: CannedText) -> bool:
    """Whether a known answer says this already."""
    return (known.folder, known.title, known.texts) == (text.folder, text.title, text.texts)


def tidy(text: CannedText) -> CannedText:
    """Normalise: no blanks around words and slashes, no capitals in a shortcut."""
    return CannedText(
        folder="/".join(part for each in text.folder.split("/") if (part := each.strip())),
        title=text.title.strip(),
        shortcut=text.shortcut.strip().removeprefix("/").lower(),
        texts=text.texts,
    )
