"""A workspace in a test: a machine, a follower that folds what it writes, a store of people; always checked."""

from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any, TypeVar

import msgspec

from normalizer.content import Call, Content, Language, Text
from normalizer.envelope import Envelope, Sender
from normalizer.outbound import Receipt, ReceiptState
from router import facts as f
from router import inputs as i
from router.evolve import FOLDS, Fold, apply
from router.people import Conversation, PersonRecord
from router.record import Entry, Record, decode_record, encode_record
from router.rules import ChannelRule, OperatorRule, Route, Rules
from router.snapshot import decode_state, encode_state, state_hash
from router.state import Operator, State
from router.step import Machine, Undecodable, wanted
from tests.router.invariants import check_record, check_rest, copy

F = TypeVar("F")

START = 1_700_000_000_000

CHANNELS = {
    "site": ChannelRule(type="webchat", units=40),
    "ring": ChannelRule(type="webchat", units=40, accept="manual"),
    "mail": ChannelRule(type="email", kind="deferrable", units=25),
    "phone": ChannelRule(type="sip", kind="exclusive", units=100, accept="manual"),
}
OPERATORS = {
    "anna": OperatorRule(name="Anna", role="supervisor", skills={"billing": 5}, languages={"en": 6, "pl": 7}),
    "ben": OperatorRule(name="Ben", skills={"tech": 4}, languages={"en": 7}),
}


def make_rules(**changes: Any) -> Rules:  # noqa: ANN401  # any field of Rules
    base: dict[str, Any] = {
        "channels": CHANNELS,
        "operators": OPERATORS,
        "routes": (Route(name="all"),),
        "languages": ("en", "pl"),
    }
    return Rules(**(base | changes))


