"""The outbound worker against a real bus: order, repetition, doubt, take-over, restart."""

import asyncio
import time

import msgspec
import pytest

from adapters.contract import Sent
from adapters.errors import BadCredentials, OutcomeUnknown, RateLimited, Refused, TryLater, Unreachable
from adapters.pace import Rate
from broker.bus.errors import StreamReplaced
from broker.bus.reader import stream_state
from broker.channels.claims import Claim, Claims, Overtaken
from broker.channels.worker import STOP_TIMEOUT
from broker.routing.positions import Positions
from normalizer.content import Delete
from normalizer.outbound import Outbound, ReceiptState
from tests.broker.channels.conftest import CHANNEL, QUICK, HeldLease, Provider, Scene

LATER = TryLater("busy", "The provider is busy.")
NEVER = Refused("too_rude", "The provider refuses it.")
WHO_KNOWS = OutcomeUnknown("timeout", "No answer came.")
SLOW = msgspec.structs.replace(QUICK, first_pause=600_000, longest_pause=600_000)


async def mark(scene: Scene) -> int:
    return await Positions(scene.bus, scene.workspace, scene.times.log_stream).get(f"{CHANNEL}.0")


async def test_answers_go_out_in_order_and_their_receipts_come_in(scene: Scene) -> None:
    for _ in range(5):
        await scene.write("c1")
        await scene.write("c2")
    scene.start()
    receipts = await scene.receipts(c1_5="sent", c2_5="sent")
    for conversation in ("c1", "c2"):
        sent = [one for one in scene.provider.calls if one.startswith(conversation)]
        assert sent == [f"{conversation}-{number}" for number in range(1, 6)]
    assert {r.native_id for r in receipts} == {f"p-{one}" for one in scene.provider.calls}


async def test_a_repeated_message_stays_in_front_of_the_next_one(scene: Scene) -> None:
    await scene.write("c1")
    await scene.write("c1")
    scene.provider.outcomes["c1-1"] = [LATER, LATER]
    scene.start()
    await scene.receipts(c1_1="sent", c1_2="sent")
    assert scene.provider.calls == ["c1-1", "c1-1", "c1-1", "c1-2"]


async def test_a_stuck_conversation_delays_only_itself(scene: Scene) -> None:
    await scene.write("c1")
    scene.provider.outcomes["c1-1"] = [RateLimited("slow_down", "Not so fast.", retry_after=600)]
    task = scene.start()
    for number in range(30):
        await scene.write("c1")
        await scene.write(f"c{number + 2}")
    await scene.receipts(**{f"c{number + 2}_1": "sent" for number in range(30)})
    assert scene.provider.calls.count("c1-1") == 1
    assert "c1-2" not in scene.provider.calls
    await scene.stop(task)
    assert await mark(scene) == 0


async def test_a_frozen_channel_waits_as_a_whole(scene: Scene) -> None:
    await scene.write("c1")
    await scene.write("c2")
    scene.provider.outcomes["c1-1"] = [RateLimited("slow_down", "Stop.", retry_after=0.3, whole_channel=True)]
    scene.provider.gates["c2-1"] = asyncio.Event()
    scene.provider.gates["c2-1"].set()
    loop = asyncio.get_running_loop()
    begun = loop.time()
    scene.start(scene.worker(pace=msgspec.structs.replace(QUICK, parallel=1)))
    await scene.receipts(c1_1="sent", c2_1="sent")
    assert loop.time() - begun >= 0.3
    assert sorted(scene.provider.calls) == ["c1-1", "c1-1", "c2-1"]


async def test_the_rate_of_a_channel_is_kept(scene: Scene) -> None:
    for number in range(1, 6):
        await scene.write(f"c{number}")
    loop = asyncio.get_running_loop()
    begun = loop.time()
    scene.start(scene.worker(pace=msgspec.structs.replace(QUICK, channel=Rate(per_second=20))))
    await scene.receipts(**{f"c{number}_1": "sent" for number in range(1, 6)})
    assert loop.time() - begun >= 4 / 20


@pytest.mark.parametrize("refusal", [NEVER, Unreachable("blocked", "The customer has blocked us.")])
async def test_a_refused_message_is_a_dead_letter_and_the_next_one_goes(scene: Scene, refusal: Refused) -> None:
    await scene.write("c1", "rude words")
    await scene.write("c1")
    scene.provider.outcomes["c1-1"] = [refusal]
    scene.start()
    receipts = await scene.receipts(c1_1="failed", c1_2="sent")
    failed = next(r for r in receipts if r.state is ReceiptState.FAILED)
    assert (failed.code, failed.error) == (refusal.code, refusal.message)
    (letter,) = await scene.dead()
    assert letter.reason == "not_sent"
    assert refusal.code in letter.detail
    assert "rude words" not in letter.detail
    assert msgspec.json.decode(letter.payload, type=Outbound).id == "c1-1"


