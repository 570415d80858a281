"""Questions that the active router answers over the bus: its position, who waits. Only acknowledged state is told."""

from collections import Counter
from collections.abc import Awaitable, Callable

import msgspec

from broker.bus.connection import Bus
from broker.bus.streams import Workspace
from broker.bus.subscription import Subscription
from broker.routing.settings import RouterStats
from router.state import State

POSITION = "position"
STATISTICS = "statistics"
COUNTERS = "counters"


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where the router stands: its term, the log sequence that is acknowledged, and the last input consumed."""

    router: str
    term: int
    log: int
    input: int
    now: int


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """Counts at `standing`; `oldest_wait` in ms."""

    standing: Standing
    waiting: int
    oldest_wait: int
    conversations: dict[str, int]
    operators: dict[str, int]
    people: int


Drained = Callable[[Callable[[Standing, State], bytes]], Awaitable[bytes]]
"""Calls back at a moment when everything decided is acknowledged."""


def statistics(standing: Standing, state: State) -> Statistics:
    """Count what holds now."""
    waiting = [c.enqueued_at for c in state.conversations.values() if c.status == "waiting"]
    return Statistics(
        standing=standing,
        waiting=len(waiting),
        oldest_wait=max(0, state.now - min(waiting)) if waiting else 0,
        conversations=dict(Counter(c.status for c in state.conversations.values())),
        operators=dict(Counter(o.state for o in state.operators.values())),
        people=len(state.people),
    )


async def serve_questions(bus: Bus, workspace: Workspace, drained: Drained, stats: RouterStats) -> list[Subscription]:
    """Answer `tl.<w>.ask.position`, `.statistics` and `.counters` in JSON until the subscriptions end."""

    async def position(_question: bytes) -> bytes:
        return await drained(lambda standing, _state: msgspec.json.encode(standing))

    async def count(_question: bytes) -> bytes:
        return await drained(lambda standing, state: msgspec.json.encode(statistics(standing, state)))

    async def tell(_question: bytes) -> bytes:
        return msgspec.json.encode(stats)

    return [
        await bus.serve(workspace.ask_subject(POSITION), position),
        await bus.serve(workspace.ask_subject(STATISTICS), count),
        await bus.serve(workspace.ask_subject(COUNTERS), tell),
    ]
