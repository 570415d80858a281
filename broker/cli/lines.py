"""One line for an input or a record: who, what, where, and never the text of a message."""

from datetime import UTC, datetime

import msgspec

from broker.bus.reader import Stored
from router.facts import AnyFact, MessageTaken, ReplySent, RulesTaken
from router.inputs import Command, Message, NotAllowed, Reported, RulesProposed, Tick, decode_input
from router.record import decode_record

_HIDDEN = frozenset({"content", "envelope", "outbound", "steps", "rules"})
"""Fields that hold texts or are long; what matters of them is said in other words."""


def describe_input(stored: Stored) -> str:
    """Describe an input; ticks are left out."""
    source = stored.subject.rsplit(".", 1)[-1]
    try:
        value = decode_input(source, stored.payload)
    except (msgspec.DecodeError, NotAllowed) as exc:
        return f"{_time(stored)} IN  {stored.seq:>8} {source:<12} not readable: {exc}"
    match value:
        case Tick():
            return ""
        case Message(envelope=e):
            said = f"{type(e.content).__name__.lower()} from {e.address} (native id {e.native_id})"
        case Command(action=action):
            said = f"{value.operator}: {type(action).__name__} {getattr(action, 'conversation', '')}"
        case Reported(receipt=receipt):
            said = f"{receipt.outbound} is {receipt.state.value}"
        case RulesProposed():
            said = f"rules {value.hash[:12]}"
        case _:
            said = _fields(value)
    return f"{_time(stored)} IN  {stored.seq:>8} {source:<12} {said}"


def describe_record(stored: Stored) -> str:
    """Describe a record by its facts; empty ones are left out."""
    kind = stored.subject.rsplit(".", 1)[-1]
    if kind == "skip":
        return ""
    if kind == "term":
        return f"{_time(stored)} LOG {stored.seq:>8} a router has begun a term"
    record = decode_record(stored.payload)
    line = stored.subject.split(".")[3]
    said = "; ".join(_fact(fact) for fact in record.facts)
    return f"{_time(stored)} LOG {stored.seq:>8} {line:<12} {said}" if said else ""


def _fact(fact: AnyFact) -> str:
    name = str(fact.__struct_config__.tag)
    match fact:
        case MessageTaken():
            return f"{name} entry {fact.n} from {fact.envelope.address}"
        case ReplySent():
            return f"{name} entry {fact.n} to {fact.outbound.address}"
        case RulesTaken():
            return f"{name} version {fact.version}"
        case _:
            return f"{name} {_fields(fact)}".rstrip()


def _fields(value: msgspec.Struct) -> str:
    shown = ((name, getattr(value, name)) for name in value.__struct_fields__ if name not in _HIDDEN)
    return " ".join(f"{name}={text}" for name, text in shown if text not in ("", None, (), {}))


def _time(stored: Stored) -> str:
    return datetime.fromtimestamp(stored.time_ns / 1e9, tz=UTC).strftime("%H:%M:%S.%f")[:-3]
