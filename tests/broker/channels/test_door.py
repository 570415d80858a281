"""The way into IN: stored before it is accepted, once, in order per address; receipts merged."""

import asyncio
import pathlib
import signal
import uuid
from collections.abc import AsyncIterator, Iterator

import msgspec
import pytest

from adapters.errors import EnvelopeRefused, NotAccepted
from broker.bus.connection import Bus
from broker.bus.dead import DeadLetters
from broker.bus.reader import stream_state
from broker.bus.streams import ensure_streams
from broker.channels.door import Door
from broker.channels.tally import Tally, wall_clock
from normalizer.content import Text
from normalizer.envelope import Envelope
from normalizer.outbound import Receipt, ReceiptState
from tests.broker.channels.conftest import CHANNEL, Scene
from tests.fixtures.nats import Servers, own_workspace, running


def envelope(native_id: str, address: str = "fake:a", text: str = "hello", **changes: object) -> Envelope:
    plain = Envelope(
        id=uuid.uuid4().hex,
        at=wall_clock(),
        channel=CHANNEL,
        type="fake",
        native_id=native_id,
        address=address,
        content=Text(text=text),
    )
    return msgspec.structs.replace(plain, **changes)


def receipt(outbound: str, state: ReceiptState, **changes: object) -> Receipt:
    return msgspec.structs.replace(Receipt(outbound=outbound, state=state, at=1), **changes)


async def stored(scene: Scene) -> int:
    return (await stream_state(scene.bus, scene.workspace.in_stream)).messages


async def test_what_is_accepted_is_stored(scene: Scene) -> None:
    sent = envelope("m1")
    await scene.door.accept(sent)
    assert await stored(scene) == 1
    assert await scene.envelopes(1) == [sent]
    assert scene.tally.status.counts == {"accepted": 1}


async def test_a_repetition_is_accepted_and_stored_once(scene: Scene) -> None:
    await scene.door.accept(envelope("m1"))
    await scene.door.accept(envelope("m1"))
    assert await stored(scene) == 1
    assert scene.tally.status.counts == {"accepted": 1, "duplicate": 1}


async def test_the_same_native_id_of_two_addresses_is_two_messages(scene: Scene) -> None:
    await scene.door.accept(envelope("1", "fake:a"))
    await scene.door.accept(envelope("1", "fake:b"))
    assert await stored(scene) == 2


async def test_messages_of_one_address_are_stored_in_the_order_they_came(scene: Scene) -> None:
    await asyncio.gather(*(scene.door.accept(envelope(f"m{n}", f"fake:{n % 3}")) for n in range(90)))
    found = await scene.envelopes(90)
    for address in range(3):
        ids = [e.native_id for e in found if e.address == f"fake:{address}"]
        assert ids == [f"m{n}" for n in range(90) if n % 3 == address]
    assert len(scene.door._turns) == 0


