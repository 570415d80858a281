"""Calls through a pretended Asterisk that is as strict as the real one's description."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import suppress

import msgspec
import pytest
from msgspec.structs import replace

from adapters.contract import Adapter
from adapters.errors import BadCredentials, NotReachable, OutcomeUnknown, Refused, TryLater, Unreachable
from adapters.sip import Sip
from adapters.sip.asterisk.switchboard import PHONE
from adapters.sip.call import LEFT, LOST
from adapters.sip.settings import SipSettings
from adapters.testing import AdapterContract, After, Answer, Cut, FakeContext, InboundCase, OutboundCase, Rig, Told
from adapters.testing.ari import OUR_NUMBER, PASSWORD, USER, AsteriskSimulator
from adapters.testing.ari_parts import Leg
from adapters.testing.context import NOON
from config import Duration, Secret
from normalizer.content import Call, Text
from normalizer.envelope import Envelope
from tests.adapters.sip.conftest import CUSTOMER, Channel, real_time
from tests.adapters.sip.pbx import eventually

ANNA, BEN = "sip:anna@pbx.example", "sip:ben@pbx.example"
TRUNK = "PJSIP/+48600100200@trunk"


@pytest.fixture
async def ari() -> AsyncIterator[AsteriskSimulator]:
    async with AsteriskSimulator() as ari:
        ari.now = real_time(FakeContext.__new__(FakeContext)).now
        yield ari


def settings(ari: AsteriskSimulator, **changes: object) -> SipSettings:
    plain = {
        "source": "asterisk",
        "country": "PL",
        "url": ari.url,
        "user": USER,
        "password": Secret(PASSWORD),
        "dial": "PJSIP/{number}@trunk",
    }
    return SipSettings(**{**plain, **changes})  # type: ignore[arg-type] # the fields by name


@pytest.fixture
async def channel(ari: AsteriskSimulator, context: FakeContext) -> AsyncIterator[Channel]:
    channel = Channel(settings(ari), context)
    await channel.start()
    async with asyncio.timeout(30):
        await ari.read_by()
    yield channel
    await channel.stop()


async def ringing(channel: Channel, ari: AsteriskSimulator) -> tuple[str, str]:
    """A customer calls, and Anna's phone rings; gives the call and her leg."""
    call = await ari.call("600100200", name="Zoe")
    await channel.heard("initiated")
    await channel.wish("ringing", call=call, to=ANNA)
    await channel.heard("ringing")
    leg = ari.leg("tlr:")
    assert leg is not None
    return call, leg.id


async def talking(channel: Channel, ari: AsteriskSimulator) -> tuple[str, str]:
    """Anna talks to a customer; gives the call and her leg."""
    call, leg = await ringing(channel, ari)
    await ari.answer(leg)
    await channel.heard("answered")
    return call, leg


async def test_a_caller_is_connected_with_the_phone_that_is_named(channel: Channel, ari: AsteriskSimulator) -> None:
    call, leg = await talking(channel, ari)
    assert ari.bridges[f"tlb:{call}"] == {call, leg}
    assert ari.legs[leg].endpoint == "PJSIP/anna"
    await ari.hang_up(call)
    ended = await channel.heard("ended")
    await eventually(lambda: not ari.legs and not ari.bridges, "all legs are hung up")
    assert channel.story() == ["initiated", "ringing", "answered", "ended"]
    assert [found.to for found in channel.calls()] == ["", ANNA, ANNA, ANNA]
    assert (ended.q850, ended.reason) == (16, "Normal Clearing")
    first = channel.context.accepted[0]
    assert (first.address, first.sender.name, first.attributes) == (CUSTOMER, "Zoe", {"called": OUR_NUMBER})


async def test_the_operator_may_hang_up(channel: Channel, ari: AsteriskSimulator) -> None:
    _, leg = await talking(channel, ari)
    await ari.hang_up(leg)
    await channel.heard("ended")
    await eventually(lambda: not ari.legs, "all legs are hung up")


