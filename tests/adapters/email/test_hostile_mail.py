"""No bytes make reading raise, and what is unreasonable is bounded."""

import base64
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.email.bounces import to_receipt
from adapters.email.filters import filter_mail
from adapters.email.mapping import NoSender, to_envelope
from adapters.email.parse import parse_mail
from adapters.email.threads import thread
from adapters.email.wire import Limits, Ours, ParsedMail, Stored
from normalizer.codec import encode_envelope
from normalizer.content import StoredFile, Text

MAILS = [file.read_bytes() for file in sorted((Path(__file__).parent / "mails").glob("*.eml"))]
OURS = Ours(mailboxes=("support@shop.example",), key=b"k" * 32, authserv=frozenset({"mx.shop.example"}))
SMALL = Limits(size=20_000, parts=10, depth=4, attachments=3, attachment_size=1_000, text=500)
LINES = [
    *(b"From: a@b.example", b"From: (((", b"From: <a@b", b"To: (c):", b"Subject: =?utf-8?q?=0D=0A?=", b"Date: Mon, 99"),
    *(b"Content-Type: multipart/mixed; boundary=b", b"Content-Type: multipart/alternative", b"Content-Type: ;;name*"),
    *(b"Content-Type: text/html; charset=utf-7", b"Content-Type: text/plain; charset=idna; format=flowed; delsp=yes"),
    *(b"Content-Type: message/delivery-status", b"Content-Type: message/rfc822", b"Content-Type: x; name*0*=a''%ff"),
    *(b"Content-Transfer-Encoding: base64", b"Content-Transfer-Encoding: quoted-printable", b"Action: failed", b"--b"),
    *(b"Content-Transfer-Encoding: x", b"Content-Disposition: attachment; filename=../a", b"Message-ID: <[x]@y>"),
    *(
        b"--b--",
        b"",
        b"",
        b" folded",
        b"> quoted",
        b"-- ",
        b"=E4=",
        b"On 1.1.2025 10:00 <a@b.c> wrote:",
        b"\xff\xfe\x00",
    ),
    *(
        b"Authentication-Results: mx.shop.example; dmarc=pass",
        b"<blockquote><p>x",
        b"</blockquote>",
        b"Reply-To: x@y.z",
    ),
]
MADE_UP = st.lists(st.sampled_from(LINES) | st.binary(max_size=12), max_size=40).map(b"\r\n".join)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A real mail, cut, doubled or overwritten somewhere."""
    mail = bytearray(draw(st.sampled_from(MAILS)))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(mail)))
        end = min(len(mail), start + draw(st.integers(0, 60)))
        other = draw(st.sampled_from(MAILS))
        at = draw(st.integers(0, len(other)))
        patches = [b"", bytes(mail[start:end]) * 2, other[at : at + 80], draw(st.binary(max_size=8))]
        mail[start:end] = draw(st.sampled_from(patches))
    return bytes(mail)


def stored(mail: ParsedMail) -> Stored:
    files = tuple(StoredFile(name=f"f{n}", size=len(one.data), key="k" * 43) for n, one in enumerate(mail.attachments))
    return Stored(attachments=files, html=StoredFile(name="html", size=1, key="k" * 43) if mail.html else None)


def go_through(raw: bytes, limits: Limits) -> ParsedMail:
    """Everything that happens to a mail on its way in."""
    mail = parse_mail(raw, now_ms=1_762_160_400_000, ours=OURS, limits=limits)
    filter_mail(mail, ["order"])
    threading = thread(mail, {}, OURS)
    if mail.bounce is not None:
        to_receipt(mail.bounce, None, OURS, now_ms=0)
    try:
        envelope = to_envelope(mail, threading, stored(mail), channel="mail", new_id="1")
    except NoSender:
        assert mail.sender is None
    else:
        encode_envelope(envelope)
    return mail


@settings(deadline=None)  # a busy machine
@given(MADE_UP | damaged() | st.binary(max_size=400))
def test_any_bytes_become_a_mail_and_an_envelope(raw: bytes) -> None:
    mail = go_through(raw, SMALL)
    assert len(mail.full) <= SMALL.text
    assert len(mail.attachments) <= SMALL.attachments + 1
    assert bool(mail.text.strip()) == bool(mail.full.strip())
    rest = iter(mail.full.split("\n"))
    assert all(line in rest for line in mail.text.split("\n"))


@settings(deadline=None)  # a busy machine
@given(MADE_UP | damaged())
def test_the_same_mail_is_the_same_after_a_rescan(raw: bytes) -> None:
    first = parse_mail(raw, now_ms=1, ours=OURS)
    assert parse_mail(raw, now_ms=2, ours=OURS).digest == first.digest


def multipart(parts: int) -> bytes:
    return b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\nContent-Type: a/b\n\nx\n" * parts + b"--b--\n"


def test_more_parts_than_allowed_are_left_out() -> None:
    mail = parse_mail(b"From: a@b.example\n" + multipart(500), now_ms=0, ours=OURS, limits=Limits(attachments=200))
    assert len(mail.attachments) == 99
    assert mail.defects == ("The mail has more than 100 parts: the rest is left out.",)


def test_more_files_than_allowed_are_left_out() -> None:
    mail = parse_mail(multipart(40), now_ms=0, ours=OURS)
    assert len(mail.attachments) == 30
    assert mail.defects == ("More than 30 attachments: a/b is left out.",)


def test_a_file_that_is_too_big_is_left_out() -> None:
    mail = parse_mail(multipart(1), now_ms=0, ours=OURS, limits=Limits(attachment_size=0))
    assert mail.attachments == ()
    assert mail.defects == ("The file a/b has 1 bytes, more than 0: it is left out.",)


def test_nesting_ends_somewhere() -> None:
    opened = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(5_000))
    mail = parse_mail(opened + b"\nhello", now_ms=0, ours=OURS)
    assert "Parts that are nested deeper than 20 times are shown as they stand." in mail.defects


def test_what_is_beyond_the_size_is_not_read() -> None:
    mail = parse_mail(b"Subject: x\n\n" + b"a" * 100, now_ms=0, ours=OURS, limits=Limits(size=20))
    assert mail.full == "a" * 8
    assert mail.size == 112
    assert mail.defects == ("The mail has 112 bytes; only the first 20 were read.",)


def test_a_long_text_is_shown_in_part_and_kept_whole() -> None:
    mail = parse_mail(b"Subject: x\n\n" + "слово ".encode() * 20_000, now_ms=0, ours=OURS)
    assert len(mail.full) == 50_000
    assert [(one.filename, one.data.decode()) for one in mail.attachments] == [("message.txt", "слово " * 20_000)]
    assert mail.defects == ("Only 50,000 characters of the text are shown: the whole is attached as message.txt.",)


@pytest.mark.parametrize("text", ["訂", '"', "\U0001f600", "\\\n"])
def test_any_long_text_fits_into_an_envelope(text: str) -> None:
    mail = go_through(b"From: a@b.example\n\n" + text.encode() * 60_000 + b"\n-- \nx", Limits())
    assert len(msgspec.json.encode(mail.full)) <= 100_000


def test_a_huge_text_is_kept_as_a_file_and_its_last_character_is_not_torn() -> None:
    body = "ж".encode() * 1_500_000
    mail = parse_mail(b"From: a@b.example\n\nx" + body, now_ms=0, ours=OURS)
    assert set(mail.full) == {"x", "ж"}
    assert [(one.filename, len(one.data)) for one in mail.attachments] == [("message.txt", 3_000_001)]


def test_thirty_megabytes_are_read_whole() -> None:
    content = bytes(range(256)) * 85_000
    raw = (
        b"From: a@b.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello\r\n"
        b"--b\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(content)
        + b"\r\n--b--\r\n"
    )
    mail = parse_mail(raw, now_ms=0, ours=OURS)
    assert mail.text == "hello"
    assert mail.attachments[0].data == content


def test_the_envelope_says_only_what_is_there() -> None:
    mail = parse_mail(b"From: a@b.example\n\nhello", now_ms=5, ours=OURS)
    envelope = to_envelope(mail, thread(mail, {}, OURS), Stored(), channel="mail", new_id="1")
    assert envelope.content == Text(text="hello")
    assert envelope.attributes == {"verified": "no"}
    assert not envelope.automatic
    assert (envelope.address, envelope.at, envelope.reply_to) == ("email:a@b.example", 5, None)
