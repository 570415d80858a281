"""What each screen is told: the effect of every record, in log order, on the lists and conversations it shows.

A screen that comes back with a cursor gets what has changed since, if the node still knows all of it, and a whole
view otherwise; in both cases it then shows what a fresh screen would show.
"""

import asyncio
from collections import deque
from collections.abc import Iterable

import msgspec
import structlog

from desk.canned.shown import choices, list_answers, tell_answers
from desk.conversations.faces import Faces
from desk.conversations.library import HistoryUnavailable, Library, NotKnown
from desk.conversations.lists import Lists
from desk.conversations.queues import show_queues, what_lacks
from desk.conversations.reach import routes
from desk.conversations.transcript import Transcript
from desk.conversations.views import Audience, Touched, card, lists, operator_name, summarize, touched
from desk.ports import Outside
from desk.protocol.events import (
    ConversationChanged,
    ConversationGone,
    Event,
    Mentioned,
    OperatorChanged,
    WaitingChanged,
    Whispered,
)
from desk.protocol.frames import AnswersFrame, Beat, Changes, QueuesFrame, ViewFrame
from desk.protocol.wire import OperatorCard, Summary, encode
from desk.screens.effects import Effect, EventEncoder, Past
from desk.screens.screen import Place, Screen
from normalizer.content import Text
from router.facts import NoteAdded
from router.people import Conversation
from router.policy import Policy
from router.record import Record
from router.state import State
from web.tokens import KEY_LENGTH, Signer, TokenRefused

VIEW_LIMIT = 500
"""So many conversations of the queue (or of all) are pushed to a screen; longer lists are paged over HTTP."""

REMEMBERED = 5_000
"""So many records back a screen can resume."""

RESUMED_LIMIT = 1_000
"""A screen that missed more conversations than this gets a view instead."""

CURSOR = "desk-cursor"
_log = structlog.stdlib.get_logger(__name__)


