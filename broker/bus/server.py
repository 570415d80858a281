"""The embedded nats-server: a supervised child process that listens on loopback only."""

import enum
from collections.abc import Callable
from pathlib import Path

import msgspec

from broker.bus.connection import UserPassword


class Durability(enum.StrEnum):
    """What an acknowledged message survives."""

    POWER = "power"  # the machine may stop: every write is synced before it is acknowledged
    PROCESS = "process"  # any process may die; a power cut may take the last two seconds


class ClusterSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The other nodes of a cluster on loopback."""

    name: str
    node: str
    port: int
    routes: tuple[str, ...]


class EmbeddedServer:
    """A nats-server child, its folder, its credentials."""

    def __init__(
        self,
        data: Path,
        *,
        durability: Durability,
        port: int = 0,
        cluster: ClusterSettings | None = None,
        on_restart: Callable[[int], None] | None = None,
    ) -> None: ...

    async def start(self) -> None:
        """Start the child and wait until it answers; raises `ServerFailed`."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Stop the child; bounded."""
        raise NotImplementedError

    @property
    def url(self) -> str:
        """The address without credentials; the same over restarts of the child."""
        raise NotImplementedError

    @property
    def credentials(self) -> UserPassword:
        """Generated once per data folder."""
        raise NotImplementedError

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        raise NotImplementedError
