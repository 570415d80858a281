"""A tree of nodes against the types of the settings: one value, or every problem with its place.

`msgspec.convert` stops at the first mistake and knows no places, hence a walk of our own over msgspec's type
information.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from types import MethodType
from typing import cast

from msgspec import NODEFAULT, inspect, structs

from config.documents import Node, Place, Refused, Row, Table, Word, locate
from config.problems import KeyPath, Problem, SettingError, nearest, one_of, render_path
from config.substitution import Surroundings, substitute
from config.types import RowType, describe, tags, unwrap
from config.words import Unfit, fit, show

BROKEN = object()
"""Stands for a value that could not be read; the problem has been noted."""

Entries = dict[str, tuple[Word, Node]]

_BUILDERS: dict[type[inspect.Type], Callable[[list[object]], object]] = {
    inspect.ListType: list,
    inspect.SetType: set,
    inspect.FrozenSetType: frozenset,
    inspect.VarTupleType: tuple,
}
_LATE: dict[type[inspect.Type], int] = {inspect.FloatType: 1, inspect.StrType: 2}
"""In a union of scalars the wider types are tried last."""


class _Unreadable(Exception):
    """A check asks for a part that could not be read."""


class _Readable:
    """Stands for a struct of which not every part could be read."""

    def __init__(self, struct: inspect.StructType, values: dict[str, object]) -> None:
        self._struct = struct
        self._values = values

    def __getattr__(self, name: str) -> object:
        """Give a part, its default, or what is no part of it (a method of its class, which sees the same)."""
        member = next((each for each in self._struct.fields if each.name == name), None)
        if member is None:
            return MethodType(getattr(self._struct.cls, name), self)
        value = self._values.get(name, member.default)
        if value is NODEFAULT and member.default_factory is not NODEFAULT:
            value = cast("Callable[[], object]", member.default_factory)()
        if value is BROKEN or value is NODEFAULT:
            raise _Unreadable
        return value


@dataclass(slots=True)
class Decoder:
    """Reads nodes and collects problems."""

    around: Surroundings
    problems: list[Problem] = field(default_factory=list)
    whole: bool = False
    """Whether every part that a check across them needs could be read, so that all checks have been made."""

    def read(self, node: Node, info: inspect.Type, path: KeyPath = ()) -> object:
        """Return the value of `node` as type `info`, or BROKEN.

        Raises:
            TypeError: `info` is a type that settings cannot hold.

        """
        inner = unwrap(info)
        if isinstance(node, Word):
            return self._word(node, inner, path)
        match node, inner:
            case _, inspect.AnyType():
                return self._anything(node, path)
            case _, inspect.UnionType() as union:
                return self._member(node, union, path)
            case Table(), inspect.StructType() as struct:
                return self._struct(node, struct, path) if struct.tag is None else self._tagged(node, [struct], path)
            case Table(), inspect.DictType() as table:
                return self._dict(node, table, path)
            case Row(), row if isinstance(row, RowType):
                return self._row(node, row, path)
            case Row(), inspect.TupleType() as row:
                return self._tuple(node, row, path)
        return self._wrong(node, inner, path)

    def _word(self, word: Word, info: inspect.Type, path: KeyPath) -> object:
        try:
            word = substitute(word, self.around)
        except Refused as exc:
            return self._note(exc.problem, path)
        if isinstance(info, inspect.AnyType):
            return word.value()
        members = [unwrap(member) for member in info.types] if isinstance(info, inspect.UnionType) else [info]
        remedy = ""
        for member in sorted(members, key=lambda member: _LATE.get(type(member), 0)):
            try:
                return fit(word, member)
            except Unfit as exc:
                remedy = remedy or str(exc)
        return self._note(word.place.problem(_found(word, members), describe(info), remedy), path)

    def _anything(self, node: Node, path: KeyPath) -> object:
        if isinstance(node, Word):
            return self._word(node, inspect.AnyType(), path)
        if isinstance(node, Row):
            return [self._anything(item, (*path, index)) for index, item in enumerate(node.items)]
        entries = self._entries(node, path)
        return {name: self._anything(value, (*path, name)) for name, (_, value) in entries.items()}

    def _member(self, node: Row | Table, union: inspect.UnionType, path: KeyPath) -> object:
        """Choose the member of a union that a mapping or list can be."""
        if isinstance(node, Table) and (tagged := tags(union)):
            return self._tagged(node, list(tagged.values()), path)
        for member in map(unwrap, union.types):
            mapping = isinstance(member, inspect.StructType | inspect.DictType)
            if mapping if isinstance(node, Table) else isinstance(member, RowType | inspect.TupleType):
                return self.read(node, member, path)
        return self._wrong(node, union, path)

    def _tagged(self, table: Table, members: list[inspect.StructType], path: KeyPath) -> object:
        by_tag = {str(member.tag): member for member in members}
        name = members[0].tag_field or ""
        choice = next((value for key, value in table.pairs if isinstance(key, Word) and key.text == name), None)
        if choice is None:
            missing = table.place.problem(f'the key "{name}" is missing', one_of(by_tag))
            return self._note(missing, path)
        tag = self.read(choice, inspect.LiteralType(tuple(by_tag)), (*path, name))
        return BROKEN if tag is BROKEN else self._struct(table, by_tag[str(tag)], path)

    def _struct(self, table: Table, struct: inspect.StructType, path: KeyPath) -> object:
        before = len(self.problems)
        fields = {member.encode_name: member for member in struct.fields}
        entries = self._entries(table, path)
        meant = self._unknown(entries, [*fields, *filter(None, [struct.tag_field])], path)
        values: dict[str, object] = {}
        for name, member in fields.items():
            if name in entries:
                values[member.name] = self.read(entries[name][1], member.type, (*path, name))
            elif member.required and name not in meant:
                missing = table.place.problem(f'the key "{name}" is missing', describe(member.type))
                self._note(missing, path)
        if len(self.problems) == before:
            return self._build(struct, values, table, path)
        self._check_readable(struct, values, table, path)
        return BROKEN

    def _check_readable(
        self, struct: inspect.StructType, values: dict[str, object], table: Table, path: KeyPath
    ) -> None:
        """Make those checks of a struct's `ACROSS` that need none of the parts that could not be read."""
        parts, whole = _Readable(struct, values), True
        for check in getattr(struct.cls, "ACROSS", ()):
            try:
                errors = list(check(parts))
            except _Unreadable:
                whole = False
                continue
            for error in errors:
                self._note(locate(table, error.key).problem(str(error)), (*path, *error.key))
        self.whole = self.whole or (whole and not path)

    def _unknown(self, entries: Entries, allowed: list[str], path: KeyPath) -> set[str]:
        """Note unknown keys; return the keys that were probably meant, which are not reported as missing too."""
        meant = set()
        for name, (key, _) in entries.items():
            if name not in allowed:
                remedy = nearest(name, [word for word in allowed if word not in entries])
                meant.add(remedy)
                self._note(key.place.problem("unknown key", one_of(allowed), remedy), (*path, name))
        return {word for word in allowed if any(f'"{word}"' in remedy for remedy in meant)}

    def _build(self, struct: inspect.StructType, values: dict[str, object], table: Table, path: KeyPath) -> object:
        built: object = BROKEN
        self.whole = self.whole or not path
        try:
            built = struct.cls(**values)
        except* ValueError as group:
            for error in _leaves(group):
                key = error.key if isinstance(error, SettingError) else ()
                self._note(locate(table, key).problem(str(error)), (*path, *key))
        return built

    def _dict(self, table: Table, info: inspect.DictType, path: KeyPath) -> object:
        before = len(self.problems)
        result: dict[object, object] = {}
        entries = self._entries(table, path)
        for name, (key, value) in entries.items():
            result[self._key(key, unwrap(info.key_type), path)] = self.read(value, info.value_type, (*path, name))
        self._count(table.place, len(entries), info, path)
        return BROKEN if len(self.problems) > before else result

    def _key(self, key: Word, info: inspect.Type, path: KeyPath) -> object:
        """Read the key of a mapping; names such as `123` or `true` need no quotes there."""
        if isinstance(info, inspect.AnyType):
            return key.text
        try:
            return fit(replace(key, substituted=True), info)
        except Unfit as exc:
            return self._note(key.place.problem(f'the key "{key.text}"', describe(info), str(exc)), (*path, key.text))

    def _row(self, row: Row, info: RowType, path: KeyPath) -> object:
        before = len(self.problems)
        items = [self.read(item, info.item_type, (*path, index)) for index, item in enumerate(row.items)]
        self._count(row.place, len(items), info, path)
        return BROKEN if len(self.problems) > before else _BUILDERS[type(info)](items)

    def _tuple(self, row: Row, info: inspect.TupleType, path: KeyPath) -> object:
        if len(row.items) != len(info.item_types):
            return self._note(row.place.problem(f"a list of {len(row.items)}", describe(info)), path)
        pairs = enumerate(zip(row.items, info.item_types, strict=True))
        items = [self.read(item, wanted, (*path, index)) for index, (item, wanted) in pairs]
        return BROKEN if BROKEN in items else tuple(items)

    def _entries(self, table: Table, path: KeyPath) -> Entries:
        entries: Entries = {}
        for key, value in table.pairs:
            if not isinstance(key, Word):
                self._note(key.place.problem("a key that is a list or a mapping", "a word"), path)
            elif key.text in entries:
                first = entries[key.text][0].place
                found = f"the key stands here twice, first at {first.file}:{first.line}:{first.column}"
                self._note(key.place.problem(found, remedy="keep one of them"), (*path, key.text))
            else:
                entries[key.text] = (key, value)
        return entries

    def _count(self, place: Place, count: int, info: inspect.DictType | RowType, path: KeyPath) -> None:
        if count < (info.min_length or 0) or (info.max_length is not None and count > info.max_length):
            self._note(place.problem(f"it has {count}", describe(info)), path)

    def _wrong(self, node: Row | Table, info: inspect.Type, path: KeyPath) -> object:
        found = "a list" if isinstance(node, Row) else "a mapping"
        return self._note(node.place.problem(f"found {found}", describe(info)), path)

    def _note(self, problem: Problem, path: KeyPath) -> object:
        self.problems.append(structs.replace(problem, key=render_path(path)))
        return BROKEN


def _found(word: Word, members: list[inspect.Type]) -> str:
    return "found " + min((show(word, member) for member in members), key=len)


def _leaves(group: BaseExceptionGroup[ValueError]) -> Iterator[ValueError]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
