"""The web chat channel: sessions, sockets and files of visitors, on every node at once.

Nothing is stored in the process: a visitor's token, cursor and file references are all signed, so any node can serve
any visitor, and a node may die at any moment.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from aiohttp import WSCloseCode, web

from adapters.contract import Adapter, Context, Cursor, Finding, LineItem
from adapters.webchat.connection import Channel, Connection
from adapters.webchat.files import Files
from adapters.webchat.gate import Gate, per_minute, take
from adapters.webchat.hub import Hub, Visitor
from adapters.webchat.mapping import TYPE, Known, Rules, to_item
from adapters.webchat.pages import page_routes, read_words
from adapters.webchat.sessions import Sessions
from adapters.webchat.settings import WebChatSettings
from adapters.webchat.tickets import Session, Tickets
from adapters.webchat.wire import CLIENT_FRAME, ClientFrame, Hello, Items
from normalizer.capabilities import Capabilities
from web.errors import Error, Refusal, client_ip
from web.limits import RateLimiter, network_key
from web.origins import Origins, normalise_origin
from web.sockets import GOING_AWAY, Closing, Socket, SocketLimits
from web.tokens import TokenRefused

HELLO_WITHIN: Final = 10.0
TYPING_PER_SECOND: Final = 4.0
RECEIPTS_PER_SECOND: Final = 2.0
CONNECTS_PER_SECOND: Final = 1.0
"""Of one visitor: each one reads their history."""

CONNECTS_AT_ONCE: Final = 60
FAREWELL: Final = Closing(WSCloseCode.POLICY_VIOLATION, "not admitted")
LIMITS: Final = SocketLimits(queued_bytes=256 * 1024)
TEXT_LIMIT: Final = 60_000
MAX_OPTIONS: Final = 20


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
        self._connects = RateLimiter(CONNECTS_PER_SECOND, CONNECTS_AT_ONCE, clock)
        self._words = read_words()
        self._gate = Gate(context=context, origins=self._origins, tickets=self._tickets)
        self._sessions = Sessions(self._gate, settings, self._hub, self._words, clock)
        self._files = Files(self._gate, settings, clock)
        self._sockets: Counter[str] = Counter()
        self._closing = False
        self._channel = Channel(
            context=context,
            hub=self._hub,
            tickets=self._tickets,
            preview=settings.preview,
            rules=Rules(settings.questions, frozenset(each.name for each in settings.invitations)),
            messages=per_minute(limits.messages_per_minute, max(1, limits.messages_per_minute // 3), clock),
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
            *self._sessions.routes(),
            web.get("/socket", self._gate.counted(self._serve_socket)),
            *self._files.routes(),
            *page_routes(demo=self.settings.demo),
        ]

    def secrets(self) -> Sequence[str]:
        """Name the keys of identities."""
        return [secret.reveal() for secret in self.settings.identify.secrets] if self.settings.identify else []

    async def close(self) -> None:
        """Ask every page to connect elsewhere, and wait until all have gone."""
        self._closing = True
        await self._hub.close(GOING_AWAY)

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
        take(self._connects, session.visitor)
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


def _read_cursor(tickets: Tickets, session: Session, cursor: str | None) -> Cursor | None:
    try:
        return None if cursor is None else tickets.place(session.visitor, cursor)
    except TokenRefused as exc:
        raise Refusal(400, f"cursor_{exc.reason}", "the cursor is not one of yours; start without") from exc
