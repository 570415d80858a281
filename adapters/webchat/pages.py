"""The files that a browser loads: the chat as it is built, a page of its own for it, and the demo shop."""

import gzip
from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import sha256
from importlib.resources import files
from typing import Final

import msgspec
from aiohttp import hdrs, web

from web.assets import NotBuilt, built
from web.errors import CONTENT_SECURITY, Error, error_response

BUILT: Final = ("chat.js",)
PAGE: Final = {"page": "text/html"}
DEMO: Final = {"demo": "text/html", "demo.css": "text/css", "demo.js": "text/javascript"}

POLICY: Final = CONTENT_SECURITY["page"].replace("img-src 'self'", "img-src 'self' https:")
"""Operators' pictures may be anywhere."""

_WORDS: Final = "words."
_SUFFIX: Final = ".json"

Answer = Callable[[web.Request], Awaitable[web.Response]]


def page_routes(*, demo: bool) -> Sequence[web.RouteDef]:
    """Give a route for each file; those of the shop only for a demo."""
    own = PAGE | DEMO if demo else PAGE
    pages = [web.get(f"/{name}", _serve(_read(name), media_type)) for name, media_type in own.items()]
    return [*(web.get(f"/{name}", _built(name)) for name in BUILT), *pages]


def read_words() -> Mapping[str, msgspec.Raw]:
    """Give what the chat says by itself, by language; nothing where the front end is not built."""
    try:
        assets = built("widget")
    except NotBuilt:
        return {}
    return {
        name.removeprefix(_WORDS).removesuffix(_SUFFIX): msgspec.Raw(asset.body)
        for name, asset in assets.items()
        if name.startswith(_WORDS)
    }


def _built(name: str) -> Answer:
    try:
        asset = built("widget")[name]
    except NotBuilt as exc:
        return _explain(Error("not_built", str(exc)))
    return _serve(asset.body, asset.type)


def _explain(error: Error) -> Answer:
    async def refuse(_: web.Request) -> web.Response:
        return error_response(503, error)

    return refuse


def _read(name: str) -> bytes:
    return (files("adapters.webchat") / "static" / (name if "." in name else f"{name}.html")).read_bytes()


def _serve(body: bytes, media_type: str) -> Answer:
    headers = {
        hdrs.CACHE_CONTROL: "no-cache",
        hdrs.VARY: hdrs.ACCEPT_ENCODING,
        "Content-Security-Policy": POLICY,
        "Cross-Origin-Resource-Policy": "cross-origin",  # the shop is another site than the chat
    }
    etag, packed = sha256(body).hexdigest()[:32], gzip.compress(body, 9, mtime=0)

    async def show(request: web.Request) -> web.Response:
        if any(known.value == etag for known in request.if_none_match or ()):
            return web.Response(status=304, headers=headers | {hdrs.ETAG: f'"{etag}"'})
        zipped = "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, "")
        answer = web.Response(
            body=packed if zipped else body, content_type=media_type, charset="utf-8", headers=headers
        )
        answer.etag = etag
        if zipped:
            answer.headers[hdrs.CONTENT_ENCODING] = "gzip"
        return answer

    return show
