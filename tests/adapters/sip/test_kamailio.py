"""Calls through a real Kamailio with the configuration that ships, real phones and customers."""

import asyncio
import signal

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from msgspec.structs import replace

from adapters.errors import BadCredentials, NotReachable, Refused
from adapters.sip import Sip
from adapters.sip.call import LOST
from adapters.testing import FakeContext
from config import Secret
from normalizer.content import Call
from normalizer.outbound import ReceiptState
from tests.adapters.sip.conftest import CUSTOMER, Network, real_time
from tests.adapters.sip.pbx import HOST, eventually, without_ringing

pytestmark = pytest.mark.timeout(300)
SHORT = {"TRUNKLINE_WAIT": "3000"}
SHORT_TAKE = {"TRUNKLINE_TAKE": "3000"}
SHORT_RING = {"TRUNKLINE_RING": "2000"}


async def test_a_caller_is_connected_with_the_phone_that_is_named(network: Network, context: FakeContext) -> None:
    channel = await network.channel(context)
    anna = await network.phone("anna")
    customer = await network.customer("hangs_up")
    begun = await channel.heard("initiated")
    await channel.wish("ringing", call=begun.call, to=anna.uri)
    ended = await channel.heard("ended")
    assert await customer.wait() == 0
    assert without_ringing(channel.story()) == ["initiated", "answered", "ended"]
    assert {call.to for call in channel.calls()[1:]} == {anna.uri}
    assert (ended.q850, ended.reason, ended.direction) == (16, "Normal call clearing", "in")
    assert ended.duration is not None
    assert 500 < ended.duration < 30_000
    first = context.accepted[0]
    assert (first.address, first.native_id) == (CUSTOMER, f"{begun.call}/initiated")
    assert first.sender.name == "Zoe O'Brien"
    assert first.attributes == {"called": "+48221234567"}
    assert context.dead_letters == []


async def test_a_caller_who_hangs_up_while_waiting_is_known(network: Network, context: FakeContext) -> None:
    channel = await network.channel(context)
    customer = await network.customer("gives_up")
    failed = await channel.heard("failed")
    assert await customer.wait() == 0
    assert failed.sip == 487
    assert channel.story() == ["initiated", "failed"]


async def test_a_caller_who_hangs_up_while_a_phone_rings_stops_it(network: Network, context: FakeContext) -> None:
    channel = await network.channel(context)
    ben, ola = await network.phone("ben", answers=False), await network.outside("ola")
    await ola.order("dial", f"sip:48221234567@{HOST}:{network.kamailio.sip}")
    begun = await channel.heard("initiated")
    await channel.wish("ringing", call=begun.call, to=ben.uri)
    await channel.heard("ringing")
    await ola.order("hangup")
    failed = await channel.heard("failed")
    await ben.heard("CALL_CLOSED")
    assert (failed.sip, channel.story()) == (487, ["initiated", "ringing", "failed"])


async def test_another_phone_may_be_named_while_the_first_one_rings(network: Network, context: FakeContext) -> None:
    channel = await network.channel(context)
    ben, anna = await network.phone("ben", answers=False), await network.phone("anna")
    customer = await network.customer("hangs_up")
    begun = await channel.heard("initiated")
    await channel.wish("ringing", call=begun.call, to=ben.uri)
    await ben.heard("CALL_INCOMING")
    await channel.heard("ringing")
    await channel.wish("ringing", call=begun.call, to=anna.uri)
    answered = await channel.heard("answered")
    await ben.heard("CALL_CLOSED")
    assert await customer.wait() == 0
    assert answered.to == anna.uri
    assert channel.calls("ringing")[0].to == ben.uri
    assert context.receipts == []