async def test_a_caller_who_hangs_up_while_it_rings_stops_it(channel: Channel, ari: AsteriskSimulator) -> None:
    call, _ = await ringing(channel, ari)
    await ari.hang_up(call)
    failed = await channel.heard("failed")
    await eventually(lambda: not ari.legs, "the phone does not ring any more")
    assert failed.sip == 487
    assert channel.context.receipts == []


async def test_the_caller_hangs_up_just_when_the_operator_answers(channel: Channel, ari: AsteriskSimulator) -> None:
    """The operator's leg comes into our hands when there is nobody to connect it with."""
    call, leg = await ringing(channel, ari)
    await asyncio.gather(ari.answer(leg), ari.hang_up(call))
    await channel.heard("failed")
    await eventually(lambda: not ari.legs, "the operator is let go")
    assert channel.story() == ["initiated", "ringing", "failed"]


async def test_two_operators_answer_at_the_same_time(channel: Channel, ari: AsteriskSimulator) -> None:
    call, leg = await ringing(channel, ari)
    ari.legs[leg].state = "Up"
    with pytest.raises(Refused) as late:
        await channel.wish("ringing", call=call, to=BEN)
    assert late.value.code == "call_over"


async def test_another_phone_may_be_named(channel: Channel, ari: AsteriskSimulator) -> None:
    call, leg = await ringing(channel, ari)
    await channel.wish("ringing", call=call, to=BEN)
    await channel.heard("ringing", 2)
    assert leg not in ari.legs
    await channel.wish("ringing", call=call, to="")
    await eventually(lambda: list(ari.legs) == [call], "no phone rings")
    assert [found.to for found in channel.calls("ringing")] == [ANNA, BEN]
    assert channel.context.receipts == []


@pytest.mark.parametrize(("does", "code"), [("busy", "busy"), ("decline", "declined"), ("absent", "not_registered")])
async def test_a_phone_that_does_not_take_the_call_is_said(
    channel: Channel, ari: AsteriskSimulator, does: str, code: str
) -> None:
    ari.phones["PJSIP/anna"] = does  # type: ignore[assignment] # one of its words
    call = await ari.call("600100200")
    await channel.heard("initiated")
    wish = await channel.wish("ringing", call=call, to=ANNA)
    await eventually(lambda: channel.context.receipts, "it is said")
    assert [(receipt.outbound, receipt.code) for receipt in channel.context.receipts] == [(wish, code)]
    assert call in ari.legs


async def test_a_phone_that_is_not_known_is_refused(channel: Channel, ari: AsteriskSimulator) -> None:
    ari.phones["PJSIP/anna"] = "broken"
    call = await ari.call("600100200")
    with pytest.raises(Refused) as refused:
        await channel.wish("ringing", call=call, to=ANNA)
    assert refused.value.code == "not_registered"


async def test_a_wish_whose_answer_was_lost_is_carried_out_once(channel: Channel, ari: AsteriskSimulator) -> None:
    call = await ari.call("600100200")
    await channel.heard("initiated")
    ari.will(After(Cut()), on=r"^POST /ari/channels/tlr")
    outbound_id = "c1-1"
    with pytest.raises(TryLater):
        await channel.wish("ringing", call=call, to=ANNA)
    channel._wishes = 0
    assert await channel.wish("ringing", call=call, to=ANNA) == outbound_id
    assert len([name for name in ari.legs if name.startswith("tlr:")]) == 1


async def test_a_customer_is_called_from_the_desk(channel: Channel, ari: AsteriskSimulator) -> None:
    ari.phones |= {"PJSIP/anna": "answer", TRUNK: "answer"}
    await channel.wish("initiated", to=ANNA)
    answered = await channel.heard("answered")
    assert (answered.direction, answered.to) == ("out", ANNA)
    assert ari.bridges[f"tlb:{answered.call}"] == {"tla:c1-1", "tlc:c1-1"}
    await ari.hang_up("tla:c1-1")
    await channel.heard("ended")
    await eventually(lambda: not ari.legs, "all legs are hung up")
    assert channel.story() == ["initiated", "ringing", "answered", "ended"]
    assert {envelope.address for envelope in channel.context.accepted} == {CUSTOMER}


