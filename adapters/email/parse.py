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
_LINES = ("text/", "message/", "multipart/")
"""Parts of lines, whose ends and last blanks change on the way."""


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
    message_id = next(iter(headers.ids("message-id")), "")
    automatic = automatic_reason(headers, sender, author, ours)
    return ParsedMail(
        message_id=message_id,
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
        automatic=automatic,
        bounce=find_bounce(root, reader, content.text, reached, ours),
        receipt=is_read_receipt(headers),
        verified=verified,
        size=len(raw),
        digest=_digest(root, reader, message_id, wish.address if wish else "", automatic),
        defects=tuple(reader.defects),
    )


def _digest(root: Part, reader: Reader, *found: str) -> str:
    """Name the mail by all that makes it what it is here, and by nothing that servers on the way change.

    So it has the same name in every mailbox and after a re-scan, however its parts are encoded and its lines are
    folded. And no other mail has it: whoever knows the id, date and sender of a mail could else send one of their own,
    and the true one would be taken for its copy.
    """
    said = [*found, *(_unfolded(root.headers, name) for name in ("from", "date", "subject"))]
    digest = hashlib.sha256("\n".join(said).encode("utf-8", "replace"))
    for part in root.walk():
        kind = "\n".join(_unfolded(part.headers, name) for name in ("content-type", "content-disposition"))
        content = b"" if part.parts else reader.content(part)
        if part.type.startswith(_LINES):
            content = content.translate(None, b" \t\r\n")
        digest.update(f"\n{kind}\n{len(content)}\n".encode("utf-8", "replace"))
        digest.update(content)
    return digest.hexdigest()[:_DIGEST]


def _unfolded(headers: Headers, name: str) -> str:
    return " ".join(headers.first(name).split())
