"""Folds of conversations that are put aside and wake: parked ones weigh nothing, and their owner keeps them."""

from collections.abc import Mapping
from types import MappingProxyType

from router import facts as f
from router.change import Change, Fold
from router.deadlines import IDLE, UNANSWERED, WAKE
from router.fold_operators import charge, free, operator_of


def _parked(c: Change, fact: f.ConversationParked) -> None:
    conversation, operator = c.state.conversations[fact.conversation], operator_of(c, fact.operator)
    if fact.conversation not in operator.parked:
        free(c, fact.operator, conversation)
        c.put(operator.parked, fact.conversation, c.now)
    c.set(conversation, "parked_at", c.now)
    c.set(conversation, "parked_by", fact.by)
    c.set(conversation, "wake_at", fact.until)
    c.timer(WAKE, fact.conversation, fact.until)
    for kind in (UNANSWERED, IDLE):
        c.timer(kind, fact.conversation, 0)


def _woken(c: Change, fact: f.ConversationWoken) -> None:
    conversation = c.state.conversations[fact.conversation]
    free(c, fact.operator, conversation)
    c.set(conversation, "kind", fact.kind)
    c.set(conversation, "units", fact.units)
    charge(c, fact.operator, conversation, fact.units)
    c.timer(UNANSWERED, fact.conversation, fact.unanswered_at)
    c.timer(IDLE, fact.conversation, fact.idle_at)


PARKING: Mapping[type, Fold] = MappingProxyType({f.ConversationParked: _parked, f.ConversationWoken: _woken})
"""Facts of conversations that are put aside."""
