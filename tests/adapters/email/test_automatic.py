"""Machines, lists, ourselves; whom a mail is from and who vouches for it; bounces; words."""

import pytest

from adapters.email import tokens
from adapters.email.automatic import LOOP_HEADER
from adapters.email.bounces import to_receipt
from adapters.email.filters import filter_mail
from adapters.email.mapping import to_envelope
from adapters.email.parse import parse_mail
from adapters.email.threads import thread
from adapters.email.wire import Bounce, Known, Ours, ParsedMail, Stored
from normalizer.outbound import Receipt, ReceiptState

OURS = Ours(
    mailboxes=("support@shop.example",),
    key=b"k" * 32,
    authserv=frozenset({"mx.shop.example", "protection.outlook.com"}),
)
NOW = 1_762_160_400_000


def mail(*header: str, sender: str = "Anna <anna@b.example>", text: str = "Hello") -> ParsedMail:
    raw = "\n".join((f"From: {sender}", *header, "", text)).encode()
    return parse_mail(raw, now_ms=NOW, ours=OURS)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("Auto-Submitted: auto-generated", "auto_submitted"),
        ("Auto-Submitted: AUTO-REPLIED; owner-email=a@b", "auto_submitted"),
        ("Auto-Submitted: No", ""),
        ("Auto-Submitted: no (a person)", ""),
        ("Return-Path: <>", "null_return_path"),
        ("Return-Path: < >", "null_return_path"),
        ("Return-Path: <anna@b.example>", ""),
        ("X-Autoreply: yes", "autoresponder"),
        ("X-Autorespond: vacation", "autoresponder"),
        ("Precedence: bulk", "bulk"),
        ("Precedence: Auto_Reply", "bulk"),
        ("Precedence: list", "mailing_list"),
        ("Precedence: first-class", ""),
        ("List-Id: News <news.list.example>", "mailing_list"),
        ("List-Unsubscribe: <mailto:u@list.example>", "mailing_list"),
        ("List-Id: Team <support.shop.example>", ""),
        ("List-Unsubscribe: <https://x>\nList-Post: <mailto:support@shop.example>", ""),
        ("X-Auto-Response-Suppress: DR, OOF", "response_suppressed"),
        ("X-Auto-Response-Suppress: RN", ""),
        ("Content-Type: multipart/report; report-type=feedback-report; boundary=x", "report"),
        ("Subject: Automatic reply: Order", "absence_subject"),
        ("Subject: =?utf-8?q?Automatische_Antwort:_Auftrag?=", "absence_subject"),
        ("Subject: Автоматична відповідь: Замовлення", "absence_subject"),
        ("Subject: Automatyczna odpowiedź: Zamówienie", "absence_subject"),
        ("Subject: Re: Automatic reply: Order", ""),
        (f"{LOOP_HEADER}: {tokens.loop_mark(OURS)}", "own_loop"),
        (f"{LOOP_HEADER}: of-another-workspace", ""),
    ],
)
def test_machines_are_told_by_what_they_say(header: str, reason: str) -> None:
    assert mail(header).automatic == reason


@pytest.mark.parametrize(
    ("sender", "reason"),
    [
        ("MAILER-DAEMON@b.example", "machine_sender"),
        ("Postmaster@b.example", "machine_sender"),
        ("no-reply@b.example", "machine_sender"),
        ("noreply+5@b.example", "machine_sender"),
        ("do_not_reply@b.example", "machine_sender"),
        ("bounces-17@b.example", "machine_sender"),
        ("norbert@b.example", ""),
        ("support@shop.example", "own_address"),
        ("Support+x@SHOP.example", "own_address"),
    ],
)
def test_machines_are_told_by_their_address(sender: str, reason: str) -> None:
    assert mail(sender=sender).automatic == reason


# --- who it is from ---


