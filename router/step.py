"""The order of things: the clock, the timers that are due, the input; and after each of them what it left to do.

Each is a step, each step one record. A step that raises is undone and recorded as refused; the router goes on.
"""

import heapq
import re
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal

from msgspec import Struct, structs

from router import facts as f
from router import inputs
from router.change import Change, Fold
from router.commands import obey
from router.deadlines import PARK
from router.draft import Draft, Refused, Surroundings
from router.evolve import FOLDS, consume, load, settle
from router.inputs import Command, Input, Message, Reported
from router.intake import take_message
from router.people import Conversation, PersonRecord
from router.policy import Policy
from router.presence import keep_node, lose_socket, note_idleness, sign_in
from router.receipts import conversation_of, take_receipt
from router.record import WORKSPACE_LINE, Entry, Record, encode_record
from router.state import State
from router.timers import TIMERS
from router.todo import TODO, take_rules, wants_match

JUMP: Final = 5_000
"""Two inputs further apart than this (ms) mean that the bus stood still, not that people left; the other way round that
its clock had been wrong. Nodes that take turns may differ by less: time stands still then."""

Cause = Literal["input", "timer", "todo", "clock", "position"]


_OURS: Final = re.compile(r"c[0-9]{1,20}")
"""What a conversation's id looks like; a stranger's receipt may claim anything."""


class RecordTooLarge(Exception):
    """A step gave a record that the server does not store: it is refused like one that raises."""


class Undecodable(Struct, frozen=True):
    """Stands for an input whose bytes the shell could not decode; ``reason`` is a short word for what was wrong."""

    reason: str


class Wanted(Struct, frozen=True):
    """What an input needs in memory: people by address, by id, and by a conversation of theirs."""

    addresses: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    conversations: tuple[str, ...] = ()


def wanted(value: Input | Undecodable) -> Wanted:
    """Say whom the shell has to look up ahead of the step, where they are not in the state."""
    if isinstance(value, Message):
        return Wanted(addresses=(value.envelope.address,))
    if isinstance(value, Command):
        action = value.action
        if isinstance(action, inputs.Link):
            return Wanted(people=(action.person, action.other))
        if isinstance(action, inputs.Reopen | inputs.Unlink):
            return Wanted(people=(action.person,))
    if isinstance(value, Reported):
        name = conversation_of(value.receipt)
        return Wanted(conversations=(name,)) if _OURS.fullmatch(name) else Wanted()
    return Wanted()


