"""Where an answer goes and what may be said there; mails as they were laid out; calls on the screen."""

from typing import Any

import msgspec
import pytest

from desk.http.layout import LARGEST_PICTURES, LONGEST_PAGE
from desk.ports import ApprovedText, ChannelInfo
from normalizer.capabilities import Capabilities
from normalizer.content import Call, Content, Media, StoredFile, Text
from normalizer.envelope import Envelope
from normalizer.outbound import Receipt, ReceiptState
from router.inputs import Message, RulesProposed
from router.rules import ChannelRule
from tests.desk.world import IDS, RULES, Browser, Desk, World

HOUR = 3_600
WHATSAPP = Capabilities(kinds=frozenset({"template"}), window=HOUR)
PHONE = Capabilities(kinds=frozenset({"call"}))
ORDER = ApprovedText(name="order", language="en", text="Your order {{1}} is {{state}}. {{1}}!")
WITH_PHONES = msgspec.structs.replace(
    RULES,
    channels={
        "wa": ChannelRule(type="twilio"),
        "phone": ChannelRule(type="sip", kind="exclusive", units=100, accept="manual"),
    },
    operators={
        name: msgspec.structs.replace(rule, units=100, phone=f"sip:{name}@pbx.example" if name != "cleo" else "")
        for name, rule in RULES.operators.items()
    },
)
NUMBER = "tel:+48123456789"
WA = "whatsapp:+48123456789"


@pytest.fixture(name="known")
def with_phones(world: World) -> World:
    """A workspace with WhatsApp and a phone."""
    return known(world)


def known(world: World) -> World:
    """Connect WhatsApp and a phone."""
    world.log.put(RulesProposed(hash="phones", rules=WITH_PHONES))
    world.channels.known = {
        "wa": ChannelInfo(lambda _: WHATSAPP, (ORDER,)),
        "phone": ChannelInfo(lambda _: PHONE),
    }
    return world


def write(world: World, address: str, content: Content, *, channel: str, native: str = "") -> str:
    """Let something come in; give the conversation."""
    kind = WITH_PHONES.channels.get(channel) or RULES.channels[channel]
    envelope = Envelope(
        id=IDS.new(),
        at=world.log.now,
        channel=channel,
        type=kind.type,
        native_id=native or IDS.new(),
        address=address,
        content=content,
    )
    world.log.put(Message(envelope=envelope))
    person = world.log.machine.state.addresses[address].person
    conversation = world.log.machine.state.people[person].conversation
    assert conversation is not None
    return conversation


def rings(world: World, event: str, call: str = "x1", **more: Any) -> str:  # noqa: ANN401  # any field of Call
    content = Call(call=call, event=event, **more)  # type: ignore[arg-type]  # one of the events
    return write(world, NUMBER, content, channel="phone", native=f"{call}/{event}")


@pytest.fixture
async def ben(known: World, desk: Desk) -> Browser:
    """Ben, signed in and available."""
    console = await known.console(desk, "ben")
    await console.browser.do({"do": "presence", "state": "available"})
    return console.browser


async def summary(browser: Browser, conversation: str) -> dict[str, Any]:
    status, opened = await browser.ask("GET", f"/conversations/{conversation}")
    assert status == 200
    found: dict[str, Any] = opened["summary"]
    return found


def text(conversation: str, seen: int = 9, **more: str) -> dict[str, Any]:
    return {
        "do": "reply",
        "conversation": conversation,
        "content": {"kind": "text", "text": "hi"},
        "seen": seen,
        **more,
    }


def template(conversation: str, name: str = "order", **variables: str) -> dict[str, Any]:
    content = {"kind": "template", "name": name, "text": "what a browser claims", "variables": variables}
    return {"do": "reply", "conversation": conversation, "content": content, "seen": 9}


async def test_a_conversation_says_how_long_its_window_is_open(known: World, ben: Browser) -> None:
    name = write(known, WA, Text(text="hello"), channel="wa")
    shown = await summary(ben, name)
    until = known.log.now + HOUR * 1_000
    assert shown["routes"] == [{"address": WA, "channel": "wa", "window_until": until}]
    known.log.pass_time(1_000)
    write(known, WA, Text(text="again"), channel="wa")
    assert (await summary(ben, name))["routes"][0]["window_until"] == until + 1_000_000


