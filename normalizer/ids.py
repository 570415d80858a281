"""Time-ordered ids: UUID version 7 (RFC 9562 section 5.7), strictly increasing as numbers and as strings."""

from collections.abc import Callable
from uuid import UUID

from uuid_utils import uuid7

RANDOM_BITS = 74
_TAIL_BITS = 62
_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62


def draw_uuid7() -> int:
    """Draw a UUIDv7 from the system's clock and randomness."""
    return uuid7().int


def uuid7_at(milliseconds: int, randomness: int) -> int:
    """Compose a UUIDv7 of a time since the epoch and 74 random bits, for clocks and randomness of one's own."""
    head, tail = divmod(randomness, 1 << _TAIL_BITS)
    return milliseconds << 80 | _VERSION | head << 64 | _VARIANT | tail


def milliseconds_of(identifier: str) -> int:
    """Return when an id was drawn, in milliseconds since the epoch. Raises ValueError if it is no UUID."""
    return UUID(identifier).int >> 80


class IdSource:
    """Gives ids of which each is greater than the one before, even when the clock is set back.

    ``draw`` returns a UUIDv7 as a number. One source serves one process; it is not shared between threads.
    """

    def __init__(self, draw: Callable[[], int] = draw_uuid7) -> None:
        self._draw = draw
        self._last = 0

    def new(self) -> str:
        """Return the next id, 36 characters."""
        drawn = self._draw()
        self._last = drawn if drawn > self._last else _after(self._last)
        digits = f"{self._last:032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _after(last: int) -> int:
    """Return the UUIDv7 that follows ``last``: its random bits are a counter (RFC 9562 section 6.2, method 2)."""
    milliseconds = last >> 80
    randomness = (last >> 64 & 0xFFF) << _TAIL_BITS | last & ((1 << _TAIL_BITS) - 1)
    carried, randomness = divmod(randomness + 1, 1 << RANDOM_BITS)
    return uuid7_at(milliseconds + carried, randomness)
