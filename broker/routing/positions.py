"""How far each reader of the log has got: projections and senders, each under a name of its own.

A position is (creation time of the log, sequence); what lies below the lowest one may be trimmed.
"""

import msgspec

from broker.bus.connection import Bus
from broker.bus.errors import KeyExists, StreamReplaced, WrongRevision
from broker.bus.kv import Bucket, Entry
from broker.bus.streams import Workspace

PEOPLE = "_people"
"""Every park at or below it stands in the people bucket."""

HOUSEKEEPING = "_housekeeping"
"""The log is trimmed and archived up to here."""

DEAD_LETTERS = "_dead"
"""Every refused input at or below it is with the dead letters."""


INDEX = "_index."
"""Begins the names of indexes for search and reports, which can be built anew."""


def index_name(index: str) -> str:
    """The name of an index's position."""
    return INDEX + index


class Position(msgspec.Struct, frozen=True, omit_defaults=True):
    """A place in the log whose stream was created at `created` (RFC 3339 as the server writes it).

    `at` (ms) is when its owner was last heard of, of those that say so.
    """

    created: str
    seq: int
    at: int = 0


class Positions:
    """The positions of one workspace, in the bucket of sends under `<workspace>.pos.<name>`.

    A sender's name is `<channel>.<partition>`. Positions only rise, whoever writes them.
    """

    def __init__(self, bus: Bus, workspace: Workspace, created: str) -> None:
        self._bucket = Bucket(bus, workspace.sends_bucket)
        self._prefix = f"{workspace.name}.pos."
        self._created = created

    async def get(self, name: str) -> int:
        """The position of `name`, 0 when it has none. Raises `StreamReplaced`."""
        entry = await self._bucket.get(self._prefix + name)
        return self._position(name, entry).seq if entry is not None else 0

    async def raise_to(self, name: str, seq: int, *, at: int = 0) -> None:
        """Move the position of `name` up to `seq`, and its time up to `at`; what is higher already stays."""
        key = self._prefix + name
        while True:
            entry = await self._bucket.get(key)
            known = self._position(name, entry) if entry is not None else Position(self._created, -1)
            if known.seq >= seq and known.at >= at:
                return
            value = msgspec.json.encode(Position(self._created, max(seq, known.seq), max(at, known.at)))
            try:
                await self._bucket.write(key, value, entry.revision if entry is not None else 0)
            except (KeyExists, WrongRevision):
                continue
            return

    async def forget(self, name: str) -> None:
        """Wait for `name` no longer."""
        await self._bucket.delete(self._prefix + name)

    async def all(self) -> dict[str, int]:
        """Every position by name."""
        return {name: position.seq for name, position in await self._all()}

    async def indexes(self) -> dict[str, int]:
        """When (ms) each index was last heard of, by the name of its position."""
        return {name: position.at for name, position in await self._all() if name.startswith(INDEX)}

    async def _all(self) -> list[tuple[str, Position]]:
        found = [pair async for pair in self._bucket.entries(f"{self._prefix}>")]
        return [
            (name, self._position(name, entry)) for key, entry in found for name in (key.removeprefix(self._prefix),)
        ]

    def _position(self, name: str, entry: Entry) -> Position:
        position = msgspec.json.decode(entry.value, type=Position)
        if position.created != self._created:
            raise StreamReplaced(
                f"position {name} belongs to a log created at {position.created}, this one is of {self._created}:"
                " restore log and buckets together, or delete the position"
            )
        return position
