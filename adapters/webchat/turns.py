"""The order of one tab's messages (promise P3): what was refused for now is not overtaken by what came later.

A page repeats what has no acknowledgement, and may do so while the acknowledgement is on its way. Such copies have no
turn of their own: to wait for one that never comes again would be to wait for ever. Pure.
"""

from collections.abc import Iterable
from typing import Final, Literal

MAX_REMEMBERED: Final = 256
"""Messages that were stored and may come again; a page has fewer of them under way."""

MAX_HELD: Final = 256
"""Messages that were refused for now and have to come again."""

Turn = Literal["now", "later", "storing", "stored"]


class Turns:
    """Of one tab. Ids only; each container is in the order of coming."""

    __slots__ = ("_held", "_stored", "_storing")

    def __init__(self) -> None:
        self._held: dict[str, None] = {}
        self._storing: dict[str, None] = {}
        self._stored: dict[str, None] = {}

    @property
    def full(self) -> bool:
        """Whether too many were refused and have not come again."""
        return len(self._held) > MAX_HELD

    def of(self, id: str) -> Turn:  # noqa: A002 - the word of the protocol
        """Say what is to be done with a message that has come."""
        if id in self._stored:
            return "stored"
        if id in self._storing:
            return "storing"
        return "now" if not self._held or id == next(iter(self._held)) else "later"

    def begin(self, id: str) -> None:  # noqa: A002 - as above
        """It is taken, and being stored from now on."""
        self._held.pop(id, None)
        self._storing[id] = None

    def end(self, id: str, *, stored: bool) -> None:  # noqa: A002 - as above
        """It is stored, or never will be."""
        self._storing.pop(id, None)
        if stored:
            self._stored[id] = None
            if len(self._stored) > MAX_REMEMBERED:
                del self._stored[next(iter(self._stored))]

    def hold(self, id: str) -> None:  # noqa: A002 - as above
        """It was refused for now."""
        self._held[id] = None

    def hold_all(self, ids: Iterable[str]) -> None:
        """These were being stored, and are refused for now: they come before those that never got so far."""
        first = dict.fromkeys(ids)
        self._storing = {each: None for each in self._storing if each not in first}
        self._held = first | self._held
