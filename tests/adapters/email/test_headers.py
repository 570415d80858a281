"""Single fields and charsets, as broken as they come."""

import encodings
from binascii import b2a_base64, b2a_qp
from email.utils import getaddresses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.email.charsets import decode
from adapters.email.headers import MAX_FIELDS, MAX_HEADER_BYTES, Headers, decode_words, mailbox, read_headers
from adapters.email.mapping import NoSender, remembered, to_envelope
from adapters.email.parse import parse_mail
from adapters.email.wire import Known, Ours, ParsedMail, Stored, Threading

OURS = Ours(mailboxes=("support@shop.example",), key=b"k" * 32)


def mail(raw: bytes) -> ParsedMail:
    return parse_mail(raw, now_ms=7, ours=OURS)


@pytest.mark.parametrize(
    ("raw", "fields", "body"),
    [
        (b"A: 1\nB: 2\n\nx", ["1", "2"], b"x"),
        (b"A: 1\r\n\tmore\r\n\r\nx", ["1 \tmore", ""], b"x"),
        (b"From me Mon\nA: 1\n\nx", ["1", ""], b"x"),
        (b">From me Mon\nA: 1\n\nx", ["1", ""], b"x"),
        (b"A: 1\nno field here\nx", ["1", ""], b"no field here\nx"),
        (b" folded from nowhere\nA: 1\n\nx", ["1", ""], b"x"),
        (b"A : 1\n\nx", ["1", ""], b"x"),
        (b"\nA: 1", ["", ""], b"A: 1"),
        (b"A: 1", ["1", ""], b""),
        (b"", ["", ""], b""),
    ],
)
def test_fields_end_where_they_end(raw: bytes, fields: list[str], body: bytes) -> None:
    headers, start = read_headers(raw, 0, len(raw))
    assert [headers.first("a"), headers.first("b")] == fields
    assert raw[start:] == body


def test_a_header_that_never_ends_is_cut() -> None:
    many = b"A: 1\n" * (MAX_FIELDS + 50) + b"\nbody"
    headers, start = read_headers(many, 0, len(many))
    assert len(headers.raw("a")) == MAX_FIELDS + 1
    assert many[start:] == b"body"
    long = b"A: " + b"x" * MAX_HEADER_BYTES + b"\nB: 2\n\nbody"
    headers, start = read_headers(long, 0, len(long))
    assert (headers.first("b"), long[start:]) == ("", b"body")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
        ("=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c"),
        ("=?UTF-8*en?Q?a_b?=", "a b"),
        ("=?utf-8?b?a?=", "=?utf-8?b?a?="),
        ("=?x-none?q?=C3=BC?=", "ü"),
        ("=?utf-8?q?=FC?=", "ü"),
        ("=?broken", "=?broken"),
        ("a =?utf-8?x?b?= c", "a =?utf-8?x?b?= c"),
        ("=?idna?q?abc?=", "abc"),
    ],
)
def test_encoded_words_are_read_as_far_as_they_can_be(value: str, text: str) -> None:
    assert decode_words(value) == text


@pytest.mark.parametrize(
    ("spelt", "name", "address", "shown"),
    [
        ("Anna@B.example", "'Anna'", "anna@b.example", "Anna"),
        ("mailto:anna@b.example", "", "anna@b.example", ""),
        ("anna@b.example", "Anna \u202egro.live", "anna@b.example", "Anna gro.live"),
        ("anna@b.example", "boss@bank.example", "anna@b.example", ""),
        ("anna@bücher.example", "", "anna@xn--bcher-kva.example", ""),
        ('"a b"@b.example', "", '"a b"@b.example', ""),
    ],
)
def test_addresses_are_written_in_one_way(spelt: str, name: str, address: str, shown: str) -> None:
    box = mailbox(spelt, name)
    assert box is not None
    assert (box.address, box.name) == (address, shown)


@pytest.mark.parametrize(
    ("spelt", "exact"),
    [
        ("Anna@B.Example.", "Anna@b.example"),
        ("anna@stra\u00dfe.example", "anna@xn--strae-oqa.example"),
        ("anna@\uff42.example", "anna@b.example"),
        ("\u0417\u043e\u044f@b.example", "\u0417\u043e\u044f@b.example"),
    ],
)
def test_an_answer_goes_to_the_very_domain_of_the_address(spelt: str, exact: str) -> None:
    box = mailbox(spelt, "")
    assert box is not None
    assert box.spelt == exact