class Machine:
    """The active router: ``state``, and the indexes that only it needs, which are functions of the state.

    ``release`` is the version of the code, ``failure`` is what the last refused step raised. The shell sets ``term``,
    and ``largest``: how many bytes of a record can be stored. ``folds`` lets tests put in a fold that fails.
    """

    def __init__(self, state: State, *, release: str, folds: Mapping[type, Fold] = FOLDS) -> None:
        self.state = state
        self.release = release
        self.term = state.term
        self.largest = sys.maxsize
        self.failure: Exception | None = None
        self._input, self._step, self._now = state.input, state.step, state.now
        waiting = {name for name, one in state.conversations.items() if one.status == "waiting"}
        self._around = Surroundings(policy=Policy(state.rules), waiting=waiting, folds=folds, release=release)
        self._heap = [(due, name) for name, due in state.timers.items()]
        heapq.heapify(self._heap)

    @property
    def input(self) -> int:
        """The last input consumed, with or without effect."""
        return self._input

    @property
    def next_due(self) -> int | None:
        """When the next timer is due (ms since the epoch): time for a tick."""
        self._drop_stale()
        return self._heap[0][0] if self._heap else None

    def missing(self, value: Input | Undecodable) -> Wanted:
        """Say who of those wanted is not in memory now: call it right before :meth:`advance`."""
        need = wanted(value)
        return Wanted(
            addresses=tuple(a for a in need.addresses if a not in self.state.addresses),
            people=tuple(p for p in need.people if p not in self.state.people),
            conversations=tuple(c for c in need.conversations if c not in self.state.conversations),
        )

    def advance(
        self, seq: int, at_ms: int, value: Input | Undecodable, loaded: Sequence[PersonRecord] = ()
    ) -> list[Entry]:
        """Do everything that input ``seq``, stored at ``at_ms``, causes; no entries: it has no effect."""
        return list(self.steps(seq, at_ms, value, loaded))

    def steps(
        self, seq: int, at_ms: int, value: Input | Undecodable, loaded: Sequence[PersonRecord] = ()
    ) -> Generator[Entry, None, None]:
        """Do the same step by step: an input may cause tens of thousands.

        Whoever closes it in between has a state as after a crash there: go on with :meth:`resuming`, and with the
        first input that is not consumed.
        """
        gap = at_ms - self._now
        if gap > 0 or gap < -JUMP:
            jumped = self._now and abs(gap) > JUMP
            self._now = at_ms
            if jumped:
                news = f.ClockJumped(gap=gap) if gap > 0 else f.ClockSetBack(gap=-gap)
                yield self._other("clock", "", Draft.emit, news)
        if self._heap and self._heap[0][0] <= self._now:
            yield from self._fire(value)
        self._input, self._step = seq, 0
        entry = self._take(value, loaded)
        if entry is not None:
            yield entry
        if self.state.todo:
            yield from self.resuming()

    def resuming(self) -> Generator[Entry, None, None]:
        """Do what is left to do, step by step: after each timer and input, and first of all after a recovery."""
        while self.state.todo:
            kind, about = self.state.todo[0]
            name = f"{kind}:{about}"
            yield self._other("todo", name, _do, name)

    def position(self) -> Entry:
        """Write the empty record that carries the position."""
        return self._other("position", "", _tick, inputs.Tick())

    # --- causes -----------------------------------------------------------------------------------------------

    def _fire(self, value: Input | Undecodable) -> Generator[Entry, None, None]:
        """Fire what is due, in (due, id) order; whom this very input needs stays in memory for now."""
        kept: list[tuple[int, str]] = []
        staying = self._staying(value)
        try:
            while self._drop_stale() and self._heap[0][0] <= self._now:
                timer = heapq.heappop(self._heap)
                kind, _, about = timer[1].partition(":")
                if kind == PARK and about in staying:
                    kept.append(timer)
                    continue
                yield self._other("timer", timer[1], _ring, timer[1])
                yield from self.resuming()
        finally:
            for timer in kept:
                heapq.heappush(self._heap, timer)

    def _staying(self, value: Input | Undecodable) -> set[str]:
        need = wanted(value)
        known = (self.state.addresses.get(address) for address in need.addresses)
        of = (self.state.conversations.get(name) for name in need.conversations)
        return {*need.people, *(one.person for one in (*known, *of) if one is not None)}

    def _drop_stale(self) -> bool:
        """Drop timers from the top of the heap that were moved or cleared; False when none is left."""
        heap, timers = self._heap, self.state.timers
        while heap and timers.get(heap[0][1]) != heap[0][0]:
            heapq.heappop(heap)
        return bool(heap)

    def _take(self, value: Input | Undecodable, loaded: Sequence[PersonRecord]) -> Entry | None:
        ref = by = ""
        if isinstance(value, Command):
            ref = value.id
            by = value.operator if value.operator in self.state.rules.operators else ""
        fresh = self._fresh(loaded) if loaded else ()  # hardly ever: the usual message is spared the generator
        return self._run("input", ref, _read, value, by=by, loaded=fresh)

    def _fresh(self, loaded: Sequence[PersonRecord]) -> tuple[PersonRecord, ...]:
        """Give who is not in the state yet, without the log sequence, which a record does not carry."""
        return tuple(
            structs.replace(one, log=0)
            for one in loaded
            if one.person.id not in self.state.people and one.person.moved is None
        )

    def _other(self, cause: Cause, ref: str, decide: Callable[[Draft, Any], None], about: object) -> Entry:
        self._step += 1
        entry = self._run(cause, ref, decide, about)
        assert entry is not None  # noqa: S101  # only inputs go without a record
        return entry

    # --- one step ---------------------------------------------------------------------------------------------

    def _run(  # noqa: PLR0913  # each stands for a word of the record
        self,
        cause: Cause,
        ref: str,
        decide: Callable[[Draft, Any], None],
        about: object,
        *,
        by: str = "",
        loaded: tuple[PersonRecord, ...] = (),
    ) -> Entry | None:
        """Make one step; None when an input changes nothing."""
        draft = self._draft()
        try:
            load(draft.change, loaded)
            consume(draft.change, cause, ref)
            decide(draft, about)
            self._follow(draft.change)
            if draft.freed:
                _schedule(draft)
        except Refused as refusal:
            about_one = draft.line in self.state.conversations
            fact = refusal.fact(ref, draft.line if about_one else "")
            draft, loaded = self._instead(draft, cause, ref, fact, draft.line), ()
        except Exception as error:  # noqa: BLE001  # whatever it is, the customers behind must not wait
            draft, loaded = self._poisoned(draft, cause, ref, error), ()
        if cause == "input" and not draft.facts:
            self._take_back(draft.change)
            return None
        entry = self._finish(draft, cause, ref, by, loaded)
        if len(entry.payload) <= self.largest:
            return entry
        too_large = RecordTooLarge(f"{len(entry.payload)} bytes, and the server takes {self.largest}")
        return self._finish(self._poisoned(draft, cause, ref, too_large), cause, ref, by, ())

    def _draft(self) -> Draft:
        return Draft(Change(self.state), self._now, self._input, self._around, self.largest)

    def _poisoned(self, failed: Draft, cause: Cause, ref: str, error: Exception) -> Draft:
        """Refuse what no step can take; it belongs to the dead letters."""
        self.failure = error
        poison = f.InputRefused(cause=f"{cause}:{ref}", error=type(error).__name__, release=self.release)
        return self._instead(failed, cause, ref, poison, WORKSPACE_LINE)

    def _instead(self, failed: Draft, cause: Cause, ref: str, fact: f.AnyFact, line: str) -> Draft:
        """Undo the step and record ``fact`` alone; what caused it is consumed, so that it does not come again."""
        self._take_back(failed.change)
        draft = self._draft()
        consume(draft.change, cause, ref)
        draft.line = line
        draft.emit(fact)
        return draft

    def _take_back(self, change: Change) -> None:
        change.rollback()
        self._follow(change)

    def _finish(self, draft: Draft, cause: Cause, ref: str, by: str, loaded: tuple[PersonRecord, ...]) -> Entry:
        facts = tuple(draft.facts)
        record = Record(
            input=self._input,
            step=self._step,
            now=self._now,
            term=self.term,
            rules=self.state.version,
            cause=cause,
            ref=ref,
            by=by,
            loaded=loaded,
            facts=facts,
            why=draft.why,
        )
        settle(draft.change, record)
        channel, refused = None, False
        for fact in facts:
            if isinstance(fact, f.ReplySent):
                channel = fact.outbound.channel
            elif isinstance(fact, f.InputRefused):
                refused = True
        return Entry(draft.line, channel, record, tuple(draft.parked), refused, encode_record(record))

    def _follow(self, change: Change) -> None:
        """Bring the indexes up to what was written, or taken back."""
        timers, waiting, around = self.state.timers, self._around.waiting, self._around
        for container, key, _ in change.log:
            if container is timers:
                name = str(key)
                if name in timers:
                    heapq.heappush(self._heap, (timers[name], name))
            elif key == "status" and isinstance(container, Conversation):
                if container.status == "waiting":
                    waiting.add(container.id)
                else:
                    waiting.discard(container.id)
        if self.state.rules is not around.policy.rules:
            around.policy = Policy(self.state.rules)


