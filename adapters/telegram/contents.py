"""What a message says: its content in our words. Pure."""

from collections.abc import Iterator
from itertools import chain

from msgspec import Struct

from adapters.telegram.wire import Entity, File, Message, Poll, Pressed
from normalizer.content import (
    Choice,
    ContactCard,
    Content,
    Location,
    Media,
    Option,
    StoredFile,
    Text,
    Unsupported,
)
from normalizer.plain import clean_line, clean_text, numbered
from normalizer.split import clip
from web.uploads import clean_name

LONGEST_TEXT = 50_000
MEGABYTE = 1_000_000

FILES = ("animation", "live_photo", "video", "video_note", "voice", "audio", "sticker", "document")
"""The fields of a message that hold a file, and the photo."""


class Fetched(Struct, frozen=True):
    """A file in the media store, and what its bytes show it to be."""

    file: StoredFile
    type: str


class Missing(Struct, frozen=True):
    """A file that could not be had; ``reason`` goes on from "the file ..."."""

    reason: str


def file_in(message: Message) -> File | None:
    """Give the file of a message. An animation comes as a document too, for older programs."""
    if message.photo:
        return max(message.photo, key=lambda size: (size.width or 0) * (size.height or 0))
    for name in FILES:
        file: File | None = getattr(message, name)
        if file is not None:
            return file
    return None


def content_of(message: Message, file: Fetched | Missing | None) -> Content:
    """Give the content; ``file`` is what became of the message's file."""
    found = file_in(message)
    if found is not None:
        return _file(message, found, file)
    if message.venue is not None:
        place = message.venue.location
        name, street = clean_line(message.venue.title), clean_line(message.venue.address, 1_000)
        return Location(latitude=place.latitude, longitude=place.longitude, name=name, address=street)
    if message.location is not None:
        return Location(latitude=message.location.latitude, longitude=message.location.longitude)
    if message.contact is not None:
        name = clean_line(f"{message.contact.first_name} {message.contact.last_name}")
        return ContactCard(name=name, phones=(clean_line(message.contact.phone_number),))
    words = _spoken(message)
    if words:
        return Text(text=_quoted(message, words))
    moved = [name for name in ("migrate_to_chat_id", "migrate_from_chat_id") if getattr(message, name)]
    return Unsupported(what=clean_line(", ".join((*message.others, *moved))) or "an empty message")


def _spoken(message: Message) -> str:
    """Give what a message says in words: its text, or what a poll, a dice or a rich message comes to in text."""
    if message.poll is not None:
        return _poll(message.poll)
    if message.dice is not None:
        return f"{message.dice.emoji} {message.dice.value}"
    if message.rich_message is not None:
        return clip("\n".join(_rich_lines(message.rich_message)), LONGEST_TEXT) or "[rich_message]"
    return words_of(message)


def _file(message: Message, file: File, had: Fetched | Missing | None) -> Content:
    caption = _quoted(message, words_of(message) or clean_text(file.emoji))
    if not isinstance(had, Fetched):
        reason = had.reason if had is not None else "was not fetched"
        told = f"{clean_line(file.file_name) or _kind(message)}{_size(file)}: the file {reason}"
        return Text(text=f"{caption}\n[{told}]") if caption else Unsupported(what=told)
    return Media(
        file=had.file,
        type=had.type,
        filename=clean_name(file.file_name) if file.file_name else "",
        caption=caption,
        width=file.width if file.length is None else file.length,
        height=file.height if file.length is None else file.length,
        duration=None if file.duration is None else max(file.duration, 0) * 1_000,
        voice=message.voice is not None,
    )


def _kind(message: Message) -> str:
    return next((name for name in FILES if getattr(message, name) is not None), "photo")


def _size(file: File) -> str:
    return f" ({file.file_size / MEGABYTE:.1f} MB)" if file.file_size >= MEGABYTE else ""


def choice_of(pressed: Pressed, message: Message) -> Choice:
    """Give what was chosen, with the label of the button where the message still shows it."""
    chosen = clean_line(pressed.data, 64)
    rows = message.reply_markup.inline_keyboard if message.reply_markup is not None else ()
    labels = (button.text for button in chain.from_iterable(rows) if button.callback_data == pressed.data)
    label = clean_line(next(labels, ""))
    return Choice(chosen=chosen, options=(Option(id=chosen, label=label),) if label else ())


def _poll(poll: Poll) -> str:
    options = tuple(Option(id=str(n), label=clean_line(option.text)) for n, option in enumerate(poll.options))
    return numbered(Choice(text=clean_text(poll.question), options=options))


def words_of(message: Message) -> str:
    """Give the text or the caption, with the addresses of links that hide behind words."""
    if message.text:
        return clip(clean_text(with_links(message.text, message.entities)), LONGEST_TEXT)
    return clip(clean_text(with_links(message.caption, message.caption_entities)), LONGEST_TEXT)


def _quoted(message: Message, words: str) -> str:
    """Put what the customer has picked from the answered message in front, as people do in mail."""
    if message.quote is None or not message.quote.is_manual:
        return words
    lines = clean_text(message.quote.text).split("\n")
    return "\n".join((*(f"> {line}" for line in lines), words))


def with_links(text: str, entities: tuple[Entity, ...]) -> str:
    """Put the address of each hidden link behind its words. Offsets count UTF-16 units; impossible ones are ignored."""
    links = sorted((e.offset + e.length, e.url) for e in entities if e.type == "text_link" and e.url)
    if not links:
        return text
    units = text.encode("utf-16-le", "surrogatepass")
    for end, url in reversed(links):
        if 0 < 2 * end <= len(units) and not _inside(units, 2 * end):
            units = units[: 2 * end] + f" ({url})".encode("utf-16-le", "surrogatepass") + units[2 * end :]
    return units.decode("utf-16-le", "surrogatepass")


_SECOND_HALVES = tuple(bytes([high]) for high in range(0xDC, 0xE0))
"""The high byte of the second half of a surrogate pair (RFC 2781 section 2.1)."""


def _inside(units: bytes, end: int) -> bool:
    """Whether a place lies within a surrogate pair."""
    return units[end + 1 : end + 2] in _SECOND_HALVES


def _rich_lines(value: object) -> Iterator[str]:
    """Give the words of a rich message, a line for the text of each block, whatever blocks there are."""
    match value:
        case list():
            for part in value:
                yield from _rich_lines(part)
        case dict():
            if line := clean_text("".join(_rich_words(value.get("text")))):
                yield line
            for name, inner in value.items():
                if name != "text" and isinstance(inner, list):
                    yield from _rich_lines(inner)
        case _:
            return


def _rich_words(text: object) -> Iterator[str]:
    match text:
        case str():
            yield text
        case list():
            for part in text:
                yield from _rich_words(part)
        case {"text": inner}:
            yield from _rich_words(inner)
        case _:
            return
