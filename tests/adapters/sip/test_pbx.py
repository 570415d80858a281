"""Any other telephone system: signed events in, signed wishes out, proven by the kit."""

import asyncio
from collections.abc import Mapping

import msgspec
import pytest
from msgspec.structs import replace

from adapters import signature
from adapters.contract import Adapter
from adapters.errors import NotAccepted, OutcomeUnknown, Refused, TryLater, Unreachable
from adapters.rejection import Rejection
from adapters.sip import Sip
from adapters.sip.pbx.recordings import Recordings
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
from adapters.testing.rig import HttpAnswer
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
WAV = b"RIFF$\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0@\x1f\0\0\x80>\0\0\x02\0\x10\0data\0\0\0\0"
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
        refused("a recording of something else", "$", recording="http://127.0.0.1/a.wav"),
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
        assert [e.native_id for e in rig.context.accepted] == ["c-1/initiated", "c-1/answered/e-answered", "c-1/ended"]

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

    # --- recordings ---

    async def recorded(self, rig: Rig[Simulator], recording: str, **changes: object) -> HttpAnswer:
        told = post(**{"event": "recording", "id": "e-9", "recording": recording, **changes})
        return await rig.post(told, self.sign(rig, told))

    def heard(self, rig: Rig[Simulator]) -> Call:
        content = rig.context.accepted[-1].content
        assert isinstance(content, Call)
        return content

    async def test_a_recording_is_fetched_into_the_conversation(self, rig: Rig[Simulator]) -> None:
        rig.peer.will(Answer(body=WAV), on="^GET ")
        answer = await self.recorded(rig, f"{rig.peer.url}/calls/c-1.wav?part=1", duration=7_000)
        assert (answer.status, '"news": true' in answer.text) == (200, True)
        media = self.heard(rig).recording
        assert media is not None
        assert (media.type, media.filename, media.duration) == ("audio/wav", "c-1.wav", 7_000)
        assert [chunk async for chunk in rig.context.media.read(media.file)] == [WAV]
        assert rig.context.accepted[-1].native_id == "c-1/recording/e-9"

    async def test_a_recording_is_asked_for_with_our_signature(self, rig: Rig[Simulator]) -> None:
        rig.peer.will(Answer(body=WAV), on="^GET ")
        await self.recorded(rig, f"{rig.peer.url}/calls/c-1.wav?part=1")
        (asked,) = rig.peer.requests
        content = signature.content("GET", "/calls/c-1.wav?part=1", b"")
        signature.verify(
            asked.headers[signature.HEADER], content, [SECRET], seconds=rig.context.now() // 1_000, tolerance=0
        )

    async def test_a_recording_that_is_told_again_is_stored_once(self, rig: Rig[Simulator]) -> None:
        rig.peer.will(Answer(body=WAV), Answer(body=WAV), on="^GET ")
        rig.context.failures.append(NotAccepted("not_stored", "the store is away"))
        assert (await self.recorded(rig, f"{rig.peer.url}/c-1.wav")).status == 503
        assert (await self.recorded(rig, f"{rig.peer.url}/c-1.wav")).status == 200
        assert list(rig.context.files.files.values()) == [WAV]

    async def test_each_call_has_its_own_recordings_whatever_its_id(self, rig: Rig[Simulator]) -> None:
        for call, name, content in (("a b", "c", b"one"), ("a", "b c", b"another")):
            rig.peer.will(Answer(body=content), on="^GET ")
            await self.recorded(rig, f"{rig.peer.url}/c-1.wav", call=call, id=name)
        assert list(rig.context.files.files.values()) == [b"one", b"another"]

    @pytest.mark.parametrize(
        "faults",
        [
            [Answer(status=503)],
            [Answer(status=429)],
            [Cut(), Cut()],
            [Answer(body=WAV, headers={"Content-Length": "9999"})],
        ],
        ids=["in trouble", "busy", "cut", "cut in the middle"],
    )
    async def test_a_recording_that_cannot_be_had_now_is_told_again_later(
        self, rig: Rig[Simulator], faults: list[Answer | Cut]
    ) -> None:
        rig.peer.will(*faults, on="^GET ")
        answer = await self.recorded(rig, f"{rig.peer.url}/c-1.wav")
        assert (answer.status, "could not be fetched now" in answer.text) == (503, True)
        assert rig.context.accepted == []

    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            (Answer(status=404), "The recording could not be fetched: HTTP status 404."),
            (Answer(status=403), "The recording could not be fetched: HTTP status 403."),
            (Answer(), "The recording is empty."),
        ],
        ids=["not there", "not for us", "empty"],
    )
    async def test_a_recording_that_is_not_there_is_told_all_the_same(
        self, rig: Rig[Simulator], answer: Answer, reason: str
    ) -> None:
        rig.peer.will(answer, on="^GET ")
        assert (await self.recorded(rig, f"{rig.peer.url}/c-1.wav")).status == 200
        assert (self.heard(rig).recording, self.heard(rig).reason) == (None, reason)

    async def test_a_recording_that_leads_elsewhere_is_not_followed(self, rig: Rig[Simulator]) -> None:
        rig.peer.will(Answer(status=302, headers={"Location": f"{rig.peer.url}/inner"}), on="^GET ")
        assert (await self.recorded(rig, f"{rig.peer.url}/c-1.wav")).status == 200
        assert len(rig.peer.requests) == 1
        assert self.heard(rig).reason == "The recording could not be fetched: HTTP status 302."

    @pytest.mark.parametrize(
        "address",
        [
            "http://127.0.0.1:1/c-1.wav",
            "https://169.254.169.254/latest/meta-data",
            "file:///etc/passwd",
            "c-1.wav",
            "http://[::1",
            "http://127.0.0.1:99999999/",
        ],
    )
    async def test_nothing_is_fetched_from_another_machine(self, rig: Rig[Simulator], address: str) -> None:
        answer = await self.recorded(rig, address)
        assert (answer.status, '"field": "$.recording"' in answer.text) == (400, True)
        assert rig.peer.requests == rig.context.accepted == []

    async def test_an_address_that_only_begins_as_ours_is_another_machine(self, rig: Rig[Simulator]) -> None:
        for address in (f"{rig.peer.url}0/c-1.wav", f"{rig.peer.url}@10.0.0.1/c-1.wav", f"{rig.peer.url}.example/"):
            assert (await self.recorded(rig, address)).status == 400
        assert rig.peer.requests == []

    async def test_a_notice_of_a_recording_needs_no_file(self, rig: Rig[Simulator]) -> None:
        assert (await self.recorded(rig, "", reason="Shelf 7")).status == 200
        assert (self.heard(rig).recording, self.heard(rig).reason) == (None, "Shelf 7")


async def test_a_recording_that_is_too_long_is_not_kept() -> None:
    context = FakeContext("phone")
    async with Simulator() as peer:
        settings = SipSettings(source="webhook", secrets=[Secret(SECRET)], url=f"{peer.url}/wishes")
        peer.will(Answer(body=WAV), on="^GET ")
        found = await Recordings(settings, context, longest=10).fetch(f"{peer.url}/c-1.wav", key="k", duration=None)
    assert found == (None, "The recording is larger than 10 bytes.")
    assert context.files.files == {}
    await context.close()


async def test_without_a_url_nothing_can_be_wished() -> None:
    context = FakeContext("phone")
    adapter = Sip(SipSettings(source="webhook", secrets=[Secret(SECRET)]), context)
    assert (await adapter.check())[0].ok
    with pytest.raises(Rejection):
        await Recordings(adapter.settings, context).fetch("https://pbx.example/c-1.wav", key="k", duration=None)
    with pytest.raises(Refused):
        await adapter._source.ring("c-1", ANNA, "c1-1")
    await context.close()
