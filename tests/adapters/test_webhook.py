"""The webhook channel against the conformance kit, and what is its own."""

import json
from typing import Any

import aiohttp
import msgspec
import pytest

from adapters import signature
from adapters.contract import Adapter, Sent
from adapters.errors import (
    EnvelopeRefused,
    NotReachable,
    OutcomeUnknown,
    RateLimited,
    Refused,
    SendError,
    TryLater,
    Unreachable,
)
from adapters.session import Reach, open_session, within
from adapters.testing import (
    AdapterContract,
    Answer,
    Cut,
    FakeContext,
    Hang,
    InboundCase,
    OutboundCase,
    ScriptedProvider,
)
from adapters.testing.cases import outbound
from adapters.testing.context import NOON, made_id
from adapters.testing.contract import Client
from adapters.webhook import Webhook
from adapters.webhook.channel import LOGGED_AT_ONCE
from adapters.webhook.mapping import read_retry_after, to_client_error, to_send_error
from adapters.webhook.settings import WebhookSettings
from config import Duration, Secret, SettingError
from normalizer.content import Choice, Language, Location, Option, Text
from normalizer.envelope import Envelope, Sender
from normalizer.outbound import Receipt, ReceiptState

OLD, NEW = "an-old-shared-secret", "a-new-shared-secret"
ADDRESS = "webhook:test/42"
HELLO = {"id": "m1", "from": "42", "text": "Hello", "at": 1_700_000_000_000}


def body(**changes: object) -> bytes:
    return json.dumps({key: value for key, value in {**HELLO, **changes}.items() if value is not None}).encode()


def envelope(**changes: object) -> Envelope:
    plain = Envelope(
        id=made_id(1),
        at=1_700_000_000_000,
        channel="test",
        type="webhook",
        native_id="m1",
        address=ADDRESS,
        content=Text(text="Hello"),
    )
    return msgspec.structs.replace(plain, **changes)


def settings(provider: ScriptedProvider | None = None, **changes: object) -> WebhookSettings:
    plain: dict[str, Any] = {"secrets": [Secret(NEW), Secret(OLD)], "timeout": Duration(300)}
    if provider is not None:
        plain |= {"url": f"{provider.url}/in", "status_url": f"{provider.url}/status/{{id}}"}
    return WebhookSettings(**{**plain, **changes})


def refused(field: str, **changes: object) -> InboundCase:
    label = f"wrong {field}: {changes}"[:60]
    return InboundCase(label=label, path="/messages", body=body(**changes), status=400, error=f'"field": "{field}"')


ENGLISH = Language(code="en")


