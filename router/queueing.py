"""The queue: coming in, being offered, going back with the age kept (docs/routing.md)."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, structs

from normalizer.envelope import Envelope
from router import facts as f
from router.deadlines import UNANSWERED, timer_id
from router.draft import Draft
from router.matching import explain, key_of, need_of, others_could, survey, understaffed
from router.people import Conversation, Offer
from router.phone import held_call, is_follow_up, ringing_call, weight, with_phone
from router.phone_orders import quieten, wish
from router.policy import languages
from router.record import Candidate, Why
from router.rules import ChannelClass, Route

New = Literal["new", "reopened", "missed", "undelivered"]
Back = Literal[
    "declined",
    "no_answer",
    "operator_lost",
    "released",
    "transferred",
    "unanswered",
    "rules",
    "call",
    "missed",
    "woken",
]
End = Literal["declined", "no_answer", "operator_lost", "withdrawn", "lost_race", "unreachable"]
Leave = Literal["closed", "transferred", "operator_lost", "released", "unanswered", "taken", "call", "woken"]


TRANSFER_RULE = "(transfer)"
"""The rule of a conversation whose requirements were set by a transfer to skills, not by a route."""


def enqueue(d: Draft, conversation: Conversation, envelope: Envelope, reason: New) -> None:
    """Queue a new conversation, or one that begins anew, by the rules; offer it at once if somebody is free."""
    admit(d, conversation, envelope, reason)
    place_or_announce(d, conversation)


def admit(d: Draft, conversation: Conversation, envelope: Envelope, reason: New) -> None:
    """Give a new conversation, or one that begins anew, its place in the queue by the rules."""
    codes, sure = languages(envelope)
    route = d.policy.route(envelope, codes, d.now)
    begin(d, conversation, route, codes or conversation.languages, sure=sure, reason=reason)


def begin(  # noqa: PLR0913  # each stands for a word of the fact
    d: Draft, conversation: Conversation, route: Route, codes: tuple[str, ...], *, sure: bool, reason: New
) -> None:
    """Give the conversation its place in the queue, counted from now."""
    kind, units = weight(d.policy, conversation)
    d.emit(
        f.ConversationQueued(
            conversation=conversation.id,
            rule=route.name,
            tier=route.tier,
            v=d.now - min(route.boost, d.rules.times.boost_max),
            seq=d.input,
            enqueued_at=d.now,
            units=units,
            kind=kind,
            steps=with_phone(d.policy, conversation, d.policy.steps(route, codes, d.now, sure=sure)),
            reason=reason,
        )
    )


def route_of(d: Draft, conversation: Conversation) -> Route:
    """Give the route of a conversation that begins anew; what an operator has set for it is still needed."""
    if conversation.rule == TRANSFER_RULE:
        return Route(name=TRANSFER_RULE, tier=conversation.tier, need=need_of(conversation))
    return d.policy.named(conversation.rule)


def requeue(  # noqa: PLR0913  # each stands for a word of the fact
    d: Draft,
    conversation: Conversation,
    reason: Back,
    *,
    exclude: Mapping[str, int] | None = None,
    boost: int = 0,
    rule: str | None = None,
    steps: tuple[f.Step, ...] = (),
    weigh: bool = False,
) -> None:
    """Put a conversation back into the queue with its age, deadlines and place; ``boost`` (ms) moves it forward.

    The age of one that was parked counts from when it woke. ``weigh``: a call has begun or ended, so what the
    conversation costs and whether it needs a phone is determined anew.
    """
    out = {name: until for name, until in conversation.excluded.items() if until > d.now}
    out.update(exclude or {})
    age = _age(d, conversation)
    known = steps or age.steps
    kind, units = conversation.kind, conversation.units
    if weigh:
        known = with_phone(d.policy, conversation, known)
        kind, units = weight(d.policy, conversation)
    d.emit(
        f.ConversationQueued(
            conversation=conversation.id,
            rule=conversation.rule if rule is None else rule,
            tier=conversation.tier,
            v=min(age.v, max(age.v - boost, age.since - d.rules.times.boost_max)),
            seq=age.seq,
            enqueued_at=age.since,
            units=units,
            kind=kind,
            steps=known,
            step=max(index for index, step in enumerate(known) if step.at <= d.now or index == 0),
            reason=reason,
            exclude=out,
        )
    )
    d.why = d.why or Why(rule=conversation.rule, v=conversation.v, waited=d.now - conversation.enqueued_at, note=reason)


class _Age(Struct, frozen=True):
    """Since when a conversation waits, and the queue key and steps that follow from that."""

    since: int
    v: int
    seq: int
    steps: tuple[f.Step, ...]


def _age(d: Draft, conversation: Conversation) -> _Age:
    """Give the age of a conversation that goes back to the queue; one that was parked counts from when it woke."""
    since = conversation.woken_at
    if since <= conversation.enqueued_at:
        return _Age(conversation.enqueued_at, conversation.v, conversation.seq, conversation.steps)
    route = route_of(d, conversation)
    steps = with_phone(d.policy, conversation, d.policy.steps(route, conversation.languages, since, sure=True))
    return _Age(since, since - min(route.boost, d.rules.times.boost_max), d.input, steps)


def send_back(  # noqa: PLR0913  # each stands for a word of the fact
    d: Draft,
    conversation: Conversation,
    reason: Back,
    *,
    exclude: Mapping[str, int] | None = None,
    boost: int = 0,
    lapse: bool = True,
) -> None:
    """Queue it again and offer it to the next one at once, if there is one."""
    requeue(d, conversation, reason, exclude=exclude, boost=boost)
    place_or_announce(d, conversation, lapse=lapse)


def place_or_announce(d: Draft, conversation: Conversation, *, lapse: bool = True) -> None:
    """Offer it to the best operator, or let it wait, and report it if no operator could ever take it."""
    if not place(d, conversation, lapse=lapse):
        announce(d, conversation)


def place(d: Draft, conversation: Conversation, *, lapse: bool = True) -> bool:
    """Offer a waiting conversation to the best operator who can take it; False when there is none.

    An operator who declined or did not answer is passed over, unless nobody else at work qualifies (``lapse``).
    Operators freed by this same step are left out while others wait: the queue may hold an older one for them.
    """
    others = len(d.waiting) > (conversation.id in d.waiting)
    busy = d.freed if others else ()
    view = survey(d.state, d.policy, conversation, d.now, busy)
    note = ""
    chosen = view.eligible
    if not chosen and lapse and view.lapsable and not others_could(d.state, d.policy, conversation, d.now):
        chosen, note = view.lapsable, f"the exclusion of {view.lapsable[0][-1]} lapsed: there is nobody else"
    d.why = explain(conversation, view, d.now, note)
    if not chosen:
        return False
    offer(d, conversation, chosen[0][-1])
    return True


def give(d: Draft, conversation: Conversation, operator: str, overtaken: tuple[str, ...]) -> None:
    """Offer the conversation to an operator who has gained room; ``overtaken`` are older ones that they cannot take."""
    key = key_of(d.state, d.policy, conversation, operator, d.now)
    view = survey(d.state, d.policy, conversation, d.now)
    d.why = structs.replace(
        explain(conversation, view, d.now),
        policy="first_in_queue",
        chosen=Candidate(operator=operator, key=key),
        runner_up=None,
        overtaken=overtaken,
    )
    offer(d, conversation, operator)


def announce(d: Draft, conversation: Conversation) -> None:
    """Report, once, that no operator in the rules or none who is signed in could ever take the conversation."""
    lack = understaffed(d.state, d.policy, conversation)
    if lack not in ("", conversation.warned):
        d.emit(f.Unroutable(conversation=conversation.id, configured=lack == "unstaffed"))


def offer(d: Draft, conversation: Conversation, operator: str, *, expires: int = 0) -> None:
    """Charge the operator's capacity and make the offer; with ``accept: auto`` it is accepted at once.

    With ``expires`` it is a transfer to this operator, who always has to accept. A call rings at their phone.
    """
    direct = bool(expires)
    call = held_call(conversation)
    channel = d.policy.channel(conversation.channel if call is None else call.channel)
    epoch = conversation.epoch + 1
    name = f"{conversation.id}-o{epoch}"
    asks = channel.accept == "manual" and not is_follow_up(d.policy, conversation)
    if not expires and (call is not None or asks):
        expires = d.now + max(channel.offer_timeout, 1)
    phone = d.rules.operators[operator].phone if call is not None else ""
    d.emit(
        f.Offered(
            conversation=conversation.id,
            offer=name,
            operator=operator,
            units=conversation.units,
            epoch=epoch,
            expires=expires,
            transfer_from=conversation.owner,
            direct=direct,
            ring=d.next_outbound(conversation) if phone else "",
        )
    )
    if call is not None and phone:
        wish(d, conversation, call, "ringing", phone)
    if not expires:
        accept(d, conversation, conversation.offers[-1])


def accept(d: Draft, conversation: Conversation, taken: Offer, *, by: str = "") -> None:
    """Make the offered operator the owner, in place of whoever transferred it."""
    leave(d, conversation, "transferred")
    assign(d, conversation, taken.operator, offered=taken.id, by=by)


def assign(  # noqa: PLR0913  # each stands for a word of the fact
    d: Draft, conversation: Conversation, operator: str, *, offered: str | None = None, by: str = "", reason: str = ""
) -> None:
    """Give the conversation to ``operator``; if the customer waits, an answer is due."""
    d.emit(
        f.Assigned(
            conversation=conversation.id,
            operator=operator,
            epoch=conversation.epoch + 1,
            units=conversation.units,
            offer=offered,
            by=by,
            reason=reason,
            unanswered_at=answer_due(d, conversation) if conversation.unanswered else 0,
            idle_at=0 if conversation.unanswered else idle_due(d, conversation),
        )
    )


def idle_due(d: Draft, conversation: Conversation) -> int:
    """Give when a conversation in which it is the customer's turn is parked (ms since the epoch); 0: never."""
    after = d.policy.channel(conversation.channel).park_after
    return d.now + after if after else 0