@pytest.mark.parametrize(
    ("results", "verified"),
    [
        (["mx.shop.example; dmarc=pass header.from=b.example"], True),
        (["mx.shop.example 1; spf=pass; dmarc = PASS (p=reject) header.from=B.EXAMPLE; dkim=pass"], True),
        (["spf=pass (sender IP) smtp.mailfrom=b.example; dmarc=pass action=none header.from=b.example"], True),
        (["mx.shop.example; dmarc=pass header.from=example"], True),
        (["mx.shop.example; dmarc=fail header.from=b.example"], False),
        (["mx.shop.example; dmarc=pass header.from=other.example"], False),
        (["mx.shop.example; dmarc=pass header.from=xb.example"], False),
        (["mx.shop.example; dmarc=pass"], False),
        (["mx.shop.example; spf=pass; dkim=pass header.d=b.example"], False),
        (["mx.shop.example; none (dmarc=pass header.from=b.example)"], False),
        (["mx.evil.example; dmarc=pass header.from=b.example"], False),
        (["mx.shop.example; dmarc=fail", "mx.shop.example; dmarc=pass header.from=b.example"], False),
        (["x.example; dmarc=fail", "mx.shop.example; dmarc=pass header.from=b.example"], True),
        (['mx.shop.example; dkim=fail reason="bad key" header.b="a/b="; dmarc=pass header.from="b.example"'], True),
        (['mx.shop.example; spf=pass smtp.mailfrom="; dmarc=pass header.from=b.example "@evil.example'], False),
        (['mx.shop.example; spf=pass (of "a) ; dmarc=pass header.from=b.example; (b"@evil.example)'], False),
        (['mx.shop.example; spf=pass smtp.mailfrom="\\"; dmarc=pass header.from=b.example; x="@evil.example'], False),
        (["mx.shop.example; spf=pass smtp.mailfrom=dmarc=pass@evil.example header.from=b.example"], False),
        (["mx.shop.example; dmarc=pass header.from=b.example; dmarc=fail header.from=b.example"], False),
        (['mx.shop.example; x=";"', "mx.shop.example; dmarc=pass header.from=b.example"], False),
        ([], False),
    ],
)
def test_only_our_own_server_is_believed(results: list[str], verified: bool) -> None:  # noqa: FBT001  # table
    one = mail(*(f"Authentication-Results: {result}" for result in results))
    assert one.verified is verified
    envelope = to_envelope(one, thread(one, {}, OURS), Stored(), channel="mail", new_id="1")
    assert envelope.attributes["verified"] == ("yes" if verified else "no")


def test_nobody_is_believed_where_no_server_is_named() -> None:
    raw = b"From: a@b.example\nAuthentication-Results: mx.shop.example; dmarc=pass header.from=b.example\n\nx"
    assert not parse_mail(raw, now_ms=0, ours=Ours(mailboxes=(), key=b"k")).verified


def test_two_authors_are_not_verified() -> None:
    vouched = "Authentication-Results: mx.shop.example; dmarc=pass header.from=b.example"
    assert not mail(vouched, sender="a@b.example, c@d.example").verified


VERIFIED = "Authentication-Results: mx.shop.example; dmarc=pass header.from=b.example"


@pytest.mark.parametrize(
    ("header", "answers_go_to"),
    [
        ((VERIFIED, "Reply-To: tickets@other.example"), "tickets@other.example"),
        (("Reply-To: tickets@other.example",), "anna@b.example"),
        (("Reply-To: evil@b.example",), "anna@b.example"),
        (("Reply-To: Anna+ticket5@b.example",), "Anna+ticket5@b.example"),
        ((VERIFIED, "Reply-To: support@shop.example"), "anna@b.example"),
        (("Reply-To: anna@b.example",), "anna@b.example"),
    ],
)
def test_answers_go_elsewhere_only_where_the_author_surely_wants_it(
    header: tuple[str, ...], answers_go_to: str
) -> None:
    one = mail(*header)
    assert one.sender is not None
    assert one.sender.address == "anna@b.example"
    assert (one.reply_to or one.sender).spelt == answers_go_to


def test_a_reply_to_that_is_not_heeded_is_shown() -> None:
    one = mail("Reply-To: evil@other.example")
    envelope = to_envelope(one, thread(one, {}, OURS), Stored(), channel="mail", new_id="1")
    assert envelope.attributes["reply_to"] == "evil@other.example"


def test_a_form_on_our_own_site_speaks_for_its_visitor_who_is_not_verified() -> None:
    one = mail(
        "Authentication-Results: mx.shop.example; dmarc=pass header.from=shop.example",
        "Reply-To: Anna <Anna@b.example>",
        sender="Website <support@shop.example>",
    )
    assert one.sender is not None
    assert (one.sender.address, one.sender.name, one.automatic, one.verified) == ("anna@b.example", "Anna", "", False)


# --- bounces ---

TOKEN = tokens.issue("c48-7", "anna@b.example", NOW, OURS)
FAILED = Receipt(
    outbound="c48-7",
    state=ReceiptState.FAILED,
    at=NOW,
    code="bounced",
    error="The mail could not be delivered to anna@b.example (5.1.1): no such user",
)


@pytest.mark.parametrize(
    ("names", "known"),
    [
        ({"message_id": f"<{TOKEN}@shop.example>"}, None),
        ({"token": TOKEN}, None),
        ({"message_id": "<x@relay>"}, Known(address="email:a@b", id="c48-7", conversation="c48")),
    ],
)
def test_a_bounce_names_the_message_that_failed(names: dict[str, str], known: Known | None) -> None:
    bounce = Bounce(action="failed", recipient="anna@b.example", status="5.1.1", reason="no such user", **names)  # type: ignore[arg-type]  # strings all
    assert to_receipt(bounce, known, OURS, now_ms=NOW) == FAILED


def attached(content_type: str, sender: str) -> ParsedMail:
    status = "--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\nAction: failed\n"
    copy = f"--b\nContent-Type: message/rfc822\n\nMessage-ID: <{TOKEN}@shop.example>\n\nx\n--b--"
    return mail(
        f"Content-Type: {content_type}; boundary=b", sender=sender, text=f"--b\n\nWhat is this?\n{status}{copy}"
    )


