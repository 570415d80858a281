"""How often customers usually write on a channel, by hour of the week, and whether it is silent for too long.

The measure is made for few false alarms: of the last four weeks the one with the fewest messages counts, hour by hour.
A channel is silent when at least `LEAST` messages would have come in the present silence even in such a week. At
night nothing is expected, so nothing is missed; a public holiday makes its hours less sensitive for four weeks.
"""

from collections.abc import Iterable

import msgspec
from msgspec import Struct

HOUR = 3_600_000
WEEK = 168
"""Hours."""

WEEKS = 4
"""So many weeks are remembered."""

ENOUGH = 2
"""So many weeks must have been seen of an hour before anything is expected in it."""

LEAST = 4
"""So many messages must be missing."""

SHORTEST = 30 * 60_000
"""No silence is shorter than this (ms)."""


class Rhythm(Struct, kw_only=True):
    """Messages of one channel. ``hours`` maps the number of an hour since the epoch (UTC) to its messages.

    Hours in which nobody counted are not there. ``last`` is when the last message came, in ms since the epoch.
    """

    hours: dict[int, int] = msgspec.field(default_factory=dict)
    last: int = 0

    def take(self, at: int) -> None:
        """Count a message."""
        hour = at // HOUR
        self.hours[hour] = self.hours.get(hour, 0) + 1
        self.last = max(self.last, at)

    def observe(self, since: int, now: int) -> None:
        """Say that somebody has counted all the time since ``since``: whole hours without a message count as 0."""
        for hour in range(-(-since // HOUR), now // HOUR):
            self.hours.setdefault(hour, 0)
        oldest = now // HOUR - WEEKS * WEEK
        for hour in [hour for hour in self.hours if hour < oldest]:
            del self.hours[hour]

    def merge(self, other: "Rhythm") -> None:
        """Take over what another process has counted of the same messages."""
        for hour, count in other.hours.items():
            self.hours[hour] = max(count, self.hours.get(hour, 0))
        self.last = max(self.last, other.last)

    def expected(self, since: int, until: int) -> float:
        """How many messages would have come between two times even in the quietest of the last weeks."""
        total = 0.0
        for hour in range(since // HOUR, until // HOUR + 1):
            begin, end = max(since, hour * HOUR), min(until, (hour + 1) * HOUR)
            total += self._usual(hour) * (end - begin) / HOUR
        return total

    def missing(self, since: int, now: int) -> int:
        """How many messages are missing in a silence that began at ``since``; 0 while it is a usual one."""
        if now - since < SHORTEST:
            return 0
        missing = int(self.expected(max(since, now - WEEK * HOUR), now))
        return missing if missing >= LEAST else 0

    def _usual(self, hour: int) -> int:
        before: Iterable[int | None] = (self.hours.get(hour - week * WEEK) for week in range(1, WEEKS + 1))
        seen = [count for count in before if count is not None]
        return min(seen) if len(seen) >= ENOUGH else 0
