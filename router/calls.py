"""Phone calls: they wait like everybody, ring at one operator's phone at a time, and are never lost when missed.

What the channel reports is a fact of the world. Who has answered has the conversation, whoever was asked; who talks is
busy, whatever they own; a call that ends unanswered stays in the queue as somebody to call back.
"""

from collections.abc import Mapping
from typing import Literal

from normalizer.content import Call
from normalizer.envelope import Envelope
from router import facts as f
from router.draft import Draft
from router.entries import append, begin_anew, current, end, end_wrap_up, keep_parking, open_new
from router.matching import obstacle
from router.parking import wake
from router.people import Conversation, LiveCall, Person
from router.phone import live_calls, ringing_call, spoken_call, weight
from router.phone_orders import wish
from router.queueing import (
    accept,
    admit,
    after_offer,
    assign,
    end_offer,
    enqueue,
    give,
    leave,
    place_or_announce,
    requeue,
    weigh,
    withdraw,
)
from router.record import Why

ELSEWHERE = "answered elsewhere"
"""The result of a conversation that consists of a call which nobody here has answered, and somebody else has."""
UNATTENDED = "call"
"""The result of a conversation that consists of news of a call which is nobody's work here."""

ANSWERED_ELSEWHERE = 26
"""ITU-T Q.850, as used by RFC 3326 implementations for a leg that ends because another one was answered."""

_BEGINNINGS = ("initiated", "ringing")
_ENDS = ("ended", "failed")


def take_call(d: Draft, person: Person, envelope: Envelope, call: Call, seen: Mapping[str, int]) -> None:
    """Take one event of a call into the conversation that knows the call, else into the person's current one."""
    conversation = _conversation_of(d, person, call.call)
    known = conversation.calls.get(call.call) if conversation is not None else None
    lives = known is not None and known.state in ("ringing", "answered")
    if known is None and call.event in _BEGINNINGS:
        _begin(d, person, envelope, call, seen)
    elif call.event == "answered" and (known is None or lives):
        _answer(d, person, envelope, call, seen)
    elif conversation is not None and known is not None and lives and call.event in _ENDS:
        append(d, conversation, envelope, seen, speaks=False)
        over(d, conversation, known, elsewhere=call.q850 == ANSWERED_ELSEWHERE)
    elif conversation is not None and known is not None and known.state == "answered" and _moved(d, known, call):
        _answer(d, person, envelope, call, seen)
    elif known is None and call.event == "failed" and call.direction == "in":
        _miss(d, person, envelope, call, seen)
    elif conversation is not None:
        append(d, conversation, envelope, seen, speaks=False)
        keep_parking(d, conversation)
    else:
        opened = open_new(d, person, envelope)
        append(d, opened, envelope, seen, speaks=False)
        _close(d, opened, UNATTENDED, "news of a call that is over, or of somebody else's")


def _conversation_of(d: Draft, person: Person, call: str) -> Conversation | None:
    """Find the conversation that knows the call, even if another one is open by now: calls do not mix."""
    for name in person.past:
        earlier = d.state.conversations.get(name)
        if earlier is not None and call in earlier.calls:
            return earlier
    return current(d, person)


def _moved(d: Draft, known: LiveCall, call: Call) -> bool:
    return call.event == "transferred" and bool(call.to) and d.policy.whose_phone(call.to) != known.operator


def _close(d: Draft, conversation: Conversation, result: str, note: str) -> None:
    end(d, conversation, "", result, 0)
    d.why = Why(note=note)


# --- a call begins ---------------------------------------------------------------------------------------------


def _begin(d: Draft, person: Person, envelope: Envelope, call: Call, seen: Mapping[str, int]) -> None:
    conversation, reason = _present_or_new(d, person, envelope)
    served = spoken_call(conversation) or ringing_call(conversation)
    if conversation.parked_at and call.direction == "in":
        wake(d, conversation, "call", place=False)
    append(d, conversation, envelope, seen, speaks=call.direction == "in")
    _note(d, conversation, envelope, call, "ringing", fresh=reason is not None)
    if reason is None:
        if call.direction == "in" and served is None:
            _let_ring(d, conversation)
    elif call.direction == "in":
        enqueue(d, conversation, envelope, reason)
    elif (operator := d.policy.whose_phone(call.to)) is not None:
        admit(d, conversation, envelope, reason)
        assign(d, conversation, operator, reason="calls the customer")
    else:
        _close(d, conversation, UNATTENDED, "somebody who is no operator here calls the customer")


