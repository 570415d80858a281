"""Dead letters: what could not be decoded, decided or sent, with the reason."""

import msgspec

from broker.bus.connection import Bus
from broker.bus.streams import Workspace


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """One dead letter; `seq` names it."""

    seq: int
    workspace: str
    reason: str
    source: str
    payload: bytes
    detail: str
    time_ns: int
    replayed: bool = False


class DeadLetters:
    """The dead letters of all workspaces."""

    def __init__(self, bus: Bus) -> None: ...

    async def add(self, workspace: Workspace, reason: str, source: str, payload: bytes, detail: str) -> int:
        """Keep a message that nobody could handle; returns its sequence."""
        raise NotImplementedError

    async def list(self, workspace: Workspace | None = None, *, limit: int = 100) -> list[DeadLetter]:
        """The oldest `limit` letters."""
        raise NotImplementedError

    async def show(self, seq: int) -> DeadLetter | None:
        """One letter."""
        raise NotImplementedError

    async def replay(self, seq: int) -> int:
        """Append it to IN again under its original subject, then delete it here; returns its new sequence."""
        raise NotImplementedError
