"""Settings of a router process, and its counters."""

from importlib.metadata import version

import msgspec

from broker.bus.fence import WINDOW
from broker.bus.lease import RENEW_EVERY, STUCK_AFTER, TTL


class RouterSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Times in seconds unless the name says otherwise; the defaults are those of production."""

    name: str = ""
    """Names this router in term records and logs; a random one is made when it is empty."""
    release: str = version("trunkline")
    lease_ttl: float = TTL
    renew_every: float = RENEW_EVERY
    stuck_after: float = STUCK_AFTER
    ack_timeout: float = 5.0
    window: int = WINDOW
    tick_every: float = 1.0
    position_inputs: int = 1_000
    """So many inputs without a record are followed by one that carries the position."""
    position_ms: int = 5_000
    snapshot_records: int = 20_000
    snapshot_age: float = 86_400.0
    """Something new is in a snapshot after this time, however little it is, so that trimming goes on."""


class RouterStats(msgspec.Struct):
    """Counters since the start of the process, and what holds now; the metrics read them."""

    active: bool = False
    inputs: int = 0
    records: int = 0
    silent: int = 0
    """Inputs without a record: duplicates and whatever had no effect."""
    duplicates: int = 0
    """Messages of customers that had been taken in before."""
    refused: int = 0
    window: int = 0
    """Records sent and not acknowledged."""
    barriers: int = 0
    takeovers: int = 0
    last_takeover_ms: float = 0.0
    """From the lease to the first decision."""
    last_input_ms: int = 0
    """The bus's time of the last input stepped."""
    position: int = 0
    """The last acknowledged log sequence."""
    snapshots: int = 0
    people_unwritten: int = 0
    clock_skew_ms: float = 0.0
    alarms: int = 0