def _present_or_new(
    d: Draft, person: Person, envelope: Envelope
) -> tuple[Conversation, Literal["new", "reopened"] | None]:
    conversation = current(d, person)
    if conversation is not None and conversation.status != "closed":
        return conversation, None
    return begin_anew(d, person, envelope)


def _note(  # noqa: PLR0913  # each stands for a word of the fact
    d: Draft,
    conversation: Conversation,
    envelope: Envelope,
    call: Call,
    state: Literal["ringing", "answered", "missed"],
    *,
    operator: str = "",
    fresh: bool = False,
) -> None:
    known = conversation.calls.get(call.call)
    d.emit(
        f.CallChanged(
            conversation=conversation.id,
            call=call.call,
            channel=envelope.channel,
            address=envelope.address,
            at=d.now if known is None else known.at,
            direction=call.direction if known is None else known.direction,
            state=state,
            operator=operator,
            fresh=fresh if known is None else known.fresh,
            hang_up="" if known is None else known.hang_up,
            limit_at=d.now + d.rules.times.call if known is None and state != "missed" else 0,
        )
    )


def _let_ring(d: Draft, conversation: Conversation) -> None:
    """Let an open conversation's customer, who calls now, ring: at the owner's phone if the owner has nothing else."""
    owner = conversation.owner
    withdraw(d, conversation)
    leave(d, conversation, "call")
    requeue(d, conversation, "call", weigh=True)
    if owner is not None and not d.state.todo and obstacle(d.state, d.policy, conversation, owner) is None:
        give(d, conversation, owner, ())
    else:
        place_or_announce(d, conversation)


# --- somebody answers ------------------------------------------------------------------------------------------


def _answer(d: Draft, person: Person, envelope: Envelope, call: Call, seen: Mapping[str, int]) -> None:
    conversation = _conversation_of(d, person, call.call)
    known = conversation.calls.get(call.call) if conversation is not None else None
    reason: Literal["new", "reopened"] | None = None
    if conversation is None or known is None:
        conversation, reason = _present_or_new(d, person, envelope)
    if conversation.parked_at:
        wake(d, conversation, "call", place=False)
    append(d, conversation, envelope, seen, speaks=False)
    operator = _who(d, conversation, known, call)
    _note(d, conversation, envelope, call, "answered", operator=operator or "", fresh=reason is not None)
    if known is not None and known.operator not in ("", operator):
        d.freed[known.operator] = None
    if conversation.status == "closed" and operator is not None and current(d, person) is conversation:
        end_wrap_up(d, conversation)
        d.emit(f.ConversationReopened(conversation=conversation.id, channel=envelope.channel, address=envelope.address))
        reason = "reopened"
    if conversation.status == "closed":
        keep_parking(d, conversation)
    elif operator is None:
        _is_elsewhere(d, conversation, fresh=reason is not None or (known is not None and known.fresh))
    else:
        if reason is not None:
            admit(d, conversation, envelope, reason)
        _hand_to(d, conversation, operator)


def _who(d: Draft, conversation: Conversation, known: LiveCall | None, call: Call) -> str | None:
    """Name the operator who has answered; if the channel does not say whose phone it was, the one who was asked."""
    if call.to:
        return d.policy.whose_phone(call.to)
    if known is not None and known.operator:
        return known.operator
    return conversation.offers[0].operator if conversation.offers else conversation.owner


def _hand_to(d: Draft, conversation: Conversation, operator: str) -> None:
    """Make the operator who talks to the customer the owner, even beyond their capacity: it has happened already."""
    if conversation.owner == operator:
        weigh(d, conversation)
        return
    taken = next((running for running in conversation.offers if running.operator == operator), None)
    if taken is None:
        withdraw(d, conversation)
        leave(d, conversation, "taken")
    weigh(d, conversation)
    if taken is None:
        assign(d, conversation, operator, reason="taken by phone")
    else:
        accept(d, conversation, taken)


def _is_elsewhere(d: Draft, conversation: Conversation, *, fresh: bool) -> None:
    """Somebody whom we do not know talks to the customer: nothing is left to do for a call alone."""
    withdraw(d, conversation)
    if conversation.owner is not None:
        _relieve(d, conversation)
    elif fresh:
        _close(d, conversation, ELSEWHERE, "the phone that answered is none of an operator's")
    else:
        requeue(d, conversation, "call", weigh=True)
        place_or_announce(d, conversation)


