"""Changes to the state that can be taken back: every write goes through here and leaves the old value in a log."""

from collections.abc import Callable
from typing import Any, Final

from router.deadlines import timer_id
from router.state import State

_ABSENT: Final = object()
_FIRST: Final = object()


class Change:
    """One step's writes to ``state`` at the time ``now`` (ms since the epoch).

    ``log`` holds ``(container, key, old)``: an attribute of a struct or an item of a dict. The active router reads it
    to learn what its indexes must follow; :meth:`rollback` plays it backwards. Lists are replaced, never changed.
    """

    __slots__ = ("log", "now", "state")

    def __init__(self, state: State, now: int = 0) -> None:
        self.state = state
        self.now = now
        self.log: list[tuple[object, object, object]] = []

    def set(self, struct: object, name: str, value: object) -> None:
        """Set an attribute."""
        self.log.append((struct, name, getattr(struct, name)))
        setattr(struct, name, value)

    def put(self, table: dict[str, Any], key: str, value: object) -> None:
        """Set an item of a dict."""
        self.log.append((table, key, table.get(key, _ABSENT)))
        table[key] = value

    def drop(self, table: dict[str, Any], key: str) -> None:
        """Remove an item of a dict, if it is there."""
        if key in table:
            self.log.append((table, key, table[key]))
            del table[key]

    def drop_first(self, table: dict[str, Any]) -> None:
        """Remove the oldest item of a dict that is kept in order of age."""
        key = next(iter(table))
        self.log.append((table, _FIRST, (key, table[key])))
        del table[key]

    def timer(self, kind: str, about: str, due: int) -> None:
        """Set the timer to ``due``; 0 clears it."""
        name = timer_id(kind, about)
        if due:
            self.put(self.state.timers, name, due)
        else:
            self.drop(self.state.timers, name)

    def rollback(self) -> None:
        """Undo everything, in reverse; the log stays, so that indexes can follow back."""
        for container, key, old in reversed(self.log):
            if not isinstance(container, dict):
                setattr(container, str(key), old)
            elif key is _FIRST:
                _put_first(container, old)
            elif old is _ABSENT:
                del container[key]
            else:
                container[key] = old


def _put_first(table: dict[Any, Any], item: object) -> None:
    rest = list(table.items())
    table.clear()
    table.update([item, *rest])  # type: ignore[list-item]  # the log holds what drop_first took: a pair


Fold = Callable[[Change, Any], None]
"""How one kind of fact changes the state."""