async def test_a_caller_that_goes_away_does_not_let_the_next_one_overtake(scene: Scene) -> None:
    first = asyncio.create_task(scene.door.accept(envelope("m1")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    await scene.door.accept(envelope("m2"))
    assert [e.native_id for e in await scene.envelopes(2)] == ["m1", "m2"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (envelope("m1", channel="other"), "of channel other"),
        (envelope("m1", text="x" * 300_000), "bytes"),
        (envelope("m1", text="\ud800"), "surrogate"),
        (envelope("m1", "nonsense"), "scheme"),
        (envelope("", text="x"), "native_id"),
        (envelope("m1", channel_data=msgspec.Raw(b'"' + b"x" * 9_000 + b'"')), "channel_data"),
    ],
    ids=["channel", "size", "surrogate", "address", "native id", "channel data"],
)
async def test_a_malformed_envelope_is_refused_and_kept_with_the_dead_letters(
    scene: Scene, wrong: Envelope, says: str
) -> None:
    with pytest.raises(EnvelopeRefused, match=says):
        await scene.door.accept(wrong)
    assert await stored(scene) == 0
    (letter,) = await scene.dead()
    assert letter.reason == "envelope_refused"
    assert says in letter.detail


async def test_receipts_of_a_message_are_merged_into_the_highest(scene: Scene) -> None:
    for state in (ReceiptState.SENT, ReceiptState.READ, ReceiptState.DELIVERED):
        await scene.door.report(receipt("c1-1", state))
    await scene.door.report(receipt("c1-2", ReceiptState.SENT))
    await scene.door.report(receipt("c2-1", ReceiptState.DELIVERED), stored=True)
    await scene.door.close()
    found = await scene.receipts(c1_1="read", c1_2="sent", c2_1="delivered")
    assert len(found) == await stored(scene) == 3


async def test_a_watermark_is_not_lost_when_receipts_are_merged(scene: Scene) -> None:
    await scene.door.report(receipt("c1-1", ReceiptState.READ))
    await scene.door.report(receipt("c1-1", ReceiptState.READ, watermark=True))
    await scene.door.report(receipt("c1-1", ReceiptState.READ), stored=True)
    (found,) = await scene.receipts(c1_1="read")
    assert found.watermark


async def test_a_receipt_that_must_be_stored_is_stored_when_it_returns(scene: Scene) -> None:
    await scene.door.report(receipt("c1-1", ReceiptState.DELIVERED), stored=True)
    assert await stored(scene) == 1


async def test_a_clean_stop_loses_no_receipt(scene: Scene) -> None:
    door = Door(scene.bus, scene.workspace, Tally(CHANNEL, "fake"), merge_for=3_600)
    for number in range(20):
        await door.report(receipt(f"c{number}-1", ReceiptState.READ))
    assert await stored(scene) == 0
    await door.close()
    assert await stored(scene) == 20


async def test_of_a_piece_only_its_failure_is_told_of_the_whole(scene: Scene) -> None:
    await scene.door.report(receipt("c1-1~1", ReceiptState.DELIVERED), stored=True)
    assert await stored(scene) == 0
    await scene.door.report(receipt("c1-1~1", ReceiptState.FAILED), stored=True)
    (found,) = await scene.receipts(c1_1="failed")
    assert found.outbound == "c1-1"


@pytest.mark.parametrize(
    "wrong",
    [
        receipt("c1-1\r\nNats-Msg-Id: x", ReceiptState.READ),
        receipt("", ReceiptState.READ),
        receipt("x" * 81, ReceiptState.READ),
        receipt("c1-1", ReceiptState.READ, at=-1),
        receipt("c1-1", ReceiptState.FAILED, code="x" * 65),
    ],
)
async def test_a_malformed_receipt_is_refused_and_kept(scene: Scene, wrong: Receipt) -> None:
    with pytest.raises(EnvelopeRefused):
        await scene.door.report(wrong)
    assert [letter.reason for letter in await scene.dead()] == ["receipt_refused"]
    assert await stored(scene) == 0


async def test_a_dead_letter_is_kept_once(scene: Scene) -> None:
    for _ in range(2):
        await scene.door.dead("unreadable", b"\xff", "not JSON")
    (letter,) = await scene.dead()
    assert (letter.payload, letter.detail) == (b"\xff", "not JSON")
    assert letter.source == scene.workspace.in_subject(CHANNEL)


async def test_a_reason_that_is_no_word_is_a_programming_error(scene: Scene) -> None:
    with pytest.raises(ValueError, match="no reason"):
        await scene.door.dead("a b.c", b"", "")


# --- a store that does not answer ---


@pytest.fixture(scope="module")
def frail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    folder: pathlib.Path = tmp_path_factory.mktemp("frail")
    yield from running(folder, 1)


@pytest.fixture
async def frail_bus(frail: Servers) -> AsyncIterator[Bus]:
    bus = await Bus.connect(frail.settings, "frail")
    yield bus
    frail.signal(0, signal.SIGCONT)
    await bus.close()


async def test_a_store_that_stands_still_is_said_and_the_repetition_is_stored_once(
    frail: Servers, frail_bus: Bus
) -> None:
    workspace = own_workspace()
    await ensure_streams(frail_bus, workspace)
    tally = Tally(CHANNEL, "fake")
    door = Door(frail_bus, workspace, tally, accept_timeout=0.8, publish_timeout=0.2, merge_for=0.01)
    first, second = envelope("m1"), envelope("m2")
    frail.signal(0, signal.SIGSTOP)
    for message in (first, second):
        with pytest.raises(NotAccepted):
            await door.accept(message)
    with pytest.raises(NotAccepted):
        await door.dead("unreadable", b"", "")
    assert tally.status.counts == {"not_accepted": 2}
    frail.signal(0, signal.SIGCONT)
    patient = Door(frail_bus, workspace, tally, accept_timeout=60)
    await patient.accept(first)
    await patient.accept(second)
    await patient.close()
    await door.close()
    assert (await stream_state(frail_bus, workspace.in_stream)).messages == 2
    assert len(await DeadLetters(frail_bus).list(workspace)) <= 1


async def test_an_envelope_that_waits_for_the_store_keeps_its_place(frail: Servers, frail_bus: Bus) -> None:
    workspace = own_workspace()
    await ensure_streams(frail_bus, workspace)
    door = Door(frail_bus, workspace, Tally(CHANNEL, "fake"), accept_timeout=60, publish_timeout=0.2)
    frail.signal(0, signal.SIGSTOP)
    accepting = [asyncio.create_task(door.accept(envelope(f"m{n}"))) for n in range(5)]
    await asyncio.wait(accepting, timeout=0.7)
    assert not any(task.done() for task in accepting)
    frail.signal(0, signal.SIGCONT)
    await asyncio.gather(*accepting)
    scene = Scene(frail_bus, workspace, await ensure_streams(frail_bus, workspace))
    assert [e.native_id for e in await scene.envelopes(5)] == [f"m{n}" for n in range(5)]
    await scene.close()
    await door.close()