async def test_a_customer_who_is_busy_frees_the_operator(channel: Channel, ari: AsteriskSimulator) -> None:
    ari.phones |= {"PJSIP/anna": "answer", TRUNK: "busy"}
    await channel.wish("initiated", to=ANNA)
    failed = await channel.heard("failed")
    await eventually(lambda: not ari.legs, "the operator is let go")
    assert (failed.sip, failed.q850) == (486, 17)


async def test_an_operator_who_does_not_answer_calls_nobody(channel: Channel, ari: AsteriskSimulator) -> None:
    ari.phones["PJSIP/anna"] = "busy"
    wish = await channel.wish("initiated", to=ANNA)
    await eventually(lambda: channel.context.receipts, "it is said")
    assert [(receipt.outbound, receipt.code) for receipt in channel.context.receipts] == [(wish, "busy")]
    assert channel.story() == []


async def test_an_operator_who_hangs_up_before_it_is_noticed_calls_nobody(
    channel: Channel, ari: AsteriskSimulator
) -> None:
    """The hang-up comes before anything was done about the answer."""
    await channel.wish("initiated", to=ANNA)
    await eventually(lambda: ari.leg("tla:"), "the phone rings")
    await asyncio.gather(ari.answer("tla:c1-1"), ari.hang_up("tla:c1-1"))
    await eventually(lambda: not ari.legs and (not channel.story() or "failed" in channel.story()), "nobody is called")


async def test_a_call_from_the_desk_whose_answer_was_lost_is_not_tried_again(
    channel: Channel, ari: AsteriskSimulator
) -> None:
    ari.will(After(Cut()), on=r"^POST /ari/channels/tla")
    with pytest.raises(OutcomeUnknown):
        await channel.wish("initiated", to=ANNA)


async def test_somebody_who_hides_cannot_be_called(channel: Channel) -> None:
    with pytest.raises(Unreachable):
        await channel.wish("initiated", to=ANNA, address="sip:phone/anonymous?1")


async def test_hold_and_recording_are_told(channel: Channel, ari: AsteriskSimulator) -> None:
    call, leg = await talking(channel, ari)
    await ari.hold(leg)
    await channel.heard("held")
    await asyncio.sleep(0.01)
    await ari.hold(leg, on=False)
    await channel.heard("answered", 2)
    await ari.record(call, "call-1", b"RIFF....", 7)
    recorded = await channel.heard("recording")
    assert recorded.recording is not None
    assert (recorded.recording.type, recorded.recording.duration) == ("audio/wav", 7_000)
    assert [chunk async for chunk in channel.context.media.read(recorded.recording.file)] == [b"RIFF...."]


async def test_a_recording_of_both_sides_that_is_ready_after_the_end_is_told(
    channel: Channel, ari: AsteriskSimulator
) -> None:
    call, _ = await talking(channel, ari)
    await ari.hang_up(call)
    await channel.heard("ended")
    ari.recordings["both"] = b"RIFF...."
    recording = {"name": "both", "format": "wav", "state": "done", "duration": 7, "target_uri": f"bridge:tlb:{call}"}
    await ari._post("trunkline", {"type": "RecordingFinished", "recording": recording})
    recorded = await channel.heard("recording")
    assert recorded.recording is not None
    assert {envelope.address for envelope in channel.context.accepted} == {CUSTOMER}


async def test_a_phone_that_begins_to_ring_when_the_caller_is_gone_is_no_call(
    channel: Channel, ari: AsteriskSimulator
) -> None:
    call, leg = await ringing(channel, ari)
    shown = ari.legs[leg].shown()
    await ari.hang_up(call)
    await channel.heard("failed")
    await ari._post("trunkline", {"type": "ChannelStateChange", "channel": shown})
    await ari.call("600100300")
    await channel.heard("initiated", 2)
    assert channel.story() == ["initiated", "ringing", "failed", "initiated"]
    assert list(channel.adapter._source._ledger.calls) == list(ari.legs)  # type: ignore[attr-defined] # an Asterisk


async def test_a_recording_that_cannot_be_fetched_is_told_all_the_same(
    channel: Channel, ari: AsteriskSimulator
) -> None:
    call, _ = await talking(channel, ari)
    ari.will(Answer(status=404), on=r"^GET /ari/recordings")
    await ari.record(call, "call-1", b"", 7)
    recorded = await channel.heard("recording")
    assert recorded.recording is None
    assert "call-1" in recorded.reason