async def test_after_the_window_free_text_is_refused_before_it_is_sent(known: World, ben: Browser) -> None:
    name = write(known, WA, Text(text="hello"), channel="wa")
    assert (await ben.do(text(name)))[0] == 200
    known.log.pass_time(HOUR + 1)
    before = len(known.log.records)
    status, answer = await ben.do(text(name))
    assert (status, answer["code"]) == (409, "window_closed")
    assert "more than 1 h old" in answer["reason"]
    assert len(known.log.records) == before


async def test_an_answer_that_is_repeated_after_the_window_closed_is_not_refused(known: World, ben: Browser) -> None:
    name = write(known, WA, Text(text="hello"), channel="wa")
    known.log.stored = False
    again = IDS.new()
    assert (await ben.do(text(name), again))[1]["status"] == "not_confirmed"
    known.log.stored = True
    known.log.now += (HOUR + 1) * 1_000
    assert (await ben.do(text(name), again))[1]["status"] == "confirmed", "it may have gone out already"


async def test_an_approved_text_goes_out_with_its_variables_as_the_provider_knows_it(
    known: World, ben: Browser
) -> None:
    name = write(known, WA, Text(text="hello"), channel="wa")
    known.log.pass_time(HOUR + 1)
    status, answer = await ben.do(template(name, **{"1": "A7", "state": "ready", "other": "x"}))
    assert status == 200
    content = answer["events"][-1]["item"]["content"]
    assert content["text"] == "Your order A7 is ready. A7!"
    assert content["variables"] == {"1": "A7", "state": "ready"}


@pytest.mark.parametrize(
    ("action", "code"),
    [
        (template("", **{"1": "A7", "state": " "}), "template_incomplete"),
        (template("", "unheard-of"), "unknown_template"),
    ],
)
async def test_an_approved_text_that_is_none_is_refused(
    known: World, ben: Browser, action: dict[str, Any], code: str
) -> None:
    name = write(known, WA, Text(text="hello"), channel="wa")
    status, answer = await ben.do({**action, "conversation": name})
    assert (status, answer["code"]) == (409, code)


async def test_channels_without_approved_texts_say_so(known: World, ben: Browser) -> None:
    known.channels.known["wa"] = ChannelInfo(lambda _: Capabilities())
    name = write(known, WA, Text(text="hello"), channel="wa")
    assert (await ben.do(template(name)))[1]["code"] == "no_templates"


async def test_a_channel_that_is_not_in_the_file_takes_what_it_is_sent(known: World, ben: Browser) -> None:
    known.channels.known.clear()
    name = write(known, WA, Text(text="hello"), channel="wa")
    assert (await summary(ben, name))["routes"] == [{"address": WA, "channel": "wa"}]
    assert (await ben.do(text(name)))[0] == 200
    assert (await ben.do(text("c999")))[1]["code"] == "not_found"


async def test_the_approved_texts_of_each_channel_can_be_asked_for(known: World, ben: Browser) -> None:
    del known
    status, body = await ben.ask("GET", "/channels")
    assert status == 200
    assert body["channels"]["wa"]["templates"] == [
        {"name": "order", "language": "en", "text": ORDER.text, "variables": ["1", "state"]}
    ]
    assert body["channels"]["phone"]["phone"] is True


async def test_nothing_can_be_written_on_the_phone(known: World, ben: Browser) -> None:
    name = rings(known, "ringing")
    rings(known, "answered", to="sip:ben@pbx.example")
    shown = await summary(ben, name)
    assert shown["routes"] == [{"address": NUMBER, "channel": "phone", "writes": False}]
    assert shown["call"] == {"id": "x1", "address": NUMBER, "direction": "in", "state": "answered", "operator": "ben"}
    status, answer = await ben.do(text(name))
    assert (status, answer["code"]) == (409, "voice_only")


async def test_a_missed_call_is_shown_and_called_back_from_the_desk(known: World, ben: Browser) -> None:
    name = rings(known, "ringing")
    rings(known, "failed")
    shown = await summary(ben, name)
    assert shown["missed"] is True
    assert shown["owner"] == "ben"
    status, answer = await ben.do({"do": "call", "conversation": name})
    assert status == 200
    content = answer["events"][-1]["item"]["content"]
    assert (content["event"], content["to"]) == ("initiated", "sip:ben@pbx.example")
    rings(known, "answered", "y1", direction="out", to="sip:ben@pbx.example")
    assert "missed" not in await summary(ben, name)
    _, operators = await ben.ask("GET", "/operators")
    assert {each["id"]: each.get("talking", False) for each in operators["operators"]} == {
        "anna": False,
        "ben": True,
        "cleo": False,
    }


