"""Preview of an import of canned answers: what would be new, changed or refused."""

from collections.abc import Container, Iterable, Iterator
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from router.answers import check, is_same, known_as, name_of, tidy
from router.draft import Refused
from router.rules import CannedText
from router.state import CannedAnswer

Becomes = Literal["new", "changed", "same", "wrong"]


class AnswerSeen(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An answer as it would be taken in. ``wrong`` is left out, because of ``why`` (``code`` is stable)."""

    title: str
    texts: dict[str, str]
    becomes: Becomes
    folder: str = ""
    shortcut: str = ""
    code: str = ""
    why: str = ""


class AnswersSeen(Struct, frozen=True, kw_only=True):
    """The preview of a whole file."""

    answers: tuple[AnswerSeen, ...]


def look_at(
    given: Iterable[CannedText], known: Iterable[CannedAnswer], from_file: Iterable[CannedText]
) -> Iterator[AnswerSeen]:
    """Say of each whether it is new beside those that are ``known``; shortcuts of ``from_file`` are taken."""
    there = known_as(known)
    taken = {each.shortcut for each in from_file if each.shortcut}
    names: set[str] = set()
    for each in map(tidy, given):
        name = name_of(each)
        before = there.get(name)
        seen = AnswerSeen(
            title=each.title,
            texts=each.texts,
            folder=each.folder,
            shortcut=each.shortcut,
            becomes="new" if before is None else "same" if is_same(before, each) else "changed",
        )
        problem = _problem(each, name, taken, names)
        yield replace(seen, becomes="wrong", code=problem.code, why=problem.reason) if problem else seen
        names.add(name)


def _problem(text: CannedText, name: str, taken: Container[str], names: Container[str]) -> Refused | None:
    try:
        check(text)
    except Refused as exc:
        return exc
    if text.shortcut in taken:
        return Refused("shortcut_taken", f"An answer of the configuration file has the shortcut {name}.")
    return Refused("twice", f"{name} stands twice in what is imported.") if name in names else None
