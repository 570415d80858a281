"""The desk as a web application, to be mounted at ``/desk`` of an application that ``web.errors.protect`` guards."""

from collections.abc import AsyncIterator
from importlib.resources import files
from typing import Final

import msgspec
from aiohttp import hdrs, web

from desk.answer_files import AnswerFiles
from desk.api import SIGNED_IN, Api, Handler
from desk.finding import Finding
from desk.node import Node
from desk.openapi import document
from desk.operations import Operation, answer_operations, finding_operations, operations
from desk.ports import Outside
from desk.settings import DeskSettings
from web.errors import CONTENT_SECURITY
from web.origins import refuse_forgery

MOUNT: Final = "/desk"
NODE: Final = web.AppKey("desk_node", Node)
_TYPES: Final = {"html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}


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
    """Serve the console and the API's description, from memory."""
    described = msgspec.json.encode(openapi)
    app.router.add_get("/openapi.json", _page(described, "application/json"))
    for file in files("desk").joinpath("static").iterdir():
        kind = _TYPES.get(file.name.rpartition(".")[2])
        if kind is not None:
            path = "/" if file.name == "index.html" else f"/static/{file.name}"
            app.router.add_get(path, _page(file.read_bytes(), kind))
    app.router.add_get("", _to_console)


def _page(body: bytes, kind: str) -> Handler:
    policy = f"{CONTENT_SECURITY['page']}; frame-src 'self'"  # mails are shown in frames
    headers = {"Content-Security-Policy": policy, hdrs.CACHE_CONTROL: "no-cache"}

    async def page(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type=kind, charset="utf-8", headers=headers)

    return page


async def _to_console(_: web.Request) -> web.StreamResponse:
    raise web.HTTPMovedPermanently(f"{MOUNT}/")
