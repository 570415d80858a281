"""The rules of a workspace in compiled form, as they stand in the log: plain data, times in milliseconds.

People write YAML (``broker.settings``), which is compiled into this. A version of the rules is decided by the record
that takes it, so every process uses the same one at the same place of the log.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

ChannelClass = Literal["exclusive", "interactive", "deferrable"]
Ms = Annotated[int, Meta(ge=0)]


class ChannelRule(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a conversation on a channel costs an operator, and how it is offered.

    ``type`` is the adapter. ``units`` is charged at the offer, of an operator's total (100 by default). A conversation
    that was answered and in which nothing happens for ``park_after`` is put aside (0: never).
    """

    type: str
    kind: ChannelClass = "interactive"
    units: Annotated[int, Meta(ge=0, le=100)] = 20
    accept: Literal["auto", "manual"] = "auto"
    offer_timeout: Ms = 20_000
    park_after: Ms = 0


class OperatorRule(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who an operator is, what they can do and how much at once.

    ``skills`` maps a skill to its level 1-5; ``languages`` to a CEFR level 1-6 (A1..C2), 7 for native.
    ``limits`` is the greatest number of conversations per adapter type; none named means no limit but the units.
    ``phone`` is the SIP URI that rings for this operator; empty: calls go to others.
    """

    name: str
    role: Literal["operator", "supervisor"] = "operator"
    avatar: str = ""
    phone: str = ""
    skills: dict[str, int] = {}
    languages: dict[str, int] = {}
    units: Annotated[int, Meta(ge=0, le=10_000)] = 100
    limits: dict[str, int] = {}


class Need(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an operator must have: every skill at least at its level, and one of the languages (none: any).

    ``phone``: and a phone, for this is a call.
    """

    skills: dict[str, int] = {}
    languages: tuple[str, ...] = ()
    language_level: int = 4
    operators: tuple[str, ...] = ()
    phone: bool = False


class Relax(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """From ``after`` (counted from the first enqueue) on, ``need`` holds instead. It is wider, never "anyone"."""

    after: Ms
    need: Need


Intervals = tuple[tuple[int, int], ...]
"""From and to, in minutes after midnight; what ends on the next day ends after 1440."""


class Hours(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When a team is there, on the clocks of its place.

    ``week`` holds Monday to Sunday, ``days`` what is different, by days since the epoch: holidays have no intervals.
    ``offsets`` says from when on (ms since the epoch) clocks are how far ahead of UTC (ms), oldest first. ``say`` is
    told once to those who write while it is closed, by language; ``{opens}`` in it is the next opening.
    """

    week: tuple[Intervals, ...]
    offsets: tuple[tuple[int, int], ...] = ((0, 0),)
    days: dict[str, Intervals] = {}
    say: dict[str, str] = {}


class When(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Conditions, all of which must hold; an unknown attribute makes a condition false, never an error.

    ``text`` are RE2 patterns of which one must be found, case ignored; attributes match exactly one of the values.
    ``hours``: the calendar of the route is ``open`` or ``closed`` then.
    """

    channels: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    attributes: dict[str, tuple[str, ...]] = {}
    hours: Literal["", "open", "closed"] = ""


class Route(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One routing rule; the first that matches wins, and the last one matches everything.

    ``boost`` moves a conversation forward as if it had come that much earlier. ``tier`` is strict and may starve.
    ``hours`` names its calendar; empty: ``default``, if there is one.
    """

    name: str
    when: When = When()
    need: Need = Need()
    relax: tuple[Relax, ...] = ()
    boost: Ms = 0
    tier: int = 0
    hours: str = ""


class Waiting(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Said to a customer whose message has been unanswered for ``after``; language code to text."""

    after: Ms
    say: dict[str, str]


class CannedText(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a canned answer says: ``texts`` maps languages to texts, ``folder`` is a path with slashes."""

    title: str
    texts: dict[str, str]
    folder: str = ""
    shortcut: str = ""


class Times(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Every time that routing uses."""

    grace: Ms = 60_000
    """An operator who fell silent keeps the conversations for this long."""
    node_lease: Ms = 15_000
    boost_orphan: Ms = 300_000
    """Conversations of a lost operator move forward by this."""
    boost_max: Ms = 1_800_000
    exclude_min: Ms = 60_000
    orphan: Ms = 8 * 3_600_000
    """Deferrable conversations of an operator who does not come back are queued again after this."""
    language: Ms = 60_000
    """So long a conversation asks for the customer's first language only, then for any that the customer has."""
    sticky_lookback: Ms = 7 * 86_400_000
    transfer: Ms = 30_000
    reopen: Ms = 86_400_000
    """A customer who writes within this time of the closing goes on with the same conversation."""
    unanswered: Ms = 300_000
    """An accepted conversation whose owner has not answered for this long goes to somebody else; 0 is never."""
    wrap_up: Ms = 0
    park_person: Ms = 600_000
    """People without an open conversation leave the memory after this."""
    archive: Ms = 2 * 86_400_000
    receipts: Ms = 8 * 86_400_000
    """So long a closed conversation stays out of the archive while an answer by mail may still come back."""
    call: Ms = 4 * 3_600_000
    """A call of which nothing more is heard counts as over after this."""


class Rules(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One version of everything that decides. ``languages``: the first is the fallback.

    ``answers`` are the canned answers of the file. A conversation is closed with one of ``results`` (none: any words).
    """

    channels: dict[str, ChannelRule]
    operators: dict[str, OperatorRule]
    routes: tuple[Route, ...]
    languages: tuple[str, ...] = ("en",)
    waiting: tuple[Waiting, ...] = ()
    times: Times = Times()
    no_answers: int = 2
    """So many unanswered offers in a row make an operator ``not_responding``."""
    answers: tuple[CannedText, ...] = ()
    results: tuple[str, ...] = ()
    hours: dict[str, Hours] = {}