async def transfer(ari: AsteriskSimulator, call: str, leg: str, result: str = "Success") -> None:
    """Let a phone give its call to an extension, as Asterisk does it: the customer leaves our hands."""
    shown = {"channel": ari.legs[leg].shown(), "transferee": ari.legs[call].shown()}
    where = {"exten": "1002", "context": "internal", "is_external": True, "result": result}
    await ari._post("trunkline", {"type": "BridgeBlindTransfer", **shown, **where})
    if result == "Success":
        ari.bridges[f"tlb:{call}"].clear()
        ari.legs[call].in_stasis = False
        await ari._post("trunkline", {"type": "StasisEnd", "channel": ari.legs[call].shown()})
        await ari.hang_up(leg)


async def test_a_call_that_is_transferred_is_told_and_goes_on_without_us(
    channel: Channel, ari: AsteriskSimulator
) -> None:
    call, leg = await talking(channel, ari)
    await transfer(ari, call, leg)
    assert (await channel.heard("transferred")).to == "1002"
    source = channel.adapter._source
    await eventually(lambda: not source._inbox._waiting, "all is taken")  # type: ignore[attr-defined] # an Asterisk
    assert call in ari.legs, "nobody hangs the customer up"
    await source._look(first=True)  # type: ignore[attr-defined]
    ended = await channel.heard("ended")
    assert ended.reason == LEFT
    assert list(ari.legs) == [call]


async def test_a_call_of_ours_that_is_transferred_goes_on_without_us(channel: Channel, ari: AsteriskSimulator) -> None:
    ari.phones |= {"PJSIP/anna": "answer", TRUNK: "answer"}
    await channel.wish("initiated", to=ANNA)
    call = (await channel.heard("answered")).call
    await transfer(ari, call, "tla:c1-1")
    await channel.heard("transferred")
    await channel.stop()
    await channel.start()
    assert (await channel.heard("ended")).reason == LEFT
    assert list(ari.legs) == [call]


async def test_a_transfer_that_failed_is_none(channel: Channel, ari: AsteriskSimulator) -> None:
    call, leg = await talking(channel, ari)
    await transfer(ari, call, leg, "Not Permitted")
    await ari.hang_up(leg)
    await channel.heard("ended")
    assert "transferred" not in channel.story()


async def test_a_call_that_is_transferred_after_a_question_names_the_other_one(
    channel: Channel, ari: AsteriskSimulator
) -> None:
    call, leg = await talking(channel, ari)
    other = {"id": "1800000000.50", "state": "Up", "caller": {"name": "Ben", "number": "1002"}}
    legs = {"transferer_first_leg": ari.legs[leg].shown(), "transfer_target": other}
    await ari._post("trunkline", {"type": "BridgeAttendedTransfer", "result": "Success", **legs})
    assert (await channel.heard("transferred")).to == "1002"
    ari.bridges[f"tlb:{call}"] = {call}
    await ari.hang_up(leg)
    await ari.call("600100300")
    await channel.heard("initiated", 2)
    assert call in ari.legs


async def test_who_talks_is_found_by_the_next_reader(channel: Channel, ari: AsteriskSimulator) -> None:
    """The reader died when it had connected Ben, whose phone nobody heard ringing; Anna's rang before."""
    call, leg = await ringing(channel, ari)
    await channel.stop()
    del ari.legs[leg]
    bens = Leg(id=f"tlr:{call}:c1-2", endpoint="PJSIP/ben", app="trunkline", state="Up", variables={PHONE: BEN})
    ari.legs[bens.id], ari.legs[call].state = bens, "Up"
    ari.bridges[f"tlb:{call}"] = {call, bens.id}
    await channel.start()
    assert (await channel.heard("answered")).to == BEN


async def test_a_phone_that_was_answered_while_nobody_read_is_connected(
    channel: Channel, ari: AsteriskSimulator
) -> None:
    call, leg = await ringing(channel, ari)
    await channel.stop()
    await ari.answer(leg)
    await channel.start()
    assert (await channel.heard("answered")).to == ANNA
    assert ari.bridges[f"tlb:{call}"] == {call, leg}


