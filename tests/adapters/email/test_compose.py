"""Answers as mails: the same bytes on every try, threaded, readable by any program, with nothing injected."""

import email
import re
from email import policy
from email.message import EmailMessage
from typing import cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from adapters.email import tokens
from adapters.email.compose import compose, message_id_of
from adapters.email.layout import marker_line, signature_text, to_html
from adapters.email.parse import parse_mail
from adapters.email.threads import thread
from adapters.email.wire import ChannelData, Composed, Ours, Signature, Writer
from adapters.errors import Refused
from normalizer.content import Content, Language, Location, Media, StoredFile, Text
from normalizer.outbound import Author, Outbound

OURS = Ours(mailboxes=("support@shop.example", "sales@shop.example"), key=b"k" * 32)
WRITER = Writer(address="support@shop.example", name="Shop")
AT = 1_762_160_400_000
LEFT = ChannelData(
    to="Anna@b.example",
    message_id="<2@b.example>",
    references=("<1@b.example>",),
    subject="RE[2]: AW: Order 15",
    mailbox="sales@shop.example",
)


def outbound(content: Content, left: ChannelData | None = LEFT, **changes: object) -> Outbound:
    made = Outbound(
        id="c48-7",
        conversation="c48",
        channel="mail",
        address="email:anna@b.example",
        at=AT,
        content=content,
        author=Author(name="Bob"),
        channel_data=msgspec.Raw(msgspec.json.encode(left)),
    )
    return replace(made, **changes)


def media(name: str, type_: str, filename: str = "", inline: str = "") -> Media:
    return Media(file=StoredFile(name=name, size=1, key="k"), type=type_, filename=filename, inline=inline)


def read(composed: Composed) -> EmailMessage:
    return cast("EmailMessage", email.message_from_bytes(composed.data, policy=policy.default))


def test_an_answer_is_threaded_for_every_program() -> None:
    composed = compose(outbound(Text(text="Hello")), {}, OURS, WRITER)
    token = tokens.issue("c48-7", "anna@b.example", AT, OURS)
    message = read(composed)
    assert {name: str(value) for name, value in message.items()} == {
        "Date": "Mon, 03 Nov 2025 09:00:00 +0000",
        "From": '"Bob (Shop)" <sales@shop.example>',
        "To": "Anna@b.example",
        "Reply-To": f'"Bob (Shop)" <sales+{token}@shop.example>',
        "Subject": "Re: Order 15",
        "Message-ID": f"<{token}@shop.example>",
        "In-Reply-To": "<2@b.example>",
        "References": "<1@b.example> <2@b.example>",
        "X-Trunkline-Loop": tokens.loop_mark(OURS),
        "MIME-Version": "1.0",
        "Content-Type": message["Content-Type"],
    }
    assert composed.message_id == message["Message-ID"] == message_id_of(outbound(Text(text="")), OURS, WRITER)
    assert composed.return_path == f"sales+{token}@shop.example"
    assert composed.recipient == "Anna@b.example"
    assert not composed.utf8


def test_every_try_gives_the_same_bytes() -> None:
    one = outbound(Text(text="Привет", attachments=(media("f", "image/png", "x.png"),)))
    assert compose(one, {"f": b"x"}, OURS, WRITER) == compose(one, {"f": b"x"}, OURS, WRITER)


def test_another_message_has_another_id() -> None:
    one = outbound(Text(text="Hello"))
    others = (replace(one, id="c48-8"), replace(one, at=AT + 1), replace(one, address="email:bob@b.example"))
    assert len({message_id_of(each, OURS, WRITER) for each in (one, *others)}) == 4


def test_the_answer_to_an_answer_finds_its_conversation() -> None:
    composed = compose(outbound(Text(text="Hello")), {}, OURS, WRITER)
    raw = f"From: anna@b.example\nTo: {read(composed)['Reply-To']}\nIn-Reply-To: {composed.message_id}\n\nThanks"
    found = thread(parse_mail(raw.encode(), now_ms=AT, ours=OURS), {}, OURS)
    assert (found.thread, found.answers, found.signal, found.foreign) == ("c48", "c48-7", "reply_address", False)


def test_what_no_operator_wrote_is_marked_and_must_not_be_answered() -> None:
    composed = compose(outbound(Text(text="We are closed."), author=Author(kind="system")), {}, OURS, WRITER)
    message = read(composed)
    assert composed.return_path == ""
    assert (message["Auto-Submitted"], message["X-Auto-Response-Suppress"]) == ("auto-replied", "All")
    assert str(message["From"]) == "Shop <sales@shop.example>"
    assert parse_mail(composed.data, now_ms=AT, ours=Ours(mailboxes=(), key=b"other")).automatic == "auto_submitted"