async def test_a_phone_may_be_told_to_stop_ringing(network: Network, context: FakeContext) -> None:
    channel = await network.channel(context)
    ben = await network.phone("ben", answers=False)
    customer = await network.customer("hangs_up")
    begun = await channel.heard("initiated")
    await channel.wish("ringing", call=begun.call, to=ben.uri)
    await ben.heard("CALL_INCOMING")
    await channel.wish("ringing", call=begun.call, to="")
    await ben.heard("CALL_CLOSED")
    anna = await network.phone("anna")
    await channel.wish("ringing", call=begun.call, to=anna.uri)
    assert (await channel.heard("answered")).to == anna.uri
    assert await customer.wait() == 0
    assert context.receipts == []


async def test_a_phone_that_declines_leaves_the_caller_waiting(network: Network, context: FakeContext) -> None:
    channel = await network.channel(context)
    ben, anna = await network.phone("ben", answers=False), await network.phone("anna")
    customer = await network.customer("hangs_up")
    begun = await channel.heard("initiated")
    wish = await channel.wish("ringing", call=begun.call, to=ben.uri)
    await ben.heard("CALL_INCOMING")
    await channel.heard("ringing")
    await ben.order("hangup")
    await eventually(lambda: context.receipts, "it is told that the phone did not take the call")
    [receipt] = context.receipts
    assert (receipt.outbound, receipt.state, receipt.code) == (wish, ReceiptState.FAILED, "busy")
    await channel.wish("ringing", call=begun.call, to=anna.uri)
    await channel.heard("ended")
    assert await customer.wait() == 0


async def test_a_phone_that_is_not_registered_is_said(network: Network, context: FakeContext) -> None:
    channel = await network.channel(context)
    await network.customer("hangs_up")
    begun = await channel.heard("initiated")
    wish = await channel.wish("ringing", call=begun.call, to=f"sip:nobody@127.0.0.1:{network.kamailio.sip}")
    await eventually(lambda: context.receipts, "it is told that there is no such phone")
    [receipt] = context.receipts
    assert (receipt.outbound, receipt.code) == (wish, "not_registered")
    assert channel.story() == ["initiated"]


@pytest.mark.parametrize("network", [SHORT_RING], indirect=True)
async def test_a_phone_that_nobody_answers_is_said(network: Network, context: FakeContext) -> None:
    channel = await network.channel(context)
    ben = await network.phone("ben", answers=False)
    await network.customer("hangs_up")
    begun = await channel.heard("initiated")
    await channel.wish("ringing", call=begun.call, to=ben.uri)
    await eventually(lambda: context.receipts, "it is told that nobody answered")
    assert [receipt.code for receipt in context.receipts] == ["no_answer"]
    assert channel.story() == ["initiated", "ringing"]


@pytest.mark.parametrize("network", [SHORT], indirect=True)
async def test_a_caller_does_not_wait_for_ever(network: Network, context: FakeContext) -> None:
    channel = await network.channel(context)
    customer = await network.customer("is_refused")
    failed = await channel.heard("failed")
    assert await customer.wait() == 0
    assert (failed.sip, failed.q850) == (480, 18)


async def test_without_trunkline_a_call_goes_on_at_once(network: Network) -> None:
    customer = await network.customer("is_refused")
    assert await customer.wait() == 0


@pytest.mark.parametrize("network", [SHORT_TAKE], indirect=True)
async def test_a_call_that_cannot_be_stored_goes_on_without_us(network: Network, context: FakeContext) -> None:
    """The telephone system waits so long for the word that a call is stored."""
    storing = asyncio.Event()

    async def hang(_envelope: object) -> None:
        await storing.wait()

    context.accept = hang  # type: ignore[method-assign] # a store that does not answer
    await network.channel(context)
    customer = await network.customer("is_refused")
    assert await customer.wait() == 0


