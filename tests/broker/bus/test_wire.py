"""What the server writes reaches each subscription whole and in order, however the bytes are cut into reads."""

import asyncio
from collections.abc import Iterator
from itertools import pairwise

import nats.errors
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.aio.subscription import Subscription

from broker.bus.wire import Arrived, Sink, Wire

HEAD = b"NATS/1.0\r\nA: 1\r\n\r\n"
PLAIN = b"MSG in.1 1 5\r\nhello\r\n"
ASKED = b"MSG in.1 1 back.1 7\r\nMSG x\r\n\r\n"
HEADED = b"HMSG in.2 1 %d %d\r\n%b!\r\n" % (len(HEAD), len(HEAD) + 1, HEAD)
HEADED_AND_ASKED = b"HMSG in.2 1 back.2 %d %d\r\n%b\r\n" % (len(HEAD), len(HEAD), HEAD)
SERVERS_OWN = b"MSG in.1 1  2\r\nhi\r\n"
OTHERS = b"MSG in.3 2 3\r\nabc\r\n"
NOBODYS = b"MSG in.4 9 3\r\nabc\r\n"
EVERYTHING = PLAIN + b"+OK\r\n" + HEADED + OTHERS + NOBODYS + SERVERS_OWN + ASKED + HEADED_AND_ASKED + PLAIN
TAKEN = [
    Arrived("in.1", "", b"hello"),
    Arrived("in.2", "", b"!", HEAD),
    Arrived("in.1", "", b"hi"),
    Arrived("in.1", "back.1", b"MSG x\r\n"),
    Arrived("in.2", "back.2", b"", HEAD),
    Arrived("in.1", "", b"hello"),
]


class Ear:
    """A wire without a connection, one sink (1) and one subscription that nats-py serves (2)."""

    def __init__(self) -> None:
        self.wire = Wire()
        self.taken: list[Arrived] = []
        self.other = Subscription(self.wire, 2, "in.3")
        self.wire._subs[1] = Subscription(self.wire, 1, "in.*", future=Sink(self.take))
        self.wire._subs[2] = self.other

    def take(self, message: Arrived) -> None:
        self.taken.append(message)

    async def hear(self, reads: Iterator[bytes]) -> None:
        for read in reads:
            await self.wire._ps.parse(read)


@given(st.lists(st.integers(0, len(EVERYTHING))))
def test_reads_may_end_anywhere(cuts: list[int]) -> None:
    async def run() -> None:
        ear = Ear()
        bounds = [0, *sorted(cuts), len(EVERYTHING)]
        await ear.hear(EVERYTHING[a:b] for a, b in pairwise(bounds))
        assert ear.taken == TAKEN
        assert (await ear.other.next_msg(timeout=30)).data == b"abc"

    asyncio.run(run())


async def test_every_single_byte_may_be_a_read() -> None:
    ear = Ear()
    await ear.hear(EVERYTHING[at : at + 1] for at in range(len(EVERYTHING)))
    assert ear.taken == TAKEN


async def test_a_sink_that_fails_costs_nobody_else_a_message() -> None:
    ear = Ear()

    def fail(message: Arrived) -> None:
        raise ValueError(message.subject)

    ear.wire._subs[3] = Subscription(ear.wire, 3, "in.5", future=Sink(fail))
    await ear.hear(iter([b"MSG in.5 3 1\r\nx\r\n" + PLAIN]))
    assert ear.taken == TAKEN[:1]


async def test_what_is_no_line_of_the_protocol_is_an_error() -> None:
    for line in (b"MSG in.1 one 5\r\nhello\r\n", b"SGM\r\n"):
        with pytest.raises(nats.errors.ProtocolError):
            await Ear().hear(iter([line]))


async def test_half_a_message_of_a_lost_connection_is_forgotten() -> None:
    ear = Ear()
    await ear.hear(iter([PLAIN[:-4]]))
    ear.wire._ps.reset()
    await ear.hear(iter([ASKED]))
    assert ear.taken == [TAKEN[3]]


async def test_nothing_is_kept_for_a_later_connection() -> None:
    with pytest.raises(nats.errors.OutboundBufferLimitError):
        Wire().write("in.1", b"x")
