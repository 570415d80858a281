"""Canned answers as a table: what a spreadsheet saves as CSV, or puts on the clipboard. One line an answer."""

import csv
import io
import re
from collections.abc import Iterable
from typing import Final

from router.rules import CannedText

COLUMNS: Final = ("title", "folder", "shortcut")
TEXT: Final = "text"
"""The column of texts in the first language of the rules; others are named by their language, such as ``pl``."""

_LANGUAGE: Final = re.compile(r"[a-z]{2,3}")
_DELIMITERS: Final = ("\t", ";", ",")


class BadTable(Exception):
    """It is no table of answers; the message is a sentence that says how to mend it."""


def read_table(text: str, language: str) -> tuple[CannedText, ...]:
    """Read a table whose first line names the columns; fields are parted by commas, semicolons or tabs.

    Raises:
        BadTable: a column is not known or missing, or the quotes do not end.
    """
    header, _, _ = text.partition("\n")
    delimiter = max(_DELIMITERS, key=header.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        names = [_column(name, language) for name in next(lines, [])]
        _check(names)
        return tuple(_answer(dict(zip(names, line, strict=False))) for line in lines if any(map(str.strip, line)))
    except csv.Error as exc:
        raise BadTable(f"line {lines.line_num} is no line of a table: {exc}") from exc


def _column(name: str, language: str) -> str:
    name = name.strip().lower()
    return language if name == TEXT else name


def _check(names: list[str]) -> None:
    known = f"title, folder, shortcut, text, or a language such as en, not {', '.join(names) or 'nothing'}"
    if "title" not in names or len(set(names)) < len(names) or not set(names) - set(COLUMNS):
        raise BadTable(f"the first line must name the columns: title and a text, and each once: {known}")
    if not all(name in COLUMNS or _LANGUAGE.fullmatch(name) for name in names):
        raise BadTable(f"the first line must name the columns: {known}")


def _answer(fields: dict[str, str]) -> CannedText:
    return CannedText(
        title=fields["title"],
        folder=fields.get("folder", ""),
        shortcut=fields.get("shortcut", ""),
        texts=dict(_texts(fields.items())),
    )


def _texts(fields: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    return ((name, text.strip()) for name, text in fields if name not in COLUMNS and text.strip())
