"""Folds of phone calls: who is talking, and what a conversation weighs while somebody does."""

from collections.abc import Mapping
from types import MappingProxyType

from router import facts as f
from router.change import Change, Fold
from router.deadlines import CALL, SAY, UNANSWERED, timer_id
from router.fold_operators import charge, free, operator_of
from router.people import Conversation, LiveCall

KEEP_CALLS = 16
"""Calls remembered after their end, per conversation."""


def move_call(c: Change, call: LiveCall, before: Conversation, after: Conversation) -> None:
    """Let a call go on in another conversation of what is one person."""
    c.drop(before.calls, call.id)
    c.put(after.calls, call.id, call)
    due = c.state.timers.get(timer_id(CALL, before.id, call.id), 0)
    c.drop(c.state.timers, timer_id(CALL, before.id, call.id))
    if due:
        c.put(c.state.timers, timer_id(CALL, after.id, call.id), due)
    if call.state == "answered" and call.operator:
        c.put(c.state.operators[call.operator].talking, call.id, after.id)


def served(c: Change, conversation: Conversation, operator: str) -> None:
    """Note that the customer waits for nobody any more."""
    c.set(conversation, "unanswered", 0)
    c.set(conversation, "said", 0)
    c.timer(UNANSWERED, conversation.id, 0)
    person = c.state.people[conversation.person]
    c.set(person, "last_operator", operator)
    c.set(person, "last_served", c.now)


def _call_changed(c: Change, fact: f.CallChanged) -> None:
    conversation = c.state.conversations[fact.conversation]
    before = conversation.calls.get(fact.call)
    if before is not None and before.state == "answered" and before.operator:
        operator = operator_of(c, before.operator)
        c.drop(operator.talking, fact.call)
        c.set(operator, "idle_since", c.now)
    c.put(
        conversation.calls,
        fact.call,
        LiveCall(
            id=fact.call,
            channel=fact.channel,
            address=fact.address,
            at=fact.at,
            direction=fact.direction,
            state=fact.state,
            operator=fact.operator,
            fresh=fact.fresh,
            hang_up=fact.hang_up,
        ),
    )
    if fact.state == "answered" and fact.operator:
        c.put(operator_of(c, fact.operator).talking, fact.call, fact.conversation)
        c.timer(SAY, fact.conversation, 0)
        served(c, conversation, fact.operator)
    if fact.direction == "out":
        c.set(conversation, "dialling_until", 0)
    if fact.limit_at:
        c.put(c.state.timers, timer_id(CALL, fact.conversation, fact.call), fact.limit_at)
    elif fact.state in ("over", "missed"):
        c.drop(c.state.timers, timer_id(CALL, fact.conversation, fact.call))
        _forget_calls(c, conversation)


def _forget_calls(c: Change, conversation: Conversation) -> None:
    """Remember only the latest calls that are over: late news of them begin nothing."""
    over = sorted((call.at, call.id) for call in conversation.calls.values() if call.state in ("over", "missed"))
    for _, call in over[:-KEEP_CALLS]:
        c.drop(conversation.calls, call)


def _weighed(c: Change, fact: f.ConversationWeighed) -> None:
    conversation = c.state.conversations[fact.conversation]
    holders = [offer.operator for offer in conversation.offers]
    if conversation.owner is not None:
        holders.append(conversation.owner)
    for name in holders:
        free(c, name, conversation)
    c.set(conversation, "kind", fact.kind)
    c.set(conversation, "units", fact.units)
    for name in holders:
        charge(c, name, conversation, fact.units)
    c.timer(UNANSWERED, fact.conversation, fact.unanswered_at)


CALLS: Mapping[type, Fold] = MappingProxyType({f.CallChanged: _call_changed, f.ConversationWeighed: _weighed})
"""Facts of calls."""
