"""Stored records and snapshots of every version fold to the state that they gave when they were written.

The files are never edited: a new version of a schema adds files (``python -m tests.router.test_samples`` writes them).
"""

import json
from pathlib import Path

import msgspec
import pytest

from normalizer.content import Text
from normalizer.outbound import ReceiptState
from router import facts as f
from router import inputs as i
from router.evolve import FOLDS, apply
from router.record import decode_record
from router.rules import CannedText, Hours, Need, Relax, Route, Times, Waiting
from router.snapshot import decode_state, encode_state, state_hash
from router.state import State
from tests.router.invariants import check_books
from tests.router.world import OPERATORS, World, language, make_rules

SAMPLES = Path(__file__).parent / "samples"
ADDED = {
    2: {"operators": ("counts",), "conversations": ("channels", "warned")},
    3: {"operators": ("talking",), "conversations": ("calls", "authors"), "addresses": ("heard",)},
    4: {
        "operators": ("since", "signed_in", "reason", "idle", "parked"),
        "conversations": ("parked_at", "parked_by", "wake_at"),
    },
    5: {"conversations": ("woken_at",)},
}
"""Version of the samples: what it added to the state, which older ones did not know."""


def as_known_by(path: Path, state: State) -> State:
    """The state without what was added after the version of the sample."""
    known = json.loads(encode_state(state))
    for version, added in ADDED.items():
        for table, names in added.items() if version > int(path.stem[-1]) else ():
            for one in known.get(table, {}).values():
                for name in names:
                    one.pop(name, None)
    return msgspec.json.decode(json.dumps(known), type=State)


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("records-*.json")), ids=lambda path: path.stem)
def test_old_records_fold_to_the_same_state(path: Path) -> None:
    sample = json.loads(path.read_text())
    state = State()
    for record in sample["records"]:
        apply(state, decode_record(json.dumps(record).encode()))
    assert state_hash(as_known_by(path, state)) == sample["hash"]


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("snapshot-*.json")), ids=lambda path: path.stem)
def test_old_snapshots_are_still_read(path: Path) -> None:
    sample = json.loads(path.read_text())
    state = decode_state(json.dumps(sample["state"]).encode())
    check_books(state)
    assert state_hash(as_known_by(path, state)) == sample["hash"]


def test_the_samples_hold_every_fact_of_this_version() -> None:
    held = {
        fact["f"]
        for path in SAMPLES.glob("records-*.json")
        for record in json.loads(path.read_text())["records"]
        for fact in record.get("facts", ())
    }
    tags = {msgspec.inspect.type_info(kind).tag for kind in FOLDS}  # type: ignore[attr-defined]  # facts have tags
    assert held == tags


def _life() -> World:
    """A short story in which everything happens once."""
    law = Route(name="all", need=Need(skills={"law": 1}), relax=(Relax(after=1_000, need=Need()),))
    times = Times(wrap_up=1_000, archive=2_000_000, park_person=30_000, grace=8_000)
    rules = make_rules(routes=(law,), waiting=(Waiting(after=1_000, say={"en": "One moment."}),), times=times)
    world = World(rules)
    world.up("anna", "ben")
    world.write("v1", language=language("en"), channel_data=msgspec.Raw(b'{"thread":1}'))
    world.wait(2_000)
    first = world.of("v1").id
    world.reply("anna", first)
    world.receipt(f"{first}-3", ReceiptState.DELIVERED)
    world.order("anna", i.AddNote(conversation=first, content=Text(text="vip")))
    world.order("anna", i.MarkRead(conversation=first, upto=2))
    world.close("ben", first)
    world.close("anna", first, result="done")
    world.wait(2_000)
    world.write("v1", language=language("en"))
    world.write("v2", channel="ring")
    world.wait(2_000)
    world.wait(21_000)
    world.wait(70_000)
    world.order("anna", i.Link(person=world.of("v1").person, other=world.of("v2").person, evidence="same phone"))
    world.order("anna", i.Unlink(person=world.of("v1").person, address="visitor:v2", evidence="was wrong"))
    world.feed(i.OperatorLost(operator="ben", node="n1"))
    world.wait(60_000)
    for _ in range(5):
        world.tick(4_500)
    world.tick(60_000)
    world.up("anna", node="n2")
    world.propose(make_rules(times=times))
    world.order("anna", i.Take(conversation=first, operator="anna"))
    world.close("anna", world.of("v1").id)
    world.wait(2_000_000)
    world.write("v3")
    world.order("anna", i.Release(conversation=world.of("v3").id))
    world.wait(61_000)
    _phone(world)
    _desk(world)
    return world


