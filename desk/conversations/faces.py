"""Names and previews for the lists. The state holds no text, so a node keeps the latest it has seen, bounded."""

from collections import OrderedDict
from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from normalizer.content import (
    Call,
    Choice,
    ContactCard,
    Content,
    Delete,
    Edit,
    Form,
    Location,
    Media,
    Rating,
    Reaction,
    Template,
    Text,
    Unsupported,
)
from normalizer.envelope import Envelope
from router.facts import AnyFact, ConversationClosed, ConversationOpened, MessageTaken, NoteAdded, ReplySent
from router.record import Record

PREVIEW_LENGTH = 120
FACES_KEPT = 20_000
HEARD_KEPT = 100


class Face(Struct, frozen=True):
    """How a customer is called and what was said last; ``comment`` is for whoever takes the conversation over.

    ``heard`` numbers the latest entries in which the customer said something, since an operator answered.
    """

    name: str = ""
    preview: str = ""
    comment: str = ""
    heard: tuple[int, ...] = ()


NO_FACE = Face()


def preview(content: Content) -> str:
    """Say in one short line what a content is."""
    line = " ".join(_words(content).split())
    return line if len(line) <= PREVIEW_LENGTH else line[: PREVIEW_LENGTH - 1] + "…"


def _words(content: Content) -> str:
    match content:
        case Text():
            return content.text or content.subject or (_words(content.attachments[0]) if content.attachments else "")
        case Media():
            return f"[{content.type.partition('/')[0]}] {content.caption or content.filename}"
        case Location():
            return f"[location] {content.name}"
        case ContactCard():
            return f"[contact] {content.name}"
        case Choice():
            return content.text or content.chosen or ""
        case Reaction():
            return content.emoji
        case Edit() | Template():
            return content.text
        case Delete():
            return "[deleted]"
        case Call():
            return f"[call] {content.event}"
        case Form():
            return "; ".join(content.answers.values())
        case Rating():
            return f"[rating] {content.score}/{content.scale} {content.comment}"
        case Unsupported():
            return f"[{content.what}]"


def look(face: Face, fact: AnyFact) -> Face:
    """Give the face after a fact about the same conversation."""
    match fact:
        case MessageTaken(envelope=envelope):
            heard = face.heard if _says_nothing(envelope) else (*face.heard, fact.n)[-HEARD_KEPT:]
            name = envelope.sender.name or face.name
            return replace(face, name=name, preview=preview(envelope.content), heard=heard)
        case ReplySent(by=""):  # a phrase of the system: what the customer said is what somebody has to know
            return face
        case ReplySent(outbound=outbound):
            shown = preview(outbound.content)
            return replace(face, preview=shown) if fact.wish else Face(face.name, shown)
        case NoteAdded(handover=True, content=content):
            return replace(face, comment=_words(content))
        case ConversationClosed():
            return replace(face, comment="")
        case _:
            return face


def _says_nothing(envelope: Envelope) -> bool:
    """Whether it changes what was said, is a machine's answer, or a call, which has marks of its own."""
    return envelope.automatic or isinstance(envelope.content, Edit | Delete | Rating | Call)


class Faces:
    """The faces of the conversations used last; ``get`` of an unknown one is None: load it from the history."""

    def __init__(self, limit: int = FACES_KEPT) -> None:
        self._faces: OrderedDict[str, Face] = OrderedDict()
        self._limit = limit

    def get(self, conversation: str) -> Face | None:
        """Give what is known."""
        face = self._faces.get(conversation)
        if face is not None:
            self._faces.move_to_end(conversation)
        return face

    def take(self, record: Record) -> None:
        """Follow a record. A conversation that is not known stays so unless it begins here: its name may be older."""
        for fact in record.facts:
            if isinstance(fact, ConversationOpened):
                self._keep(fact.conversation, NO_FACE)
            elif isinstance(fact, MessageTaken | ReplySent | NoteAdded | ConversationClosed):
                known = self._faces.get(fact.conversation)
                if known is not None:
                    self._keep(fact.conversation, look(known, fact))

    def learn(self, conversation: str, records: Iterable[Record]) -> None:
        """Take the face from a whole history, in log order."""
        face = NO_FACE
        for record in records:
            for fact in record.facts:
                if getattr(fact, "conversation", None) == conversation:
                    face = look(face, fact)
        self._keep(conversation, face)

    def _keep(self, conversation: str, face: Face) -> None:
        self._faces[conversation] = face
        self._faces.move_to_end(conversation)
        while len(self._faces) > self._limit:
            self._faces.popitem(last=False)
