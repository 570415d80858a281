"""The handlers of the operators' HTTP API; ``desk.http.operations`` says where each of them is."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from http import HTTPStatus
from typing import Final, TypeVar

import msgspec
from aiohttp import web
from msgspec import Struct

from desk.conversations.library import READ_WITHIN, HistoryUnavailable, NotKnown
from desk.conversations.lists import FIRST, Key, key
from desk.conversations.reach import show_channels
from desk.conversations.transcript import Transcript
from desk.conversations.views import card
from desk.http.layout import HEADERS, TooLong, lay_out
from desk.http.socket import me, serve
from desk.node import Node
from desk.operators.sessions import Session
from desk.ports import Account
from desk.protocol.bodies import Alarms, Conversations, Do, Explained, Operators, SignIn, Uploaded
from desk.protocol.events import Answer, Confirmed, NotConfirmed, Refused
from desk.protocol.wire import Channels, View, encode
from desk.screens.reading import PAGE, open_page, require_reader
from normalizer.content import Media
from router.explain import explain, why_not
from web.errors import Refusal, client_ip, decode_json
from web.uploads import UploadRules, file_headers, receive_upload, send_file

T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MAX_BODY: Final = 320 * 1024
MAX_PAGE: Final = 200
SIGNED_IN: Final = web.RequestKey("signed_in", tuple[Session, Account])
TYPES_SENT: Final = ("image/*", "audio/*", "video/*", "text/*", "application/*")


class Api:
    """The handlers, bound to one node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._secure = node.outside.public_url.startswith("https:")
        self.cookie = "__Host-trunkline-desk" if self._secure else "trunkline-desk"

    # --- sessions ----------------------------------------------------------------------------------------------

    async def sign_in(self, request: web.Request) -> web.StreamResponse:
        """Begin a new session; one that the browser had is ended, so that nobody else's can be kept."""
        asked = await _body(request, SignIn)
        session, token = await self._node.sessions.sign_in(asked.operator, asked.password, client_ip(request))
        await self._end_former(request)
        response = json_answer(me(self._node.sessions.check(session), session))
        response.set_cookie(
            self.cookie,
            token,
            max_age=self._node.settings.session // 1000,
            path="/" if self._secure else "/desk",
            secure=self._secure,
            httponly=True,
            samesite="Strict",
        )
        return response

    async def _end_former(self, request: web.Request) -> None:
        try:
            former, _ = self._node.sessions.find(request.cookies.get(self.cookie, ""))
        except Refusal:
            return
        await self._node.sessions.end(former, everywhere=False)
        self._node.sweep()

    async def sign_out(self, request: web.Request) -> web.StreamResponse:
        """End the session, or all sessions of the operator."""
        session, _ = request[SIGNED_IN]
        await self._node.sign_out(session, everywhere=request.query.get("everywhere") == "true")
        response = web.Response(status=HTTPStatus.NO_CONTENT)
        response.del_cookie(self.cookie, path="/" if self._secure else "/desk", secure=self._secure, httponly=True)
        return response

    async def me(self, request: web.Request) -> web.StreamResponse:
        """Say who is signed in."""
        session, account = request[SIGNED_IN]
        return json_answer(me(account, session))

    # --- reading -----------------------------------------------------------------------------------------------

    async def conversations(self, request: web.Request) -> web.StreamResponse:
        """Give a page of a list."""
        _, account = request[SIGNED_IN]
        view: View = query_value(request, "view", View, "mine")
        if view == "all" and account.role != "supervisor":
            raise Refusal(403, "forbidden", "only a supervisor sees everything")
        limit = _limit(request)
        feed = self._node.feed
        found = feed.lists.page(feed.state, view, account.id, limit + 1, _after(request))
        page = found[:limit]
        return json_answer(
            Conversations(
                view=view,
                total=feed.lists.count(view, account.id),
                conversations=tuple(map(feed.summary, page)),
                next=_token(key(view, page[-1])) if len(found) > limit else "",
            )
        )

    async def conversation(self, request: web.Request) -> web.StreamResponse:
        """Give a conversation."""
        _, account = request[SIGNED_IN]
        try:
            async with self._node.library.open(*_named(request)) as transcript:
                before = request.query.get("before", "")
                return json_answer(open_page(self._node.feed, account, transcript, before, _limit(request)))
        except (NotKnown, HistoryUnavailable) as exc:
            raise _unreadable(exc) from exc

    async def file(self, request: web.Request) -> web.StreamResponse:
        """Hand out a file of a conversation to those who may read it."""
        async with self._readable(request) as transcript:
            media = transcript.file(request.match_info["file"])
        if media is None:
            raise Refusal(404, "not_found", "the conversation holds no such file")
        headers = file_headers(media.type, media.filename, media.file.size)
        return await send_file(request, self._node.outside.media.read(media.file), headers)

    async def layout(self, request: web.Request) -> web.StreamResponse:
        """Show a mail as its author laid it out, to those who may read it."""
        async with self._readable(request) as transcript:
            message = transcript.layout(request.match_info["file"])
        if message is None:
            raise Refusal(404, "not_found", "the conversation holds no such message")
        try:
            async with asyncio.timeout(READ_WITHIN):
                page = await lay_out(message, self._node.outside.media)
        except TooLong as exc:
            raise Refusal(413, "too_large", "this message is too long to be shown as it was laid out") from exc
        except LookupError as exc:
            raise Refusal(404, "not_found", "this file is no longer kept") from exc
        except TimeoutError as exc:
            raise _unreadable(exc) from exc
        return web.Response(body=page, headers=HEADERS)

    @asynccontextmanager
    async def _readable(self, request: web.Request) -> AsyncIterator[Transcript]:
        """Open the conversation of a request for somebody who may read it. Raises Refusal."""
        _, account = request[SIGNED_IN]
        try:
            async with self._node.library.open(*_named(request)) as transcript:
                require_reader(self._node.feed, account, transcript)
                yield transcript
        except (NotKnown, HistoryUnavailable) as exc:
            raise _unreadable(exc) from exc

    async def channels(self, _: web.Request) -> web.StreamResponse:
        """Give the channels and their approved texts."""
        return json_answer(Channels(channels=show_channels(self._node.feed.state, self._node.outside.channels)))

    async def explain(self, request: web.Request) -> web.StreamResponse:
        """Say why a conversation was routed as it was, and why somebody does not get it now."""
        name, _ = _named(request)
        ledger = self._node.outside.ledger
        try:
            async with asyncio.timeout(READ_WITHIN), self._readable(request) as transcript:
                history = await ledger.history(name, transcript.person)
        except TimeoutError as exc:
            raise _unreadable(exc) from exc
        records = [record for seq, record in history if seq <= ledger.position]
        operator = request.query.get("operator", "")
        asked = operator and name in ledger.state.conversations
        why = why_not(ledger.state, name, operator) if asked else ""
        return json_answer(
            Explained(conversation=name, position=ledger.position, told=tuple(explain(records)), why_not=why)
        )

    async def operators(self, request: web.Request) -> web.StreamResponse:
        """Give everybody's presence."""
        _, account = request[SIGNED_IN]
        state = self._node.feed.state
        load = account.role == "supervisor"
        cards = (card(state, each, load=load or each == account.id) for each in state.rules.operators)
        return json_answer(Operators(operators=tuple(each for each in cards if each is not None)))

    async def alarms(self, request: web.Request) -> web.StreamResponse:
        """Give what is wrong, to those who can see to it."""
        _, account = request[SIGNED_IN]
        if account.role != "supervisor":
            raise Refusal(403, "forbidden", "alarms are for supervisors")
        return json_answer(Alarms(alarms=tuple(self._node.outside.alarms())))

    # --- doing -------------------------------------------------------------------------------------------------

    async def upload(self, request: web.Request) -> web.StreamResponse:
        """Take a file in."""
        limit = self._node.settings.upload_limit
        upload = await receive_upload(request, UploadRules(limit, TYPES_SENT))
        stored = await self._node.outside.media.put(upload.chunks, limit=limit)
        return json_answer(
            Uploaded(media=Media(file=stored, type=upload.type, filename=upload.name)), HTTPStatus.CREATED
        )

    async def command(self, request: web.Request) -> web.StreamResponse:
        """Carry out a command."""
        _, account = request[SIGNED_IN]
        asked = await _body(request, Do)
        async with aclosing(self._node.commands.carry_out(account, asked.id, asked.action)) as answers:
            answer = await anext(answers)
        return json_answer(answer, STATUS[type(answer)])

    async def socket(self, request: web.Request) -> web.StreamResponse:
        """Open a screen's socket."""
        self._node.origins.require(request)
        session, account = request[SIGNED_IN]
        return await serve(self._node, request, session, account)


