"""Folds of the bus's clock: it stood still, or it was set back.

Set back, all that is open is moved back with it: what has gone by of a wait and what is left of a deadline stay as they
were the moment before, and so does the order of the queue, before those who come afterwards.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from msgspec import structs

from router import facts as f
from router.change import Change, Fold
from router.deadlines import ARCHIVE, FORGET, GRACE, OFFER, PARK, UNANSWERED, WAKE, timer_id
from router.fold_operators import node_alive
from router.people import Conversation

_STAY: Final = frozenset((ARCHIVE, FORGET, PARK, WAKE))
"""Timers that are not moved back: nothing is put away too early, and the time of a wake was named by somebody."""


def _jumped(c: Change, fact: f.ClockJumped) -> None:
    state, gap = c.state, fact.gap
    for node, until in list(state.nodes.items()):
        node_alive(c, f.NodeAlive(node=node, until=until + gap))
    for operator in state.operators.values():
        if operator.grace_until:
            c.set(operator, "grace_until", operator.grace_until + gap)
            c.timer(GRACE, operator.id, operator.grace_until)
        for name in operator.held:
            _move_deadlines(c, state.conversations[name], operator.id, gap)


def _move_deadlines(c: Change, conversation: Conversation, operator: str, gap: int) -> None:
    """Nobody is counted as not answering while the bus stood still: move on what this operator has to answer."""
    timers = c.state.timers
    if conversation.owner == operator and (due := timers.get(timer_id(UNANSWERED, conversation.id))):
        c.timer(UNANSWERED, conversation.id, due + gap)
    moved = []
    for offer in conversation.offers:
        if offer.operator == operator and offer.expires:
            offer = structs.replace(offer, expires=offer.expires + gap)  # noqa: PLW2901  # the moved one
            c.put(timers, timer_id(OFFER, conversation.id, offer.id), offer.expires)
        moved.append(offer)
    c.set(conversation, "offers", moved)


def _set_back(c: Change, fact: f.ClockSetBack) -> None:
    state, gap = c.state, fact.gap
    for name, due in list(state.timers.items()):
        if name.partition(":")[0] not in _STAY:
            c.put(state.timers, name, due - gap)
    for node, until in list(state.nodes.items()):
        c.put(state.nodes, node, until - gap)
    for operator in state.operators.values():
        _set_all_back(c, operator, ("since", "signed_in", "idle_since", "grace_until"), gap)
    for conversation in state.conversations.values():
        if conversation.status != "closed":
            _set_conversation_back(c, conversation, gap)


def _set_conversation_back(c: Change, one: Conversation, gap: int) -> None:
    _set_all_back(c, one, ("enqueued_at", "v", "unanswered", "woken_at", "dialling_until"), gap)
    c.set(one, "steps", tuple(structs.replace(step, at=step.at - gap) for step in one.steps))
    c.set(one, "excluded", {name: until - gap for name, until in one.excluded.items()})
    moved = [structs.replace(offer, expires=offer.expires - gap) if offer.expires else offer for offer in one.offers]
    c.set(one, "offers", moved)


def _set_all_back(c: Change, struct: object, names: tuple[str, ...], gap: int) -> None:
    """Move these times; 0 stands for none."""
    for name in names:
        if at := getattr(struct, name):
            c.set(struct, name, at - gap)


CLOCK: Mapping[type, Fold] = MappingProxyType({f.ClockJumped: _jumped, f.ClockSetBack: _set_back})
"""Facts of the clock."""
