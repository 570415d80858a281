"""One connected tab: catches up from its cursor, then is shown what happens, and hands over what its visitor writes.

No item is lost, doubled or out of order between catching up and live: the tab joins the hub first, reads history up
to a cursor, and reads on while the hub has seen something newer than that; from then on every live item is shown
that is newer than what was read.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine, Sequence
from typing import Final

import msgspec
from aiohttp import WSCloseCode

from adapters.contract import Context, Cursor, LineItem, Typing
from adapters.errors import EnvelopeRefused, NotAccepted
from adapters.webchat.hub import Hub, Visitor
from adapters.webchat.mapping import Known, Rules, portions, to_envelope, to_item
from adapters.webchat.tickets import Session, Tickets
from adapters.webchat.turns import Turns
from adapters.webchat.wire import (
    CLIENT_FRAME,
    About,
    Ack,
    ClientFrame,
    Delivered,
    Hello,
    Item,
    Items,
    Ping,
    Pong,
    Read,
    Send,
    Status,
    TypingHere,
    Welcome,
)
from normalizer.content import Media
from normalizer.outbound import Receipt, ReceiptState
from web.errors import Error, Refusal
from web.limits import RateLimiter
from web.sockets import Closing, Socket
from web.tokens import TokenRefused

MAX_WAITING: Final = 32
"""Messages of one tab that wait to be stored; a page repeats what is refused."""

CATCH_UP_ROUNDS: Final = 100
HISTORY_WITHIN: Final = 15.0
RETRY_AFTER: Final = 2.0
NOT_READY: Final = Closing(WSCloseCode.TRY_AGAIN_LATER, "we are not ready, please reconnect")
BROKEN: Final = Closing(WSCloseCode.INTERNAL_ERROR, "the conversation could not be read, please reconnect")

_NOT_STORED: Final = Error("not_accepted", "the message could not be stored yet")
_TOO_MANY: Final = Error("rate_limited", "too many messages at once, try again shortly")
_encode: Final = msgspec.json.Encoder().encode
_PONG: Final = _encode(Pong())

Work = Send | TypingHere | Delivered | Read


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """What all tabs of a channel share."""

    context: Context
    hub: Hub
    tickets: Tickets
    preview: bool
    rules: Rules
    messages: RateLimiter
    typing: RateLimiter
    receipts: RateLimiter


class Connection:
    """One tab from its hello to its end. ``known`` is what it said of itself."""

    __slots__ = (
        "_catching_up",
        "_channel",
        "_cursor",
        "_held_for",
        "_known",
        "_newest",
        "_session",
        "_socket",
        "_status",
        "_tasks",
        "_turns",
        "_visitor",
        "_waiting",
        "_working",
    )

    def __init__(self, channel: Channel, socket: Socket, session: Session, known: Known) -> None:
        self._channel = channel
        self._socket = socket
        self._session = session
        self._known = known
        self._cursor = known.place
        self._newest: Cursor | None = None
        self._catching_up = True
        self._visitor = Visitor(session.visitor, session.address)
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: deque[Work] | None = None
        self._working = False
        self._turns = Turns()
        self._held_for = _NOT_STORED
        self._status: Status | None = None

    async def serve(self) -> None:
        """Serve the tab until it leaves."""
        hub = self._channel.hub
        self._visitor = hub.join(self._session.visitor, self._session.address, self)
        try:
            self._greet()
            self._start(self._catch_up())
            while (frame := await self._socket.receive(CLIENT_FRAME)) is not None:
                self._take(frame)
        finally:
            hub.leave(self._visitor, self)
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)

    # --- what the hub calls ---

    def show(self, cursor: Cursor, frame: bytes) -> None:
        """Show a live item, unless catching up will, or has. Items of one record have the same cursor."""
        self._newest = cursor
        if not self._catching_up and (self._cursor is None or cursor > self._cursor):
            self._socket.send(frame)

    def show_typing(self, frame: bytes) -> None:
        """Show that an operator types."""
        if not self._catching_up:
            self._socket.send(frame)

    def show_status(self, status: Status) -> None:
        """Show how the visitor stands, if that is news to the page."""
        if not self._catching_up and status != self._status:
            self._status = status
            self._socket.send(_encode(status))

    def close(self, closing: Closing) -> None:
        """End the connection."""
        self._socket.close(closing)

    # --- catching up ---

    def _greet(self) -> None:
        channel = self._channel
        welcome = Welcome(
            self._session.visitor, channel.context.now(), channel.tickets.renew_at(self._session), channel.preview
        )
        self._socket.send(_encode(welcome))

    async def _catch_up(self) -> None:
        try:
            async with asyncio.timeout(HISTORY_WITHIN):
                await self._channel.hub.begun()
            for _ in range(CATCH_UP_ROUNDS):
                await self._read_on()
                if self._cursor is not None and (self._newest is None or self._newest <= self._cursor):
                    self._catching_up = False
                    self.show_status(self._channel.hub.status(self._visitor))
                    return
            self._socket.close(NOT_READY)  # the log runs ahead of what can be read
        except TimeoutError:
            self._socket.close(NOT_READY)
        except Exception:
            self._channel.context.log.exception("webchat.history_failed", address=self._session.address)
            self._socket.close(BROKEN)

    async def _read_on(self) -> None:
        """Show everything behind the cursor, as fast as the page reads."""
        lines = self._channel.context.lines
        async with asyncio.timeout(HISTORY_WITHIN):
            items, upto = await lines.history(self._session.address, self._cursor)
            conversation = None if items else await lines.conversation(self._session.address)
        self._learn(items, conversation)
        for portion, cursor in portions(items, self._item):
            await self._socket.put(_encode(Items(portion, self._ticket(cursor), more=True)))
        self._cursor = upto
        await self._socket.put(_encode(Items((), self._ticket(upto))))

    def _learn(self, items: list[LineItem], conversation: str | None) -> None:
        if self._newest is not None and self._visitor.open is not None:
            return  # what came live is newer
        for item in items:
            self._channel.hub.note(self._visitor, item)
        if conversation is not None:
            self._channel.hub.opened(self._visitor, conversation)

    def _item(self, item: LineItem) -> Item:
        return to_item(item, lambda media: self._channel.tickets.file(self._session.visitor, media))

    def _ticket(self, cursor: Cursor) -> str:
        return self._channel.tickets.cursor(self._session.visitor, cursor)

    # --- what the page says ---

    def _take(self, frame: ClientFrame) -> None:
        """Take a frame without waiting, so that the loop goes on reading."""
        match frame:
            case Ping():
                self._socket.send(_PONG)
            case About():
                self._known = msgspec.structs.replace(
                    self._known, page=frame.page, title=frame.title, attributes=frame.attributes
                )
            case Send():
                self._take_message(frame)
            case TypingHere():
                if not self._waiting and self._channel.typing.take(self._session.visitor) == 0.0:
                    self._queue(frame)
            case Delivered() | Read():
                if self._channel.receipts.take(self._session.visitor) == 0.0:
                    self._queue(frame)
            case Hello():
                self._socket.refuse(Error("hello_twice", "the first frame has said hello already"))

    def _take_message(self, send: Send) -> None:
        match self._turns.of(send.id):
            case "stored":
                self._socket.send(_encode(Ack(send.id)))
            case "storing":
                return  # the acknowledgement will come
            case "later":
                self._hold([send.id], RETRY_AFTER)
            case "now":
                self._store(send)

    def _store(self, send: Send) -> None:
        if self._waiting and len(self._waiting) >= MAX_WAITING:
            wait = RETRY_AFTER
        else:
            wait = self._channel.messages.take(self._session.visitor)
        if wait:
            self._held_for = _TOO_MANY
            self._hold([send.id], wait)
        else:
            self._turns.begin(send.id)
            self._visitor.writing.add(send.id)
            self._queue(send)

    def _hold(self, ids: Sequence[str], wait: float) -> None:
        """Refuse messages for now; none that came later is taken before them."""
        for each in ids:
            self._turns.hold(each)
            self._refuse(self._held_for.code, self._held_for.message, each, retry_after=wait)
        if self._turns.full:
            self._socket.close(NOT_READY)  # the page begins again with its oldest one

    def _hold_all(self, first: Send) -> None:
        """The store did not take a message in time: those behind it have to wait for it, and must not overtake it."""
        work = tuple(self._waiting or ())
        self._waiting = deque(each for each in work if not isinstance(each, Send))
        ids = [first.id, *(each.id for each in work if isinstance(each, Send))]
        self._held_for = _NOT_STORED
        self._turns.hold_all(ids)
        self._hold(ids, RETRY_AFTER)

    def _queue(self, work: Work) -> None:
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.append(work)
        if not self._working:
            self._working = True
            self._start(self._work())

    async def _work(self) -> None:
        while self._waiting:
            await self._do(self._waiting.popleft())
        self._waiting = None
        self._working = False

    async def _do(self, work: Work) -> None:
        ref = work.id if isinstance(work, Send) else ""
        stored = False
        try:
            match work:
                case Send():
                    await self._accept(work)
                    stored = True
                case TypingHere():
                    await self._tell_typing(work)
                case Delivered():
                    await self._report(work.upto, ReceiptState.DELIVERED)
                case Read():
                    await self._report(work.upto, ReceiptState.READ)
        except NotAccepted:
            if isinstance(work, Send):
                self._hold_all(work)
                return
            self._refuse(_NOT_STORED.code, _NOT_STORED.message, retry_after=RETRY_AFTER)
        except EnvelopeRefused:
            self._refuse("refused", "the message cannot be taken as it is", ref)
        except Refusal as exc:
            self._refuse(exc.error.code, exc.error.message, ref, field=exc.error.field)
        except TokenRefused as exc:
            self._refuse(f"file_{exc.reason}", "the file is not known, please send it again", ref)
        except Exception:
            self._channel.context.log.exception("webchat.frame_failed", frame=type(work).__name__)
            self._refuse("internal", "something went wrong on our side", ref, retry_after=RETRY_AFTER)
        if ref:
            self._turns.end(ref, stored=stored)
            if not stored:
                self._visitor.writing.discard(ref)

    async def _accept(self, send: Send) -> None:
        """Acknowledge a message only when it cannot be lost (promise P1)."""
        context = self._channel.context
        await context.accept(
            to_envelope(
                send,
                self._known,
                self._channel.rules,
                channel=context.channel,
                address=self._session.address,
                new_id=context.new_id(),
                now=context.now(),
                open_file=self._open_file,
            )
        )
        context.count("taken")
        self._socket.send(_encode(Ack(send.id)))

    def _open_file(self, reference: str) -> Media:
        return self._channel.tickets.media(self._session.visitor, reference)

    async def _tell_typing(self, typing: TypingHere) -> None:
        if self._visitor.open is not None:
            text = typing.preview if self._channel.preview else ""
            told = Typing(conversation=self._visitor.open, by="customer", text=text, on=typing.on)
            await self._channel.context.lines.typing(told)

    async def _report(self, outbound: str, state: ReceiptState) -> None:
        """Report what the page says of an answer, if it is one of this visitor's."""
        conversation = outbound.rpartition("-")[0]
        if conversation not in self._visitor.conversations:
            self._refuse("not_yours", "there is no such answer in this conversation")
            return
        now = self._channel.context.now()
        await self._channel.context.report(Receipt(outbound=outbound, state=state, at=now, watermark=True))

    def _refuse(
        self, code: str, message: str, ref: str = "", *, field: str = "", retry_after: float | None = None
    ) -> None:
        self._channel.context.count(code)
        self._socket.refuse(Error(code, message, field), ref=ref, retry_after=retry_after, grave=False)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
