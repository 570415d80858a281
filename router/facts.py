"""What was decided: the facts that a record holds.

A fact carries outcomes (keys, deadlines, units charged), so that folding an old log needs no rules and gives the same
state for ever. Facts only grow: a new field has a default, a kind is never removed.
"""

from typing import Literal

from msgspec import Struct

from normalizer.content import Content
from normalizer.envelope import Envelope
from normalizer.outbound import Outbound, ReceiptState
from router.rules import ChannelClass, Need, Rules

Todo = Literal[
    "match",
    "match_operator",
    "requeue",
    "revoke",
    "reroute",
    "sweep",
    "gone",
    "logout",
    "join",
    "merge",
    "unstaffed",
    "warn",
    "calls",
    "bounced",
    "wake",
]
"""What can be left to do: see ``router.todo``."""


class Fact(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="f"):
    """Root of all facts; the tag ``f`` names the kind on the wire."""


# --- people ---------------------------------------------------------------------------------------------------


class PersonCreated(Fact, frozen=True, kw_only=True, tag="person.created"):
    """Somebody new, known by one address."""

    person: str
    address: str


class AddressTaken(Fact, frozen=True, kw_only=True, tag="address.taken"):
    """An address moved to ``person``: a link, or the undoing of one. ``before`` had it until now."""

    person: str
    address: str
    before: str
    evidence: str
    by: str = ""


class PersonMerged(Fact, frozen=True, kw_only=True, tag="person.merged"):
    """``other`` is ``person``: the conversations go over, ``conversation`` is the one that goes on."""

    person: str
    other: str
    conversation: str | None
    evidence: str
    by: str = ""


class PersonParked(Fact, frozen=True, kw_only=True, tag="person.parked"):
    """Nothing is open any more: the person leaves the memory for the store of people."""

    person: str


# --- conversations --------------------------------------------------------------------------------------------


class ConversationOpened(Fact, frozen=True, kw_only=True, tag="conversation.opened"):
    """A new conversation of ``person``, begun on ``channel``."""

    conversation: str
    person: str
    channel: str
    address: str


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


class ConversationJoined(Fact, frozen=True, kw_only=True, tag="conversation.joined"):
    """A link made one of both: this one goes on for ``other`` too, which is closed next.

    ``address`` is where the customer wrote last. The customer waits here since ``unanswered`` (0: not at all) and has
    been told ``said`` phrases; ``say_at`` and ``unanswered_at`` are as in :class:`MessageTaken`. The calls of the other
    go over. ``tier`` and ``v`` are set where the other was more urgent.
    """

    conversation: str
    other: str
    address: str
    unanswered: int = 0
    said: int = 0
    say_at: int = 0
    unanswered_at: int = 0
    tier: int | None = None
    v: int | None = None


class ConversationReopened(Fact, frozen=True, kw_only=True, tag="conversation.reopened"):
    """The customer wrote again (on ``channel``, from ``address``), or ``by`` opened it, within the reopening time.

    ``undelivered`` is the answer that came back and opened it.
    """

    conversation: str
    by: str = ""
    channel: str = ""
    address: str = ""
    undelivered: str = ""


class ConversationQueued(Fact, frozen=True, kw_only=True, tag="conversation.queued"):
    """It waits, at the place that ``tier``, ``v`` (virtual time, ms) and ``seq`` give, and nothing else.

    ``steps`` are the requirement steps with absolute deadlines; ``units`` and ``kind`` what it costs an operator.
    ``reason`` says why it is (again) in the queue; ``exclude`` maps operators to the time until which they are out.
    """

    conversation: str
    rule: str
    tier: int
    v: int
    seq: int
    enqueued_at: int
    units: int
    kind: ChannelClass
    steps: tuple["Step", ...]
    step: int = 0
    reason: Literal[
        "new",
        "reopened",
        "declined",
        "no_answer",
        "operator_lost",
        "released",
        "transferred",
        "unanswered",
        "rules",
        "call",
        "missed",
        "undelivered",
        "woken",
    ] = "new"
    exclude: dict[str, int] = {}


