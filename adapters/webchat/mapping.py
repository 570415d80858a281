"""Frames to envelopes, lines to frames. Pure; references to files are made and read by the functions handed in."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter

import msgspec
from msgspec import Struct

from adapters.contract import Cursor, LineItem
from adapters.webchat.face import RESERVED, Question
from adapters.webchat.forms import attributes, fill
from adapters.webchat.identity import User
from adapters.webchat.wire import (
    ChoiceDraft,
    Draft,
    FileDraft,
    FormDraft,
    Item,
    RatingDraft,
    Send,
    Shown,
    ShownChoice,
    ShownDelete,
    ShownEdit,
    ShownFile,
    ShownForm,
    ShownOption,
    ShownRating,
    ShownText,
    Speaker,
    TextDraft,
)
from normalizer.content import Choice, Content, Delete, Edit, Form, Language, Media, Rating, Text
from normalizer.envelope import Envelope, Sender
from normalizer.outbound import Author
from normalizer.plain import clean_line, clean_text, display_text

TYPE = "webchat"
BROWSER_CONFIDENCE = 0.5
"""A browser's language is that of the machine more often than that of the person."""

MAX_FRAME_ITEMS = 100
MAX_FRAME_BYTES = 48 * 1024

OpenFile = Callable[[str], Media]
"""Reads a reference; raises TokenRefused."""
NameFile = Callable[[Media], str]
"""Makes a reference for the visitor who is looking."""


class Known(Struct, frozen=True):
    """What a page says of itself and its visitor; ``place`` is up to where it knows the conversation.

    ``user`` alone is proven.
    """

    place: Cursor | None = None
    page: str = ""
    title: str = ""
    language: str = ""
    referrer: str = ""
    campaign: str = ""
    department: str = ""
    attributes: dict[str, str] = {}
    user: User | None = None


class Rules(Struct, frozen=True):
    """What the settings allow a visitor to send."""

    questions: Sequence[Question] = ()
    invitations: frozenset[str] = frozenset()


def to_envelope(  # noqa: PLR0913 - everything a pure function needs is an argument
    send: Send, known: Known, rules: Rules, *, channel: str, address: str, new_id: str, now: int, open_file: OpenFile
) -> Envelope:
    """Make the envelope of a visitor's message.

    Raises:
        TokenRefused: a reference to a file that is not theirs.
        Refusal: a form that does not answer what was asked.
    """
    content = to_content(send.content, rules, open_file)
    answers = attributes(content) if isinstance(content, Form) else {}
    ours = _attributes(known) | ({"invitation": send.invitation} if send.invitation in rules.invitations else {})
    return Envelope(
        id=new_id,
        at=now,
        channel=channel,
        type=TYPE,
        native_id=send.id,
        address=address,
        content=content,
        sender=Sender(name=_name(known, answers), languages=_languages(known)),
        reply_to=send.reply_to,
        attributes=_claims(known.attributes) | answers | ours,
    )


def to_content(draft: Draft, rules: Rules, open_file: OpenFile) -> Content:
    """Translate what a visitor wrote. Raises TokenRefused or Refusal."""
    match draft:
        case TextDraft():
            return Text(text=clean_text(draft.text))
        case FileDraft():
            media = open_file(draft.file)
            caption = clean_text(draft.caption)
            return msgspec.structs.replace(media, caption=caption, voice=draft.voice, duration=draft.duration)
        case ChoiceDraft():
            return Choice(text=clean_line(draft.text, 1_000), chosen=draft.chosen)
        case RatingDraft():
            score = min(draft.score, draft.scale)
            return Rating(score=score, scale=draft.scale, comment=clean_text(draft.comment))
        case FormDraft():
            return fill(draft, rules.questions)


def to_item(item: LineItem, name_file: NameFile) -> Item:
    """Show one thing on the line to its visitor."""
    return Item(
        kind=item.kind,
        at=item.at,
        conversation=item.conversation,
        n=item.n,
        id=item.id,
        content=None if item.content is None else to_shown(item.content, name_file),
        author=None if item.author is None else to_speaker(item.author),
    )


def to_shown(content: Content, name_file: NameFile) -> Shown:
    """Show content; a kind that the page has no shape for is shown as its text."""
    match content:
        case Text():
            files = tuple(_shown_file(media, name_file) for media in content.attachments)
            return ShownText(content.text, files)
        case Media():
            return _shown_file(content, name_file)
        case Choice():
            options = tuple(ShownOption(option.id, option.label, option.url) for option in content.options)
            return ShownChoice(content.text, options, content.chosen)
        case Rating():
            return ShownRating(content.score, content.scale, content.comment)
        case Form():
            return ShownForm(content.name, content.answers)
        case Edit():
            return ShownEdit(content.target, content.text)
        case Delete():
            return ShownDelete(content.target)
        case _:
            return ShownText(display_text(content))


def to_speaker(author: Author) -> Speaker:
    """Show who answers; the operator's id stays with us."""
    return Speaker(author.name, author.avatar, system=author.kind == "system")


def portions(items: Iterable[LineItem], show: Callable[[LineItem], Item]) -> Iterator[tuple[tuple[Item, ...], Cursor]]:
    """Cut a long history into frames of bounded size, each with the cursor behind it.

    Items of one record have the same cursor and stay together, so that whoever resumes between two frames misses
    none of them; one record alone may exceed the bound.
    """
    portion: list[Item] = []
    size = 0
    last: Cursor | None = None
    for cursor, record in groupby(items, key=attrgetter("cursor")):
        shown = [show(item) for item in record]
        weight = sum(len(msgspec.json.encode(item)) for item in shown)
        if last and (len(portion) + len(shown) > MAX_FRAME_ITEMS or size + weight > MAX_FRAME_BYTES):
            yield tuple(portion), last
            portion, size = [], 0
        portion += shown
        size += weight
        last = cursor
    if last:
        yield tuple(portion), last


def _languages(known: Known) -> tuple[Language, ...]:
    return (Language(code=known.language, confidence=BROWSER_CONFIDENCE),) if known.language else ()


def _name(known: Known, answers: Mapping[str, str]) -> str:
    return (known.user.name if known.user else "") or answers.get("name", "")


def _claims(attributes: Mapping[str, str]) -> dict[str, str]:
    """Keep what a page says of its visitor, but for names that mean something to us."""
    return {
        name: clean_line(text, 300)
        for name, text in attributes.items()
        if text and name not in RESERVED and not name.startswith("user")
    }


def _attributes(known: Known) -> dict[str, str]:
    found = {
        "page": clean_line(known.page, 1_000),
        "title": clean_line(known.title, 300),
        "referrer": clean_line(known.referrer, 1_000),
        "campaign": clean_line(known.campaign, 300),
        "department": clean_line(known.department, 40),
    }
    proven = known.user.attributes() if known.user else {}
    return {name: text for name, text in found.items() if text} | proven


def _shown_file(media: Media, name_file: NameFile) -> ShownFile:
    return ShownFile(
        file=name_file(media),
        type=media.type,
        name=media.filename,
        size=media.file.size,
        caption=media.caption,
        width=media.width,
        height=media.height,
        duration=media.duration,
        voice=media.voice,
    )
