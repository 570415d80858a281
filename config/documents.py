"""YAML text to a tree of nodes with places, by the YAML 1.2 core schema, within limits.

The tree is built from parse events without recursion, so that hostile text costs no more than `LIMIT_BYTES`;
an alias adds the whole weight of what it repeats. What a plain word means (number, true, nothing) is decided
when it is read, by the type that the settings want.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NoReturn, Protocol

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    ScalarEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from config.problems import KeyPath, Problem

LIMIT_BYTES = 1024 * 1024
LIMIT_DEPTH = 64
LIMIT_NODES = 100_000

PlainValue = str | int | float | bool | None

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUTHS = {word: value for value in (True, False) for word in (str(value), str(value).lower(), str(value).upper())}
_INT = re.compile(r"[-+]?[0-9]{1,400}|0o[0-7]{1,400}|0x[0-9a-fA-F]{1,400}", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_BASES = {"0o": 8, "0x": 16}
_STRING_TAGS = frozenset({"!", "tag:yaml.org,2002:str"})


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file; lines and columns count from 1, 0 stands for the file as a whole."""

    file: str
    line: int = 0
    column: int = 0

    def problem(self, found: str, expected: str = "", remedy: str = "", key: str = "") -> Problem:
        """Say what is wrong here."""
        return Problem(self.file, self.line, self.column, key, found, expected, remedy)


