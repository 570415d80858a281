"""The lists of all operators at once, kept as an index beside the state: a view costs what it holds, not a scan."""

import heapq
from collections.abc import Iterable

from desk.conversations.views import NOBODY, Audience, audience
from desk.protocol.wire import View
from router.people import Conversation
from router.state import State

Key = tuple[int, int, int, str]
"""Where a conversation stands in a list; smaller is earlier."""

FIRST: Key = (-(1 << 62), 0, 0, "")


def key(view: View, conversation: Conversation) -> Key:
    """Order the queue by the place that routing gave, the other lists by age."""
    c = conversation
    return (c.tier, c.v, c.seq, c.id) if view == "queue" else (0, c.opened_at, 0, c.id)


class Lists:
    """Who lists which conversation."""

    def __init__(self, state: State) -> None:
        self._audiences: dict[str, Audience] = {}
        self._mine: dict[str, set[str]] = {}
        self._queue: set[str] = set()
        self.rebuild(state)

    @property
    def waiting(self) -> int:
        """How many conversations the queue holds."""
        return len(self._queue)

    @property
    def queue(self) -> set[str]:
        """The conversations that wait."""
        return self._queue

    def rebuild(self, state: State) -> None:
        """Start anew from the state."""
        self._audiences.clear()
        self._mine.clear()
        self._queue.clear()
        for conversation in state.conversations:
            self.refresh(state, conversation)

    def audience(self, conversation: str) -> Audience:
        """Say who lists a conversation."""
        return self._audiences.get(conversation, NOBODY)

    def refresh(self, state: State, conversation: str) -> tuple[Audience, Audience]:
        """Follow a change of a conversation; give its audience before and after."""
        before = self.audience(conversation)
        after = audience(state.conversations.get(conversation))
        for operator in before.operators - after.operators:
            self._mine[operator].discard(conversation)
            if not self._mine[operator]:
                del self._mine[operator]
        for operator in after.operators - before.operators:
            self._mine.setdefault(operator, set()).add(conversation)
        (self._queue.add if after.queue else self._queue.discard)(conversation)
        if after.open:
            self._audiences[conversation] = after
        else:
            self._audiences.pop(conversation, None)
        return before, after

    def count(self, view: View, operator: str) -> int:
        """Say how many conversations a view holds."""
        return len(self._members(view, operator))

    def page(self, state: State, view: View, operator: str, limit: int, after: Key = FIRST) -> list[Conversation]:
        """Give up to ``limit`` conversations of a view that stand behind the key ``after``, in the list's order."""
        members = (state.conversations[each] for each in self._members(view, operator))
        behind = (each for each in members if key(view, each) > after)
        return heapq.nsmallest(limit, behind, key=lambda each: key(view, each))

    def _members(self, view: View, operator: str) -> "set[str] | dict[str, Audience]":
        match view:
            case "mine":
                return self._mine.get(operator, set())
            case "queue":
                return self._queue
            case "all":
                return self._audiences

    def shown(self, state: State, operator: str, limit: int, *, everything: bool) -> list[Conversation]:
        """Give what a screen shows: all of one's own and the head of the queue, or the oldest of everything."""
        mine = self.page(state, "mine", operator, len(self._mine.get(operator, ())))
        rest = self.page(state, "all" if everything else "queue", operator, limit)
        return unique([*mine, *rest])


def unique(conversations: Iterable[Conversation]) -> list[Conversation]:
    """Take each conversation once, where it came first."""
    return list({each.id: each for each in conversations}.values())