async def test_a_phone_that_a_look_has_connected_is_not_hung_up_by_its_own_news(
    channel: Channel, ari: AsteriskSimulator
) -> None:
    call, leg = await talking(channel, ari)
    await ari._tell(ari.legs[leg], "StasisStart", args=["ring", ANNA])
    await ari.call("600100300")
    await channel.heard("initiated", 2)
    assert ari.bridges[f"tlb:{call}"] == {call, leg}


async def test_a_customer_who_answered_while_nobody_read_is_connected(channel: Channel, ari: AsteriskSimulator) -> None:
    ari.phones["PJSIP/anna"] = "answer"
    await channel.wish("initiated", to=ANNA)
    call = (await channel.heard("ringing")).call
    await channel.stop()
    await ari.answer(call)
    await channel.start()
    assert (await channel.heard("answered")).to == ANNA
    assert ari.bridges[f"tlb:{call}"] == {call, "tla:c1-1"}


async def test_a_call_that_nobody_takes_goes_on_in_the_dialplan(ari: AsteriskSimulator, context: FakeContext) -> None:
    channel = Channel(settings(ari, wait=Duration(1_000)), context)
    await channel.start()
    await ari.read_by()
    call = await ari.call("600100200")
    await channel.heard("failed")
    assert not ari.legs[call].in_stasis
    await channel.stop()


async def test_calls_that_ended_while_nobody_read_are_closed(channel: Channel, ari: AsteriskSimulator) -> None:
    call, leg = await talking(channel, ari)
    second = await ari.call("600100201")
    await channel.heard("initiated", 2)
    await channel.stop()
    del ari.legs[call], ari.legs[leg]
    await channel.start()
    ended = await channel.heard("ended")
    assert (ended.call, ended.reason) == (call, LOST)
    await channel.wish("ringing", call=second, to=ANNA)
    await channel.heard("ringing", 2)


async def test_a_call_that_came_while_the_feed_was_cut_is_found(channel: Channel, ari: AsteriskSimulator) -> None:
    call = await ari.call("600100200")
    await channel.heard("initiated")
    await ari.cut()
    ari.legs["1800000000.99"] = ari.legs[call].__class__(
        id="1800000000.99",
        endpoint="PJSIP/trunk",
        app="trunkline",
        args=("in", OUR_NUMBER),
        number="600100300",
        in_stasis=True,
    )
    await channel.heard("initiated", 2)
    assert {envelope.address for envelope in channel.context.accepted} == {CUSTOMER, "tel:+48600100300"}
    assert channel.lost[0].code == "feed_lost"


async def test_legs_of_a_call_that_is_gone_are_hung_up(channel: Channel, ari: AsteriskSimulator) -> None:
    call, leg = await ringing(channel, ari)
    await channel.stop()
    del ari.legs[call]
    await channel.start()
    await eventually(lambda: leg not in ari.legs, "the phone stops to ring")