class Feed:
    """All screens of a node. :meth:`take` must see every record, after the state has folded it."""

    def __init__(self, outside: Outside, faces: Faces, library: Library) -> None:
        self._ledger = outside.ledger
        self._now = outside.now
        self._channels = outside.channels
        self._faces = faces
        self._library = library
        self._signer = Signer(outside.secret(CURSOR)[:KEY_LENGTH])
        self._screens: dict[Screen, None] = {}
        self._all: dict[Screen, None] = {}  # those that show everything
        self._of: dict[str, dict[Screen, None]] = {}
        self._readers: dict[str, dict[Screen, None]] = {}
        self._past: deque[Past] = deque()
        self._floor = outside.ledger.position
        self._cursors: dict[tuple[int, bool], str] = {}
        self._lacking: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self._searched: set[str] = set()
        self._summaries: dict[str, Summary] = {}
        self._policy = Policy(outside.ledger.state.rules)
        self._queues_told = False
        self.lists = Lists(outside.ledger.state)

    @property
    def state(self) -> State:
        """The folded state."""
        return self._ledger.state

    # --- screens ---------------------------------------------------------------------------------------------

    def attach(self, screen: Screen) -> None:
        """Add a screen; nothing is sent to it before :meth:`resume` or :meth:`show`."""
        self._screens[screen] = None
        if screen.everything:
            self._all[screen] = None
        self._of.setdefault(screen.account.id, {})[screen] = None

    def detach(self, screen: Screen) -> None:
        """Forget a screen."""
        self._screens.pop(screen, None)
        self._all.pop(screen, None)
        for conversation in tuple(screen.watching):
            self.unwatch(screen, conversation)
        mine = self._of.get(screen.account.id, {})
        mine.pop(screen, None)
        if not mine:
            self._of.pop(screen.account.id, None)

    def place(self, cursor: str, *, everything: bool) -> int | None:
        """Give the place a screen can resume from, or None if it needs a whole view."""
        try:
            place = self._signer.verify(cursor, CURSOR, Place, now=self._now())
        except TokenRefused:
            return None
        same = place.stream == self._ledger.stream and place.everything == everything
        return place.seq if same and place.seq >= self._floor else None

    def cursor(self, *, everything: bool) -> str:
        """Sign the present place, once for all screens."""
        key = (self._ledger.position, everything)
        if key not in self._cursors:
            self._cursors = {each: text for each, text in self._cursors.items() if each[0] == key[0]}
            place = Place(self._ledger.stream, self._ledger.position, everything)
            self._cursors[key] = self._signer.sign(CURSOR, place, expires_at=None)
        return self._cursors[key]

    def switch(self, screen: Screen, *, everything: bool) -> None:
        """Show everything, or what is one's own and the queue."""
        screen.everything = everything
        if everything:
            self._all[screen] = None
        else:
            self._all.pop(screen, None)
        self.show(screen)

    def show(self, screen: Screen) -> None:
        """Send everything that the screen's lists hold."""
        account = screen.account
        shown = self.lists.shown(self.state, account.id, VIEW_LIMIT, everything=screen.everything)
        self._find_faces(shown)
        screen.send(
            encode(
                ViewFrame(
                    cursor=self.cursor(everything=screen.everything),
                    everything=screen.everything,
                    conversations=tuple(map(self.summary, shown)),
                    operators=tuple(self._cards(screen)),
                    waiting=self.lists.waiting,
                    choices=choices(self.state.rules),
                )
            )
        )
        self._queues_told = self._queues_told and not screen.everything

    def show_answers(self, screen: Screen) -> None:
        """Send all canned answers."""
        answers = list_answers(self.state, screen.account.id)
        screen.send(encode(AnswersFrame(cursor=self.cursor(everything=screen.everything), answers=answers)))

    def resume(self, screen: Screen, place: int) -> None:
        """Send what has changed since ``place``; a place ahead of this node is waited for."""
        screen.after = place
        self._queues_told = self._queues_told and not screen.everything
        missed = [past for past in self._past if past.seq > place]
        before: dict[str, list[Audience]] = {}
        for past in missed:
            for conversation, audience in zip(past.touched.conversations, past.before, strict=True):
                before.setdefault(conversation, []).append(audience)
        if len(before) > RESUMED_LIMIT or any(past.touched.everything for past in missed):
            self.show(screen)
            self.show_answers(screen)
            return
        events: list[Event] = []
        for conversation, audiences in before.items():
            was = any(lists(each, screen.account.id, everything=screen.everything) for each in audiences)
            events += self._listed(screen, conversation, was=was)
        operators = {operator: None for past in missed for operator in past.touched.operators}
        events += [OperatorChanged(operator=each) for each in self._cards(screen, operators)]
        answers = dict.fromkeys(named for past in missed for named in past.touched.answers)
        events += tell_answers(self.state, screen.account.id, answers)
        events.append(WaitingChanged(count=self.lists.waiting))
        self._send(screen, [encode(event) for event in events])

    def tell_queues(self) -> None:
        """Tell supervisors how the queues stand, if that has changed since it was told."""
        if self._queues_told or not self._all:
            return
        self._queues_told = True
        waiting = (self.state.conversations[name] for name in self.lists.queue)
        frame = encode(QueuesFrame(queues=show_queues(self.state, self._policy, waiting)))
        for screen in tuple(self._all):
            screen.send(frame)

    def beat(self, lag: float) -> None:
        """Tell all screens that the node lives."""
        frames = {
            everything: encode(Beat(now=self._now(), lag=round(lag, 1), cursor=self.cursor(everything=everything)))
            for everything in (False, True)
        }
        for screen in tuple(self._screens):
            screen.send(frames[screen.everything])

    # --- records ---------------------------------------------------------------------------------------------

    def take(self, seq: int, record: Record) -> None:
        """Follow a record."""
        changed = touched(self.state, record)
        self._summaries.clear()
        self._faces.take(record)
        items = self._library.take(seq, record, changed.conversations)
        self._queues_told = False
        if changed.everything:
            self._policy = Policy(self.state.rules)
            self._remember(Past(seq, Touched(everything=True)))
            self.lists.rebuild(self.state)
            for screen in tuple(self._screens):
                self.show(screen)
                self.show_answers(screen)
            return
        waiting = self.lists.waiting
        audiences = [self.lists.refresh(self.state, each) for each in changed.conversations]
        past = Past(seq, changed, tuple(before for before, _ in audiences))
        if changed.conversations or changed.operators or changed.answers:
            self._remember(past)
        notes = {
            each: fact
            for fact in record.facts
            if isinstance(fact, NoteAdded)
            for each in (fact.whisper, *fact.mentions)
        }
        after = tuple(after for _, after in audiences)
        self._tell(Effect(past, after, items, notes, recount=waiting != self.lists.waiting))

    def _remember(self, past: Past) -> None:
        self._past.append(past)
        if len(self._past) > REMEMBERED:
            self._floor = self._past.popleft().seq

    def _tell(self, effect: Effect) -> None:
        told = EventEncoder()
        for screen in self._concerned(effect):
            events = self._list_events(screen, effect)
            if effect.past.seq <= screen.after:
                events = []  # the client has seen this on a node that was ahead of us
            for conversation in effect.past.touched.conversations:
                if conversation in screen.watching:
                    events += effect.items.get(conversation, ())
            if note := effect.notes.get(screen.account.id):
                events.append(self._whisper(note) if note.whisper == screen.account.id else self._mention(note))
            self._send(screen, map(told.encode, events))

    def _list_events(self, screen: Screen, effect: Effect) -> list[Event]:
        events: list[Event] = []
        touched_now = effect.past.touched
        for conversation, before in zip(touched_now.conversations, effect.past.before, strict=True):
            was = lists(before, screen.account.id, everything=screen.everything)
            events += self._listed(screen, conversation, was=was)
        events += [OperatorChanged(operator=each) for each in self._cards(screen, touched_now.operators)]
        events += tell_answers(self.state, screen.account.id, touched_now.answers)
        if effect.recount:
            events.append(WaitingChanged(count=self.lists.waiting))
        return events

    def _concerned(self, effect: Effect) -> list[Screen]:
        """Give the screens that a change may show on."""
        if effect.public:
            return list(self._screens)
        operators = {each for audience in (*effect.past.before, *effect.after) for each in audience.operators}
        operators.update(effect.past.touched.operators, effect.notes)
        operators.update(owner for _, owner in effect.past.touched.answers)
        concerned = dict(self._all)
        for operator in operators:
            concerned.update(self._of.get(operator, {}))
        for conversation in effect.past.touched.conversations:
            concerned.update(self._readers.get(conversation, {}))
        return list(concerned)

    def _listed(self, screen: Screen, conversation: str, *, was: bool) -> list[Event]:
        """Say how a conversation stands on a screen now, if it does or did."""
        listed = lists(self.lists.audience(conversation), screen.account.id, everything=screen.everything)
        reading = conversation in screen.watching
        if reading and not listed and not screen.may_read(self.state, conversation):
            self.unwatch(screen, conversation)
            screen.gone(conversation)
            return [ConversationGone(conversation=conversation)]
        known = self.state.conversations.get(conversation)
        if known is not None and (listed or reading):
            self._find_faces([known])
            return [ConversationChanged(summary=self.summary(known), listed=listed)]
        return [ConversationGone(conversation=conversation)] if was else []

    def _mention(self, note: NoteAdded) -> Mentioned:
        known = self.state.conversations.get(note.conversation)
        return Mentioned(conversation=note.conversation, person=known.person if known else "", by=note.by)

    def _whisper(self, note: NoteAdded) -> Whispered:
        text = note.content.text if isinstance(note.content, Text) else ""
        return Whispered(conversation=note.conversation, by=note.by, name=operator_name(self.state, note.by), text=text)

    def _cards(self, screen: Screen, operators: Iterable[str] | None = None) -> list[OperatorCard]:
        """Give the operators (of these, or all) whose work a screen shows."""
        me = screen.account.id
        chosen = operators if operators is not None else (self.state.rules.operators if screen.everything else (me,))
        cards = (card(self.state, each, load=True) for each in chosen if screen.everything or each == me)
        return [each for each in cards if each is not None]

    def summary(self, conversation: Conversation) -> Summary:
        """Make the line of a list, with what is known of name and preview; once for each record."""
        if conversation.id not in self._summaries:
            ways = routes(self.state, self._channels, conversation)
            face = self._faces.get(conversation.id)
            lack = what_lacks(self.state, self._policy, conversation)
            self._summaries[conversation.id] = summarize(self.state, conversation, face, ways, lack)
        return self._summaries[conversation.id]

    def _send(self, screen: Screen, events: Iterable[bytes]) -> None:
        raws = tuple(map(msgspec.Raw, events))
        if raws:
            screen.send(encode(Changes(cursor=self.cursor(everything=screen.everything), events=raws)))

    # --- conversations that are read ---------------------------------------------------------------------------

    def watch(self, screen: Screen, transcript: Transcript) -> None:
        """From now on send what happens in a conversation."""
        screen.watching[transcript.conversation] = transcript
        self._readers.setdefault(transcript.conversation, {})[screen] = None

    def unwatch(self, screen: Screen, conversation: str) -> None:
        """Do not send it any more."""
        screen.watching.pop(conversation, None)
        readers = self._readers.get(conversation, {})
        readers.pop(screen, None)
        if not readers:
            self._readers.pop(conversation, None)

    # --- names and previews ------------------------------------------------------------------------------------

    def _find_faces(self, conversations: Iterable[Conversation]) -> None:
        for each in conversations:
            if self._faces.get(each.id) is None and each.id not in self._searched:
                self._searched.add(each.id)
                self._lacking.put_nowait((each.id, each.person))

    async def find_faces(self) -> None:
        """Read the names and previews that the lists lack; runs until cancelled, several at once if wished."""
        while True:
            conversation, person = await self._lacking.get()
            try:
                async with self._library.open(conversation, person):
                    self._show_face(conversation)
            except (NotKnown, HistoryUnavailable) as exc:
                _log.warning("cannot show name and preview", conversation=conversation, error=str(exc))
            finally:
                self._searched.discard(conversation)

    def _show_face(self, conversation: str) -> None:
        known = self.state.conversations.get(conversation)
        self._summaries.pop(conversation, None)
        if known is None:
            return
        event = encode(ConversationChanged(summary=self.summary(known), listed=True))
        for screen in tuple(self._screens):
            if lists(self.lists.audience(conversation), screen.account.id, everything=screen.everything):
                self._send(screen, [event])
