"""aiogram (docs.aiogram.dev) as the driver: its models read updates and shape calls; the connection is ours.

Its own session is not used: it takes a success that it cannot read for a failure, and its errors hide whether a request
went out.
"""

from collections.abc import AsyncGenerator, Mapping
from typing import Any, cast

from aiogram import Bot, methods
from aiogram.client.session.base import BaseSession
from aiogram.methods import TelegramMethod
from aiogram.methods.base import TelegramType
from aiogram.types import InputFile, Update
from pydantic import ValidationError

from adapters.contract import Media
from adapters.telegram.client import BotApi, Call, Exchange, Upload
from adapters.telegram.wire import Json, Poison

METHODS: Mapping[str, type[TelegramMethod[Any]]] = {
    "sendMessage": methods.SendMessage,
    "sendPhoto": methods.SendPhoto,
    "sendVideo": methods.SendVideo,
    "sendAnimation": methods.SendAnimation,
    "sendAudio": methods.SendAudio,
    "sendVoice": methods.SendVoice,
    "sendDocument": methods.SendDocument,
    "sendLocation": methods.SendLocation,
    "sendVenue": methods.SendVenue,
    "sendContact": methods.SendContact,
    "editMessageText": methods.EditMessageText,
    "editMessageCaption": methods.EditMessageCaption,
    "deleteMessage": methods.DeleteMessage,
    "setMessageReaction": methods.SetMessageReaction,
    "sendChatAction": methods.SendChatAction,
    "answerCallbackQuery": methods.AnswerCallbackQuery,
}


class Opened:
    """The driver of one channel."""

    def __init__(self, api: BotApi, media: Media) -> None:
        self._api = api
        self._media = media

    def read(self, update: Json) -> Json:
        """Read an update with aiogram's models. Raises Poison."""
        try:
            plain: Json = Update.model_validate(update).model_dump(
                mode="json", by_alias=True, exclude_unset=True, warnings=False
            )
        except Exception as exc:  # whatever its models make of an update
            raise Poison(_reason(exc)) from exc
        return plain

    async def call(self, call: Call) -> Json:
        """Make a call. Raises SendError, StartError."""
        exchange = Exchange(self._api, call.upload, self._media)
        bot = Bot(self._api.token, session=_Session(exchange))
        files: Json = {}
        if exchange.upload is not None:
            files[exchange.upload.ref.field] = _Streamed(exchange.upload)
        return await exchange.settle(_work(bot, call, files))


async def _work(bot: Bot, call: Call, files: Json) -> None:
    await bot(METHODS[call.method](**call.params, **files))


class _Session(BaseSession):
    """Carries one call."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__()
        self._exchange = exchange

    async def make_request(
        self,
        bot: Bot,
        method: TelegramMethod[TelegramType],
        timeout: int | None = None,  # noqa: ASYNC109  # aiogram's
    ) -> TelegramType:
        """Send a call as a form, as the Bot API wants it."""
        del timeout
        files: Json = {}
        fields = {
            name: self.prepare_value(value, bot, files) for name, value in method.model_dump(warnings=False).items()
        }
        uploaded = {file.upload.ref.field for file in files.values()}
        sent = {name: str(value) for name, value in fields.items() if value and name not in uploaded}
        answer = await self._exchange.post(method.__api_method__, sent)
        content = b'{"ok":true,"result":' + bytes(answer.result) + b"}"
        return cast("TelegramType", self.check_response(bot, method, 200, content.decode()).result)

    async def close(self) -> None:
        """Nothing is open."""

    def stream_content(
        self,
        url: str,
        headers: Json | None = None,
        timeout: int = 30,
        chunk_size: int = 65536,
        raise_for_status: bool = True,  # noqa: FBT001, FBT002  # aiogram's signature
    ) -> AsyncGenerator[bytes, None]:
        """Files are fetched by the channel's own client."""
        raise NotImplementedError


class _Streamed(InputFile):
    """Stands for a file that the channel's own client streams from the media store."""

    def __init__(self, upload: Upload) -> None:
        super().__init__(filename=upload.ref.filename)
        self.upload = upload

    def read(self, bot: Bot) -> AsyncGenerator[bytes, None]:
        """Never asked for."""
        raise NotImplementedError


def _reason(exc: Exception) -> str:
    """Say where an update is wrong, without what stands in it."""
    if isinstance(exc, ValidationError):
        first = exc.errors(include_url=False, include_input=False, include_context=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return f"{type(exc).__name__}: {exc}"
