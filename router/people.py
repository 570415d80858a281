"""People and their conversations as the router keeps them: what routing needs, and no text, preview or name.

The structs are mutable for speed, hold no reference cycles (``gc=False``) and only grow, like the snapshots and the
store of people, which are made of them.
"""

from typing import Literal

import msgspec
from msgspec import Struct, field

from normalizer.outbound import ReceiptState
from router.facts import Step
from router.rules import ChannelClass

Warned = Literal["", "unstaffed", "unroutable"]


class Person(Struct, kw_only=True, omit_defaults=True, gc=False):
    """Somebody who writes to us. ``conversation`` is the open one, or the last that was; ``past`` are earlier ones.

    ``moved`` names the person that this one turned out to be; the record is then nothing but that pointer.
    """

    id: str
    addresses: list[str]
    conversation: str | None = None
    last_operator: str | None = None
    last_served: int = 0
    past: list[str] = field(default_factory=list)
    moved: str | None = None


class AddressState(Struct, kw_only=True, omit_defaults=True, gc=False):
    """One address of a person, with the duplicate guard.

    ``channel`` is the one it wrote through last. ``seen`` maps ``<channel>/<native id>`` to the time it was taken,
    oldest first (promise P2). ``heard`` maps a channel to the time of the last message that the customer wrote there
    themselves: some providers let us answer for a while only.
    """

    address: str
    person: str
    channel: str = ""
    seen: dict[str, int] = field(default_factory=dict)
    heard: dict[str, int] = field(default_factory=dict)


class Sending(Struct, kw_only=True, omit_defaults=True, gc=False):
    """How to answer an address: the channel it wrote through last, and what the adapter wants back."""

    channel: str
    reply_to: str | None = None
    channel_data: msgspec.Raw = msgspec.Raw(b"null")


class LiveCall(Struct, kw_only=True, omit_defaults=True, frozen=True, gc=False):
    """A phone call of a conversation: ``answered`` by ``operator`` (empty: by somebody unknown), or where it stands.

    It began at ``at``. ``fresh``: the conversation began with it. ``hang_up`` is the outbound message that asked the
    channel to end it.
    """

    id: str
    channel: str
    address: str
    at: int = 0
    direction: Literal["in", "out"] = "in"
    state: Literal["ringing", "answered", "over", "missed"] = "ringing"
    operator: str = ""
    fresh: bool = False
    hang_up: str = ""


class Offer(Struct, kw_only=True, omit_defaults=True, frozen=True, gc=False):
    """A running offer; the units are charged to the operator. ``transfer_from`` still owns the conversation.

    ``ring`` is the outbound message that lets the operator's phone ring.
    """

    id: str
    operator: str
    units: int
    expires: int
    transfer_from: str | None = None
    direct: bool = False
    ring: str = ""


class Conversation(Struct, kw_only=True, omit_defaults=True, gc=False):
    """One conversation.

    ``channel`` and ``address`` are where it began, ``last_address`` is where the customer wrote last. ``n`` is the
    number of its last entry, ``replied`` that of the last answer by an operator (``replied_by``). ``epoch`` rises with
    each offer and assignment. A closed conversation has an ``owner`` while the wrap-up lasts, a waiting or offered one
    while it is being transferred. ``tier, v, seq`` is the place in the queue. ``unanswered`` is the time of the
    customer's first message that nobody has answered (0: none), ``said`` how many holding phrases it has had.
    ``warned``: since it waits it has been said that nobody signed in (``unstaffed``), or nobody at all
    (``unroutable``), can take it.
    ``outbounds`` holds the state of answers that may still change, ``targets`` the address of each, ``channels`` the
    channel that it went through (of those sent since that is remembered), ``authors`` the operator who wrote it.
    ``calls`` are the phone calls, oldest first, with those that are over. ``dialling`` is the outbound message that
    asked to call the customer; until ``dialling_until`` the call may be about to begin (0: it has, or will not).
    ``parked_at`` is when ``parked_by`` (empty: nobody did, nothing happened) put it aside, ``wake_at`` until when at
    most; it is assigned all the time. ``woken_at`` is when it was last put aside no longer: its age counts from then.
    Times are ms since the epoch.
    """

    id: str
    person: str
    channel: str
    address: str
    opened_at: int
    status: Literal["open", "waiting", "offered", "assigned", "closed"] = "open"
    n: int = 0
    last_address: str = ""
    replied: int = 0
    replied_by: str = ""
    epoch: int = 0
    owner: str | None = None
    owned_at: int = 0
    units: int = 0
    kind: ChannelClass = "interactive"
    rule: str = ""
    tier: int = 0
    v: int = 0
    seq: int = 0
    enqueued_at: int = 0
    steps: tuple[Step, ...] = ()
    step: int = 0
    offers: list[Offer] = field(default_factory=list)
    excluded: dict[str, int] = field(default_factory=dict)
    warned: Warned = ""
    languages: tuple[str, ...] = ()
    unanswered: int = 0
    said: int = 0
    read: dict[str, int] = field(default_factory=dict)
    sendings: dict[str, Sending] = field(default_factory=dict)
    outbounds: dict[str, ReceiptState] = field(default_factory=dict)
    targets: dict[str, str] = field(default_factory=dict)
    channels: dict[str, str] = field(default_factory=dict)
    authors: dict[str, str] = field(default_factory=dict)
    calls: dict[str, LiveCall] = field(default_factory=dict)
    dialling: str = ""
    dialling_until: int = 0
    parked_at: int = 0
    parked_by: str = ""
    wake_at: int = 0
    woken_at: int = 0
    closed_at: int = 0
    result: str = ""


class PersonRecord(Struct, kw_only=True, omit_defaults=True, frozen=True):
    """A person as a whole, for the store of people: what was parked, and what is loaded back.

    ``log`` is the log sequence that this value stands for; 0 inside a record, which cannot know its own.
    """

    v: int = 1
    person: Person
    addresses: list[AddressState]
    conversations: list[Conversation] = []
    log: int = 0