async def test_another_reader_of_the_same_application_is_noticed(channel: Channel, ari: AsteriskSimulator) -> None:
    before = await channel.context.http.ws_connect(
        f"{ari.url}/ari/events?app=trunkline&subscribeAll=false",
        headers={"Authorization": "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()},
    )
    await eventually(lambda: channel.lost, "it gives way")
    await before.close()
    assert channel.lost[0].code == "replaced"
    assert "its own `app`" in channel.lost[0].message


async def test_nonsense_in_the_feed_is_put_away(channel: Channel, ari: AsteriskSimulator) -> None:
    await ari.feed(b"{not json")
    await ari._post("trunkline", {"type": "SomethingNew", "channel": {"id": "x"}})
    await ari.call("600100200")
    await channel.heard("initiated")
    assert [letter.reason for letter in channel.context.dead_letters] == ["event_refused"]


# --- checks and errors ---


async def test_the_check_says_what_is_there(ari: AsteriskSimulator, context: FakeContext) -> None:
    findings = await Sip(settings(ari), context).check()
    assert all(finding.ok for finding in findings)


async def test_a_wrong_password_is_bad_credentials(ari: AsteriskSimulator, context: FakeContext) -> None:
    adapter = Sip(settings(ari, password=Secret("wrong")), context)
    with pytest.raises(BadCredentials):
        await adapter.check()
    with pytest.raises(BadCredentials):
        await adapter.run()


async def test_no_asterisk_is_not_reachable(ari: AsteriskSimulator, context: FakeContext) -> None:
    adapter = Sip(settings(ari), context)
    await ari.go_down()
    with pytest.raises(NotReachable):
        await adapter.check()
    with pytest.raises(NotReachable):
        await adapter.run()


async def test_the_password_stands_in_no_log_and_no_url(channel: Channel, ari: AsteriskSimulator) -> None:
    await talking(channel, ari)
    assert not any(PASSWORD in request.path for request in ari.requests)
    assert PASSWORD not in repr(channel.context.logged)
    assert PASSWORD not in repr(channel.settings)


def calling(number: int) -> Leg:
    return Leg(
        id=f"1800000000.{number}",
        endpoint="PJSIP/trunk",
        app="trunkline",
        args=("in", OUR_NUMBER),
        number="600100200",
        in_stasis=True,
        began="2027-01-15T08:00:00.000+0000",
    )


def incoming(number: int) -> bytes:
    """The ``number``-th call of a customer."""
    leg = calling(number)
    return msgspec.json.encode(
        {"type": "StasisStart", "timestamp": leg.began, "args": leg.args, "channel": leg.shown(), "new_field": 1}
    )


class TestContract(AdapterContract[AsteriskSimulator]):
    address, another = CUSTOMER, "tel:+48600100201"
    hello = Call(call="new", event="initiated", to=ANNA)
    acknowledges = False
    found_again = True
    signs = "nothing"
    inbound = (
        InboundCase(
            label="a call begins",
            event=incoming(1),
            envelopes=(
                Envelope(
                    id="drawn",
                    at=NOON,
                    channel="test",
                    type="sip",
                    native_id="1800000000.1/initiated",
                    address=CUSTOMER,
                    content=Call(call="1800000000.1", event="initiated"),
                    attributes={"called": OUR_NUMBER},
                    channel_data=msgspec.Raw(b'{"call":"1800000000.1"}'),
                ),
            ),
        ),
        InboundCase(label="no event", event=b"[1]", dead=("event_refused",)),
        InboundCase(label="an event of a later release", event=b'{"type": "ChannelSings", "loud": true}'),
    )
    outbound = (
        OutboundCase(
            label="call a customer",
            content=Call(call="new", event="initiated", to=ANNA),
            request='"appArgs":"agent,+48600100200,sip:anna@pbx.example"',
        ),
        OutboundCase(
            label="a call that is over",
            content=Call(call="1.1", event="ringing", to=ANNA),
            error=Refused,
            code="call_over",
        ),
        OutboundCase(label="text", content=Text(text="Hello"), error=Refused, code="voice_only"),
    )

    def peer(self) -> AsteriskSimulator:
        return AsteriskSimulator()

    def make(self, context: FakeContext, peer: AsteriskSimulator) -> Adapter:
        adapter = Sip(settings(peer), context)
        adapter.pace = replace(adapter.pace, call_timeout=300)
        return adapter

    async def ready(self, rig: Rig[AsteriskSimulator]) -> None:
        await rig.peer.read_by()
        await rig.peer.wait_for(3)

    def event(self, number: int) -> object:
        return incoming(number)

    async def deliver(self, rig: Rig[AsteriskSimulator], event: object) -> Told:
        assert isinstance(event, bytes)
        with suppress(ValueError):
            leg = calling(int(event.partition(b"1800000000.")[2].partition(b'"')[0]))
            rig.peer.legs[leg.id] = leg
            if rig.context.time > NOON:  # nobody waits for so long
                del rig.peer.legs[leg.id]
        await rig.peer.feed(event)
        return Told.TAKEN

    async def cut(self, rig: Rig[AsteriskSimulator], event: object) -> None:
        del event  # a WebSocket has no half events
        await rig.peer.cut()
