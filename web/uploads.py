"""Files from and to strangers: streamed, limited, named by us, and of the type that their bytes show.

What a browser claims about a file is never believed: the media type is sniffed from the content (puremagic), the
claimed name may only choose between types that the content fits, and nothing but pictures, sound and video that
browsers show safely is ever served for display.
"""

import asyncio
import re
import time
import unicodedata
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import quote, unquote

import puremagic
from aiohttp import BodyPartReader, StreamReader, hdrs, web
from aiohttp.http_exceptions import HttpProcessingError

from web.errors import CONTENT_SECURITY, Refusal

MAX_NAME_LENGTH: Final = 120
FILENAME_HEADER: Final = "X-Filename"
"""Carries the name of a file that is sent as a raw body: UTF-8, percent-encoded."""

CHUNK_BYTES: Final = 64 * 1024
_HEAD_BYTES: Final = 4 * 1024
_CHUNK_WITHIN: Final = 30.0  # seconds a stranger may be silent in the middle of a file
_SLOWEST: Final = 4 * 1024  # bytes a second, on the average after the first `_CHUNK_WITHIN` seconds
_BROKEN_FORM: Final = (ValueError, AssertionError, HttpProcessingError)  # how aiohttp says that a form is broken

SHOWN_INLINE: Final = frozenset(
    {"image/png", "image/jpeg", "image/gif", "image/webp"}
    | {"audio/mpeg", "audio/ogg", "audio/wav", "audio/mp4", "audio/webm", "video/mp4", "video/webm"}
)
"""Types that a browser shows without running anything; all others are only downloaded."""

_OUR_WORDS: Final = {
    "audio/wave": "audio/wav",
    "audio/x-wav": "audio/wav",
    "audio/x-m4a": "audio/mp4",
    "application/ogg": "audio/ogg",
    "application/x-matroska": "video/webm",
    "image/x-ms-bmp": "image/bmp",
    "application/x-zip-compressed": "application/zip",
}
_TEXT_SUFFIXES: Final = frozenset({".txt", ".csv", ".log", ".md"})
_UNPRINTABLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})  # among them the bidirectional overrides
_RESERVED: Final = re.compile(r'[<>:"|?*\\/]+')


@dataclass(frozen=True, slots=True)
class UploadRules:
    """What may be uploaded: at most ``limit`` bytes, of these media types (``image/*`` allows a whole family)."""

    limit: int
    types: Sequence[str]

    def allow(self, media_type: str) -> bool:
        """Say whether a sniffed type may come in."""
        return any(fnmatchcase(media_type, pattern) for pattern in self.types)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file on its way in: its cleaned name, its sniffed type and its bytes, to be read once."""

    name: str
    type: str
    chunks: AsyncIterator[bytes]


async def receive_upload(
    request: web.Request, rules: UploadRules, *, clock: Callable[[], float] = time.monotonic
) -> Upload:
    """Begin to take a file: a raw body (:data:`FILENAME_HEADER` names it) or the first file of a multipart form.

    Raises:
        Refusal: 413 ``too_large``, 415 ``unsupported_type``, 400 ``no_file``, 408 ``too_slow``; reading
            :attr:`Upload.chunks` raises the first and the last of them too.
    """
    if (request.content_length or 0) > rules.limit + _HEAD_BYTES:  # a form adds a little
        raise _too_large(rules.limit)
    claimed, source = await _open(request)
    chunks = _limited(source, rules.limit, clock)
    head = b""
    async for chunk in chunks:
        head += chunk
        if len(head) >= _HEAD_BYTES:
            break
    if not head:
        raise Refusal(400, "no_file", "the request holds no file, or an empty one")
    name = clean_name(claimed)
    media_type = sniff(head, name)
    if not rules.allow(media_type):
        raise Refusal(415, "unsupported_type", f"files of type {media_type} are not accepted")
    return Upload(name, media_type, _rejoined(head, chunks))


def sniff(head: bytes, name: str = "") -> str:
    """Give the media type that the first bytes of a file show.

    ``name`` only chooses among the types that fit (an office document is a zip archive as well).
    """
    suffix = PurePosixPath(name).suffix.lower()
    text = _is_text(head)
    if text and suffix in _TEXT_SUFFIXES:  # "BM" begins a bitmap as well as a letter about cars
        return "text/plain"
    found = _fitting(head)
    fitting = [media_type for media_type, ending in found if ending == suffix]
    if not fitting and head.startswith(b"PK\x03\x04"):
        return "application/zip"
    if not found:
        return "text/plain" if text else "application/octet-stream"
    best = fitting[0] if fitting else found[0][0]
    return _OUR_WORDS.get(best, best)


def clean_name(claimed: str) -> str:
    """Make a name that is safe to show and to save: no path, no control or direction characters, no leading dot."""
    text = unicodedata.normalize("NFC", claimed[: 10 * MAX_NAME_LENGTH]).replace("\\", "/").rpartition("/")[2]
    text = "".join(" " if unicodedata.category(char) in _UNPRINTABLE else char for char in text)
    text = " ".join(_RESERVED.sub(" ", text).split()).strip(". ")
    if len(text) > MAX_NAME_LENGTH:
        path = PurePosixPath(text)
        suffix = path.suffix[:20]
        text = path.stem[: MAX_NAME_LENGTH - len(suffix)].rstrip() + suffix
    return text or "file"


def file_headers(media_type: str, name: str, size: int) -> dict[str, str]:
    """Give the headers under which a stranger's file is handed out without being able to do anything (RFC 6266)."""
    kind = "inline" if media_type in SHOWN_INLINE else "attachment"
    return {
        hdrs.CONTENT_TYPE: media_type if media_type in SHOWN_INLINE else "application/octet-stream",
        hdrs.CONTENT_LENGTH: str(size),
        hdrs.CONTENT_DISPOSITION: f"{kind}; filename*=UTF-8''{quote(clean_name(name), safe='')}",
        hdrs.CACHE_CONTROL: "private, max-age=3600",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": CONTENT_SECURITY["file"],
        "Cross-Origin-Resource-Policy": "same-origin",
    }


