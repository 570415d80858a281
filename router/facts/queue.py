"""Facts of the queue: what a conversation needs, who is asked, and who has it."""

from typing import Literal

from msgspec import Struct

from router.facts.kind import Fact
from router.rules import ChannelClass, Need


class Step(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Requirements in force from ``at`` (ms since the epoch) on; each step is wider than the one before."""

    at: int
    need: Need


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
    exclude: dict[str, int] = {}  # noqa: RUF012  # of a msgspec struct, which copies it


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
