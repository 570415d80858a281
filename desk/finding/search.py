"""Search over all conversations and people: what can be asked, what is found, and who may find it.

The index itself is elsewhere (``broker.projections``) and comes through :class:`SearchIndex`.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Annotated, Final, Literal, Protocol

from msgspec import Meta, Struct

MAX_QUERY: Final = 300
MAX_TERMS: Final = 16
SHORTEST_PREFIX: Final = 2
"""An unfinished word of one letter would find half of everything."""

Kind = Literal["message", "reply", "note", "result"]
Sort = Literal["best", "newest"]
IndexStatus = Literal["ready", "building", "behind"]

_CHUNKS: Final = re.compile(r'(-?)"([^"]*)"?|(\S+)')
_DIGITS: Final = re.compile(r"[+(]?\d[\d ()./-]{4,}\d")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")
_LETTERS: Final = {**dict(zip("ёЁґҐłŁøØđĐ", "еЕгГlLoOdD", strict=True)), "ß": "ss"}  # noqa: RUF001  # these are Cyrillic
"""Letters that people write without their mark, and that the index keeps apart."""

_ONE_OF_THEM: Final = re.compile(f"[{''.join(_LETTERS)}]")


class IndexAway(Exception):
    """The index gave no answer in time, or is not there; the message is a sentence for a person."""


class Term(Struct, frozen=True):
    """Something to be found as it stands: words side by side. ``prefix``: the last one is unfinished."""

    text: str
    prefix: bool = False


class Query(Struct, frozen=True, kw_only=True):
    """What is looked for: all of ``terms``, none of ``without``, within the filters (empty: any).

    ``since`` and ``until`` bound the time, in ms, ``until`` exclusive; 0: no bound.
    """

    terms: tuple[Term, ...] = ()
    without: tuple[Term, ...] = ()
    channels: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    operator: str = ""
    state: Literal["", "open", "closed"] = ""
    result: str = ""
    person: str = ""
    since: int = 0
    until: int = 0
    sort: Sort = "best"


class Reach(Struct, frozen=True):
    """What an operator may find besides where they took part: these conversations, and all of these customers."""

    operator: str
    conversations: tuple[str, ...]
    people: tuple[str, ...]


class Page(Struct, frozen=True):
    """Where a page begins. ``bound`` is the newest entry there was when the first page was made (0: this is it)."""

    limit: int
    offset: int = 0
    bound: int = 0


class IndexState(Struct, frozen=True, kw_only=True):
    """How far the index is: ``done`` of it is built (0 to 1), and it knows everything up to ``as_of`` (ms)."""

    state: IndexStatus
    done: float
    as_of: int


class Match(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A place in a conversation. ``marks`` are (beginning, end) in ``text``, in UTF-16 code units."""

    item: str
    kind: Kind
    at: int
    text: str
    field: Literal["text", "subject", "files", "who"] = "text"
    marks: tuple[tuple[int, int], ...] = ()
    by: str = ""
    name: str = ""
    channel: str = ""


class Hit(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A conversation that was found, with the best of its ``count`` matches.

    ``address`` is one of the customer's, to call those by who gave no name.
    """

    conversation: str
    person: str
    channel: str
    status: Literal["open", "closed"]
    opened_at: int
    last_at: int
    name: str = ""
    address: str = ""
    owner: str = ""
    result: str = ""
    count: int = 0
    matches: tuple[Match, ...] = ()


class Found(Struct, frozen=True, kw_only=True):
    """A page of conversations. ``next`` is given back as ``after``; empty at the end."""

    hits: tuple[Hit, ...]
    index: IndexState
    next: str = ""


class PersonHit(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A customer that was found."""

    person: str
    name: str = ""
    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    conversations: int = 0
    last_at: int = 0


class PeopleFound(Struct, frozen=True, kw_only=True):
    """A page of customers. ``next`` is given back as ``after``; empty at the end."""

    people: tuple[PersonHit, ...]
    index: IndexState
    next: str = ""


class Cursor(Struct, frozen=True, array_like=True):
    """Where the next page begins."""

    bound: Annotated[int, Meta(ge=0)]
    offset: Annotated[int, Meta(ge=0, le=1_000_000)]


Conversations = tuple[tuple[Hit, ...], Cursor | None, IndexState]
People = tuple[tuple[PersonHit, ...], Cursor | None, IndexState]


class SearchIndex(Protocol):
    """The index of everything that was said. ``reach`` None: everything may be found."""

    async def conversations(self, query: Query, page: Page, reach: Reach | None) -> Conversations:
        """Find conversations, and where the next page begins (None: nowhere).

        Raises:
            IndexAway: there is no answer now.
        """
        ...

    async def people(self, query: Query, page: Page, reach: Reach | None) -> People:
        """Find customers by the terms of the query; raises like :meth:`conversations`."""
        ...


def fold(text: str) -> str:
    """Make text comparable beyond what the index does by itself; the number of words stays the same."""
    return _ONE_OF_THEM.sub(lambda found: _LETTERS[found[0]], unicodedata.normalize("NFC", text))


def clean(text: str) -> str:
    """Take out what is no text: control characters and halves of characters."""
    return _CONTROLS.sub(" ", unicodedata.normalize("NFC", text.encode("utf-8", "ignore").decode()))


def parse(text: str) -> tuple[tuple[Term, ...], tuple[Term, ...]]:
    """Read what a person typed: what must be found, and what must not. Whatever it is, it has a meaning."""
    unfinished = not text[-1:].isspace()
    text = clean(text[:MAX_QUERY])
    found: list[Term] = []
    without: list[Term] = []
    chunks = list(_CHUNKS.finditer(text))[:MAX_TERMS]
    for chunk in chunks:
        is_last = unfinished and chunk.end() == len(text)
        minus, quoted, word = chunk.groups()
        if word is None:
            term = Term(fold(quoted))
        else:
            minus = "-" if word.startswith("-") else ""
            word = word.removeprefix("-")
            letters = sum(map(str.isalnum, word))
            unended = word.endswith("*") or (is_last and not minus)
            term = Term(fold(word), prefix=unended and letters >= SHORTEST_PREFIX)
        if any(map(str.isalnum, term.text)):
            (without if minus else found).append(term)
    return tuple(found), tuple(without)


def parse_person(text: str) -> tuple[Term, ...]:
    """Read what a person typed to find a customer: words, or a phone number in any spelling."""
    number = _DIGITS.fullmatch(clean(text[:MAX_QUERY]).strip())
    if number is not None:
        return (Term("".join(filter(str.isdigit, number[0])).removeprefix("00"), prefix=True),)
    return parse(text)[0]


def marked(text: str, begin: str, end: str) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Take the signs ``begin`` and ``end`` out of a text; give it with the ranges between them, in UTF-16 units."""
    plain: list[str] = []
    marks = tuple(_ranges(text, begin, end, plain))
    return "".join(plain), marks


def _ranges(text: str, begin: str, end: str, plain: list[str]) -> Iterator[tuple[int, int]]:
    at = start = 0
    for piece in re.split(f"([{begin}{end}])", text):
        if piece == begin:
            start = at
        elif piece == end:
            yield (start, at)
        else:
            plain.append(piece)
            at += len(piece.encode("utf-16-le")) // 2