async def send_file(
    request: web.Request, chunks: AsyncIterator[bytes], headers: dict[str, str], *, within: float = _CHUNK_WITHIN
) -> web.StreamResponse:
    """Stream a file to a client that may be slow, but not silent for longer than ``within`` seconds.

    Raises:
        Refusal: 404; there is no such file any more (its source raises ``LookupError``).
        TimeoutError: the client, or where the file comes from, stood still.
    """
    response = web.StreamResponse(headers=headers)
    iterator = aiter(chunks)
    try:
        async with asyncio.timeout(within):
            first = await _begin(iterator)  # whatever is wrong with the source shows before the headers are sent
            await response.prepare(request)
            await response.write(first)
        while True:
            async with asyncio.timeout(within):
                chunk = await anext(iterator, None)
                if chunk is None:
                    await response.write_eof()
                    return response
                await response.write(chunk)
    except TimeoutError:
        if response.prepared and request.transport is not None:
            request.transport.abort()  # what waits for a client that stands still would wait for ever
        raise


async def _begin(chunks: AsyncIterator[bytes]) -> bytes:
    try:
        return await anext(chunks, b"")
    except LookupError as exc:
        raise Refusal(404, "not_found", "this file is no longer kept") from exc


async def _open(request: web.Request) -> tuple[str, StreamReader | BodyPartReader]:
    """Find the file in a request: its claimed name and its bytes."""
    if not request.content_type.startswith("multipart/"):
        return unquote(request.headers.get(FILENAME_HEADER, "")), request.content
    try:
        async with asyncio.timeout(_CHUNK_WITHIN):
            async for part in await request.multipart():
                if isinstance(part, BodyPartReader) and part.filename is not None:
                    return part.filename, part
    except TimeoutError as exc:
        raise _too_slow() from exc
    except _BROKEN_FORM as exc:
        raise _broken_form() from exc
    raise Refusal(400, "no_file", "the form holds no file")


async def _limited(
    source: StreamReader | BodyPartReader, limit: int, clock: Callable[[], float]
) -> AsyncIterator[bytes]:
    """Read at most ``limit`` bytes within a time: a client that sends a byte now and then is sent away."""
    begun, size = clock(), 0
    while chunk := await _next_chunk(source):
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        if clock() - begun > _CHUNK_WITHIN + size / _SLOWEST:
            raise _too_slow()
        yield chunk


async def _next_chunk(source: StreamReader | BodyPartReader) -> bytes:
    try:
        async with asyncio.timeout(_CHUNK_WITHIN):
            if isinstance(source, BodyPartReader):
                return bytes(await source.read_chunk(CHUNK_BYTES))
            return await source.read(CHUNK_BYTES)
    except TimeoutError as exc:
        raise _too_slow() from exc
    except _BROKEN_FORM as exc:
        raise _broken_form() from exc


async def _rejoined(head: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield head
    async for chunk in rest:
        yield chunk


def _fitting(head: bytes) -> list[tuple[str, str]]:
    """Give the media types that the content fits, each with its usual ending, the likeliest first."""
    try:
        return [(match.mime_type, match.extension) for match in puremagic.magic_string(head) if match.mime_type]
    except (puremagic.PureError, ValueError):  # how puremagic says "none"
        return []


def _is_text(head: bytes) -> bool:
    """Say whether bytes, perhaps cut in the middle of a character, are plain UTF-8 text."""
    try:
        text = head.decode()
    except UnicodeDecodeError as exc:
        if exc.reason != "unexpected end of data":
            return False
        text = head[: exc.start].decode()
    return all(char.isprintable() or char in "\t\r\n\ufeff" for char in text)


def _too_large(limit: int) -> Refusal:
    return Refusal(413, "too_large", f"a file may have at most {limit:,} bytes")


def _broken_form() -> Refusal:
    return Refusal(400, "bad_request", "the form could not be read")


def _too_slow() -> Refusal:
    return Refusal(408, "too_slow", "the file stopped coming")
