"""The Twilio channel against the conformance kit."""

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode

import msgspec
from multidict import MultiDict
from twilio.request_validator import RequestValidator

from adapters.contract import Adapter
from adapters.errors import OutcomeUnknown, Refused, Unreachable
from adapters.testing import (
    NOON,
    AdapterContract,
    Answer,
    FakeContext,
    InboundCase,
    Limit,
    OutboundCase,
    Post,
    Rig,
    Told,
)
from adapters.testing.twilio import CUSTOMER, OWN, TOKEN, TwilioSimulator
from adapters.twilio import Twilio
from adapters.twilio.errors import MEANINGS
from adapters.twilio.mapping import Trace
from adapters.twilio.signature import SIGNATURE
from config import Duration
from normalizer.content import Choice, Content, Location, Option, Template, Text, Unsupported
from normalizer.envelope import Envelope, Sender
from normalizer.outbound import Receipt, ReceiptState
from tests.adapters.twilio.conftest import ADDRESS, make_settings

SID = "SM" + "0" * 32


def form(**params: str) -> bytes:
    plain = {
        "MessageSid": SID,
        "From": CUSTOMER,
        "To": OWN,
        "WaId": CUSTOMER.removeprefix("whatsapp:+"),
        "NumMedia": "0",
    }
    return urlencode(plain | params).encode()


def message(content: Content, *, name: str = "", **attributes: str) -> Envelope:
    trace = Trace(to=CUSTOMER, own=OWN, sid=SID, at=NOON)
    return Envelope(
        id="drawn",
        at=NOON,
        channel="test",
        type="twilio",
        native_id=SID,
        address=ADDRESS,
        content=content,
        sender=Sender(name=name),
        attributes={"to": OWN, **attributes},
        channel_data=msgspec.Raw(msgspec.json.encode(trace)),
    )


def case(label: str, content: Content, **params: str) -> InboundCase:
    event = Post(path="/messages", body=form(**params), answer="<Response/>")
    return InboundCase(label=label, event=event, envelopes=(message(content),))


def status(label: str, receipt: Receipt, **params: str) -> InboundCase:
    event = Post(path="/status?id=c1-1", body=urlencode({"MessageSid": SID, **params}).encode())
    return InboundCase(label=label, event=event, receipts=(receipt,))


def refusal(code: int, error: type[Refused]) -> OutboundCase:
    body = msgspec.json.encode({"code": code, "message": "no", "status": 400})
    fault = Answer(status=400, body=body)
    return OutboundCase(label=str(code), content=Text(text="Hello"), faults=[fault], error=error, code=str(code))


class TestContract(AdapterContract[TwilioSimulator]):
    address, another = ADDRESS, "whatsapp:+48600100201"
    limits = (Limit(calls=80, seconds=1),)
    inbound = (
        case("text", Text(text="Hello"), Body="Hello"),
        case("a parameter of tomorrow", Text(text="Hello"), Body="Hello", Tomorrow="x"),
        InboundCase(
            label="a name that gives orders",
            event=Post(path="/messages", body=form(Body="a\x1b[2Jb\r\nc", ProfileName="Ola\u202eexe.\x1b[2J")),
            envelopes=(message(Text(text="a[2Jb\nc"), name="Olaexe.[2J"),),
        ),
        case(
            "a button", Choice(options=(Option(id="y", label="Yes"),), chosen="y"), ButtonPayload="y", ButtonText="Yes"
        ),
        case("a place", Location(latitude=52.5, longitude=21, name="Us"), Latitude="52.5", Longitude="21", Label="Us"),
        case("nothing", Unsupported(what="empty message")),
        InboundCase(label="nobody", event=Post(path="/messages", body=b"MessageSid=SM1"), dead=["unreadable"]),
        InboundCase(label="no status", event=Post(path="/status?id=c1-1", body=b"a=b"), dead=["status_unreadable"]),
        status("read", Receipt(outbound="c1-1", state=ReceiptState.READ, at=NOON, native_id=SID), MessageStatus="read"),
        status(
            "not delivered",
            Receipt(
                outbound="c1-1",
                state=ReceiptState.FAILED,
                at=NOON,
                native_id=SID,
                code="63024",
                error=MEANINGS[63024].sentence,
            ),
            MessageStatus="undelivered",
            ErrorCode="63024",
        ),
        InboundCase(
            label="somebody else",
            event=Post(path="/messages", body=form(), headers={SIGNATURE: "AAAA"}, signed=False, status=403),
            told=Told.REFUSED,
        ),
    )
    outbound = (
        OutboundCase(label="text", content=Text(text="Hello"), request="Body=Hello"),
        OutboundCase(label="its own id", content=Text(text="Hello"), request="status%3Fid%3Dc1-1"),
        OutboundCase(label="sms", content=Text(text="Hello"), address="tel:+48600100200", request="To=%2B48600100200"),
        OutboundCase(
            label="template",
            content=Template(name="order_ready", text="", variables={"1": "Ola", "2": "#7"}),
            request="ContentVariables=%7B%221%22%3A%22Ola%22%2C%222%22%3A%22%237%22%7D",
        ),
        OutboundCase(
            label="no template of ours", content=Template(name="x", text=""), error=Refused, code="unknown_template"
        ),
        OutboundCase(
            label="500", content=Text(text="x"), faults=[Answer(status=500)], error=OutcomeUnknown, code="http_500"
        ),
        refusal(63016, Refused),
        refusal(63003, Unreachable),
    )

    def peer(self) -> TwilioSimulator:
        simulator = TwilioSimulator()
        simulator.course = ()  # a callback that meets the end of a test leaves a socket behind
        return simulator

    def make(self, context: FakeContext, peer: TwilioSimulator) -> Adapter:
        return Twilio(make_settings(peer, timeout=Duration(5_000)), context)

    async def ready(self, rig: Rig[TwilioSimulator]) -> None:
        rig.peer.reach[rig.context.public_url] = str(rig.client.make_url("")).rstrip("/")

    def event(self, number: int) -> Post:
        return Post(path="/messages", body=form(MessageSid=f"SM{number:032x}", Body=f"This is {number}"))

    def sign(self, rig: Rig[TwilioSimulator], post: Post) -> Mapping[str, str]:
        params = MultiDict(parse_qsl(post.body.decode("utf-8", "replace"), keep_blank_values=True))
        url = rig.context.public_url + rig.path(post.path)
        return {SIGNATURE: RequestValidator(TOKEN).compute_signature(url, params)}
