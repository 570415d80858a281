"""The webhook channel against the conformance kit, and what is its own."""

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
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
from adapters.http_errors import read_retry_after, to_client_error, to_send_error
from adapters.session import Reach, open_session, within
from adapters.signed_requests import LOGGED_AT_ONCE
from adapters.testing import (
    NOON,
    AdapterContract,
    Answer,
    Cut,
    FakeContext,
    InboundCase,
    Limit,
    OutboundCase,
    Pass,
    Post,
    Rig,
    Told,
    outbound,
)
from adapters.testing.webhook import WebhookReceiver
from adapters.webhook import Webhook
from adapters.webhook.settings import WebhookSettings
from config import Duration, Secret, SettingError
from normalizer.content import Choice, Language, Location, Option, Text
from normalizer.envelope import Envelope, Sender
from normalizer.outbound import Receipt, ReceiptState

OLD, NEW = "an-old-shared-secret", "a-new-shared-secret"
ADDRESS = "webhook:test/42"
HELLO = {"id": "m1", "from": "42", "text": "Hello", "at": 1_700_000_000_000}
ENGLISH = Language(code="en")


def body(**changes: object) -> bytes:
    return json.dumps({key: value for key, value in {**HELLO, **changes}.items() if value is not None}).encode()


def envelope(**changes: object) -> Envelope:
    plain = Envelope(
        id="drawn",
        at=1_700_000_000_000,
        channel="test",
        type="webhook",
        native_id="m1",
        address=ADDRESS,
        content=Text(text="Hello"),
    )
    return msgspec.structs.replace(plain, **changes)


def settings(**changes: object) -> WebhookSettings:
    plain: dict[str, Any] = {"secrets": [Secret(NEW), Secret(OLD)], "timeout": Duration(5_000), "per_second": 5}
    return WebhookSettings(**{**plain, **changes})


def message(**changes: object) -> Post:
    return Post(path="/messages", body=body(**changes))


def receipt(**words: object) -> Post:
    return Post(path="/receipts", body=json.dumps({"id": "c1-1", **words}).encode())


def refused(field: str, **changes: object) -> InboundCase:
    label = f"wrong {field}: {changes}"[:60]
    event = Post(path="/messages", body=body(**changes), status=400, answer=f'"field": "{field}"')
    return InboundCase(label=label, event=event, told=Told.REFUSED)