async def test_a_lost_answer_is_shown_and_never_repeated_blindly(scene: Scene) -> None:
    await scene.write("c1")
    await scene.write("c1")
    scene.provider.outcomes["c1-1"] = [WHO_KNOWS]
    scene.start()
    receipts = await scene.receipts(c1_1="unknown", c1_2="sent")
    assert scene.provider.calls == ["c1-1", "c1-2"]
    assert scene.provider.asked == ["c1-1"]
    assert await scene.dead() == []
    assert {(r.code, r.error) for r in receipts if r.outbound == "c1-1"} == {("timeout", "No answer came.")}


async def test_a_provider_that_was_cut_off_and_has_the_message_settles_the_doubt(scene: Scene) -> None:
    await scene.write("c1")
    scene.provider.outcomes["c1-1"] = [WHO_KNOWS]
    scene.provider.finds["c1-1"] = [OSError("down"), Sent(native_id="p9")]
    scene.start()
    receipts = await scene.receipts(c1_1="sent")
    assert [r.state for r in receipts] == [ReceiptState.UNKNOWN, ReceiptState.SENT]
    assert receipts[-1].native_id == "p9"
    assert scene.provider.calls == ["c1-1"]


async def test_a_provider_that_knows_it_has_not_got_it_gets_it_again(scene: Scene) -> None:
    await scene.write("c1")
    scene.provider.outcomes["c1-1"] = [WHO_KNOWS]
    scene.provider.finds["c1-1"] = [TryLater("not_found", "It is not there.")]
    scene.start()
    await scene.receipts(c1_1="sent")
    assert scene.provider.calls == ["c1-1", "c1-1"]
    assert scene.provider.taken == ["c1-1"]


@pytest.mark.parametrize("crash", [RuntimeError("a bug"), KeyError("field"), TimeoutError()])
async def test_an_adapter_that_crashes_in_a_call_leaves_a_doubt(scene: Scene, crash: Exception) -> None:
    await scene.write("c1")
    scene.provider.outcomes["c1-1"] = [crash]
    scene.start()
    await scene.receipts(c1_1="unknown")
    assert scene.provider.calls == ["c1-1"]


async def test_a_call_that_takes_too_long_leaves_a_doubt(scene: Scene) -> None:
    await scene.write("c1")
    scene.provider.gates["c1-1"] = asyncio.Event()
    scene.start(scene.worker(pace=msgspec.structs.replace(QUICK, call_timeout=50)))
    (receipt, *_) = await scene.receipts(c1_1="unknown")
    assert receipt.code == "timeout"


async def test_a_broken_channel_keeps_its_messages(scene: Scene) -> None:
    await scene.write("c1")
    scene.provider.outcomes["c1-1"] = [BadCredentials("revoked", "The token is revoked.")] * 3
    scene.start()
    await scene.receipts(c1_1="sent")
    assert len(scene.provider.calls) == 4


async def test_a_message_of_last_week_is_not_sent_now(scene: Scene) -> None:
    await scene.write("c1", at=0)
    await scene.write("c1")
    scene.start()
    receipts = await scene.receipts(c1_1="failed", c1_2="sent")
    assert receipts[0].code == "expired"
    assert scene.provider.calls == ["c1-2"]


async def test_a_long_queue_is_read_again_from_the_log(scene: Scene) -> None:
    scene.provider.gates["c1-1"] = asyncio.Event()
    for _ in range(100):
        await scene.write("c1")
    scene.start()
    await scene.provider.entered.wait()
    scene.provider.gates["c1-1"].set()
    await scene.receipts(c1_100="sent")
    assert scene.provider.calls == [f"c1-{number}" for number in range(1, 101)]


async def test_a_long_text_goes_in_pieces_and_has_one_receipt(scene: Scene) -> None:
    await scene.write("c1", "one two three. four five six. seven eight.")
    scene.start()
    receipts = await scene.receipts(c1_1="sent")
    assert len(scene.provider.calls) > 2
    assert scene.provider.calls[:2] == ["c1-1~1", "c1-1~2"]
    assert scene.provider.calls[-1] == "c1-1"
    assert [r.outbound for r in receipts] == ["c1-1"]