def test_a_first_mail_answers_nothing() -> None:
    one = outbound(Text(text="Hello"), None, author=Author(kind="system"))
    message = read(compose(one, {}, OURS, replace(WRITER, subject="Your question")))
    assert message["Auto-Submitted"] == "auto-generated"
    assert (message["To"], message["Subject"]) == ("anna@b.example", "Your question")
    assert "In-Reply-To" not in message
    assert "References" not in message


@pytest.mark.parametrize(
    ("written", "before", "subject"),
    [
        ("", "Order", "Re: Order"),
        ("", "Re: Re: Отв: Order", "Re: Order"),
        ("", "Fwd: Order", "Re: Fwd: Order"),
        ("Invoice", "Order", "Invoice"),
        ("", "", "Shop"),
        ("", "=?utf-8?q?x?=", "Re: =?utf-8?q?x?="),
        ("a\r\nBcc: x@y", "", "a Bcc: x@y"),
        ("", "Где мой заказ? " * 20, ("Re: " + "Где мой заказ? " * 20)[:249] + "…"),
    ],
)
def test_the_subject_is_the_operators_or_that_of_the_thread(written: str, before: str, subject: str) -> None:
    composed = compose(outbound(Text(text="x", subject=written), replace(LEFT, subject=before)), {}, OURS, WRITER)
    assert parse_mail(composed.data, now_ms=AT, ours=OURS).subject == subject


def test_a_long_thread_keeps_its_first_and_its_last_ids() -> None:
    left = replace(LEFT, references=tuple(f"<{n}@x>" for n in range(30)), message_id="<new@x>")
    ids = parse_mail(compose(outbound(Text(text="x"), left), {}, OURS, WRITER).data, now_ms=AT, ours=OURS).references
    assert ids == ("<0@x>", *(f"<{n}@x>" for n in range(12, 30)), "<new@x>")


def test_long_ids_stay_ids() -> None:
    long = f"<[b378-{'y' * 200}]@microsoft.com>"
    composed = compose(outbound(Text(text="x"), replace(LEFT, message_id=long)), {}, OURS, WRITER)
    assert f"\r\nIn-Reply-To: {long}\r\n".encode() in composed.data


def test_ids_that_could_not_stand_in_a_header_are_left_out() -> None:
    left = replace(LEFT, message_id="<ж@x>", references=("<1@x>\r\nBcc: x",))
    message = read(compose(outbound(Text(text="x"), left), {}, OURS, WRITER))
    assert "In-Reply-To" not in message
    assert "Bcc" not in message


def test_without_plus_addresses_answers_go_to_the_mailbox() -> None:
    composed = compose(outbound(Text(text="x")), {}, OURS, replace(WRITER, plus=False))
    assert "Reply-To" not in read(composed)
    assert composed.return_path == "sales@shop.example"


def test_a_mailbox_too_long_for_a_token_stays_as_it_is() -> None:
    long = "a" * 40 + "@shop.example"
    composed = compose(outbound(Text(text="x"), None), {}, OURS, Writer(address=long))
    assert composed.return_path == long


def test_an_address_beyond_ascii_needs_smtputf8() -> None:
    composed = compose(outbound(Text(text="x"), replace(LEFT, to="анна@b.example")), {}, OURS, WRITER)
    assert composed.utf8
    assert "To: анна@b.example".encode() in composed.data


@pytest.mark.parametrize("to", ["a@b.example\r\nBcc: x@y", "a@b.example, c@d", "<a@b.example>", "a b@c.example", "a"])
def test_an_address_that_is_none_is_refused(to: str) -> None:
    with pytest.raises(Refused, match="cannot stand in a mail"):
        compose(outbound(Text(text="x"), replace(LEFT, to=to)), {}, OURS, WRITER)


def test_what_a_mail_cannot_hold_is_refused() -> None:
    with pytest.raises(Refused, match="cannot hold a location"):
        compose(outbound(Location(latitude=0, longitude=0)), {}, OURS, WRITER)


def test_channel_data_of_another_shape_counts_as_none() -> None:
    one = outbound(Text(text="x"), channel_data=msgspec.Raw(b'{"to": 5}'))
    assert compose(one, {}, OURS, WRITER).recipient == "anna@b.example"


def test_files_and_pictures_arrive_as_they_were() -> None:
    files = (
        media("p", "image/png", "кот.png", inline="p1@shop.example"),
        media("d", "application/pdf", "счёт " * 30 + ".pdf"),
        media("m", "message/rfc822", "a/b\\c.eml"),
        media("x", "no type\r\nBcc: x", ""),
    )
    content = {"p": b"png", "d": b"%PDF\r\n\x00", "m": b"From: x\n\ny", "x": b"?"}
    composed = compose(outbound(Text(text="See", attachments=files)), content, OURS, WRITER)
    mail = parse_mail(composed.data, now_ms=AT, ours=OURS)
    assert mail.defects == ()
    assert mail.text == "See"
    assert '<img src="cid:p1@shop.example">' in mail.html
    assert [(one.type, one.data, one.content_id) for one in mail.attachments] == [
        ("image/png", b"png", "p1@shop.example"),
        ("application/pdf", b"%PDF\r\n\x00", ""),
        ("application/octet-stream", b"From: x\n\ny", ""),
        ("application/octet-stream", b"?", ""),
    ]
    assert mail.attachments[0].filename == "кот.png"
    assert mail.attachments[1].filename.startswith("счёт счёт")
    assert (mail.attachments[2].filename, mail.attachments[3].filename) == ("a_b_c.eml", "file")


