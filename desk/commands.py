"""What operators ask for: put on IN, and answered by the one fact that the followed log brings.

A command repeated with the same id is answered from memory, or from the conversation's history: it is never put on
IN again once it is known to have been decided.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Final

import structlog
from msgspec.structs import replace

from desk.canned.shown import tell_answers
from desk.conversations.library import HistoryUnavailable, Library, NotKnown
from desk.conversations.reach import NotThere, settle
from desk.conversations.transcript import Transcript, files, naming, with_files
from desk.conversations.views import card, lists, may_open, touched
from desk.conversations.writing import own_words
from desk.finding.search import IndexAway, Page, Query, Reach
from desk.ports import Account, NotReadable, NotStored, Outside
from desk.protocol.events import Answer, Confirmed, ConversationChanged, Event, NotConfirmed, OperatorChanged, Refused
from desk.protocol.wire import Item
from desk.screens.feed import Feed
from desk.screens.reading import require_reader
from normalizer.content import Media
from router.facts import CommandRefused, InputRefused
from router.inputs import Action, AddNote, Command, Link, Reopen, Reply, Resend, Take, Unlink
from router.record import Record

CONFIRMED_WITHIN: Final = 2.0
"""Seconds after which an operator is told that a command is not confirmed."""

EXPIRY: Final = 15_000
"""Milliseconds for which a command may wait in IN and still be carried out."""

REMEMBERED: Final = 5_000
REMEMBERED_SETTLED: Final = 200
_log = structlog.stdlib.get_logger(__name__)

Key = tuple[str, str]
"""Operator and command id."""


class Commands:
    """Submits commands and finds their answers. :meth:`take` must see every record, after :meth:`Feed.take`."""

    def __init__(self, outside: Outside, feed: Feed, library: Library) -> None:
        self._outside = outside
        self._feed = feed
        self._library = library
        self._answers: OrderedDict[Key, tuple[int, Record]] = OrderedDict()
        self._settled: OrderedDict[Key, Action] = OrderedDict()
        self._waiting: dict[Key, list[asyncio.Future[tuple[int, Record]]]] = {}

    def take(self, seq: int, record: Record) -> None:
        """Follow a record: it may answer a command (``by`` is empty for an operator whom the rules do not know)."""
        if record.cause != "input" or not record.ref:
            return
        keys = [(record.by, record.ref)]
        if not record.by:
            keys = [key for key in self._waiting if key[1] == record.ref]
        for key in keys:
            self._answer(key, seq, record)

    def _answer(self, key: Key, seq: int, record: Record) -> None:
        self._answers[key] = (seq, record)
        if len(self._answers) > REMEMBERED:
            self._answers.popitem(last=False)
        for future in self._waiting.get(key, ()):
            if not future.done():
                future.set_result((seq, record))

    async def carry_out(self, who: Account, id: str, action: Action) -> AsyncGenerator[Answer, None]:  # noqa: A002 - as in Command
        """Give the answer to a command; after ``not_confirmed`` a second one, if it comes before the expiry."""
        known = await self._known(who, id, action)
        if known is not None:
            yield known
            return
        try:
            await self._require_reach(who, action)
            action = await self._recall(who, own_words(action))
            action = await self._complete(who, self._settle((who.id, id), action))
        except NotThere as exc:
            yield Refused(id=id, code=exc.code, reason=str(exc))
            return
        except (NotKnown, HistoryUnavailable) as exc:
            yield Refused(id=id, code="not_found" if isinstance(exc, NotKnown) else "unavailable", reason=str(exc))
            return
        with self._expect((who.id, id)) as answer:
            reason = await self._submit(who, id, action, answer)
            if reason:
                yield NotConfirmed(id=id, reason=reason)
                await self._wait_on(answer)
            if answer.done():
                yield await self._read(who, id, action, *answer.result())

    def _settle(self, key: Key, action: Action) -> Action:
        """Check an answer against its channel when it is first asked for: a repetition may have gone out meanwhile.

        Raises:
            NotThere: the channel would not take it.
        """
        if key in self._settled:
            return self._settled[key]
        settled = settle(self._feed.state, self._outside.channels, action, self._outside.now())
        self._settled[key] = settled
        if len(self._settled) > REMEMBERED_SETTLED:
            self._settled.popitem(last=False)
        return settled

    async def _known(self, who: Account, id: str, action: Action) -> Answer | None:  # noqa: A002 - as in Command
        """Answer what needs no new input: what is not theirs to ask, and what was decided before."""
        if isinstance(action, Take) and who.role != "supervisor":
            return Refused(id=id, code="not_allowed", reason="only a supervisor may do this")
        if found := self._answers.get((who.id, id)):
            return await self._read(who, id, action, *found)
        operator = self._feed.state.operators.get(who.id)
        if operator is None or id not in operator.commands:
            return None
        if found := await self._in_history(who, id, action):
            return await self._read(who, id, action, *found)
        return Refused(id=id, code="decided_before", reason="this was decided before; look at how things are now")

    async def _in_history(self, who: Account, id: str, action: Action) -> tuple[int, Record] | None:  # noqa: A002
        conversation = getattr(action, "conversation", "")
        known = self._feed.state.conversations.get(conversation)
        if known is None:
            return None
        try:
            async with asyncio.timeout(CONFIRMED_WITHIN):
                history = await self._outside.ledger.history(conversation, known.person)
        except (TimeoutError, NotReadable):
            return None
        return next((each for each in history if (each[1].by, each[1].ref) == (who.id, id)), None)

    async def _submit(
        self,
        who: Account,
        id: str,  # noqa: A002 - as in Command
        action: Action,
        answer: "asyncio.Future[tuple[int, Record]]",
    ) -> str:
        """Put a command on IN and wait a little for its fact; say why it is not confirmed, or nothing."""
        command = Command(
            id=id,
            operator=who.id,
            expires=self._outside.now() + EXPIRY,
            action=action,
            position=self._outside.ledger.position,
            role=who.role,
        )
        try:
            async with asyncio.timeout(CONFIRMED_WITHIN):
                await self._outside.door.submit(command)
                await asyncio.wait([answer])
        except TimeoutError:
            return f"no decision came within {CONFIRMED_WITHIN:g} s"
        except NotStored as exc:
            _log.warning("command could not be stored", operator=who.id, command=id, error=str(exc))
            return "it could not be stored yet"
        return ""

    async def _wait_on(self, answer: "asyncio.Future[tuple[int, Record]]") -> None:
        await asyncio.wait([answer], timeout=EXPIRY / 1000 - CONFIRMED_WITHIN)

    @contextmanager
    def _expect(self, key: Key) -> "Iterator[asyncio.Future[tuple[int, Record]]]":
        future: asyncio.Future[tuple[int, Record]] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(future)
        try:
            yield future
        finally:
            self._waiting[key].remove(future)
            if not self._waiting[key]:
                del self._waiting[key]

    async def _complete(self, who: Account, action: Action) -> Action:
        """Put the keys back into files that are sent again (browsers never had them).

        Notes are for those who may read the conversation: who is mentioned in one may read it from then on.

        Raises:
            NotKnown: the conversation is not theirs to read, or holds no such file.
            HistoryUnavailable: its history could not be read in time.
        """
        if not isinstance(action, Reply | AddNote):
            return action
        keyless = any(not each.file.key for each in files(action.content))
        person = self._person(action.conversation)
        readable = may_open(self._feed.state, who.id, who.role, action.conversation, person)
        if readable and not keyless:
            return action
        async with self._library.open(action.conversation, person) as transcript:
            require_reader(self._feed, who, transcript)
            return replace(action, content=with_files(action.content, lambda media: _with_key(media, transcript)))

    async def _require_reach(self, who: Account, action: Action) -> None:
        """Refuse to open or join what is not theirs to read: they could read it from then on.

        Raises:
            NotKnown: the conversation, or the customer, is none that they may find.
            HistoryUnavailable: it cannot be looked up now.
        """
        match action:
            case Reopen():
                if not may_open(self._feed.state, who.id, who.role, action.conversation, action.person):
                    async with self._library.open(action.conversation, action.person) as transcript:
                        require_reader(self._feed, who, transcript)
            case Link():
                await self._require_customer(who, action.person)
                await self._require_customer(who, action.other)
            case Unlink():
                await self._require_customer(who, action.person)
            case _:
                return

    async def _require_customer(self, who: Account, person: str) -> None:
        """Raises like :meth:`_require_reach`."""
        state, index = self._feed.state, self._outside.search
        known = state.people.get(person)
        theirs = [name for name in (*known.past, known.conversation) if name] if known else []
        if who.role == "supervisor" or any(may_open(state, who.id, who.role, name, person) for name in theirs):
            return
        try:
            found = index and (await index.conversations(Query(person=person), Page(1), Reach(who.id, (), ())))[0]
        except IndexAway as exc:
            raise HistoryUnavailable(str(exc)) from exc
        if not found:
            raise NotKnown(f"there is no customer {person}")

    async def _recall(self, who: Account, action: Action) -> Action:
        """Put in what is sent again, as it was sent: what a browser says of it is not believed.

        Raises:
            NotKnown: the conversation is not theirs to read.
            HistoryUnavailable: its history could not be read in time.
        """
        if not isinstance(action, Resend):
            return action
        async with self._library.open(action.conversation, self._person(action.conversation)) as transcript:
            require_reader(self._feed, who, transcript)
            return replace(action, content=transcript.sent(action.outbound))

    def _person(self, conversation: str) -> str:
        known = self._feed.state.conversations.get(conversation)
        return known.person if known else ""

    async def _read(self, who: Account, id: str, action: Action, seq: int, record: Record) -> Answer:  # noqa: A002
        """Say what a record answers."""
        for fact in record.facts:
            match fact:
                case CommandRefused():
                    since = await self._since(action) if fact.code == "stale" else ()
                    return Refused(id=id, code=fact.code, reason=fact.reason, since=since)
                case InputRefused():
                    return Refused(id=id, code="failed", reason="this could not be decided; it has been noted")
                case _:
                    pass
        return Confirmed(id=id, events=tuple(self._effects(who, seq, record)))

    async def _since(self, action: Action) -> tuple[Item, ...]:
        """Give what an operator had not seen when answering."""
        if not isinstance(action, Reply):
            return ()
        try:
            async with self._library.open(action.conversation, self._person(action.conversation)) as transcript:
                return transcript.since(action.seen)
        except (NotKnown, HistoryUnavailable):
            return ()

    def _effects(self, who: Account, seq: int, record: Record) -> Iterator[Event]:
        """Give what a record changed, as far as the operator may see it."""
        state = self._feed.state
        changed = touched(state, record)
        for name in changed.conversations:
            known = state.conversations.get(name)
            if known is None or not may_open(state, who.id, who.role, name, known.person):
                continue
            listed = lists(self._feed.lists.audience(name), who.id, everything=False)
            yield ConversationChanged(summary=self._feed.summary(known), listed=listed)
            yield from Transcript(name, naming(lambda: state)).take(seq, record)
        if who.id in changed.operators and (mine := card(state, who.id, load=True)):
            yield OperatorChanged(operator=mine)
        yield from tell_answers(state, who.id, changed.answers)


def _with_key(media: Media, transcript: Transcript) -> Media:
    if media.file.key:
        return media
    stored = transcript.file(media.file.name)
    if stored is None:
        raise NotKnown(f"the conversation holds no file {media.file.name}")
    return replace(media, file=stored.file)
