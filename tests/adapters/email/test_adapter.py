"""The channel as a whole, with a real Dovecot and an SMTP server that does what a test says."""

import asyncio
import email
import email.policy
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest

from adapters.email import Email
from adapters.email.intake import READ_AT_ONCE
from adapters.email.settings import (
    AcceptSettings,
    AfterSettings,
    EmailSettings,
    ImapSettings,
    MailLimits,
    OAuth2Settings,
    SmtpSettings,
)
from adapters.errors import BadCredentials, NotAccepted, NotReachable, OutcomeUnknown, Refused, TryLater
from adapters.testing import FakeContext
from config import Duration, Secret, Size
from normalizer.content import Media, Text
from normalizer.envelope import Envelope
from normalizer.outbound import Author, Outbound, ReceiptState
from tests.adapters.email.conftest import mail
from tests.fixtures.dovecot import PASSWORD, Dovecot, running_dovecot
from tests.fixtures.smtp import USER, Sink, always, cut
from tests.fixtures.tokens import TokenEndpoint

ADDRESS = "support@shop.example"
ZOE = "zoe@customer.example"


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    async with Sink() as sink:
        yield sink


def settings(dovecot: Dovecot, sink: Sink | None = None, **changes: object) -> EmailSettings:
    words: dict[str, object] = {
        "address": ADDRESS,
        "name": "The shop",
        "user": USER,
        "password": Secret(PASSWORD),
        "imap": ImapSettings(host="127.0.0.1", port=dovecot.port, tls="none", idle=Duration(300)),
        "smtp": SmtpSettings(host="127.0.0.1", port=sink.port if sink else 1, tls="none", data_timeout=Duration(5_000)),
    }
    return EmailSettings(**(words | changes))  # type: ignore[arg-type]  # words of a test


@asynccontextmanager
async def reading(adapter: Email) -> AsyncIterator[None]:
    """Run it as the program does: again and again."""

    async def run() -> None:
        while True:
            try:
                await adapter.run()
            except (NotReachable, NotAccepted):
                await asyncio.sleep(0.05)

    task = asyncio.create_task(run())
    try:
        while await adapter.context.memory.load(f"position.{USER}.INBOX") is None:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.02)
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(look: Callable[[], object], within: float = 30.0) -> None:
    end = time.monotonic() + within
    while not look():
        assert time.monotonic() < end, "not within the time"
        await asyncio.sleep(0.02)


@pytest.fixture
async def adapter(dovecot: Dovecot, sink: Sink, context: FakeContext) -> Email:
    context.time = int(time.time() * 1_000)
    return Email(settings(dovecot, sink), context)


def answer(
    envelope: Envelope, text: str = "We do.", *, number: int = 1, system: bool = False, **changes: object
) -> Outbound:
    words: dict[str, object] = {
        "id": f"c1-{number}",
        "conversation": "c1",
        "channel": "mail",
        "address": envelope.address,
        "at": envelope.at,
        "content": Text(text=text),
        "author": Author(kind="system") if system else Author(id="anna", name="Anna"),
        "reply_to": envelope.native_id,
        "channel_data": envelope.channel_data,
    }
    return Outbound(**(words | changes))  # type: ignore[arg-type]  # words of a test


@pytest.fixture
async def asked(dovecot: Dovecot, adapter: Email, context: FakeContext) -> Envelope:
    """A question that has come in."""
    async with reading(adapter):
        dovecot.deliver(mail(1))
        await until(lambda: context.accepted)
    return context.accepted[0]


# --- in ---


async def test_a_mail_becomes_an_envelope_and_is_marked_only_then(
    dovecot: Dovecot, adapter: Email, context: FakeContext
) -> None:
    context.failures.extend([NotAccepted("not_stored", "not now")] * 1_000)
    async with reading(adapter):
        dovecot.deliver(mail(1))
        await until(lambda: len(context.failures) < 999)
        assert not dovecot.files()[0].name.endswith("S")
        context.failures.clear()
        await until(lambda: context.accepted)
        await until(lambda: dovecot.files()[0].name.endswith("S"))
    [envelope] = context.accepted
    assert envelope.address == f"email:{ZOE}"
    assert isinstance(envelope.content, Text)
    assert (envelope.content.subject, envelope.content.text.strip()) == ("question 1", "hello 1")
    assert context.counts["taken"] == 1


