"""What the router really writes is folded to what the router itself knows."""

import random
from pathlib import Path

import pytest

from broker.projections.store import Store
from normalizer.content import Rating, Text
from normalizer.ids import IdSource
from router import inputs as i
from router.record import decode_record
from router.state import State
from tests.broker.projections.story import rows
from tests.desk.world import RULES, Log

IDS = IdSource()
OPERATORS = ("anna", "ben", "cleo")
FAR = 4_000_000_000_000


def command(log: Log, operator: str, action: i.Action) -> None:
    log.put(i.Command(id=IDS.new(), operator=operator, expires=FAR, action=action))


def one_thing(log: Log, chance: random.Random) -> None:
    """Something that customers and operators do; much of it is refused."""
    state = log.machine.state
    if not state.conversations or chance.random() < 0.3:
        rating = Rating(score=chance.randrange(6)) if chance.random() < 0.1 else None
        log.customer("a word", who=f"v{chance.randrange(12)}", channel=chance.choice(("site", "mail")), content=rating)
        return
    conversation = chance.choice(list(state.conversations.values()))
    operator = conversation.owner or (
        conversation.offers[0].operator if conversation.offers else chance.choice(OPERATORS)
    )
    name, person = conversation.id, conversation.person
    offer = conversation.offers[0].id if conversation.offers else "none"
    actions: list[i.Action] = [
        i.Accept(conversation=name, offer=offer),
        i.Accept(conversation=name, offer=offer),
        i.Decline(conversation=name, offer=offer),
        i.Reply(conversation=name, content=Text(text="an answer"), seen=conversation.n),
        i.Reply(conversation=name, content=Text(text="an answer"), seen=conversation.n),
        i.AddNote(conversation=name, content=Text(text="a note"), mentions=("cleo",)),
        i.Transfer(conversation=name, operator=chance.choice(OPERATORS)),
        i.Close(conversation=name, result=chance.choice(("solved", "", "linked"))),
        i.Reopen(conversation=name, person=person),
        i.Release(conversation=name),
        i.Link(person=person, other=chance.choice(list(state.people)), evidence="said so"),
        i.Unlink(person=person, address=chance.choice(state.people[person].addresses), evidence="no"),
    ]
    command(log, operator, chance.choice(actions))


@pytest.mark.parametrize("seed", range(6))
def test_the_index_knows_what_the_state_knows(folder: Path, store: Store, seed: int) -> None:
    log, chance = Log(), random.Random(seed)  # noqa: S311  # to be the same in every run
    log.put(i.RulesProposed(hash="one", rules=RULES))
    log.put(i.DeskAlive(node="n1"))
    for operator in OPERATORS:
        log.put(i.OperatorUp(operator=operator, node="n1"))
        command(log, operator, i.SetPresence(state="available"))
    for _ in range(400):
        log.pass_time(chance.choice((1, 4)))
        log.put(i.DeskAlive(node="n1"))
        one_thing(log, chance)
    records = [(seq, subject.split(".")[3], decode_record(payload)) for seq, subject, payload in log.records]
    for at in range(0, len(records), 64):
        batch = records[at : at + 64]
        store.take_log(batch, batch[-1][0], whole={}, done=1.0)
    state = log.machine.state
    known = {name: row for name, *row in rows(folder, "SELECT id, person, status, owner, result FROM conversations")}
    assert len(known) > 10
    assert {name: known[name] for name in state.conversations} == _expected(state)
    addresses = dict(rows(folder, "SELECT address, person FROM addresses"))
    assert {name: addresses[name] for name in state.addresses} == {
        a.address: a.person for a in state.addresses.values()
    }
    assert rows(folder, "SELECT count(*) FROM stays WHERE until = 0") == [
        (sum(1 for c in state.conversations.values() if c.owner),)
    ]


def _expected(state: State) -> dict[str, list[object]]:
    return {
        c.id: [c.person, "closed" if c.status == "closed" else "open", c.owner or "", c.result]
        for c in state.conversations.values()
    }
