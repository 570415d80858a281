"""The state that everybody folds from the same log: the active router, its standby, the desk, every projection."""

from typing import Literal

from msgspec import Struct, field

from router.people import AddressState, Conversation, Person
from router.rules import Rules

EMPTY_RULES = Rules(channels={}, operators={}, routes=())


class Operator(Struct, kw_only=True, omit_defaults=True, gc=False):
    """What an operator is doing now.

    ``load`` is in units of exclusive and interactive conversations, ``deferred`` in units of deferrable ones. ``held``
    maps the conversations that cost something (offered, owned, in wrap-up) to their units; ``calls`` and ``mails`` are
    how many of them are exclusive and deferrable, ``counts`` how many there are of each channel. ``idle_since`` orders
    the longest idle; ``silent`` counts unanswered offers in a row. ``grace_until`` is set while no socket is open.
    ``parked`` maps the conversations put aside to the time of that: they are owned and cost nothing.
    ``talking`` maps the calls that this operator has answered to their conversations, whoever owns those.
    ``commands`` remembers the ids of recent commands, oldest first. ``since`` is when the state was set and ``reason``
    what was said about it, ``signed_in`` when this turn of work began (0: offline). ``idle`` are the nodes whose
    screens nobody touches.
    """

    id: str
    state: Literal["available", "away", "break", "draining", "offline", "not_responding"] = "offline"
    reason: str = ""
    since: int = 0
    signed_in: int = 0
    idle: list[str] = field(default_factory=list)
    nodes: list[str] = field(default_factory=list)
    grace_until: int = 0
    load: int = 0
    deferred: int = 0
    calls: int = 0
    mails: int = 0
    held: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    parked: dict[str, int] = field(default_factory=dict)
    idle_since: int = 0
    silent: int = 0
    talking: dict[str, str] = field(default_factory=dict)
    commands: dict[str, int] = field(default_factory=dict)


class CannedAnswer(Struct, kw_only=True, omit_defaults=True, frozen=True, gc=False):
    """A text that is ready to be sent, shared or (``owner``) one operator's own. ``version`` counts its changes."""

    id: str
    title: str
    texts: dict[str, str]
    owner: str = ""
    folder: str = ""
    shortcut: str = ""
    version: int = 1
    by: str = ""
    at: int = 0


class State(Struct, kw_only=True, omit_defaults=True):
    """Everything the router knows. A function of the log alone.

    ``input`` and ``step`` are the identity of the last record, ``now`` its time. ``todo`` are steps that come before
    the next input. ``timers`` maps a timer's id to its due time (ms); a timer fires by leaving it. ``skipped`` is how
    far ids have been moved on by restores: see :meth:`router.draft.Draft.number`.
    """

    input: int = 0
    step: int = 0
    now: int = 0
    term: int = 0
    version: int = 0
    rules_hash: str = ""
    rules: Rules = EMPTY_RULES
    people: dict[str, Person] = field(default_factory=dict)
    addresses: dict[str, AddressState] = field(default_factory=dict)
    conversations: dict[str, Conversation] = field(default_factory=dict)
    operators: dict[str, Operator] = field(default_factory=dict)
    nodes: dict[str, int] = field(default_factory=dict)
    timers: dict[str, int] = field(default_factory=dict)
    todo: list[tuple[str, str]] = field(default_factory=list)
    answers: dict[str, CannedAnswer] = field(default_factory=dict)
    skipped: int = 0
