"""What desk and browser show each other; events and answers to commands are in ``desk.protocol.events``.

Described in docs/desk-protocol.md, as are the frames of the socket (``desk.protocol.frames``).

Times are in milliseconds since the epoch. Files carry no keys: they are fetched by name within their conversation.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from desk.ports import Role
from normalizer.content import Content
from normalizer.outbound import ReceiptState
from router.rules import ChannelClass

CommandId = Annotated[
    str, Meta(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$", description="A UUIDv7")
]
Cursor = Annotated[str, Meta(max_length=400, description="A signed place in the log; opaque")]
View = Literal["mine", "queue", "all"]
Lacking = dict[str, int]
"""How many operators something stands in the way of: ``skill:billing``, ``language``, ``phone``, ``offline`` ..."""


class Me(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The operator who is signed in. ``expires`` is the end of the session."""

    id: str
    name: str
    role: Role
    expires: int
    avatar: str = ""


class OperatorCard(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An operator as others see them. ``load`` of ``units`` is taken; ``held`` conversations make it up.

    ``online``: a socket is open; ``grace_until``: it was lost and is waited for until then. ``phone``: calls can ring
    there; ``talking``: one is going on. ``state`` was set at ``since`` and ``reason`` says more of it, ``signed_in`` is
    when this turn of work began. ``counts`` is how many conversations of each channel are held, ``parked`` how many
    are put aside and cost nothing.
    """

    id: str
    name: str
    role: Role
    state: str
    online: bool
    since: int = 0
    reason: str = ""
    signed_in: int = 0
    load: int = 0
    units: int = 0
    held: int = 0
    counts: dict[str, int] = {}
    parked: int = 0
    grace_until: int = 0
    phone: bool = False
    talking: bool = False
    skills: dict[str, int] = {}
    languages: dict[str, int] = {}


class OfferShown(Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"handed_by": "from"}):
    """An operator is being asked. ``expires`` 0: the offer does not end by itself. ``from`` hands it over."""

    id: str
    operator: str
    expires: int = 0
    handed_by: str = ""


class RouteShown(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A way to answer: an address of the customer and the channel that an answer to it takes.

    ``writes`` False: nothing can be written there, it is a phone. ``window_until``: the provider takes free texts until
    then, and only approved ones afterwards (0: no such limit).
    """

    address: str
    channel: str
    writes: bool = True
    window_until: int = 0


class ParkedShown(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Put aside ``at`` by ``by`` (empty: nothing had happened) until the customer writes, or ``until`` at most."""

    at: int
    until: int = 0
    by: str = ""


class CallShown(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A phone call that goes on. ``state``: ringing or answered; ``operator`` talks to the customer."""

    id: str
    address: str
    direction: str
    state: str
    operator: str = ""


class Summary(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A conversation as one line of a list.

    ``n`` is the number of the last entry, ``read`` maps operators to the last entry they have seen. ``unanswered``
    is the time of the customer's oldest unanswered message, ``waiting_since`` when it came into the queue, ``place``
    its place there (smaller is earlier). ``name``, ``preview`` and ``heard`` are empty until the node has read the
    texts; ``heard`` numbers the customer's latest words (entries) since an operator answered, at most 100.
    ``addresses`` are those that can be answered, ``routes`` how; ``address`` is where an answer goes by itself;
    ``others`` are addresses of the same customer that have had no part in this conversation.
    ``call`` is the call that goes on, ``missed``: the customer called in vain and is to be called back.
    ``undelivered`` counts answers that did not arrive and have not been sent again. ``warned``: nobody who could take
    it is signed in (``unstaffed``) or exists (``unroutable``), ``lacking`` says why. ``comment`` came with a transfer.
    ``parked``: its owner keeps it for later.
    """

    id: str
    person: str
    channel: str
    address: str
    kind: ChannelClass
    status: str
    opened_at: int
    n: int = 0
    replied: int = 0
    read: dict[str, int] = {}
    owner: str = ""
    owner_name: str = ""
    offers: tuple[OfferShown, ...] = ()
    unanswered: int = 0
    waiting_since: int = 0
    place: tuple[int, int, int] = (0, 0, 0)
    rule: str = ""
    languages: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    routes: tuple[RouteShown, ...] = ()
    others: tuple[str, ...] = ()
    call: CallShown | None = None
    missed: bool = False
    undelivered: int = 0
    warned: str = ""
    lacking: Lacking = {}
    comment: str = ""
    parked: ParkedShown | None = None
    name: str = ""
    preview: str = ""
    heard: tuple[int, ...] = ()
    closed_at: int = 0
    result: str = ""


class Attempt(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An earlier attempt of an answer that was sent again, and what is known of it."""

    outbound: str
    at: int
    by: str = ""
    receipt: ReceiptState | None = None
    code: str = ""
    error: str = ""


class Item(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing in a conversation.

    ``id`` orders items: log sequence and index in the record, joined by a dot. ``n`` is the entry number (0 for
    events, which are about the conversation and not part of it). ``by`` is an operator, empty for customer and
    system. ``receipt`` is what is known of an answer; ``again`` the outbound message that it replaces.
    ``command`` is the id of the command that wrote it. ``what`` is the kind of fact of an event, ``detail`` its reason.
    ``attempts`` are those that this answer replaces, oldest first, ``replaced_by`` the one that replaces it.
    ``whisper`` names the owner whom a supervisor tells a note, ``handover``: it came with a transfer.
    ``attributes`` are what a message came with: the page, a campaign, an accepted invitation.
    """

    id: str
    kind: Literal["message", "reply", "note", "event"]
    at: int
    n: int = 0
    by: str = ""
    name: str = ""
    channel: str = ""
    address: str = ""
    content: Content | None = None
    attributes: dict[str, str] = {}
    outbound: str = ""
    receipt: ReceiptState | None = None
    code: str = ""
    error: str = ""
    again: str = ""
    attempts: tuple[Attempt, ...] = ()
    replaced_by: str = ""
    command: str = ""
    mentions: tuple[str, ...] = ()
    whisper: str = ""
    handover: bool = False
    what: str = ""
    operator: str = ""
    detail: str = ""


class TemplateShown(Struct, frozen=True, kw_only=True):
    """An approved text. ``variables`` are the names of what has to be filled in: ``{{1}}`` has the name ``1``."""

    name: str
    language: str
    text: str
    variables: tuple[str, ...]


class ChannelShown(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A channel of the rules in force. ``phone``: customers can be called on it."""

    type: str
    kind: ChannelClass
    accept: str
    offer_timeout: int
    phone: bool = False
    templates: tuple[TemplateShown, ...] = ()


class Channels(Struct, frozen=True, kw_only=True):
    """Every channel of the rules in force, by name."""

    channels: dict[str, ChannelShown]


class AnswerShown(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A canned answer; ``texts`` maps languages to texts. ``personal``: one's own; ``from_file``: it is changed there.

    ``by`` wrote its ``version`` at ``at``.
    """

    id: str
    title: str
    texts: dict[str, str]
    folder: str = ""
    shortcut: str = ""
    personal: bool = False
    from_file: bool = False
    version: int = 0
    by: str = ""
    at: int = 0


class LevelShown(Struct, frozen=True, kw_only=True):
    """How long a customer may wait (ms) until an answer is ``due``, and until it is ``late``."""

    due: int
    late: int


class LevelsShown(Struct, frozen=True, kw_only=True):
    """When those who wait show as due and as late: by the rule they wait by if it stands in ``rules``, else by kind."""

    interactive: LevelShown
    exclusive: LevelShown
    deferrable: LevelShown
    rules: dict[str, LevelShown]


class QueueShown(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Those who wait by the same rule, for the same kind of work, in the same language (empty: not known).

    ``oldest`` is when the one who has waited longest came into the queue. Of ``unstaffed`` nobody who could ever take
    them is signed in, of ``unroutable`` nobody exists; ``lacking`` says why.
    """

    rule: str
    kind: ChannelClass
    waiting: int
    oldest: int
    language: str = ""
    unstaffed: int = 0
    unroutable: int = 0
    lacking: Lacking = {}


class Choices(Struct, frozen=True, kw_only=True):
    """What there is to choose from: results of closing (none: any words), where a transfer can go, variables."""

    results: tuple[str, ...]
    queues: tuple[str, ...]
    skills: tuple[str, ...]
    variables: tuple[str, ...]


encode = msgspec.json.Encoder().encode
