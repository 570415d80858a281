"""Many callers of a real Kamailio at once, and one of them who means harm."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from adapters.testing import FakeContext
from tests.adapters.sip.conftest import Network, real_time
from tests.adapters.sip.pbx import HOST, eventually

pytestmark = pytest.mark.timeout(300)
CROWD = 30

REQUEST = """\
{method} sip:48221234567@{host}:{port} SIP/2.0
Via: SIP/2.0/UDP {host}:{own};branch=z9hG4bKstranger
From: <sip:stranger@{host}>;tag=1
To: <sip:48221234567@{host}:{port}>
Call-ID: {call}
CSeq: 1 {method}
Contact: <sip:stranger@{host}:{own}>
Max-Forwards: 70
Content-Length: 0

"""


class Stranger:
    """Somebody who writes SIP by hand, and so chooses the id of the call."""

    def __init__(self, line: socket.socket, port: int, call: str) -> None:
        self._line = line
        self._port = port
        self._call = call

    def say(self, method: str) -> None:
        own = self._line.getsockname()[1]
        text = REQUEST.format(method=method, host=HOST, port=self._port, own=own, call=self._call)
        self._line.sendto(text.replace("\n", "\r\n").encode(), (HOST, self._port))


@contextmanager
def stranger(network: Network, call: str) -> Iterator[Stranger]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.bind((HOST, 0))
        yield Stranger(line, network.kamailio.sip, call)


async def test_a_reader_that_begins_finds_however_many_calls_live(network: Network, context: FakeContext) -> None:
    first = await network.channel(context)
    await network.customer("gives_up", seconds=60, calls=CROWD)
    await first.heard("initiated", CROWD)
    await first.stop()
    again = real_time(FakeContext("phone"))
    try:
        second = await network.channel(again)
        await second.heard("initiated", CROWD)
        assert second.lost == []
    finally:
        await second.stop()
        await again.close()


async def test_the_end_of_a_call_whose_id_is_a_pattern_is_not_the_end_of_others(
    network: Network, context: FakeContext
) -> None:
    channel = await network.channel(context)
    await network.customer("gives_up", seconds=60)
    begun = await channel.heard("initiated")
    with stranger(network, "-" * len(begun.call)) as somebody:
        somebody.say("INVITE")
        await channel.heard("initiated", 2)
        somebody.say("CANCEL")
        await channel.heard("failed")
    await channel.wish("ringing", call=begun.call, to=f"sip:nobody@{HOST}:{network.kamailio.sip}")
    await eventually(lambda: context.receipts, "the wish is heeded")
    assert [receipt.code for receipt in context.receipts] == ["not_registered"]
