"""How fast and how patiently a channel sends: the numbers, and the gate that keeps to them. Pure.

Times are milliseconds and come from the caller. The token bucket is our own: aiolimiter reads the event loop's clock
and can only wait, while the gate has to say *when*, by an injected clock.
"""

import math
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Annotated

from msgspec import Meta, Struct

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
LONGEST_PATIENCE = 6 * 24 * HOUR
"""Claims are kept for 7 days: what is older than its claim must never be sent (promise P2)."""

REMEMBERED_ADDRESSES = 10_000


class Rate(Struct, frozen=True, kw_only=True):
    """A limit on calls: how many a second in the long run, and how many at once after a pause."""

    per_second: Annotated[float, Meta(gt=0)]
    burst: Annotated[int, Meta(ge=1)] = 1


class Pace(Struct, frozen=True, kw_only=True):
    """How a channel's provider wants to be treated.

    ``call_timeout`` bounds one call of ``send`` or ``find``. Pauses between attempts double from ``first_pause`` to
    ``longest_pause``. What could not be sent for ``patience`` (at most six days) is given up. ``finds``: how often a
    provider is asked for an unknown outcome. ``parallel``: calls under way at the same time. ``channel`` and
    ``address`` bound the calls of all and of each address.
    """

    call_timeout: int = 30 * SECOND
    first_pause: int = SECOND
    longest_pause: int = 5 * MINUTE
    patience: int = 24 * HOUR
    finds: int = 4
    parallel: int = 16
    channel: Rate | None = None
    address: Rate | None = None

    def __post_init__(self) -> None:
        if not 0 < self.patience <= LONGEST_PATIENCE:
            raise ValueError(f"patience must be above 0 and at most {LONGEST_PATIENCE} ms, not {self.patience}")


class Bucket:
    """A token bucket that says when the next call may go (generic cell rate algorithm, ITU-T I.371)."""

    def __init__(self, rate: Rate) -> None:
        self._step = SECOND / rate.per_second
        self._slack = self._step * (rate.burst - 1)
        self._full_at = 0.0

    def opens(self, now: int) -> int:
        """Give the first time at which a token is there; ``now`` when there is one."""
        return max(now, math.ceil(self._full_at - self._slack))

    def take(self, now: int) -> None:
        """Take a token, which :meth:`opens` has said is there."""
        self._full_at = max(self._full_at, now) + self._step

    def is_full(self, now: int) -> bool:
        """Whether forgetting this bucket changes nothing."""
        return self._full_at <= now


Lane = tuple[str, Rate | None]
"""What a provider counts the calls to an address by (mostly the address itself), and how many calls it takes."""


class Gate:
    """Says when a call may go: rates and freezes of the whole channel and of each lane, into which an address falls.

    ``lane`` is :meth:`adapters.contract.Adapter.lane`; without one each address is a lane, at the rate of ``pace``.
    """

    def __init__(self, pace: Pace, lane: Callable[[str], Lane] | None = None) -> None:
        self._lane = lane or (lambda address: (address, pace.address))
        self._channel = Bucket(pace.channel) if pace.channel else None
        self._lanes: dict[str, Bucket] = {}
        self._frozen: dict[str, int] = {}
        self._all_frozen = 0

    def freeze(self, until: int, address: str | None = None) -> None:
        """Let no call through before ``until``: to one address, or (None) of the whole channel."""
        if address is None:
            self._all_frozen = max(self._all_frozen, until)
        else:
            name, _ = self._lane(address)
            self._frozen[name] = max(self._frozen.get(name, 0), until)

    def address_opens(self, address: str, now: int) -> int:
        """Give the first time at which this address may be called; ``now`` when it may."""
        name, _ = self._lane(address)
        frozen = self._frozen.get(name, 0)
        bucket = self._lanes.get(name)
        return max(frozen, bucket.opens(now) if bucket else now)

    def channel_opens(self, now: int) -> int:
        """Give the first time at which the channel may be called; ``now`` when it may."""
        return max(self._all_frozen, self._channel.opens(now) if self._channel else now)

    def enter(self, address: str, now: int) -> None:
        """Count a call that goes now."""
        if self._channel:
            self._channel.take(now)
        name, rate = self._lane(address)
        if rate:
            self._lanes.setdefault(name, Bucket(rate)).take(now)
        self._forget(now)

    def _forget(self, now: int) -> None:
        """Drop what has no effect any more, a few at a time and only when there is much."""
        if len(self._lanes) + len(self._frozen) <= REMEMBERED_ADDRESSES:
            return
        for name in list(self._idle(now)):
            self._lanes.pop(name, None)
            self._frozen.pop(name, None)

    def _idle(self, now: int) -> Iterator[str]:
        names = islice({**self._lanes, **self._frozen}, 2 * REMEMBERED_ADDRESSES)
        return (name for name in names if self._frozen.get(name, 0) <= now and self._spare(name, now))

    def _spare(self, name: str, now: int) -> bool:
        bucket = self._lanes.get(name)
        return bucket is None or bucket.is_full(now)
