"""Fold records into the state. A fold holds no policy, so that old logs give the same state for ever."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from router.change import Change, Fold
from router.deadlines import ARCHIVE, timer_id
from router.fold_calls import CALLS
from router.fold_clock import CLOCK
from router.fold_conversations import CONVERSATIONS
from router.fold_operators import OPERATORS, WORKSPACE, operator_of
from router.fold_parking import PARKING
from router.fold_people import PEOPLE
from router.people import PersonRecord
from router.record import Record
from router.state import State

FOLDS: Mapping[type, Fold] = MappingProxyType(
    {**PEOPLE, **CONVERSATIONS, **PARKING, **CALLS, **OPERATORS, **WORKSPACE, **CLOCK}
)
"""How each fact changes the state."""
KEEP_COMMANDS = 256
"""Command ids remembered, per operator."""

_people = msgspec.json.Decoder(PersonRecord)


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
    change.set(state, "now", record.now)
    if state.step != record.step:  # the next two are the same for most records
        change.set(state, "step", record.step)
    if state.term != record.term:
        change.set(state, "term", record.term)
    if record.by:
        commands = operator_of(change, record.by).commands
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
