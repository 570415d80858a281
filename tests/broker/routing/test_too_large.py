"""A server that takes less than a record has: the router tells so, and goes on."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from broker.bus.connection import Bus
from broker.bus.dead import DeadLetters
from broker.bus.settings import BusSettings
from broker.bus.streams import ensure_streams
from broker.routing.people import PeopleBucket, PeopleStore
from broker.routing.tasks import end
from router import facts as f
from router import inputs as i
from router.people import AddressState, Person, PersonRecord
from tests.broker.routing.play import Play, rules, until
from tests.fixtures.nats import own_workspace
from tests.fixtures.plain import plain_server

LIMIT = 100_000


@pytest.fixture
async def narrow(tmp_path: Path) -> AsyncIterator[Play]:
    """A workspace on a server with a small `max_payload`."""
    with plain_server(tmp_path, f"max_payload: {LIMIT}") as url:
        bus = await Bus.connect(BusSettings(servers=(url,)), "test")
        try:
            workspace = own_workspace()
            yield Play(bus, workspace, await ensure_streams(bus, workspace))
        finally:
            await bus.close()


async def test_what_needs_a_record_that_is_too_large_is_a_dead_letter_and_the_next_one_is_decided(
    narrow: Play,
) -> None:
    await narrow.open_desk()
    async with narrow.running() as run:
        bare = len(i.encode_input(proposal("")))
        too_large = await narrow.put(i.RULES_SOURCE, proposal("x" * (LIMIT - bare)))
        await run.stepped(await narrow.say("visitor:1"))
        assert await narrow.count(f.MessageTaken) == 1
        refused = await narrow.facts(f.InputRefused)
        assert [fact.error for fact in refused if isinstance(fact, f.InputRefused)] == ["RecordTooLarge"]
        assert run.stats.barriers == 1, "no term has ended by it"
        letters = DeadLetters(narrow.bus)

        async def buried() -> bool:
            return bool(await letters.list(narrow.workspace))

        await until(buried, "the letter that is too large for a letter is there")
        (letter,) = await letters.list(narrow.workspace)
        assert not letter.payload
        assert f"as number {too_large} of {narrow.workspace.in_stream}" in letter.detail


def proposal(padding: str) -> i.RulesProposed:
    return i.RulesProposed(hash="long", rules=msgspec.structs.replace(rules(), languages=(padding,)))


async def test_a_router_that_cannot_send_what_it_has_decided_says_how_to_mend_it_and_decides_anew(
    narrow: Play, capsys: pytest.CaptureFixture[str]
) -> None:
    """As when the server's limit is lowered while records are under way: nothing of them is stored."""
    async with narrow.running() as run:
        await run.stepped(await narrow.tick())
        bare, said = len(i.encode_input(proposal(""))), ""
        while "router.record_too_large" not in said:  # a starved router begins a term anew, with the right limit
            alarms, active = run.stats.alarms, run.router.active
            assert active is not None
            active.machine.largest = sys.maxsize
            await narrow.put(i.RULES_SOURCE, proposal("x" * (LIMIT - bare)))
            await until(lambda: run.stats.alarms > alarms, "the alarm is raised")  # noqa: B023  # used at once
            said += capsys.readouterr().out
        assert "max_payload: 8388608" in said
        await run.stepped(await narrow.say("visitor:1"))
        refused = await narrow.facts(f.InputRefused)
        assert {fact.error for fact in refused if isinstance(fact, f.InputRefused)} == {"RecordTooLarge"}
        assert await narrow.count(f.MessageTaken) == 1


def somebody(name: str, ids: int) -> PersonRecord:
    address = AddressState(address=f"visitor:{name}", person=name, seen={f"site/{'x' * 200}{n}": 1 for n in range(ids)})
    return PersonRecord(person=Person(id=name, addresses=[address.address]), addresses=[address])


async def test_whom_the_server_does_not_take_is_told_of_kept_and_waited_for_by_nobody(
    narrow: Play, capsys: pytest.CaptureFixture[str]
) -> None:
    """As when the server's limit is lowered: else nobody's value would be written any more, and no stop be clean."""
    store = PeopleStore(narrow.bus, narrow.workspace, ask_again=0.2)
    store.acknowledge(store.park(somebody("p1", 1_000)), 5)
    store.acknowledge(store.park(somebody("p2", 1)), 6)
    writing = asyncio.create_task(store.write_behind())
    async with asyncio.timeout(60):
        await store.wait_written()
    bucket = PeopleBucket(narrow.bus, narrow.workspace)  # asked without knowing that somebody must be there
    assert await bucket.person("p1") is None
    assert await bucket.person("p2") is not None
    assert [record.person.id for record in store.buffer.backlog()] == ["p1"]
    assert (store.buffer.unwritten, store.buffer.position(10)) == (1, 4)
    assert store.buffer.address("visitor:p1") is not None
    store.acknowledge(store.park(somebody("p1", 1)), 9)  # by now there is less of them
    await until(lambda: not store.buffer.unwritten, "what was refused before has been replaced")
    found = await store.bucket.address("visitor:p1")
    assert found is not None
    assert found.log == 9
    assert store.buffer.position(10) == 10
    said = capsys.readouterr().out
    assert said.count("people.not_stored") == 1
    assert "max_payload: 8388608" in said
    await end([writing])
