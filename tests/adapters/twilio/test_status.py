"""What becomes of our messages, as Twilio tells it."""

import pytest

from adapters.errors import NotAccepted
from adapters.testing.twilio import News
from adapters.twilio.errors import MEANINGS, describe
from adapters.twilio.mapping import STATES
from normalizer.outbound import RECEIPT_RANK, ReceiptState
from tests.adapters.twilio.conftest import PUBLIC, Line

CALLBACK = f"{PUBLIC}/channels/test/status?id=c1-1"


async def test_the_way_of_a_message_is_told(line: Line) -> None:
    sid = await line.answer()
    await line.simulator.settle()
    await line.simulator.change(News(status="read"))
    assert [receipt.state for receipt in line.context.receipts] == ["sent", "delivered", "read"]
    assert {(receipt.outbound, receipt.native_id) for receipt in line.context.receipts} == {("c1-1", sid)}
    assert set(line.simulator.answers) == {200}


async def test_twice_and_in_the_wrong_order_the_highest_counts(line: Line) -> None:
    line.simulator.repeated = line.simulator.shuffled = True
    await line.answer()
    await line.simulator.settle()
    states = [receipt.state for receipt in line.context.receipts]
    assert states == ["delivered", "delivered", "sent", "sent"]
    assert max(states, key=RECEIPT_RANK.__getitem__) == "delivered"


@pytest.mark.parametrize("status", STATES)
async def test_every_status_is_known_and_none_is_taken_back(line: Line, status: str) -> None:
    assert await line.simulator.call(CALLBACK, {"MessageSid": "SM1", "MessageStatus": status}) == 200
    assert line.context.receipts[0].state is STATES[status]
    assert STATES[status] is not ReceiptState.QUEUED, "Twilio has it: an answer that was sent never waits again"


async def test_a_failure_has_a_code_and_a_sentence(line: Line) -> None:
    line.simulator.outcomes.append((News(status="undelivered", code=63024),))
    await line.answer()
    await line.simulator.settle()
    (receipt,) = line.context.receipts
    assert (receipt.state, receipt.code) == (ReceiptState.FAILED, "63024")
    assert receipt.error == MEANINGS[63024].sentence


@pytest.mark.parametrize(
    ("code", "sentence"), [("", "gave no reason"), ("12345", "error 12345"), ("x" * 16, "error xxx"), ("²", "error ²")]
)
def test_a_code_that_nobody_knows_is_told_as_it_is(code: str, sentence: str) -> None:
    assert sentence in describe(code)


def test_every_code_has_a_sentence_for_the_operator() -> None:
    assert all(found.sentence[0].isupper() and " " in found.sentence for found in MEANINGS.values())


async def test_a_piece_keeps_its_number(line: Line) -> None:
    assert await line.simulator.call(f"{CALLBACK}~2", {"MessageSid": "SM1", "MessageStatus": "failed"}) == 200
    assert line.context.receipts[0].outbound == "c1-1~2"


async def test_a_receipt_that_is_not_stored_is_not_acknowledged(line: Line) -> None:
    line.context.failures.append(NotAccepted("not_stored", "the store does not take it now"))
    assert await line.simulator.call(CALLBACK, {"MessageSid": "SM1", "MessageStatus": "read"}) == 503
    assert line.context.receipts == []


async def test_a_status_that_nobody_knows_is_acknowledged_and_logged(line: Line) -> None:
    assert await line.simulator.call(CALLBACK, {"MessageSid": "SM1", "MessageStatus": "teleported"}) == 200
    assert line.context.receipts == []
    assert line.context.logged[-1]["status"] == "teleported"


@pytest.mark.parametrize("query", ["", "?id=", "?id=%0a", "?id=" + "x" * 100, "?id=a/b"])
async def test_a_status_of_nothing_lies_with_the_dead_letters(line: Line, query: str) -> None:
    url = f"{PUBLIC}/channels/test/status{query}"
    assert await line.simulator.call(url, {"MessageSid": "SM1", "MessageStatus": "read"}) == 200
    assert line.context.dead_letters[0].reason == "status_unreadable"
    assert line.context.receipts == []
