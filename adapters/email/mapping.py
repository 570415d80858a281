"""A mail in our own words: the envelope. Pure; the files are stored by the caller."""

import msgspec
from msgspec.structs import replace

from adapters.email.automatic import WEAK
from adapters.email.threads import REASONS
from adapters.email.wire import Attachment, ChannelData, Known, ParsedMail, Stored, Threading
from normalizer.content import Media, StoredFile, Text
from normalizer.envelope import Envelope, Sender
from normalizer.plain import clean_line

TYPE = "email"
MAX_CHANNEL_DATA = 7_500
"""Bytes, below the 8 KB that are allowed."""

MAX_REFERENCES = 20
MAX_ATTRIBUTE = 1_000


class NoSender(ValueError):
    """The mail says nowhere who wrote it, so it is on nobody's line; the message is for the dead letters."""


def to_envelope(mail: ParsedMail, threading: Threading, stored: Stored, *, channel: str, new_id: str) -> Envelope:
    """Give the envelope of a mail. Raises NoSender."""
    if mail.sender is None:
        raise NoSender("the mail names no sender: there is no address in From")
    return Envelope(
        id=new_id,
        at=mail.date,
        channel=channel,
        type=TYPE,
        native_id=mail.digest,
        address=f"email:{mail.sender.address}",
        content=Text(
            text=mail.text,
            full="" if mail.full == mail.text else mail.full,
            subject=mail.subject,
            attachments=_media(mail.attachments, stored),
            html=stored.html,
        ),
        sender=Sender(name=mail.sender.name),
        reply_to=threading.answers if threading.answers and not threading.foreign else None,
        automatic=is_automatic(mail, threading),
        attributes=_attributes(mail, threading),
        channel_data=msgspec.Raw(_fitted(_channel_data(mail))),
    )


def is_automatic(mail: ParsedMail, threading: Threading) -> bool:
    """Whether a machine wrote it; weak signs count for nothing in an answer to a message of ours."""
    answers = threading.signal is not None and not threading.foreign
    return bool(mail.automatic) and not (answers and mail.automatic in WEAK)


def remembered(mail: ParsedMail) -> Known:
    """Give what to remember under the mail's Message-ID, for the answers of those who got a copy. Raises NoSender."""
    if mail.sender is None:
        raise NoSender("the mail names no sender: there is no address in From")
    return Known(address=f"email:{mail.sender.address}", id=mail.digest)


def _media(attachments: tuple[Attachment, ...], stored: Stored) -> tuple[Media, ...]:
    types = stored.types or tuple(one.type for one in attachments)
    return tuple(
        _file(attachment, file, type_)
        for attachment, file, type_ in zip(attachments, stored.attachments, types, strict=True)
        if file is not None
    )


def _file(attachment: Attachment, file: StoredFile, type_: str) -> Media:
    return Media(file=file, type=type_, filename=attachment.filename, inline=attachment.content_id)


def _attributes(mail: ParsedMail, threading: Threading) -> dict[str, str]:
    """Give what rules and the operator may want to know; empty ones are left out."""
    found = {
        "mailbox": mail.mailbox,
        "verified": "yes" if mail.verified else "no",
        "automatic": mail.automatic,
        "reply_to": mail.reply_wish.address if mail.reply_wish and not mail.reply_to else "",
        "copies": ", ".join(box.address for box in mail.recipients if box.address != mail.mailbox),
        "defects": " ".join(mail.defects),
        **_thread_attributes(threading),
    }
    return {name: clean_line(value, MAX_ATTRIBUTE) for name, value in found.items() if value}


def _thread_attributes(threading: Threading) -> dict[str, str]:
    if threading.signal is None:
        return {}
    why = REASONS[threading.signal]
    if threading.foreign:
        return {"other_thread": threading.thread, "other_thread_reason": f"{why}, but that went to somebody else"}
    return {"thread": threading.thread, "thread_reason": why}


def _channel_data(mail: ParsedMail) -> ChannelData:
    assert mail.sender is not None  # noqa: S101  # to_envelope looks at it; mypy cannot see that
    before = mail.references or mail.in_reply_to[:1]
    return ChannelData(
        to=(mail.reply_to or mail.sender).spelt,
        message_id=mail.message_id,
        references=before if len(before) < MAX_REFERENCES else (before[0], *before[2 - MAX_REFERENCES :]),
        subject=mail.subject,
        mailbox=mail.mailbox,
    )


def _fitted(data: ChannelData) -> bytes:
    """Encode within the limit: the second id goes first (RFC 5322 wants the first and the last), then the subject."""
    encoded = msgspec.json.encode(data)
    while len(encoded) > MAX_CHANNEL_DATA:
        shorter = (data.references[0], *data.references[2:]) if len(data.references) > 1 else ()
        subject = data.subject if data.references else data.subject[: len(data.subject) // 2]
        data = replace(data, references=shorter, subject=subject)
        encoded = msgspec.json.encode(data)
    return encoded
