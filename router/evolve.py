"""Fold records into the state: one small function per fact, and no policy, so that old logs fold the same for ever."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from normalizer.outbound import RECEIPT_RANK, ReceiptState
from router import facts as f
from router.change import Change
from router.deadlines import (
    ARCHIVE,
    EXCLUDED,
    GRACE,
    NODE,
    OFFER,
    ORPHAN,
    PARK,
    SAY,
    STEP,
    UNANSWERED,
    WRAP_UP,
    timer_id,
)
from router.people import AddressState, Conversation, Offer, Person, PersonRecord, Sending
from router.record import Record
from router.state import Operator, State

KEEP_OUTBOUNDS = 256
"""Answers whose news are followed, per conversation."""
KEEP_COMMANDS = 256
"""Command ids remembered, per operator."""

_NO_DATA = msgspec.Raw(b"null")
_people = msgspec.json.Decoder(PersonRecord)

Fold = Callable[[Change, Any], None]


def apply(state: State, record: Record, change: Change | None = None, folds: Mapping[type, Fold] | None = None) -> None:
    """Fold one record: people loaded, what caused it, facts, position.

    Raises:
        KeyError: the record speaks of something that the state does not hold; nothing must be skipped, so stop.
    """
    change = change or Change(state)
    table = FOLDS if folds is None else folds
    change.now = record.now
    load(change, record.loaded)
    consume(change, record.cause, record.ref)
    for fact in record.facts:
        table[type(fact)](change, fact)
    settle(change, record)


def load(change: Change, people: tuple[PersonRecord, ...]) -> None:
    """Bring people back into memory, as copies: records never change. Archived conversations stay away."""
    state = change.state
    for stored in people:
        value = _people.decode(msgspec.json.encode(stored))
        kept = {c.id: c for c in value.conversations if timer_id(ARCHIVE, c.id, value.person.id) in state.timers}
        person = value.person
        person.past = [name for name in person.past if name in kept]
        if person.conversation not in kept:
            person.conversation = None
        change.put(state.people, person.id, person)
        for address in value.addresses:
            change.put(state.addresses, address.address, address)
        for name, conversation in kept.items():
            change.put(state.conversations, name, conversation)


def consume(change: Change, cause: str, ref: str) -> None:
    """Take what caused the record out of the state: a timer fires by leaving it, the first todo is being done."""
    state = change.state
    if cause == "timer":
        change.drop(state.timers, ref)
    elif cause == "todo":
        change.set(state, "todo", state.todo[1:])


def settle(change: Change, record: Record) -> None:
    """Remember the record's identity and time, and the command that it answers."""
    state = change.state
    change.set(state, "input", record.input)
    change.set(state, "step", record.step)
    change.set(state, "now", record.now)
    change.set(state, "term", record.term)
    if record.by:
        commands = _operator(change, record.by).commands
        change.put(commands, record.ref, record.now)
        if len(commands) > KEEP_COMMANDS:
            change.drop_first(commands)


def gather(state: State, person: str) -> PersonRecord:
    """Everything of a person, for the store of people; call it before the fold that parks the person."""
    value = state.people[person]
    names = [*value.past, value.conversation]
    return PersonRecord(
        person=value,
        addresses=[state.addresses[a] for a in value.addresses],
        conversations=[state.conversations[n] for n in names if n in state.conversations],
    )


# --- people ---------------------------------------------------------------------------------------------------


def _person_created(c: Change, fact: f.PersonCreated) -> None:
    c.put(c.state.people, fact.person, Person(id=fact.person, addresses=[fact.address]))
    c.put(c.state.addresses, fact.address, AddressState(address=fact.address, person=fact.person))


def _address_taken(c: Change, fact: f.AddressTaken) -> None:
    people = c.state.people
    before = people[fact.before]
    c.set(before, "addresses", [a for a in before.addresses if a != fact.address])
    if fact.person not in people:
        c.put(people, fact.person, Person(id=fact.person, addresses=[]))
    person = people[fact.person]
    c.set(person, "addresses", [*person.addresses, fact.address])
    c.set(c.state.addresses[fact.address], "person", fact.person)