def test_a_file_alone_is_a_mail_with_its_caption() -> None:
    one = replace(media("d", "application/pdf", "a.pdf"), caption="The invoice")
    mail = parse_mail(compose(outbound(one), {"d": b"x"}, OURS, WRITER).data, now_ms=AT, ours=OURS)
    assert (mail.text, [file.filename for file in mail.attachments]) == ("The invoice", ["a.pdf"])


NAMES = st.text(max_size=60)


@settings(deadline=None)  # a busy machine
@given(name=NAMES, team=NAMES, subject=NAMES, text=st.text(max_size=300), before=NAMES, filename=NAMES)
def test_nothing_that_anybody_wrote_becomes_a_header(  # noqa: PLR0913, PLR0917  # each is a way in
    name: str, team: str, subject: str, text: str, before: str, filename: str
) -> None:
    files = (media("f", "text/plain", filename),)
    one = outbound(
        Text(text=text, subject=subject, attachments=files), replace(LEFT, subject=before), author=Author(name=name)
    )
    data = compose(one, {"f": b"x"}, OURS, replace(WRITER, name=team)).data
    assert b"\n" not in data.replace(b"\r\n", b"")
    assert max(map(len, data.split(b"\r\n"))) <= 998
    header = data.partition(b"\r\n\r\n")[0]
    names = re.findall(rb"^([A-Za-z-]+):", header, re.MULTILINE)
    assert set(names) <= {
        *(b"Date", b"From", b"To", b"Reply-To", b"Subject", b"Message-ID", b"In-Reply-To", b"References"),
        *(b"X-Trunkline-Loop", b"MIME-Version", b"Content-Type"),
    }
    assert len(names) == len(set(names))
    mail = parse_mail(data, now_ms=AT, ours=OURS)
    assert mail.recipients[0].address == "anna@b.example"
    assert [box.address for box in mail.recipients] == ["anna@b.example"]


# --- what stands around ---

SIGNATURE = Signature(
    texts={"en": "Best,\n{operator}\n{team}", "pl": "Pozdrawiamy,\n{operator}, {team}"}, team="The Shop"
)


@pytest.mark.parametrize(
    ("operator", "language", "text"),
    [
        ("Bob", "en", "Best,\nBob\nThe Shop"),
        ("", "en", "Best,\nThe Shop"),
        ("Bob", "pl-PL", "Pozdrawiamy,\nBob, The Shop"),
        ("", "pl", "Pozdrawiamy,\nThe Shop"),
        ("Bob", "fr", "Best,\nBob\nThe Shop"),
        ("{team}", "en", "Best,\nThe Shop\nThe Shop"),
    ],
)
def test_the_signature_is_in_the_customers_language(operator: str, language: str, text: str) -> None:
    assert signature_text(SIGNATURE, operator, language) == text


def test_signature_and_marker_stand_around_the_text() -> None:
    writer = replace(WRITER, signature=SIGNATURE, marker=True, languages=("en", "pl"))
    one = outbound(Text(text="Dzień dobry", language=Language(code="pl")))
    mail = parse_mail(compose(one, {}, OURS, writer).data, now_ms=AT, ours=OURS)
    token = tokens.issue("c48-7", "anna@b.example", AT, OURS)
    assert mail.full.split("\n") == [
        f"##- Prosimy odpowiadać powyżej tej linii -## [#{token}]",
        *("", "Dzień dobry", "", "-- ", "Pozdrawiamy,", "Bob, The Shop"),
    ]


def test_the_marker_is_in_a_language_that_we_have() -> None:
    assert marker_line("", replace(WRITER, languages=("fr", "ru"))).startswith("##- Пожалуйста")
    assert marker_line("fr", replace(WRITER, languages=("fr",))).startswith("##- Please")


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("a & <b>", "<p>a &amp; &lt;b&gt;</p>"),
        ("a\nb\n\n\nc", "<p>a<br>\nb</p>\n<p>c</p>"),
        (
            'see https://shop.example/a?b=1&c=2, "https://x.example".',
            (
                '<p>see <a href="https://shop.example/a?b=1&amp;c=2">https://shop.example/a?b=1&amp;c=2</a>, '
                '&quot;<a href="https://x.example">https://x.example</a>&quot;.</p>'
            ),
        ),
        ("javascript:x {} {0}", "<p>javascript:x {} {0}</p>"),
    ],
)
def test_html_is_made_of_the_text(text: str, html: str) -> None:
    assert html in to_html(text)
