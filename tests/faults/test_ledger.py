"""A ledger that finds nothing proves nothing: each kind of damage is done to a log, and must be found."""

from collections.abc import Callable

import msgspec
import pytest

from broker.bus.fence import WINDOW
from broker.bus.reader import Stored
from broker.bus.streams import Workspace
from broker.routing.term import Term, encode_term
from router.inputs import encode_input
from router.record import RECORD_VERSION, decode_record, encode_record
from router.step import Undecodable
from tests.e2e.actors import Visitor, Written
from tests.e2e.provider import Delivery
from tests.faults.ledger import Ledger, Said
from tests.router.world import World, make_rules

WORKSPACE = Workspace("proof")
FIRST = 1 + WINDOW
"""The last place of the first barrier."""


def term(seq: int, number: int, router: str) -> Stored:
    payload = encode_term(Term(number=number, router=router, release="0", evolve=RECORD_VERSION, rules=0))
    return Stored(seq, WORKSPACE.term_subject, payload, seq * 1_000_000)


def played() -> tuple[list[Stored], World]:
    """A customer writes three messages, and each is answered."""
    world = World(make_rules())
    world.up("anna")
    for number in range(3):
        world.write("v", f"message {number}")
        world.reply("anna", world.of("v").id, f"re: message {number}")
    log = [term(1, 1, "a")]
    for seq, entry in enumerate(world.entries, FIRST + 1):
        subject = WORKSPACE.log_subject(entry.line)
        if entry.channel is not None:
            subject = WORKSPACE.out_subject(entry.line, entry.channel)
        payload = encode_record(msgspec.structs.replace(entry.record, term=1))
        log.append(Stored(seq, subject, payload, seq * 1_000_000))
    return log, world


def follow(log: list[Stored]) -> Ledger:
    ledger = Ledger(WORKSPACE)
    for stored in log:
        ledger.take(stored)
    return ledger


def changed(stored: Stored, **fields: object) -> Stored:
    record = msgspec.structs.replace(decode_record(stored.payload), **fields)
    return msgspec.structs.replace(stored, payload=encode_record(record))


def moved(stored: Stored, seq: int) -> Stored:
    return msgspec.structs.replace(stored, seq=seq)


def overtaken(log: list[Stored], place: int, router: str) -> list[Stored]:
    """The same log, with a barrier of another router before the record at ``place``."""
    seq = log[place].seq
    behind = [moved(stored, stored.seq + FIRST) for stored in log[place:]]
    return [*log[:place], term(seq, 2, router), *behind]


def page(ids: list[str], shown: list[str]) -> Visitor:
    visitor = Visitor(lambda: "", "v", "10.0.0.1")
    visitor.visitor = "v"
    visitor.written = {one: Written(one, f"message {n}", 0.0, 1.0) for n, one in enumerate(ids)}
    visitor.shown = {("message", one): {"kind": "message", "id": one} for one in shown}
    return visitor


def test_an_honest_log_balances() -> None:
    log, _ = played()
    assert follow(log).broken == []


def test_a_record_of_a_stale_router_is_found() -> None:
    log, _ = played()
    assert "of term 1 was accepted in term 2 of b" in follow(overtaken(log, 5, "b")).broken[0]


def test_a_router_may_send_again_what_was_in_doubt() -> None:
    log, _ = played()
    assert follow(overtaken(log, 5, "a")).broken == []


def test_a_record_within_a_barrier_is_found() -> None:
    log, _ = played()
    log[1] = moved(log[1], WINDOW)
    assert "stands within the barrier" in follow(log).broken[0]


def test_a_broken_invariant_is_found() -> None:
    log, _ = played()
    place = next(n for n, stored in enumerate(log[1:], 1) if b'"offer.made"' in stored.payload)
    offer = decode_record(log[place].payload)
    away = tuple(
        msgspec.structs.replace(fact, operator="ben") if hasattr(fact, "operator") else fact for fact in offer.facts
    )
    log[place] = changed(log[place], facts=away)
    assert any("invariant" in each for each in follow(log[: place + 1]).broken)


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda said: said.pop(1), "lost ["),
        (lambda said: said.insert(1, said[0]), "doubled ['"),
        (lambda said: said.reverse(), "first difference at 0"),
        (lambda said: said.append(Said("nobody-wrote-this", "", 0)), "strange ['nobody-wrote-this']"),
    ],
)
def test_a_message_lost_doubled_turned_round_or_made_up_is_found(
    damage: Callable[[list[Said]], object], found: str
) -> None:
    log, _ = played()
    ledger = follow(log)
    ids = [said.id for said in ledger.said["visitor:v"]]
    damage(ledger.said["visitor:v"])
    ledger.settle([page(ids, ids)], [])
    complaints = [each for each in ledger.broken if "v wrote is in the log" in each]
    assert complaints
    assert found in complaints[0].replace("[] (0)", "none")


def test_a_decision_that_replay_does_not_give_is_found() -> None:
    log, world = played()
    inputs = [
        Stored(seq, WORKSPACE.in_subject(source_of(value)), encode_input(value), at * 1_000_000)
        for seq, at, value, _ in world.inputs
        if not isinstance(value, Undecodable)
    ]
    honest = follow(log)
    for stored in inputs:
        honest.replay(stored)
    assert honest.broken == []
    place = next(n for n, stored in enumerate(log[1:], 1) if b'"reply.sent"' in stored.payload)
    log[place] = msgspec.structs.replace(log[place], payload=log[place].payload.replace(b"re: mess", b"RE: MESS"))
    forged = follow(log)
    for stored in inputs:
        forged.replay(stored)
    assert "replay of input" in forged.broken[0]


def source_of(value: object) -> str:
    envelope = getattr(value, "envelope", None)
    if envelope is not None:
        return str(envelope.channel)
    return "_rules" if hasattr(value, "rules") else "_desk"


def test_an_answer_that_a_provider_took_twice_is_found() -> None:
    ledger = Ledger(WORKSPACE)
    calls = [Delivery(key="c-1", text="t", to="s", mood="take", at=0.0, taken=True) for _ in range(2)]
    ledger._settle_delivery("c-1", calls)
    assert "was taken by the provider 2 times" in ledger.broken[0]


def test_silence_is_the_longest_gap_between_decisions() -> None:
    ledger = Ledger(WORKSPACE)
    ledger.decided = [1.0, 2.0, 5.5, 6.0]
    assert ledger.silence(1.5, 7.0) == 3.5