def _person_merged(c: Change, fact: f.PersonMerged) -> None:
    state = c.state
    person, other = state.people[fact.person], state.people[fact.other]
    names = [n for n in (*person.past, person.conversation, *other.past, other.conversation) if n is not None]
    c.set(person, "past", [n for n in names if n != fact.conversation])
    c.set(person, "conversation", fact.conversation)
    if other.last_served > person.last_served:
        c.set(person, "last_operator", other.last_operator)
        c.set(person, "last_served", other.last_served)
    for name in (*other.past, other.conversation):
        if name is not None:
            c.set(state.conversations[name], "person", fact.person)
            _move_archive(c, name, fact.other, fact.person)
    c.drop(state.people, fact.other)
    c.timer(PARK, fact.other, 0)
    if fact.conversation is not None and state.conversations[fact.conversation].status != "closed":
        c.timer(PARK, fact.person, 0)


def _move_archive(c: Change, conversation: str, before: str, after: str) -> None:
    due = c.state.timers.get(timer_id(ARCHIVE, conversation, before))
    if due is not None:
        c.drop(c.state.timers, timer_id(ARCHIVE, conversation, before))
        c.put(c.state.timers, timer_id(ARCHIVE, conversation, after), due)


def _person_parked(c: Change, fact: f.PersonParked) -> None:
    state = c.state
    person = state.people[fact.person]
    for address in person.addresses:
        c.drop(state.addresses, address)
    for conversation in (*person.past, person.conversation):
        if conversation is not None:
            c.drop(state.conversations, conversation)
    c.drop(state.people, fact.person)


# --- conversations --------------------------------------------------------------------------------------------


def _opened(c: Change, fact: f.ConversationOpened) -> None:
    person = c.state.people[fact.person]
    conversation = Conversation(
        id=fact.conversation, person=fact.person, channel=fact.channel, address=fact.address, opened_at=c.now
    )
    c.put(c.state.conversations, fact.conversation, conversation)
    if person.conversation is not None:
        c.set(person, "past", [*person.past, person.conversation])
    c.set(person, "conversation", fact.conversation)
    c.timer(PARK, fact.person, 0)


def _message_taken(c: Change, fact: f.MessageTaken) -> None:
    state, envelope = c.state, fact.envelope
    conversation, address = state.conversations[fact.conversation], state.addresses[envelope.address]
    seen, channel = address.seen, envelope.channel
    for _ in range(fact.forget):
        c.drop_first(seen)
    c.put(seen, f"{channel}/{envelope.native_id}", c.now)
    if address.channel != channel:
        c.set(address, "channel", channel)
    c.set(conversation, "n", fact.n)
    if conversation.last_address != envelope.address:
        c.set(conversation, "last_address", envelope.address)
    data = envelope.channel_data
    c.put(
        conversation.sendings,
        envelope.address,
        Sending(
            channel=channel, reply_to=envelope.native_id, channel_data=_NO_DATA if data == _NO_DATA else data.copy()
        ),
    )
    if fact.languages:
        c.set(conversation, "languages", fact.languages)
    if fact.waits:
        c.set(conversation, "unanswered", c.now)
        c.set(conversation, "said", 0)
        c.timer(SAY, fact.conversation, fact.say_at)
        c.timer(UNANSWERED, fact.conversation, fact.unanswered_at)


def _reopened(c: Change, fact: f.ConversationReopened) -> None:
    conversation = c.state.conversations[fact.conversation]
    person = c.state.people[conversation.person]
    if person.conversation != conversation.id:
        names = (*person.past, person.conversation)
        c.set(person, "past", [n for n in names if n is not None and n != conversation.id])
        c.set(person, "conversation", conversation.id)
    c.set(conversation, "status", "open")
    c.set(conversation, "closed_at", 0)
    c.set(conversation, "result", "")
    c.set(conversation, "excluded", {})
    if fact.channel:
        c.set(conversation, "channel", fact.channel)
        c.set(conversation, "address", fact.address)
    c.drop(c.state.timers, timer_id(ARCHIVE, fact.conversation, conversation.person))
    c.timer(PARK, conversation.person, 0)


def _queued(c: Change, fact: f.ConversationQueued) -> None:
    conversation = c.state.conversations[fact.conversation]
    for name in ("rule", "tier", "v", "seq", "enqueued_at", "units", "kind", "steps", "step"):
        c.set(conversation, name, getattr(fact, name))
    c.set(conversation, "excluded", dict(fact.exclude))
    c.set(conversation, "status", "waiting")
    c.timer(EXCLUDED, fact.conversation, min(fact.exclude.values(), default=0))
    _time_next_step(c, conversation)


