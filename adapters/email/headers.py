"""The header fields of a mail: found in any bytes, read by what they were meant to say (RFC 5322, 2047, 2231).

The standard library's ``policy.default`` raises on ids and parameters of real life (cpython#94306), and its parser
takes quadratic time on nested parts; so fields are split here and only single values go to the library, under guard.
Nothing in this module raises.
"""

import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import UTC
from email.errors import HeaderParseError
from email.header import decode_header
from email.utils import decode_params, getaddresses, parsedate_to_datetime, unquote
from functools import cached_property, lru_cache
from unicodedata import normalize

from adapters.email.charsets import decode, guess
from adapters.email.wire import Mailbox
from normalizer.address import AddressError, address, split
from normalizer.plain import clean_line

MAX_HEADER_BYTES = 256 * 1024
MAX_FIELDS = 1_000
MAX_VALUE = 16 * 1024
MAX_IDS = 100
MAX_ADDRESSES = 200
MAX_PARAMETERS = 200
MAX_ID_LENGTH = 500
LATEST_DATE = 4_102_444_800_000
"""The year 2100, in ms: a later date is a broken clock."""

_FIELD = re.compile(rb"([!-9;-~]{1,200})[ \t]*:")
_ID = re.compile(r"<[^<>\s]+>")
_PIECE = re.compile(r"(?:[^;\"]|\"(?:\\.|[^\"])*\"?)+", re.DOTALL)
"""What stands between semicolons; those within quotes do not part."""
_ONE_ADDRESS = re.compile(
    r"(?:\"([^\"\\\r\n]+)\" |([A-Za-z0-9]+(?: [A-Za-z0-9]+)*) |)<([\w+-]+(?:\.[\w+-]+)*@[\w-]+(?:\.[\w-]+)*)>"
    r"|([\w+-]+(?:\.[\w+-]+)*@[\w-]+(?:\.[\w-]+)*)",
    re.ASCII,
)
"""One address with a name, in quotes or of plain words, or without: nearly all there are."""
_NEWLINE = re.compile(r"[\r\n]")
_BARE_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"]{1,200}@[^\s<>()\[\],;:\"@]{1,250}")
_ENCODED_WORD = re.compile(r"=\?[^?\s]{1,100}\?[bBqQ]\?[^?]*\?=")

_FAULTS = (ValueError, LookupError, TypeError, AttributeError, RecursionError, HeaderParseError, AssertionError)
"""What the library's parsers of single values raise on broken ones."""


class Headers:
    """The fields of a mail or a part, top down, by names in lower case. Values come decoded and in one line.

    Some fifty are asked for of each mail, and few of them are there: one that is not must cost next to nothing.
    """

    def __init__(self, fields: list[tuple[str, bytes]]) -> None:
        self._values: dict[str, list[bytes]] = {}
        for name, value in fields:
            self._values.setdefault(name, []).append(value)
        self._unfolded: dict[str, list[str]] = {}
        self._mailboxes: dict[tuple[str, ...], tuple[Mailbox, ...]] = {}

    @cached_property
    def _charset(self) -> str:
        """What the bytes beyond ASCII are in, which no header says; looked at once, for all fields together."""
        values = (value for values in self._values.values() for value in values)
        return guess(b"\n".join(value for value in values if not value.isascii()))

    def has_any(self, names: Collection[str]) -> bool:
        """Whether one of these fields is there."""
        return not self._values.keys().isdisjoint(names)

    def raw(self, name: str) -> list[str]:
        """Give the values as they stand, unfolded; bytes beyond ASCII are UTF-8 or what they look like."""
        if name not in self._values:
            return []
        found = self._unfolded.get(name)
        if found is None:
            found = self._unfolded[name] = [self._unfold(value) for value in self._values[name]]
        return found

    def _unfold(self, value: bytes) -> str:
        text = _decoded(value)
        if text is None:
            text = decode(value, self._charset, guessing=False)
        if not text.isprintable():  # else there is nothing to unfold
            text = _NEWLINE.sub(" ", text)
        return text.strip()

    def first(self, name: str) -> str:
        """Give the topmost value as it stands, or nothing."""
        values = self.raw(name)
        return values[0] if values else ""

    def text(self, name: str, limit: int = 998) -> str:
        """Give the topmost value with its encoded words decoded (RFC 2047), in one clean line."""
        return clean_line(decode_words(self.first(name)), limit)

    def ids(self, *names: str) -> tuple[str, ...]:
        """Give the ids in these fields, in order, each once; Exchange's ``<[b378...]@host>`` are as good as others."""
        found = [id_ for name in names for value in self.raw(name) for id_ in _ID.findall(value)]
        return tuple(dict.fromkeys(id_ for id_ in found if len(id_) <= MAX_ID_LENGTH and id_.isprintable()))[:MAX_IDS]

    def mailboxes(self, *names: str) -> tuple[Mailbox, ...]:
        """Give the addresses in these fields that are addresses."""
        if not self.has_any(names):
            return ()
        if names not in self._mailboxes:
            found = [box for name in names for value in self.raw(name) for box in _mailboxes(value)]
            self._mailboxes[names] = tuple(found[:MAX_ADDRESSES])
        return self._mailboxes[names]

    @cached_property
    def date(self) -> int | None:
        """The time of the field Date in ms since the epoch, or None where it says nothing sensible."""
        try:
            written = parsedate_to_datetime(self.first("date")[:200])
            at = int((written if written.tzinfo else written.replace(tzinfo=UTC)).timestamp() * 1_000)
        except (*_FAULTS, OverflowError):
            return None
        return at if 0 <= at <= LATEST_DATE else None

    def value_type(self, name: str, default: str = "") -> str:
        """Give what stands before the parameters, in lower case: ``text/plain``, ``attachment``."""
        if name not in self._values:
            return default
        value = self.first(name).partition(";")[0]
        return "".join(value.split()).lower()[:127] or default

    def parameter(self, name: str, parameter: str) -> str:
        """Give a parameter of a field (RFC 2231, and encoded words, which stand there against the rules)."""
        return _parameters(self.first(name)).get(parameter, "") if name in self._values else ""


