"""The order of things: identity of records, the clock, timers, what is left to do, poison, what is looked up."""

import typing

import msgspec
import pytest

from normalizer.outbound import ReceiptState
from router import facts as f
from router import inputs as i
from router.change import Change
from router.evolve import FOLDS, apply
from router.people import AddressState, Person, PersonRecord
from router.record import Entry, decode_record, encode_record
from router.rules import Times
from router.snapshot import decode_state, encode_state, state_hash
from router.state import State
from router.step import Machine, Undecodable, Wanted, wanted
from tests.router.world import START, World, make_rules, only


def ids(world: World, count: int) -> list[tuple[int, int]]:
    return [record.id for record in world.records()[-count:]]


def test_timers_before_an_input_carry_the_sequence_of_the_one_before() -> None:
    world = World(make_rules(times=Times(unanswered=0, park_person=3_000)))
    world.up("anna")
    world.write("v1")
    world.close("anna", world.of("v1").id)
    assert world.tick(2_000) == []
    last = world.seq
    world.write("v2", after=2_000)
    assert [record.cause for record in world.records()[-2:]] == ["timer", "input"]
    assert ids(world, 2) == [(last, 1), (last + 1, 0)]


def test_what_is_left_to_do_comes_before_the_next_input_and_after_a_crash() -> None:
    world = World(make_rules())
    world.write("v1")
    world.up("anna")
    causes = [record.cause for record in world.records()]
    boundary = len(causes) - causes[::-1].index("input")
    assert world.replay_from(boundary) == world.payloads[boundary:]
    state = State()
    for payload in world.payloads[:boundary]:
        apply(state, decode_record(payload))
    assert state.todo == [("match_operator", "anna")]
    assert causes[boundary] == "todo"


def test_a_jump_of_the_clock_moves_leases_grace_and_offers_but_not_the_queue() -> None:
    world = World(make_rules())
    world.up("anna")
    world.up("ben", node="n2")
    world.write("v1", channel="ring")
    world.write("v2")
    world.feed(i.OperatorLost(operator="ben", node="n2"))
    one, two = world.of("v1"), world.of("v2")
    before = dict(world.state.timers)
    offer = one.offers[0]
    assert two.owner == "ben"
    facts = world.tick(3_600_000)
    assert facts == [f.ClockJumped(gap=3_600_000)]
    moved = {name for name, due in world.state.timers.items() if due == before[name] + 3_600_000}
    assert (
        moved
        == set(before)
        == {
            "node:n1",
            "node:n2",
            "grace:ben",
            f"offer:{one.id}:{offer.id}",
            f"unanswered:{two.id}",
        }
    )
    assert one.offers[0].expires == offer.expires + 3_600_000
    assert world.operator("ben").grace_until == before["grace:ben"] + 3_600_000


def test_an_empty_record_carries_the_position() -> None:
    world = World(make_rules())
    world.tick(1_000)
    entry = world.machine.position()
    assert (entry.line, entry.channel, entry.record.facts, entry.record.id) == ("_", None, (), (world.seq, 1))
    assert entry.record.now == world.now
    apply(world.follower, entry.record)
    assert world.follower.input == world.machine.input == world.seq


def test_the_term_of_the_shell_stands_in_each_record() -> None:
    machine = Machine(State(), release="r")
    machine.term = 7
    (entry, _) = [
        *machine.advance(1, START, i.RulesProposed(hash="h", rules=make_rules())),
        machine.position(),
    ][:2]
    assert entry.record.term == machine.state.term == 7


def test_the_next_due_time_is_told() -> None:
    world = World(make_rules())
    assert world.machine.next_due is None
    world.up("anna")
    assert world.machine.next_due == world.now + 15_000


def test_what_could_not_be_decoded_is_refused_and_the_next_input_goes_on() -> None:
    world = World(make_rules())
    fact = only(world.feed(Undecodable("ValidationError")), f.InputRefused)
    assert (fact.error, fact.release) == ("ValidationError", "test")
    assert world.entries[-1].refused
    assert world.write("v1")


def poisoned(change: Change, fact: f.ConversationRelaxed) -> None:
    change.set(change.state.conversations[fact.conversation], "step", 99)
    raise LookupError("half done")


def test_a_timer_that_raises_does_not_come_again() -> None:
    from router.rules import Need, Relax, Route  # noqa: PLC0415  # for this test alone

    route = Route(name="all", need=Need(skills={"law": 1}), relax=(Relax(after=1_000, need=Need()),))
    world = World(make_rules(routes=(route,)), folds={**FOLDS, f.ConversationRelaxed: poisoned})
    world.write("v1")
    facts = world.wait(3_000)
    fact = only(facts, f.InputRefused)
    assert (fact.cause, fact.error) == (f"timer:step:{world.of('v1').id}", "LookupError")
    assert world.of("v1").step == 0
    assert isinstance(world.machine.failure, LookupError)