# --- a call is over --------------------------------------------------------------------------------------------


def over(d: Draft, conversation: Conversation, known: LiveCall, *, elsewhere: bool = False) -> None:
    """End a call: the operator who talked is free, and a customer who was not answered becomes a callback."""
    missed = known.state == "ringing" and known.direction == "in" and not elsewhere
    d.emit(
        f.CallChanged(
            conversation=conversation.id,
            call=known.id,
            channel=known.channel,
            address=known.address,
            at=known.at,
            direction=known.direction,
            state="missed" if missed else "over",
            operator=known.operator,
            fresh=known.fresh,
        )
    )
    if known.state == "answered" and known.operator:
        d.freed[known.operator] = None
    if conversation.status == "closed":
        keep_parking(d, conversation)
    elif elsewhere and known.state == "ringing" and not live_calls(conversation):
        _is_elsewhere(d, conversation, fresh=known.fresh)
    else:
        go_on(d, conversation)


def go_on(d: Draft, conversation: Conversation) -> None:
    """Bring a conversation in line with the calls that are left: another one is answered, rings, or there is none."""
    spoken = spoken_call(conversation)
    owner = conversation.owner
    if spoken is not None:
        _hand_to(d, conversation, spoken.operator)
    elif ringing_call(conversation) is not None:
        _let_ring(d, conversation)
    elif owner is None:
        _stop_ringing(d, conversation)
    else:
        _relieve(d, conversation)
        if d.state.operators[owner].state == "offline":
            d.emit(f.Scheduled(items=(("requeue", conversation.id),)))


def _relieve(d: Draft, conversation: Conversation) -> None:
    """Let the owner carry less; what was waiting to be handed over as a call may fit others now."""
    weigh(d, conversation)
    if conversation.status == "waiting":
        requeue(d, conversation, "call", weigh=True)
        place_or_announce(d, conversation)


def _stop_ringing(d: Draft, conversation: Conversation) -> None:
    """Let it wait on as somebody to call back, if it waited as a call."""
    rings = any(running.ring for running in conversation.offers)
    kind_now = (conversation.kind, conversation.units)
    if rings or kind_now != weight(d.policy, conversation):
        withdraw(d, conversation)
        requeue(d, conversation, "missed", weigh=True)
        place_or_announce(d, conversation)


def _miss(d: Draft, person: Person, envelope: Envelope, call: Call, seen: Mapping[str, int]) -> None:
    """Take a call of which nothing but its unanswered end is known."""
    conversation, reason = _present_or_new(d, person, envelope)
    append(d, conversation, envelope, seen, speaks=True)
    _note(d, conversation, envelope, call, "missed", fresh=reason is not None)
    if reason is not None:
        enqueue(d, conversation, envelope, reason)
    elif conversation.parked_at:
        wake(d, conversation, "call")


def regroup(d: Draft, name: str) -> None:
    """Go on with the calls that a link brought into a conversation; a phone that nobody is asked at rings no longer."""
    conversation = d.conversation(name)
    go_on(d, conversation)
    unanswered = [call for call in live_calls(conversation) if call.state == "ringing" and call.direction == "in"]
    if unanswered and not conversation.offers:
        wish(d, conversation, unanswered[0], "ringing")


def ran_out(d: Draft, about: str) -> None:
    """Give up a call of which nothing has been heard for hours."""
    name, _, call = about.partition(":")
    conversation = d.conversation(name)
    d.why = Why(note="nothing has been heard of the call for too long")
    over(d, conversation, conversation.calls[call])


# --- what could not be done ------------------------------------------------------------------------------------


def ring_elsewhere(d: Draft, conversation: Conversation, outbound: str) -> None:
    """Go on to the next operator: this one's phone could not be rung."""
    for running in conversation.offers:
        if running.ring == outbound:
            end_offer(d, conversation, running, "unreachable")
            after_offer(d, conversation, running, "unreachable")
            return


def give_up(d: Draft, conversation: Conversation, outbound: str) -> None:
    """Count a call as over that the channel could not hang up: it knows of none."""
    for call in live_calls(conversation):
        if call.hang_up == outbound:
            over(d, conversation, call)
            return