async def test_after_a_refused_piece_the_rest_is_not_sent(scene: Scene) -> None:
    await scene.write("c1", "one two three. four five six. seven eight.")
    scene.provider.outcomes["c1-1~2"] = [NEVER]
    scene.start()
    receipts = await scene.receipts(c1_1="failed")
    assert scene.provider.calls == ["c1-1~1", "c1-1~2"]
    assert receipts[0].error.startswith("part 2 of ")


async def test_what_the_channel_cannot_show_fails_before_it_is_sent(scene: Scene) -> None:
    await scene.write("c1", Delete(target="c1-0"))
    scene.start()
    receipts = await scene.receipts(c1_1="failed")
    assert receipts[0].code == "cannot_render"
    assert scene.provider.calls == []


async def test_after_a_restart_nothing_is_sent_again(scene: Scene) -> None:
    for _ in range(3):
        await scene.write("c1")
    task = scene.start()
    await scene.receipts(c1_3="sent")
    await scene.stop(task)
    assert await mark(scene) == 3
    await scene.write("c1")
    scene.start()
    await scene.receipts(c1_4="sent")
    assert scene.provider.calls == ["c1-1", "c1-2", "c1-3", "c1-4"]


async def test_claims_guard_what_lies_above_a_mark_that_was_not_saved(scene: Scene) -> None:
    for _ in range(3):
        await scene.write("c1")
    scene.provider.outcomes["c1-2"] = [NEVER]
    scene.provider.outcomes["c1-3"] = [WHO_KNOWS]
    first = scene.start()
    await scene.receipts(c1_1="sent", c1_2="failed", c1_3="unknown")
    await scene.stop(first)
    await scene.bus.publish(
        f"$KV.TL_sends.{scene.workspace.name}.pos.{CHANNEL}.0", b"", headers={"KV-Operation": "DEL"}
    )
    await scene.write("c1")
    scene.start()
    await scene.receipts(c1_4="sent")
    assert scene.provider.calls == ["c1-1", "c1-2", "c1-3", "c1-4"]


async def test_who_died_in_a_call_leaves_a_doubt(scene: Scene) -> None:
    await scene.write("c1")
    await scene.write("c1")
    claims = Claims(scene.bus, scene.workspace, CHANNEL)
    await claims.write("c1-1", Claim(worker="dead", number=1, state="calling", at=0), 0)
    scene.start()
    receipts = await scene.receipts(c1_1="unknown", c1_2="sent")
    assert receipts[0].code == "interrupted"
    assert scene.provider.calls == ["c1-2"]
    assert scene.provider.asked == ["c1-1"]


async def test_who_died_between_two_attempts_is_followed_by_the_next_attempt(scene: Scene) -> None:
    await scene.write("c1")
    claims = Claims(scene.bus, scene.workspace, CHANNEL)
    await claims.write("c1-1", Claim(worker="dead", number=7, state="waiting", at=0, code="busy"), 0)
    scene.start()
    await scene.receipts(c1_1="sent")
    claim, _ = await claims.read("c1-1")
    assert claim is not None
    assert (claim.number, claim.state, claim.native_id) == (8, "sent", "p-c1-1")


async def test_a_worker_without_its_lease_calls_nobody(scene: Scene) -> None:
    lease = HeldLease()
    worker = scene.worker(lease, pace=SLOW)
    task = scene.start(worker)
    await scene.write("c1")
    await scene.receipts(c1_1="sent")
    lease.held = False  # the server has not said so yet
    await scene.write("c1")
    with pytest.raises(Overtaken):
        await task
    assert scene.provider.calls == ["c1-1"]


async def test_a_lost_lease_ends_the_worker(scene: Scene) -> None:
    lease = HeldLease()
    task = scene.start(scene.worker(lease))
    await scene.write("c1")
    await scene.receipts(c1_1="sent")
    lease.lose()
    with pytest.raises(Overtaken):
        await task


async def test_a_call_is_told_until_when_something_may_go_out(scene: Scene) -> None:
    scene.start(scene.worker(pace=SLOW))
    begun = time.monotonic()
    await scene.write("c1")
    await scene.receipts(c1_1="sent")
    assert begun < scene.provider.deadlines["c1-1"] < time.monotonic() + SLOW.call_timeout / 1_000