class World:
    """Feeds inputs one by one. Each record is encoded, decoded and folded by the follower; invariants are checked."""

    def __init__(self, rules: Rules | None = None, folds: Mapping[type, Fold] = FOLDS) -> None:
        self.machine = Machine(State(), release="test", folds=folds)
        self.follower = State()
        self.now = START
        self.seq = 0
        self.inputs: list[tuple[int, int, i.Input | Undecodable, tuple[PersonRecord, ...]]] = []
        self.entries: list[Entry] = []
        self.payloads: list[bytes] = []
        self.people: dict[str, PersonRecord] = {}
        self.addresses: dict[str, str] = {}
        self.owners: dict[str, str] = {}
        self.commands = 0
        if rules is not None:
            self.propose(rules)

    @property
    def state(self) -> State:
        return self.machine.state

    # --- feeding ----------------------------------------------------------------------------------------------

    def feed(self, value: i.Input | Undecodable, after: int = 0) -> list[f.AnyFact]:
        """Let ``after`` ms go by, then take ``value``; gives the facts of all records."""
        self.now += after
        self.seq += 1
        loaded = tuple(self._look_up(value))
        self.inputs.append((self.seq, self.now, value, loaded))
        entries = self.machine.advance(self.seq, self.now, value, loaded)
        for entry in entries:
            self._follow(entry)
        if entries:
            assert state_hash(self.follower) == state_hash(self.state), "the follower has the active router's state"
        need = wanted(value)
        owners = {*need.people, *(known.person for a in need.addresses if (known := self.state.addresses.get(a)))}
        owners |= {self._whose(self.owners[c]) for c in need.conversations if c in self.owners}
        check_rest(self.state, kept=frozenset(f"park:{name}" for name in owners))
        return [fact for entry in entries for fact in entry.record.facts]

    def _look_up(self, value: i.Input | Undecodable) -> Iterable[PersonRecord]:
        missing = self.machine.missing(value)
        names = [*missing.people, *(self.addresses[a] for a in missing.addresses if a in self.addresses)]
        names += [self.owners[c] for c in missing.conversations if c in self.owners]
        for name in map(self._whose, names):
            if name in self.state.people:
                continue
            if name in self.people:
                stored = self.people[name]
                yield msgspec.json.decode(msgspec.json.encode(stored), type=PersonRecord)

    def _whose(self, name: str) -> str:
        """Whoever this person turned out to be."""
        while name in self.people and (moved := self.people[name].person.moved) is not None:
            name = moved
        return name

    def _follow(self, entry: Entry) -> None:
        payload = encode_record(entry.record)
        record = decode_record(payload)
        before = copy(self.follower)
        apply(self.follower, record)
        check_record(before, entry, record, self.follower)
        for fact in record.facts:
            if isinstance(fact, f.ConversationOpened):
                self.owners[fact.conversation] = fact.person
        self.entries.append(entry)
        self.payloads.append(payload)
        for parked in entry.parked:
            stored = msgspec.json.decode(msgspec.json.encode(parked), type=PersonRecord)
            self.people[stored.person.id] = msgspec.structs.replace(stored, log=len(self.payloads))
            for address in stored.person.addresses:
                self.addresses[address] = stored.person.id

    # --- what happens -----------------------------------------------------------------------------------------

    def propose(self, rules: Rules) -> list[f.AnyFact]:
        digest = str(hash(msgspec.json.encode(rules)) & 0xFFFFFFFF)
        return self.feed(i.RulesProposed(hash=digest, rules=rules))

    def write(self, visitor: str, text: str | Content = "hello", after: int = 0, **more: Any) -> list[f.AnyFact]:  # noqa: ANN401  # any field of Envelope
        return self.feed(i.Message(envelope=self.envelope(visitor, text, **more)), after)

    def envelope(self, visitor: str, text: str | Content = "hello", **more: Any) -> Envelope:  # noqa: ANN401  # any field of Envelope
        language = more.pop("language", None)
        content = Text(text=text, language=language) if isinstance(text, str) else text
        fields: dict[str, Any] = {
            "id": f"e{self.seq + 1}",
            "at": self.now,
            "channel": "site",
            "type": "webchat",
            "native_id": f"n{self.seq + 1}",
            "address": f"visitor:{visitor}",
            "content": content,
            "sender": Sender(),
        }
        return Envelope(**(fields | more))

    def up(self, *names: str, node: str = "n1", state: str = "available") -> None:
        for name in names:
            self.feed(i.OperatorUp(operator=name, node=node))
            self.order(name, i.SetPresence(state=state))

    def down(self, name: str, node: str = "n1") -> list[f.AnyFact]:
        return self.feed(i.OperatorLost(operator=name, node=node))

    def order(self, operator: str, action: i.Action, **more: Any) -> list[f.AnyFact]:  # noqa: ANN401  # any field of Command
        self.commands += 1
        fields: dict[str, Any] = {"id": f"k{self.commands}", "expires": self.now + 15_000}
        return self.feed(i.Command(operator=operator, action=action, **(fields | more)))

    def reply(self, operator: str, conversation: str, text: str = "hi", **more: Any) -> list[f.AnyFact]:  # noqa: ANN401  # any field of Reply
        fields = {"seen": self.conv(conversation).n} | more
        return self.order(operator, i.Reply(conversation=conversation, content=Text(text=text), **fields))

    def call(self, number: str, event: str, call: str = "x1", after: int = 0, **more: Any) -> list[f.AnyFact]:  # noqa: ANN401  # any field of Call
        """News of a phone call, with the native id that the channels of phones give."""
        native = more.pop("native", f"{call}/{event}")
        content = Call(call=call, event=event, **more)  # type: ignore[arg-type]  # one of the events
        envelope = self.envelope(number, content, channel="phone", type="sip", native_id=native)
        return self.feed(i.Message(envelope=msgspec.structs.replace(envelope, address=f"tel:{number}")), after)

    def close(self, operator: str, conversation: str, result: str = "") -> list[f.AnyFact]:
        return self.order(operator, i.Close(conversation=conversation, result=result))

    def receipt(self, outbound: str, state: ReceiptState, channel: str = "site", **more: Any) -> list[f.AnyFact]:  # noqa: ANN401  # any field of Receipt
        receipt = Receipt(outbound=outbound, state=state, at=self.now, **more)
        return self.feed(i.Reported(channel=channel, receipt=receipt))

    def wait(self, ms: int) -> list[f.AnyFact]:
        """Let time go by in ticks of a second, as the shell gives them; desk nodes renew their leases."""
        found: list[f.AnyFact] = []
        for second in range(ms // 1_000):
            found += self.tick(1_000)
            for node in list(self.state.nodes) if second % 5 == 0 else ():
                found += self.feed(i.DeskAlive(node=node))
        return found

    def tick(self, ms: int) -> list[f.AnyFact]:
        return self.feed(i.Tick(), ms)

    # --- looking ----------------------------------------------------------------------------------------------

    def conv(self, name: str) -> Conversation:
        return self.state.conversations[name]

    def of(self, visitor: str) -> Conversation:
        """The conversation that this visitor, or this phone number, is in."""
        address = f"tel:{visitor}" if visitor.startswith("+") else f"visitor:{visitor}"
        person = self.state.people[self.state.addresses[address].person]
        assert person.conversation is not None
        return self.state.conversations[person.conversation]

    def operator(self, name: str) -> Operator:
        return self.state.operators[name]

    def records(self) -> list[Record]:
        return [entry.record for entry in self.entries]

    def replay_from(self, boundary: int) -> list[bytes]:
        """Crash after ``boundary`` records: fold them, start again from a snapshot, decide the rest once more."""
        state = State()
        for payload in self.payloads[:boundary]:
            apply(state, decode_record(payload))
        machine = Machine(decode_state(encode_state(state)), release="test")
        entries = list(machine.resuming())
        for seq, at, value, loaded in self.inputs:
            if seq > state.input:
                entries += machine.advance(seq, at, value, loaded)
        return [encode_record(entry.record) for entry in entries]

    def replay_with_pauses(self, every: int) -> tuple[list[bytes], Machine]:
        """Decide everything once more, and break off after each ``every`` records, as when a term ends."""
        machine = Machine(State(), release="test")
        payloads: list[bytes] = []
        left = list(reversed(self.inputs))
        while left:
            seq, at, value, loaded = left.pop()
            with closing(machine.steps(seq, at, value, loaded)) as steps:
                for entry in steps:
                    payloads.append(encode_record(entry.record))
                    if len(payloads) % every == 0:
                        break
            payloads += [encode_record(entry.record) for entry in machine.resuming()]
            if machine.input < seq:
                left.append((seq, at, value, loaded))
        return payloads, machine


def only(facts: list[f.AnyFact], kind: type[F]) -> F:
    """The one fact of this kind."""
    found = [fact for fact in facts if isinstance(fact, kind)]
    assert len(found) == 1, facts
    return found[0]


def of_kind(facts: list[f.AnyFact], kind: type[F]) -> list[F]:
    """All facts of this kind."""
    return [fact for fact in facts if isinstance(fact, kind)]


def language(code: str, confidence: float = 1.0) -> Language:
    return Language(code=code, confidence=confidence)
