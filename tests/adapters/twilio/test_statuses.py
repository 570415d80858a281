"""What became of our messages while nobody heard Twilio's status callbacks."""

import asyncio

from adapters.errors import NotAccepted
from adapters.testing.twilio import News, Write
from adapters.twilio import statuses
from adapters.twilio.statuses import SentNotes
from normalizer.outbound import ReceiptState
from tests.adapters.twilio.conftest import PUBLIC, Connect, Line
from tests.adapters.twilio.test_catch_up import sweeper

MINUTE = 60_000
NOWHERE = {PUBLIC: "http://127.0.0.1:1"}


async def answered(line: Line) -> str:
    """Answer a customer, and let nobody hear what becomes of it."""
    line.simulator.course = ()
    await line.simulator.write(Write(body="hi"))
    return await line.answer()


def news(line: Line) -> list[tuple[str, ReceiptState]]:
    return [(receipt.outbound, receipt.state) for receipt in line.context.receipts]


async def test_a_status_that_was_missed_is_caught_up_by_the_next_process(line: Line, connect: Connect) -> None:
    await sweeper(line).sweep()
    sid = await answered(line)
    await line.adapter.close()
    line.context.time += 90 * MINUTE
    line.simulator.reach = NOWHERE
    await line.simulator.change(News(status="delivered"))
    again = await connect()
    line.context.time += MINUTE
    await sweeper(again).sweep()
    assert news(line) == [("c1-1", ReceiptState.DELIVERED)]
    assert line.context.receipts[0].native_id == sid
    await sweeper(again).sweep()
    assert len(line.context.receipts) == 1, "nothing was missed since"


async def test_a_failure_that_was_missed_is_told_with_its_code(line: Line) -> None:
    await answered(line)
    await line.adapter.close()
    line.simulator.reach = NOWHERE
    await line.simulator.change(News(status="undelivered", code=63024))
    await sweeper(line).sweep()
    (receipt,) = line.context.receipts
    assert (receipt.state, receipt.code) == (ReceiptState.FAILED, "63024")


async def test_a_status_that_could_not_be_stored_is_asked_for(line: Line) -> None:
    await sweeper(line).sweep()
    await answered(line)
    line.context.failures.append(NotAccepted("not_stored", "the store does not take it now"))
    await line.simulator.change(News(status="read"))
    assert line.context.receipts == []
    await line.adapter._notes.close()
    await sweeper(line).sweep()
    assert news(line) == [("c1-1", ReceiptState.READ)]


async def test_what_was_told_long_ago_is_not_told_again(line: Line) -> None:
    await sweeper(line).sweep()
    await answered(line)
    await line.simulator.change(News(status="delivered"))
    await line.adapter._notes.close()
    line.context.time += 20 * MINUTE
    line.context.receipts.clear()
    catch_up = sweeper(line)
    await catch_up.sweep()
    line.adapter._statuses.behind = True
    line.context.time += 20 * MINUTE
    await catch_up.sweep()
    assert line.context.receipts == []


async def test_messages_of_another_program_are_nobodys(line: Line, connect: Connect) -> None:
    await answered(line)
    line.context.memory.notes.clear()  # type: ignore[attr-defined] # the memory of a test
    await sweeper(await connect()).sweep()
    assert line.context.receipts == []


async def test_notes_are_kept_over_nodes_and_bounded(line: Line) -> None:
    first, second = SentNotes(line.context), SentNotes(line.context, most=2)
    first.add("SM1", "c1-1")
    await first.close()
    second.add("SM2", "c1-2")
    second.add("SM3", "c1-3")
    await second.close()
    hour = line.context.now() // statuses.HOUR
    assert await first.read(hour) == {"SM1": "c1-1", "SM2": "c1-2"}
    assert line.context.counts["not_noted"] == 1


async def test_notes_of_many_days_take_no_more_room_than_those_of_a_few(line: Line) -> None:
    begun = line.context.now() // statuses.HOUR
    for hour in range(begun, begun + 2 * statuses.PAGES):
        line.context.now = lambda hour=hour: hour * statuses.HOUR  # type: ignore[misc] # its clock
        notes = SentNotes(line.context)
        notes.add(f"SM{hour}", f"c1-{hour}")
        await notes.close()
    assert len([key for key in line.context.memory.notes if key.startswith("sent")]) == statuses.PAGES
    last = begun + 2 * statuses.PAGES - 1
    kept = [hour for hour in range(begun, last + 1) if await notes.read(hour)]
    assert kept == list(range(last - statuses.PAGES + 1, last + 1))


async def test_notes_that_could_not_be_written_are_written_later(line: Line) -> None:
    notes, save = SentNotes(line.context), line.context.memory.save

    async def refuse(_key: str, _value: bytes) -> None:
        raise NotAccepted("not_kept", "the store is away")

    line.context.memory.save = refuse  # type: ignore[method-assign] # a store that fails
    notes.add("SM1", "c1-1")
    await notes.close()
    line.context.memory.save = save  # type: ignore[method-assign]
    notes.add("SM2", "c1-2")
    async with asyncio.timeout(30):
        await notes.close()
    assert set(await notes.read(line.context.now() // statuses.HOUR)) == {"SM1", "SM2"}
