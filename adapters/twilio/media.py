"""Files that customers send: fetched from Twilio's hosts alone, at most so big, of the type that their bytes show.

https://www.twilio.com/docs/messaging/api/media-resource: the address asks for Basic authentication and redirects to a
signed one elsewhere, which must not see our credentials.
"""

import mimetypes
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from fnmatch import fnmatchcase
from http import HTTPStatus

import aiohttp
import msgspec
from aiohttp import hdrs
from yarl import URL

from adapters import contract
from adapters.contract import FileTooBig
from adapters.twilio.mapping import Found, Missing, read_card
from adapters.twilio.settings import API, TwilioSettings
from adapters.twilio.wire import MediaRef
from normalizer.content import Media
from normalizer.plain import clean_line
from web.uploads import CHUNK_BYTES, clean_name, sniff

HEAD_BYTES = 4 * 1024
CARD_BYTES = 64 * 1024
MOST_REDIRECTS = 3
CARD_TYPES = frozenset({"text/vcard", "text/x-vcard", "text/directory"})
REDIRECTED_TO = ("twilio.com", "twiliocdn.com", "amazonaws.com")
"""Where Twilio keeps files; each with its subdomains."""

_API_HOST = re.compile(r"api(\.[a-z0-9-]+){0,2}\.twilio\.com")
_PATH = re.compile(r"/2010-04-01/Accounts/AC[0-9a-fA-F]{32}/Messages/[A-Za-z0-9]{34}/Media/ME[0-9a-fA-F]{32}")
_REDIRECTS = (301, 302, 303, 307, 308)


class NotFetched(Exception):
    """A file could not be had now; it may be later."""


class Fetcher:
    """Fetches and stores the files of one channel's messages."""

    def __init__(
        self, settings: TwilioSettings, store: contract.Media, session: Callable[[], aiohttp.ClientSession]
    ) -> None:
        self._settings = settings
        self._store = store
        self._session = session
        key = settings.api_key
        user = key.sid if key else settings.account_sid
        self._authorization = aiohttp.encode_basic_auth(user, (key.secret if key else settings.auth_token).reveal())

    async def fetch(self, ref: MediaRef, key: str) -> Found:
        """Give a stored file, or what is wrong with it for good. ``key`` makes a repetition find the first.

        Raises:
            NotFetched: it may work later.
        """
        url = _parsed(ref.url)
        if url is None or not self._is_twilios(url):
            return Missing(f"a file ({_named(ref)}) that does not lie at Twilio")
        try:
            async with self._open(url) as answer:
                return await self._take(answer, ref, key)
        except FileTooBig as exc:
            return Missing(f"a file ({_named(ref)}) over {exc.limit:,} bytes")
        except _Refused as exc:
            return Missing(f"a file ({_named(ref)}) that {exc}")
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise NotFetched(f"{type(exc).__name__} while a file was fetched") from exc

    def _is_twilios(self, url: URL) -> bool:
        """Whether our credentials may be shown to this address."""
        if self._settings.api != API:
            api = URL(self._settings.api)
            return (url.scheme, url.host, url.port) == (api.scheme, api.host, api.port) and _is_media(url)
        return url.scheme == "https" and url.explicit_port is None and _is_host(url) and _is_media(url)

    def _may_follow(self, url: URL) -> bool:
        """Whether a file may be taken from where a redirect leads; the session keeps inner addresses out besides."""
        allowed = (*REDIRECTED_TO, *self._settings.media_hosts)
        if self._settings.api != API:
            allowed = (URL(self._settings.api).host or "", *self._settings.media_hosts)
        secure = url.scheme == "https" or (url.scheme == "http" and self._settings.api != API)
        host = url.host or ""
        return (
            secure
            and not (url.user or url.password)
            and any(host == one or host.endswith(f".{one}") for one in allowed)
        )

    @asynccontextmanager
    async def _open(self, url: URL) -> AsyncIterator[aiohttp.ClientResponse]:
        """Follow redirects, each without our credentials. Raises _Refused."""
        headers = {hdrs.AUTHORIZATION: self._authorization}
        for _ in range(MOST_REDIRECTS + 1):
            async with self._session().get(url, headers=headers, allow_redirects=False) as answer:
                if answer.status not in _REDIRECTS:
                    _check(answer)
                    yield answer
                    return
                url = self._next(answer)
                headers = {}
        raise _Refused("is redirected again and again")

    def _next(self, answer: aiohttp.ClientResponse) -> URL:
        place = _parsed(answer.headers.get(hdrs.LOCATION, ""))
        target = answer.url.join(place) if place is not None else None
        if target is None or not self._may_follow(target):
            raise _Refused("is redirected to a place that is not Twilio's")
        return target

    async def _take(self, answer: aiohttp.ClientResponse, ref: MediaRef, key: str) -> Found:
        limit = int(self._settings.media.limit)
        if (answer.content_length or 0) > limit:
            raise FileTooBig(limit)
        head = await _head(answer.content, CARD_BYTES if ref.type in CARD_TYPES else HEAD_BYTES)
        if ref.type in CARD_TYPES and (card := read_card(head.decode("utf-8", "replace"))) is not None:
            return card
        claimed = answer.content_disposition.filename if answer.content_disposition else None
        name = clean_name(claimed) if claimed else ""
        media_type = sniff(head[:HEAD_BYTES], name or f"x{mimetypes.guess_extension(ref.type) or ''}")
        if not any(fnmatchcase(media_type, pattern) for pattern in self._settings.media.types):
            raise _Refused(f"is {media_type}, which is not taken in")
        file = await self._store.put(_rejoined(head, answer.content), limit=limit, key=key)
        return Media(file=file, type=media_type, filename=name, voice=media_type == "audio/ogg")


class _Refused(Exception):
    """Why a file will not be taken, as the end of a sentence."""


def _check(answer: aiohttp.ClientResponse) -> None:
    if answer.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        raise _Refused("does not lie at Twilio any more")
    if answer.status != HTTPStatus.OK:
        raise NotFetched(f"status {answer.status} while a file was fetched")


def _is_host(url: URL) -> bool:
    return _API_HOST.fullmatch(url.host or "") is not None and not (url.user or url.password)


def _is_media(url: URL) -> bool:
    return _PATH.fullmatch(url.raw_path) is not None


def _parsed(text: str) -> URL | None:
    try:
        url = URL(text)
        _ = url.port  # a wrong one shows only now
    except ValueError:
        return None
    return url


def _named(ref: MediaRef) -> str:
    return clean_line(ref.type, 60) or "of unknown type"


async def _head(content: aiohttp.StreamReader, size: int) -> bytes:
    head = b""
    while len(head) < size and (chunk := await content.read(size - len(head))):
        head += chunk
    return head


async def _rejoined(head: bytes, rest: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    yield head
    while chunk := await rest.read(CHUNK_BYTES):
        yield chunk


def media_key(address: str, sid: str, place: int) -> str:
    """Give the key by which a file that is delivered again is found."""
    return msgspec.json.encode([address, sid, place]).decode()
