"""The settings as a page of Markdown, written from the structs so that it cannot grow stale."""

import inspect as python
from dataclasses import dataclass, field

import msgspec
from msgspec import inspect

from config.problems import CHOICES
from config.types import RowType, default, describe, sentence, tags, unwrap

_WHOLE = "The whole file"
_HEAD = "| key | what to write | default | meaning |\n|---|---|---|---|"


def reference(type_: object, title: str) -> str:
    """Return a Markdown page: one section with a table of keys for every struct that `type_` reaches."""
    page = _Page()
    page.add(inspect.type_info(type_), _WHOLE)
    return f"# {title}\n\n" + "\n\n".join(page.sections) + "\n"


@dataclass(slots=True)
class _Page:
    sections: list[str] = field(default_factory=list)
    seen: set[type] = field(default_factory=set)

    def add(self, info: inspect.Type, path: str) -> None:
        """Write the sections of what `info` holds, each struct once, where it is met first."""
        match unwrap(info):
            case inspect.StructType() as struct:
                self._struct(struct, path)
            case inspect.UnionType() as union:
                for member in union.types:
                    self.add(member, path)
            case inspect.DictType() as table:
                self.add(table.value_type, f"{path}.NAME")
            case row if isinstance(row, RowType):
                self.add(row.item_type, f"{path}[]")
            case inspect.TupleType() as row:
                for item in row.item_types:
                    self.add(item, f"{path}[]")
            case _:
                pass

    def _struct(self, struct: inspect.StructType, path: str) -> None:
        if struct.cls in self.seen:
            return
        self.seen.add(struct.cls)
        kind = f" ({struct.tag_field}: {struct.tag})" if struct.tag is not None else ""
        rows = "\n".join(map(_row, struct.fields))
        parts = [
            f"## {path if path == _WHOLE else f'`{path}`'}{kind}",
            _introduction(struct.cls),
            f"{_HEAD}\n{rows}" if rows else "No keys.",
        ]
        self.sections.append("\n\n".join(part for part in parts if part))
        for member in struct.fields:
            self.add(member.type, member.encode_name if path == _WHOLE else f"{path}.{member.encode_name}")


def _introduction(cls: type) -> str:
    """Take the first paragraph of the docstring; a struct made at run time has that of its base."""
    texts = (parent.__doc__ for parent in cls.__mro__ if parent not in {msgspec.Struct, object})
    return python.cleandoc(next(filter(None, texts), "")).partition("\n\n")[0].replace("\n", " ")


def _row(member: inspect.Field) -> str:
    cells = [f"`{member.encode_name}`", _wanted(member.type), _default(member), sentence(member.type)]
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _wanted(info: inspect.Type) -> str:
    """As in messages, but a struct has a section of its own and need not list its keys."""
    match unwrap(info):
        case inspect.StructType():
            return "a mapping, see below"
        case inspect.UnionType() as union if not tags(union):
            parts = [_wanted(member) for member in union.types if not isinstance(member, inspect.NoneType)]
            return " or ".join(parts)
        case inspect.DictType() as table:
            return f"a mapping of names to {_wanted(table.value_type)}"
        case row if isinstance(row, RowType):
            return f"a list of {_wanted(row.item_type)}"
        case other:
            return describe(other).removeprefix(CHOICES)


def _default(member: inspect.Field) -> str:
    if member.required:
        return "**required**"
    value = default(member)
    if value is None or value is msgspec.NODEFAULT:
        return ""
    bare = isinstance(value, str) and value != ""
    return f"`{value if bare else msgspec.json.encode(value).decode()}`"