def signed_by(secret: str, *, late: int = 0, path: str = "/messages", status: int = 200, answer: str = "") -> Post:
    content = signature.content("POST", f"/channels/test{path}", body())
    header = {signature.HEADER: signature.sign(secret, NOON // 1_000 - late, content)}
    return Post(path="/messages", body=body(), headers=header, signed=False, status=status, answer=answer)


class TestContract(AdapterContract[WebhookReceiver]):
    address, another = ADDRESS, "webhook:test/43"
    limits = (Limit(calls=5, seconds=1),)
    inbound = (
        InboundCase(label="text", event=message(), envelopes=(envelope(),)),
        InboundCase(label="no time", event=message(at=None), envelopes=(envelope(at=NOON),)),
        InboundCase(
            label="everything",
            event=message(name="Ola", language="en", reply_to="c1-1", attributes={"page": "/cart"}),
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
            event=message(name="Ola\u202eexe.\x1b[2J", text="a\x1b]0;title\x07b\r\nc"),
            envelopes=(envelope(content=Text(text="a]0;titleb\nc"), sender=Sender(name="Olaexe.[2J")),),
        ),
        InboundCase(
            label="a choice",
            event=message(text=None, choice="yes"),
            envelopes=(envelope(content=Choice(chosen="yes")),),
        ),
        InboundCase(
            label="read",
            event=receipt(state="read", at=5),
            receipts=(Receipt(outbound="c1-1", state=ReceiptState.READ, at=5),),
        ),
        InboundCase(
            label="failed",
            event=receipt(state="failed", code="gone", error="No such number."),
            receipts=(
                Receipt(outbound="c1-1", state=ReceiptState.FAILED, at=NOON, code="gone", error="No such number."),
            ),
        ),
        InboundCase(
            label="unknown state",
            event=Post(path="/receipts", body=b'{"id": "c1-1", "state": "lost"}', status=400, answer='"$.state"'),
            told=Told.REFUSED,
        ),
        refused("$", text=None),
        refused("$", choice="yes"),
        refused("$", colour="red"),
        refused("$", id=None),
        refused("$.from", **{"from": 42}),
        refused("$.id", id=""),
        refused("$.from", **{"from": "a\u0001b"}),
        refused("$.text", text="x" * 60_001),
        InboundCase(
            label="too big",
            event=Post(path="/messages", body=b" " * 300_000, status=413, answer="too_big"),
            told=Told.REFUSED,
        ),
        InboundCase(
            label="another secret",
            event=signed_by("somebody-else", status=401, answer="bad_signature"),
            told=Told.REFUSED,
        ),
        InboundCase(
            label="signed for the receipts",
            event=signed_by(NEW, path="/receipts", status=401, answer="bad_signature"),
            told=Told.REFUSED,
        ),
        InboundCase(label="the older secret", event=signed_by(OLD), envelopes=(envelope(),)),
        InboundCase(
            label="five minutes too late",
            event=signed_by(NEW, late=301, status=401, answer="stale_signature"),
            told=Told.REFUSED,
        ),
    )
    plain = Text(text="Hello")
    outbound = (
        OutboundCase(label="200", content=plain, native_id="p1", request='"to":"42"'),
        OutboundCase(label="204", content=plain, faults=[Answer(status=204)], native_id="", request='"by":"Anna"'),
        OutboundCase(label="200 and nonsense", content=plain, faults=[Answer(body=b"<html>")], native_id=""),
        OutboundCase(
            label="200 and too many brackets",
            content=plain,
            faults=[Answer(body=b'{"x":' + b"[" * 60_000)],
            native_id="",
        ),
        OutboundCase(
            label="options",
            content=Choice(text="Which?", options=(Option(id="a", label="A"),)),
            request='"options":[{"id":"a","label":"A"}]',
        ),
        OutboundCase(
            label="503 and a pause",
            content=plain,
            faults=[Answer(status=503, headers={"Retry-After": "9"})],
            error=TryLater,
            code="http_503",
            retry_after=9,
        ),
        OutboundCase(label="500", content=plain, faults=[Answer(status=500)], error=TryLater, code="http_500"),
        OutboundCase(label="504", content=plain, faults=[Answer(status=504)], error=OutcomeUnknown, code="http_504"),
        OutboundCase(label="410", content=plain, faults=[Answer(status=410)], error=Unreachable, code="gone"),
        OutboundCase(
            label="302",
            content=plain,
            faults=[Answer(status=302, headers={"Location": "/elsewhere"})],
            error=Refused,
            code="http_302",
        ),
        OutboundCase(
            label="no form for it", content=Location(latitude=1, longitude=2), error=Refused, code="unsupported"
        ),
    )

    def peer(self) -> WebhookReceiver:
        return WebhookReceiver(secret=NEW)

    def make(self, context: FakeContext, peer: WebhookReceiver) -> Adapter:
        return Webhook(settings(url=f"{peer.url}/messages", status_url=f"{peer.url}/messages/{{id}}"), context)

    def event(self, number: int) -> Post:
        return message(id=f"m{number}", text=f"This is {number}")

    def sign(self, rig: Rig[WebhookReceiver], post: Post) -> Mapping[str, str]:
        content = signature.content(post.method, rig.path(post.path), post.body)
        return {signature.HEADER: signature.sign(NEW, rig.context.now() // 1_000, content)}

    async def test_a_request_that_was_recorded_at_another_channel_is_refused(self, rig: Rig[WebhookReceiver]) -> None:
        content = signature.content("POST", "/channels/other/messages", body())
        recorded = {signature.HEADER: signature.sign(NEW, NOON // 1_000, content)}
        assert (await rig.post(message(), recorded)).status == 401

    async def test_an_outbound_request_is_signed_and_names_its_message(self, rig: Rig[WebhookReceiver]) -> None:
        await rig.send(outbound(ADDRESS, "test", self.plain))
        request = rig.peer.requests[0]
        content = signature.content("POST", "/messages", request.body)
        signature.verify(request.headers[signature.HEADER], content, [NEW], seconds=NOON // 1_000, tolerance=0)
        assert request.headers["Idempotency-Key"] == "c1-1"

    async def test_a_refused_envelope_is_a_clear_answer(self, rig: Rig[WebhookReceiver]) -> None:
        rig.context.failures.append(EnvelopeRefused("envelope_refused", "The name is too long."))
        await self.deliver(rig, self.event(1))
        assert rig.answers[0].status == 400
        assert "The name is too long." in rig.answers[0].text
        assert rig.context.counts == {"invalid": 1}

    async def test_a_flood_of_forgeries_is_counted_and_does_not_fill_the_log(self, rig: Rig[WebhookReceiver]) -> None:
        for _ in range(50):
            answer = await rig.post(message(), {signature.HEADER: "t=1,v1=00"})
            assert answer.status == 401
        assert rig.context.counts == {"bad_signature": 50}
        assert len(rig.context.logged) == LOGGED_AT_ONCE

    async def test_a_message_that_is_not_stored_is_asked_for_again(self, rig: Rig[WebhookReceiver]) -> None:
        rig.context.failures.append(OSError("a programming error"))
        assert await self.deliver(rig, self.event(1)) is Told.AGAIN

    @pytest.mark.parametrize(
        ("answer", "found"),
        [
            (Pass(), Sent(native_id="p1")),
            (Answer(status=404), TryLater),
            (Answer(status=409), OutcomeUnknown),
            (Cut(), OutcomeUnknown),
        ],
        ids=["has it", "has it not", "cannot tell", "does not answer"],
    )
    async def test_the_receiver_is_asked_for_an_unknown_outcome(
        self, rig: Rig[WebhookReceiver], answer: Answer | Cut | Pass, found: Sent | type[SendError]
    ) -> None:
        sent = outbound(ADDRESS, "test", self.plain)
        await rig.send(sent)
        rig.peer.will(answer, answer, on="^GET /messages/c1-1$")  # the client repeats a GET once
        told = await rig.find(sent)
        assert told == found or type(told) is found


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


def test_the_shell_example_of_the_document_signs_as_we_do() -> None:
    page = (Path(__file__).parents[2] / "docs" / "webhook.md").read_text()
    lines = re.search(r"```sh\n(body=.*?)\ncurl", page, flags=re.DOTALL)
    assert lines is not None
    script = lines[1].replace("$(date +%s)", str(NOON // 1_000)) + '\nprintf "t=%s,v1=%s" "$t" "$digest"'
    shell = subprocess.run(  # noqa: S603  # the document's own lines
        ["/bin/sh", "-c", script], env={**os.environ, "CRM_SECRET": NEW}, capture_output=True, check=True, timeout=60
    )
    said = re.search(r"body='(.*)'", lines[1])
    assert said is not None
    content = signature.content("POST", "/channels/crm/messages", said[1].encode())
    signature.verify(shell.stdout.decode(), content, [NEW], seconds=NOON // 1_000, tolerance=0)
