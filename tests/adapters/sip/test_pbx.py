"""Any other telephone system: signed events in, signed wishes out, proven by the kit."""

import asyncio
from collections.abc import Mapping

import msgspec
import pytest
from msgspec.structs import replace

from adapters import signature
from adapters.contract import Adapter
from adapters.errors import OutcomeUnknown, Refused, TryLater, Unreachable
from adapters.sip import Sip
from adapters.sip.settings import SipSettings
from adapters.testing import (
    AdapterContract,
    Answer,
    Cut,
    FakeContext,
    InboundCase,
    OutboundCase,
    Post,
    Rig,
    Simulator,
    Told,
)
from config import Secret
from normalizer.content import Call, Text
from normalizer.envelope import Envelope, Sender

SECRET = "a-shared-secret-of-ours"
AT = 1_700_000_000_000
EVENT: dict[str, object] = {
    "id": "e-1",
    "call": "c-1",
    "event": "initiated",
    "customer": "+48600100200",
    "called": "221234567",
    "name": "Zoe",
    "at": AT,
}
ANNA = "sip:anna@pbx.example"


def body(**changes: object) -> bytes:
    return msgspec.json.encode({key: value for key, value in {**EVENT, **changes}.items() if value is not None})


def post(*, status: int = 200, answer: str = "", **changes: object) -> Post:
    return Post(path="/events", body=body(**changes), status=status, answer=answer)


def envelope(call: Call, native_id: str = "c-1/initiated", address: str = "tel:+48600100200") -> Envelope:
    return Envelope(
        id="drawn",
        at=AT,
        channel="test",
        type="sip",
        native_id=native_id,
        address=address,
        content=call,
        sender=Sender(name="Zoe"),
        attributes={"called": "+48221234567"},
        channel_data=msgspec.Raw(msgspec.json.encode({"call": "c-1"})),
    )


def refused(label: str, field: str, **changes: object) -> InboundCase:
    return InboundCase(label=label, event=post(status=400, answer=f'"field": "{field}"', **changes), told=Told.REFUSED)


CALL = Call(call="c-1", event="initiated")


