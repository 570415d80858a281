"""Messages to calls of the Bot API. Pure.

Texts go as they are, without a markup: so nothing that an operator writes is taken for formatting, and no entity can be
cut in two.
"""

from msgspec import Struct
from msgspec.structs import replace

from adapters.errors import Refused, SendError
from adapters.telegram.client import Call, FileRef
from adapters.telegram.wire import Json
from normalizer.capabilities import Capabilities, Unit
from normalizer.content import (
    Choice,
    ContactCard,
    Content,
    Delete,
    Edit,
    Location,
    Media,
    Option,
    Reaction,
    Text,
)
from normalizer.plain import display_text

TEXT_LIMIT = 4_096
CAPTION_LIMIT = 1_024
LARGEST_PHOTO = 10_000_000
LARGEST_VOICE = 1_000_000
LARGEST_UPLOAD = 50_000_000
MOST_BUTTONS = 100
LONGEST_LABEL = 64
CALLBACK_BYTES = 64
LONGEST_NAME = 64

CAPABILITIES = Capabilities(
    text_limit=TEXT_LIMIT,
    caption_limit=CAPTION_LIMIT,
    unit=Unit.UTF16_UNITS,
    kinds=frozenset({"location", "contact", "choice", "reaction", "edit", "delete"}),
    media={"*/*": LARGEST_UPLOAD},
    buttons=MOST_BUTTONS,
    button_limit=LONGEST_LABEL,
    link_buttons=True,
    replies=True,
    typing=True,
)

METHODS = {
    "image/jpeg": ("sendPhoto", "photo"),
    "image/png": ("sendPhoto", "photo"),
    "image/webp": ("sendPhoto", "photo"),
    "image/gif": ("sendAnimation", "animation"),
    "video/mp4": ("sendVideo", "video"),
    "audio/mpeg": ("sendAudio", "audio"),
    "audio/mp4": ("sendAudio", "audio"),
    "audio/ogg": ("sendVoice", "voice"),
}
"""How Telegram shows a type; everything else is a document."""

LIMITS = {"sendPhoto": LARGEST_PHOTO, "sendVoice": LARGEST_VOICE}
DOCUMENT = ("sendDocument", "document")
AS_DOCUMENT = frozenset({"bad_photo", "bad_file", "voice_forbidden"})


class Target(Struct, frozen=True, kw_only=True):
    """Where a message goes: the chat, its topic (0: none) and the message that it answers (0: none)."""

    chat: int
    thread: int = 0
    answers: int = 0


def to_call(content: Content, target: Target, message: int = 0) -> Call:
    """Give the call for a content. ``message`` is the number of the one that is changed, deleted or reacted to.

    Raises:
        Refused: Telegram has no such thing.
    """
    about: Json = {"chat_id": target.chat, "message_id": message}
    match content:
        case Text(text=text):
            return _send("sendMessage", target, {"text": text})
        case Choice(text=text, options=options):
            return _send("sendMessage", target, {"text": text or "…", "reply_markup": _keyboard(options)})
        case Media():
            return _media(content, target)
        case Location():
            return _location(content, target)
        case ContactCard(phones=(phone, *_)):
            first, _, last = content.name.partition(" ")
            return _send(
                "sendContact", target, {"phone_number": phone, "first_name": first or phone, "last_name": last}
            )
        case ContactCard():
            return _send("sendMessage", target, {"text": display_text(content)})
        case Edit(text=text):
            return Call(method="editMessageText", params={**about, "text": text})
        case Delete():
            return Call(method="deleteMessage", params=about)
        case Reaction(emoji=emoji):
            reaction = [{"type": "emoji", "emoji": emoji}] if emoji else []
            return Call(method="setMessageReaction", params={**about, "reaction": reaction})
        case other:
            raise Refused("unsupported", f"Telegram cannot show a {other.__struct_config__.tag}")


def mend(call: Call, error: SendError) -> Call | None:
    """Give a call that says the same in another way, after a refusal that it may heal."""
    if isinstance(error, Refused) and error.code in AS_DOCUMENT and call.upload is not None:
        method, field = DOCUMENT
        if call.method != method:
            return Call(
                method=method, params=_without(call.params, _MEDIA_ONLY), upload=replace(call.upload, field=field)
            )
    if isinstance(error, Refused) and error.code == "no_text" and call.method == "editMessageText":
        return Call(
            method="editMessageCaption", params={**_without(call.params, {"text"}), "caption": call.params["text"]}
        )
    return None


def moved(call: Call, chat: int) -> Call:
    """Give the same call for another chat: what it answered and the topic belong to the old one."""
    params = _without(call.params, {"reply_parameters", "message_thread_id"})
    return replace(call, params={**params, "chat_id": chat})


_MEDIA_ONLY = frozenset({"width", "height", "duration", "supports_streaming"})


def _send(method: str, target: Target, params: Json, upload: FileRef | None = None) -> Call:
    found: Json = {"chat_id": target.chat}
    if target.thread:
        found["message_thread_id"] = target.thread
    if target.answers:
        found["reply_parameters"] = {"message_id": target.answers, "allow_sending_without_reply": True}
    return Call(method=method, params={**found, **params}, upload=upload)


def _media(media: Media, target: Target) -> Call:
    method, field = METHODS.get(media.type, DOCUMENT)
    if media.file.size > LIMITS.get(method, LARGEST_UPLOAD):
        method, field = DOCUMENT
    params: Json = {"caption": media.caption} if media.caption else {}
    if method in ("sendVideo", "sendAnimation"):
        params |= {"width": media.width, "height": media.height}
    if method in ("sendVideo", "sendAnimation", "sendVoice", "sendAudio") and media.duration is not None:
        params["duration"] = media.duration // 1_000
    filename = media.filename or f"file{_SUFFIXES.get(media.type, '')}"
    upload = FileRef(field=field, file=media.file, filename=filename, type=media.type)
    return _send(method, target, {name: value for name, value in params.items() if value is not None}, upload)


_SUFFIXES = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/webp": ".webp",
    "image/gif": ".gif",
    "video/mp4": ".mp4",
    "audio/mpeg": ".mp3",
    "audio/mp4": ".m4a",
    "audio/ogg": ".ogg",
    "application/pdf": ".pdf",
    "text/plain": ".txt",
}


def _location(place: Location, target: Target) -> Call:
    params: Json = {"latitude": place.latitude, "longitude": place.longitude}
    if not (place.name or place.address):
        return _send("sendLocation", target, params)
    named = {"title": place.name or place.address, "address": place.address or place.name}
    return _send("sendVenue", target, {**params, **named})


def _keyboard(options: tuple[Option, ...]) -> Json:
    """One button a row: labels are sentences more often than words."""
    return {"inline_keyboard": [[_button(option)] for option in options]}


def _button(option: Option) -> Json:
    if option.url:
        return {"text": option.label, "url": option.url}
    if len(option.id.encode()) > CALLBACK_BYTES:
        raise Refused("bad_button", f"the id of the option {option.label!r} is longer than {CALLBACK_BYTES} bytes")
    return {"text": option.label, "callback_data": option.id}


def _without(params: Json, names: frozenset[str] | set[str]) -> Json:
    return {name: value for name, value in params.items() if name not in names}
