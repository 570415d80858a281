"""An answer as a mail: the same bytes on every try, threaded for any mail program, with nothing of ours injected.

The standard library builds the body. The header is written here, since it folds long ids into encoded words
(``In-Reply-To: =?utf-8?q?=3C...``), which no program understands as ids.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email import policy
from email.header import Header
from email.message import EmailMessage
from email.utils import format_datetime

import msgspec
from msgspec import Struct

from adapters.email import subjects, tokens
from adapters.email.addresses import with_tag
from adapters.email.automatic import LOOP_HEADER
from adapters.email.layout import marker_line, signature_text, to_html
from adapters.email.wire import ChannelData, Composed, Ours, Writer
from adapters.errors import Refused
from normalizer.content import Media, Text
from normalizer.outbound import Outbound
from normalizer.plain import clean_line, clean_text

MAX_REFERENCES = 20
MAX_SUBJECT = 250
MAX_NAME = 120
MAX_FILENAME = 200
LINE = 76
"""Characters, of 998 that are allowed (RFC 5322 section 2.1.1): what encoded words keep to (RFC 2047 section 2)."""

_TYPE = re.compile(r"([a-z0-9][a-z0-9!#$&^_.+-]{0,62})/([a-z0-9][a-z0-9!#$&^_.+-]{0,62})")
_STRUCTURED = frozenset({"message", "multipart"})
"""May not be encoded in base64 (RFC 2046 section 5.2.1), so they travel as plain files."""

_MESSAGE_ID = re.compile(r"<[!-;=?-~]+>")
_SPELT = re.compile(r"[^\s<>(),;:\"]+@[^\s<>(),;:\"@]+|\"[^\"\\\x00-\x1f\x7f]*\"@[^\s<>(),;:\"@]+")


class _Letter(Struct, frozen=True):
    """What all parts of composing need."""

    outbound: Outbound
    ours: Ours
    writer: Writer
    data: ChannelData
    token: str
    mailbox: str
    recipient: str

    @property
    def tagged(self) -> str:
        """Where answers and bounces go: our mailbox, with the token where the server can take it."""
        return with_tag(self.mailbox, self.token) if self.writer.plus else self.mailbox

    @property
    def by_system(self) -> bool:
        """Whether no operator wrote it."""
        return self.outbound.author.kind == "system"


def compose(outbound: Outbound, files: Mapping[str, bytes], ours: Ours, writer: Writer) -> Composed:
    """Give the mail for a rendered message. ``files`` holds the bytes of its attachments by ``StoredFile.name``.

    Raises:
        Refused: its content is neither text nor files, or its address cannot stand in a mail.
    """
    text, attachments = _content(outbound)
    letter = _letter(outbound, ours, writer)
    message_id = message_id_of(outbound, ours, writer)
    body = _body(letter, text, attachments, files)
    fields = _fields(letter, text, message_id)
    header = "".join(f"{name}: {value}\r\n" for name, value in fields if value)
    return Composed(
        message_id=message_id,
        return_path="" if letter.by_system else letter.tagged,
        recipient=letter.recipient,
        data=header.encode() + body.as_bytes(),
        utf8=not (letter.recipient + letter.mailbox).isascii(),
    )


def message_id_of(outbound: Outbound, ours: Ours, writer: Writer) -> str:
    """Give the Message-ID of an outbound message: the same on every try, known as ours without any table."""
    token = tokens.issue(outbound.id, _address(outbound), outbound.at, ours)
    return f"<{token}@{writer.address.rpartition('@')[2]}>"


def channel_data(outbound: Outbound) -> ChannelData:
    """Read what the customer's last mail left; an address they have not written from yet stands for itself."""
    try:
        found = msgspec.json.decode(bytes(outbound.channel_data), type=ChannelData | None)
    except msgspec.MsgspecError:
        found = None
    return found or ChannelData(to=_address(outbound))


def _letter(outbound: Outbound, ours: Ours, writer: Writer) -> _Letter:
    data = channel_data(outbound)
    recipient = data.to or _address(outbound)
    if not _SPELT.fullmatch(recipient):
        raise Refused("bad_address", f"the address {clean_line(recipient)} cannot stand in a mail")
    return _Letter(
        outbound=outbound,
        ours=ours,
        writer=writer,
        data=data,
        token=tokens.issue(outbound.id, _address(outbound), outbound.at, ours),
        mailbox=data.mailbox if data.mailbox in ours.mailboxes else writer.address,
        recipient=recipient,
    )


def _address(outbound: Outbound) -> str:
    return outbound.address.removeprefix("email:")


def _content(outbound: Outbound) -> tuple[Text, Sequence[Media]]:
    match outbound.content:
        case Text() as text:
            return text, text.attachments
        case Media(caption=caption) as media:
            return Text(text=caption), (media,)
        case other:
            raise Refused("unsupported", f"a mail cannot hold a {other.__struct_config__.tag}")