async def test_the_same_mail_found_again_is_not_taken_again(
    dovecot: Dovecot, adapter: Email, context: FakeContext
) -> None:
    async with reading(adapter):
        dovecot.deliver(mail(1), mail(1))
        await until(lambda: context.counts["again"])
        dovecot.renumber()
        dovecot.deliver(mail(2))
        await until(lambda: context.counts["again"] == 3 and len(context.accepted) == 2)
    assert len({envelope.native_id for envelope in context.accepted}) == 2


async def test_a_forged_copy_that_comes_first_takes_nothing_from_the_true_mail(
    dovecot: Dovecot, adapter: Email, context: FakeContext
) -> None:
    true, forged = _with_file(b"%PDF the bill of Zoe"), _with_file(b"%PDF the bill of Mallory")
    answering = mail(2).replace(b"Message-ID", b"In-Reply-To: <m1@customer.example>\r\nMessage-ID")
    elsewhere = _with_file(b"", sender="mallory@evil.example")
    async with reading(adapter):
        dovecot.deliver(elsewhere, forged, true, true, answering)
        await until(lambda: len(context.accepted) == 4 and context.counts["again"])
    _, first, second, third = context.accepted
    assert [await _files_of(context, one) for one in (first, second)] == [
        [b"%PDF the bill of Mallory"],
        [b"%PDF the bill of Zoe"],
    ]
    assert first.native_id != second.native_id
    assert "the same Message-ID" in second.attributes["defects"]
    assert (third.reply_to, third.attributes.get("other_thread")) == (first.native_id, None)


async def _files_of(context: FakeContext, envelope: Envelope) -> list[bytes]:
    content = envelope.content
    assert isinstance(content, Text)
    return [b"".join([chunk async for chunk in context.media.read(one.file)]) for one in content.attachments]


def _with_file(file: bytes, sender: str = ZOE) -> bytes:
    message = email.message.EmailMessage(policy=email.policy.SMTP)
    message["From"], message["To"], message["Subject"] = sender, ADDRESS, "the bill"
    message["Message-ID"], message["Date"] = "<m1@customer.example>", "Mon, 02 Nov 2026 10:00:00 +0000"
    message.set_content("see below")
    message.add_attachment(file, "application", "pdf", filename="bill.pdf")
    message.set_boundary("b")
    return message.as_bytes()


async def test_large_and_small_mails_of_one_customer_keep_their_order(
    dovecot: Dovecot, adapter: Email, context: FakeContext
) -> None:
    async with reading(adapter):
        dovecot.fill(*(mail(number, size=(number % 3) * READ_AT_ONCE) for number in range(60)))
        await until(lambda: len(context.accepted) == 60)
    subjects = [one.content.subject for one in context.accepted if isinstance(one.content, Text)]
    assert subjects == [f"question {number}" for number in range(60)]


async def test_files_and_html_are_stored_and_sniffed(dovecot: Dovecot, adapter: Email, context: FakeContext) -> None:
    message = email.message.EmailMessage(policy=email.policy.SMTP)
    message["From"], message["To"], message["Subject"] = ZOE, ADDRESS, "a picture"
    message["Message-ID"] = "<pic@customer.example>"
    message.set_content("see below")
    message.add_alternative("<p>see <b>below</b><script>alert(1)</script></p>", subtype="html")
    message.add_attachment(b"\x89PNG\r\n\x1a\n" + bytes(40), "application", "octet-stream", filename="a.bin")
    async with reading(adapter):
        dovecot.deliver(message.as_bytes())
        await until(lambda: context.accepted)
    content = context.accepted[0].content
    assert isinstance(content, Text)
    assert [(file.type, file.filename) for file in content.attachments] == [("image/png", "a.bin")]
    assert content.html is not None
    stored = b"".join([chunk async for chunk in context.media.read(content.html)])
    assert b"<b>below</b>" in stored
    assert b"alert" not in stored


async def test_hostile_mail_stops_nothing(dovecot: Dovecot, adapter: Email, context: FakeContext) -> None:
    async with reading(adapter):
        dovecot.deliver(
            b"no header at all",
            b"Subject: nobody\r\n\r\nhello\r\n",
            b"From: zoe@customer.example\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nbroken\r\n",
            mail(7),
        )
        await until(lambda: any(_subject(envelope) == "question 7" for envelope in context.accepted))
    assert {letter.reason for letter in context.dead_letters} == {"no_sender"}
    assert len(context.dead_letters) == 2


