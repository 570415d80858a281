"""Turns a record of the log into the changes that screens show."""

from msgspec import Struct

from desk.conversations.views import Audience, Touched
from desk.protocol.events import AnswerChanged, ConversationChanged, Event, ItemEvent
from desk.protocol.wire import encode
from router.facts import NoteAdded


class Past(Struct, frozen=True):
    """What a record changed and who listed it before."""

    seq: int
    touched: Touched
    before: tuple[Audience, ...] = ()


class Effect(Struct, frozen=True):
    """What a record changes on screens: the lists, the conversations that are read, colleagues who are asked."""

    past: Past
    after: tuple[Audience, ...]
    items: dict[str, list[ItemEvent]]
    notes: dict[str, NoteAdded]
    recount: bool

    @property
    def public(self) -> bool:
        """Whether it shows on every screen."""
        shared = any(not owner for _, owner in self.past.touched.answers)
        return self.recount or shared or any(each.queue for each in (*self.past.before, *self.after))


class EventEncoder:
    """Encodes an event that goes to many screens once."""

    def __init__(self) -> None:
        self._known: dict[tuple[type, str, bool], bytes] = {}

    def encode(self, event: Event) -> bytes:
        """Encode; a summary, or a canned answer, is the same for everybody within one record."""
        match event:
            case ConversationChanged():
                key: tuple[type, str, bool] = (type(event), event.summary.id, event.listed)
            case AnswerChanged():
                key = (type(event), event.answer.id, True)
            case _:
                return encode(event)
        if key not in self._known:
            self._known[key] = encode(event)
        return self._known[key]
