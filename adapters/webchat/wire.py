"""The frames between a visitor's page and us, as docs/webchat-protocol.md describes them.

A frame is one JSON object; ``type`` says which. Unknown fields are ignored, so that either side may be newer.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from adapters.webchat.face import Invitation, Question, RatingSettings, Theme, Variant
from web.sockets import Fault

MAX_TEXT = 10_000
MAX_TOKEN = 4_096

MessageId = Annotated[
    str, Meta(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$", max_length=36)
]
"""A UUIDv7 (RFC 9562) that the page makes once for each message and repeats until it is acknowledged."""

Token = Annotated[str, Meta(max_length=MAX_TOKEN)]
OutboundId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{3,70}$")]
Text = Annotated[str, Meta(max_length=MAX_TEXT)]


# --- what a visitor writes ---


class TextDraft(Struct, frozen=True, tag_field="kind", tag="text"):
    """Plain text."""

    text: Annotated[Text, Meta(pattern=r"[^\s\x00-\x1f\x7f-\x9f]")]  # something that can be seen


class FileDraft(Struct, frozen=True, tag_field="kind", tag="file"):
    """A file that was uploaded before; ``file`` is the reference that the upload gave."""

    file: Token
    caption: Text = ""
    voice: bool = False
    duration: Annotated[int, Meta(ge=0, le=86_400_000)] | None = None


class ChoiceDraft(Struct, frozen=True, tag_field="kind", tag="choice"):
    """One of the options that were offered; ``text`` is its label."""

    chosen: Annotated[str, Meta(min_length=1, max_length=64)]
    text: Annotated[str, Meta(max_length=1_000)] = ""


class RatingDraft(Struct, frozen=True, tag_field="kind", tag="rating"):
    """What the visitor thought of it."""

    score: Annotated[int, Meta(ge=0, le=100)]
    scale: Annotated[int, Meta(ge=1, le=100)] = 5
    comment: Text = ""


class FormDraft(Struct, frozen=True, tag_field="kind", tag="form"):
    """What was asked before the chat, or while nobody is there; ``message`` is the answer that every form has."""

    name: Literal["questions", "offline"]
    answers: Annotated[dict[Annotated[str, Meta(max_length=64)], Text], Meta(max_length=16)]


Draft = TextDraft | FileDraft | ChoiceDraft | RatingDraft | FormDraft


# --- from the page ---


Attributes = Annotated[
    dict[Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,39}$")], Annotated[str, Meta(max_length=300)]],
    Meta(max_length=16),
]


class About(Struct, frozen=True, tag_field="type", tag="about"):
    """Where the visitor is now, and what the page says of them: it replaces what was said before, proving nothing."""

    page: Annotated[str, Meta(max_length=1_000)] = ""
    title: Annotated[str, Meta(max_length=300)] = ""
    attributes: Attributes = {}


class Hello(Struct, frozen=True, tag_field="type", tag="hello"):
    """The first frame: who this is, and up to where everything is known. All but the token prove nothing."""

    token: Token
    cursor: Token | None = None
    page: Annotated[str, Meta(max_length=1_000)] = ""
    title: Annotated[str, Meta(max_length=300)] = ""
    referrer: Annotated[str, Meta(max_length=1_000)] = ""
    campaign: Annotated[str, Meta(max_length=300)] = ""
    department: Annotated[str, Meta(max_length=40)] = ""
    attributes: Attributes = {}
    language: Annotated[str, Meta(pattern=r"^([A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*)?$", max_length=35)] = ""


class Send(Struct, frozen=True, tag_field="type", tag="send"):
    """A message, repeated with the same id until it is acknowledged. ``invitation`` is the one that it answers."""

    id: MessageId
    content: Draft
    reply_to: OutboundId | None = None
    invitation: Annotated[str, Meta(max_length=40)] = ""


class TypingHere(Struct, frozen=True, tag_field="type", tag="typing"):
    """The visitor types, or has stopped; ``preview`` is what stands in the field."""

    on: bool
    preview: Annotated[str, Meta(max_length=2_000)] = ""


class Delivered(Struct, frozen=True, tag_field="type", tag="delivered"):
    """Every answer up to this one is in the page."""

    upto: OutboundId


class Read(Struct, frozen=True, tag_field="type", tag="read"):
    """Every answer up to this one has been seen."""

    upto: OutboundId


class Ping(Struct, frozen=True, tag_field="type", tag="ping"):
    """Is anybody there? Answered with a pong."""


ClientFrame = Hello | About | Send | TypingHere | Delivered | Read | Ping
CLIENT_FRAME: msgspec.json.Decoder[ClientFrame] = msgspec.json.Decoder(ClientFrame)


# --- what a page shows ---


class ShownFile(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="file"):
    """A file; ``file`` is fetched from ``files/<file>`` with the visitor's token. ``size`` is in bytes."""

    file: str
    type: str
    name: str
    size: int
    caption: str = ""
    width: int | None = None
    height: int | None = None
    duration: int | None = None
    voice: bool = False


