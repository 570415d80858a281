"""What the Bot API takes and refuses (core.telegram.org/bots/api): each call is checked before the simulator does it.

The shape of a call is checked with aiogram's models, which are made from Telegram's documentation; the limits below are
those that the documentation states in words.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from aiogram import methods
from aiogram.methods import TelegramMethod
from aiohttp import BodyPartReader, MultipartReader, StreamReader, web
from aiohttp.base_protocol import BaseProtocol
from msgspec import Struct
from pydantic import ValidationError

from web.uploads import sniff

TEXT_LIMIT, CAPTION_LIMIT = 4_096, 1_024
LARGEST_UPLOAD, LARGEST_PHOTO = 50_000_000, 10_000_000
LARGEST_DOWNLOAD = 20_000_000
MOST_BUTTONS, MOST_IN_ROW = 100, 8
CALLBACK_BYTES = 64
WEBHOOK_PORTS = (443, 80, 88, 8443)
_EMOJIS = "👍 👎 ❤ 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 🙏 👌 🤡 💯 🤣 ⚡ 💔 😐 🤝 👀 ✍ 🤗 🫡 😎"
REACTIONS = frozenset(_EMOJIS.split())

METHODS: Mapping[str, type[TelegramMethod[Any]]] = {
    method.__api_method__: method
    for method in (
        methods.AnswerCallbackQuery,
        methods.DeleteMessage,
        methods.DeleteWebhook,
        methods.EditMessageCaption,
        methods.EditMessageText,
        methods.GetFile,
        methods.GetMe,
        methods.GetUpdates,
        methods.GetWebhookInfo,
        methods.SendAnimation,
        methods.SendAudio,
        methods.SendChatAction,
        methods.SendContact,
        methods.SendDocument,
        methods.SendLocation,
        methods.SendMessage,
        methods.SendPhoto,
        methods.SendVenue,
        methods.SendVideo,
        methods.SendVoice,
        methods.SetMessageReaction,
        methods.SetWebhook,
    )
}

FILE_FIELDS = {
    "sendPhoto": "photo",
    "sendVideo": "video",
    "sendAnimation": "animation",
    "sendAudio": "audio",
    "sendVoice": "voice",
    "sendDocument": "document",
}
_JSON_FIELDS = frozenset(
    {"reply_markup", "reply_parameters", "entities", "caption_entities", "allowed_updates", "reaction"}
)
_PICTURES = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp"})

Params = dict[str, Any]
"""The parameters of a call as they came."""


class ApiError(Exception):
    """The call is refused, in Telegram's words."""

    def __init__(
        self, status: int, description: str, *, retry_after: int | None = None, migrate_to: int | None = None
    ) -> None:
        super().__init__(description)
        self.status = status
        self.description = description
        self.parameters: dict[str, int] = {}
        if retry_after is not None:
            self.parameters["retry_after"] = retry_after
        if migrate_to is not None:
            self.parameters["migrate_to_chat_id"] = migrate_to


class Uploaded(Struct, frozen=True):
    """A file that came with a call."""

    name: str
    content: bytes


async def read_call(request: web.Request) -> tuple[dict[str, str], dict[str, Uploaded]]:
    """Read the parameters from the query and a form, with files where it has parts."""
    fields, files = dict(request.query), dict[str, Uploaded]()
    if not request.content_type.startswith("multipart/"):
        return {**fields, **{key: str(value) for key, value in (await request.post()).items()}}, files
    async for part in _parts(request.headers, await request.read()):
        if part.filename is not None:
            files[part.name or ""] = Uploaded(part.filename, bytes(await part.read()))
        else:
            fields[part.name or ""] = await part.text()
    return fields, files


async def _parts(headers: Mapping[str, str], body: bytes) -> AsyncIterator[BodyPartReader]:
    """Take a form of parts apart, whose bytes the simulator has noted already."""
    loop = asyncio.get_running_loop()
    stream = StreamReader(BaseProtocol(loop), len(body) + 1, loop=loop)
    stream.feed_data(body)
    stream.feed_eof()
    reader = MultipartReader(headers, stream)
    while (part := await reader.next()) is not None:
        if isinstance(part, BodyPartReader):
            yield part


def check_call(name: str, fields: Mapping[str, str], files: Mapping[str, Uploaded]) -> Params:
    """Read the parameters of a call. Raises ApiError for what Telegram would not take or does not know."""
    method = METHODS.get(name)
    if method is None:
        raise ApiError(404, "Not Found")
    unknown = (set(fields) | set(files)) - set(method.model_fields)
    if unknown:
        raise ApiError(400, f"Bad Request: the simulator knows no parameter {', '.join(sorted(unknown))} of {name}")
    params: Params = {key: _value(key, text) for key, text in fields.items()}
    params |= {key: f"attach://{key}" for key in files}
    try:
        method.model_validate(params)
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ApiError(400, f"Bad Request: parameter {where}: {first['msg']}") from exc
    _check_texts(name, params)
    _check_keyboard(params.get("reply_markup"))
    for field, file in files.items():
        _check_file(field, file)
    _check_reaction(params.get("reaction", []))
    return params


def utf16(text: str) -> int:
    """Count as Telegram does."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _value(key: str, text: str) -> object:
    if key not in _JSON_FIELDS:
        return text
    try:
        return json.loads(text)
    except ValueError as exc:
        raise ApiError(400, f"Bad Request: can't parse {key} JSON object") from exc


def _check_texts(name: str, params: Params) -> None:
    if name in ("sendMessage", "editMessageText") and not str(params["text"]).strip():
        raise ApiError(400, "Bad Request: message text is empty")
    if utf16(str(params.get("text", ""))) > TEXT_LIMIT:
        raise ApiError(400, "Bad Request: message is too long")
    if utf16(str(params.get("caption", ""))) > CAPTION_LIMIT:
        raise ApiError(400, "Bad Request: message caption is too long")


def _check_keyboard(markup: object) -> None:
    rows = markup.get("inline_keyboard", []) if isinstance(markup, dict) else []
    if sum(map(len, rows)) > MOST_BUTTONS or any(len(row) > MOST_IN_ROW for row in rows):
        raise ApiError(400, "Bad Request: reply markup is too long")
    for button in (button for row in rows for button in row):
        if not button["text"].strip():
            raise ApiError(400, "Bad Request: inline keyboard button text must be non-empty")
        if "url" not in button and not 0 < len(button.get("callback_data", "").encode()) <= CALLBACK_BYTES:
            raise ApiError(400, "Bad Request: BUTTON_DATA_INVALID")


def _check_file(field: str, file: Uploaded) -> None:
    if not file.content:
        raise ApiError(400, "Bad Request: file must be non-empty")
    if len(file.content) > LARGEST_UPLOAD:
        raise ApiError(413, "Request Entity Too Large")
    if field == "photo" and len(file.content) > LARGEST_PHOTO:
        raise ApiError(400, "Bad Request: file is too big for a photo")
    if field == "photo" and sniff(file.content[:4_096]) not in _PICTURES:
        raise ApiError(400, "Bad Request: IMAGE_PROCESS_FAILED")


def _check_reaction(reactions: list[Params]) -> None:
    if any(one.get("type") == "emoji" and one.get("emoji") not in REACTIONS for one in reactions):
        raise ApiError(400, "Bad Request: REACTION_INVALID")