def _subject(envelope: Envelope) -> str:
    return envelope.content.subject if isinstance(envelope.content, Text) else ""


async def test_a_mail_that_is_too_large_leaves_its_header(dovecot: Dovecot, sink: Sink, context: FakeContext) -> None:
    adapter = Email(settings(dovecot, sink, limits=MailLimits(size=Size(50_000))), context)
    async with reading(adapter):
        dovecot.deliver(mail(1, size=100_000), mail(2))
        await until(lambda: context.accepted)
    [letter] = context.dead_letters
    assert letter.reason == "too_large"
    assert b"Subject: question 1" in letter.payload
    assert len(letter.payload) < 5_000
    assert "bytes" in letter.detail


async def test_a_mail_of_thirty_megabytes_is_taken(dovecot: Dovecot, adapter: Email, context: FakeContext) -> None:
    message = email.message.EmailMessage(policy=email.policy.SMTP)
    message["From"], message["To"], message["Subject"] = ZOE, ADDRESS, "a film"
    message.set_content("see below")
    message.add_attachment(bytes(22_000_000), "video", "mp4", filename="film.mp4")
    raw = message.as_bytes()
    assert len(raw) > 29_000_000
    async with reading(adapter):
        await asyncio.to_thread(dovecot.deliver, raw)
        await until(lambda: context.accepted, within=50)
    content = context.accepted[0].content
    assert isinstance(content, Text)
    assert content.attachments[0].file.size == 22_000_000


async def test_only_mail_with_a_word_is_taken_but_every_answer_to_ours(
    dovecot: Dovecot, sink: Sink, context: FakeContext
) -> None:
    adapter = Email(settings(dovecot, sink, accept=AcceptSettings(words=["order"])), context)
    async with reading(adapter):
        dovecot.deliver(mail(1, "nothing of interest"), mail(2, "my order"))
        await until(lambda: context.accepted)
        first = context.accepted[0]
        assert _subject(first) == "question 2"
        sent = await adapter.send(answer(first))
        dovecot.deliver(_reply(sink, sent.native_id))
        await until(lambda: len(context.accepted) == 2)
        await until(lambda: sum(file.name.endswith("S") for file in dovecot.files()) == 2)
    assert context.counts["filtered"] == 1


async def test_our_own_mail_is_left_alone(dovecot: Dovecot, adapter: Email, context: FakeContext) -> None:
    async with reading(adapter):
        dovecot.deliver(mail(1, sender=ADDRESS), mail(2))
        await until(lambda: context.accepted)
    assert [_subject(envelope) for envelope in context.accepted] == ["question 2"]


async def test_taken_mail_is_moved_where_that_is_wished(dovecot: Dovecot, sink: Sink, context: FakeContext) -> None:
    dovecot.make("Done")
    adapter = Email(settings(dovecot, sink, after=AfterSettings(move_to="Done")), context)
    async with reading(adapter):
        dovecot.deliver(mail(1))
        await until(lambda: dovecot.files("Done"))
    assert dovecot.files() == []


# --- out, and back ---


async def test_an_answer_goes_out_and_the_reply_to_it_finds_back(
    dovecot: Dovecot, sink: Sink, adapter: Email, context: FakeContext, asked: Envelope
) -> None:
    sent = await adapter.send(answer(asked))
    [taken] = sink.taken
    assert taken.recipients == (ZOE,)
    message = email.message_from_bytes(taken.data, policy=email.policy.default)
    assert message["Message-ID"] == sent.native_id
    assert message["In-Reply-To"] == "<m1@customer.example>"
    assert message["Subject"] == "Re: question 1"
    async with reading(adapter):
        dovecot.deliver(_reply(sink, sent.native_id))
        await until(lambda: len(context.accepted) == 2)
    back = context.accepted[1]
    assert back.reply_to == "c1-1"
    assert back.attributes["thread"] == "c1"


def _reply(sink: Sink, native_id: str) -> bytes:
    return (
        f"From: {ZOE}\r\nTo: {ADDRESS}\r\nSubject: Re: question 1\r\n"
        f"Message-ID: <back{len(sink.taken)}@customer.example>\r\nIn-Reply-To: {native_id}\r\n\r\n"
        "Thank you.\r\n\r\n> We do.\r\n"
    ).encode()


