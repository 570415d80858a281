"""What is wrong in a file, said to a tired person: where, what was found, how to mend it, what is allowed."""

import difflib
from collections.abc import Iterable, Sequence

import msgspec

CHOICES = "one of: "
"""How an `expected` that lists words begins."""

MORE = "What spans several parts of the file, such as names and what they name, is looked at when this is mended."

KeyPath = tuple[str | int, ...]
"""The way to a value from the top of the file: keys and list positions (from 0)."""


class Problem(msgspec.Struct, frozen=True, order=True):
    """One mistake. `line` and `column` count from 1; 0 where there is no such place (a file that is not there)."""

    file: str
    line: int
    column: int
    key: str
    found: str
    expected: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        """Render as `file:line:column: key: found; remedy; expected ...`."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        parts = [self.found, self.remedy, _rule(self.expected)]
        sentence = "; ".join(part for part in parts if part).replace("?;", "?")
        return ": ".join(part for part in (place, self.key, sentence) if part)


class ConfigErrors(Exception):
    """Every mistake of a file or folder at once, in the order of the text.

    `partial`: what spans several parts of the file (a name here, what it names there) could not be looked at yet.
    """

    def __init__(self, problems: Iterable[Problem], *, partial: bool = False) -> None:
        self.problems = tuple(sorted(problems))
        self.partial = partial
        super().__init__(self.problems)

    def __str__(self) -> str:
        """Render one line per problem, after a line that counts them, and before one if there may be more."""
        count = len(self.problems)
        head = "1 mistake in the configuration" if count == 1 else f"{count} mistakes in the configuration"
        return "\n".join([head, *map(str, self.problems), *([MORE] if self.partial else [])])


class SettingError(ValueError):
    """Raised by a struct's `__post_init__` about one of its keys.

    `key` is the path below that struct in the words of the file: `"listen"`, `"imap.host"` or, where names may
    contain dots, a tuple such as `("channels", "site.eu", 0)`. Several may be raised as one `ExceptionGroup`.
    """

    def __init__(self, message: str, *, key: str | KeyPath = ()) -> None:
        super().__init__(message.removesuffix("; "))  # where `nearest` has found nothing
        self.key: KeyPath = _split(key) if isinstance(key, str) else key


def one_of(words: Iterable[object]) -> str:
    """The `expected` of a closed list of words, sorted."""
    return CHOICES + ", ".join(sorted(map(str, words)))


def nearest(word: str, allowed: Sequence[str]) -> str:
    """A remedy that names the allowed word nearest to `word`; empty where none is near."""
    folded = {candidate.casefold(): candidate for candidate in allowed}
    close = difflib.get_close_matches(word.casefold(), folded, n=1)
    return f'did you mean "{folded[close[0]]}"?' if close else ""


def render_path(path: KeyPath) -> str:
    """Write a path as people do: `channels.site.origins[0]`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def _rule(expected: str) -> str:
    if expected.startswith(CHOICES):
        return "allowed: " + expected.removeprefix(CHOICES)
    return f"expected {expected}" if expected else ""


def _split(key: str) -> KeyPath:
    return tuple(int(part) if part.isdecimal() else part for part in key.split(".")) if key else ()