class Step(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Requirements in force from ``at`` (ms since the epoch) on; each step is wider than the one before."""

    at: int
    need: Need


class ConversationRelaxed(Fact, frozen=True, kw_only=True, tag="conversation.relaxed"):
    """The waiting conversation now asks for less: requirement step ``step``."""

    conversation: str
    step: int


class ExclusionEnded(Fact, frozen=True, kw_only=True, tag="exclusion.ended"):
    """``operators`` may be asked again."""

    conversation: str
    operators: tuple[str, ...]


class Unroutable(Fact, frozen=True, kw_only=True, tag="conversation.unroutable"):
    """Nobody configured (``configured`` False) or nobody signed in can ever take it; said at once, never silent."""

    conversation: str
    configured: bool


class Offered(Fact, frozen=True, kw_only=True, tag="offer.made"):
    """``operator`` is asked; the units are charged now. ``expires`` 0: accepted by itself in the same step.

    ``transfer_from`` owns the conversation until it is accepted; ``direct``: it was handed to this one operator.
    ``ring`` is the outbound message of the same record that lets the operator's phone ring.
    """

    conversation: str
    offer: str
    operator: str
    units: int
    epoch: int
    expires: int
    transfer_from: str | None = None
    direct: bool = False
    ring: str = ""


class OfferEnded(Fact, frozen=True, kw_only=True, tag="offer.ended"):
    """The offer is gone and the units are free again; ``silent`` counts unanswered offers in a row."""

    conversation: str
    offer: str
    operator: str
    reason: Literal["declined", "no_answer", "operator_lost", "withdrawn", "lost_race", "unreachable"]
    silent: int = 0


class Assigned(Fact, frozen=True, kw_only=True, tag="conversation.assigned"):
    """``operator`` owns the conversation from now on. ``units`` are charged unless an offer had charged them.

    At ``idle_at`` it is put aside, if nothing happens until then (0: never).
    """

    conversation: str
    operator: str
    epoch: int
    units: int
    offer: str | None = None
    by: str = ""
    reason: str = ""
    unanswered_at: int = 0
    idle_at: int = 0


class Unassigned(Fact, frozen=True, kw_only=True, tag="conversation.unassigned"):
    """``operator`` does not own it any more; the units are free."""

    conversation: str
    operator: str
    reason: Literal["closed", "transferred", "operator_lost", "released", "unanswered", "taken", "call", "woken"]


class ConversationParked(Fact, frozen=True, kw_only=True, tag="conversation.parked"):
    """``operator`` keeps it, and it costs nothing until the customer writes or ``until`` has come (0: no such time).

    ``by`` empty: nothing had happened in it for long.
    """

    conversation: str
    operator: str
    until: int = 0
    by: str = ""


class ConversationWoken(Fact, frozen=True, kw_only=True, tag="conversation.woken"):
    """``operator``, who had put it aside, goes on with it; it costs ``units`` again.

    ``unanswered_at`` is as in :class:`MessageTaken`, ``idle_at`` as in :class:`Assigned`.
    """

    conversation: str
    operator: str
    reason: Literal["customer", "time", "operator", "call", "transferred", "linked"]
    kind: ChannelClass
    units: int
    unanswered_at: int = 0
    idle_at: int = 0
    by: str = ""


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


class CallChanged(Fact, frozen=True, kw_only=True, tag="call.changed"):
    """A phone call of the conversation is now in ``state``; ``operator`` has answered it (empty: nobody we know).

    ``limit_at`` is when it counts as over without a word (0: as before), the rest as in ``router.people.LiveCall``.
    """

    conversation: str
    call: str
    channel: str
    address: str
    at: int = 0
    direction: Literal["in", "out"] = "in"
    state: Literal["ringing", "answered", "over", "missed"]
    operator: str = ""
    fresh: bool = False
    hang_up: str = ""
    limit_at: int = 0


class ConversationWeighed(Fact, frozen=True, kw_only=True, tag="conversation.weighed"):
    """It costs those who hold it so much from now on: a call has begun or ended.

    ``unanswered_at`` is when the owner loses it, as in :class:`MessageTaken`.
    """

    conversation: str
    kind: ChannelClass
    units: int
    unanswered_at: int = 0


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


class ConversationClosed(Fact, frozen=True, kw_only=True, tag="conversation.closed"):
    """It is over. Until ``wrap_up_until`` the units stay charged; at ``archive_at`` it is packed away.

    At ``park_at`` the person leaves the memory, if nothing new has begun.
    """

    conversation: str
    by: str
    result: str = ""
    wrap_up_until: int = 0
    archive_at: int = 0
    park_at: int = 0


class WrapUpEnded(Fact, frozen=True, kw_only=True, tag="wrap_up.ended"):
    """The operator's time after the conversation is over; the units are free."""

    conversation: str
    operator: str


class ConversationArchived(Fact, frozen=True, kw_only=True, tag="conversation.archived"):
    """Two days after closing: its records may be packed into the archive and leave the log."""

    conversation: str
    person: str


# --- operators ------------------------------------------------------------------------------------------------


class NodeAlive(Fact, frozen=True, kw_only=True, tag="node.alive"):
    """A desk node has spoken; its lease runs until ``until``."""

    node: str
    until: int


class NodeLost(Fact, frozen=True, kw_only=True, tag="node.lost"):
    """A desk node fell silent; its operators are each handled in steps of their own."""

    node: str


class OperatorOnline(Fact, frozen=True, kw_only=True, tag="operator.online"):
    """An operator has a socket on ``node``; a grace time that was running ends."""

    operator: str
    node: str


class OperatorGone(Fact, frozen=True, kw_only=True, tag="operator.gone"):
    """No socket on ``node`` any more. ``grace_until`` 0: another node still has one."""

    operator: str
    node: str
    grace_until: int = 0


class OperatorState(Fact, frozen=True, kw_only=True, tag="operator.state"):
    """The state as set by the operator, or ``not_responding`` / ``offline`` as found by the router.

    ``reason`` is what they said about it, ``idle`` where the desk found nobody there, or ``no_answers``.
    """

    operator: str
    state: Literal["available", "away", "break", "draining", "offline", "not_responding"]
    by: str = ""
    reason: str = ""


class OperatorIdle(Fact, frozen=True, kw_only=True, tag="operator.idle"):
    """Nobody has touched this operator's screens on ``node`` for a long time (``idle``), or somebody does again."""

    operator: str
    node: str
    idle: bool


# --- the workspace --------------------------------------------------------------------------------------------


class RulesTaken(Fact, frozen=True, kw_only=True, tag="rules.taken"):
    """The rules are now version ``version``."""

    version: int
    hash: str
    rules: Rules
    by: str = ""


class ClockJumped(Fact, frozen=True, kw_only=True, tag="clock.jumped"):
    """The bus stood still for ``gap`` ms: leases, grace times and offer deadlines move on by it."""

    gap: int


class Scheduled(Fact, frozen=True, kw_only=True, tag="todo"):
    """Steps still to be done before the next input; each is ``(what, id)``."""

    items: tuple[tuple[Todo, str], ...]


class TimerSet(Fact, frozen=True, kw_only=True, tag="timer.set"):
    """A deadline that belongs to no other fact; ``timer`` is its id (``router.timers``)."""

    timer: str
    due: int


class AnswerSaved(Fact, frozen=True, kw_only=True, tag="answer.saved"):
    """A canned answer is now this, in ``version``; ``owner`` empty: it is everybody's. ``texts`` is by language."""

    answer: str
    owner: str = ""
    folder: str = ""
    title: str
    shortcut: str = ""
    texts: dict[str, str]
    version: int = 1
    by: str = ""


class AnswerDeleted(Fact, frozen=True, kw_only=True, tag="answer.deleted"):
    """There is no such canned answer any more; it was ``owner``'s (empty: everybody's)."""

    answer: str
    owner: str = ""
    by: str = ""


class CommandRefused(Fact, frozen=True, kw_only=True, tag="command.refused"):
    """The command had no effect. ``code`` is stable, ``reason`` a sentence, ``now`` what holds instead."""

    command: str
    code: str
    reason: str
    conversation: str = ""
    now: str = ""


class InputRefused(Fact, frozen=True, kw_only=True, tag="input.refused"):
    """A step raised: nothing of it is in the state, the input is with the dead letters, the router went on."""

    cause: str
    error: str
    release: str


AnyFact = (
    PersonCreated
    | AddressTaken
    | PersonMerged
    | PersonParked
    | ConversationOpened
    | MessageTaken
    | ConversationJoined
    | ConversationReopened
    | ConversationQueued
    | ConversationRelaxed
    | ExclusionEnded
    | Unroutable
    | Offered
    | OfferEnded
    | Assigned
    | Unassigned
    | ConversationParked
    | ConversationWoken
    | ReplySent
    | CallChanged
    | ConversationWeighed
    | NoteAdded
    | EntriesRead
    | EntriesUnread
    | OutboundChanged
    | ConversationClosed
    | WrapUpEnded
    | ConversationArchived
    | NodeAlive
    | NodeLost
    | OperatorOnline
    | OperatorGone
    | OperatorState
    | OperatorIdle
    | RulesTaken
    | ClockJumped
    | Scheduled
    | TimerSet
    | AnswerSaved
    | AnswerDeleted
    | CommandRefused
    | InputRefused
)
