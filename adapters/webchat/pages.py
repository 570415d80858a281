"""The files that a browser loads: the chat, a page of its own for it, and the demo shop. No build step."""

from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from importlib.resources import files
from typing import Final

from aiohttp import hdrs, web

from web.errors import CONTENT_SECURITY

WIDGET: Final = {"chat.js": "text/javascript", "chat.css": "text/css", "page": "text/html"}
DEMO: Final = {"demo": "text/html", "demo.css": "text/css"}


def page_routes(*, demo: bool) -> Sequence[web.RouteDef]:
    """Give a route for each file; those of the shop only for a demo."""
    wanted = WIDGET | DEMO if demo else WIDGET
    return [web.get(f"/{name}", _page(name, media_type)) for name, media_type in wanted.items()]


def _page(name: str, media_type: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    body = (files("adapters.webchat") / "static" / (name if "." in name else f"{name}.html")).read_bytes()
    headers = {
        hdrs.CACHE_CONTROL: "no-cache",
        "Content-Security-Policy": CONTENT_SECURITY["page"],
        "Cross-Origin-Resource-Policy": "cross-origin",  # the shop is another site than the chat
    }
    etag = f'"{sha256(body).hexdigest()[:32]}"'

    async def show(request: web.Request) -> web.Response:
        if request.headers.get(hdrs.IF_NONE_MATCH) == etag:
            return web.Response(status=304, headers={**headers, hdrs.ETAG: etag})
        return web.Response(body=body, content_type=media_type, charset="utf-8", headers={**headers, hdrs.ETAG: etag})

    return show
