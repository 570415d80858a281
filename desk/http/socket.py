"""The operators' WebSocket: one screen of a browser. Frames are described in docs/desk-protocol.md."""

import asyncio
from collections.abc import Coroutine
from contextlib import aclosing
from typing import Final

import structlog
from aiohttp import web

from desk.conversations.library import HistoryUnavailable, NotKnown
from desk.conversations.reach import show_channels
from desk.node import Node
from desk.operators.sessions import Session
from desk.ports import Account, Typing
from desk.protocol.frames import (
    Active,
    AnswerFrame,
    ClientFrame,
    CommandFrame,
    CustomerTyping,
    Hello,
    ServerFrame,
    Show,
    TypingFrame,
    Unwatch,
    Watch,
    Watched,
    Welcome,
    client_frames,
)
from desk.protocol.wire import LevelShown, LevelsShown, Me, encode
from desk.screens.reading import open_page
from desk.screens.screen import Screen
from desk.settings import ServiceLevel, ServiceLevels
from web.errors import Error
from web.limits import RateLimiter
from web.sockets import Closing, Socket, SocketLimits

LIMITS: Final = SocketLimits(
    frame_bytes=320 * 1024,
    queued_frames=2_000,
    queued_bytes=4 * 1024 * 1024,
    heartbeat=5.0,  # presence: a dead connection is noticed within half of an operator's lease
)
HELLO_WITHIN: Final = 10.0
WATCHED_AT_ONCE: Final = 8
WORK_AT_ONCE: Final = 64
COMMANDS_PER_SECOND: Final = 20
TYPING_PER_SECOND: Final = 2
LIVE_WITHIN: Final = 1.0
NO_HELLO: Final = Closing(1002, "the first frame must be a hello")
_log = structlog.stdlib.get_logger(__name__)


def me(account: Account, session: Session) -> Me:
    """Show an operator to themselves."""
    return Me(id=account.id, name=account.name, role=account.role, avatar=account.avatar, expires=session.expires)


def _show_levels(settings: ServiceLevels) -> LevelsShown:
    def show(level: ServiceLevel) -> LevelShown:
        return LevelShown(due=int(level.due), late=int(level.late))

    return LevelsShown(
        interactive=show(settings.interactive),
        exclusive=show(settings.exclusive),
        deferrable=show(settings.deferrable),
        rules={name: show(level) for name, level in settings.rules.items()},
    )


async def serve(node: Node, request: web.Request, session: Session, account: Account) -> web.StreamResponse:
    """Serve one socket until it is closed."""
    async with Socket(request, LIMITS) as socket:
        hello = await socket.first(client_frames, within=HELLO_WITHIN)
        if isinstance(hello, Hello):
            await _Line(node, socket, session, account, hello).run()
        elif hello is not None:
            socket.close(NO_HELLO)
    return socket.response