async def test_every_attempt_is_the_same_mail(sink: Sink, adapter: Email, asked: Envelope) -> None:
    sink.after = always("451 4.7.1 greylisted")
    with pytest.raises(TryLater):
        await adapter.send(answer(asked))
    sink.after = cut
    with pytest.raises(OutcomeUnknown):
        await adapter.send(answer(asked))
    sink.after = always("250 OK")
    await adapter.send(answer(asked))
    await adapter.send(answer(asked))
    assert len({taken.data for taken in sink.taken}) == 1
    assert adapter.pace.patience >= 4 * 24 * 3_600_000


async def test_files_travel_with_an_answer(sink: Sink, adapter: Email, context: FakeContext, asked: Envelope) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"%PDF-1.7 the invoice"

    file = await context.media.put(chunks(), limit=1_000)
    media = Media(file=file, type="application/pdf", filename="invoice.pdf")
    await adapter.send(answer(asked, content=Text(text="see", attachments=(media,))))
    message = email.message_from_bytes(sink.taken[0].data, policy=email.policy.default)
    [attached] = message.iter_attachments()
    assert (attached.get_filename(), attached.get_content()) == ("invoice.pdf", b"%PDF-1.7 the invoice")


async def test_a_bounce_fails_the_message_it_is_about(
    dovecot: Dovecot, adapter: Email, context: FakeContext, asked: Envelope
) -> None:
    sent = await adapter.send(answer(asked))
    async with reading(adapter):
        dovecot.deliver(_bounce(sent.native_id), sender="")
        await until(lambda: context.receipts)
        await until(lambda: all(file.name.endswith("S") for file in dovecot.files()))
    [receipt] = context.receipts
    assert (receipt.outbound, receipt.state, receipt.code) == ("c1-1", ReceiptState.FAILED, "bounced")
    assert "5.1.1" in receipt.error
    assert len(context.accepted) == 1


def _bounce(message_id: str) -> bytes:
    return (
        "From: MAILER-DAEMON@mx.example\r\nTo: support@shop.example\r\nSubject: Undelivered\r\n"
        'MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nIt did not work.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n"
        "Final-Recipient: rfc822; zoe@customer.example\r\nAction: failed\r\nStatus: 5.1.1\r\n"
        f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: {message_id}\r\nSubject: x\r\n\r\n--b--\r\n"
    ).encode()


# --- caps ---


async def test_an_address_gets_one_automatic_mail_in_a_while(
    sink: Sink, adapter: Email, context: FakeContext, asked: Envelope
) -> None:
    await adapter.send(answer(asked, system=True))
    await adapter.send(answer(asked, system=True))  # the same one, tried again
    with pytest.raises(Refused) as raised:
        await adapter.send(answer(asked, number=2, system=True))
    assert raised.value.code == "automatic_too_often"
    await adapter.send(answer(asked, number=3))
    context.time += 12 * 3_600_000
    await adapter.send(answer(asked, number=4, system=True))
    assert len(sink.taken) == 4


async def test_a_loop_of_two_machines_ends(dovecot: Dovecot, sink: Sink, context: FakeContext, asked: Envelope) -> None:
    adapter = Email(settings(dovecot, sink, limits=MailLimits(mails_per_hour=3)), context)
    for number in range(3):
        await adapter.send(answer(asked, number=number))
        await adapter.send(answer(asked, number=number))  # an attempt is not another mail
    with pytest.raises(Refused) as raised:
        await adapter.send(answer(asked, number=4))
    assert raised.value.code == "too_many_mails"
    await adapter.send(answer(asked, number=5, conversation="c2", id="c2-1"))
    context.time += 3_600_001
    await adapter.send(answer(asked, number=6))


# --- find ---


async def test_a_mail_in_the_folder_of_sent_mail_was_sent(
    dovecot: Dovecot, sink: Sink, context: FakeContext, asked: Envelope
) -> None:
    dovecot.make("Sent")
    adapter = Email(settings(dovecot, sink, sent_folder="Sent"), context)
    sink.after = cut
    with pytest.raises(OutcomeUnknown):
        await adapter.send(answer(asked))
    with pytest.raises(OutcomeUnknown):
        await adapter.find(answer(asked))
    sink.after = always("250 OK")
    sent = await adapter.send(answer(asked))
    dovecot.append(sink.taken[0].data, time.time(), folder="Sent")
    assert await adapter.find(answer(asked)) == sent


