"""Everything that may change something: the inputs that stand on the IN stream.

The subject ``tl.<workspace>.in.<source>`` says who speaks: a channel's name may carry :class:`Message` and
``Receipt`` only, the names with an underscore are ours. What a source may say is checked here, not believed.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from normalizer.content import Content
from normalizer.envelope import Envelope
from normalizer.outbound import Receipt
from router.rules import CannedText, Rules

TICK_SOURCE = "_tick"
DESK_SOURCE = "_desk"
RULES_SOURCE = "_rules"
RESTORE_SOURCE = "_restore"

Id = Annotated[str, Meta(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9_.-]+$")]
Word = Annotated[str, Meta(max_length=1_000)]


class Message(Struct, frozen=True, kw_only=True, tag_field="kind", tag="message"):
    """A customer did something on a channel."""

    envelope: Envelope


class Reported(Struct, frozen=True, kw_only=True):
    """News of an answer as ``channel`` has it: the name is from the subject, so no payload can speak for another."""

    channel: str
    receipt: Receipt


class Tick(Struct, frozen=True, kw_only=True, tag_field="kind", tag="tick"):
    """Nothing but time. Published once a second and when a timer is due; doubles are harmless."""


class RulesProposed(Struct, frozen=True, kw_only=True, tag_field="kind", tag="rules"):
    """A validated file, compiled. The record that takes it makes it a version; the same hash twice does nothing."""

    hash: Id
    rules: Rules
    by: Word = ""


class Restored(Struct, frozen=True, kw_only=True, tag_field="kind", tag="restored"):
    """The workspace was brought back from a backup; since that was made at most ``skip`` numbers have been given."""

    skip: Annotated[int, Meta(ge=0)]


class DeskAlive(Struct, frozen=True, kw_only=True, tag_field="kind", tag="desk.alive"):
    """Lease of a desk node, every 5 s; its operators get a grace time when it falls silent for 15 s."""

    node: Id


class OperatorUp(Struct, frozen=True, kw_only=True, tag_field="kind", tag="operator.up"):
    """The first socket of an operator on a node is open."""

    operator: Id
    node: Id


class OperatorLost(Struct, frozen=True, kw_only=True, tag_field="kind", tag="operator.lost"):
    """The last socket of an operator on a node is gone, without a word."""

    operator: Id
    node: Id


class OperatorIdle(Struct, frozen=True, kw_only=True, tag_field="kind", tag="operator.idle"):
    """Nobody has touched the operator's screens on a node for so long as the setting says; or somebody does again."""

    operator: Id
    node: Id
    idle: bool


# --- what an operator can ask for ------------------------------------------------------------------------------


class SetPresence(Struct, frozen=True, kw_only=True, tag_field="do", tag="presence", omit_defaults=True):
    """``available``, ``away``, ``break`` (keep what is there, get nothing new), ``draining``; ``offline`` is a log-out.

    ``reason`` says more of ``away`` and ``break``, for those who look at the team.
    """

    state: Literal["available", "away", "break", "draining", "offline"]
    reason: Annotated[str, Meta(max_length=100)] = ""


class Accept(Struct, frozen=True, kw_only=True, tag_field="do", tag="accept"):
    """Take the offer; a compare-and-set on its id."""

    conversation: Id
    offer: Id


class Decline(Struct, frozen=True, kw_only=True, tag_field="do", tag="decline"):
    """Hand the offer back; the conversation keeps its age."""

    conversation: Id
    offer: Id


class Reply(Struct, frozen=True, kw_only=True, tag_field="do", tag="reply", omit_defaults=True):
    """Answer the customer.

    ``seen`` is the number of the last entry that the operator had on the screen: if a colleague has answered or the
    owner has changed since, the command is refused as ``stale`` unless ``anyway``. ``address`` None means where the
    customer wrote last. ``again`` names a failed or unknown outbound message that this one replaces.
    """

    conversation: Id
    content: Content
    seen: Annotated[int, Meta(ge=0)]
    address: Annotated[str, Meta(max_length=400)] | None = None
    anyway: bool = False
    again: Id | None = None