def test_a_name_that_shows_an_address_in_wide_letters_is_dropped() -> None:
    box = mailbox("x@evil.example", "boss\uff20bank.example")
    assert box is not None
    assert box.name == ""


@pytest.mark.parametrize("spelt", ["", "anna", "@b.example", "a@", "a b@c.example", "a@b@", "a@-b.example"])
def test_what_is_no_address_is_none(spelt: str) -> None:
    assert mailbox(spelt, "Anna") is None


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (b"From: (((((", None),
        (b"From: " + b"(" * 20_000, None),
        (b"From: undisclosed-recipients:;", None),
        (b"From: Anna <anna@b.example", "anna@b.example"),
        (b"From: Anna [anna@b.example]", "anna@b.example"),
        (b"From: ,,, <anna@b.example>,", "anna@b.example"),
        (b"From:\nSender: anna@b.example", "anna@b.example"),
    ],
)
def test_the_sender_is_found_or_there_is_none(field: bytes, expected: str | None) -> None:
    found = mail(field + b"\n\nx").sender
    assert (found.address if found else None) == expected


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("Thu, 1 Jan 1970 00:00:00 +0000", 0),
        ("Thu, 1 Jan 1970 00:00:00", 0),
        ("Wed, 31 Dec 1969 23:59:59 +0000", 7),
        ("Mon, 3 Nov 99999 10:00:00 +0000", 7),
        ("Mon, 99 Nov 2025 10:00:00 +0000", 7),
        ("Mon, 3 Nov 2025 10:00:00 +9999999", 7),
        ("", 7),
        ("\x00", 7),
    ],
)
def test_a_date_is_read_or_it_is_now(date: str, expected: int) -> None:
    assert mail(f"Date: {date}\n\nx".encode()).date == expected


@pytest.mark.parametrize(
    ("data", "declared", "text"),
    [
        ("Grüße".encode(), "utf-8", "Grüße"),
        ("Grüße".encode("latin-1"), "utf-8", "Grüße"),
        ("Grüße".encode("latin-1"), "us-ascii", "Grüße"),
        ("“x”".encode("cp1252"), "iso-8859-1", "“x”"),
        ("Где мой заказ".encode("cp1251"), "", "Где мой заказ"),
        ("Где мой заказ".encode("koi8-r"), "", "Где мой заказ"),
        ("Де моє замовлення".encode("cp1251"), "", "Де моє замовлення"),
        ("Zażółć gęślą jaźń".encode("cp1250"), "", "Zażółć gęślą jaźń"),
        ("x".encode("utf-16"), "utf-16", "x"),
        (b"abc", "rot13", "abc"),
        (b"abc", "base64", "abc"),
        (b"\\u0041", "unicode_escape", "\\u0041"),
        (b"abc", "\x00", "abc"),
        (b"+AOk-", "utf-7", "é"),
        (b"\x81\xff\x8d\x00", "utf-8", None),
    ],
)
def test_bytes_are_read_by_what_they_say_or_look_like(data: bytes, declared: str, text: str | None) -> None:
    found = decode(data, declared)
    assert found == text or text is None


def test_a_charset_that_nobody_knows_leaves_nothing_behind() -> None:
    before = dict(vars(encodings)["_cache"])
    assert decode(b"abc", "x-made-up-by-a-stranger") == "abc"
    assert vars(encodings)["_cache"] == before


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_character_that_was_cut_is_left_out(cut: int) -> None:
    assert decode("aж\U0001f600".encode()[: 3 + cut], "utf-8", cut=True) == "aж"


# --- what names a mail ---

READ_RECEIPT = b"report; report-type=disposition-notification; boundary=b"

HEADER = b"From: a@b.example\nDate: Mon, 3 Nov 2025 10:00:00 +0000\nSubject: x\n"


ID = b"Message-ID: <1@b>\n"
TEXT = "Dzień dobry, gdzie jest moja paczka?\nZoë\n".encode()
PLAIN = b"Content-Type: text/plain; charset=utf-8\n"
QUOTED = b"Content-Transfer-Encoding: quoted-printable\n"
FILE = b"Content-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64\n\n%s\n"


def with_file(file: bytes, kind: bytes = b"mixed; boundary=b") -> bytes:
    content = b"--b\n" + PLAIN + b"\n" + TEXT + b"--b\n" + FILE % file + b"--b--\n"
    return HEADER + ID + b"Content-Type: multipart/" + kind + b"\n\n" + content


