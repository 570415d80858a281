"""The data folder, and how a process finds the embedded bus that another one has started there."""

import os
from pathlib import Path

import msgspec

from broker.bus.settings import BusSettings, CredentialsFile, UserPassword
from broker.settings.workspace import ExternalNats, WorkspaceSettings

DEFAULT_DATA = Path("trunkline-data")
_CONNECTION = "bus.json"


class BusNotStarted(Exception):
    """The embedded bus of this data folder is not running; the message says how to start it."""


class _Connection(msgspec.Struct, frozen=True):
    url: str
    user: str
    password: str


def external_bus(nats: ExternalNats) -> BusSettings:
    """Give the connection settings of a cluster that runs elsewhere."""
    credentials: UserPassword | CredentialsFile | None = None
    if nats.credentials is not None:
        credentials = CredentialsFile(nats.credentials)
    elif nats.user is not None and nats.password is not None:
        credentials = UserPassword(nats.user, nats.password.reveal())
    return BusSettings(servers=tuple(nats.servers), credentials=credentials, ca=nats.ca, replicas=nats.replicas)


def publish_connection(data: Path, url: str, credentials: UserPassword) -> None:
    """Write into the data folder where the embedded bus is; the file is readable by its owner alone."""
    written = data / f"{_CONNECTION}.new"
    written.touch(mode=0o600)
    written.write_bytes(msgspec.json.encode(_Connection(url, credentials.user, credentials.password)))
    written.replace(data / _CONNECTION)


def find_bus(settings: WorkspaceSettings, data: Path) -> BusSettings:
    """Give the connection settings of a workspace's bus.

    Raises:
        BusNotStarted: it is embedded, and nothing has started it in this data folder.
    """
    if isinstance(settings.nats, ExternalNats):
        return external_bus(settings.nats)
    try:
        found = msgspec.json.decode((data / _CONNECTION).read_bytes(), type=_Connection)
    except FileNotFoundError:
        raise BusNotStarted(
            f"no bus has been started in {data}: run `trunkline up` with the same --data first, "
            "or name the servers of a cluster under `nats:`"
        ) from None
    except PermissionError:
        raise PermissionError(
            f"{data / _CONNECTION} is its owner's alone: run this as the user that Trunkline runs as"
        ) from None
    return BusSettings(servers=(found.url,), credentials=UserPassword(found.user, found.password))


def prepare_data(data: Path) -> Path:
    """Create the data folder, closed to others, and give its absolute path."""
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not os.access(data, os.W_OK):
        raise PermissionError(f"{data} is not writable: choose another folder with --data, or change its owner")
    return data.resolve()
