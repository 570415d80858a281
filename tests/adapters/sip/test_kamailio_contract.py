"""The Kamailio source, proven by the kit against a pretended Kamailio; and that one held against the real one."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping

import aiohttp
import msgspec
import pytest
from msgspec.structs import replace

from adapters.contract import Adapter
from adapters.errors import (
    BadCredentials,
    NotAccepted,
    NotReachable,
    OutcomeUnknown,
    RateLimited,
    Refused,
    TryLater,
    Unreachable,
)
from adapters.sip import Sip
from adapters.sip.call import LOST
from adapters.sip.inbox import Inbox
from adapters.sip.kamailio.source import KEEP_ALIVE
from adapters.sip.settings import SipSettings
from adapters.testing import (
    AdapterContract,
    Answer,
    Cut,
    FakeContext,
    Hang,
    InboundCase,
    OutboundCase,
    Rig,
    Told,
)
from adapters.testing.kamailio import TOKEN, KamailioSimulator
from config import ListenAddress, Secret
from normalizer.content import Call, Text
from normalizer.envelope import Envelope, Sender
from normalizer.outbound import Receipt, ReceiptState
from tests.adapters.sip import conftest
from tests.adapters.sip.conftest import CUSTOMER, Channel, Network
from tests.adapters.sip.pbx import HOST, eventually
from tests.adapters.testing.test_bad_adapters import judge

ANNA = "sip:anna@pbx.example"
MANY = 50
AT = "1800000000.250000"
CALL = Call(call="c-1@trunk", event="initiated")


def said(number: int = 1, event: str = "initiated", **words: object) -> bytes:
    """What trunkline.cfg writes of the ``number``-th call of a customer."""
    plain = {
        "event": event,
        "call": f"c-{number}@trunk",
        "direction": "in",
        "from": "sip:600100200@trunk",
        "name": '"Zoe"',
        "called": "48221234567",
        "to": "",
        "wish": "<null>",
        "sip": 0,
        "reason": "",
        "refer": "",
        "started": AT,
        "at": AT,
    }
    return msgspec.json.encode({**plain, **words})


def envelope(
    call: Call, native_id: str = "c-1@trunk/initiated", address: str = CUSTOMER, name: str = "Zoe"
) -> Envelope:
    return Envelope(
        id="drawn",
        at=1_800_000_000_250,
        channel="test",
        type="sip",
        native_id=native_id,
        address=address,
        content=call,
        sender=Sender(name=name),
        attributes={"called": "+48221234567"},
        channel_data=msgspec.Raw(b'{"call":"c-1@trunk"}'),
    )


def wish(label: str, *faults: object, error: type[Refused | TryLater | OutcomeUnknown], code: str) -> OutboundCase:
    """A wish that a phone should ring, which meets some faults."""
    content = Call(call="c-1@trunk", event="ringing", to=ANNA)
    return OutboundCase(label=label, content=content, faults=faults, error=error, code=code)


class TestContract(AdapterContract[KamailioSimulator]):
    address, another = CUSTOMER, "tel:+48600100201"
    hello = Call(call="new", event="initiated", to=ANNA)
    acknowledges = False
    found_again = True
    signs = "nothing"
    inbound = (
        InboundCase(label="a call begins", event=said(), envelopes=(envelope(CALL),)),
        InboundCase(
            label="a phone rings",
            event=said(event="ringing", to=ANNA, sip=180),
            envelopes=(envelope(replace(CALL, event="ringing", to=ANNA), f"c-1@trunk/ringing/{AT}"),),
        ),
        InboundCase(
            label="a call that was busy",
            event=said(event="failed", sip=486),
            envelopes=(envelope(replace(CALL, event="failed", sip=486, q850=17), "c-1@trunk/failed"),),
        ),
        InboundCase(
            label="the end of a call, with its reason",
            event=said(event="ended", reason='Q.850;cause=16;text="bye"'),
            envelopes=(envelope(replace(CALL, event="ended", q850=16, reason="bye"), "c-1@trunk/ended"),),
        ),
        InboundCase(
            label="a caller who hides",
            event=said(**{"from": "sip:anonymous@anonymous.invalid", "name": "<null>"}),
            envelopes=(envelope(CALL, address="sip:test/anonymous?c-1@trunk", name=""),),
        ),
        InboundCase(
            label="a phone did not take the call",
            event=said(event="refused", wish="c1-1", sip=486),
            receipts=(
                Receipt(
                    outbound="c1-1",
                    state=ReceiptState.FAILED,
                    at=1_800_000_000_250,
                    code="busy",
                    error="The operator's phone is busy, or the call was declined.",
                ),
            ),
        ),
        InboundCase(label="no event", event=b"[1]", dead=("event_refused",)),
        InboundCase(label="an event of another world", event=said(event="exploded"), dead=("event_refused",)),
        InboundCase(label="a call without an id", event=said(call=""), dead=("event_refused",)),
        InboundCase(label="a word of a later release", event=said(colour="red"), envelopes=(envelope(CALL),)),
    )
    outbound = (
        OutboundCase(
            label="call a customer",
            content=Call(call="new", event="initiated", to=ANNA),
            request='{"do":"dial","to":"sip:anna@pbx.example","customer":"sip:+48600100200@127.0.0.1:5060"}',
        ),
        OutboundCase(
            label="a call that is over ends",
            content=Call(call="c-1@trunk", event="ended"),
            request='{"do":"end","call":"c-1@trunk"}',
        ),
        wish("a call that is over", error=Refused, code="call_over"),
        wish("a wish that is not understood", Answer(status=400), error=Refused, code="http_400"),
        wish("a pause", Answer(status=429, headers={"Retry-After": "7"}), error=RateLimited, code="rate_limited"),
        wish("a failure", Answer(status=500), error=TryLater, code="http_500"),
        wish("no answer to a wish that may come twice", Cut(), error=TryLater, code="no_answer"),
        OutboundCase(
            label="no answer to a call", content=hello, faults=(Cut(),), error=OutcomeUnknown, code="no_answer"
        ),
        OutboundCase(label="text", content=Text(text="Hello"), error=Refused, code="voice_only"),
        OutboundCase(
            label="a number that is hidden",
            content=hello,
            address="sip:test/anonymous?c-1",
            error=Unreachable,
            code="no_number",
        ),
    )

    def peer(self) -> KamailioSimulator:
        return KamailioSimulator()

    def make(self, context: FakeContext, peer: KamailioSimulator) -> Adapter:
        adapter = Sip(settings(peer), context)
        adapter.pace = replace(adapter.pace, call_timeout=300)
        return adapter

    async def ready(self, rig: Rig[KamailioSimulator]) -> None:
        await rig.peer.read_by()
        await rig.context.until(lambda: True)
        await eventually(lambda: [r for r in rig.peer.requests if b"dlg.list" in r.body], "it has asked for the calls")

    def event(self, number: int) -> object:
        return said(number)

    async def deliver(self, rig: Rig[KamailioSimulator], event: object) -> Told:
        assert isinstance(event, bytes)
        await rig.peer.read_by()
        await rig.peer.feed(event)
        return Told.TAKEN

    async def cut(self, rig: Rig[KamailioSimulator], event: object) -> None:
        assert isinstance(event, bytes)
        await rig.peer.cut(event)

    @pytest.mark.parametrize("raw", [b"99999999:", b"no length:", b"3:abcd", b"\x00" * 70_000])
    async def test_a_broken_frame_ends_the_connection_and_nothing_else(
        self, raw: bytes, rig: Rig[KamailioSimulator]
    ) -> None:
        await rig.peer.write(raw)
        await rig.go_on()
        assert await self.deliver(rig, self.event(1)) is Told.TAKEN
        await rig.context.until(lambda: len(rig.context.accepted) == 1)

    async def test_a_wrong_token_is_bad_credentials(self, rig: Rig[KamailioSimulator]) -> None:
        rig.peer.will(Answer(status=403))
        outcome = await rig.send(self._message(rig, self.hello))
        assert isinstance(outcome, BadCredentials)


class Fragile(Sip):
    """Takes the end of its feed for an accident."""

    async def run(self) -> None:
        try:
            await super().run()
        except NotReachable as exc:
            raise ConnectionError(exc.message) from exc


async def test_the_kit_finds_an_adapter_that_does_not_say_that_its_feed_is_lost() -> None:
    class Judged(TestContract):
        def make(self, context: FakeContext, peer: KamailioSimulator) -> Adapter:
            return Fragile(settings(peer), context)

    assert "must raise NotReachable" in await judge(Judged(), "a_feed_that_breaks_off_is_read_on")


def settings(peer: KamailioSimulator) -> SipSettings:
    return SipSettings(
        source="kamailio",
        country="PL",
        address=ListenAddress(peer.events),
        control=ListenAddress(peer.url.removeprefix("http://")),
        password=Secret(TOKEN),
        dial="sip:{number}@127.0.0.1:5060",
    )


@pytest.fixture
async def kamailio() -> AsyncIterator[KamailioSimulator]:
    async with KamailioSimulator() as kamailio:
        yield kamailio


@pytest.fixture
async def channel(kamailio: KamailioSimulator, context: FakeContext) -> AsyncIterator[Channel]:
    channel = Channel(settings(kamailio), context)
    await channel.start()
    async with asyncio.timeout(30):
        await kamailio.read_by()
    yield channel
    await channel.stop()


async def test_a_call_is_taken_rings_is_answered_and_ends(channel: Channel, kamailio: KamailioSimulator) -> None:
    kamailio.phones = {ANNA: "answer"}
    call = await kamailio.call("+48600100200", name="Zoe")
    await channel.heard("initiated")
    await eventually(lambda: kamailio.calls[call].state == "waiting", "the call may wait")
    await channel.wish("ringing", call=call, to=ANNA)
    await channel.heard("answered")
    await channel.wish("ended", call=call)
    await channel.heard("ended")
    assert channel.story() == ["initiated", "ringing", "answered", "ended"]


async def test_calls_are_listed_again_after_a_cut(channel: Channel, kamailio: KamailioSimulator) -> None:
    first = await kamailio.call("+48600100200")
    second = await kamailio.call("+48600100201")
    await channel.heard("initiated", 2)
    await kamailio.cut()
    del kamailio.calls[first]  # it ends while nobody reads
    ended = await channel.heard("ended")
    assert (ended.call, ended.reason) == (first, LOST)
    assert [envelope.native_id for envelope in channel.context.accepted].count(f"{second}/initiated") <= 2
    assert len(channel.calls("initiated")) == 2


async def test_no_call_is_looked_for_before_the_reader_is_counted(
    kamailio: KamailioSimulator, context: FakeContext
) -> None:
    """What begins between the look and the counting would be told to nobody."""
    kamailio.greets = False
    channel = Channel(settings(kamailio), context)
    await channel.start()
    await eventually(lambda: len(kamailio.requests) > 2, "it greets again and again")
    assert {msgspec.json.decode(request.body)["do"] for request in kamailio.requests} == {"hello"}
    call = await kamailio.call("+48600100200")
    kamailio.greets = True
    assert (await channel.heard("initiated")).call == call
    await channel.stop()
    assert channel.lost == []


async def test_readers_do_not_mind_the_greetings_of_others(channel: Channel, kamailio: KamailioSimulator) -> None:
    other = FakeContext("phone")
    second = Channel(settings(kamailio), other)
    await second.start()
    await second.reads()
    await kamailio.call("+48600100200")
    for reader in (channel, second):
        await reader.heard("initiated")
        assert reader.context.dead_letters == []
    await second.stop()
    await other.close()


async def test_a_connection_on_which_nothing_comes_is_kept_alive(
    kamailio: KamailioSimulator, context: FakeContext
) -> None:
    """A firewall forgets it otherwise in a night without calls, and neither end is told."""
    _, writer = await Sip(settings(kamailio), context)._source._connect()  # type: ignore[attr-defined] # a Kamailio
    connection = writer.get_extra_info("socket")
    assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == KEEP_ALIVE["TCP_KEEPIDLE"]
    writer.close()


async def test_what_came_before_a_connection_broke_in_half_is_stored(
    channel: Channel, kamailio: KamailioSimulator, context: FakeContext
) -> None:
    """A call that began and ended meanwhile stands in no list."""
    await eventually(lambda: [r for r in kamailio.requests if b"dlg.list" in r.body], "it has asked for the calls")
    context.store.clear()
    await kamailio.feed(said(1))
    await kamailio.feed(said(2))
    await kamailio.feed(said(2, "failed", sip=487))
    del kamailio.calls["c-2@trunk"]
    await kamailio.write(b"7:half")
    await kamailio.cut()
    await asyncio.sleep(0.3)
    context.store.set()
    await channel.heard("failed")
    assert [call.call for call in channel.calls("failed")] == ["c-2@trunk"]


async def test_what_came_before_the_list_could_not_be_had_is_stored(
    kamailio: KamailioSimulator, context: FakeContext
) -> None:
    kamailio.will(Hang(), on='"do":"list"')
    channel = Channel(settings(kamailio), context)
    await channel.start()
    await kamailio.read_by()
    await kamailio.feed(said(1))
    await kamailio.feed(said(1, "failed", sip=487))
    kamailio.calls.clear()
    await channel.heard("failed")
    assert channel.lost[0].code == "no_control"
    await channel.stop()


async def test_a_store_that_is_away_costs_no_call_and_no_memory(
    kamailio: KamailioSimulator, context: FakeContext
) -> None:
    """Notes and envelopes are refused for a while; what comes meanwhile is read when there is room."""
    down = asyncio.Event()
    save = context.memory.save

    async def refuse(key: str, value: bytes) -> None:
        if down.is_set():
            raise NotAccepted("not_kept", "the store is away")
        await save(key, value)

    context.memory.save = refuse  # type: ignore[method-assign] # a store that fails
    channel = Channel(settings(kamailio), context)
    channel.adapter._source._inbox = inbox = Inbox(channel.adapter._source._take, most=2_000)  # type: ignore[attr-defined]
    await channel.start()
    await kamailio.read_by()
    await eventually(lambda: [r for r in kamailio.requests if b"dlg.list" in r.body], "it has asked for the calls")
    down.set()
    for number in range(1, MANY + 1):
        await kamailio.feed(said(number))
        await kamailio.feed(said(number, "failed", sip=487))
    kamailio.calls.clear()
    await eventually(lambda: [line for line in context.logged if line["event"] == "sip.not_stored"], "it is refused")
    assert inbox._size < 3_000
    down.clear()
    await channel.heard("failed", MANY)
    assert channel.lost == []
    await channel.stop()


# --- the pretended one and the real one ---

ORDERS: Mapping[str, bytes] = {
    "the list": b'{"do":"list","jsonrpc":"2.0","method":"dlg.list","id":1}',
    "another list": b'{"do":"list","jsonrpc":"2.0","method":"core.psx","id":1}',
    "the time": b'{"do":"hello"}',
    "no JSON": b"{",
    "no wish": b'{"call":"c-1"}',
    "an unknown wish": b'{"do":"sing"}',
    "a call that nobody knows is taken": b'{"do":"taken","call":"c-1"}',
    "a call that nobody knows rings": b'{"do":"ring","call":"c-1","to":"sip:anna@pbx.example","wish":"c1-1"}',
    "a call that nobody knows stops to ring": b'{"do":"ring","call":"c-1","to":"","wish":"c1-1"}',
    "a call that nobody knows ends": b'{"do":"end","call":"c-1"}',
    "nonsense is dialled": b'{"do":"dial","to":"nonsense","customer":"nonsense"}',
}


async def ask(url: str, body: bytes, token: str) -> tuple[int, set[str]]:
    async with aiohttp.ClientSession() as http:
        headers = {"Authorization": f"Bearer {token}", "Connection": "close"}
        async with http.post(f"{url}/trunkline", data=body, headers=headers) as response:
            answer = msgspec.json.decode(await response.read())
            return response.status, set(answer)


@pytest.mark.timeout(300)
async def test_the_pretended_one_answers_as_the_real_one(network: Network, kamailio: KamailioSimulator) -> None:
    control = f"http://{HOST}:{network.kamailio.control}"
    for label, body in ORDERS.items():
        real = await ask(control, body, conftest.TOKEN)
        assert (label, await ask(kamailio.url, body, TOKEN)) == (label, real)
    assert await ask(kamailio.url, b"{}", "wrong") == await ask(control, b"{}", "wrong")


@pytest.mark.timeout(300)
async def test_the_pretended_one_lists_a_call_as_the_real_one(
    network: Network, kamailio: KamailioSimulator, context: FakeContext
) -> None:
    channel = await network.channel(context)
    await network.customer("gives_up", seconds=20)
    await channel.heard("initiated")
    await kamailio.feed(said())
    found = []
    for url, token in ((f"http://{HOST}:{network.kamailio.control}", conftest.TOKEN), (kamailio.url, TOKEN)):
        async with (
            aiohttp.ClientSession() as http,
            http.post(
                f"{url}/trunkline", data=ORDERS["the list"], headers={"Authorization": f"Bearer {token}"}
            ) as response,
        ):
            [dialog] = msgspec.json.decode(await response.read())["result"]
        found.append(dialog)
    real, pretended = found
    assert {key: type(value) for key, value in pretended.items()}.items() <= {
        key: type(value) for key, value in real.items()
    }.items()
    assert {name for pair in pretended["variables"] for name in pair} == {
        name for pair in real["variables"] for name in pair
    }
    assert pretended["state"] in (1, 2)
    assert real["state"] in (1, 2)