def _fields(letter: _Letter, text: Text, message_id: str) -> list[tuple[str, str]]:
    """Give the header; empty values are left out."""
    answered = letter.data.message_id if _MESSAGE_ID.fullmatch(letter.data.message_id) else ""
    name = _name(letter)
    submitted = "auto-replied" if answered else "auto-generated"
    return [
        ("Date", format_datetime(datetime.fromtimestamp(letter.outbound.at / 1_000, UTC))),
        ("From", _box("From", name, letter.mailbox)),
        ("To", letter.recipient),
        ("Reply-To", _box("Reply-To", name, letter.tagged) if letter.tagged != letter.mailbox else ""),
        ("Subject", _encoded("Subject", _subject(letter, text))),
        ("Message-ID", message_id),
        ("In-Reply-To", answered),
        ("References", "\r\n ".join(_references(letter.data, answered))),
        ("Auto-Submitted", submitted if letter.by_system else ""),
        ("X-Auto-Response-Suppress", "All" if letter.by_system else ""),
        (LOOP_HEADER, tokens.loop_mark(letter.ours)),
    ]


def _references(data: ChannelData, answered: str) -> list[str]:
    """Give the ids of the thread (RFC 5322 section 3.6.4), the first and the last ones of a long one."""
    if not answered:
        return []
    ids = [id_ for id_ in dict.fromkeys((*data.references, answered)) if _MESSAGE_ID.fullmatch(id_)]
    return ids if len(ids) <= MAX_REFERENCES else [ids[0], *ids[1 - MAX_REFERENCES :]]


def _subject(letter: _Letter, text: Text) -> str:
    written = clean_line(text.subject, MAX_SUBJECT)
    base = subjects.base(letter.data.subject)
    answer = clean_line(f"Re: {base}", MAX_SUBJECT) if base else ""
    return written or answer or clean_line(letter.writer.subject or letter.writer.name) or letter.writer.address


def _name(letter: _Letter) -> str:
    """Name the person who answers, and whom they answer for."""
    person, team = clean_line(letter.outbound.author.name, MAX_NAME), clean_line(letter.writer.name, MAX_NAME)
    if letter.by_system or not person:
        return team
    return f"{person} ({team})" if team else person


def _box(field: str, name: str, address: str) -> str:
    if not name:
        return address
    if name.isascii() and "=?" not in name:
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{quoted}" <{address}>'
    return f"{_encoded(field, name)}\r\n <{address}>"


def _encoded(field: str, value: str) -> str:
    """Write a value with encoded words where it needs them; what only looks like one is encoded too."""
    charset = "us-ascii" if value.isascii() and "=?" not in value else "utf-8"
    return Header(value, charset, maxlinelen=LINE, header_name=field).encode(linesep="\r\n")


def _body(letter: _Letter, text: Text, attachments: Sequence[Media], files: Mapping[str, bytes]) -> EmailMessage:
    plain = _plain(letter, text)
    inline = [media for media in attachments if media.inline and media.type.startswith("image/")]
    message = EmailMessage(policy=policy.SMTP)
    message.set_content(plain)
    message.add_alternative(to_html(plain, [media.inline for media in inline]), subtype="html")
    html = list(message.iter_parts())[-1]
    for media in inline:
        main, sub = _type(media)
        name = _filename(media)
        html.add_related(
            files[media.file.name], main, sub, cid=f"<{media.inline}>", filename=name, disposition="inline"
        )
    for media in attachments:
        if media not in inline:
            main, sub = _type(media)
            message.add_attachment(files[media.file.name], main, sub, filename=_filename(media))
    multiparts = (part for part in message.walk() if part.is_multipart())
    for number, part in enumerate(multiparts):
        part.set_boundary(f"=-{letter.token[-16:]}-{number}")
    return message


def _plain(letter: _Letter, text: Text) -> str:
    language = text.language.code if text.language else letter.data.language
    marker = f"{marker_line(language, letter.writer)} [#{letter.token}]" if letter.writer.marker else ""
    operator = "" if letter.by_system else clean_line(letter.outbound.author.name, MAX_NAME)
    signature = signature_text(letter.writer.signature, operator, language)
    below = f"-- \n{signature}" if signature else ""
    return "\n\n".join(filter(None, (marker, clean_text(text.text).strip("\n"), below))) + "\n"


def _type(media: Media) -> tuple[str, str]:
    found = _TYPE.fullmatch(media.type.lower())
    if found is None or found[1] in _STRUCTURED:
        return "application", "octet-stream"
    return found[1], found[2]


def _filename(media: Media) -> str:
    return clean_line(media.filename, MAX_FILENAME).replace("/", "_").replace("\\", "_") or "file"
