"""What a record changed on a screen, and what a command is answered. Described in docs/desk-protocol.md."""

from msgspec import Struct

from desk.protocol.wire import AnswerShown, Item, OperatorCard, Summary
from normalizer.outbound import ReceiptState


class ConversationChanged(Struct, frozen=True, kw_only=True, tag_field="event", tag="conversation"):
    """The summary is now this. ``listed`` False: it belongs to no list of yours, but is open on your screen."""

    summary: Summary
    listed: bool


class ConversationGone(Struct, frozen=True, kw_only=True, tag_field="event", tag="gone"):
    """The conversation is in no list of yours any more."""

    conversation: str


class ItemAdded(Struct, frozen=True, kw_only=True, tag_field="event", tag="item"):
    """Something new in a conversation that is open on the screen."""

    conversation: str
    item: Item


class ReceiptChanged(Struct, frozen=True, kw_only=True, tag_field="event", tag="receipt", omit_defaults=True):
    """News of an answer in a conversation that is open on the screen; ``replaced_by``: it has been sent again."""

    conversation: str
    outbound: str
    receipt: ReceiptState
    code: str = ""
    error: str = ""
    replaced_by: str = ""


class OperatorChanged(Struct, frozen=True, kw_only=True, tag_field="event", tag="operator"):
    """Presence or load: yours, and for a supervisor who looks at all everybody's."""

    operator: OperatorCard


class WaitingChanged(Struct, frozen=True, kw_only=True, tag_field="event", tag="waiting"):
    """So many conversations wait in the queue."""

    count: int


class Mentioned(Struct, frozen=True, kw_only=True, tag_field="event", tag="mention"):
    """A colleague asks you something in a note."""

    conversation: str
    person: str
    by: str


class Whispered(Struct, frozen=True, kw_only=True, tag_field="event", tag="whisper"):
    """A supervisor tells you something about a conversation of yours."""

    conversation: str
    by: str
    name: str
    text: str


class AnswerChanged(Struct, frozen=True, kw_only=True, tag_field="event", tag="answer"):
    """A canned answer is new, or is now this."""

    answer: AnswerShown


class AnswerGone(Struct, frozen=True, kw_only=True, tag_field="event", tag="answer_gone"):
    """There is no such canned answer any more."""

    answer: str


ItemEvent = ItemAdded | ReceiptChanged
Event = (
    ConversationChanged
    | ConversationGone
    | ItemEvent
    | OperatorChanged
    | WaitingChanged
    | Mentioned
    | Whispered
    | AnswerChanged
    | AnswerGone
)


# --- answers to commands -----------------------------------------------------------------------------------------


class Confirmed(Struct, frozen=True, kw_only=True, tag_field="status", tag="confirmed"):
    """The command had its effect; ``events`` are what it changed, as far as you may see it."""

    id: str
    events: tuple[Event, ...]


class Refused(Struct, frozen=True, kw_only=True, tag_field="status", tag="refused", omit_defaults=True):
    """The command had no effect. ``code`` is stable; for ``stale``, ``since`` holds what the operator had not seen."""

    id: str
    code: str
    reason: str
    since: tuple[Item, ...] = ()


class NotConfirmed(Struct, frozen=True, kw_only=True, tag_field="status", tag="not_confirmed"):
    """Nothing is known yet: it may have its effect still. Repeat it with the same id."""

    id: str
    reason: str


Answer = Confirmed | Refused | NotConfirmed