class Resend(Struct, frozen=True, kw_only=True, tag_field="do", tag="resend", omit_defaults=True):
    """Send an answer again that failed; ``anyway`` one as well of which nothing is known, which may double it.

    It goes to the same address. The desk puts in ``content``, from the history: a screen needs not give it.
    """

    conversation: Id
    outbound: Id
    anyway: bool = False
    content: Content | None = None


class AddNote(Struct, frozen=True, kw_only=True, tag_field="do", tag="note", omit_defaults=True):
    """Write something that the customer never sees. ``whisper``: a supervisor says it to the owner."""

    conversation: Id
    content: Content
    mentions: tuple[Id, ...] = ()
    whisper: bool = False


class Transfer(Struct, frozen=True, kw_only=True, tag_field="do", tag="transfer", omit_defaults=True):
    """Hand over to one operator, to a queue (the name of a rule), or to whoever has the skills.

    The source keeps it until one operator has accepted it. ``note`` is for whoever takes it over.
    """

    conversation: Id
    operator: Id | None = None
    queue: Annotated[str, Meta(max_length=100)] = ""
    skills: dict[Id, int] = {}
    note: Word = ""


class Close(Struct, frozen=True, kw_only=True, tag_field="do", tag="close", omit_defaults=True):
    """End the conversation, with a result from the operator's list."""

    conversation: Id
    result: Word = ""


class Reopen(Struct, frozen=True, kw_only=True, tag_field="do", tag="reopen"):
    """Open a closed conversation again and own it. ``person`` finds it when it has left the memory."""

    conversation: Id
    person: Id


class Park(Struct, frozen=True, kw_only=True, tag_field="do", tag="park", omit_defaults=True):
    """Keep the conversation for later, at no cost: until the customer writes, or ``until`` (ms) at the latest."""

    conversation: Id
    until: Annotated[int, Meta(ge=0)] = 0


class Wake(Struct, frozen=True, kw_only=True, tag_field="do", tag="wake"):
    """Take up a parked conversation before its time."""

    conversation: Id


class Take(Struct, frozen=True, kw_only=True, tag_field="do", tag="take", omit_defaults=True):
    """Supervisor: give the conversation to ``operator``. ``force`` breaks capacity or skills and needs a reason."""

    conversation: Id
    operator: Id
    force: bool = False
    reason: Word = ""


class Release(Struct, frozen=True, kw_only=True, tag_field="do", tag="release"):
    """Put the conversation back into the queue, with its age."""

    conversation: Id


class Dial(Struct, frozen=True, kw_only=True, tag_field="do", tag="call", omit_defaults=True):
    """Call the customer: first the operator's own phone rings. ``address`` None means the number they are known by."""

    conversation: Id
    address: Annotated[str, Meta(max_length=400)] | None = None


class HangUp(Struct, frozen=True, kw_only=True, tag_field="do", tag="hang_up"):
    """End the call that is going on."""

    conversation: Id


class MarkRead(Struct, frozen=True, kw_only=True, tag_field="do", tag="read"):
    """The operator has the entries up to number ``upto`` on the screen."""

    conversation: Id
    upto: Annotated[int, Meta(ge=0)]


class MarkUnread(Struct, frozen=True, kw_only=True, tag_field="do", tag="unread"):
    """The operator wants to come back to the entries after number ``upto``."""

    conversation: Id
    upto: Annotated[int, Meta(ge=0)]


class Link(Struct, frozen=True, kw_only=True, tag_field="do", tag="link"):
    """Two people are one. ``evidence`` says why; the operation can be undone by :class:`Unlink`."""

    person: Id
    other: Id
    evidence: Word


