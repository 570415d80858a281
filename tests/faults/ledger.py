"""The ledger: what was sent, against what the log holds, against what the other side finally has.

It folds the log itself, message by message as it is stored, and says in sentences which promise is broken and where.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import msgspec
from msgspec import Struct

from broker.bus.fence import WINDOW
from broker.bus.reader import Stored
from broker.bus.streams import Workspace
from broker.routing.term import Term, decode_term
from normalizer.content import Content, Text
from normalizer.outbound import RECEIPT_RANK, Outbound, ReceiptState
from router.evolve import apply
from router.facts import CommandRefused, InputRefused, MessageTaken, OutboundChanged, ReplySent
from router.inputs import decode_input
from router.people import PersonRecord
from router.record import Entry, Record, decode_record, encode_record
from router.snapshot import decode_state, encode_state
from router.state import State
from router.step import Machine, Undecodable
from tests.e2e.actors import Operator, Visitor, answer_to
from tests.e2e.provider import Delivery
from tests.router.invariants import check_books, check_record, check_rest, copy

BOOKS_EVERY = 50
"""Records between two looks at the books; behind a barrier each record is examined whole."""

EXAMINED = 100
NANOS = 1_000_000_000
ON_SCREEN = 30
"""So many of the last messages, and answers, are on an operator's screen for certain: a page has 100 items."""


class Said(Struct, frozen=True):
    """A customer's message in the log."""

    id: str
    text: str
    seq: int


