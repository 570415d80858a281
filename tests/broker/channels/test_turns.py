"""Messages on their way: one at a time per address, each until the store has answered or its time is over."""

import asyncio

import pytest

from broker.bus.errors import PublishRefused, PublishUnknown
from broker.bus.pipeline import PubAck
from broker.channels.turns import Turns

ACK = PubAck("S", 1)
LONG = 60.0


class Store:
    """Keeps what was sent to it until the test answers."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.answers: list[asyncio.Future[PubAck]] = []
        self.stored: list[PubAck] = []
        self.repeated = asyncio.Event()

    def publish(self, payload: bytes, head: bytes) -> asyncio.Future[PubAck]:
        assert head == b"head"
        if payload in self.sent:
            self.repeated.set()
        self.sent.append(payload)
        self.answers.append(asyncio.get_running_loop().create_future())
        return self.answers[-1]

    def turns(self, *, within: float = LONG, attempt: float = LONG) -> Turns:
        return Turns(self.publish, self.stored.append, within=within, attempt=attempt)


async def settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_addresses_do_not_wait_for_each_other_and_messages_of_one_do() -> None:
    store = Store()
    turns = store.turns()
    first, second, other = (
        turns.take(address, text, b"head") for address, text in (("a", b"1"), ("a", b"2"), ("b", b"3"))
    )
    assert store.sent == [b"1", b"3"]
    store.answers[0].set_result(ACK)
    assert await first is ACK
    assert store.sent == [b"1", b"3", b"2"]
    store.answers[1].set_result(ACK)
    store.answers[2].set_result(ACK)
    await asyncio.gather(second, other)
    assert len(turns) == 0
    assert store.stored == [ACK, ACK, ACK]
    await turns.settled()


async def test_what_may_be_stored_is_sent_again_before_the_next_one() -> None:
    store = Store()
    turns = store.turns()
    first, second = turns.take("a", b"1", b"head"), turns.take("a", b"2", b"head")
    store.answers[0].set_exception(PublishUnknown("no answer"))
    await store.repeated.wait()
    assert store.sent == [b"1", b"1"]
    store.answers[1].set_result(ACK)
    await first
    store.answers[2].set_result(ACK)
    await second


async def test_an_attempt_without_an_answer_is_repeated() -> None:
    store = Store()
    told = store.turns(attempt=0.01).take("a", b"1", b"head")
    await store.repeated.wait()
    assert store.answers[0].cancelled()
    store.answers[-1].set_result(ACK)
    await told


async def test_when_the_time_is_over_all_of_the_address_come_again_in_their_order() -> None:
    store = Store()
    turns, loop = store.turns(within=1.0), asyncio.get_running_loop()
    first = turns.take("a", b"1", b"head")
    later = loop.time() + 0.1
    while loop.time() <= later:
        pass  # the others have more time, and the first one has not run out of its own: the loop did not turn
    behind = [turns.take("a", text, b"head") for text in (b"2", b"3")]
    for late in (first, *behind):
        with pytest.raises(TimeoutError):
            await late
    assert (store.sent, len(turns)) == ([b"1"], 0)
    again = turns.take("a", b"1", b"head")
    store.answers[-1].set_result(ACK)
    await again


async def test_with_a_refused_one_all_behind_it_come_again_in_their_order() -> None:
    store = Store()
    turns = store.turns()
    first, *behind = [turns.take("a", text, b"head") for text in (b"1", b"2", b"3")]
    other = turns.take("b", b"4", b"head")
    store.answers[0].set_exception(PublishRefused(10077, "full", None))
    with pytest.raises(PublishRefused):
        await first
    for given_back in behind:
        with pytest.raises(TimeoutError, match="full"):
            await given_back
    store.answers[1].set_result(ACK)
    await other
    assert (store.sent, len(turns)) == ([b"1", b"4"], 0)
    again = [turns.take("a", text, b"head") for text in (b"1", b"2")]
    for number in (2, 3):
        store.answers[number].set_result(ACK)
        await again[number - 2]


async def test_a_caller_that_is_gone_leaves_its_message_under_way() -> None:
    store = Store()
    turns = store.turns()
    first, second = turns.take("a", b"1", b"head"), turns.take("a", b"2", b"head")
    first.cancel()
    await settle()
    assert store.sent == [b"1"]
    store.answers[0].set_result(ACK)
    await settle()
    store.answers[1].set_result(ACK)
    await second
    assert store.stored == [ACK, ACK]


async def test_an_answer_in_the_moment_in_which_the_time_is_over_counts() -> None:
    loop, faults = asyncio.get_running_loop(), list[object]()
    loop.set_exception_handler(lambda _loop, context: faults.append(context))
    store = Store()
    turns = store.turns(within=0.01)
    told = turns.take("a", b"1", b"head")
    over = loop.time() + 0.01
    while loop.time() <= over:
        pass  # the timer is due, and has not rung: the loop did not turn
    loop.call_soon(store.answers[0].set_result, ACK)
    assert await told is ACK
    await settle()
    assert (len(turns), store.stored, faults) == (0, [ACK], [])