def answer_due(d: Draft, conversation: Conversation) -> int:
    """Give when the owner loses a conversation that they leave unanswered (ms since the epoch); 0, as for mail: never.

    Whoever accepts a call on the desk has the time of an offer to pick up the phone.
    """
    allowed = patience(d, conversation, conversation.kind)
    return d.now + allowed if allowed else 0


def patience(d: Draft, conversation: Conversation, kind: ChannelClass) -> int:
    """Give how long (ms) the owner of a conversation of this class may leave the customer waiting; 0: for ever."""
    call = ringing_call(conversation)
    if call is not None:
        return max(d.policy.channel(call.channel).offer_timeout, 1_000)
    return d.rules.times.unanswered if kind == "interactive" else 0


def weigh(d: Draft, conversation: Conversation) -> None:
    """Charge those who have the conversation what it costs now that a call has begun or ended."""
    kind, units = weight(d.policy, conversation)
    if (kind, units) == (conversation.kind, conversation.units) or conversation.parked_at:
        return
    owner, due = conversation.owner, 0
    if owner is not None and conversation.unanswered and (allowed := patience(d, conversation, kind)):
        due = d.state.timers.get(timer_id(UNANSWERED, conversation.id)) or d.now + allowed
    d.emit(f.ConversationWeighed(conversation=conversation.id, kind=kind, units=units, unanswered_at=due))
    d.freed.update(dict.fromkeys(running.operator for running in conversation.offers))
    if owner is not None:
        d.freed[owner] = None