def _schedule(d: Draft) -> None:
    """Leave for later what needs a step of its own: freed operators take the next conversation."""
    items: tuple[tuple[f.Todo, str], ...] = tuple(("match_operator", name) for name in d.freed if wants_match(d, name))
    if items:
        d.emit(f.Scheduled(items=items))


def _ring(d: Draft, name: str) -> None:
    kind, _, about = name.partition(":")
    TIMERS[kind](d, about)


def _do(d: Draft, name: str) -> None:
    kind, _, about = name.partition(":")
    TODO[kind](d, about)


def _read(d: Draft, value: Input | Undecodable) -> None:
    _INPUTS[type(value)](d, value)


def _tick(_draft: Draft, _value: inputs.Tick) -> None:
    """Nothing but time: the timers have been fired already."""


def _restore(d: Draft, value: inputs.Restored) -> None:
    d.emit(f.WorkspaceRestored(skip=value.skip))


def _refuse(d: Draft, value: Undecodable) -> None:
    d.emit(f.InputRefused(cause="input:", error=value.reason, release=d.release))


_INPUTS: Mapping[type, Callable[[Draft, Any], None]] = MappingProxyType(
    {
        Message: take_message,
        Reported: take_receipt,
        inputs.Tick: _tick,
        inputs.RulesProposed: take_rules,
        inputs.Restored: _restore,
        inputs.DeskAlive: keep_node,
        inputs.OperatorUp: sign_in,
        inputs.OperatorLost: lose_socket,
        inputs.OperatorIdle: note_idleness,
        Command: obey,
        Undecodable: _refuse,
    }
)
