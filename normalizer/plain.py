"""Plain words for any content, and text from strangers made safe for one line of a list or a log."""

import re

from normalizer.content import (
    Call,
    Choice,
    ContactCard,
    Content,
    Delete,
    Edit,
    Form,
    Location,
    Media,
    Rating,
    Reaction,
    Template,
    Text,
)
from normalizer.split import clip

MAX_LINE = 255
PREVIEW_LENGTH = 120

_NEWLINE = re.compile(r"\r\n?|\x85|\u2028|\u2029")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_DIRECTION_AND_INVISIBLE = re.compile(r"[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
"""Marks that turn the direction of the rest of a line (Unicode annex 9) or hide in a name. Joiners stay: emoji."""


def clean_text(text: str) -> str:
    r"""Return text of several lines: ``\n`` ends a line, tabs stay, other control characters go."""
    if text.isprintable():  # most are, and none of what follows is printable
        return text
    return _SURROGATE.sub("\ufffd", _CONTROL.sub("", _NEWLINE.sub("\n", text)))


def clean_line(text: str, limit: int = MAX_LINE) -> str:
    """Return a name or subject as one line of at most ``limit`` code points that cannot disturb what is around it."""
    line = _DIRECTION_AND_INVISIBLE.sub("", clean_text(text))
    return clip(" ".join(line.split()), limit)


def preview(content: Content, limit: int = PREVIEW_LENGTH) -> str:
    """Return one line about ``content``, in no language but its own; empty where only the kind says something."""
    return clean_line(display_text(content), limit)


def display_text(content: Content) -> str:
    """Return what ``content`` says, as plain text of several lines and in no language but its own.

    A file is its name; a reaction taken back and a deletion are empty, since only their kind says something.
    """
    match content:
        case Text():
            return _lines(content.subject, content.text, *map(file_label, content.attachments))
        case Media():
            return _lines(content.caption, file_label(content))
        case Location():
            return _lines(content.name, content.address, f"{content.latitude:.6f}, {content.longitude:.6f}")
        case ContactCard():
            return _lines(content.name, *content.phones, *content.emails)
        case Choice():
            return numbered(content) if content.chosen is None else _chosen(content, content.chosen)
        case Reaction():
            return content.emoji
        case Edit() | Template():
            return content.text
        case Delete():
            return ""
        case Call():
            return _lines(_clock(content.duration), content.reason)
        case Form():
            return _lines(content.name, *(f"{question}: {answer}" for question, answer in content.answers.items()))
        case Rating():
            return _lines(f"{content.score}/{content.scale}", content.comment)
        case _:
            return f"[{content.what}]"


def file_label(media: Media) -> str:
    """Return the file's name as one line, or its type where it has none."""
    return clean_line(media.filename) or media.type


def numbered(choice: Choice) -> str:
    """Return a question and its options as text: ``1. label``, a link after its label."""
    options = (
        f"{number}. {option.label}: {option.url}" if option.url else f"{number}. {option.label}"
        for number, option in enumerate(choice.options, start=1)
    )
    return _lines(choice.text, *options)


def _chosen(choice: Choice, chosen: str) -> str:
    return next((option.label for option in choice.options if option.id == chosen), chosen)


def _clock(milliseconds: int | None) -> str:
    if milliseconds is None:
        return ""
    minutes, seconds = divmod(milliseconds // 1_000, 60)
    return f"{minutes}:{seconds:02}"


def _lines(*parts: str) -> str:
    return "\n".join(part for part in parts if part)