def test_something_left_to_do_that_raises_does_not_come_again() -> None:
    def fail(_change: Change, _fact: f.Offered) -> None:
        raise LookupError

    world = World(make_rules(), folds={**FOLDS, f.Offered: fail})
    world.write("v1")
    world.seq += 1
    entries = world.machine.advance(world.seq, world.now, i.OperatorUp(operator="anna", node="n1"))
    world.seq += 1
    action = i.Command(id="k", operator="anna", expires=world.now, action=i.SetPresence(state="available"))
    entries = world.machine.advance(world.seq, world.now, action)
    assert [entry.refused for entry in entries] == [False, True]
    assert world.state.todo == []
    assert entries[-1].record.ref == "match_operator:anna"


def test_what_was_left_to_do_and_has_settled_itself_does_nothing() -> None:
    world = World(make_rules())
    world.up("anna")
    world.write("v1", channel="ring")
    world.write("v2", channel="phone")
    offered = list(world.of("v1").offers)
    world.order("anna", i.SetPresence(state="away"))
    world.state.todo = [("revoke", world.of("v1").id), ("match_operator", "anna"), ("reroute", "c9")]
    entries = list(world.machine.resuming())
    assert [entry.record.facts for entry in entries[:2]] == [(), ()]
    assert entries[2].refused
    assert world.of("v1").offers == offered
    world.of("v1").status = "assigned"
    world.state.todo = [("reroute", world.of("v1").id)]
    assert next(world.machine.resuming()).record.facts == ()


def test_taking_back_restores_the_order_of_age() -> None:
    seen = {"a": 1, "b": 2, "c": 3}
    change = Change(State())
    change.drop_first(seen)
    change.put(seen, "d", 4)
    change.put(seen, "b", 5)
    change.drop(seen, "nothing")
    change.rollback()
    assert list(seen.items()) == [("a", 1), ("b", 2), ("c", 3)]


def test_who_is_wanted_follows_from_the_input() -> None:
    world = World()
    message = i.Message(envelope=world.envelope("v1"))
    assert wanted(message) == Wanted(addresses=("visitor:v1",))

    def command(action: i.Action) -> i.Command:
        return i.Command(id="k", operator="anna", expires=1, action=action)

    assert wanted(command(i.Link(person="p1", other="p2", evidence=""))) == Wanted(people=("p1", "p2"))
    assert wanted(command(i.Unlink(person="p1", address="a:b", evidence=""))) == Wanted(people=("p1",))
    assert wanted(command(i.Reopen(conversation="c1", person="p1"))) == Wanted(people=("p1",))
    assert wanted(command(i.Release(conversation="c1"))) == Wanted()
    assert wanted(i.Tick()) == wanted(Undecodable("x")) == Wanted()


def test_somebody_is_not_parked_by_the_very_input_that_needs_them() -> None:
    world = World(make_rules(times=Times(reopen=100_000, park_person=4_000)))
    world.up("anna")
    world.write("v1")
    world.close("anna", world.of("v1").id)
    facts = world.write("v1", after=4_500)
    assert only(facts, f.ConversationReopened)
    assert world.records()[-1].loaded == ()


def test_a_refused_command_leaves_nobody_in_memory() -> None:
    world = World(make_rules())
    stored = PersonRecord(
        person=Person(id="p9", addresses=["visitor:v9"]),
        addresses=[AddressState(address="visitor:v9", person="p9")],
        log=12,
    )
    world.people["p9"] = stored
    world.order("anna", i.Reopen(conversation="c9", person="p9"))
    assert world.state.people == {}
    assert world.records()[-1].loaded == ()


def test_a_record_does_not_change_when_the_state_goes_on() -> None:
    world = World(make_rules())
    world.up("anna")
    world.write("v1")
    world.close("anna", world.of("v1").id)
    world.wait(601_000)
    world.write("v1")
    index = next(n for n, record in enumerate(world.records()) if record.loaded)
    world.write("v1")
    assert encode_record(world.records()[index]) == world.payloads[index]


def test_people_who_moved_or_are_here_already_are_not_loaded() -> None:
    world = World(make_rules())
    world.write("v1")
    moved = PersonRecord(person=Person(id="p8", addresses=[], moved="p2"), addresses=[])
    here = PersonRecord(person=Person(id="p2", addresses=[]), addresses=[])
    (entry,) = world.machine.advance(
        world.seq + 1, world.now, i.Message(envelope=world.envelope("v1", native_id="new")), (moved, here)
    )
    assert entry.record.loaded == ()


