"""msgspec's type information in the words of people, for messages and for the reference."""

from collections.abc import Iterable
from enum import Enum

import msgspec
from msgspec import inspect

from config.documents import PlainValue
from config.problems import CHOICES, one_of
from config.scalars import Converter, Secret, converter, encode_scalar

RowType = inspect.ListType | inspect.SetType | inspect.FrozenSetType | inspect.VarTupleType

_SIMPLE: dict[type[inspect.Type], str] = {
    inspect.AnyType: "anything",
    inspect.NoneType: "nothing",
    inspect.BoolType: "true or false",
}


def unwrap(info: inspect.Type) -> inspect.Type:
    """Take off the metadata around a type."""
    return unwrap(info.type) if isinstance(info, inspect.Metadata) else info


def sentence(info: inspect.Type) -> str:
    """The description that `Annotated[..., Meta(description=...)]` gives to a field."""
    match info:
        case inspect.Metadata():
            return str((info.extra_json_schema or {}).get("description", "")) or sentence(info.type)
        case inspect.UnionType():
            return next((text for text in map(sentence, info.types) if text), "")
        case _:
            return ""


def words(info: inspect.LiteralType | inspect.EnumType) -> dict[PlainValue, object]:
    """What may be written, with the value that it stands for."""
    if isinstance(info, inspect.LiteralType):
        return {value: value for value in info.values}
    members: Iterable[Enum] = info.cls
    return {member.value: member for member in members}


def describe(info: inspect.Type) -> str:
    """Say what is wanted: `a whole number from 1 to 65535`, `one of: chat, email`, `a list of text`."""
    match unwrap(info):
        case inspect.StrType() as text:
            return "text" + _lengths(text.min_length, text.max_length, "characters") + _pattern(text.pattern)
        case inspect.IntType() as number:
            return "a whole number" + _bounds(number)
        case inspect.FloatType() as number:
            return "a number" + _bounds(number)
        case inspect.LiteralType() | inspect.EnumType() as choice:
            return one_of(words(choice))
        case inspect.CustomType() as custom:
            return reader(custom).expected
        case inspect.UnionType() as union:
            return _union(union)
        case inspect.DictType() as table:
            lengths = _lengths(table.min_length, table.max_length, "entries")
            return f"a mapping{lengths} to {describe(table.value_type)}"
        case row if isinstance(row, RowType):
            lengths = _lengths(row.min_length, row.max_length, "items")
            return f"a list{lengths} of {describe(row.item_type)}"
        case inspect.TupleType() as row:
            return f"a list of {len(row.item_types)}: {', '.join(map(describe, row.item_types))}"
        case inspect.StructType() as struct:
            return f"a mapping with {', '.join(field.encode_name for field in struct.fields)}"
        case simple if type(simple) in _SIMPLE:
            return _SIMPLE[type(simple)]
        case other:
            raise TypeError(f"settings cannot hold {type(other).__name__}")


def reader(info: inspect.CustomType) -> Converter:
    """How a type of one's own is read. Raises TypeError where it does not say."""
    known = converter(info.cls)
    if known is None:
        raise TypeError(f"{info.cls.__name__} is no scalar: give it EXPECTED, PATTERN and parse()")
    return known


def default(member: inspect.Field) -> object:
    """The default of a field as JSON would hold it; NODEFAULT where there is none to show.

    A struct's own section shows its defaults, and a secret is never shown.
    """
    value = member.default if member.default_factory is msgspec.NODEFAULT else member.default_factory()
    if isinstance(value, msgspec.Struct | Secret) or value is msgspec.NODEFAULT:
        return msgspec.NODEFAULT
    return msgspec.to_builtins(value, enc_hook=encode_scalar)


def tags(info: inspect.UnionType) -> dict[str | int, inspect.StructType]:
    """The tagged structs of a union, by tag."""
    structs = [member for member in map(unwrap, info.types) if isinstance(member, inspect.StructType)]
    return {struct.tag: struct for struct in structs if struct.tag is not None}


def _union(info: inspect.UnionType) -> str:
    tagged = tags(info)
    others = [member for member in map(unwrap, info.types) if not isinstance(member, inspect.StructType) or not tagged]
    parts = [describe(member) for member in others if not isinstance(member, inspect.NoneType)]
    if tagged:
        field = next(iter(tagged.values())).tag_field
        parts.append(f'a mapping with "{field}" ({", ".join(sorted(map(str, tagged)))})')
    if any(isinstance(member, inspect.NoneType) for member in others):
        parts.append("nothing")
    return parts[0] if len(parts) == 1 else " or ".join(part.removeprefix(CHOICES) for part in parts)


def _bounds(number: inspect.IntType | inspect.FloatType) -> str:
    phrases = [
        ("above", number.gt),
        ("from", number.ge),
        ("below", number.lt),
        ("to" if number.ge is not None else "up to", number.le),
        ("in steps of", number.multiple_of),
    ]
    return "".join(f" {word} {limit}" for word, limit in phrases if limit is not None)


def _lengths(least: int | None, most: int | None, unit: str) -> str:
    if least is None and most is None:
        return ""
    if most is None:
        return f" of at least {least} {unit}"
    return f" of {least} to {most} {unit}" if least else f" of at most {most} {unit}"


def _pattern(pattern: str | None) -> str:
    return f" that matches {pattern}" if pattern else ""
