"""The web chat channel: sessions, sockets and files of visitors, on every node at once.

Nothing is stored in the process: a visitor's token, cursor and file references are all signed, so any node can serve
any visitor, and a node may die at any moment.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import msgspec
from aiohttp import WSCloseCode, hdrs, web

from adapters.contract import Adapter, Context, Cursor, FileTooBig, Finding, LineItem
from adapters.webchat.connection import Channel, Connection
from adapters.webchat.hub import Hub, Visitor
from adapters.webchat.identity import verify
from adapters.webchat.mapping import TYPE, Known, Rules, to_item
from adapters.webchat.pages import page_routes, read_words
from adapters.webchat.settings import WebChatSettings
from adapters.webchat.tickets import Session, Tickets
from adapters.webchat.wire import CLIENT_FRAME, ClientFrame, FileGrant, Hello, Identity, Items, Look, SessionGrant
from normalizer.capabilities import Capabilities
from normalizer.content import Media
from web.errors import Error, Refusal, client_ip, decode_json, response_for
from web.limits import RateLimiter, network_key
from web.origins import Origins, normalise_origin, share
from web.sockets import GOING_AWAY, Closing, Socket, SocketLimits
from web.tokens import TokenRefused
from web.uploads import FILENAME_HEADER, UploadRules, file_headers, receive_upload, send_file

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HELLO_WITHIN: Final = 10.0
BODY_WITHIN: Final = 10.0
TYPING_PER_SECOND: Final = 4.0
RECEIPTS_PER_SECOND: Final = 2.0
CONNECTS_PER_SECOND: Final = 1.0
"""Of one visitor: each one reads their history."""

CONNECTS_AT_ONCE: Final = 60
HOUR: Final = 3_600
UPLOAD_HEADER: Final = "X-Upload-Id"
"""An id of the page's own for a file: sending it again finds the first one."""

MAX_UPLOAD_ID: Final = 64
SENT_HEADERS: Final = f"{hdrs.AUTHORIZATION}, {hdrs.CONTENT_TYPE}, {FILENAME_HEADER}, {UPLOAD_HEADER}"
FAREWELL: Final = Closing(WSCloseCode.POLICY_VIOLATION, "not admitted")
LIMITS: Final = SocketLimits(queued_bytes=256 * 1024)
TEXT_LIMIT: Final = 60_000
MAX_IDENTITY: Final = 8_192
FALLBACK: Final = "en"
_NO_WORDS: Final = msgspec.Raw(b"{}")
MAX_OPTIONS: Final = 20

_json: Final = msgspec.json.Encoder().encode
_IDENTITY: Final = msgspec.json.Decoder(Identity)


