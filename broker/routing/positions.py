"""How far everybody has got who works through the log: projections and senders, each under a name of its own.

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


class Position(msgspec.Struct, frozen=True):
    """A place in the log whose stream was created at `created` (RFC 3339 as the server writes it)."""

    created: str
    seq: int


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
        return self._seq(name, entry) if entry is not None else 0

    async def raise_to(self, name: str, seq: int) -> None:
        """Move the position of `name` up to `seq`; one that is higher already stays."""
        key, value = self._prefix + name, msgspec.json.encode(Position(self._created, seq))
        while True:
            entry = await self._bucket.get(key)
            if entry is not None and self._seq(name, entry) >= seq:
                return
            try:
                if entry is None:
                    await self._bucket.create(key, value)
                else:
                    await self._bucket.update(key, value, entry.revision)
            except (KeyExists, WrongRevision):
                continue
            return

    async def forget(self, name: str) -> None:
        """Wait for `name` no longer."""
        await self._bucket.delete(self._prefix + name)

    async def all(self) -> dict[str, int]:
        """Every position by name."""
        found = [pair async for pair in self._bucket.entries(f"{self._prefix}>")]
        return {name: self._seq(name, entry) for key, entry in found for name in (key.removeprefix(self._prefix),)}

    def _seq(self, name: str, entry: Entry) -> int:
        position = msgspec.json.decode(entry.value, type=Position)
        if position.created != self._created:
            raise StreamReplaced(
                f"position {name} belongs to a log created at {position.created}, this one is of {self._created}:"
                " restore log and buckets together, or delete the position"
            )
        return position.seq
