"""The Bot API over HTTP: one call, one answer, every failure translated here and nowhere else.

The token is a part of each address, so no exception of the HTTP library leaves this module: what it says goes on as one
of our errors, without the address.
"""

from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Protocol

import aiohttp
import msgspec
from aiohttp import hdrs
from msgspec import Struct
from yarl import URL

from adapters.contract import Context, Media
from adapters.errors import ChannelError, NotReachable, Refused, SendError, TryLater
from adapters.telegram.faults import TWICE, Answer, to_client_error, to_error
from adapters.telegram.settings import TelegramSettings
from adapters.telegram.wire import Json
from normalizer.content import StoredFile

CONNECT_TIMEOUT = 10.0
MAX_ANSWER = 64 * 1024 * 1024
FILE_SILENCE = 30.0
CHUNK = 64 * 1024
BATCH = 100


class FileRef(Struct, frozen=True, kw_only=True):
    """A stored file that goes along with a call, as its parameter ``field``."""

    field: str
    file: StoredFile
    filename: str
    type: str


class Call(Struct, frozen=True, kw_only=True):
    """One call of the Bot API: ``method`` and its parameters, named as there."""

    method: str
    params: Json
    upload: FileRef | None = None


class Upload:
    """A file on its way out; ``finished`` when its last byte was handed over."""

    def __init__(self, ref: FileRef, media: Media) -> None:
        self.ref = ref
        self.finished = False
        self.broken: Exception | None = None
        self._media = media

    async def chunks(self) -> AsyncIterator[bytes]:
        """Give the bytes. What goes wrong with the store is kept in ``broken``: the HTTP library would hide it."""
        try:
            async for chunk in self._media.read(self.ref.file):
                yield chunk
        except Exception as exc:
            self.broken = exc
            raise
        self.finished = True


class Library(Protocol):
    """A library that knows the Bot API: it reads updates and makes calls."""

    def read(self, update: Json) -> Json:
        """Read an update into the library's models and write it down again. Raises Poison."""
        ...

    async def call(self, call: Call) -> Json:
        """Make a call and give its result; of a result that is no object nothing.

        Raises:
            SendError, StartError: see :mod:`adapters.telegram.faults`.
        """
        ...


