"""One desk process: its parts put together, the log that feeds them, and the loops that keep them going."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Final

from desk.commands import Commands
from desk.conversations.faces import Faces
from desk.conversations.library import Library
from desk.operators.presence import Presence
from desk.operators.sessions import Session, Sessions
from desk.ports import Outside
from desk.screens.feed import Feed
from desk.settings import DeskSettings
from router.inputs import SetPresence
from router.record import Record
from web.errors import Refusal
from web.origins import Origins
from web.sockets import GOING_AWAY, Closing, Socket

BEAT_EVERY: Final = 5
"""Seconds; a browser that hears nothing for three beats connects again."""

BEHIND: Final = 2.0
"""Seconds of lag that operators are told of at once."""

FACE_READERS: Final = 4
SIGNED_OUT: Final = Closing(4401, "your session has ended, please sign in")


class Node:
    """Everything that one desk process holds."""

    def __init__(self, outside: Outside, settings: DeskSettings) -> None:
        self.outside = outside
        self.settings = settings
        self.faces = Faces()
        self.library = Library(outside.ledger, self.faces)
        self.feed = Feed(outside, self.faces, self.library)
        self.commands = Commands(outside, self.feed, self.library)
        self.sessions = Sessions(outside, lasts=settings.session)
        self.presence = Presence(
            outside.door,
            outside.node,
            outside.monotonic,
            linger=settings.away_after.seconds,
            idle_after=settings.idle_after.seconds,
        )
        self.origins = Origins([outside.public_url])
        self._sockets: dict[Socket, Session] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the log and serve; afterwards say that this node's operators are gone."""
        unsubscribe = self.outside.ledger.subscribe(self._take)
        loops = [self._beat(), self.presence.run(), *(self.feed.find_faces() for _ in range(FACE_READERS))]
        tasks = [asyncio.create_task(loop) for loop in loops]
        try:
            yield
        finally:
            unsubscribe()
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            await self.presence.leave()
            failures = [each for each in results if isinstance(each, Exception)]
            if failures:
                raise ExceptionGroup("the desk's loops failed", failures)

    def admit(self, socket: Socket, session: Session) -> None:
        """Remember an open socket, to close it when its session ends."""
        self._sockets[socket] = session

    def dismiss(self, socket: Socket) -> None:
        """Forget a socket."""
        self._sockets.pop(socket, None)

    def sweep(self) -> None:
        """Close the sockets whose session is void."""
        for socket, session in tuple(self._sockets.items()):
            try:
                self.sessions.check(session)
            except Refusal:
                socket.close(SIGNED_OUT)

    def close_sockets(self) -> None:
        """Close all sockets; the browsers go to another node, or come back."""
        for socket in tuple(self._sockets):
            socket.close(GOING_AWAY)

    async def sign_out(self, session: Session, *, everywhere: bool) -> None:
        """End a session; an operator who has no other desk open goes offline at once, without the grace time."""
        account = self.sessions.check(session)
        await self.sessions.end(session, everywhere=everywhere)
        self.sweep()
        if everywhere or not self._elsewhere(session):
            answers = self.commands.carry_out(account, self.outside.new_id(), SetPresence(state="offline"))
            await anext(answers)
            await answers.aclose()

    def _elsewhere(self, session: Session) -> bool:
        """Whether the operator has a desk open with another session, here or on another node."""
        if any(s.operator == session.operator and s.id != session.id for s in self._sockets.values()):
            return True
        operator = self.feed.state.operators.get(session.operator)
        return operator is not None and any(node != self.outside.node for node in operator.nodes)

    def _take(self, seq: int, _subject: str, record: Record) -> None:
        self.feed.take(seq, record)
        self.commands.take(seq, record)
        self.presence.take(record)

    async def _beat(self) -> None:
        told = 0.0
        for tick in count():
            lag = self.outside.ledger.lag
            if tick % BEAT_EVERY == 0 or (lag >= BEHIND) != (told >= BEHIND):
                self.feed.beat(lag)
                self.sweep()
                told = lag
            self.feed.tell_queues()
            await asyncio.sleep(1)