class Unlink(Struct, frozen=True, kw_only=True, tag_field="do", tag="unlink"):
    """``address`` does not belong to ``person`` after all: it becomes somebody of its own."""

    person: Id
    address: Annotated[str, Meta(max_length=400)]
    evidence: Word


class SaveAnswer(CannedText, frozen=True, kw_only=True, tag_field="do", tag="save_answer", omit_defaults=True):
    """Write a new canned answer (``personal``: for oneself alone), or change ``version`` of ``answer``."""

    answer: Word = ""
    version: Annotated[int, Meta(ge=0)] = 0
    personal: bool = False


class DeleteAnswer(Struct, frozen=True, kw_only=True, tag_field="do", tag="delete_answer"):
    """Take a canned answer away."""

    answer: Word


class ImportAnswers(Struct, frozen=True, kw_only=True, tag_field="do", tag="import_answers", omit_defaults=True):
    """Take many canned answers in at once, or none of them; nothing is deleted."""

    answers: Annotated[tuple[CannedText, ...], Meta(min_length=1, max_length=1_000)]
    personal: bool = False


Action = (
    SetPresence
    | Accept
    | Decline
    | Reply
    | Resend
    | AddNote
    | Transfer
    | Close
    | Reopen
    | Park
    | Wake
    | Take
    | Release
    | Dial
    | HangUp
    | MarkRead
    | MarkUnread
    | Link
    | Unlink
    | SaveAnswer
    | DeleteAnswer
    | ImportAnswers
)


class Command(Struct, frozen=True, kw_only=True, tag_field="kind", tag="command", omit_defaults=True):
    """An operator wants something. Exactly one fact answers it: its effect, or ``command.refused``.

    ``id`` is a UUIDv7; a repeated command has the same one. ``expires`` is in milliseconds since the epoch.
    ``position`` is the log sequence the operator's screen stood at, for the explanation of a refusal. ``role`` is what
    the desk took the operator for when it let the command through (empty: it does not say).
    """

    id: Id
    operator: Id
    expires: Annotated[int, Meta(ge=0)]
    action: Action
    position: Annotated[int, Meta(ge=0)] = 0
    role: Literal["", "operator", "supervisor"] = ""


Wire = (
    Message | Receipt | Tick | RulesProposed | Restored | DeskAlive | OperatorUp | OperatorLost | OperatorIdle | Command
)
"""What stands on IN."""
Input = (
    Message
    | Reported
    | Tick
    | RulesProposed
    | Restored
    | DeskAlive
    | OperatorUp
    | OperatorLost
    | OperatorIdle
    | Command
)
"""What the router takes."""

_decoder = msgspec.json.Decoder(Wire)
_encoder = msgspec.json.Encoder()

_CHANNELS: tuple[type, ...] = (Message, Receipt)
_OURS: dict[str, tuple[type, ...]] = {
    TICK_SOURCE: (Tick,),
    RULES_SOURCE: (RulesProposed,),
    RESTORE_SOURCE: (Restored,),
    DESK_SOURCE: (Command, DeskAlive, OperatorUp, OperatorLost, OperatorIdle),
}


class NotAllowed(ValueError):
    """A source said something that its subject gives it no right to say."""


def encode_input(value: Wire) -> bytes:
    """Encode for the wire (JSON)."""
    return _encoder.encode(value)


def decode_input(source: str, payload: bytes) -> Input:
    """Decode what ``source`` appended to IN.

    Raises:
        msgspec.DecodeError: not JSON, or not an input (``msgspec.ValidationError`` names the field).
        NotAllowed: this source may not send this kind, or speaks for another channel.
    """
    value: Wire = _decoder.decode(payload)
    if not isinstance(value, _OURS.get(source, _CHANNELS)):
        raise NotAllowed(f"source {source} may not send {type(value).__name__}")
    if isinstance(value, Receipt):
        return Reported(channel=source, receipt=value)
    if isinstance(value, Message) and value.envelope.channel != source:
        raise NotAllowed(f"source {source} sent an envelope of channel {value.envelope.channel}")
    return value
