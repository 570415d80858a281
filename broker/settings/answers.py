"""Settings of the canned answers that stand in the file."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated

from msgspec import Meta, Struct

from config import SettingError
from router.answers import SHARED_BYTES, check, tidy
from router.draft import Refused
from router.rules import CannedText


class AnswerSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A canned answer for everybody. The desk shows it beside those that were written there."""

    title: Annotated[str, Meta(description="Its name in the list.")]
    texts: Annotated[
        dict[str, str],
        Meta(description="Language to text; {customer}, {operator} and a few others are filled in on the desk."),
    ]
    folder: Annotated[str, Meta(description="Where it stands in the list, such as Shipping/Returns.")] = ""
    shortcut: Annotated[str, Meta(description="A word that calls it up behind a slash.")] = ""

    def __post_init__(self) -> None:
        try:
            check(canned(self))
        except Refused as exc:
            raise SettingError(exc.reason) from exc


def canned(settings: AnswerSettings) -> CannedText:
    """Give the answer as the rules have it."""
    return tidy(
        CannedText(title=settings.title, texts=settings.texts, folder=settings.folder, shortcut=settings.shortcut)
    )


def answer_problems(answers: Sequence[AnswerSettings]) -> Iterator[SettingError]:
    """Find what is wrong with all of them together."""
    seen = Counter[str]()
    for i, each in enumerate(map(canned, answers)):
        seen[each.shortcut] += 1
        if each.shortcut and seen[each.shortcut] > 1:
            yield SettingError(f"another answer has the shortcut {each.shortcut}", key=("answers", i, "shortcut"))
    size = sum(len(text.encode()) for each in answers for text in each.texts.values())
    if size > SHARED_BYTES:
        said = f"all texts together have {size:,} bytes; {SHARED_BYTES:,} are allowed"
        yield SettingError(said, key="answers")