class WebChat(Adapter):
    """The channel. Sockets are fed from the log by this node itself."""

    type = TYPE
    Settings = WebChatSettings
    delivery = "lines"
    capabilities = Capabilities(
        text_limit=TEXT_LIMIT,
        caption_limit=TEXT_LIMIT,
        kinds=frozenset({"choice", "rating", "edit", "delete"}),
        media={"*/*": 100_000_000},
        buttons=MAX_OPTIONS,
        button_limit=1_000,
        link_buttons=True,
        attachments=True,
        typing=True,
        delivered=True,
        read=True,
    )
    settings: WebChatSettings

    def __init__(
        self, settings: WebChatSettings, context: Context, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(settings, context)
        limits = settings.limits
        own = [context.public_url] if context.public_url else []
        self._origins = Origins([*settings.origins, *own])
        self._tickets = Tickets(context.secret, context.channel, life=settings.session, now=context.now)
        self._hub = Hub(context.lines, self._frame)
        self._sessions = _per_minute(limits.sessions_per_minute, limits.sessions_per_minute, clock)
        self._files = _per_minute(limits.files_per_minute, limits.files_per_minute, clock)
        volume = int(limits.file_bytes_per_hour)
        self._volume = RateLimiter(volume / HOUR, volume, clock)
        self._connects = RateLimiter(CONNECTS_PER_SECOND, CONNECTS_AT_ONCE, clock)
        self._words = read_words()
        self._look = msgspec.Raw(_json(_look(settings)))
        self._sockets: Counter[str] = Counter()
        self._closing = False
        self._channel = Channel(
            context=context,
            hub=self._hub,
            tickets=self._tickets,
            preview=settings.preview,
            rules=Rules(settings.questions, frozenset(each.name for each in settings.invitations)),
            messages=_per_minute(limits.messages_per_minute, max(1, limits.messages_per_minute // 3), clock),
            typing=RateLimiter(TYPING_PER_SECOND, TYPING_PER_SECOND, clock),
            receipts=RateLimiter(RECEIPTS_PER_SECOND, 10 * RECEIPTS_PER_SECOND, clock),
        )

    async def check(self) -> Sequence[Finding]:
        """Say which websites may show the chat, and whether there is one."""
        sites = [Finding(what=f"visitors of {normalise_origin(origin)}", ok=True) for origin in self.settings.origins]
        remedy = "" if self._words else "build it with `make front` in the checkout, or install a wheel"
        return [*sites, Finding(what="the chat that pages load is built", ok=bool(self._words), remedy=remedy)]

    async def run(self) -> None:
        """Feed the connected pages until cancelled."""
        await self._hub.run()

    def routes(self) -> Sequence[web.RouteDef]:
        """Give the addresses that pages talk to; docs/webchat-protocol.md describes them."""
        return [
            web.post("/session", self._shared(self._grant_session)),
            web.options("/session", self._preflight),
            web.post("/identify", self._shared(self._take_identity)),
            web.options("/identify", self._preflight),
            web.get("/socket", self._counted(self._serve_socket)),
            web.post("/files", self._shared(self._take_file)),
            web.options("/files", self._preflight),
            web.get("/files/{file}", self._shared(self._give_file)),
            web.options("/files/{file}", self._preflight),
            *page_routes(demo=self.settings.demo),
        ]

    def secrets(self) -> Sequence[str]:
        """Name the keys of identities."""
        return [secret.reveal() for secret in self.settings.identify.secrets] if self.settings.identify else []

    async def close(self) -> None:
        """Ask every page to connect elsewhere, and wait until all have gone."""
        self._closing = True
        await self._hub.close(GOING_AWAY)

    # --- sessions ---

    async def _grant_session(self, request: web.Request) -> web.StreamResponse:
        """Make a visitor known, or renew what is known of one who brings a token."""
        origin = self._origins.require(request)
        _take(self._sessions, network_key(client_ip(request)))
        known = self._session(request, origin) if hdrs.AUTHORIZATION in request.headers else None
        self.context.count("session_renewed" if known else "session_new")
        return self._grant(*self._tickets.admit(origin, known), request)

    async def _take_identity(self, request: web.Request) -> web.StreamResponse:
        """Take the shop's word for who a visitor is; a stranger in the middle of a conversation keeps it.

        That holds for one that begins with a message which is still being stored: its answer must find them.
        """
        origin = self._origins.require(request)
        _take(self._sessions, network_key(client_ip(request)))
        known = self._session(request, origin)
        settings = self.settings.identify
        if settings is None:
            raise Refusal(404, "identity_off", "this chat has no key to check identities with: set `identify`")
        body = decode_json(_IDENTITY, await _short_body(request, MAX_IDENTITY))
        user = verify(body.token, settings.secrets, origin=origin, life=settings.life, now=self.context.now())
        talking = await self.context.lines.conversation(known.address) is not None or self._hub.writes(known.address)
        self.context.count("identified")
        return self._grant(*self._tickets.identify(known, user, keep=talking), request)

    def _grant(self, token: str, session: Session, request: web.Request) -> web.Response:
        language = request.query.get("language", "")
        if language not in self._words:
            language = FALLBACK if language and FALLBACK in self._words else ""
        duty = self._hub.duty()
        grant = SessionGrant(
            token=token,
            visitor=session.visitor,
            expires_at=self._tickets.expires_at(session),
            renew_at=self._tickets.renew_at(session),
            preview=self.settings.preview,
            file_bytes=int(self.settings.files.max_size),
            file_types=tuple(self.settings.files.types),
            texts={language: msgspec.to_builtins(texts) for language, texts in self.settings.texts.items()},
            look=self._look,
            staffed=duty.staffed,
            opens_at=duty.opens_at,
            user=session.user.id if session.user else "",
            language=language,
            words=self._words.get(language, _NO_WORDS),
        )
        answer = _answer(_json(grant))
        answer.enable_compression()
        return answer

    def _session(self, request: web.Request, origin: str | None) -> Session:
        """Read the visitor's token from its header. Raises TokenRefused or Refusal."""
        scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Refusal(401, "no_token", "send the session token as `Authorization: Bearer <token>`")
        return self._tickets.session(token.strip(), origin)

    # --- sockets ---

    async def _serve_socket(self, request: web.Request) -> web.StreamResponse:
        origin = self._origins.require(request)
        if self._closing:
            raise Refusal(503, "closing", "we restart, please try again", retry_after=1)
        with self._place_for(network_key(client_ip(request))):
            async with Socket(request, LIMITS) as socket:
                hello = await socket.first(CLIENT_FRAME, within=HELLO_WITHIN)
                if hello is not None:
                    await self._admit(socket, hello, origin)
            return socket.response

    async def _admit(self, socket: Socket, hello: ClientFrame, origin: str) -> None:
        try:
            session, known = self._identify(hello, origin)
        except Refusal as exc:
            self._send_away(socket, exc.error)
        except TokenRefused as exc:
            self._send_away(socket, Error(f"token_{exc.reason}", str(exc)))
        else:
            await Connection(self._channel, socket, session, known).serve()

    def _identify(self, hello: ClientFrame, origin: str) -> tuple[Session, Known]:
        """Find out who says hello, and what their page knows. Raises Refusal or TokenRefused."""
        if not isinstance(hello, Hello):
            raise Refusal(400, "hello_first", "the first frame must be a hello with a token")
        session = self._tickets.session(hello.token, origin)
        if self._hub.tabs(session.address) >= self.settings.limits.sockets_per_visitor:
            raise Refusal(429, "too_many_tabs", "the chat is open in too many tabs")
        _take(self._connects, session.visitor)
        place = _read_cursor(self._tickets, session, hello.cursor)
        return session, Known(
            place,
            hello.page,
            hello.title,
            hello.language,
            hello.referrer,
            hello.campaign,
            hello.department,
            hello.attributes,
            session.user,
        )

    def _send_away(self, socket: Socket, error: Error) -> None:
        self.context.count(error.code)
        socket.refuse(error)
        socket.close(FAREWELL)

    @contextmanager
    def _place_for(self, network: str) -> Iterator[None]:
        """Hold one of the connections that a network may have. Raises Refusal when it has too many."""
        if self._sockets[network] >= self.settings.limits.sockets_per_ip:
            raise Refusal(429, "too_many_connections", "too many connections from this network", retry_after=30)
        self._sockets[network] += 1
        try:
            yield
        finally:
            self._sockets[network] -= 1
            if not self._sockets[network]:
                del self._sockets[network]

    def _frame(self, visitor: Visitor, item: LineItem, resume: Cursor) -> Items:
        shown = to_item(item, lambda media: self._tickets.file(visitor.id, media))
        return Items((shown,), self._tickets.cursor(visitor.id, resume))

    # --- files ---

    async def _take_file(self, request: web.Request) -> web.StreamResponse:
        """Store a file and give a reference to it, which the page then sends as a message."""
        session = self._session(request, self._origins.require(request))
        _take(self._files, session.visitor)
        upload_id = request.headers.get(UPLOAD_HEADER, "")[:MAX_UPLOAD_ID]
        rules = UploadRules(int(self.settings.files.max_size), self.settings.files.types)
        _take(self._volume, network_key(client_ip(request)), min(request.content_length or rules.limit, rules.limit))
        upload = await receive_upload(request, rules)
        key = f"{session.address} {upload.type} {upload_id}" if upload_id else None  # never another file's bytes
        try:
            stored = await self.context.media.put(upload.chunks, limit=rules.limit, key=key)
        except FileTooBig as exc:
            raise Refusal(413, "too_large", f"a file may have at most {exc.limit:,} bytes") from exc
        self.context.count("file_taken")
        media = Media(file=stored, type=upload.type, filename=upload.name)
        reference = self._tickets.file(session.visitor, media)
        return _answer(_json(FileGrant(file=reference, type=upload.type, name=upload.name, size=stored.size)))

    async def _give_file(self, request: web.Request) -> web.StreamResponse:
        """Hand out a file of the visitor's own conversation."""
        session = self._session(request, self._origin(request))
        media = self._tickets.media(session.visitor, request.match_info["file"])
        headers = file_headers(media.type, media.filename, media.file.size)
        if (origin := self._origin(request)) is not None:
            share(headers, origin)
        return await send_file(request, self.context.media.read(media.file), headers)

    # --- around all of them ---

    def _origin(self, request: web.Request) -> str | None:
        """Give the allowed origin of a request; None: a page of our own, whose reading requests name none."""
        return self._origins.require(request) if hdrs.ORIGIN in request.headers else None

    def _counted(self, handler: Handler) -> Handler:
        """Answer what is refused in our one shape, and count it."""

        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except Refusal as exc:
                self.context.count(exc.error.code)
                return response_for(exc)
            except TokenRefused as exc:
                self.context.count(f"token_{exc.reason}")
                return response_for(exc)

        return answer

    def _shared(self, handler: Handler) -> Handler:
        """Let an allowed page read the answer, errors included."""
        counted = self._counted(handler)

        async def answer(request: web.Request) -> web.StreamResponse:
            response = await counted(request)
            origin = request.headers.get(hdrs.ORIGIN)
            if origin and self._origins.allows(origin) and not response.prepared:
                share(response.headers, origin)
            return response

        return answer

    async def _preflight(self, request: web.Request) -> web.StreamResponse:
        response = web.Response(status=204)
        origin = request.headers.get(hdrs.ORIGIN, "")
        if self._origins.allows(origin):
            share(response.headers, origin, methods="GET, POST", headers=SENT_HEADERS)
        return response


def _look(settings: WebChatSettings) -> Look:
    limits = settings.invitation_limits
    return Look(
        theme=settings.theme,
        variants=settings.variants,
        questions=settings.questions,
        offline_form=settings.offline_form,
        rating=settings.rating,
        invitations=settings.invitations,
        per_visit=limits.per_visit,
        per_week=limits.per_week,
        quiet=int(limits.quiet),
        identify=settings.identify is not None,
    )


def _per_minute(count: int, burst: float, clock: Callable[[], float]) -> RateLimiter:
    return RateLimiter(count / 60, burst, clock)


def _take(limiter: RateLimiter, key: str, cost: float = 1.0) -> None:
    if wait := limiter.take(key, cost):
        raise Refusal(429, "rate_limited", "too many requests, try again shortly", retry_after=wait)


async def _short_body(request: web.Request, limit: int) -> bytes:
    """Read a body of at most ``limit`` bytes, in however many pieces it comes."""
    body = b""
    try:
        async with asyncio.timeout(BODY_WITHIN):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > limit:
                    raise Refusal(413, "too_large", f"this may have at most {limit:,} bytes")
    except TimeoutError as exc:
        raise Refusal(408, "too_slow", f"the request must be here within {BODY_WITHIN:g} s") from exc
    return body


def _read_cursor(tickets: Tickets, session: Session, cursor: str | None) -> Cursor | None:
    try:
        return None if cursor is None else tickets.place(session.visitor, cursor)
    except TokenRefused as exc:
        raise Refusal(400, f"cursor_{exc.reason}", "the cursor is not one of yours; start without") from exc


def _answer(body: bytes) -> web.Response:
    headers = {hdrs.CACHE_CONTROL: "no-store"}
    return web.Response(body=body, content_type="application/json", headers=headers)
