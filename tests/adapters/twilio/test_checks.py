"""What is looked at before a channel starts."""

from collections.abc import Sequence

import pytest

from adapters.contract import Finding
from adapters.errors import BadCredentials, BadSettings, NotReachable
from adapters.testing.steps import Answer
from adapters.testing.twilio import OWN, OWN_SMS, TEMPLATE
from adapters.twilio.checks import SANDBOX, Checks
from adapters.twilio.settings import TemplateSettings
from config import Secret
from tests.adapters.twilio.conftest import Connect, Line

SERVICE = "MG" + "d4" * 16
LIST = r"GET .*/Messages\.json"


async def wrong(line: Line) -> Sequence[Finding]:
    line.context.public_url = "http://127.0.0.1"
    findings = await line.adapter.check()
    assert all(finding.remedy for finding in findings if not finding.ok)
    return [finding for finding in findings if not finding.ok]


async def connected(connect: Connect, **changes: object) -> Line:
    line: Line = await connect(**changes)
    line.simulator.senders = dict.fromkeys(line.simulator.senders, line.simulator.webhook)
    return line


async def test_a_channel_that_can_work_has_nothing_to_mend(connect: Connect) -> None:
    line = await connected(connect)
    assert await wrong(line) == []
    whats = [finding.what for finding in await line.adapter.check()]
    assert "Twilio accepts the credentials" in whats
    assert f"{OWN_SMS} calls us, and again when that fails" in whats
    assert "the template order_ready exists" in whats


async def test_wrong_credentials_are_told(connect: Connect) -> None:
    line = await connect(auth_token=Secret("x" * 32))
    with pytest.raises(BadCredentials, match="auth_token"):
        await line.adapter.check()


async def test_another_account_is_told(connect: Connect) -> None:
    line = await connect(account_sid="AC" + "b" * 32)
    with pytest.raises(BadCredentials, match="account_sid"):
        await line.adapter.check()


async def test_twilio_that_fails_is_not_reachable(line: Line) -> None:
    line.simulator.will(Answer(status=500), on=LIST)
    with pytest.raises(NotReachable, match="500"):
        await line.adapter.check()


@pytest.mark.parametrize("body", [b"<html>", b"{}"])
async def test_twilio_that_says_nonsense_is_not_reachable(line: Line, body: bytes) -> None:
    line.simulator.will(Answer(body=body), on=LIST)
    with pytest.raises(NotReachable, match="cannot be"):
        await line.adapter.check()


async def test_twilio_that_is_not_there_is_not_reachable(line: Line) -> None:
    await line.simulator.go_down()
    with pytest.raises(NotReachable, match="cannot be reached"):
        await line.adapter.check()


async def test_a_service_that_does_not_exist_is_a_wrong_setting(connect: Connect) -> None:
    line = await connect(messaging_service_sid="MG" + "d" * 32)
    with pytest.raises(BadSettings, match="no Messaging Service") as caught:
        await line.adapter.check()
    assert caught.value.key == "messaging_service_sid"


async def test_a_service_whose_senders_can_be_seen_is_right(connect: Connect) -> None:
    line = await connected(connect, numbers=[], messaging_service_sid=SERVICE)
    line.simulator.services[SERVICE] = [OWN, OWN_SMS]
    assert await wrong(line) == []
    assert "the Messaging Service has 2 senders" in [finding.what for finding in await line.adapter.check()]


async def test_a_service_that_shows_no_sender_is_told_where_nothing_else_names_our_numbers(connect: Connect) -> None:
    line = await connected(connect, numbers=[], messaging_service_sid=SERVICE)
    line.simulator.services[SERVICE] = [OWN]
    line.simulator.will(*[Answer(status=403)] * 3, on="GET /v1/Services/.*/")
    (finding,) = await wrong(line)
    assert "shows no sender" in finding.what
    assert "`from`" in finding.remedy


async def test_webhooks_that_lead_elsewhere_are_told_with_what_to_paste(line: Line) -> None:
    line.simulator.senders = {OWN: "https://other.example/", OWN_SMS: ""}
    remedies = [finding.remedy for finding in await wrong(line)]
    assert remedies == [f"in the console, let incoming messages go to {line.simulator.webhook} (HTTP POST)"] * 2


async def test_numbers_that_are_not_ours_are_told(connect: Connect) -> None:
    line = await connected(connect, numbers=["whatsapp:+48600000000", "+48600000001", SANDBOX])
    line.simulator.senders = {"whatsapp:+48111": "", "+1": ""}
    assert [finding.what for finding in await wrong(line)] == [
        "whatsapp:+48600000000 is not among the account's WhatsApp senders",
        "+48600000001 is not among the account's numbers",
    ]


async def test_a_template_that_differs_is_told(connect: Connect) -> None:
    line = await connected(
        connect,
        templates={
            "gone": TemplateSettings(content_sid="HX" + "0" * 32, language="en", text="x"),
            "polish": TemplateSettings(content_sid=TEMPLATE, language="pl", text="{{1}} {{2}}"),
            "less": TemplateSettings(content_sid=TEMPLATE, language="en", text="{{1}}"),
        },
    )
    assert [finding.what for finding in await wrong(line)] == [
        "the template gone is not in the account",
        "the template polish is in en at Twilio, in pl here",
        "the template less has the variables ['1', '2'] at Twilio, ['1'] here",
    ]


async def test_a_clock_that_is_wrong_is_told(line: Line) -> None:
    line.simulator.now = lambda: line.context.now() + 90_000
    findings = [finding for finding in await line.adapter.check() if "clock" in finding.what]
    assert [finding.ok for finding in findings] == [False]


@pytest.mark.parametrize(("path", "what"), [("", "reaches us"), ("/elsewhere", "status 404")])
async def test_a_signed_request_goes_round_through_the_public_address(line: Line, path: str, what: str) -> None:
    real = line.url.removesuffix("/channels/test")
    line.adapter._base = f"{real}{path}/channels/test"
    assert what in (await line.adapter.check())[-1].what


async def test_a_public_address_that_differs_from_what_twilio_calls_is_told(connect: Connect) -> None:
    line = await connect()
    adapter = line.adapter
    url = f"{line.url}/messages"
    checks = Checks(adapter.settings, line.context, adapter._client, adapter._transport, url)
    finding = (await checks.run())[-1]
    assert not finding.ok
    assert "public_url" in finding.remedy