class TestContract(AdapterContract):
    address = ADDRESS
    inbound = (
        InboundCase(label="text", path="/messages", body=body(), envelopes=(envelope(),)),
        InboundCase(label="no time", path="/messages", body=body(at=None), envelopes=(envelope(at=NOON),)),
        InboundCase(
            label="everything",
            path="/messages",
            body=body(name="Ola", language="en", reply_to="c1-1", attributes={"page": "/cart"}),
            envelopes=(
                envelope(
                    content=Text(text="Hello", language=ENGLISH),
                    sender=Sender(name="Ola", languages=(ENGLISH,)),
                    reply_to="c1-1",
                    attributes={"page": "/cart"},
                ),
            ),
        ),
        InboundCase(
            label="a name and a text that give orders",
            path="/messages",
            body=body(name="Ola\u202eexe.\x1b[2J", text="a\x1b]0;title\x07b\r\nc"),
            envelopes=(envelope(content=Text(text="a]0;titleb\nc"), sender=Sender(name="Olaexe.[2J")),),
        ),
        InboundCase(
            label="a choice",
            path="/messages",
            body=body(text=None, choice="yes"),
            envelopes=(envelope(content=Choice(chosen="yes")),),
        ),
        InboundCase(
            label="read",
            path="/receipts",
            body=b'{"id": "c1-1", "state": "read", "at": 5}',
            receipts=(Receipt(outbound="c1-1", state=ReceiptState.READ, at=5),),
        ),
        InboundCase(
            label="failed",
            path="/receipts",
            body=b'{"id": "c1-1", "state": "failed", "code": "gone", "error": "No such number."}',
            receipts=(
                Receipt(outbound="c1-1", state=ReceiptState.FAILED, at=NOON, code="gone", error="No such number."),
            ),
        ),
        InboundCase(
            label="unknown state",
            path="/receipts",
            body=b'{"id": "c1-1", "state": "lost"}',
            status=400,
            error='"field": "$.state"',
        ),
        refused("$", text=None),
        refused("$", choice="yes"),
        refused("$", colour="red"),
        refused("$", id=None),
        refused("$.from", **{"from": 42}),
        refused("$.id", id=""),
        refused("$.from", **{"from": "a\u0001b"}),
        refused("$.text", text="x" * 60_001),
        InboundCase(label="too big", path="/messages", body=b" " * 300_000, status=413, error="too_big"),
        InboundCase(
            label="another secret",
            path="/messages",
            body=body(),
            signed=False,
            headers={signature.HEADER: signature.sign("somebody-else", NOON // 1_000, body())},
            status=401,
            error="bad_signature",
        ),
        InboundCase(
            label="the older secret",
            path="/messages",
            body=body(),
            signed=False,
            headers={signature.HEADER: signature.sign(OLD, NOON // 1_000, body())},
            envelopes=(envelope(),),
        ),
        InboundCase(
            label="five minutes too late",
            path="/messages",
            body=body(),
            signed=False,
            headers={signature.HEADER: signature.sign(NEW, NOON // 1_000 - 301, body())},
            status=401,
            error="stale_signature",
        ),
    )
    hello = Text(text="Hello")
    outbound = (
        OutboundCase(
            label="200", content=hello, answers=[Answer(body=b'{"id": "p1"}')], native_id="p1", request=b'"to":"42"'
        ),
        OutboundCase(label="204", content=hello, answers=[Answer(status=204)], request=b'"by":"Anna"'),
        OutboundCase(label="200 and nonsense", content=hello, answers=[Answer(body=b"<html>")]),
        OutboundCase(
            label="options",
            content=Choice(text="Which?", options=(Option(id="a", label="A"),)),
            answers=[Answer()],
            request=b'"options":[{"id":"a","label":"A"}]',
        ),
        OutboundCase(
            label="429",
            content=hello,
            answers=[Answer(status=429, headers={"Retry-After": "7"})],
            error=RateLimited,
            code="rate_limited",
            retry_after=7,
        ),
        OutboundCase(
            label="503",
            content=hello,
            answers=[Answer(status=503, headers={"Retry-After": "9"})],
            error=TryLater,
            code="http_503",
            retry_after=9,
        ),
        OutboundCase(label="500", content=hello, answers=[Answer(status=500)], error=TryLater, code="http_500"),
        OutboundCase(label="504", content=hello, answers=[Answer(status=504)], error=OutcomeUnknown, code="http_504"),
        OutboundCase(label="400", content=hello, answers=[Answer(status=400)], error=Refused, code="http_400"),
        OutboundCase(label="410", content=hello, answers=[Answer(status=410)], error=Unreachable, code="gone"),
        OutboundCase(
            label="302",
            content=hello,
            answers=[Answer(status=302, headers={"Location": "/elsewhere"})],
            error=Refused,
            code="http_302",
        ),
        OutboundCase(label="hangs", content=hello, answers=[Hang()], error=OutcomeUnknown, code="timeout"),
        OutboundCase(label="cuts", content=hello, answers=[Cut()], error=OutcomeUnknown, code="connection_lost"),
        OutboundCase(
            label="no form for it",
            content=Location(latitude=1, longitude=2),
            answers=[],
            error=Refused,
            code="unsupported",
        ),
    )

    def make(self, context: FakeContext, provider: ScriptedProvider) -> Adapter:
        return Webhook(settings(provider), context)

    def sign(self, case: InboundCase) -> dict[str, str]:
        return {signature.HEADER: signature.sign(NEW, NOON // 1_000, case.body)}

    async def test_an_outbound_request_is_signed_and_names_its_message(
        self, adapter: Adapter, provider: ScriptedProvider
    ) -> None:
        provider.will(Answer())
        await adapter.send(outbound(ADDRESS, "test", self.hello))
        request = provider.requests[0]
        signature.verify(request.headers[signature.HEADER], request.body, [NEW], seconds=NOON // 1_000, tolerance=0)
        assert request.headers["Idempotency-Key"] == "c1-1"

    async def test_a_refused_envelope_is_a_clear_answer(self, client: Client, context: FakeContext) -> None:
        context.failures.append(EnvelopeRefused("envelope_refused", "The name is too long."))
        response, text = await self._post(client, self.inbound[0])
        assert response.status == 400
        assert "The name is too long." in text
        assert context.counts == {"invalid": 1}

    async def test_a_flood_of_forgeries_is_counted_and_does_not_fill_the_log(
        self, client: Client, context: FakeContext
    ) -> None:
        for _ in range(50):
            response = await client.post("/messages", data=b"{}", headers={signature.HEADER: "t=1,v1=00"})
            assert response.status == 401
        assert context.counts == {"bad_signature": 50}
        assert len(context.logged) == LOGGED_AT_ONCE

    async def test_a_message_that_is_not_stored_is_asked_for_again(self, client: Client, context: FakeContext) -> None:
        context.failures.append(OSError("a programming error"))
        response, _ = await self._post(client, self.inbound[0])
        assert response.status == 500

    @pytest.mark.parametrize(
        ("answer", "found"),
        [
            (Answer(body=b'{"id": "p9"}'), Sent(native_id="p9")),
            (Answer(status=404), TryLater),
            (Answer(status=409), OutcomeUnknown),
            (Cut(), OutcomeUnknown),  # the client repeats a GET once
        ],
        ids=["has it", "has it not", "cannot tell", "does not answer"],
    )
    async def test_the_receiver_is_asked_for_an_unknown_outcome(
        self, adapter: Adapter, provider: ScriptedProvider, answer: Answer | Cut, found: Sent | type[SendError]
    ) -> None:
        provider.will(*([answer, answer] if isinstance(answer, Cut) else [answer]))
        message = outbound(ADDRESS, "test", self.hello)
        if isinstance(found, Sent):
            assert await adapter.find(message) == found
        else:
            with pytest.raises(found):
                await adapter.find(message)
        request = provider.requests[0]
        assert request.path == "/status/c1-1"
        signed = request.headers[signature.HEADER]
        signature.verify(signed, b"/status/c1-1", [NEW], seconds=NOON // 1_000, tolerance=0)


async def test_without_a_status_url_an_unknown_outcome_stays_unknown() -> None:
    context = FakeContext()
    adapter = Webhook(settings(), context)
    assert await adapter.find(outbound(ADDRESS, "test", Text(text="Hello"))) is None
    await context.close()


async def test_a_channel_without_a_url_only_receives() -> None:
    context = FakeContext()
    adapter = Webhook(settings(), context)
    with pytest.raises(Refused, match="only receives"):
        await adapter.send(outbound(ADDRESS, "test", Text(text="Hello")))
    assert (await adapter.check())[0].ok
    await context.close()


async def test_a_receiver_that_is_not_there_is_tried_later(unused_tcp_port: int) -> None:
    context = FakeContext()
    adapter = Webhook(settings(url=f"http://127.0.0.1:{unused_tcp_port}/"), context)
    with pytest.raises(TryLater) as failed:
        await adapter.send(outbound(ADDRESS, "test", Text(text="Hello")))
    assert failed.value.code == "not_connected"
    with pytest.raises(NotReachable):
        await adapter.check()
    await context.close()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"url": "http://shop.example/in"}, "must begin with https"),
        ({"url": "ftp://shop.example/in"}, "must begin with https"),
        ({"url": "https://user:word@shop.example/in"}, "no user or password"),
        ({"url": "https://"}, "name a host"),
        ({"status_url": "https://shop.example/status"}, "{id}"),
        ({"secrets": [Secret("short")]}, "shorter than 16"),
        ({"retry_for": Duration(7 * 86_400_000)}, "at most 6d"),
        ({"timeout": Duration(61_000)}, "at most 60s"),
        ({"tolerance": Duration(3 * 86_400_000)}, "at most 24h"),
        ({"tolerance": Duration(0)}, "above 0s"),
    ],
)
def test_wrong_settings_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ExceptionGroup) as found:
        settings(**changes)
    assert all(isinstance(error, SettingError) for error in found.value.exceptions)
    assert message in str(found.value.exceptions[0])


@pytest.mark.parametrize(
    "url", ["https://shop.example/in", "http://127.0.0.1:9000/in", "http://localhost/in", "http://[::1]:9/in"]
)
def test_https_everywhere_and_http_on_this_machine_are_right(url: str) -> None:
    assert settings(url=url).url == url


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("12", 12.0),
        ("soon", None),
        ("Fri, 15 Jan 2027 08:00:30 GMT", 30.0),
        ("Fri, 15 Jan 2027 07:00:00 GMT", 0.0),
        ("Fri, 15 Jan 2027 08:00:30 -0000", 30.0),
    ],
)
def test_a_retry_after_header_is_read_in_both_forms(value: str | None, seconds: float | None) -> None:
    assert read_retry_after(value, NOON) == seconds


def test_every_status_has_a_meaning() -> None:
    kinds = {status: type(to_send_error(status, None, "")) for status in range(300, 600)}
    assert {status for status, kind in kinds.items() if kind is OutcomeUnknown} == {504}
    assert {status for status, kind in kinds.items() if kind is TryLater} == {408, 425, *range(500, 600)} - {504}
    assert kinds[429] is RateLimited
    assert kinds[410] is Unreachable


def test_a_pause_may_be_for_one_recipient_only() -> None:
    one, all_ = to_send_error(429, 1, "recipient"), to_send_error(429, 1, "")
    assert isinstance(one, RateLimited)
    assert isinstance(all_, RateLimited)
    assert (one.whole_channel, all_.whole_channel) == (False, True)


def test_every_error_of_the_client_has_a_meaning() -> None:
    def kinds(cls: type[BaseException]) -> set[type[BaseException]]:
        return {cls, *(kind for child in cls.__subclasses__() for kind in kinds(child))}

    for kind in kinds(aiohttp.ClientError) | {TimeoutError}:
        assert isinstance(to_client_error(kind.__new__(kind)), SendError), kind


@pytest.mark.parametrize(
    ("host", "public", "loopback"),
    [
        ("127.0.0.1", False, True),
        ("::1", False, True),
        ("::ffff:127.0.0.1", False, True),
        ("10.1.2.3", False, False),
        ("169.254.169.254", False, False),
        ("fe80::1%eth0", False, False),
        ("fd00::1", False, False),
        ("0.0.0.0", False, False),  # noqa: S104  # an address to refuse
        ("224.0.0.1", False, False),
        ("8.8.8.8", True, False),
        ("2001:4860:4860::8888", True, False),
    ],
)
def test_internal_addresses_are_out_of_reach(host: str, public: bool, loopback: bool) -> None:  # noqa: FBT001  # a table
    assert within(Reach.PUBLIC, host) is public
    assert within(Reach.LOOPBACK, host) is loopback


async def test_a_public_session_does_not_connect_inside(unused_tcp_port: int) -> None:
    async with open_session(Reach.PUBLIC) as session:
        for host in ("127.0.0.1", "localhost", "[::1]"):
            with pytest.raises(aiohttp.ClientConnectorError, match="may not be connected to"):
                await session.get(f"http://{host}:{unused_tcp_port}/")
