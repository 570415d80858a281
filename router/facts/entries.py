"""Facts of what is said in a conversation, and of what became of it."""

from normalizer.content import Content
from normalizer.envelope import Envelope
from normalizer.outbound import Outbound, ReceiptState
from router.facts.kind import Fact


class MessageTaken(Fact, frozen=True, kw_only=True, tag="message.taken"):
    """The customer's message is entry ``n`` of the conversation.

    ``forget`` oldest native ids leave the duplicate guard with this one. ``waits``: from now on the customer waits for
    an answer; then ``say_at`` is the time of the first holding phrase and ``unanswered_at`` when the owner loses it
    (0: never). ``languages`` replaces what was known, unless it is empty. ``aside``: answers go where they went before.
    ``heard`` is when the customer wrote it, where that counts for the provider's window (0: it does not).
    """

    conversation: str
    n: int
    envelope: Envelope
    forget: int = 0
    waits: bool = False
    say_at: int = 0
    unanswered_at: int = 0
    languages: tuple[str, ...] = ()
    aside: bool = False
    heard: int = 0


class ReplySent(Fact, frozen=True, kw_only=True, tag="reply.sent"):
    """Entry ``n``: an answer (or a phrase of the system) on its way to the customer.

    It stands in a record whose subject names the channel: the record is the outbox. ``again`` is the outbound
    message that it replaces. ``waiting`` is the index of the holding phrase, for those, and ``say_at`` the time of
    the next one (0: none). ``wish``: it asks the channel of a call for something (ring, call, hang up) and tells the
    customer nothing. ``dials_until``: it asks to call the customer, and nobody else calls them until then (ms), or
    until it is known what became of that. ``idle_at`` is as in :class:`Assigned`.
    """

    conversation: str
    n: int
    outbound: Outbound
    by: str = ""
    again: str | None = None
    waiting: int | None = None
    say_at: int = 0
    wish: bool = False
    idle_at: int = 0
    dials_until: int = 0


class NoteAdded(Fact, frozen=True, kw_only=True, tag="note.added"):
    """Entry ``n``: something only operators see.

    ``whisper`` is the owner to whom a supervisor says it; ``handover``: it goes with a transfer, to whoever gets it.
    """

    conversation: str
    n: int
    by: str
    content: Content
    mentions: tuple[str, ...] = ()
    whisper: str = ""
    handover: bool = False


class EntriesRead(Fact, frozen=True, kw_only=True, tag="entries.read"):
    """``by`` has seen the entries up to ``upto``."""

    conversation: str
    upto: int
    by: str


class EntriesUnread(Fact, frozen=True, kw_only=True, tag="entries.unread"):
    """``by`` wants to come back to what stands after entry ``upto``; nothing changes for anybody else."""

    conversation: str
    upto: int
    by: str


class OutboundChanged(Fact, frozen=True, kw_only=True, tag="outbound.changed"):
    """News of an outbound message; the rank only rises.

    ``watermark``: of every earlier one to that address as well, of those that went through ``channel`` (empty: any).
    """

    conversation: str
    outbound: str
    state: ReceiptState
    at: int
    watermark: bool = False
    channel: str = ""
    native_id: str = ""
    code: str = ""
    error: str = ""