async def test_without_such_a_folder_a_doubt_stays_one(adapter: Email, asked: Envelope) -> None:
    assert await adapter.find(answer(asked)) is None


# --- check ---


async def test_the_check_says_what_is_right(adapter: Email) -> None:
    findings = await adapter.check()
    assert all(finding.ok for finding in findings), findings
    said = " ".join(finding.what for finding in findings)
    for word in ("logged in", "INBOX", "IDLE", "SMTP", "33554432 bytes"):
        assert word in said


async def test_the_check_says_what_is_wrong_and_what_to_do(dovecot: Dovecot, context: FakeContext) -> None:
    broken = settings(dovecot, after=AfterSettings(move_to="Nowhere"))
    findings = [finding for finding in await Email(broken, context).check() if not finding.ok]
    assert ["Nowhere" in findings[0].what, "SMTP" in findings[1].what] == [True, True]
    assert all(finding.remedy for finding in findings)


async def test_a_folder_that_is_not_there_names_its_key(dovecot: Dovecot, sink: Sink, context: FakeContext) -> None:
    imap = ImapSettings(host="127.0.0.1", port=dovecot.port, tls="none", folder="Nowhere")
    adapter = Email(settings(dovecot, sink, imap=imap), context)
    [wrong] = [finding for finding in await adapter.check() if not finding.ok]
    assert "Nowhere" in wrong.what
    assert "imap.folder" in wrong.remedy
    with pytest.raises(NotReachable, match=r"imap\.folder"):
        await adapter.run()


async def test_wrong_passwords_are_told_with_a_remedy_and_never_shown(
    dovecot: Dovecot, sink: Sink, context: FakeContext, asked: Envelope
) -> None:
    wrong = Email(settings(dovecot, sink, password=Secret("guess-my-secret")), context)
    for attempt in (wrong.check, wrong.run, lambda: wrong.send(answer(asked))):
        with pytest.raises(BadCredentials) as raised:
            await attempt()
        assert "password" in raised.value.message
        assert "guess-my-secret" not in raised.value.message
    assert "guess-my-secret" not in repr(context.logged)
    assert wrong.secrets() == ["guess-my-secret"]


async def test_nobody_there_is_not_reachable(dovecot: Dovecot, context: FakeContext, unused_tcp_port: int) -> None:
    imap = ImapSettings(host="127.0.0.1", port=unused_tcp_port, tls="none")
    lost = Email(settings(dovecot, imap=imap), context)
    for attempt in (lost.check, lost.run):
        with pytest.raises(NotReachable):
            await attempt()


async def test_it_declares_what_it_is(adapter: Email) -> None:
    assert msgspec.json.encode(adapter.capabilities)
    assert adapter.single_reader
    assert adapter.pace.call_timeout > 60_000
    await adapter.close()


# --- tokens ---


async def test_tokens_open_the_mailbox_and_an_ended_one_is_renewed(context: FakeContext) -> None:
    async with TokenEndpoint() as endpoint:
        with running_dovecot(token_info=f"{endpoint.url}/tokeninfo?access_token=") as dovecot:
            oauth2 = OAuth2Settings(
                token_url=f"{endpoint.url}/token", client_id="app", refresh_token=Secret("refresh-secret")
            )
            adapter = Email(settings(dovecot, password=None, oauth2=oauth2), context)
            async with reading(adapter):
                await asyncio.to_thread(dovecot.deliver, mail(1))
                await until(lambda: len(context.accepted) == 1)
                endpoint.good.clear()
                context.time += 3_600_000
                dovecot.cut()
                await asyncio.to_thread(dovecot.deliver, mail(2))
                await until(lambda: len(context.accepted) == 2)
            assert len(endpoint.forms) == 2
            endpoint.good.clear()  # revoked before its time
            with pytest.raises(BadCredentials):
                await adapter.run()
            async with reading(adapter):
                await asyncio.to_thread(dovecot.deliver, mail(3))
                await until(lambda: len(context.accepted) == 3)
            assert "refresh-secret" not in repr(context.logged)
