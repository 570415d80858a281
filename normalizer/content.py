"""What a message can be: the tagged union of content kinds, the same for every channel and both directions."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

ShortText = Annotated[str, Meta(max_length=1_000)]
LongText = Annotated[str, Meta(max_length=60_000)]

MAX_WHOLE = 2**53 - 1
"""The greatest whole number that every reader of JSON takes exactly (RFC 8259 section 6)."""

Count = Annotated[int, Meta(ge=0, le=MAX_WHOLE)]


class Language(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A language found before the router saw the text, so that a replay does not depend on a library's version.

    ``code`` is BCP 47 (``pl``, ``pt-BR``), ``confidence`` is 0..1.
    """

    code: Annotated[str, Meta(max_length=35)]
    confidence: Annotated[float, Meta(ge=0, le=1)] = 1.0


class StoredFile(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file in the media store. The key that decrypts it stands here and nowhere else: erase this, erase the file.

    ``name`` is random and ours, ``size`` is in bytes, ``key`` is base64url, ``sha256`` is hexadecimal.
    """

    name: Annotated[str, Meta(max_length=64)]
    size: Count
    key: Annotated[str, Meta(max_length=64)]
    sha256: Annotated[str, Meta(max_length=64)] = ""


class Media(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="media"):
    """A picture, a voice note, a video or any other file, with an optional caption.

    ``type`` is the sniffed media type (RFC 6838), never the one a stranger claimed. ``duration`` is in milliseconds.
    ``inline`` is the name (Content-ID, RFC 2392) by which the HTML of the same message shows this picture.
    """

    file: StoredFile
    type: Annotated[str, Meta(max_length=127)]
    filename: Annotated[str, Meta(max_length=255)] = ""
    caption: LongText = ""
    width: Count | None = None
    height: Count | None = None
    duration: Count | None = None
    voice: bool = False
    inline: Annotated[str, Meta(max_length=255)] = ""


class Text(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="text"):
    """Plain text, with files when the channel sends both as one message (e-mail).

    ``full`` is the text before quoted replies and signatures were trimmed; empty when nothing was. ``html`` is the
    message as its author laid it out, sanitised, UTF-8, with remote pictures removed; inwards only.
    """

    text: LongText
    language: Language | None = None
    full: LongText = ""
    subject: ShortText = ""
    attachments: tuple[Media, ...] = ()
    html: StoredFile | None = None


class Location(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="location"):
    """A place; degrees, WGS 84."""

    latitude: Annotated[float, Meta(ge=-90, le=90)]
    longitude: Annotated[float, Meta(ge=-180, le=180)]
    name: ShortText = ""
    address: ShortText = ""


class ContactCard(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="contact"):
    """Somebody's contact details, as shared by the customer. No proof of anything."""

    name: ShortText
    phones: tuple[ShortText, ...] = ()
    emails: tuple[ShortText, ...] = ()


class Option(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing to choose; ``url`` makes it a link instead of an answer."""

    id: Annotated[str, Meta(max_length=64)]
    label: ShortText
    url: ShortText = ""


class Choice(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="choice"):
    """Outwards: a question with options. Inwards: ``chosen`` names the option that the customer picked."""

    text: LongText = ""
    options: tuple[Option, ...] = ()
    chosen: Annotated[str, Meta(max_length=64)] | None = None


class Reaction(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="reaction"):
    """An emoji put on the message ``target`` (native id inwards, outbound id outwards); empty takes it back."""

    target: Annotated[str, Meta(max_length=255)]
    emoji: Annotated[str, Meta(max_length=64)] = ""


class Edit(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="edit"):
    """The message ``target`` now reads ``text``."""

    target: Annotated[str, Meta(max_length=255)]
    text: LongText


class Delete(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="delete"):
    """The message ``target`` was taken back by its author."""

    target: Annotated[str, Meta(max_length=255)]


class Call(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="call"):
    """A change in the life of a phone call, or outwards a wish.

    Outwards ``ringing`` lets the phone ``to`` ring for the call, ``initiated`` calls the customer and connects the
    phone ``to``, ``ended`` hangs up.
    ``to`` is an operator's phone (a SIP URI); inwards it says which one rings or has answered, where that is known.
    ``sip`` is the SIP status code (RFC 3261 section 21), ``q850`` the cause of ITU-T Q.850; both 0 when not known.
    """

    call: Annotated[str, Meta(max_length=255)]
    event: Literal["initiated", "ringing", "answered", "held", "transferred", "ended", "failed", "recording"]
    direction: Literal["in", "out"] = "in"
    sip: Count = 0
    q850: Count = 0
    reason: ShortText = ""
    to: ShortText = ""
    duration: Count | None = None
    recording: Media | None = None


class Form(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="form"):
    """Answers to the questions asked before a chat, or left when nobody was there: question name to answer."""

    answers: dict[ShortText, LongText]
    name: ShortText = ""


class Rating(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="rating"):
    """What the customer thought of it: ``score`` of ``scale``, higher is better."""

    score: Annotated[int, Meta(ge=0, le=100)]
    scale: Annotated[int, Meta(ge=1, le=100)] = 5
    comment: LongText = ""


class Template(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="template"):
    """A text that the provider has approved, with its variables filled in; opens a window that has closed.

    ``name`` is the one in the YAML, ``text`` what the customer will read, for the history and for other channels.
    """

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    text: LongText
    variables: dict[Annotated[str, Meta(max_length=16)], ShortText] = {}


class Unsupported(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="unsupported"):
    """Something the channel delivered and we cannot show; the operator sees that it came and what it was called."""

    what: ShortText


Content = (
    Text
    | Media
    | Location
    | ContactCard
    | Choice
    | Reaction
    | Edit
    | Delete
    | Call
    | Form
    | Rating
    | Template
    | Unsupported
)