def _time_next_step(c: Change, conversation: Conversation) -> None:
    later = conversation.steps[conversation.step + 1 :]
    c.timer(STEP, conversation.id, later[0].at if later else 0)


def _relaxed(c: Change, fact: f.ConversationRelaxed) -> None:
    conversation = c.state.conversations[fact.conversation]
    c.set(conversation, "step", fact.step)
    _time_next_step(c, conversation)


def _exclusion_ended(c: Change, fact: f.ExclusionEnded) -> None:
    conversation = c.state.conversations[fact.conversation]
    left = {name: until for name, until in conversation.excluded.items() if name not in fact.operators}
    c.set(conversation, "excluded", left)
    c.timer(EXCLUDED, fact.conversation, min(left.values(), default=0))


def _nothing(_change: Change, _fact: f.Fact) -> None:
    """Said for people and programs; the state is the same."""


def _offered(c: Change, fact: f.Offered) -> None:
    conversation = c.state.conversations[fact.conversation]
    offer = Offer(
        id=fact.offer,
        operator=fact.operator,
        units=fact.units,
        expires=fact.expires,
        transfer_from=fact.transfer_from,
        direct=fact.direct,
    )
    c.set(conversation, "offers", [*conversation.offers, offer])
    c.set(conversation, "status", "offered")
    c.set(conversation, "epoch", fact.epoch)
    _charge(c, fact.operator, conversation, fact.units)
    _leave_queue(c, conversation)
    if fact.expires:
        c.put(c.state.timers, timer_id(OFFER, fact.conversation, fact.offer), fact.expires)


def _leave_queue(c: Change, conversation: Conversation) -> None:
    c.timer(STEP, conversation.id, 0)
    c.timer(EXCLUDED, conversation.id, 0)


def _offer_ended(c: Change, fact: f.OfferEnded) -> None:
    conversation = c.state.conversations[fact.conversation]
    _drop_offer(c, conversation, fact.offer)
    c.set(conversation, "status", "assigned" if conversation.owner else "open")
    c.set(_operator(c, fact.operator), "silent", fact.silent)
    _free(c, fact.operator, conversation)


def _drop_offer(c: Change, conversation: Conversation, offer: str) -> None:
    c.set(conversation, "offers", [o for o in conversation.offers if o.id != offer])
    c.drop(c.state.timers, timer_id(OFFER, conversation.id, offer))


def _assigned(c: Change, fact: f.Assigned) -> None:
    conversation = c.state.conversations[fact.conversation]
    operator = _operator(c, fact.operator)
    if fact.offer is None:
        _charge(c, fact.operator, conversation, fact.units)
    else:
        _drop_offer(c, conversation, fact.offer)
        c.set(operator, "silent", 0)
    c.set(conversation, "status", "assigned")
    c.set(conversation, "owner", fact.operator)
    c.set(conversation, "owned_at", c.now)
    c.set(conversation, "epoch", fact.epoch)
    c.set(operator, "idle_since", c.now)
    _leave_queue(c, conversation)
    c.timer(UNANSWERED, fact.conversation, fact.unanswered_at)


def _unassigned(c: Change, fact: f.Unassigned) -> None:
    conversation = c.state.conversations[fact.conversation]
    c.set(conversation, "owner", None)
    if conversation.status == "assigned":
        c.set(conversation, "status", "open")
    _free(c, fact.operator, conversation)
    c.set(_operator(c, fact.operator), "idle_since", c.now)
    c.timer(UNANSWERED, fact.conversation, 0)
    c.timer(ORPHAN, fact.conversation, 0)


def _charge(c: Change, operator: str, conversation: Conversation, units: int) -> None:
    value = _operator(c, operator)
    c.put(value.held, conversation.id, units)
    _weigh(c, value, conversation, units)


def _free(c: Change, operator: str, conversation: Conversation) -> None:
    value = _operator(c, operator)
    _weigh(c, value, conversation, -value.held[conversation.id])
    c.drop(value.held, conversation.id)