class Refused(Exception):
    """The file cannot be read any further."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(slots=True)
class Word:
    """A scalar. `source` is what stands in the file, `text` what it means after substitution.

    `plain` words are typed by their looks (`8080` is a number); quoted ones are text. `substituted` ones are
    whatever the settings want, because quotes around `${PORT}` are a need of YAML, not a wish.
    """

    place: Place
    text: str
    source: str
    plain: bool
    substituted: bool = False
    height: int = 1
    weight: int = 1

    def value(self) -> PlainValue:
        """Read the word as the YAML 1.2 core schema does."""
        return plain_value(self.text) if self.plain or self.substituted else self.text


@dataclass(slots=True)
class Row:
    """A sequence."""

    place: Place
    items: "list[Node]" = field(default_factory=list)
    height: int = 1
    weight: int = 1


@dataclass(slots=True)
class Table:
    """A mapping, as the pairs that stand in the file: doubled keys are still there."""

    place: Place
    pairs: "list[tuple[Node, Node]]" = field(default_factory=list)
    height: int = 1
    weight: int = 1


Node = Word | Row | Table
TaggedEvent = ScalarEvent | SequenceStartEvent | MappingStartEvent


class _Mark(Protocol):
    line: int
    column: int


def plain_value(text: str) -> PlainValue:
    """Read an unquoted word by the YAML 1.2 core schema: `no` and `09:00` are text, `0o17` and `0x1F` numbers."""
    if text in _NULLS:
        return None
    if text in _TRUTHS:
        return _TRUTHS[text]
    if _INT.fullmatch(text):
        return int(text[2:], _BASES[text[:2]]) if text[:2] in _BASES else int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def compose(data: bytes, file: str) -> Node:
    """Read one YAML document.

    Raises:
        Refused: the text is no YAML, not UTF-8, too large or too deep, or uses tags or several documents.

    """
    if len(data) > LIMIT_BYTES:
        raise Refused(Place(file).problem(f"the file has {len(data)} bytes", f"at most {LIMIT_BYTES} bytes"))
    return _Composer(file).compose(_decode(data, file))


def locate(node: Node, path: KeyPath) -> Place:
    """Find the place of the value at `path` below `node`, or of the last part of the path that is there."""
    place = node.place
    for part in path:
        match node, part:
            case Table(), str():
                found = next(((key, value) for key, value in node.pairs if _names(key, part)), None)
            case Row(), int() if part < len(node.items):
                found = node.items[part], node.items[part]
            case _:
                found = None
        if found is None:
            break
        place, node = found[0].place, found[1]
    return place


def at(node: Node | None, path: KeyPath) -> Node | None:
    """The value at `path` below `node`; None where there is none."""
    for part in path:
        if isinstance(part, str):
            node = find(node, part)
        else:
            node = node.items[part] if isinstance(node, Row) and part < len(node.items) else None
    return node


def source_text(node: Node | None) -> str:
    """What stands in the file: a word, or a list in brackets; empty for anything else."""
    match node:
        case Word():
            return node.source
        case Row():
            return f"[{', '.join(map(source_text, node.items))}]"
        case _:
            return ""


def find(node: Node | None, name: str) -> Node | None:
    """The value of the key `name`; None where there is none."""
    return dict(pairs(node)).get(name)


def pairs(node: Node | None) -> list[tuple[str, Node]]:
    """The entries of a mapping by name; none of anything else."""
    table = node.pairs if isinstance(node, Table) else []
    return [(key.text, value) for key, value in table if isinstance(key, Word)]


def outline(node: Node) -> str:
    """What is written, without comments, places and the order of keys: equal texts mean the same everywhere."""
    match node:
        case Word():
            return json.dumps([node.plain, node.text])
        case Row():
            return f"[{','.join(map(outline, node.items))}]"
        case Table():
            entries = sorted((outline(key), outline(value)) for key, value in node.pairs)
            return f"{{{','.join(f'{key}:{value}' for key, value in entries)}}}"


def _names(key: Node, name: str) -> bool:
    return isinstance(key, Word) and key.text == name


def _decode(data: bytes, file: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        before = data[: exc.start]
        place = Place(file, before.count(b"\n") + 1, exc.start - (before.rfind(b"\n") + 1) + 1)
        raise Refused(
            place.problem(f"the byte 0x{data[exc.start]:02x}", "text in UTF-8", "save the file as UTF-8")
        ) from exc


class _Composer:
    """Builds the tree from the parser's events, with a stack in place of recursion."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._anchors: dict[str, Node] = {}
        self._open: list[tuple[Row | Table, str | None, list[Node]]] = []
        self._documents = 0
        self._root: Node | None = None
        self._last = Place(file, 1, 1)

    def compose(self, text: str) -> Node:
        try:
            for event in _events(text):
                self._take(event)
        except MarkedYAMLError as exc:
            mark = exc.problem_mark or exc.context_mark
            found = " ".join(f"broken YAML: {exc.problem or exc.context}".split())
            raise Refused(self._place(mark).problem(found, remedy=_advice(found))) from exc
        except ReaderError as exc:
            raise Refused(self._unreadable(text, exc)) from exc
        except (YAMLError, ValueError) as exc:
            # ruamel.yaml lets Python's own error through for a character that does not exist ("\\U00110000")
            raise Refused(self._last.problem(f"broken YAML after this place: {exc}")) from exc
        return self._root or Table(Place(self._file, 1, 1))

    def _take(self, event: Event) -> None:
        self._last = self._place(event.start_mark)
        match event:
            case DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    self._refuse(event, "a second document", "one document in each file", 'remove the line "---"')
            case AliasEvent():
                self._add(self._repeat(event), None)
            case ScalarEvent():
                self._add(self._word(event), event.anchor)
            case SequenceStartEvent() | MappingStartEvent():
                self._begin(event)
            case CollectionEndEvent():
                node, anchor, children = self._open.pop()
                _fill(node, children)
                self._weigh(event, node, children)
                self._add(node, anchor)
            case _:
                pass

    def _begin(self, event: SequenceStartEvent | MappingStartEvent) -> None:
        self._plain_tag(event, frozenset())
        kind = Row if isinstance(event, SequenceStartEvent) else Table
        if len(self._open) >= LIMIT_DEPTH:
            self._refuse(event, "the nesting is too deep", f"at most {LIMIT_DEPTH} levels")
        self._open.append((kind(self._place(event.start_mark)), event.anchor, []))

    def _add(self, node: Node, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = node
        if self._open:
            self._open[-1][2].append(node)
        else:
            self._root = node

    def _word(self, event: ScalarEvent) -> Word:
        self._plain_tag(event, _STRING_TAGS)
        text = event.value
        return Word(self._place(event.start_mark), text, text, plain=event.implicit[0] and not event.style)

    def _repeat(self, event: AliasEvent) -> Node:
        node = self._anchors.get(event.anchor)
        if node is None:
            self._refuse(event, f"*{event.anchor} repeats nothing", f"an anchor &{event.anchor} further up")
        return node

    def _plain_tag(self, event: TaggedEvent, allowed: frozenset[str]) -> None:
        tag = str(event.tag or "")
        if tag and tag not in allowed:
            self._refuse(event, f"the tag {tag}", "plain YAML without tags", "remove the tag")

    def _weigh(self, event: Event, node: Row | Table, children: list[Node]) -> None:
        node.weight = 1 + sum(child.weight for child in children)
        node.height = 1 + max((child.height for child in children), default=0)
        if node.weight > LIMIT_NODES or node.height > LIMIT_DEPTH:
            self._refuse(
                event,
                "too much, with all that its aliases repeat",
                f"at most {LIMIT_NODES} values and {LIMIT_DEPTH} levels",
            )

    def _refuse(self, event: Event, found: str, expected: str, remedy: str = "") -> NoReturn:
        raise Refused(self._place(event.start_mark).problem(found, expected, remedy))

    def _place(self, mark: _Mark | None) -> Place:
        return Place(self._file, mark.line + 1, mark.column + 1) if mark else Place(self._file)

    def _unreadable(self, text: str, exc: ReaderError) -> Problem:
        before = text[: exc.position]
        place = Place(self._file, before.count("\n") + 1, exc.position - (before.rfind("\n") + 1) + 1)
        return place.problem("a control character", "text that can be read", "remove the character")


def _events(text: str) -> Iterator[Event]:
    yield from YAML(typ="safe", pure=True).parse(text)


def _fill(node: Row | Table, children: list[Node]) -> None:
    if isinstance(node, Row):
        node.items = children
    else:
        node.pairs = [(key, _beside(key, value)) for key, value in zip(children[::2], children[1::2], strict=True)]


def _beside(key: Node, value: Node) -> Node:
    """Put a value that is not there beside its key; the parser takes it for the start of the next line."""
    nothing = isinstance(value, Word) and value.plain and not value.source
    return replace(value, place=key.place) if nothing else value


def _advice(found: str) -> str:
    """Say how to mend the two mistakes that people make most."""
    if "\\t" in found:
        return "indent with spaces, not tabs"
    if "mapping values are not allowed" in found:
        return 'put a text that contains ": " in quotes'
    return ""
