"""Which of a conversation's phone calls matters now, and what the conversation costs because of it."""

from collections.abc import Iterable

from msgspec import structs

from router.facts import Step
from router.people import Conversation, LiveCall
from router.policy import Policy
from router.rules import ChannelClass

FOLLOW_UP: tuple[ChannelClass, int] = ("deferrable", 10)
"""What is left of a call costs so much: to call back, to write down. It keeps nobody from the next call."""


def live_calls(conversation: Conversation) -> list[LiveCall]:
    """Give the calls that are not over, oldest first."""
    live = [call for call in conversation.calls.values() if call.state in ("ringing", "answered")]
    return sorted(live, key=lambda call: (call.at, call.id))


def spoken_call(conversation: Conversation) -> LiveCall | None:
    """Give the call in which an operator talks to the customer."""
    return next((call for call in live_calls(conversation) if call.state == "answered" and call.operator), None)


def ringing_call(conversation: Conversation) -> LiveCall | None:
    """Give the customer's call that wants an operator; none while one talks to them already."""
    if not conversation.calls or spoken_call(conversation) is not None:
        return None
    waiting = (call for call in live_calls(conversation) if call.state == "ringing" and call.direction == "in")
    return next(waiting, None)


def held_call(conversation: Conversation) -> LiveCall | None:
    """Give the call that takes, or wants, an operator's whole attention."""
    if not conversation.calls:
        return None
    return spoken_call(conversation) or next(
        (call for call in live_calls(conversation) if call.state == "ringing"), None
    )


def is_missed(conversation: Conversation) -> bool:
    """Tell whether the customer called, nobody answered, and nobody has come back to them since."""
    return bool(conversation.unanswered) and any(call.state == "missed" for call in conversation.calls.values())


def weight(policy: Policy, conversation: Conversation) -> tuple[ChannelClass, int]:
    """Say what the conversation costs an operator now: class and units."""
    if is_follow_up(policy, conversation):
        return FOLLOW_UP
    call = held_call(conversation)
    rule = policy.channel(conversation.channel if call is None else call.channel)
    return rule.kind, rule.units


def is_follow_up(policy: Policy, conversation: Conversation) -> bool:
    """Tell whether a call that is over began it: it is deferrable work then, and given without asking."""
    over = bool(conversation.calls) and held_call(conversation) is None
    return over and policy.channel(conversation.channel).kind == "exclusive"


def with_phone(policy: Policy, conversation: Conversation, steps: Iterable[Step]) -> tuple[Step, ...]:
    """Add the need for a phone: where one has to ring, or to call back with if any operator has one."""
    needed = ringing_call(conversation) is not None or (is_missed(conversation) and policy.has_phones)
    return tuple(
        step if step.need.phone == needed else structs.replace(step, need=structs.replace(step.need, phone=needed))
        for step in steps
    )