@pytest.mark.parametrize(
    "other",
    [
        b"Received: by mx2\nDelivered-To: sales@shop.example\n" + HEADER + ID + PLAIN + b"\n" + TEXT,
        HEADER + ID + PLAIN + QUOTED + b"\n" + b2a_qp(TEXT),
        HEADER + ID + PLAIN + b"Content-Transfer-Encoding: base64\n\n" + b2a_base64(TEXT),
        (HEADER + ID + PLAIN + b"\n" + TEXT + b"\n").replace(b"\n", b"\r\n"),
        HEADER.replace(b"Date: Mon, ", b"Date: Mon,\n\t") + ID + PLAIN + b"\n" + TEXT,
    ],
    ids=["another mailbox", "quoted-printable", "base64", "line ends", "folded"],
)
def test_a_copy_that_came_another_way_is_the_same_mail(other: bytes) -> None:
    assert mail(HEADER + ID + PLAIN + b"\n" + TEXT).digest == mail(other).digest


FORGED = {
    "another text": HEADER + ID + PLAIN + b"\nI want my money back\n",
    "no text": HEADER + ID + PLAIN + b"\n",
    "a footer": HEADER + ID + PLAIN + b"\n" + TEXT + b"-- \nlist\n",
    "another charset": HEADER + ID + PLAIN.replace(b"utf-8", b"utf-16") + b"\n" + TEXT,
    "a file more": with_file(b"AAAA"),
    "an automatic one": HEADER + ID + b"Auto-Submitted: auto-replied\n" + PLAIN + b"\n" + TEXT,
    "another wish for answers": HEADER + ID + b"Reply-To: mallory@evil.example\n" + PLAIN + b"\n" + TEXT,
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED.keys())
def test_a_mail_that_bears_the_id_date_and_sender_of_another_is_not_that_one(forged: bytes) -> None:
    assert mail(HEADER + ID + PLAIN + b"\n" + TEXT).digest != mail(forged).digest


@pytest.mark.parametrize("forged", [with_file(b"AAAB"), with_file(b"AAAA", READ_RECEIPT)], ids=["a file", "a kind"])
def test_files_and_the_kind_of_a_mail_tell_it_from_a_forged_one(forged: bytes) -> None:
    assert mail(with_file(b"AAAA")).digest != mail(forged).digest


@pytest.mark.parametrize(
    "other",
    [
        HEADER + b"Message-ID: <2@b>\n\nx",
        HEADER.replace(b"10:00", b"10:01") + b"Message-ID: <1@b>\n\nx",
        HEADER.replace(b"a@b", b"c@b") + b"Message-ID: <1@b>\n\nx",
        HEADER.replace(b"Subject: x", b"Subject: y") + b"Message-ID: <1@b>\n\nx",
        HEADER + b"\nx",
    ],
)
def test_two_mails_under_one_id_are_two_mails(other: bytes) -> None:
    assert mail(HEADER + b"Message-ID: <1@b>\n\nx").digest != mail(other).digest


@pytest.mark.parametrize(
    "header",
    [
        HEADER,
        HEADER + b"Message-ID:\n",
        HEADER + b"Message-ID: <>\n",
        b"From: a@b.example\nMessage-ID: <1@b>\n",
        b"From: a@b.example\nDate: now\nMessage-ID: <1@b>\n",
    ],
)
def test_without_an_id_or_a_date_the_body_decides(header: bytes) -> None:
    assert mail(header + b"\nx").digest == mail(b"Received: x\n" + header + b"\nx").digest
    assert mail(header + b"\nx").digest != mail(header + b"\ny").digest


def test_what_is_remembered_of_a_mail_leads_to_its_sender() -> None:
    one = mail(HEADER + b"Message-ID: <1@b>\n\nx")
    assert remembered(one) == Known(address="email:a@b.example", id=one.digest)


def test_a_mail_of_nobody_is_on_nobodys_line() -> None:
    nobody = mail(b"Subject: x\n\nx")
    with pytest.raises(NoSender, match="names no sender"):
        to_envelope(nobody, Threading(), Stored(), channel="mail", new_id="1")
    with pytest.raises(NoSender):
        remembered(nobody)