class TestContract(AdapterContract[Simulator]):
    address, another = "tel:+48600100200", "tel:+48600100201"
    hello = Call(call="new", event="initiated", to=ANNA)
    inbound = (
        InboundCase(label="a call begins", event=post(), envelopes=(envelope(CALL),)),
        InboundCase(
            label="a phone rings",
            event=post(event="ringing", to=ANNA, id="e-2"),
            envelopes=(envelope(replace(CALL, event="ringing", to=ANNA), "c-1/ringing/e-2"),),
        ),
        InboundCase(
            label="a call that nobody took",
            event=post(event="failed", sip=486, reason="busy"),
            envelopes=(envelope(replace(CALL, event="failed", sip=486, q850=17, reason="busy"), "c-1/failed"),),
        ),
        InboundCase(
            label="the end of a call, with its length",
            event=post(event="ended", q850=16, duration=61_000),
            envelopes=(envelope(replace(CALL, event="ended", q850=16, duration=61_000), "c-1/ended"),),
        ),
        InboundCase(
            label="a caller who hides",
            event=post(customer=""),
            envelopes=(envelope(CALL, address="sip:test/anonymous?c-1"),),
        ),
        InboundCase(
            label="a call to a customer",
            event=post(direction="out", to=ANNA),
            envelopes=(envelope(replace(CALL, direction="out", to=ANNA)),),
        ),
        refused("no customer named", "$", customer=None),
        refused("no id", "$", id=None),
        refused("a call without a name", "$.call", call=""),
        refused("an event of another world", "$.event", event="exploded"),
        refused("a field that is not known", "$", colour="red"),
        refused("a caller with a control character", "$.customer", customer="a\u0001b"),
        refused("a cause that is none", "$.q850", q850=500),
    )
    outbound = (
        OutboundCase(
            label="let a phone ring",
            content=Call(call="c-1", event="ringing", to=ANNA),
            request='{"id":"c1-1","do":"ring","call":"c-1","phone":"sip:anna@pbx.example"}',
        ),
        OutboundCase(
            label="hang up",
            content=Call(call="c-1", event="ended"),
            request='{"id":"c1-1","do":"hang_up","call":"c-1"}',
        ),
        OutboundCase(
            label="call a customer",
            content=Call(call="new", event="initiated", to=ANNA),
            request='{"id":"c1-1","do":"dial","phone":"sip:anna@pbx.example","number":"+48600100200"}',
        ),
        OutboundCase(
            label="the call is over",
            content=Call(call="c-1", event="ringing", to=ANNA),
            faults=(Answer(status=409),),
            error=Refused,
            code="http_409",
        ),
        OutboundCase(
            label="it is restarting",
            content=Call(call="c-1", event="ringing", to=ANNA),
            faults=(Answer(status=503, headers={"Retry-After": "2"}),),
            error=TryLater,
            code="http_503",
            retry_after=2,
        ),
        OutboundCase(
            label="the answer is lost",
            content=Call(call="new", event="initiated", to=ANNA),
            faults=(Cut(),),
            error=OutcomeUnknown,
            code="connection_lost",
        ),
        OutboundCase(label="text", content=Text(text="Hello"), error=Refused, code="voice_only"),
        OutboundCase(label="no wish", content=Call(call="c-1", event="held"), error=Refused, code="not_a_wish"),
        OutboundCase(
            label="a number that is hidden",
            content=Call(call="new", event="initiated", to=ANNA),
            address="sip:test/anonymous?c-1",
            error=Unreachable,
            code="no_number",
        ),
        OutboundCase(
            label="a name that somebody gave",
            content=Call(call="new", event="initiated", to=ANNA),
            address="sip:test/112@elsewhere.example",
            error=Unreachable,
            code="not_ours",
        ),
        OutboundCase(
            label="a colleague without a number",
            content=Call(call="new", event="initiated", to=ANNA),
            address="sip:test/101@pbx.example",
            request='"number":"101"',
        ),
    )

    def peer(self) -> Simulator:
        return Simulator()

    def make(self, context: FakeContext, peer: Simulator) -> Adapter:
        settings = SipSettings(
            source="webhook", country="PL", secrets=[Secret(SECRET)], url=f"{peer.url}/wishes", hosts=["pbx.example"]
        )
        adapter = Sip(settings, context)
        adapter.pace = replace(adapter.pace, call_timeout=300)
        return adapter

    def event(self, number: int) -> object:
        return post(call=f"c-{number}", id=f"e-{number}")

    def sign(self, rig: Rig[Simulator], post: Post) -> Mapping[str, str]:
        content = signature.content("POST", rig.path(post.path), post.body)
        return {signature.HEADER: signature.sign(SECRET, rig.context.now() // 1_000, content)}

    async def test_news_of_a_call_that_is_over_is_no_news(self, rig: Rig[Simulator]) -> None:
        for event in ("initiated", "answered", "ended", "ringing"):
            told = post(event=event, id=f"e-{event}")
            answer = await rig.post(told, self.sign(rig, told))
            assert answer.status == 200
        assert '"news": false' in answer.text
        assert [e.native_id for e in rig.context.accepted] == ["c-1/initiated", "c-1/answered", "c-1/ended"]

    async def test_events_of_a_call_that_come_at_once_are_taken_one_after_the_other(self, rig: Rig[Simulator]) -> None:
        rig.context.store.clear()
        answered, ended = post(event="answered", at=AT), post(event="ended", at=AT + 5_000, id="e-2")
        async with asyncio.timeout(30), asyncio.TaskGroup() as posting:
            posting.create_task(rig.post(answered, self.sign(rig, answered)))
            await rig.context.until(lambda: len(rig.context.offered) == 1)
            posting.create_task(rig.post(ended, self.sign(rig, ended)))
            await asyncio.sleep(0.1)
            rig.context.store.set()
        end = rig.context.accepted[-1].content
        assert isinstance(end, Call)
        assert (end.event, end.duration) == ("ended", 5_000)


async def test_without_a_url_nothing_can_be_wished() -> None:
    context = FakeContext("phone")
    adapter = Sip(SipSettings(source="webhook", secrets=[Secret(SECRET)]), context)
    assert (await adapter.check())[0].ok
    with pytest.raises(Refused):
        await adapter._source.ring("c-1", ANNA, "c1-1")
    await context.close()