def _weigh(c: Change, operator: Operator, conversation: Conversation, units: int) -> None:
    if conversation.kind == "deferrable":
        c.set(operator, "deferred", operator.deferred + units)
    else:
        c.set(operator, "load", operator.load + units)


def _reply_sent(c: Change, fact: f.ReplySent) -> None:
    conversation = c.state.conversations[fact.conversation]
    c.set(conversation, "n", fact.n)
    c.put(conversation.outbounds, fact.outbound.id, ReceiptState.QUEUED)
    c.put(conversation.targets, fact.outbound.id, fact.outbound.address)
    if fact.again is not None:
        _forget_outbound(c, conversation, fact.again)
    if len(conversation.outbounds) > KEEP_OUTBOUNDS:
        _forget_outbound(c, conversation, min(conversation.outbounds, key=_entry_number))
    c.timer(SAY, fact.conversation, fact.say_at)
    if fact.waiting is not None:
        c.set(conversation, "said", fact.waiting + 1)
        return
    c.set(conversation, "replied", fact.n)
    c.set(conversation, "replied_by", fact.by)
    c.set(conversation, "unanswered", 0)
    c.set(conversation, "said", 0)
    c.timer(UNANSWERED, fact.conversation, 0)
    person = c.state.people[conversation.person]
    c.set(person, "last_operator", fact.by)
    c.set(person, "last_served", c.now)


def _entry_number(outbound: str) -> int:
    return int(outbound.rpartition("-")[2])


def _forget_outbound(c: Change, conversation: Conversation, outbound: str) -> None:
    c.drop(conversation.outbounds, outbound)
    c.drop(conversation.targets, outbound)


def _note_added(c: Change, fact: f.NoteAdded) -> None:
    c.set(c.state.conversations[fact.conversation], "n", fact.n)


def _entries_read(c: Change, fact: f.EntriesRead) -> None:
    c.put(c.state.conversations[fact.conversation].read, fact.by, fact.upto)


def _outbound_changed(c: Change, fact: f.OutboundChanged) -> None:
    conversation = c.state.conversations[fact.conversation]
    reached = [fact.outbound, *(_earlier(conversation, fact.outbound, fact.state) if fact.watermark else ())]
    for outbound in reached:
        if fact.state is ReceiptState.READ:
            _forget_outbound(c, conversation, outbound)
        else:
            c.put(conversation.outbounds, outbound, fact.state)


def _earlier(conversation: Conversation, outbound: str, state: ReceiptState) -> list[str]:
    """Earlier answers to the same address that are raised too; one that failed was not delivered by a later one."""
    number, address = _entry_number(outbound), conversation.targets[outbound]
    return [
        name
        for name, now in conversation.outbounds.items()
        if _entry_number(name) < number
        and conversation.targets[name] == address
        and now is not ReceiptState.FAILED
        and RECEIPT_RANK[now] < RECEIPT_RANK[state]
    ]


def _closed(c: Change, fact: f.ConversationClosed) -> None:
    conversation = c.state.conversations[fact.conversation]
    for name, value in (
        ("status", "closed"),
        ("closed_at", c.now),
        ("result", fact.result),
        ("unanswered", 0),
        ("said", 0),
    ):
        c.set(conversation, name, value)
    _leave_queue(c, conversation)
    for kind in (SAY, UNANSWERED, ORPHAN):
        c.timer(kind, fact.conversation, 0)
    c.timer(WRAP_UP, fact.conversation, fact.wrap_up_until)
    c.put(c.state.timers, timer_id(ARCHIVE, fact.conversation, conversation.person), fact.archive_at)
    c.timer(PARK, conversation.person, fact.park_at)


def _wrap_up_ended(c: Change, fact: f.WrapUpEnded) -> None:
    conversation = c.state.conversations[fact.conversation]
    c.set(conversation, "owner", None)
    _free(c, fact.operator, conversation)
    c.set(_operator(c, fact.operator), "idle_since", c.now)
    c.timer(WRAP_UP, fact.conversation, 0)


def _archived(c: Change, fact: f.ConversationArchived) -> None:
    person = c.state.people.get(fact.person)
    c.drop(c.state.conversations, fact.conversation)
    if person is None:
        return
    if person.conversation == fact.conversation:
        c.set(person, "conversation", None)
    else:
        c.set(person, "past", [n for n in person.past if n != fact.conversation])


