"""The desk as a web application, to be mounted at ``/desk`` of an application that ``web.errors.protect`` guards."""

import re
from collections.abc import AsyncIterator
from typing import Final

import msgspec
from aiohttp import hdrs, web

from desk.http.api import SIGNED_IN, Api, Handler
from desk.http.canned import AnswerFiles
from desk.http.finding import Finding
from desk.http.openapi import document
from desk.http.operations import Operation, answer_operations, finding_operations, operations
from desk.node import Node
from desk.ports import Outside
from desk.settings import DeskSettings
from web.assets import Asset, built
from web.errors import CONTENT_SECURITY
from web.origins import refuse_forgery

MOUNT: Final = "/desk"
NODE: Final = web.AppKey("desk_node", Node)
_PATHS: Final = {"index.html": "/", "sw.js": "/sw.js"}
"""Where files lie that have a place of their own: a service worker serves what is beside and below it."""
_HASHED: Final = re.compile(r"\.[\w-]{10}\.\w+$")  # as web/ui/vite.desk.ts names what may be kept for ever


def make_desk(outside: Outside, settings: DeskSettings) -> web.Application:
    """Make the application; it follows the log from its start-up to its clean-up."""
    node = Node(outside, settings)
    api = Api(node)
    app = web.Application()
    app[NODE] = node
    table = [*operations(api), *answer_operations(AnswerFiles(node)), *finding_operations(Finding(node))]
    for operation in table:
        app.router.add_route(operation.method, operation.path, _guarded(node, api, operation))
    _add_pages(app, document(table, api.cookie))
    app.cleanup_ctx.append(_run)
    app.on_shutdown.append(_part)
    return app


async def _run(app: web.Application) -> AsyncIterator[None]:
    async with app[NODE].running():
        yield


async def _part(app: web.Application) -> None:
    app[NODE].close_sockets()


def _guarded(node: Node, api: Api, operation: Operation) -> Handler:
    """Let operators in only, and let only our own pages change something."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        refuse_forgery(request, node.origins)
        if not operation.public:
            request[SIGNED_IN] = node.sessions.find(request.cookies.get(api.cookie, ""))
        return await operation.handler(request)

    return guarded


def _add_pages(app: web.Application, openapi: dict[str, object]) -> None:
    """Serve the built front end and the API's description, from memory."""
    described = Asset(msgspec.json.encode(openapi), "application/json")
    app.router.add_get("/openapi.json", _page(described, "no-cache"))
    for name, asset in built("desk").items():
        kept = "public, max-age=31536000, immutable" if _HASHED.search(name) else "no-cache"
        app.router.add_get(_PATHS.get(name, f"/static/{name}"), _page(asset, kept))
    app.router.add_get("", _to_console)


def _page(asset: Asset, kept: str) -> Handler:
    policy = f"{CONTENT_SECURITY['page']}; frame-src 'self'"  # mails are shown in frames
    headers = {"Content-Security-Policy": policy, hdrs.CACHE_CONTROL: kept}

    async def page(_: web.Request) -> web.StreamResponse:
        return web.Response(body=asset.body, content_type=asset.type, charset="utf-8", headers=headers)

    return page


async def _to_console(_: web.Request) -> web.StreamResponse:
    raise web.HTTPMovedPermanently(f"{MOUNT}/")