def read_headers(data: bytes, start: int, end: int) -> tuple[Headers, int]:
    """Read the fields at ``start``; give them and where the body begins: after the empty line, or at what is no field.

    What is longer than 256 KB or has over 1,000 fields is cut; the rest is skipped up to the empty line.
    """
    fields: list[tuple[str, bytes]] = []
    limit = min(end, start + MAX_HEADER_BYTES)
    position = start
    while position < limit:
        newline = data.find(b"\n", position, end)
        stop = newline if newline >= 0 else end
        line = data[position : min(stop, position + MAX_VALUE)].rstrip(b"\r")
        if not line:
            return Headers(fields), min(stop + 1, end)
        match = _FIELD.match(line)
        if line[:1] in b" \t":
            if fields and len(fields[-1][1]) < MAX_VALUE:
                fields[-1] = (fields[-1][0], fields[-1][1] + b"\n" + line)
        elif match:
            fields.append((match[1].decode("ascii").lower(), line[match.end() :]))
        elif not (line.startswith((b"From ", b">From ")) and not fields):
            return Headers(fields), position
        position = stop + 1
        if len(fields) > MAX_FIELDS:
            break
    return Headers(fields), _after_empty_line(data, min(position, end), end)


def decode_words(value: str) -> str:
    """Decode encoded words (RFC 2047), also within quotes and words, where they do not belong; the rest stays."""
    if "=?" not in value:
        return value
    joined = re.sub(r"(\?=)\s+(?==\?)", r"\1", value[:MAX_VALUE])
    parts: list[tuple[bytes, str]] = []
    texts: list[str] = []
    position = 0
    for word in _ENCODED_WORD.finditer(joined):
        if word.start() > position:
            texts.append(_flush(parts) + joined[position : word.start()])
        parts.append(_word(word[0]))
        position = word.end()
    return "".join([*texts, _flush(parts), joined[position:]])


def _word(word: str) -> tuple[bytes, str]:
    try:
        content, charset = decode_header(word)[0]
    except _FAULTS:
        return word.encode(), "utf-8"
    data = content if isinstance(content, bytes) else content.encode("utf-8", "replace")
    return data, (charset or "utf-8").partition("*")[0]


def _flush(parts: list[tuple[bytes, str]]) -> str:
    """Decode neighbours of one charset together: some programs cut a character in two."""
    text = ""
    while parts:
        data, charset = parts.pop(0)
        while parts and parts[0][1] == charset:
            data += parts.pop(0)[0]
        text += decode(data, charset, guessing=False)
    return text


@lru_cache(maxsize=256)
def _parameters(value: str) -> dict[str, str]:
    """Read the parameters of a field, the first of each name. ``get_param`` of the library takes quadratic time."""
    pieces = [piece[0].partition("=") for piece in _PIECE.finditer(value[:MAX_VALUE])]
    pairs = [(name.strip().lower(), text.strip()) for name, _, text in pieces[:MAX_PARAMETERS]]
    try:
        read = decode_params(pairs)[1:]
    except (*_FAULTS, IndexError):
        return {}
    return {name: _parameter(text) for name, text in reversed(read)}


def _parameter(value: str | tuple[str | None, str | None, str]) -> str:
    if isinstance(value, str):
        return clean_line(decode_words(unquote(value)), 998)
    charset, _, quoted = value
    text = unquote(quoted)
    with suppress(UnicodeEncodeError):  # it is text already, though it claims to be encoded
        text = decode(text.encode("latin-1"), charset or "", guessing=False)
    return clean_line(decode_words(text), 998)


def _decoded(value: bytes) -> str | None:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def _after_empty_line(data: bytes, position: int, end: int) -> int:
    found = re.compile(rb"\n\r?\n").search(data, max(position - 1, 0), end)
    return found.end() if found else end


def _mailboxes(value: str) -> Iterator[Mailbox]:
    """Read a list of addresses; what the library cannot read is searched for things that look like one."""
    value = value[:MAX_VALUE]
    boxes = [box for name, spelt in _pairs(value) if (box := mailbox(spelt, decode_words(name)))]
    yield from boxes or (box for match in _BARE_ADDRESS.finditer(value) if (box := mailbox(match[0], "")))


def _pairs(value: str) -> list[tuple[str, str]]:
    """Give names and addresses; the library goes through a field letter by letter, so most are read without it."""
    if found := _ONE_ADDRESS.fullmatch(value):
        return [(found[1] or found[2] or "", found[3] or found[4])]
    try:
        return getaddresses([value])
    except _FAULTS:
        return []


@lru_cache(maxsize=256)
def mailbox(spelt: str, name: str) -> Mailbox | None:
    """Give an address and its name, or None if it is none.

    Only the part before the @ stays as it was spelt: servers differ in what they make of a domain such as
    ``straße.example``, and an answer must not go to another one than that of the address. A name that shows an address
    of its own (``"boss@bank.example" <x@evil.example>``) deceives, and is dropped.
    """
    spelt = clean_line(decode_words(spelt), 400).removeprefix("mailto:")
    try:
        normal = split(address("email", spelt))[1]
    except AddressError:
        return None
    shown = clean_line(name).strip("'\" ")
    exact = f"{spelt.rpartition('@')[0].strip()}@{normal.rpartition('@')[2]}"
    return Mailbox(address=normal, spelt=exact, name="" if "@" in normalize("NFKC", shown) else shown)