def leave(d: Draft, conversation: Conversation, reason: Leave) -> None:
    """Take the conversation from its owner, if it has one."""
    owner = conversation.owner
    if owner is not None:
        d.emit(f.Unassigned(conversation=conversation.id, operator=owner, reason=reason))
        d.freed[owner] = None


def end_offer(d: Draft, conversation: Conversation, ended: Offer, reason: End) -> None:
    """End an offer; after ``no_answers`` unanswered ones in a row the operator counts as not responding."""
    operator = d.state.operators[ended.operator]
    silent = operator.silent + 1 if reason == "no_answer" else 0 if reason == "declined" else operator.silent
    d.emit(
        f.OfferEnded(
            conversation=conversation.id, offer=ended.id, operator=ended.operator, reason=reason, silent=silent
        )
    )
    d.freed[ended.operator] = None
    if reason == "no_answer" and silent >= d.rules.no_answers and operator.state == "available":
        d.emit(f.OperatorState(operator=ended.operator, state="not_responding", reason="no_answers"))


def after_offer(
    d: Draft, conversation: Conversation, ended: Offer, reason: Literal["declined", "no_answer", "unreachable"]
) -> None:
    """Go on after an offer that was not taken: back to who handed it over, or on to the next one."""
    if not (ended.direct and conversation.owner is not None):
        back: Back = "no_answer" if reason == "unreachable" else reason
        exclude = exclusion(d, conversation, ended.operator)
        send_back(d, conversation, back, exclude=exclude, lapse=reason != "unreachable")
    quieten(d, conversation, ended)


def withdraw(d: Draft, conversation: Conversation) -> None:
    """Take every running offer back."""
    for running in list(conversation.offers):
        end_offer(d, conversation, running, "withdrawn")


def exclusion(d: Draft, conversation: Conversation, operator: str) -> dict[str, int]:
    """Give how long an operator who declined or did not answer is passed over (routing rule 13)."""
    timeout = d.policy.channel(conversation.channel).offer_timeout
    return {operator: d.now + max(d.rules.times.exclude_min, 3 * timeout)}
