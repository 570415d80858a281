import asyncio

import pytest

from adapters.email.notes import KEPT, Shelf
from adapters.email.wire import Known
from adapters.testing.context import FakeMemory

ZOE = Known(address="email:zoe@customer.example", id="d1")
ANN = Known(address="email:ann@customer.example", id="d2")


@pytest.fixture
def memory() -> FakeMemory:
    return FakeMemory()


def shelf(memory: FakeMemory, *, cached: int = 0) -> Shelf:
    return Shelf(memory, "taken", lambda: 7, cached=cached)


async def test_what_was_kept_is_found_also_by_another_node(memory: FakeMemory) -> None:
    await shelf(memory).keep("<1@x>", ZOE)
    note = await shelf(memory).find("<1@x>")
    assert note is not None
    assert (note.known, note.at) == (ZOE, 7)
    assert await shelf(memory).find("<2@x>") is None


async def test_a_note_is_replaced_by_keeping_and_not_by_adding(memory: FakeMemory) -> None:
    notes = shelf(memory, cached=8)
    assert await notes.add("<1@x>", ZOE)
    assert await notes.add("<1@x>", ZOE), "that is what it says already"
    assert not await notes.add("<1@x>", ANN)
    await notes.keep("<1@x>", ANN)
    note = await notes.find("<1@x>")
    assert note is not None
    assert note.known == ANN


async def test_many_at_once_lose_none(memory: FakeMemory) -> None:
    notes = shelf(memory, cached=2)
    await asyncio.gather(*(notes.add(f"<{number}@x>", ZOE) for number in range(500)))
    fresh = shelf(memory)
    assert None not in [await fresh.find(f"<{number}@x>") for number in range(500)]


async def test_another_nodes_notes_are_seen(memory: FakeMemory) -> None:
    mine, theirs = shelf(memory, cached=8), shelf(memory, cached=8)
    assert await mine.find("<1@x>") is None
    await theirs.add("<1@x>", ZOE)
    assert await mine.find("<1@x>") is not None


async def test_a_node_that_stood_still_takes_no_note_of_another_one_away(memory: FakeMemory) -> None:
    stale, newer = (Shelf(memory, "taken", lambda: 7, cached=8, slots=1) for _ in range(2))
    assert await stale.find("<1@x>") is None
    for number in range(2, 5):
        await newer.add(f"<{number}@x>", ANN)
    assert await stale.add("<1@x>", ZOE), "it has taken that mail, so its note is right"
    await stale.keep("<5@x>", ZOE)
    assert None not in [await newer.find(f"<{number}@x>") for number in range(1, 6)]


async def test_two_nodes_that_write_at_once_lose_nothing() -> None:
    class Slow(FakeMemory):
        async def load(self, key: str) -> bytes | None:
            value = await super().load(key)
            await asyncio.sleep(0)
            return value

    memory = Slow()
    nodes = [Shelf(memory, "sent", lambda: 7, slots=1) for _ in range(2)]
    await asyncio.gather(*(nodes[number % 2].keep(f"<{number}@x>", ZOE) for number in range(20)))
    assert None not in [await nodes[0].find(f"<{number}@x>") for number in range(20)]


async def test_the_memory_does_not_grow_for_ever(memory: FakeMemory) -> None:
    notes = Shelf(memory, "taken", lambda: 7, slots=1)
    for number in range(KEPT + 10):
        await notes.keep(f"<{number}@x>", ZOE)
    assert len(memory.notes) == 1
    assert await notes.find("<0@x>") is None
    assert await notes.find(f"<{KEPT + 9}@x>") is not None
