"""Counters and current status of a channel, for the metrics, the desk and ``trunkline status``."""

import time
from collections.abc import Callable
from typing import Literal

from msgspec import Struct, field
from prometheus_client import CollectorRegistry, Counter

from adapters.contract import Finding

Health = Literal["starting", "running", "off", "failing", "stopped"]
Cause = Literal["settings", "credentials", "unreachable", "crashed", "ended"]
"""What is wrong: a setting, who we say we are, the provider does not answer, the adapter's code, its end."""


def wall_clock() -> int:
    """Give the time in ms since the epoch."""
    return time.time_ns() // 1_000_000


class Trouble(Struct, frozen=True, kw_only=True):
    """What is wrong with a part of a channel since ``since`` (ms), until it has worked well for a while."""

    cause: Cause
    reason: str
    since: int


class ChannelStatus(Struct, kw_only=True):
    """How a channel is on this node.

    ``off``: its credentials or settings are refused. ``failing``: it is tried again. ``reason`` says why, for a
    person. ``troubles`` are by part (``start``, ``receive``, ``send``) and outlast single attempts. ``findings`` are
    what its check has found wrong, since ``found_at``. ``last`` is when each event was last counted. Times are in ms.
    """

    channel: str
    type: str
    state: Health = "starting"
    reason: str = ""
    since: int = 0
    troubles: dict[str, Trouble] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    found_at: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)


class ChannelEvents:
    """The counter of all channels; one for each registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._counter = Counter(
            "trunkline_channel_events", "What channels did", ["channel", "event"], registry=registry
        )
        self._counters: dict[tuple[str, str], Counter] = {}

    def add(self, channel: str, event: str) -> None:
        """Count."""
        counter = self._counters.get((channel, event))
        if counter is None:  # looking it up in the library costs more than counting
            counter = self._counters[channel, event] = self._counter.labels(channel, event)
        counter.inc()

    def close(self) -> None:
        """Leave the registry, so that another node of this process may use it."""
        self._registry.unregister(self._counter)


class Tally:
    """Counts for one channel and keeps its status."""

    def __init__(
        self, channel: str, type_: str, *, now: Callable[[], int] = wall_clock, events: ChannelEvents | None = None
    ) -> None:
        self.status = ChannelStatus(channel=channel, type=type_, since=now())
        self._now = now
        self._events = events

    def count(self, event: str) -> None:
        """Count an event."""
        status = self.status
        status.counts[event] = status.counts.get(event, 0) + 1
        status.last[event] = self._now()
        if self._events:
            self._events.add(status.channel, event)

    def turn(self, state: Health, reason: str = "") -> None:
        """Note how the channel is from now on."""
        if (self.status.state, self.status.reason) != (state, reason):
            self.status.state, self.status.reason, self.status.since = state, reason, self._now()

    def trouble(self, part: str, cause: Cause, reason: str) -> None:
        """Note what is wrong with a part; what has been wrong before keeps its time."""
        known = self.status.troubles.get(part)
        since = known.since if known is not None else self._now()
        self.status.troubles[part] = Trouble(cause=cause, reason=reason, since=since)

    def find(self, wrong: tuple[Finding, ...]) -> None:
        """Note what a check has found wrong."""
        if wrong and not self.status.findings:
            self.status.found_at = self._now()
        self.status.findings = wrong

    def recover(self, part: str) -> None:
        """Note that a part works."""
        self.status.troubles.pop(part, None)
