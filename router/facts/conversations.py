"""Facts of the life of a conversation: opened, joined with another one, closed, archived."""

from typing import Literal

from router.facts.kind import Fact
from router.rules import ChannelClass


class ConversationOpened(Fact, frozen=True, kw_only=True, tag="conversation.opened"):
    """A new conversation of ``person``, begun on ``channel``."""

    conversation: str
    person: str
    channel: str
    address: str


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
    reason: Literal["customer", "time", "operator", "call", "transferred", "linked", "undelivered"]
    kind: ChannelClass
    units: int
    unanswered_at: int = 0
    idle_at: int = 0
    by: str = ""


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
