"""python-telegram-bot (docs.python-telegram-bot.org) as the driver; under LGPL-3.0-only, hence an extra of its own.

Its models read updates and shape calls; the connection is ours, because its own reads whole files into memory.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import IO, Any, cast

import msgspec
from telegram import Bot, InputFile, ReactionType, Update
from telegram.request import BaseRequest, RequestData

from adapters.contract import Media
from adapters.telegram.client import BotApi, Call, Exchange
from adapters.telegram.wire import Json, Poison

METHODS: Mapping[str, Callable[..., Awaitable[object]]] = {
    "sendMessage": Bot.send_message,
    "sendPhoto": Bot.send_photo,
    "sendVideo": Bot.send_video,
    "sendAnimation": Bot.send_animation,
    "sendAudio": Bot.send_audio,
    "sendVoice": Bot.send_voice,
    "sendDocument": Bot.send_document,
    "sendLocation": Bot.send_location,
    "sendVenue": Bot.send_venue,
    "sendContact": Bot.send_contact,
    "editMessageText": Bot.edit_message_text,
    "editMessageCaption": Bot.edit_message_caption,
    "deleteMessage": Bot.delete_message,
    "setMessageReaction": Bot.set_message_reaction,
    "sendChatAction": Bot.send_chat_action,
    "answerCallbackQuery": Bot.answer_callback_query,
}

logging.getLogger("telegram").setLevel(logging.CRITICAL)  # it logs whole messages, and addresses with the token


class Opened:
    """The driver of one channel."""

    def __init__(self, api: BotApi, media: Media) -> None:
        self._api = api
        self._media = media

    def read(self, update: Json) -> Json:
        """Read an update with the library's models. Raises Poison."""
        try:
            plain: Json = Update.de_json(update, None).to_dict()
        except Exception as exc:  # it does not check what it reads, and so fails in any way there is
            raise Poison(f"{type(exc).__name__}: {exc}") from exc
        return plain

    async def call(self, call: Call) -> Json:
        """Make a call. Raises SendError, StartError."""
        exchange = Exchange(self._api, call.upload, self._media)
        request = _Request(exchange)
        bot = Bot(self._api.token, request=request, get_updates_request=request)
        files: Json = {}
        if exchange.upload is not None:
            handle = cast("IO[bytes]", exchange.upload)  # it is only carried, and read by our own client
            files[exchange.upload.ref.field] = InputFile(
                handle, filename=exchange.upload.ref.filename, read_file_handle=False
            )
        return await exchange.settle(METHODS[call.method](bot, **_objects(call.params), **files))


def _objects(params: Json) -> Json:
    """Give parameters as the library wants them: it takes plain JSON for all but reactions."""
    if "reaction" not in params:
        return params
    return {**params, "reaction": [ReactionType.de_json(one, None) for one in params["reaction"]]}


class _Request(BaseRequest):
    """Carries one call."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    @property
    def read_timeout(self) -> float | None:
        """The client has its own."""
        return None

    async def initialize(self) -> None:
        """Nothing is to be opened."""

    async def shutdown(self) -> None:
        """Nothing is open."""

    async def do_request(  # noqa: PLR0913, PLR0917  # the library's signature
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: Any = None,  # noqa: ANN401  # as the library has it
        write_timeout: Any = None,  # noqa: ANN401
        connect_timeout: Any = None,  # noqa: ANN401
        pool_timeout: Any = None,  # noqa: ANN401
    ) -> tuple[int, bytes]:
        """Send a call as a form."""
        del method, read_timeout, write_timeout, connect_timeout, pool_timeout
        fields = request_data.json_parameters if request_data is not None else {}
        answer = await self._exchange.post(url.rpartition("/")[2], fields)
        return 200, msgspec.json.encode({"ok": True, "result": answer.result})