# --- operators ------------------------------------------------------------------------------------------------


def _operator(c: Change, name: str) -> Operator:
    operators = c.state.operators
    operator = operators.get(name)
    if operator is None:
        operator = Operator(id=name)
        c.put(operators, name, operator)
    return operator


def _node_alive(c: Change, fact: f.NodeAlive) -> None:
    c.put(c.state.nodes, fact.node, fact.until)
    c.timer(NODE, fact.node, fact.until)


def _node_lost(c: Change, fact: f.NodeLost) -> None:
    c.drop(c.state.nodes, fact.node)
    c.timer(NODE, fact.node, 0)


def _operator_online(c: Change, fact: f.OperatorOnline) -> None:
    operator = _operator(c, fact.operator)
    if fact.node not in operator.nodes:
        c.set(operator, "nodes", [*operator.nodes, fact.node])
    c.set(operator, "grace_until", 0)
    c.timer(GRACE, fact.operator, 0)


def _operator_gone(c: Change, fact: f.OperatorGone) -> None:
    operator = _operator(c, fact.operator)
    c.set(operator, "nodes", [n for n in operator.nodes if n != fact.node])
    c.set(operator, "grace_until", fact.grace_until)
    c.timer(GRACE, fact.operator, fact.grace_until)


def _operator_state(c: Change, fact: f.OperatorState) -> None:
    operator = _operator(c, fact.operator)
    if fact.state == "available" and operator.state != "available":
        c.set(operator, "idle_since", c.now)
        c.set(operator, "silent", 0)
    c.set(operator, "state", fact.state)
    if fact.state == "offline":
        c.set(operator, "grace_until", 0)
        c.timer(GRACE, fact.operator, 0)


# --- the workspace --------------------------------------------------------------------------------------------


def _rules_taken(c: Change, fact: f.RulesTaken) -> None:
    c.set(c.state, "version", fact.version)
    c.set(c.state, "rules_hash", fact.hash)
    c.set(c.state, "rules", fact.rules)


def _clock_jumped(c: Change, fact: f.ClockJumped) -> None:
    state, gap = c.state, fact.gap
    for node, until in list(state.nodes.items()):
        _node_alive(c, f.NodeAlive(node=node, until=until + gap))
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
            offer = msgspec.structs.replace(offer, expires=offer.expires + gap)  # noqa: PLW2901  # the moved one
            c.put(timers, timer_id(OFFER, conversation.id, offer.id), offer.expires)
        moved.append(offer)
    c.set(conversation, "offers", moved)


def _scheduled(c: Change, fact: f.Scheduled) -> None:
    c.set(c.state, "todo", [*c.state.todo, *fact.items])


def _timer_set(c: Change, fact: f.TimerSet) -> None:
    c.put(c.state.timers, fact.timer, fact.due)


FOLDS: Mapping[type, Fold] = MappingProxyType(
    {
        f.PersonCreated: _person_created,
        f.AddressTaken: _address_taken,
        f.PersonMerged: _person_merged,
        f.PersonParked: _person_parked,
        f.ConversationOpened: _opened,
        f.MessageTaken: _message_taken,
        f.ConversationReopened: _reopened,
        f.ConversationQueued: _queued,
        f.ConversationRelaxed: _relaxed,
        f.ExclusionEnded: _exclusion_ended,
        f.Unroutable: _nothing,
        f.Offered: _offered,
        f.OfferEnded: _offer_ended,
        f.Assigned: _assigned,
        f.Unassigned: _unassigned,
        f.ReplySent: _reply_sent,
        f.NoteAdded: _note_added,
        f.EntriesRead: _entries_read,
        f.OutboundChanged: _outbound_changed,
        f.ConversationClosed: _closed,
        f.WrapUpEnded: _wrap_up_ended,
        f.ConversationArchived: _archived,
        f.NodeAlive: _node_alive,
        f.NodeLost: _node_lost,
        f.OperatorOnline: _operator_online,
        f.OperatorGone: _operator_gone,
        f.OperatorState: _operator_state,
        f.RulesTaken: _rules_taken,
        f.ClockJumped: _clock_jumped,
        f.Scheduled: _scheduled,
        f.TimerSet: _timer_set,
        f.CommandRefused: _nothing,
        f.InputRefused: _nothing,
    }
)
