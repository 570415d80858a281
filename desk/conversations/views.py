"""Read models: what an operator's lists hold, as pure functions of the folded state.

An operator sees what is theirs (owned or offered) and the queue; a supervisor who asks for it sees everything.
"""

from collections.abc import Iterator

from msgspec import Struct

from desk.canned.shown import Named, changed_answers
from desk.conversations.faces import NO_FACE, Face
from desk.ports import Role
from desk.protocol.wire import CallShown, Lacking, OfferShown, OperatorCard, ParkedShown, RouteShown, Summary
from normalizer.outbound import ReceiptState
from router.facts import (
    AddressTaken,
    AnyFact,
    Assigned,
    CallChanged,
    ClockJumped,
    ClockSetBack,
    CommandRefused,
    ConversationParked,
    ConversationWeighed,
    ConversationWoken,
    Offered,
    OfferEnded,
    OperatorGone,
    OperatorOnline,
    OperatorState,
    PersonMerged,
    RulesTaken,
    Unassigned,
    WrapUpEnded,
)
from router.people import Conversation, Warned
from router.phone import held_call, is_missed
from router.record import Record
from router.state import Operator, State

QUEUED = ("open", "waiting")


class Audience(Struct, frozen=True):
    """In whose lists a conversation stands: of these operators, and of everybody if it waits in the queue."""

    operators: frozenset[str] = frozenset()
    queue: bool = False
    open: bool = False


NOBODY = Audience()


def audience(conversation: Conversation | None) -> Audience:
    """Say who lists a conversation; nobody lists a closed one, save its owner for the time of the wrap-up."""
    if conversation is None or (conversation.status == "closed" and conversation.owner is None):
        return NOBODY
    operators = {offer.operator for offer in conversation.offers}
    if conversation.owner is not None:
        operators.add(conversation.owner)
    return Audience(frozenset(operators), conversation.status in QUEUED, open=True)


def lists(audience: Audience, operator: str, *, everything: bool) -> bool:
    """Whether the conversation with this audience stands in a list of ``operator``."""
    return audience.open and (everything or audience.queue or operator in audience.operators)


def may_open(state: State, operator: str, role: Role, conversation: str, person: str) -> bool:
    """Whether an operator may read a conversation.

    They may when it stands in their lists, when they have answered this customer last, and when it is the past of a
    customer whom they have now.
    """
    if role == "supervisor":
        return True
    known = state.conversations.get(conversation)
    if lists(audience(known), operator, everything=False):
        return True
    customer = state.people.get(known.person if known else person)
    if customer is None:
        return False
    current = state.conversations.get(customer.conversation or "")
    return customer.last_operator == operator or lists(audience(current), operator, everything=False)


def summarize(
    state: State,
    conversation: Conversation,
    face: Face | None,
    routes: tuple[RouteShown, ...] = (),
    lack: tuple[Warned, Lacking] = ("", {}),
) -> Summary:
    """Make the line of a list."""
    c = conversation
    face = face or NO_FACE
    return Summary(
        id=c.id,
        person=c.person,
        channel=c.channel,
        address=c.last_address or c.address,
        kind=c.kind,
        status=c.status,
        opened_at=c.opened_at,
        n=c.n,
        replied=c.replied,
        read=dict(c.read),
        owner=c.owner or "",
        owner_name=operator_name(state, c.owner or ""),
        offers=tuple(
            OfferShown(id=o.id, operator=o.operator, expires=o.expires, handed_by=o.transfer_from or "")
            for o in c.offers
        ),
        unanswered=c.unanswered,
        waiting_since=max(c.enqueued_at, c.woken_at) if c.status in ("open", "waiting", "offered") else 0,
        place=(c.tier, c.v, c.seq),
        rule=c.rule,
        languages=c.languages,
        addresses=tuple(c.sendings),
        routes=routes,
        others=_others(state, c),
        call=_call(c),
        missed=is_missed(c),
        undelivered=sum(c.outbounds.get(name) is ReceiptState.FAILED for name in c.authors),
        warned=lack[0],
        lacking=lack[1],
        comment=face.comment,
        parked=ParkedShown(at=c.parked_at, until=c.wake_at, by=c.parked_by) if c.parked_at else None,
        name=face.name,
        preview=face.preview,
        heard=face.heard,
        closed_at=c.closed_at,
        result=c.result,
    )


def _others(state: State, conversation: Conversation) -> tuple[str, ...]:
    person = state.people.get(conversation.person)
    return tuple(each for each in person.addresses if each not in conversation.sendings) if person else ()


def _call(conversation: Conversation) -> CallShown | None:
    call = held_call(conversation)
    if call is None:
        return None
    return CallShown(
        id=call.id, address=call.address, direction=call.direction, state=call.state, operator=call.operator
    )


def operator_name(state: State, operator: str) -> str:
    """Give the display name; the id of one who is in the rules no more."""
    rule = state.rules.operators.get(operator)
    return rule.name if rule else operator


def card(state: State, operator: str, *, load: bool) -> OperatorCard | None:
    """Show an operator of the rules, with the work they have only if ``load``."""
    rule = state.rules.operators.get(operator)
    if rule is None:
        return None
    now = state.operators.get(operator) or Operator(id=operator)
    return OperatorCard(
        id=operator,
        name=rule.name,
        role=rule.role,
        state=now.state,
        online=bool(now.nodes),
        since=now.since,
        reason=now.reason,
        signed_in=now.signed_in,
        load=now.load if load else 0,
        units=rule.units if load else 0,
        held=len(now.held) if load else 0,
        counts=dict(now.counts) if load else {},
        parked=len(now.parked) if load else 0,
        grace_until=now.grace_until if load else 0,
        phone=bool(rule.phone),
        talking=bool(now.talking),
        skills=rule.skills,
        languages=rule.languages,
    )


class Touched(Struct, frozen=True):
    """What a record changed: conversations, operators, canned answers, or (new rules) all of them."""

    conversations: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    answers: tuple[Named, ...] = ()
    everything: bool = False


def touched(state: State, record: Record) -> Touched:
    """Name what a record, already folded into ``state``, has changed of the lists. Order is that of the facts."""
    if any(isinstance(fact, RulesTaken | ClockJumped | ClockSetBack) for fact in record.facts):
        return Touched(everything=True)
    conversations = {c.id: None for person in record.loaded for c in person.conversations}
    operators: dict[str, None] = {}
    for fact in record.facts:
        conversations.update(dict.fromkeys(_conversations(state, fact)))
        operators.update(dict.fromkeys(_operators(state, fact)))
    return Touched(tuple(conversations), tuple(operators), changed_answers(record.facts))


def _conversations(state: State, fact: AnyFact) -> Iterator[str]:
    match fact:
        case CommandRefused():
            return
        case AddressTaken(person=person, before=other) | PersonMerged(person=person, other=other):
            people = {person, other}
            yield from (c.id for c in state.conversations.values() if c.person in people)
        case _:
            named = getattr(fact, "conversation", None)
            if named is not None:
                yield named


def _operators(state: State, fact: AnyFact) -> Iterator[str]:
    match fact:
        case CallChanged() if fact.operator:
            yield fact.operator
        case ConversationWeighed():
            yield from (each.id for each in state.operators.values() if fact.conversation in each.held)
        case OperatorOnline() | OperatorGone() | OperatorState():
            yield fact.operator
        case Offered() | OfferEnded() | Assigned() | Unassigned() | WrapUpEnded():
            yield fact.operator
        case ConversationParked() | ConversationWoken():
            yield fact.operator
        case _:
            return
