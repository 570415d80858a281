"""A mail from bytes, whatever the bytes are: nothing raises, and what is broken or left out is noted."""

import hashlib

from adapters.email.addresses import our_mailbox
from adapters.email.automatic import automatic_reason
from adapters.email.bodies import read_content
from adapters.email.bounces import find_bounce, is_read_receipt
from adapters.email.headers import Headers
from adapters.email.mime import Part, Reader
from adapters.email.quotes import trim
from adapters.email.subjects import is_forward
from adapters.email.trust import author_and_sender, honoured, is_verified, reply_wish
from adapters.email.wire import Limits, Ours, ParsedMail

_DELIVERED_TO = ("delivered-to", "x-original-to", "x-envelope-to", "envelope-to", "x-delivered-to", "x-forwarded-to")
_DIGEST = 32


def parse_mail(raw: bytes, *, now_ms: int, ours: Ours, limits: Limits = Limits()) -> ParsedMail:  # noqa: B008  # frozen
    """Read a mail as well as it can be read; never raises.

    Takes about a second for 30 MB of files, and up to a few for a megabyte of HTML: keep big mails off the event loop.
    """
    reader = Reader(raw[: limits.size], limits)
    if len(raw) > limits.size:
        reader.note(f"The mail has {len(raw):,} bytes; only the first {limits.size:,} were read.")
    root = reader.read(0, len(reader.data))
    headers = root.headers
    content = read_content(root, reader, limits)
    author, sender = author_and_sender(headers, ours)
    wish = reply_wish(headers, sender)
    verified = sender is author and is_verified(headers, author, ours)
    subject = headers.text("subject")
    recipients = headers.mailboxes("to", "cc")
    delivered = tuple(dict.fromkeys(box.address for box in headers.mailboxes(*_DELIVERED_TO)))
    reached = (*delivered, *(box.address for box in recipients))
    written = headers.date
    ids = headers.ids("message-id")
    return ParsedMail(
        message_id=next(iter(ids), ""),
        in_reply_to=headers.ids("in-reply-to"),
        references=headers.ids("references"),
        sender=sender,
        reply_to=honoured(wish, sender, ours, verified=verified),
        reply_wish=wish,
        recipients=recipients,
        delivered_to=delivered,
        mailbox=our_mailbox(reached, ours),
        subject=subject,
        date=now_ms if written is None else min(written, now_ms),
        text=trim(content.text, forwarded=is_forward(subject)),
        full=content.text,
        html=content.html,
        attachments=content.attachments,
        automatic=automatic_reason(headers, sender, author, ours),
        bounce=find_bounce(root, reader, content.text, reached, ours),
        receipt=is_read_receipt(headers),
        verified=verified,
        size=len(raw),
        digest=_digest(root, reader, headers),
        defects=tuple(reader.defects),
    )


def _digest(root: Part, reader: Reader, headers: Headers) -> str:
    """Name the mail by what no server on the way changes, so that it is the same in every mailbox and after a re-scan.

    The Message-ID alone will not do: some devices send all their mails under one. Without an id, or without a date
    that tells such mails apart, the body decides.
    """
    ids = headers.ids("message-id")
    said = "\n".join((*ids[:1], headers.first("from"), headers.first("date"), headers.first("subject")))
    digest = hashlib.sha256(said.encode("utf-8", "replace"))
    if not ids or headers.date is None:
        digest.update(memoryview(reader.data)[root.start : root.end])
    return digest.hexdigest()[:_DIGEST]
