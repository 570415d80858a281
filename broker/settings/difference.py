"""What a changed file changes, for a person to agree to. Secrets are `***`, references to the environment stay such."""

from collections.abc import Iterator, Mapping

import msgspec
from msgspec import Struct

from broker.settings.source import Source
from broker.settings.workspace import channel_type
from config import Secret, encode_scalar
from config.problems import KeyPath

STATIC = ("nats", "durability", "http", "desk", "replay_days")
"""What a process needs before there is a log: it takes effect when the process is started again."""

NAMED = ("channels", "operators", "capacity", "hours")
LONGEST = 80
ABSENT = object()

Leaves = dict[KeyPath, object]


class Change(Struct, frozen=True, kw_only=True):
    """One thing that is added (`+`), removed (`-`) or changed (`~`), with what is different about it."""

    sign: str
    section: str
    name: str
    details: tuple[str, ...] = ()

    @property
    def static(self) -> bool:
        """Whether it waits for the next start of a process."""
        return self.section in STATIC

    def __str__(self) -> str:
        """Render as lines."""
        return "\n      ".join([f"  {self.sign} {self.name}", *self.details])


def difference(old: Source, new: Source) -> list[Change]:
    """Give every change, by section of the file; empty if both mean the same."""
    before, after = _leaves_of(old), _leaves_of(new)
    changes: list[Change] = []
    for thing in dict.fromkeys(map(_thing, [*before, *after])):
        was = {path: value for path, value in before.items() if _thing(path) == thing}
        will = {path: value for path, value in after.items() if _thing(path) == thing}
        if was != will:
            changes.append(_change(thing, _Side(old, was), _Side(new, will)))
    changes += _order(old, new)
    return sorted(changes, key=lambda change: (change.static, change.section))


def sections(changes: list[Change]) -> Iterator[str]:
    """Render the changes, with a headline for each section."""
    for section in dict.fromkeys(change.section for change in changes):
        static = " (takes effect when the processes are started again)" if section in STATIC else ""
        yield f"{section}{static}"
        yield from (str(change) for change in changes if change.section == section)


class _Side(Struct, frozen=True):
    """One thing as one of the two files has it."""

    source: Source
    leaves: Leaves

    def show(self, path: KeyPath) -> str:
        """Show a value as it stands in the file."""
        value = self.leaves.get(path, ABSENT)
        if value is ABSENT:
            return "nothing"
        text = _shown(value)
        written = self.source.document.written(_as_written(path, self.source))
        return written if written and "${" in written and text != "***" else text


def _change(thing: KeyPath, old: _Side, new: _Side) -> Change:
    section, name = str(thing[0]), ".".join(map(str, thing[1:])) or str(thing[0])
    if not old.leaves or not new.leaves:
        side = new if new.leaves else old
        kind = f" ({channel_type(side.source.settings.channels[name])})" if section == "channels" else ""
        written = (path for path in new.leaves if new.source.document.written(_as_written(path, new.source)))
        details = tuple(f"{_below(thing, path)}: {new.show(path)}" for path in written)
        return Change(sign="+" if new.leaves else "-", section=section, name=name + kind, details=details)
    different = [
        path for path in {**old.leaves, **new.leaves} if old.leaves.get(path, ABSENT) != new.leaves.get(path, ABSENT)
    ]
    details = tuple(f"{_below(thing, path)}: {old.show(path)} -> {new.show(path)}" for path in different)
    return Change(sign="~", section=section, name=name, details=details)


def _thing(path: KeyPath) -> KeyPath:
    """What a value is told under: the channel, the operator, the rule, or the section of the file."""
    return path[:2] if path[0] in (*NAMED, "routing") else path[:1]


def _below(thing: KeyPath, path: KeyPath) -> str:
    return ".".join(map(str, path[len(thing) :])) or str(path[-1])


def _leaves_of(source: Source) -> Leaves:
    """Flatten settings. Rules are named, so that one that is put between others changes none of them."""
    settings = source.settings
    found: Leaves = {}
    for name in settings.__struct_fields__:
        value = getattr(settings, name)
        if name == "routing":
            for route in value:
                found |= _leaves(route, ("routing", route.name))
        else:
            found |= _leaves(value, (name,))
    return found


def _order(old: Source, new: Source) -> Iterator[Change]:
    """Rules that are in both files and have changed places: the first that matches wins."""
    before, after = ([route.name for route in source.settings.routing] for source in (old, new))
    was, will = [name for name in before if name in after], [name for name in after if name in before]
    if was != will:
        yield Change(sign="~", section="routing", name="order", details=(f"{_shown(was)} -> {_shown(will)}",))


def _leaves(value: object, path: KeyPath) -> Leaves:
    match value:
        case Struct():
            names = zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True)
            tag = value.__struct_config__.tag
            parts = [(written, getattr(value, name)) for name, written in names]
            parts += [("type", tag)] if tag is not None else []
        case Mapping():
            parts = [(str(key), item) for key, item in value.items()]
        case list() | tuple() if any(isinstance(item, Struct) for item in value):
            parts = [(str(place), item) for place, item in enumerate(value)]
        case _:
            return {path: value}
    found: Leaves = {}
    for name, part in parts:
        found |= _leaves(part, (*path, name))
    return found


def _as_written(path: KeyPath, source: Source) -> KeyPath:
    """Give the path as the file has it: rules by their place, positions as numbers."""
    if path[0] != "routing":
        return tuple(int(part) if isinstance(part, str) and part.isdecimal() else part for part in path)
    place = next((n for n, route in enumerate(source.settings.routing) if route.name == path[1]), 0)
    return ("routing", place, *(int(part) if str(part).isdecimal() else part for part in path[2:]))


def _shown(value: object) -> str:
    match value:
        case Secret():
            return "***"
        case list() | tuple() | set() | frozenset():
            return "***" if any(isinstance(each, Secret) for each in value) else f"[{', '.join(map(_shown, value))}]"
        case None | "":
            return "nothing"
        case _:
            text = msgspec.to_builtins(value, enc_hook=encode_scalar)
            text = text if isinstance(text, str) else msgspec.json.encode(text).decode()
            return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