class ShownText(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="text"):
    """Plain text of several lines, never markup."""

    text: str
    files: tuple[ShownFile, ...] = ()


class ShownOption(Struct, frozen=True, omit_defaults=True):
    """One thing to choose; with a ``url`` it is a link."""

    id: str
    label: str
    url: str = ""


class ShownChoice(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="choice"):
    """A question with options, or which of them was chosen."""

    text: str = ""
    options: tuple[ShownOption, ...] = ()
    chosen: str | None = None


class ShownRating(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="rating"):
    """A rating that was given; higher is better."""

    score: int
    scale: int
    comment: str = ""


class ShownForm(Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="form"):
    """A form that the visitor has sent."""

    name: str
    answers: dict[str, str]


class ShownEdit(Struct, frozen=True, tag_field="kind", tag="edit"):
    """The message ``target`` now reads ``text``."""

    target: str
    text: str


class ShownDelete(Struct, frozen=True, tag_field="kind", tag="delete"):
    """The message ``target`` was taken back."""

    target: str


Shown = ShownText | ShownFile | ShownChoice | ShownRating | ShownForm | ShownEdit | ShownDelete


class Speaker(Struct, frozen=True, omit_defaults=True):
    """Who answers, as the visitor may know them."""

    name: str = ""
    avatar: str = ""
    system: bool = False


class Item(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One entry of the conversation, in the order in which it happened; ``at`` is in ms since the epoch.

    ``message``: the visitor's own, ``id`` as sent. ``reply``: an answer, ``id`` for delivered and read. ``read``: an
    operator has seen every message whose ``n`` is not greater. ``joined``: ``author`` has the conversation.
    ``closed``: it is over; the next message begins another.
    """

    kind: Literal["message", "reply", "read", "joined", "closed"]
    at: int
    conversation: str
    n: int = 0
    id: str = ""
    content: Shown | None = None
    author: Speaker | None = None


# --- to the page ---


class Welcome(Struct, frozen=True, tag_field="type", tag="welcome"):
    """The token is good. ``now`` is the server's time, ``renew_at`` when a new token should be fetched (both ms)."""

    visitor: str
    now: int
    renew_at: int
    preview: bool


class Items(Struct, frozen=True, tag_field="type", tag="items"):
    """What happened; ``cursor`` is where to resume. ``more``: the catching up goes on in the next frame.

    What happened in one moment has one place in the log, so the last items may come again after resuming: an item is
    known by its kind, conversation, n, id and at.
    """

    items: tuple[Item, ...]
    cursor: str
    more: bool = False


class Ack(Struct, frozen=True, tag_field="type", tag="ack"):
    """The message is stored and cannot be lost (the first tick)."""

    id: str


class TypingThere(Struct, frozen=True, omit_defaults=True, tag_field="type", tag="typing"):
    """An operator types, or has stopped."""

    on: bool
    name: str = ""


class Status(Struct, frozen=True, tag_field="type", tag="status"):
    """Whether somebody is on duty; ``ahead`` is how many wait before this visitor, if they wait.

    ``opens_at`` (ms) is when somebody will be there by the opening hours; 0: it is open, or nothing is known.
    """

    staffed: bool
    ahead: int | None = None
    opens_at: int = 0


class Pong(Struct, frozen=True, tag_field="type", tag="pong"):
    """Somebody is there."""


ServerFrame = Welcome | Items | Ack | TypingThere | Status | Pong | Fault


# --- over HTTP ---


class SessionGrant(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Answer of ``POST session`` and ``POST identify``: who the visitor is, and what the page needs. Times in ms."""

    token: str
    visitor: str
    expires_at: int
    renew_at: int
    preview: bool
    file_bytes: int
    file_types: tuple[str, ...]
    texts: dict[str, dict[str, str]] = {}
    look: msgspec.Raw
    staffed: bool
    opens_at: int = 0
    user: str = ""
    language: str = ""
    words: msgspec.Raw = msgspec.Raw(b"{}")


class Look(Struct, frozen=True, kw_only=True):
    """What the shop has decided about its chat, as the page needs it: docs/webchat-protocol.md. ``quiet`` is in ms."""

    theme: Theme
    variants: Sequence[Variant]
    questions: Sequence[Question]
    offline_form: bool
    rating: RatingSettings
    invitations: Sequence[Invitation]
    per_visit: int
    per_week: int
    quiet: int
    identify: bool


class Identity(Struct, frozen=True):
    """Body of ``POST identify``: the token of the shop's server."""

    token: Token


class FileGrant(Struct, frozen=True, kw_only=True):
    """Answer of ``POST files``: the reference to send, and what we found the file to be."""

    file: str
    type: str
    name: str
    size: int