@pytest.mark.parametrize("when", ["waiting", "ringing", "answered"])
async def test_a_call_can_be_hung_up(network: Network, context: FakeContext, when: str) -> None:
    channel = await network.channel(context)
    customer = await network.customer("stays" if when == "answered" else "is_refused")
    begun = await channel.heard("initiated")
    if when != "waiting":
        phone = await network.phone("anna", answers=when == "answered")
        await channel.wish("ringing", call=begun.call, to=phone.uri)
        await channel.heard(when)
    await asyncio.sleep(0.3)  # the customer's phone has to know what it is told, or its script fails
    await channel.wish("ended", call=begun.call)
    end = await channel.heard("ended" if when == "answered" else "failed")
    assert await customer.wait() == 0
    assert (end.sip, end.reason) == (0 if when == "answered" else 480, "")
    if when != "waiting":
        await phone.heard("CALL_CLOSED")
    await channel.wish("ended", call=begun.call)


async def test_a_wish_for_a_call_that_is_over_is_refused(network: Network, context: FakeContext) -> None:
    channel = await network.channel(context)
    with pytest.raises(Refused) as refused:
        await channel.wish("ringing", call="long-gone@example", to="sip:anna@127.0.0.1")
    assert refused.value.code == "call_over"


async def test_a_customer_is_called_from_the_desk(network: Network, context: FakeContext) -> None:
    channel = await network.channel(context)
    anna = await network.phone("anna")
    customer = await network.customer("is_called")
    await channel.wish("initiated", to=anna.uri)
    answered = await channel.heard("answered")
    assert (answered.direction, answered.to) == ("out", anna.uri)
    await anna.order("hangup")
    ended = await channel.heard("ended")
    assert await customer.wait() == 0
    assert channel.story() == ["initiated", "ringing", "answered", "ended"]
    assert {envelope.address for envelope in context.accepted} == {CUSTOMER}
    assert ended.duration is not None


async def test_hold_and_resume_are_seen(network: Network, context: FakeContext) -> None:
    channel = await network.channel(context)
    anna = await network.phone("anna")
    ola = await network.outside("ola")
    await ola.order("dial", f"sip:48221234567@{HOST}:{network.kamailio.sip}")
    begun = await channel.heard("initiated")
    await channel.wish("ringing", call=begun.call, to=anna.uri)
    await channel.heard("answered")
    await anna.heard("CALL_ESTABLISHED")
    await anna.order("hold")
    await channel.heard("held")
    await anna.order("resume")
    await channel.heard("answered", 2)
    await ola.order("hangup")
    await channel.heard("ended")
    assert without_ringing(channel.story()) == ["initiated", "answered", "held", "answered", "ended"]


async def test_callers_without_a_number_are_told_apart(network: Network, context: FakeContext) -> None:
    channel = await network.channel(context)
    for number in ("anonymous", "anonymous", "zoe"):
        await (await network.customer("gives_up", number=number)).wait()
    await channel.heard("failed", 3)
    first, second, zoe = dict.fromkeys(envelope.address for envelope in context.accepted)
    assert first.startswith("sip:phone/anonymous?")
    assert second.startswith("sip:phone/anonymous?")
    assert zoe == "sip:phone/zoe@127.0.0.1"


# --- what is lost, and found again ---


async def test_a_call_that_a_restarted_kamailio_has_forgotten_is_closed(network: Network, context: FakeContext) -> None:
    channel = await network.channel(context)
    anna = await network.phone("anna")
    await network.customer("hangs_up", seconds=60)
    begun = await channel.heard("initiated")
    await channel.wish("ringing", call=begun.call, to=anna.uri)
    await channel.heard("answered")
    await network.kamailio.stop(signal.SIGKILL)
    await network.kamailio.start()
    ended = await channel.heard("ended")
    assert (ended.reason, ended.sip, ended.q850) == (LOST, 0, 0)
    assert channel.lost[0].code == "feed_lost"
    assert context.counts["gap"] == 1