async def test_an_answer_that_did_not_arrive_shows_in_the_lists(known: World, ben: Browser) -> None:
    name = write(known, WA, Text(text="hello"), channel="wa")
    _, answer = await ben.do(text(name))
    outbound = answer["events"][-1]["item"]["outbound"]
    known.log.receipt(Receipt(outbound=outbound, state=ReceiptState.FAILED, at=1, error="no such number"))
    assert (await summary(ben, name))["undelivered"] == 1
    assert (await ben.do(text(name, again=outbound)))[0] == 200
    assert "undelivered" not in await summary(ben, name)


# --- mails as they were laid out -------------------------------------------------------------------------------


def stored(world: World, name: str, data: bytes, *, size: int | None = None) -> StoredFile:
    world.media.files[name, f"key-{name}"] = data
    return StoredFile(name=name, size=len(data) if size is None else size, key=f"key-{name}")


def mail(world: World, html: str, *pictures: Media, size: int | None = None) -> str:
    content = Text(
        text="Hello",
        full="Hello\n> quoted",
        subject="Invoice",
        html=stored(world, "layout", html.encode(), size=size),
        attachments=pictures,
    )
    return write(world, WA, content, channel="wa")


async def page(browser: Browser, conversation: str, file: str = "layout") -> tuple[int, dict[str, str], str]:
    path = browser.desk.url(f"/conversations/{conversation}/layouts/{file}")
    async with browser.http.get(path) as response:
        return response.status, {k.lower(): v for k, v in response.headers.items()}, await response.text()


async def test_a_mail_is_shown_as_laid_out_in_a_page_that_can_do_nothing(known: World, ben: Browser) -> None:
    logo = Media(file=stored(known, "logo", b"PNG"), type="image/png", inline="logo@mail")
    script = Media(file=stored(known, "svg", b"<svg/>"), type="image/svg+xml", inline="svg@mail")
    name = mail(
        known, '<p>Żółć</p><img src="cid:logo%40mail"><img src="cid:svg@mail"><img src="cid:gone">', logo, script
    )
    status, headers, body = await page(ben, name)
    assert status == 200
    assert headers["content-type"] == "text/html; charset=utf-8"
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "sandbox;" in policy
    assert "script-src" not in policy
    assert headers["x-frame-options"] == "SAMEORIGIN"
    assert headers["x-content-type-options"] == "nosniff"
    assert "<p>Żółć</p>" in body
    assert body.count('src="data:image/png;base64,UE5H"') == 1
    assert body.count('src=""') == 2, "what cannot be shown is left out, and nothing points elsewhere"


async def test_no_key_of_a_layout_goes_to_a_browser(known: World, ben: Browser) -> None:
    name = mail(known, "<p>x</p>")
    _, opened = await ben.ask("GET", f"/conversations/{name}")
    content = next(item["content"] for item in opened["items"] if item["kind"] == "message")
    assert content["html"] == {"name": "layout", "size": 8, "key": ""}
    assert content["full"] == "Hello\n> quoted"


async def test_a_layout_is_only_for_those_who_may_read_the_conversation(known: World, ben: Browser) -> None:
    name = mail(known, "<p>x</p>")
    assert (await page(ben, name, "another"))[0] == 404
    cleo = await known.browser(ben.desk, "cleo")
    assert (await page(cleo, name))[0] == 404
    stranger = await known.browser(ben.desk)
    assert (await page(stranger, name))[0] == 401


async def test_a_layout_that_is_too_long_or_gone_is_said_to_be(known: World, ben: Browser) -> None:
    name = mail(known, "<p>x</p>", size=LONGEST_PAGE + 1)
    assert (await page(ben, name))[0] == 413


async def test_pictures_beyond_the_limit_are_left_out(known: World, ben: Browser) -> None:
    big = Media(file=stored(known, "big", b"x", size=LARGEST_PICTURES + 1), type="image/png", inline="big")
    name = mail(known, '<img src="cid:big">', big)
    assert "data:" not in (await page(ben, name))[2]


async def test_a_picture_stands_nowhere_but_in_its_own_place(known: World, ben: Browser) -> None:
    logo = Media(file=stored(known, "logo", b"PNG"), type="image/png", inline="logo")
    html = """<img alt="'cid:logo'" src="cid:logo"><p>"cid:logo"</p>"""
    body = (await page(ben, mail(known, html, logo)))[2]
    assert """<img alt="'cid:logo'" src="data:image/png;base64,UE5H"><p>"cid:logo"</p>""" in body