class Ledger:
    """Of one workspace. Fed with every message of the log, and of IN, in order; ``broken`` is what it found."""

    def __init__(self, workspace: Workspace) -> None:
        self.state = State()
        self.position = 0  # the last sequence of the log that was taken
        self.inputs = 0  # and of IN
        self.broken: list[str] = []
        self.terms: list[tuple[int, Term]] = []
        self.said: defaultdict[str, list[Said]] = defaultdict(list)
        self.sent: defaultdict[str, list[Outbound]] = defaultdict(list)
        self.news: dict[str, ReceiptState] = {}
        self.orders: defaultdict[tuple[str, str], list[tuple[int, bool]]] = defaultdict(list)
        self.decided: list[float] = []  # when each message was decided, seconds since the epoch by the bus's clock
        self.records = 0
        self._workspace = workspace
        self._examine = 0
        self._replica = Machine(State(), release="0")
        self._awaited: deque[Record] = deque()  # records that the replica has not decided yet
        self._replayed: deque[Entry] = deque()  # and the other way round
        self._loaded: dict[int, tuple[PersonRecord, ...]] = {}
        self._given: set[tuple[str, str]] = set()

    # --- the log ----------------------------------------------------------------------------------------------

    def take(self, stored: Stored) -> None:
        """Follow the log."""
        if stored.seq <= self.position:
            self.break_(f"{stored.seq} stands behind {self.position}")
        self.position = stored.seq
        if stored.subject == self._workspace.term_subject:
            self.terms.append((stored.seq, decode_term(stored.payload)))
            self._check_succession()
            self._examine = EXAMINED
        elif stored.subject != self._workspace.skip_subject:
            record = decode_record(stored.payload)
            self._check_writer(stored.seq, record)
            self._fold(stored, record)
            self._note(stored, record)
            self._awaited.append(record)
            if record.loaded and record.cause == "input":
                self._loaded[record.input] = record.loaded

    def break_(self, what: str) -> None:
        """Note that a promise is broken."""
        self.broken.append(what)

    def _check_succession(self) -> None:
        numbers = [term.number for _, term in self.terms[-2:]]
        if numbers != sorted(set(numbers)):
            self.break_(f"term {numbers[-1]} follows term {numbers[0]} at {self.position}")

    def _check_writer(self, seq: int, record: Record) -> None:
        """A record is of the term in force at its place, or of an earlier one of the very same router.

        A router that was in doubt raises a barrier and sends what was not stored again, the same bytes; between its
        two terms nobody else may have had one.
        """
        if not self.terms:
            self.break_(f"record {seq} stands before any term")
            return
        place, force = self.terms[-1]
        if seq <= place + WINDOW:
            self.break_(f"record {seq} stands within the barrier at {place}")
        writers = {term.router for _, term in self.terms if record.term <= term.number}
        if record.term > force.number or writers != {force.router}:
            self.break_(f"record {seq} of term {record.term} was accepted in term {force.number} of {force.router}")

    def _fold(self, stored: Stored, record: Record) -> None:
        self.records += 1
        examined, self._examine = self._examine > 0, self._examine - 1
        before = copy(self.state) if examined else None
        apply(self.state, record)
        try:
            if before is not None:
                check_record(before, self._entry(stored, record), record, self.state)
            elif self.records % BOOKS_EVERY == 0:
                check_books(self.state)
        except AssertionError as failure:
            self.break_(f"invariant at {stored.seq}: {failure}")

    def _entry(self, stored: Stored, record: Record) -> Entry:
        words = stored.subject.removeprefix(self._workspace.log_subject("_").removesuffix("_.f")).split(".")
        return Entry(words[0], words[2] if words[1] == "out" else None, record)

    def _note(self, stored: Stored, record: Record) -> None:
        refused = any(isinstance(fact, CommandRefused | InputRefused) for fact in record.facts)
        if record.cause == "input" and record.ref:
            self.orders[record.by, record.ref].append((stored.seq, refused))
        for fact in record.facts:
            match fact:
                case MessageTaken(envelope=envelope):
                    message = Said(envelope.native_id, text_of(envelope.content), stored.seq)
                    self.said[envelope.address].append(message)
                    self.decided.append(stored.time_ns / NANOS)
                case ReplySent(outbound=outbound):
                    self.sent[outbound.address].append(outbound)
                case OutboundChanged():
                    self._raise_news(fact)
                case InputRefused():
                    self.break_(f"the step of record {stored.seq} raised {fact.error}")
                case _:
                    pass

    def _raise_news(self, fact: OutboundChanged) -> None:
        known = self.news.get(fact.outbound, ReceiptState.QUEUED)
        if RECEIPT_RANK[fact.state] > RECEIPT_RANK[known]:
            self.news[fact.outbound] = fact.state

    # --- IN, decided once more -----------------------------------------------------------------------------------

    def replay(self, stored: Stored) -> None:
        """Decide an input again, in one go as if nothing had happened, and compare with the log (promise P5)."""
        if stored.seq <= self.inputs:
            return  # begun anew behind it
        self.inputs = stored.seq
        source = stored.subject.rsplit(".", 1)[1]
        try:
            value = decode_input(source, stored.payload)
        except (msgspec.MsgspecError, ValueError) as error:
            value = Undecodable(type(error).__name__)
        loaded = self._loaded.pop(stored.seq, ())
        self._replayed += self._replica.advance(stored.seq, stored.time_ns // 1_000_000, value, loaded)
        self._compare(stored.seq)

    def _compare(self, seq: int) -> None:
        """Positions are the shell's: they are written when it likes, so the replica writes them where the log has."""
        while self._awaited and (self._replayed or self._is_position(seq)):
            if not self._replayed:
                self._replayed.append(self._replica.position())
            record, ours = self._awaited.popleft(), self._replayed.popleft().record
            if bare(record) != bare(ours):
                self.break_(f"replay of input {seq} gives {bare(ours)!r}, the log has {bare(record)!r}")
                self._begin_anew()

    def _begin_anew(self) -> None:
        """Go on from where the log is, so that one fault is told once."""
        self._replica = Machine(decode_state(encode_state(self.state)), release="0")
        self.inputs = self.state.input
        self._awaited.clear()
        self._replayed.clear()

    def _is_position(self, seq: int) -> bool:
        return self._awaited[0].cause == "position" and self._awaited[0].input == seq

    # --- the books of the actors ---------------------------------------------------------------------------------

    def settle(self, visitors: Iterable[Visitor], operators: Sequence[Operator]) -> None:
        """Compare the log with what everybody sent and has. To be called when nothing is under way."""
        for visitor in visitors:
            self._settle_visitor(visitor)
        for operator in operators:
            self._settle_operator(operator)
        self.note_orders(operators)
        for (by, ref), places in self.orders.items():
            if (by, ref) not in self._given:
                self.break_(f"nobody gave the command {ref} of {by}: {places}")
            if len(places) > 1:
                self.break_(f"command {ref} of {by} was decided {len(places)} times: {places}")
        for replies in self.sent.values():
            doubled = [each for each, count in Counter(outbound.id for outbound in replies).items() if count > 1]
            if doubled:
                self.break_(f"answers were decided twice: {doubled}")
        try:
            check_rest(self.state, kept=frozenset(self.state.timers))
        except AssertionError as failure:
            self.break_(f"at rest: {failure}")

    def note_orders(self, operators: Sequence[Operator]) -> None:
        """Take down which commands were given at all."""
        self._given |= {(operator.name, order) for operator in operators for order in operator.orders}

    def _settle_visitor(self, visitor: Visitor) -> None:
        """Inbound: nothing lost, nothing doubled, the order kept. Outbound: everything once, in order."""
        who, written = visitor.name, list(visitor.written)
        logged = [said.id for said in self.said[visitor.address]]
        self._same(f"what {who} wrote is in the log", written, logged)
        self._same(f"what {who} wrote is on the page", logged, [item["id"] for item in visitor.own])
        sent = [outbound.id for outbound in self.sent[visitor.address]]
        self._same(f"the answers to {who} are on the page", sent, [item["id"] for item in visitor.replies])
        answers = Counter(text_of(outbound.content) for outbound in self.sent[visitor.address])
        lacking = [one.text for one in visitor.written.values() if not answers[answer_to(one.text)]]
        if lacking:
            self.break_(f"{who} has no answer to {lacking[:5]} ({len(lacking)} in all): {self._whose(visitor.address)}")

    def _whose(self, address: str) -> str:
        """Say who has the conversation of an address, to help with looking for the cause."""
        found = [each for each in self.state.conversations.values() if each.address == address]
        lines = (f"{each.id} is {each.status}, of {each.owner or 'nobody'}" for each in found)
        return "; ".join(lines) or "no conversation"

    def _settle_operator(self, operator: Operator) -> None:
        """Each command has the one effect that its operator was told of, and each screen shows what the log has."""
        for order in operator.orders.values():
            places = self.orders[operator.name, order.id]
            if order.open:
                self.break_(f"{operator.name} has no answer to {order.id}")
            elif order.status == "confirmed" and (len(places) != 1 or places[0][1]):
                self.break_(f"{operator.name} was told that {order.id} is done; the log has {places}")
            elif order.status == "refused" and order.code != "decided_before" and any(not no for _, no in places):
                self.break_(f"{operator.name} was told that {order.id} is refused; the log has {places}")
        owned = sorted(each.id for each in self.state.conversations.values() if each.owner == operator.name)
        self._same(f"{operator.name} has what the log says", owned, sorted(operator.mine))
        for name in operator.mine:
            address = self.state.conversations[name].address
            for kind, texts in (
                ("message", [said.text for said in self.said[address]]),
                ("reply", [text_of(outbound.content) for outbound in self.sent[address]]),
            ):
                shown = operator.said(name, kind)[-ON_SCREEN:]
                self._same(f"{operator.name} sees each {kind} of {address}", texts[-ON_SCREEN:], shown)

    def settle_provider(self, deliveries: Sequence[Delivery], posted: Mapping[str, Sequence[str]]) -> None:
        """A webhook provider: in, everything once and in order; out, once or known to be unknown, never twice."""
        calls: defaultdict[str, list[Delivery]] = defaultdict(list)
        for delivery in deliveries:
            calls[delivery.key].append(delivery)
        for sender, ids in posted.items():
            address = f"webhook:hook/{sender}"
            self._same(f"what {sender} posted is in the log", ids, [said.id for said in self.said[address]])
            for outbound in self.sent[address]:
                self._settle_delivery(outbound.id, calls[outbound.id])
            taken = list(dict.fromkeys(call.key for call in deliveries if call.to == sender and call.taken))
            order = [outbound.id for outbound in self.sent[address] if outbound.id in taken]
            self._same(f"the provider has the answers to {sender} in order", order, taken)

    def _settle_delivery(self, outbound: str, calls: Sequence[Delivery]) -> None:
        taken = sum(call.taken for call in calls)
        state = self.news.get(outbound, ReceiptState.QUEUED)
        if taken > 1:
            self.break_(f"{outbound} was taken by the provider {taken} times; it is {state}")
        if state is ReceiptState.SENT and taken != 1:
            self.break_(f"{outbound} is said to be sent; the provider has it {taken} times")
        if state is ReceiptState.FAILED and taken:
            self.break_(f"{outbound} is said to have failed; the provider has it")
        if state is ReceiptState.QUEUED:
            self.break_(f"{outbound} was never settled; the provider has it {taken} times")

    def _same(self, what: str, expected: Sequence[str], found: Sequence[str]) -> None:
        if list(expected) == list(found):
            return
        lost = [one for one in expected if one not in set(found)]
        more = [one for one in found if one not in set(expected)]
        doubled = [one for one, count in Counter(found).items() if count > 1]
        place = next((i for i, pair in enumerate(zip(expected, found, strict=False)) if pair[0] != pair[1]), -1)
        self.break_(
            f"not true: {what}: lost {lost[:5]} ({len(lost)}), doubled {doubled[:5]}, strange {more[:5]},"
            f" first difference at {place} of {len(expected)}"
        )

    # --- time ------------------------------------------------------------------------------------------------------

    def silence(self, since: float, until: float) -> float:
        """The longest time without any decided message between two moments (seconds since the epoch)."""
        moments = [at for at in self.decided if since <= at <= until]
        return max((b - a for a, b in pairwise([since, *moments])), default=until - since)


def bare(record: Record) -> bytes:
    """What was decided, whoever did it: the bytes without the term."""
    return encode_record(msgspec.structs.replace(record, term=0))


def text_of(content: Content) -> str:
    """The text of a text."""
    return content.text if isinstance(content, Text) else ""
