"""What comes from channels: each message of a customer is taken once, into one conversation; and receipts."""

from collections.abc import Mapping

from normalizer.content import Call, Delete, Edit, Rating, Reaction
from normalizer.envelope import Envelope
from router.calls import take_call
from router.draft import Draft
from router.entries import append, begin_anew, current, end, keep_parking, meet, open_new
from router.inputs import Message
from router.parking import wake
from router.people import Person
from router.queueing import enqueue
from router.record import Why

_SILENT = (Reaction, Edit, Delete, Rating)
_WORDLESS = (Reaction, Delete, Rating)
AUTOMATIC = "automatic"
"""The result of a conversation in which only a machine has spoken."""
NO_ANSWER = "no answer needed"
"""The result of a conversation that consists of a rating, or the like, of one that is gone."""


def take_message(d: Draft, message: Message) -> None:
    """Take a customer's message into the person's conversation, opening one if there is none; once."""
    envelope = message.envelope
    state = d.state
    address = state.addresses.get(envelope.address)
    seen: Mapping[str, int] = address.seen if address is not None else {}
    if f"{envelope.channel}/{envelope.native_id}" in seen:
        return
    person = state.people[address.person] if address is not None else meet(d, envelope)
    if isinstance(envelope.content, Call):
        take_call(d, person, envelope, envelope.content, seen)
    elif envelope.automatic:
        _note_machine(d, person, envelope, seen)
    else:
        _take(d, person, envelope, seen)


def _take(d: Draft, person: Person, envelope: Envelope, seen: Mapping[str, int]) -> None:
    conversation = current(d, person)
    speaks = not isinstance(envelope.content, _SILENT)
    if conversation is not None and (conversation.status != "closed" or not speaks):
        append(d, conversation, envelope, seen, speaks=speaks)
        if speaks and conversation.parked_at:
            wake(d, conversation, "customer")
        keep_parking(d, conversation)
        return
    if isinstance(envelope.content, _WORDLESS):
        _file_away(d, person, envelope, seen, NO_ANSWER, "it asks for no answer, and what it is about is gone")
        return
    begun, reason = begin_anew(d, person, envelope)
    append(d, begun, envelope, seen, speaks=True)
    enqueue(d, begun, envelope, reason)


def _note_machine(d: Draft, person: Person, envelope: Envelope, seen: Mapping[str, int]) -> None:
    """Write down what a machine wrote: nobody waits for an answer, nothing opens again, and nothing is lost."""
    conversation = current(d, person)
    if conversation is not None and (
        conversation.status != "closed" or d.now - conversation.closed_at <= d.rules.times.reopen
    ):
        append(d, conversation, envelope, seen, speaks=False)
        keep_parking(d, conversation)
        return
    note = "a machine wrote it: it waits for no answer, so nobody is asked"
    _file_away(d, person, envelope, seen, AUTOMATIC, note)


def _file_away(  # noqa: PLR0913, PLR0917  # each stands for a word of the record
    d: Draft, person: Person, envelope: Envelope, seen: Mapping[str, int], result: str, note: str
) -> None:
    """Keep a message that needs no answer, in a conversation that is opened and closed for it."""
    opened = open_new(d, person, envelope)
    append(d, opened, envelope, seen, speaks=False)
    end(d, opened, "", result, 0)
    d.why = Why(note=note)