class _Line:
    """An open socket and what it shows."""

    def __init__(self, node: Node, socket: Socket, session: Session, account: Account, hello: Hello) -> None:
        self._node = node
        self._socket = socket
        self._session = session
        self._account = account
        self._hello = hello
        everything = hello.everything and account.role == "supervisor"
        self._screen = Screen(account, socket.send, self._put_away, everything=everything)
        self._work: set[asyncio.Task[None]] = set()
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._commands = RateLimiter(COMMANDS_PER_SECOND, 2 * COMMANDS_PER_SECOND, node.outside.monotonic)
        self._typing = RateLimiter(TYPING_PER_SECOND, 2 * TYPING_PER_SECOND, node.outside.monotonic)

    async def run(self) -> None:
        """Welcome the screen, then serve its frames."""
        node, screen = self._node, self._screen
        place = node.feed.place(self._hello.cursor, everything=screen.everything) if self._hello.cursor else None
        self._send(self._welcome(resumed=place is not None))
        node.feed.attach(screen)
        node.admit(self._socket, self._session)
        node.presence.opened(self._account.id)
        try:
            if place is None:
                node.feed.show(screen)
                node.feed.show_answers(screen)
            else:
                node.feed.resume(screen, place)
            async for frame in self._socket.frames(client_frames):
                self._serve(frame)
        finally:
            node.presence.closed(self._account.id)
            node.dismiss(self._socket)
            node.feed.detach(screen)
            await self._stop()

    async def _stop(self) -> None:
        for task in self._work:
            task.cancel()
        if self._work:
            await asyncio.wait(self._work)

    def _welcome(self, *, resumed: bool) -> Welcome:
        rules = self._node.feed.state.rules
        return Welcome(
            me=me(self._account, self._session),
            now=self._node.outside.now(),
            rules=self._node.feed.state.version,
            languages=rules.languages,
            channels=show_channels(self._node.feed.state, self._node.outside.channels),
            resumed=resumed,
            idle_after=int(self._node.settings.idle_after),
            service_levels=_show_levels(self._node.settings.service_levels),
        )

    def _serve(self, frame: ClientFrame) -> None:
        self._node.presence.active(self._account.id)
        match frame:
            case Active():
                return
            case CommandFrame():
                self._command(frame)
            case Watch():
                self._open(frame)
            case Unwatch():
                self._put_away(frame.conversation)
            case Show():
                self._show(frame)
            case TypingFrame():
                self._tell_typing(frame)
            case Hello():
                self._socket.refuse(Error("bad_frame", "hello comes first and once"))

    def _send(self, frame: ServerFrame) -> None:
        self._socket.send(encode(frame))

    def _start(self, work: Coroutine[object, object, None], ref: str) -> asyncio.Task[None] | None:
        """Do something beside the frames that follow; what fails closes the socket."""
        if len(self._work) >= WORK_AT_ONCE:
            work.close()
            self._socket.refuse(Error("too_much", "too much is being asked at once"), ref=ref)
            return None
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._work.discard(task)
        if not task.cancelled() and (failure := task.exception()):
            _log.error("a desk socket failed", operator=self._account.id, exc_info=failure)
            self._socket.close(Closing(1011, "something went wrong on our side"))

    def _command(self, frame: CommandFrame) -> None:
        if wait := self._commands.take(self._account.id):
            error = Error("rate_limited", "too many commands")
            self._socket.refuse(error, ref=frame.id, retry_after=wait, grave=False)
            return
        self._start(self._carry_out(frame), frame.id)

    async def _carry_out(self, frame: CommandFrame) -> None:
        async with aclosing(self._node.commands.carry_out(self._account, frame.id, frame.action)) as answers:
            async for answer in answers:
                self._send(AnswerFrame(answer=answer))

    def _show(self, frame: Show) -> None:
        if frame.everything and self._account.role != "supervisor":
            self._socket.refuse(Error("forbidden", "only a supervisor sees everything"), grave=False)
            return
        self._node.feed.switch(self._screen, everything=frame.everything)

    def _open(self, frame: Watch) -> None:
        self._put_away(frame.conversation)
        if len(self._watches) >= WATCHED_AT_ONCE:
            error = Error("too_many_open", f"at most {WATCHED_AT_ONCE} conversations can be open")
            self._socket.refuse(error, ref=frame.conversation, grave=False)
            return
        if task := self._start(self._watch(frame), frame.conversation):
            self._watches[frame.conversation] = task

    def _put_away(self, conversation: str) -> None:
        if task := self._watches.pop(conversation, None):
            task.cancel()

    async def _watch(self, frame: Watch) -> None:
        """Show a conversation until it is put away; whatever comes after the page is sent as events."""
        node, name = self._node, frame.conversation
        try:
            async with node.library.open(name, frame.person or "") as transcript:
                opened = open_page(node.feed, self._account, transcript)
                node.feed.watch(self._screen, transcript)
                self._send(Watched(opened=opened))
                unsubscribe = node.outside.live.watch(name, self._customer_types)
                try:
                    await asyncio.Event().wait()
                finally:
                    unsubscribe()
                    node.feed.unwatch(self._screen, name)
        except NotKnown as exc:
            self._shut(name, Error("not_found", str(exc)))
        except HistoryUnavailable as exc:
            self._shut(name, Error("unavailable", str(exc)))

    def _shut(self, conversation: str, error: Error) -> None:
        """Say that a conversation cannot be shown; it takes no place among those that are open."""
        self._watches.pop(conversation, None)
        self._socket.refuse(error, ref=conversation, grave=False)

    def _customer_types(self, typing: Typing) -> None:
        if typing.conversation in self._screen.watching:
            self._send(CustomerTyping(conversation=typing.conversation, text=typing.text, on=typing.on))

    def _tell_typing(self, frame: TypingFrame) -> None:
        known = self._node.feed.state.conversations.get(frame.conversation)
        mine = known is not None and known.owner == self._account.id
        if mine and not self._typing.take(frame.conversation):
            self._start(self._type(frame), frame.conversation)

    async def _type(self, frame: TypingFrame) -> None:
        try:
            async with asyncio.timeout(LIVE_WITHIN):
                typing = Typing(conversation=frame.conversation, name=self._account.name, on=frame.on)
                await self._node.outside.live.typing(typing)
        except TimeoutError:
            _log.debug("typing could not be told", conversation=frame.conversation)