def test_a_person_who_shows_us_a_report_is_a_person() -> None:
    assert attached("multipart/mixed", "anna@b.example").bounce is None
    assert attached("multipart/mixed", "mailer-daemon@b.example").bounce is not None
    assert attached("multipart/report; report-type=delivery-status", "mx@b.example").bounce is not None


def test_only_a_report_is_a_read_receipt() -> None:
    receipt = "report-type=disposition-notification; boundary=b"
    assert mail(f"Content-Type: multipart/report; {receipt}", text="--b\n\nread\n--b--").receipt
    assert not mail(f"Content-Type: multipart/mixed; {receipt}", text="--b\n\nHello\n--b--").receipt


@pytest.mark.parametrize(
    ("bounce", "known"),
    [
        (Bounce(action="delayed", token=TOKEN), None),
        (Bounce(action="delivered", token=TOKEN), None),
        (Bounce(action="relayed", token=TOKEN), None),
        (Bounce(action="failed", message_id="<x@y>"), None),
        (Bounce(action="failed", message_id="<x@y>"), Known(address="email:a@b", id="theirs")),
        (Bounce(action="failed", token=TOKEN[:-1] + "a"), None),
    ],
)
def test_what_is_not_final_or_not_ours_is_no_news(bounce: Bounce, known: Known | None) -> None:
    assert to_receipt(bounce, known, OURS, now_ms=NOW) is None


def test_the_token_in_the_address_of_a_bounce_is_found() -> None:
    header = (f"To: support+{TOKEN}@shop.example", "Subject: Undelivered Mail", "Return-Path: <>")
    bounce = mail(*header, sender="MAILER-DAEMON@b.example", text="<anna@b.example>: (#5.1.1) no").bounce
    assert bounce is not None
    assert (bounce.token, bounce.recipient, bounce.status) == (TOKEN, "anna@b.example", "5.1.1")


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("We will keep trying for 3 days.", "delayed"),
        ("450 4.2.2 mailbox full", "delayed"),
        ("550 no such user", "failed"),
        ("It failed for good.", "failed"),
    ],
)
def test_a_report_for_people_is_read_for_what_it_says(text: str, action: str) -> None:
    bounce = mail("Subject: Delivery Status Notification", sender="postmaster@b.example", text=text).bounce
    assert bounce is not None
    assert bounce.action == action


def report(fields: str) -> Bounce | None:
    header = ("Content-Type: multipart/report; report-type=delivery-status; boundary=b",)
    text = f"--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n{fields}\n--b--"
    return mail(*header, sender="postmaster@b.example", text=text).bounce


@pytest.mark.parametrize(
    ("fields", "action", "recipient"),
    [
        (
            "Final-Recipient: rfc822; a@b\nAction: delivered\n\nFinal-Recipient: rfc822; c@d\nAction: failed",
            "failed",
            "c@d",
        ),
        ("Final-Recipient: rfc822; a@b\nAction: relayed\nStatus: 2.0.0", "relayed", "a@b"),
        ("Final-Recipient: rfc822; a@b\nAction: Failed (bad)\nStatus: 5.0.0", "failed", "a@b"),
        ("Original-Recipient: rfc822; a@b\nStatus: 4.4.7", "delayed", "a@b"),
    ],
)
def test_the_worst_of_a_report_counts(fields: str, action: str, recipient: str) -> None:
    bounce = report(fields)
    assert bounce is not None
    assert (bounce.action, bounce.recipient) == (action, recipient)


# --- words ---


@pytest.mark.parametrize(
    ("words", "taken", "why"),
    [
        ([], True, "every mail is taken"),
        (["ORDER"], True, "its text holds 'ORDER'"),
        (["rder"], False, "neither subject nor text nor sender holds one of 'rder'"),
        (["nothing", "b.example"], True, "its sender holds 'b.example'"),
        (["@b.example"], True, "its sender holds '@b.example'"),
        (["hilfe"], True, "its subject holds 'hilfe'"),
        ([" "], False, "neither subject nor text nor sender holds one of ' '"),
        (["secret"], False, "neither subject nor text nor sender holds one of 'secret'"),
    ],
)
def test_words_decide_which_mail_is_taken(words: list[str], taken: bool, why: str) -> None:  # noqa: FBT001  # table
    one = mail("Subject: HILFE", text="my orders?\n\nOn 3.11.2025 10:00 X <a@b.c> wrote:\n> secret")
    verdict = filter_mail(one, words)
    assert (verdict.taken, verdict.why) == (taken, why)


def test_an_answer_is_taken_whatever_it_says() -> None:
    assert filter_mail(mail(), ["order"], answers=True).taken


def test_words_of_any_script_are_found_whatever_their_case() -> None:
    assert filter_mail(mail(text="Где ЗАКАЗЫ?"), ["заказ"]).taken
    assert filter_mail(mail(text="STRASSE"), ["straße"]).taken