class BotApi:
    """What both drivers send their requests through."""

    def __init__(self, settings: TelegramSettings, context: Context) -> None:
        self.token = settings.token.reveal()
        self.bot = int(self.token.partition(":")[0])
        self._settings = settings
        self._context = context
        self._url = settings.api_url.rstrip("/")
        self.date: float | None = None
        """What the other side's clock said last, in Unix seconds."""

    async def updates(self, offset: int | None, wait: float, allowed: Sequence[str]) -> list[msgspec.Raw]:
        """Wait up to ``wait`` seconds for updates, each as it came; those before ``offset`` are confirmed by that.

        Raises:
            ChannelError: see :mod:`adapters.telegram.faults`.
        """
        params = {
            "limit": str(BATCH),
            "timeout": str(int(wait)),
            "allowed_updates": msgspec.json.encode(allowed).decode(),
        }
        if offset is not None:
            params["offset"] = str(offset)
        answer = await self.post("getUpdates", params, within=wait + self._settings.timeout.seconds)
        try:
            return msgspec.json.decode(answer.result, type=list[msgspec.Raw])
        except msgspec.MsgspecError as exc:
            raise NotReachable("bad_answer", f"what answers is no Bot API: {exc}") from exc

    async def ask(self, method: str, params: Json) -> Json:
        """Make a call about the bot itself, which needs no library. Raises ChannelError."""
        fields = {name: str(msgspec.json.encode(value), "utf-8") for name, value in params.items()}
        fields |= {name: value for name, value in params.items() if isinstance(value, str)}
        return (await self.post(method, fields)).object()

    async def post(
        self, method: str, fields: Mapping[str, str], upload: Upload | None = None, *, within: float | None = None
    ) -> Answer:
        """Make a call and give its answer, which is ok. Raises ChannelError."""
        try:
            async with self._request(method, fields, upload, within or self._settings.timeout.seconds) as response:
                status, header = response.status, response.headers.get(hdrs.RETRY_AFTER, "")
                self.date = _date(response.headers.get(hdrs.DATE, ""))
                answer = _decode(await _read(response))
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            error = _translate(method, exc, upload)
        else:
            if status == HTTPStatus.OK and answer is not None and answer.ok:
                return answer
            error = to_error(method, status, answer, _seconds(header))
        raise error  # out here it takes no trace of the request along, in which the token stands

    async def download(self, path: str) -> AsyncIterator[bytes]:
        """Give the bytes of a file that getFile has named. Raises TryLater, Refused."""
        url = URL(f"{self._url}/file/bot{self.token}/{path}")
        timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_TIMEOUT, sock_read=FILE_SILENCE)
        error: ChannelError
        try:
            async with self._context.http.get(url, timeout=timeout, allow_redirects=False) as response:
                if response.status == HTTPStatus.OK:
                    async for chunk in response.content.iter_chunked(CHUNK):
                        yield chunk
                    return
                error = _of_download(response.status)
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            error = TryLater("file_broken", f"the file did not come ({type(exc).__name__})")
        raise error

    def _request(
        self, method: str, fields: Mapping[str, str], upload: Upload | None, within: float
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Use a connection of its own for what must not be made twice: a kept one may just be ending."""
        return self._context.http.post(
            URL(f"{self._url}/bot{self.token}/{method}"),
            data=_form(fields, upload) if upload is not None else dict(fields),
            headers={} if method in TWICE else {hdrs.CONNECTION: "close"},
            timeout=aiohttp.ClientTimeout(total=within, connect=CONNECT_TIMEOUT),
            allow_redirects=False,
        )


class Exchange:
    """One call on its way through a library: what came back is kept, whatever the library makes of it."""

    def __init__(self, api: BotApi, ref: FileRef | None, media: Media) -> None:
        self.upload = Upload(ref, media) if ref is not None else None
        self.answer: Answer | None = None
        self.failure: ChannelError | None = None
        self._api = api

    async def post(self, method: str, fields: Mapping[str, str]) -> Answer:
        """Make the call for the library. Raises ChannelError."""
        try:
            self.answer = await self._api.post(method, fields, self.upload)
        except ChannelError as exc:
            self.failure = exc
            raise
        return self.answer

    async def settle(self, work: Awaitable[object]) -> Json:
        """Let the library work, and give the result as it came.

        A library that fails after the answer was there does not understand the answer: the call was made all the same.
        """
        try:
            await work
        except Exception as exc:
            if self.failure is not None:
                raise self.failure from None
            if self.answer is None:
                raise Refused("invalid", f"the library does not take this message ({type(exc).__name__})") from exc
        assert self.answer is not None  # noqa: S101  # every call of a library ends in post
        return self.answer.object()


def _translate(method: str, exc: aiohttp.ClientError | TimeoutError | OSError, upload: Upload | None) -> ChannelError:
    if upload is not None and upload.broken is not None:
        return _of_store(upload.broken)
    return to_client_error(method, exc, incomplete=upload is not None and not upload.finished)


def _form(fields: Mapping[str, str], upload: Upload) -> aiohttp.FormData:
    form = aiohttp.FormData(quote_fields=False)
    for name, value in fields.items():
        form.add_field(name, value)
    ref = upload.ref
    form.add_field(ref.field, upload.chunks(), filename=ref.filename, content_type=ref.type)
    return form


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_ANSWER:
            raise aiohttp.ClientPayloadError("the answer is too long")
    return bytes(body)


def _decode(body: bytes) -> Answer | None:
    try:
        return msgspec.json.decode(body, type=Answer)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None  # a proxy's page


def _seconds(header: str) -> float | None:
    return float(header[:9]) if header.isascii() and header.isdecimal() else None


def _date(header: str) -> float | None:
    try:
        return parsedate_to_datetime(header).timestamp()
    except (ValueError, OverflowError):
        return None


def _of_download(status: int) -> ChannelError:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
        return TryLater(f"http_{status}", "Telegram does not give the file now")
    return Refused(f"http_{status}", "Telegram does not give the file")


def _of_store(broken: Exception) -> SendError:
    if isinstance(broken, LookupError):
        return Refused("file_gone", "the file is not kept any more")
    return TryLater("file_not_read", f"the file could not be read from the store ({type(broken).__name__})")