def _phone(world: World) -> None:
    """A customer who chats calls, is answered, calls again and is missed; a machine writes, and a mail comes back."""
    phones = {name: msgspec.structs.replace(one, phone=f"sip:{name}@pbx") for name, one in OPERATORS.items()}
    world.propose(make_rules(operators=phones, times=Times(wrap_up=0, archive=2_000_000)))
    world.up("anna", "ben", node="n3")
    world.call("+4812", "ringing")
    world.call("+4812", "answered", to="sip:ben@pbx")
    world.call("+4812", "ended")
    world.call("+4812", "ringing", "x2")
    world.call("+4812", "failed", "x2", sip=487)
    world.write("robot", "out of office", automatic=True)
    world.write("v4", channel="mail")
    written = world.of("v4")
    world.reply(str(written.owner), written.id)
    world.close(str(written.owner), written.id)
    world.wait(601_000)
    world.receipt(f"{written.id}-2", ReceiptState.FAILED, "mail", error="no such mailbox")


def _desk(world: World) -> None:
    """What the desk asks for beside answers."""
    world.order("anna", i.SaveAnswer(title="Greeting", folder="Shop", shortcut="hi", texts={"en": "Hello {customer}"}))
    world.order("ben", i.SaveAnswer(title="Bye", texts={"en": "Bye"}, personal=True))
    world.order("ben", i.DeleteAnswer(answer=f"a{world.seq}"))
    world.write("v5")
    last = world.of("v5").id
    world.order("anna", i.AddNote(conversation=last, content=Text(text="be kind"), whisper=True))
    world.order("anna", i.MarkUnread(conversation=last, upto=0))
    world.up("ben", node="n4")
    owner = str(world.conv(last).owner)
    world.order(owner, i.Park(conversation=last, until=world.now + 5_000))
    world.wait(6_000)
    world.order("ben", i.SetPresence(state="break", reason="lunch"))
    world.feed(i.OperatorIdle(operator="anna", node="n3", idle=True))
    hours = Hours(week=(((540, 1020),),) * 7, days={"0": ()}, offsets=((0, 3_600_000),), say={"en": "At {opens}."})
    answers = (CannedText(title="Bye", shortcut="bye", texts={"en": "Bye"}),)
    world.propose(make_rules(hours={"default": hours}, answers=answers, results=("solved",)))
    world.feed(i.Restored(skip=1_000))
    world.write("v6")
    world.tick(-60_000)


def write(version: int) -> None:
    """Write the samples of this version."""
    world = _life()
    tags = {msgspec.inspect.type_info(kind).tag for kind in FOLDS}  # type: ignore[attr-defined]  # facts have tags
    records = [json.loads(payload) for payload in world.payloads]
    poison = json.loads(world.payloads[-1]) | {
        "facts": [msgspec.to_builtins(f.InputRefused(cause="", error="E", release="0"))]
    }
    records.append(poison)
    records = [r for r in records if [fact["f"] for fact in r.get("facts", ())] != ["node.alive"]] or records
    state = State()
    for record in records:
        apply(state, decode_record(json.dumps(record).encode()))
    held = {fact["f"] for record in records for fact in record.get("facts", ())}
    print("missing:", tags - held)  # noqa: T201  # a script for people
    sample = {"hash": state_hash(state), "records": records}
    (SAMPLES / f"records-v{version}.json").write_text(json.dumps(sample, indent=1) + "\n")
    state = world.state
    snapshot = {"hash": state_hash(state), "state": json.loads(encode_state(state))}
    (SAMPLES / f"snapshot-v{version}.json").write_text(json.dumps(snapshot, indent=1) + "\n")


if __name__ == "__main__":
    write(6)