# --- parts and names of files ---


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        (b"attachment; filename=a.pdf", "a.pdf"),
        (b'attachment; filename="C:\\\\x\\\\a.pdf"', "a.pdf"),
        (b"attachment; filename=../../a.pdf", "a.pdf"),
        (b"attachment; filename=..", ""),
        (b"attachment; filename*=utf-8''a%0Ab.pdf", "a b.pdf"),
        (b"attachment; filename*=nonsense''%FF.pdf", None),
        (b"attachment; filename*0=a; filename*1=b.pdf", "ab.pdf"),
        (b"attachment; filename=" + b"x" * 300 + b".pdf", "x" * 196 + ".pdf"),
        (b"attachment; filename=" + b"x" * 300, "x" * 200),
        (b"attachment", ""),
    ],
)
def test_a_file_keeps_its_name_and_loses_its_path(disposition: bytes, name: str | None) -> None:
    one = mail(b"Content-Type: application/pdf\nContent-Disposition: " + disposition + b"\n\nx")
    (file,) = one.attachments
    assert file.filename == name or name is None
    assert "/" not in file.filename


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b'x/y; a="1; 2" ; NAME = "n;\\"q\\".txt"; name=other', 'n;"q".txt'),
        (b'x/y; a="' + b"; " * 5_000 + b'"; name=n', "n"),
        (b"x/y; name=n; a=" + b'"' * 9_999 + b"\\", "n"),
        (b"x/y; name*0*=idna''a; name*1=b", "ab"),
        (b"x/y; name*=\xd1\x87.txt", "\u0447.txt"),
        (b"x/y; name*" + b"9" * 5_000 + b"=n", ""),
        (b";" * 9_999 + b"name=n", ""),
        (b"", ""),
    ],
)
def test_a_parameter_is_found_in_any_value(value: bytes, expected: str) -> None:
    assert Headers([("content-type", value)]).parameter("content-type", "name") == expected


_LIKE_AN_ADDRESS = st.from_regex(
    r'("[^"\\\r\n]{1,9}" |[A-Za-z0-9 .]{0,9})<?[a-z.+-]{1,5}@[a-z.-]{1,5}>?',
    fullmatch=True,
    alphabet=st.characters(codec="utf-8"),
)


@given(_LIKE_AN_ADDRESS | st.text(alphabet='ab" <>@.\\(),;:-+\t1é', max_size=20))
def test_an_address_is_read_as_the_library_reads_it(value: str) -> None:
    one_line = " ".join(value.splitlines()).strip()
    expected = [box for name, spelt in getaddresses([one_line]) if (box := mailbox(spelt, decode_words(name)))]
    found = Headers([("from", one_line.encode())]).mailboxes("from")
    assert list(found) == expected or not expected


def test_the_value_of_a_field_does_not_depend_on_what_was_asked_before() -> None:
    headers = Headers([("to", b" a@x.example"), ("cc", b" b@x.example"), ("to", b" c@x.example")])
    assert [box.address for box in headers.mailboxes("to")] == ["a@x.example", "c@x.example"]
    assert [box.address for box in headers.mailboxes("to", "cc")] == ["a@x.example", "c@x.example", "b@x.example"]
    assert headers.raw("to") == ["a@x.example", "c@x.example"]
    assert headers.raw("bcc") == []


def test_an_unknown_transfer_encoding_is_left_as_it_stands() -> None:
    one = mail(b"Content-Transfer-Encoding: x-uuencode\n\nbegin 644 a")
    assert one.text == "begin 644 a"
    assert one.defects == ("The transfer encoding 'x-uuencode' is not known: the part is left as it stands.",)


def test_only_alternatives_that_people_read_are_shown_or_kept() -> None:
    part = b"--b\nContent-Type: %s\n\n%s\n"
    body = part % (b"text/plain", b"x") + part % (b"text/x-amp-html", b"y") + part % (b"text/html", b"<p>z</p>")
    one = mail(b"Content-Type: multipart/alternative; boundary=b\n\n" + body + b"--b--")
    assert (one.text, one.html, one.attachments) == ("x", "<p>z</p>", ())


def test_a_digest_is_a_row_of_mails() -> None:
    one = mail(b"Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: in\n\nx\n--b--")
    assert [(file.type, file.filename) for file in one.attachments] == [("message/rfc822", "in.eml")]


def test_a_content_id_that_is_too_long_is_none() -> None:
    one = mail(b"Content-Type: image/png\nContent-ID: <" + b"x" * 300 + b">\n\nx")
    assert one.attachments[0].content_id == ""