async def test_an_end_that_was_missed_is_noticed_and_a_live_call_goes_on(
    network: Network, context: FakeContext
) -> None:
    channel = await network.channel(context)
    anna = await network.phone("anna")
    short, long = await network.customer("hangs_up", seconds=3), await network.customer("stays", number="+48600100201")
    await channel.heard("initiated", 2)
    for call in channel.calls("initiated"):
        await channel.wish("ringing", call=call.call, to=anna.uri)
        await eventually(lambda call=call: call.call in {c.call for c in channel.calls("answered")}, "answered")
    await channel.stop()
    assert await short.wait() == 0
    await asyncio.sleep(6)  # an ended dialog lingers in Kamailio for five seconds
    await channel.start()
    ended = await channel.heard("ended")
    gone, alive = (e.content.call for e in context.accepted[:2] if isinstance(e.content, Call))
    if next(e for e in context.accepted).address != CUSTOMER:
        gone, alive = alive, gone
    assert (ended.call, ended.reason) == (gone, LOST)
    await channel.wish("ended", call=alive)
    assert (await channel.heard("ended", 2)).reason == ""
    assert await long.wait() == 0


async def test_a_call_that_began_while_nobody_read_waits_and_is_found(network: Network, context: FakeContext) -> None:
    """Its beginning was lost with the connection; another reader had it in hand."""
    other = real_time(FakeContext("phone"))
    first = await network.channel(other)
    customer = await network.customer("hangs_up")
    begun = await first.heard("initiated")
    await asyncio.sleep(0.5)
    await first.stop()
    await other.close()
    anna = await network.phone("anna")
    second = await network.channel(context)
    found = await second.heard("initiated")
    assert (found.call, context.accepted[0].address) == (begun.call, CUSTOMER)
    await second.wish("ringing", call=found.call, to=anna.uri)
    await second.heard("ended")
    assert await customer.wait() == 0
    assert without_ringing(second.story()) == ["initiated", "answered", "ended"]


async def test_nothing_is_doubled_when_the_reader_begins_again(network: Network, context: FakeContext) -> None:
    channel = await network.channel(context)
    anna = await network.phone("anna")
    await network.customer("stays")
    begun = await channel.heard("initiated")
    await channel.wish("ringing", call=begun.call, to=anna.uri)
    await channel.heard("answered")
    for _ in range(3):
        await channel.stop()
        await channel.start()
        await asyncio.sleep(1)
    await channel.wish("ended", call=begun.call)
    await channel.heard("ended")
    assert without_ringing(channel.story()) == ["initiated", "answered", "ended"]


# --- checks ---


async def test_the_check_says_what_is_there(network: Network, context: FakeContext) -> None:
    findings = await Sip(network.settings(), context).check()
    assert all(finding.ok for finding in findings)
    assert "0 calls live" in findings[1].what
    context.now = lambda: 1_000_000_000_000  # type: ignore[method-assign] # a clock that was never set
    *_, clock = await Sip(network.settings(), context).check()
    assert not clock.ok
    assert "NTP" in clock.remedy


async def test_a_wrong_token_is_bad_credentials(network: Network, context: FakeContext) -> None:
    settings = replace(network.settings(), password=Secret("another"))
    with pytest.raises(BadCredentials):
        await Sip(settings, context).check()


async def test_no_kamailio_is_not_reachable(network: Network, context: FakeContext) -> None:
    await network.kamailio.stop()
    with pytest.raises(NotReachable) as nothing:
        await Sip(network.settings(), context).check()
    assert "TRUNKLINE_EVENTS" in nothing.value.message


async def test_a_kamailio_with_routes_of_another_release_is_told_as_a_finding(
    network: Network, context: FakeContext
) -> None:
    async def answer(request: web.Request) -> web.Response:
        asked = await request.json()
        return web.json_response({"result": []} if "method" in asked else {"hi": "there"})

    app = web.Application()
    app.router.add_post("/trunkline", answer)
    async with TestServer(app, host=HOST) as control:
        settings = replace(network.settings(), control=f"{HOST}:{control.port}")
        *_, clock = await Sip(settings, context).check()
    assert not clock.ok
    assert "trunkline.cfg" in clock.remedy