def test_a_snapshot_comes_back_the_same() -> None:
    world = World(make_rules())
    world.up("anna")
    world.write("v1", channel_data=msgspec.Raw(b'{"a": 1}'))
    world.reply("anna", world.of("v1").id)
    again = decode_state(encode_state(world.state))
    assert state_hash(again) == state_hash(world.state)
    assert set(FOLDS) == set(typing.get_args(f.AnyFact)), "every fact has a fold"
    assert bytes(again.conversations["c4"].sendings["visitor:v1"].channel_data) == b'{"a": 1}'


def test_a_fold_that_knows_nothing_of_a_conversation_stops() -> None:
    entry = Entry("c1", None, World(make_rules()).records()[0])
    record = msgspec.structs.replace(entry.record, facts=(f.ConversationRelaxed(conversation="c1", step=1),))
    with pytest.raises(KeyError):
        apply(State(), record)


def test_sources_say_only_what_they_may() -> None:
    message = i.Message(envelope=World().envelope("v1"))
    assert i.decode_input("site", i.encode_input(message)) == message
    assert i.decode_input("_tick", i.encode_input(i.Tick())) == i.Tick()
    idle = i.OperatorIdle(operator="ben", node="n1", idle=True)
    assert i.decode_input("_desk", i.encode_input(idle)) == idle
    receipt = i.Receipt(outbound="c1-1", state="sent", at=1)  # type: ignore[arg-type]  # as JSON has it
    reported = i.decode_input("site", i.encode_input(receipt))
    assert isinstance(reported, i.Reported)
    assert (reported.channel, reported.receipt.outbound) == ("site", "c1-1"), "the subject says who speaks"
    refused: list[tuple[str, i.Wire]] = [
        ("mail", message),
        ("_tick", message),
        ("_desk", receipt),
        ("_rules", i.Tick()),
        ("site", i.Tick()),
        ("site", i.DeskAlive(node="n1")),
        ("site", i.OperatorIdle(operator="ben", node="n1", idle=True)),
    ]
    for source, value in refused:
        with pytest.raises(i.NotAllowed):
            i.decode_input(source, i.encode_input(value))


def test_after_a_restore_no_id_is_given_again() -> None:
    world = World(make_rules())
    world.up("anna")
    world.write("v1")
    first = world.of("v1")
    world.feed(i.Restored(skip=500))
    world.reply("anna", first.id)
    world.write("v2")
    assert list(first.outbounds) == [f"{first.id}-502"]
    assert world.of("v2").id == f"c{world.seq + 500}"
    assert world.of("v2").person == f"p{world.seq + 500}"
    world.receipt(f"{first.id}-502", ReceiptState.SENT)
    world.feed(i.Restored(skip=100))
    assert world.state.skipped == 600


def test_commands_are_in_time_again_as_soon_as_a_clock_that_was_ahead_is_set_back() -> None:
    world = World(make_rules())
    world.up("anna")
    before = world.now
    world.tick(86_400_000)
    world.now = before + 1_000
    assert only(world.order("anna", i.SetPresence(state="away")), f.OperatorState).state == "away"
    assert world.state.now == world.now
    expired = world.order("anna", i.SetPresence(state="available"), expires=world.now - 1)
    assert only(expired, f.CommandRefused).code == "expired"


def test_a_record_that_the_server_does_not_store_is_refused_and_the_next_input_goes_on() -> None:
    world = World(make_rules())
    world.machine.largest = 2_000
    fact = only(world.write("v1", "x" * 3_000), f.InputRefused)
    assert fact.error == "RecordTooLarge"
    assert world.entries[-1].refused
    assert "the server takes 2000" in str(world.machine.failure)
    assert not world.state.conversations
    assert world.write("v1")
    assert world.of("v1").n == 1


def test_whoever_stops_between_two_steps_of_an_input_has_lost_nothing() -> None:
    """The timer of the one whom the input needs was put aside for the time of its steps."""
    world = World(make_rules())
    world.up("anna")
    for visitor in ("v1", "v2"):
        world.write(visitor)
        world.close("anna", world.of(visitor).id)
    needed, other = world.of("v1").person, world.of("v2").person
    later = world.now + 3_600_000
    steps = world.machine.steps(world.seq + 1, later, i.Message(envelope=world.envelope("v1")))
    refs = []
    for entry in steps:
        refs.append(entry.record.ref)
        if refs[-1] == f"park:{other}":
            break
    steps.close()
    assert world.machine.input == world.seq
    assert needed in world.state.people
    entries = world.machine.advance(world.seq + 1, later, i.Tick())
    assert f"park:{needed}" in [entry.record.ref for entry in entries]
    assert f"park:{other}" not in [entry.record.ref for entry in entries]
    assert not world.state.people