STATUS: Final[dict[type[Answer], HTTPStatus]] = {
    Confirmed: HTTPStatus.OK,
    NotConfirmed: HTTPStatus.ACCEPTED,
    Refused: HTTPStatus.CONFLICT,
}


async def _body(request: web.Request, kind: type[T]) -> T:
    """Read a JSON body.

    Raises:
        Refusal: 413, 415.
        msgspec.DecodeError: it is not what is wanted; becomes a 400.
    """
    if request.content_type != "application/json":
        raise Refusal(415, "unsupported_type", "the body must be application/json")
    if (request.content_length or 0) > MAX_BODY:
        raise Refusal(413, "too_large", f"a body may have at most {MAX_BODY:,} bytes")
    return decode_json(msgspec.json.Decoder(kind), await request.read())


def json_answer(body: Struct, status: int = HTTPStatus.OK) -> web.Response:
    """Answer with a struct; nothing in between may keep it."""
    headers = {"Cache-Control": "no-store"}
    return web.Response(body=encode(body), status=status, content_type="application/json", headers=headers)


def query_value(request: web.Request, name: str, kind: object, default: T) -> T:
    """Read a query parameter; a wrong one raises ``msgspec.ValidationError``, which becomes a 400."""
    given = request.query.get(name)
    value: T = default if given is None else msgspec.convert(given, kind, strict=False)
    return value


def _limit(request: web.Request) -> int:
    return min(max(1, query_value(request, "limit", int, PAGE)), MAX_PAGE)


def _named(request: web.Request) -> tuple[str, str]:
    return request.match_info["conversation"], request.query.get("person", "")


def _unreadable(exc: NotKnown | HistoryUnavailable | TimeoutError) -> Refusal:
    if isinstance(exc, NotKnown):
        return Refusal(404, "not_found", str(exc))
    return Refusal(503, "unavailable", str(exc) or "the history could not be read in time", retry_after=1)


def _token(place: Key) -> str:
    return base64.urlsafe_b64encode(encode(place)).decode()


def _after(request: web.Request) -> Key:
    token = request.query.get("after")
    if not token:
        return FIRST
    try:
        place: Key = msgspec.json.decode(base64.b64decode(token, altchars=b"-_", validate=True), type=Key)
    except (ValueError, msgspec.DecodeError) as exc:  # ValueError: not base64
        raise Refusal(400, "bad_request", "this is not the end of a page", field="after") from exc
    return place
