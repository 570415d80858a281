"""Parking: a conversation that waits for the customer takes no room of its owner until it wakes (routing rule 18)."""

from typing import Final, Literal

from router import facts as f
from router.deadlines import IDLE, ORPHAN, UNANSWERED, timer_id
from router.draft import Draft, Refused
from router.inputs import Command, Park, Wake
from router.matching import absence, excess, shortage
from router.people import Conversation
from router.phone import held_call, weight
from router.queueing import answer_due, idle_due, leave, place_or_announce, requeue
from router.record import Why
from router.rights import find_mine

LONGEST: Final = 365 * 86_400_000
"""How long a conversation can be parked at most: a year, in ms."""

Waking = Literal["customer", "time", "operator", "call", "transferred", "linked", "undelivered"]


def park(d: Draft, command: Command, action: Park) -> None:
    """Keep a conversation for later: until the customer writes, or a time comes."""
    conversation = find_mine(d, command, action.conversation)
    owner = conversation.owner
    if owner is None or conversation.status != "assigned":
        raise Refused(
            "not_assigned", "Only a conversation that somebody has can be put aside.", now=conversation.status
        )
    if held_call(conversation) is not None:
        raise Refused("on_call", "The call is still going on. Hang up first.", now=owner)
    if action.until and not d.now < action.until <= d.now + LONGEST:
        raise Refused("bad_time", "Choose a time to come, within a year.")
    if conversation.unanswered and not action.until:
        raise Refused("customer_waits", "The customer waits for an answer: answer first, or say until when.")
    _put_aside(d, conversation, owner, until=action.until, by=command.operator)


def _put_aside(d: Draft, conversation: Conversation, owner: str, *, until: int = 0, by: str = "") -> None:
    d.emit(f.ConversationParked(conversation=conversation.id, operator=owner, until=until, by=by))
    d.freed[owner] = None


def settle_idle(d: Draft, name: str) -> None:
    """Park a conversation in which nothing has happened for ``park_after``, if it is the customer's turn."""
    conversation = d.conversation(name)
    owner = conversation.owner
    if owner is None or conversation.unanswered:
        return
    if conversation.status == "assigned" and held_call(conversation) is None:
        d.why = Why(rule=conversation.rule, note="nothing has happened for so long as the channel says")
        _put_aside(d, conversation, owner)
    elif due := idle_due(d, conversation):
        d.emit(f.TimerSet(timer=timer_id(IDLE, name), due=due))


def wake_by_hand(d: Draft, command: Command, action: Wake) -> None:
    """Wake a conversation before its time, by command; its owner must have room, or be at most one over."""
    conversation = find_mine(d, command, action.conversation)
    if not conversation.parked_at:
        raise Refused("not_parked", "The conversation has not been put aside.", now=conversation.status)
    if conversation.owner == command.operator and not _can_go_on(d, conversation):
        if _absent(d, conversation):
            raise Refused("not_available", "You are not at work now: set yourself to available first.")
        raise Refused("over_capacity", "You have more than fits already. Finish something first.")
    wake(d, conversation, "operator", by=command.operator)


def wake_in_time(d: Draft, name: str) -> None:
    """Wake a conversation whose time has come."""
    wake(d, d.conversation(name), "time")


def wake_for_link(d: Draft, name: str) -> None:
    """Wake a conversation that goes on for another one as well."""
    wake(d, d.conversation(name), "linked")


def wake(d: Draft, conversation: Conversation, reason: Waking, *, by: str = "", place: bool = True) -> None:
    """Wake a conversation: its owner goes on if at work and with room, or at most one over; otherwise it is queued.

    Deferrable work waits for an owner who is not at work, as it does when they leave (routing rule 21).
    In the queue its age counts from now, moved forward like the conversations of a lost operator: with its old age it
    would overtake everybody, and all its requirements would be relaxed. Without ``place`` the caller offers it.
    """
    if _can_go_on(d, conversation):
        _go_on(d, conversation, reason, by)
        return
    leave(d, conversation, "woken")
    requeue(d, conversation, "woken", boost=d.rules.times.boost_orphan)
    if place:
        place_or_announce(d, conversation)


def take_up(d: Draft, conversation: Conversation) -> None:
    """Wake a parked conversation that is being handed over, so that it takes room of its owner again.

    An owner who is absent or over capacity loses it instead. Otherwise an operator could hand over one parked
    conversation after the other, and be left with all that nobody took.
    """
    if not conversation.parked_at:
        return
    if _absent(d, conversation) or not _can_go_on(d, conversation):
        leave(d, conversation, "transferred")
    else:
        _go_on(d, conversation, "transferred")


def _go_on(d: Draft, conversation: Conversation, reason: Waking, by: str = "") -> None:
    owner = conversation.owner
    assert owner is not None  # noqa: S101  # who has put something aside owns it
    kind, units = weight(d.policy, conversation)
    due = d.state.timers.get(timer_id(UNANSWERED, conversation.id), 0)
    waits = bool(conversation.unanswered)
    d.emit(
        f.ConversationWoken(
            conversation=conversation.id,
            operator=owner,
            reason=reason,
            kind=kind,
            units=units,
            unanswered_at=(due or answer_due(d, conversation)) if waits else 0,
            idle_at=0 if waits else idle_due(d, conversation),
            by=by,
        )
    )
    if kind == "deferrable" and d.state.operators[owner].state == "offline":
        d.emit(f.TimerSet(timer=timer_id(ORPHAN, conversation.id), due=d.now + d.rules.times.orphan))


def _can_go_on(d: Draft, conversation: Conversation) -> bool:
    owner = conversation.owner
    rule = d.rules.operators.get(owner or "")
    if rule is None or (conversation.kind != "deferrable" and _absent(d, conversation)):
        return False
    operator = d.state.operators[owner or ""]
    short = shortage(d.policy, operator, rule, conversation)
    return short is None or (short in ("capacity", "limit") and not excess(d.policy, operator, rule, conversation))


def _absent(d: Draft, conversation: Conversation) -> bool:
    return absence(d.state.operators.get(conversation.owner or "")) not in (None, "draining")
