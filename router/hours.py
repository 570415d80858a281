"""Opening hours: several intervals a day, days that are different, and clocks that are put forward and back.

What a time zone is and a country's holidays are is looked up when the rules are made, and stands in them as numbers;
so the same log gives the same decisions, whatever the libraries of the day say. Times are ms since the epoch.
"""

from bisect import bisect_right
from collections.abc import Iterator
from typing import Final

from router.rules import Hours

DAY: Final = 86_400_000
MINUTE: Final = 60_000
HORIZON: Final = 400
"""Days that are looked at for the next opening."""


def is_open(hours: Hours, at: int) -> bool:
    """Tell whether it is open at ``at``."""
    return opens_at(hours, at) == at


def opens_at(hours: Hours, at: int) -> int:
    """Give the next time at which it is open, which is ``at`` itself if it is now; 0: not within the horizon."""
    begin, _ = next(_spans(hours, at), (0, 0))
    return max(begin, at) if begin else 0


def after_open(hours: Hours, at: int, wait: int) -> int:
    """Give when it will have been open for ``wait`` ms since ``at``: closed hours do not count."""
    if not wait:
        return at
    left, reached = wait, at
    for begin, end in _spans(hours, at):
        since = max(begin, reached)
        if since + left <= end:
            return since + left
        left -= max(0, end - since)
        reached = max(reached, end)
    return at + wait


def local_time(hours: Hours, at: int) -> int:
    """Give what the clocks show there, as ms since the epoch of a clock that is never put forward or back."""
    return at + _offset(hours, at)


def _spans(hours: Hours, at: int) -> Iterator[tuple[int, int]]:
    """Give when it is open, from the interval on that ends after ``at``; one night may reach into the next day."""
    today = local_time(hours, at) // DAY
    for day in range(today - 1, today + HORIZON):
        for start, end in hours.days.get(str(day), hours.week[(day + 3) % 7]):  # the epoch began on a Thursday
            begin, over = _moment(hours, day * DAY + start * MINUTE), _moment(hours, day * DAY + end * MINUTE)
            if over > at:
                yield begin, over


def _moment(hours: Hours, local: int) -> int:
    """Give when the clocks first show ``local``, or where they skip it, as if they had not been put forward yet."""
    before, behind = _offset(hours, local - DAY), _offset(hours, local + DAY)
    if _offset(hours, local - before) != before and _offset(hours, local - behind) == behind:
        return local - behind
    return local - before


def _offset(hours: Hours, at: int) -> int:
    return hours.offsets[max(0, bisect_right(hours.offsets, at, key=lambda each: each[0]) - 1)][1]
