"""What a mail is made of, between the bytes that IMAP gives or SMTP takes and our own words. Plain data.

The way in, all pure::

    mail = parse_mail(raw, now_ms=..., ours=ours, limits=limits)       # parse; may take seconds for a big mail
    receipt = to_receipt(mail.bounce, known, ours, now_ms=...)         # bounces; known: what mail.bounce.message_id is
    verdict = filter_mail(mail, words)                                 # filters; says what was found or missed
    threading = thread(mail, known, ours)                              # threads; known: dict of mail.mentioned ids
    envelope = to_envelope(mail, threading, stored, channel=..., new_id=...)   # mapping; stored: files of the mail

The way out::

    composed = compose(outbound, files, ours, writer)                  # compose; files: StoredFile.name to its bytes
"""

from typing import Literal

from msgspec import Struct

from normalizer.content import StoredFile

Signal = Literal["reply_address", "in_reply_to", "references", "subject_token", "body_token"]
"""How a mail told which conversation it belongs to, the surest first."""


class Limits(Struct, frozen=True, kw_only=True):
    """How much of a mail is looked at; what is beyond is left out and noted in :attr:`ParsedMail.defects`.

    ``size`` and ``attachment_size`` are in bytes, ``text`` in characters. ``depth`` counts multiparts within
    multiparts.
    """

    size: int = 50_000_000
    parts: int = 100
    depth: int = 20
    attachments: int = 30
    attachment_size: int = 26_214_400
    text: int = 50_000


class Ours(Struct, frozen=True, kw_only=True):
    """Who we are: what tells our own mail from others', and what signs the tokens that we give away.

    ``mailboxes`` are all our addresses, normalised, without the scheme; the first is the one that answers are from.
    ``key`` signs tokens (32 bytes that only this workspace knows). ``authserv`` are the names under which our own mail
    server writes Authentication-Results (RFC 8601 section 2.2); none means that nothing is believed.
    """

    mailboxes: tuple[str, ...]
    key: bytes
    authserv: frozenset[str] = frozenset()


class Mailbox(Struct, frozen=True, kw_only=True):
    """An address in a header: ``address`` normalised (``anna@shop.example``), ``name`` shown.

    ``spelt`` is the address with what is before the @ as it stood.
    """

    address: str
    spelt: str
    name: str = ""


class Attachment(Struct, frozen=True, kw_only=True):
    """A file in a mail. ``type`` is what the mail claims: sniff it. ``content_id`` is without angle brackets."""

    filename: str
    type: str
    data: bytes
    content_id: str = ""


class Bounce(Struct, frozen=True, kw_only=True):
    """A report about a mail of ours (RFC 3464), or what reads like one.

    ``message_id`` is that of our mail, ``token`` one found in an address the report was sent to; either may be missing.
    ``status`` is ``5.1.1`` or empty (RFC 3463), ``reason`` what the other server said.
    """

    action: Literal["failed", "delayed", "delivered", "relayed", "expanded"]
    recipient: str = ""
    status: str = ""
    reason: str = ""
    message_id: str = ""
    token: str = ""


class ParsedMail(Struct, frozen=True, kw_only=True):
    """A mail, read as well as it can be. Every string is clean: no control characters, names and subjects in one line.

    ``message_id``, ``in_reply_to`` and ``references`` are ids with their angle brackets, in the order they stood.
    ``sender`` is whose mail it is: From, or Reply-To where a form on our own site wrote in the customer's name; None
    where there is no such address. ``reply_to`` is set only when answers may go there (see :mod:`.trust`);
    ``reply_wish`` is what the mail asks for. ``recipients`` are To and Cc, ``delivered_to`` where the servers say it
    went (Delivered-To, X-Original-To and their like), ``mailbox`` the first of our addresses among them.
    ``date`` is in ms since the epoch.
    ``text`` is what the author wrote now, ``full`` everything; ``html`` is sanitised, or empty.
    ``automatic`` says why a machine seems to have written it, or is empty. ``verified``: our own server says that the
    sender's domain stands for it. ``digest`` (hexadecimal) is the same for the same mail, wherever it is found.
    ``defects`` are sentences about what was broken or left out.
    """

    message_id: str
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    sender: Mailbox | None
    reply_to: Mailbox | None
    reply_wish: Mailbox | None
    recipients: tuple[Mailbox, ...]
    delivered_to: tuple[str, ...]
    mailbox: str
    subject: str
    date: int
    text: str
    full: str
    html: str
    attachments: tuple[Attachment, ...]
    automatic: str
    bounce: Bounce | None
    receipt: bool
    verified: bool
    size: int
    digest: str
    defects: tuple[str, ...]

    @property
    def mentioned(self) -> tuple[str, ...]:
        """Every id that the mail says it answers, the likeliest first: look these up before threading."""
        return tuple(dict.fromkeys((*self.in_reply_to, *reversed(self.references))))


class Known(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is remembered of a Message-ID, ours or a customer's: whose line it is on and what it is called there.

    ``address`` is the customer's (``email:anna@shop.example``), ``id`` the native id of what they wrote or the id of
    the outbound message, ``conversation`` is known for our own messages.
    """

    address: str
    id: str
    conversation: str = ""


class Threading(Struct, frozen=True, kw_only=True):
    """Where a mail belongs and why. ``foreign``: the signal points to the line of somebody else, so it has no effect.

    ``thread`` is the conversation, or the Message-ID where only that is known; ``answers`` is :attr:`Known.id`.
    """

    thread: str = ""
    signal: Signal | None = None
    answers: str = ""
    foreign: bool = False


class Signature(Struct, frozen=True, kw_only=True):
    """What stands below an answer: a text for each language, with ``{operator}`` and ``{team}``; the first is default.

    Both may be empty; a line that would hold nothing but an empty name is left out.
    """

    texts: dict[str, str] = {}
    team: str = ""


class Writer(Struct, frozen=True, kw_only=True):
    """How we write: the address that answers are from, the name beside it, what is below.

    ``plus``: the server delivers ``support+anything@`` to ``support@`` (RFC 5233), so tokens can travel there.
    ``marker``: put "reply above this line" and a token on top, for servers that lose every other signal.
    ``subject`` is for mails that answer none. ``languages``: the workspace's, the first is the fallback.
    """

    address: str
    name: str = ""
    signature: Signature = Signature()
    plus: bool = True
    marker: bool = False
    subject: str = ""
    languages: tuple[str, ...] = ("en",)


class ChannelData(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the last mail of a customer leaves for the answer to it; stands in the envelope as JSON.

    ``to`` is where answers go, spelt as the customer spells it; ``mailbox`` is which of our addresses they wrote to.
    """

    to: str
    message_id: str = ""
    references: tuple[str, ...] = ()
    subject: str = ""
    mailbox: str = ""
    language: str = ""


class Composed(Struct, frozen=True, kw_only=True):
    """A mail ready for SMTP. ``return_path`` is the envelope sender, empty for mail that must not be answered.

    ``utf8``: an address holds more than ASCII, so the server has to take SMTPUTF8 (RFC 6531).
    """

    message_id: str
    return_path: str
    recipient: str
    data: bytes
    utf8: bool = False


class Stored(Struct, frozen=True, kw_only=True):
    """The files of a mail, once they are in the media store: one for each attachment, in order, None where it failed.

    ``types`` are the sniffed media types of the attachments.
    """

    attachments: tuple[StoredFile | None, ...] = ()
    types: tuple[str, ...] = ()
    html: StoredFile | None = None


class Verdict(Struct, frozen=True, kw_only=True):
    """Whether a mail is taken, and why in a sentence for the log and the operations person."""

    taken: bool
    why: str