async def test_a_stalled_worker_that_wakes_up_tells_what_it_knows_and_sends_nothing(scene: Scene) -> None:
    stalled, lease = Provider(), HeldLease()
    stalled.gates["c1-1"] = asyncio.Event()
    await scene.write("c1")
    await scene.write("c1")
    old = scene.start(scene.worker(lease, provider=stalled))
    await stalled.entered.wait()
    lease.held = False
    new = scene.start(scene.worker(pace=msgspec.structs.replace(QUICK, call_timeout=100)))
    await scene.receipts(c1_1="unknown", c1_2="sent")
    await scene.stop(new)
    stalled.gates["c1-1"].set()
    with pytest.raises(Overtaken):
        await old
    receipts = await scene.receipts(c1_1="sent")
    assert [r.state for r in receipts if r.outbound == "c1-1"][-1] is ReceiptState.SENT
    assert stalled.calls == ["c1-1"]
    assert scene.provider.calls == ["c1-2"]


async def test_two_workers_at_once_never_send_one_message_twice(scene: Scene) -> None:
    other = Provider()
    scene.provider.finds.default_factory = other.finds.default_factory = list
    for conversation in range(20):
        for _ in range(3):
            await scene.write(f"c{conversation}")
    tasks = [scene.start(), scene.start(scene.worker(provider=other))]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED, timeout=5)
    await asyncio.gather(*(scene.stop(task) for task in tasks))
    task = scene.start()
    await scene.receipts(**{f"c{conversation}_3": "sent" for conversation in range(20)})
    await scene.stop(task)
    calls = scene.provider.calls + other.calls
    assert len(calls) == len(set(calls))


async def test_a_clean_stop_lets_calls_end_and_begins_none(scene: Scene) -> None:
    scene.provider.gates["c1-1"] = asyncio.Event()
    await scene.write("c1")
    await scene.write("c1")
    task = scene.start()
    await scene.provider.entered.wait()
    task.cancel()
    asyncio.get_running_loop().call_later(0.05, scene.provider.gates["c1-1"].set)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert scene.provider.calls == ["c1-1"]
    claim, _ = await Claims(scene.bus, scene.workspace, CHANNEL).read("c1-1")
    assert claim is not None
    assert claim.state == "sent"
    assert await mark(scene) == 1


async def test_a_clean_stop_does_not_wait_for_what_only_waits(scene: Scene) -> None:
    await scene.write("c1")
    scene.provider.outcomes["c1-1"] = [LATER]
    task = scene.start(scene.worker(pace=SLOW))
    await scene.provider.entered.wait()
    claims = Claims(scene.bus, scene.workspace, CHANNEL)
    while (await claims.read("c1-1"))[0] is None or (await claims.read("c1-1"))[0].state != "waiting":  # type: ignore[union-attr]  # just looked
        pass
    async with asyncio.timeout(STOP_TIMEOUT - 1):
        await scene.stop(task)


async def test_the_mark_moves_over_records_of_others_after_two_looks(scene: Scene) -> None:
    worker = scene.worker()
    for _ in range(5):
        await scene.write_record("c9", (), scene.workspace.log_subject("c9"))
    await worker._skip_silence()
    assert worker._backlog.mark == 0
    await worker._skip_silence()
    assert worker._backlog.mark == (await stream_state(scene.bus, scene.workspace.log_stream)).last == 5


async def test_the_mark_does_not_move_over_an_answer_that_was_not_read_yet(scene: Scene) -> None:
    worker = scene.worker()
    await scene.write("c1")
    await scene.write_record("c9", (), scene.workspace.log_subject("c9"))
    await worker._skip_silence()
    await worker._skip_silence()
    assert worker._backlog.mark == 0


async def test_somebody_else_raising_the_mark_ends_the_worker(scene: Scene) -> None:
    task = scene.start()
    await scene.write("c1")
    await scene.receipts(c1_1="sent")
    while await mark(scene) == 0:
        await asyncio.wait([task], timeout=0.05)
    await Positions(scene.bus, scene.workspace, scene.times.log_stream).raise_to(f"{CHANNEL}.0", 50)
    await scene.write("c1")
    with pytest.raises(Overtaken, match="low-water mark"):
        await task


async def test_a_log_that_was_made_anew_is_refused(scene: Scene) -> None:
    await Positions(scene.bus, scene.workspace, "2020-01-01T00:00:00Z").raise_to(f"{CHANNEL}.0", 50)
    with pytest.raises(StreamReplaced):
        await scene.start()


async def test_a_record_of_a_later_release_stops_the_worker(scene: Scene) -> None:
    await scene.bus.publish(scene.workspace.out_subject("c1", CHANNEL), b'{"v": 9}')
    await scene.write("c1")
    with pytest.raises(msgspec.DecodeError):
        await scene.start()
    assert scene.provider.calls == []
