"""Where the bus is and who we are to it."""

from pathlib import Path

import msgspec


class UserPassword(msgspec.Struct, frozen=True):
    """A user and a password."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"UserPassword(user={self.user!r}, password=***)"


class CredentialsFile(msgspec.Struct, frozen=True):
    """A NATS credentials file (JWT and seed)."""

    path: Path


class BusSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the servers are and how many copies of each stream they keep.

    `connect_timeout` bounds the first connection, `request_timeout` every request to JetStream; both in seconds. `ca`
    is a PEM file of authorities that sign the servers' certificates; None: those that the machine trusts.
    """

    servers: tuple[str, ...]
    credentials: UserPassword | CredentialsFile | None = None
    ca: Path | None = None
    replicas: int = 1
    connect_timeout: float = 10.0
    request_timeout: float = 5.0
