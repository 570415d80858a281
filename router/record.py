"""The record: one step of the router, one message of the log, stored whole or not at all."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from router.facts import AnyFact
from router.people import PersonRecord

RECORD_VERSION = 1
WORKSPACE_LINE = "_"
"""The line of facts that belong to no conversation, operator or person."""


class Candidate(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An operator as the matching saw them: the key that decided (smaller is better)."""

    operator: str
    key: tuple[float | int | str, ...]


class Why(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why it was decided so; a checker derives the decision again from this.

    ``excluded`` counts operators by the first reason that ruled them out (``offline``, ``skill:billing``,
    ``language``, ``capacity``, ``limit``, ``exclusive``, ``excluded``, ``draining`` ...). ``waited`` is in ms.
    """

    policy: str = ""
    rule: str = ""
    step: int = 0
    v: int = 0
    waited: int = 0
    eligible: int = 0
    excluded: dict[str, int] = {}
    chosen: Candidate | None = None
    runner_up: Candidate | None = None
    overtaken: tuple[str, ...] = ()
    note: str = ""


class Record(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step.

    ``input`` is the IN sequence consumed so far (``in`` on the wire) and ``step`` counts the steps since then:
    together they are the record's identity. A record of cause ``input`` consumes its input; timers that are due
    before an input, and the clock's jump, still carry the sequence of the one before. ``now`` is in ms since the
    epoch, ``rules`` the version in force, ``loaded`` the people brought back into memory for this step.
    ``ref`` names the timer that fired, the step that was left to do, or the command of ``by`` that is answered.
    """

    v: int = RECORD_VERSION
    input: Annotated[int, Meta(ge=0)] = msgspec.field(name="in")
    step: int
    now: int
    term: int
    rules: int
    cause: Literal["input", "timer", "todo", "clock", "position"]
    ref: str = ""
    by: str = ""
    loaded: tuple[PersonRecord, ...] = ()
    facts: tuple[AnyFact, ...] = ()
    why: Why | None = None

    @property
    def id(self) -> tuple[int, int]:
        """Identity of the record: ``(in, step)``."""
        return (self.input, self.step)


class Entry(Struct, frozen=True):
    """A record and where it goes: its line, and the channel that has something to send.

    ``parked`` are the people who leave the memory with it: to be put into the store of people after the record's
    acknowledgement, under their ids and addresses. ``refused``: the step raised; the input (or the record, for a
    timer) belongs to the dead letters. ``payload`` is the record as it is stored.
    """

    line: str
    channel: str | None
    record: Record
    parked: tuple[PersonRecord, ...] = ()
    refused: bool = False
    payload: bytes = b""


_decoder = msgspec.json.Decoder(Record)
_encoder = msgspec.json.Encoder()


def encode_record(record: Record) -> bytes:
    """Encode for the log (JSON)."""
    return _encoder.encode(record)


def decode_record(payload: bytes) -> Record:
    """Decode a record of any past version.

    Raises:
        msgspec.DecodeError: this is no record that this release understands.
    """
    return _decoder.decode(payload)
