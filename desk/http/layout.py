"""A mail as its author laid it out, as a page for a sandboxed frame: no scripts, nothing from elsewhere.

Its HTML was sanitised when it came in. Pictures that belong to the mail are put into the page itself, because a
sandboxed frame has no identity of its own and could not fetch them.
"""

import re
from base64 import b64encode
from collections.abc import Iterable
from html import unescape
from typing import Final
from urllib.parse import unquote

from aiohttp import hdrs

from desk.ports import MediaStore
from normalizer.content import Media, StoredFile, Text
from web.uploads import SHOWN_INLINE

LONGEST_PAGE: Final = 2_000_000
LARGEST_PICTURES: Final = 5_000_000
"""Bytes, of all pictures of one mail; what is more is left out and stands among the attachments."""

HEADERS: Final = {
    hdrs.CONTENT_TYPE: "text/html; charset=utf-8",
    hdrs.CACHE_CONTROL: "private, no-store",
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox; "
    "frame-ancestors 'self'; base-uri 'none'; form-action 'none'",
    "X-Frame-Options": "SAMEORIGIN",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}
"""Only our own console may frame it, and in it nothing runs and nothing is loaded (CSP level 3, `sandbox`)."""

_START: Final = (
    "<!doctype html><meta charset=utf-8><style>body{font:15px/1.4 system-ui,sans-serif;margin:8px;"
    "overflow-wrap:anywhere;color:#111;background:#fff}img{max-width:100%;height:auto}</style>"
)
_INLINE: Final = re.compile(r" src=\"cid:(?P<name>[^\"]*)\"", re.IGNORECASE)
"""As the sanitiser writes it: within another attribute the quotes would be escaped."""


class TooLong(Exception):
    """The layout is longer than what is shown; its text and attachments are."""


async def lay_out(message: Text, media: MediaStore) -> bytes:
    """Make the page.

    Raises:
        TooLong: it is longer than ``LONGEST_PAGE``.
        LookupError: the file is not kept any more.
    """
    assert message.html is not None  # noqa: S101  # the caller has found the message by it
    if message.html.size > LONGEST_PAGE:
        raise TooLong
    html = (await _read(media, message.html)).decode("utf-8", "replace")
    named = {unquote(unescape(found["name"])) for found in _INLINE.finditer(html)}
    pictures = await _pictures(message.attachments, named, media)

    def show(found: "re.Match[str]") -> str:
        return f' src="{pictures.get(unquote(unescape(found["name"])), "")}"'

    return (_START + _INLINE.sub(show, html)).encode()


async def _pictures(attachments: Iterable[Media], named: set[str], media: MediaStore) -> dict[str, str]:
    """Give the pictures that the mail shows, by name, as data URLs (RFC 2397)."""
    found: dict[str, str] = {}
    left = LARGEST_PICTURES
    for each in attachments:
        shows = each.inline in named and each.type in SHOWN_INLINE and each.type.startswith("image/")
        if not (each.inline and shows and each.file.size <= left):
            continue
        left -= each.file.size
        found[each.inline] = f"data:{each.type};base64,{b64encode(await _read(media, each.file)).decode()}"
    return found


async def _read(media: MediaStore, file: StoredFile) -> bytes:
    return b"".join([chunk async for chunk in media.read(file)])
