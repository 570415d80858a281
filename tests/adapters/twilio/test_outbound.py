"""What operators answer, from the outbound to the customer's phone."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from adapters.contract import TemplateText
from adapters.delivery import Fail, Repeat, Try, Verdict, after_send
from adapters.errors import (
    BadCredentials,
    ChannelError,
    OutcomeUnknown,
    RateLimited,
    Refused,
    TryLater,
    Unreachable,
)
from adapters.testing.steps import After, Answer, Cut, Fault, Hang
from adapters.testing.twilio import CUSTOMER, OWN, OWN_SMS, TEMPLATE_TEXT, Write
from adapters.twilio import Twilio
from adapters.twilio.outgoing import SMS_CAN, WHATSAPP_CAN
from config import Duration, Secret
from normalizer.content import Choice, Content, Location, Media, Option, Template, Text
from normalizer.outbound import ReceiptState
from normalizer.render import render
from tests.adapters.twilio.conftest import ADDRESS, Connect, Line, make_settings
from tests.adapters.twilio.test_inbound import PDF, PNG

DAY = 86_400_000
SMS = "tel:+48600100200"


async def stored(line: Line, content: bytes, media_type: str, name: str = "") -> Media:
    async def chunks() -> AsyncIterator[bytes]:
        yield content

    file = await line.context.media.put(chunks(), limit=100_000)
    return Media(file=file, type=media_type, filename=name)


async def refused(line: Line, content: Content, **place: Any) -> ChannelError:  # noqa: ANN401 - any field
    with pytest.raises(ChannelError) as caught:
        await line.adapter.send(line.message(content, **place))
    return caught.value


async def test_a_text_goes_out_from_our_number_and_names_itself_in_the_callback(line: Line) -> None:
    sid = await line.answer("Dzień dobry 😀")
    (kept,) = line.simulator.sent
    assert (kept.sid, kept.sender, kept.to, kept.body) == (sid, OWN, CUSTOMER, "Dzień dobry 😀")
    assert kept.callback == "https://chat.example/channels/test/status?id=c1-1"


@pytest.mark.parametrize(
    ("media_type", "shown"),
    [
        ("image/png", [("look", 1)]),
        ("video/mp4", [("look", 1)]),
        ("application/pdf", [("", 1), ("look", 0)]),
        ("audio/ogg", [("", 1), ("look", 0)]),
        ("image/webp", [("", 1), ("look", 0)]),
    ],
)
async def test_what_is_said_of_a_file_is_read(line: Line, media_type: str, shown: list[tuple[str, int]]) -> None:
    """Below it, where WhatsApp shows a text there; else as a message of its own behind it."""
    file = msgspec.structs.replace(await stored(line, b"x", media_type), caption="look")
    pieces = render(file, WHATSAPP_CAN, link=lambda _media: "")
    for piece in pieces:
        await line.adapter.send(line.message(piece))
    said = [(kept.body, len(kept.links)) for kept in line.simulator.sent]
    assert said == shown


async def test_an_answer_goes_out_from_the_number_that_was_written_to(connect: Connect) -> None:
    second = "whatsapp:+442071838750"
    line = await connect(numbers=[OWN, second, OWN_SMS])
    line.simulator.senders[second] = ""
    await line.simulator.write(Write(to=second, body="hi"))
    await line.answer()
    await line.answer(address="whatsapp:+48600100999", number=2)
    assert [kept.sender for kept in line.simulator.sent] == [second, OWN]


async def test_an_sms_is_answered_by_sms_and_everything_in_it_is_text(line: Line) -> None:
    await line.answer(address=SMS)
    await line.adapter.send(line.message(Location(latitude=52.2, longitude=21, name="Us"), address=SMS, number=2))
    await line.adapter.send(line.message(await stored(line, PDF, "application/pdf", "a.pdf"), address=SMS, number=3))
    await line.adapter.send(line.message(Template(name="order_ready", text="Hello Ola"), address=SMS, number=4))
    first, place, file, template = line.simulator.sent
    assert (first.sender, first.to) == (OWN_SMS, "+48600100200")
    assert place.body == "Us\n52.200000, 21.000000"
    assert file.body.startswith("a.pdf\nhttps://chat.example/channels/test/media/")
    assert template.body == "Hello Ola"


async def test_a_messaging_service_chooses_the_number(connect: Connect) -> None:
    service = "MG" + "d4" * 16
    line = await connect(numbers=[], messaging_service_sid=service)
    await line.answer()
    assert b"MessagingServiceSid" in line.simulator.requests[0].body
    assert line.simulator.sent[0].status in ("accepted", "delivered")


async def test_a_file_is_fetched_from_us_as_what_it_is(line: Line) -> None:
    for number, media in enumerate(
        [await stored(line, PNG, "image/png", "Kot na płocie.png"), await stored(line, PDF, "application/pdf")], start=1
    ):
        await line.adapter.send(line.message(media, number=number))
        await line.simulator.settle()
    assert [shown.files for shown in line.simulator.shown] == [
        [("image/png", len(PNG))],
        [("application/pdf", len(PDF))],
    ]
    assert [receipt.state for receipt in line.context.receipts if receipt.outbound == "c1-1"][-1] == "delivered"


async def test_a_link_to_a_file_cannot_be_forged(line: Line) -> None:
    link = line.adapter._links.make(await stored(line, PNG, "image/png")).rpartition("/")[2]
    for token, status in ((link, 200), (link[:-2] + "AA", 404), ("x", 404)):
        async with line.context.http.get(f"{line.url}/media/{token}") as answer:
            assert answer.status == status
    line.context.time += 31 * DAY
    async with line.context.http.get(f"{line.url}/media/{link}") as answer:
        assert answer.status == 404


async def test_a_link_to_a_file_is_no_longer_for_what_is_said_of_the_file(line: Line) -> None:
    file = await stored(line, PNG, "image/png")
    made = [line.adapter._links.make(replace(file, caption=caption)) for caption in ("", "ż" * 1_000)]
    assert len(made[0]) == len(made[1]) < 1_000


async def test_what_browsers_would_run_is_served_as_bytes(line: Line) -> None:
    link = line.adapter._links.make(await stored(line, b"<script>", "text/html", "a.html")).rpartition("/")[2]
    async with line.context.http.get(f"{line.url}/media/{link}") as answer:
        assert answer.content_type == "application/octet-stream"
        assert answer.headers["Content-Disposition"].startswith("attachment")


async def test_a_place_is_a_place(line: Line) -> None:
    await line.adapter.send(line.message(Location(latitude=52.2297, longitude=21.0122, name="Us", address="Rynek 1")))
    assert b"PersistentAction=geo%3A52.229700%2C21.012200%7CRynek+1" in line.simulator.requests[0].body


async def test_a_template_is_sent_with_its_variables(line: Line) -> None:
    content = Template(name="order_ready", text="", variables={"1": "Ola", "2": "#7"})
    await line.adapter.send(line.message(content))
    assert line.simulator.sent[0].body == "Hello Ola, your order #7 is ready."
    assert b"Body" not in line.simulator.requests[0].body


@pytest.mark.parametrize(
    ("name", "variables", "code"),
    [
        ("other", {}, "unknown_template"),
        ("order_ready", {"1": "Ola"}, "variable_missing"),
        ("order_ready", {"1": "Ola", "2": " "}, "variable_missing"),
        ("order_ready", {"1": "a\nb", "2": "x"}, "variable_broken"),
        ("order_ready", {"1": "a     b", "2": "x"}, "variable_broken"),
        ("order_ready", {"1": "a" * 1_000, "2": "x"}, "template_too_long"),
    ],
)
async def test_a_template_that_whatsapp_would_refuse_is_refused_by_us(
    line: Line, name: str, variables: dict[str, str], code: str
) -> None:
    error = await refused(line, Template(name=name, text="", variables=variables))
    assert (type(error), error.code) == (Refused, code)
    assert line.simulator.requests == []


async def test_the_desk_may_ask_for_the_templates() -> None:
    assert Twilio.templates(make_settings()) == [TemplateText(name="order_ready", language="en", text=TEMPLATE_TEXT)]


async def test_a_day_after_the_last_message_only_a_template_may_be_sent(line: Line) -> None:
    await line.simulator.write(Write(body="hi"))
    line.context.time += DAY
    await line.answer(number=1)
    line.context.time += 1
    error = await refused(line, Text(text="Hello"), number=2)
    assert (type(error), error.code) == (Refused, "window_closed")
    assert "order_ready" in error.message
    await line.adapter.send(
        line.message(Template(name="order_ready", text="", variables={"1": "a", "2": "b"}), number=3)
    )
    assert len(line.simulator.sent) == 2


async def test_sms_knows_no_window(line: Line) -> None:
    await line.simulator.write(Write(sender="+48600100200", to=OWN_SMS, body="hi"))
    line.context.time += 30 * DAY
    await line.answer(address=SMS)


async def test_a_window_that_only_twilio_knows_of_comes_back_as_a_status(line: Line) -> None:
    await line.simulator.write(Write(body="hi"))
    message = line.message(Text(text="Hello"))
    line.context.accepted.clear()
    line.context.time += DAY + 1
    await line.adapter.send(msgspec.structs.replace(message, channel_data=msgspec.Raw(b"null")))
    await line.simulator.settle()
    (receipt,) = line.context.receipts
    assert (receipt.state, receipt.code) == (ReceiptState.FAILED, "63016")
    assert "approved template" in receipt.error


def problem(status: int, code: int, **headers: str) -> Answer:
    body = msgspec.json.encode({"code": code, "message": "Twilio's words", "status": status})
    return Answer(status=status, body=body, headers=headers)


@pytest.mark.parametrize(
    ("fault", "error", "code", "retry_after"),
    [
        (problem(429, 20429, **{"Retry-After": "7"}), RateLimited, "20429", 7.0),
        (Answer(status=429), RateLimited, "http_429", 5.0),
        (problem(400, 63018), RateLimited, "63018", 5.0),
        (problem(400, 63012), TryLater, "63012", None),
        (problem(400, 63038), TryLater, "63038", 86_400.0),
        (Answer(status=503, headers={"Retry-After": "3"}), TryLater, "http_503", 3.0),
        (problem(400, 63003), Unreachable, "63003", None),
        (problem(400, 21610), Unreachable, "21610", None),
        (problem(400, 21211), Unreachable, "21211", None),
        (problem(400, 63016), Refused, "63016", None),
        (problem(400, 63007), Refused, "63007", None),
        (problem(400, 99999), Refused, "99999", None),
        (Answer(status=400, body=b"<html>"), Refused, "http_400", None),
        (Answer(status=302, headers={"Location": "/elsewhere"}), Refused, "http_302", None),
        (problem(401, 20003), BadCredentials, "20003", None),
        (Answer(status=500), OutcomeUnknown, "http_500", None),
        (Answer(status=502, body=b"<html>"), OutcomeUnknown, "http_502", None),
        (After(Answer(status=504)), OutcomeUnknown, "http_504", None),
        (Hang(), OutcomeUnknown, "timeout", None),
        (Answer(status=200, body=b"<html>"), OutcomeUnknown, "unreadable_answer", None),
        (Answer(status=201, body=b"[1]"), OutcomeUnknown, "unreadable_answer", None),
        (Cut(), OutcomeUnknown, "connection_lost", None),
        (After(Cut()), OutcomeUnknown, "connection_lost", None),
    ],
)
async def test_what_twilio_does_is_one_of_the_outcomes(
    connect: Connect, fault: Fault, error: type[ChannelError], code: str, retry_after: float | None
) -> None:
    line = await connect(timeout=Duration(1_000 if isinstance(fault, Hang) else 20_000))
    line.simulator.will(fault)
    found = await refused(line, Text(text="Hello"))
    assert (type(found), found.code) == (error, code)
    assert " " in found.message
    assert len(line.simulator.requests) == 1, "the library repeats nothing"
    if isinstance(found, TryLater):
        assert found.retry_after == retry_after
    if isinstance(found, RateLimited):
        assert found.whole_channel


@pytest.mark.parametrize(("retry_for", "verdict"), [(DAY, Fail), (2 * DAY, Repeat)])
async def test_a_refusal_for_a_day_fails_at_once_unless_more_patience_is_wanted(
    connect: Connect, retry_for: int, verdict: type[Verdict]
) -> None:
    default = {} if retry_for == DAY else {"retry_for": Duration(retry_for)}
    line = await connect(**default)
    line.simulator.will(problem(400, 63038))
    error = await refused(line, Text(text="Hello"))
    tried = Try(number=1, now=line.context.now() + 1, since=line.context.now(), draw=0.0)
    assert type(after_send(line.adapter.pace, error, tried)) is verdict


async def test_a_place_that_is_closed_is_not_sent(line: Line) -> None:
    await line.simulator.go_down()
    error = await refused(line, Text(text="Hello"))
    assert (type(error), error.code) == (TryLater, "not_connected")


async def test_wrong_credentials_close_the_channel(connect: Connect) -> None:
    line = await connect(auth_token=Secret("x" * 32))
    assert type(await refused(line, Text(text="Hello"))) is BadCredentials


async def test_a_long_answer_goes_out_in_pieces_that_twilio_takes(line: Line) -> None:
    pieces = render(Text(text="😀 słowo " * 500), line.adapter.capabilities, link=lambda _: "")
    assert len(pieces) > 1
    for number, piece in enumerate(pieces, start=1):
        await line.adapter.send(line.message(piece, number=number))
    assert len(line.simulator.sent) == len(pieces)


async def test_what_has_no_form_on_whatsapp_is_refused(line: Line) -> None:
    content = Choice(text="?", options=(Option(id="a", label="A"),))
    assert (await refused(line, content)).code == "unsupported"
    (rendered,) = render(content, line.adapter.capabilities, link=lambda _: "")
    assert rendered == Text(text="?\n1. A")


async def test_a_channel_declares_what_its_numbers_can(connect: Connect) -> None:
    both, sms = await connect(), await connect(numbers=OWN_SMS)
    assert both.adapter.capabilities == WHATSAPP_CAN
    assert sms.adapter.capabilities == SMS_CAN
    assert (WHATSAPP_CAN.window, SMS_CAN.window) == (86_400, None)
    error = await refused(sms, Text(text="x"), address=ADDRESS)
    assert error.code == "no_number"
