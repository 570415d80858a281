"""Reports about mails of ours: delivery status notifications (RFC 3464), and what older servers write instead.

Read receipts (RFC 8098) are told apart and never believed: few programs send them, and anybody can.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Literal

from adapters.email import tokens
from adapters.email.headers import Headers, read_headers
from adapters.email.mime import Part, Reader
from adapters.email.phrases import BOUNCE_SUBJECTS
from adapters.email.wire import Bounce, Known, Ours
from normalizer.outbound import Receipt, ReceiptState
from normalizer.plain import clean_line

Action = Literal["failed", "delayed", "delivered", "relayed", "expanded"]

REPORT = "multipart/report"
MAX_REPORT = 64 * 1024
MAX_GROUPS = 100
MAX_TYPE = 20
MAX_HEURISTIC = 20_000
"""Characters of a plain-text report that are looked at."""

_WORST_FIRST: tuple[Action, ...] = ("failed", "delayed", "delivered", "relayed", "expanded")
_COPY_TYPES = frozenset({"message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers"})
_STATUS_TYPES = frozenset({"message/delivery-status", "message/global-delivery-status"})
_SERVERS = re.compile(r"(?:mailer-daemon|mail-daemon|postmaster|mail\.?delivery)(?:[-+._].*)?")
_CODE = re.compile(r"(?<![0-9.])([245]\.[0-9]{1,3}\.[0-9]{1,3})(?![0-9.])")
_REPLY_CODE = re.compile(r"(?<![0-9.])([45])[0-9]{2}[ -]")
_COPIED_ID = re.compile(r"^[> ]{0,4}message-id:\s{0,4}(<[^<>\s]{1,480}>)", re.IGNORECASE | re.MULTILINE)
_COPY_BELOW = re.compile(r"^-{3,} ?(?:.{0,60} )?copy\b.*$", re.IGNORECASE | re.MULTILINE)
_RECIPIENT = re.compile(r"^\s{0,8}<?([^\s<>:,;()\"]{1,200}@[^\s<>:,;()\"@]{1,200})>?\s{0,4}(?::|\(|$)", re.MULTILINE)
_STILL_TRYING = re.compile(
    r"will (?:keep|continue|be re)|still trying|not (?:yet )?been delivered yet|delayed|warning only"
)


def find_bounce(root: Part, reader: Reader, text: str, reached: Sequence[str], ours: Ours) -> Bounce | None:
    """Give the report that a mail is, or None. ``text`` is what it says, ``reached`` the addresses it was sent to.

    A person may attach the report of a server: such a mail is no report.
    """
    by_server = _is_from_server(root.headers)
    if not (by_server or root.type == REPORT):
        return None
    token = next(_tokens_in(reached, ours), "")
    parts = list(root.walk())
    status = next((part for part in parts if part.type in _STATUS_TYPES), None)
    if status is not None:
        return _from_status(reader, status, parts, token)
    subject = root.headers.text("subject")
    if by_server and any(words in subject.lower() for words in BOUNCE_SUBJECTS):
        return _from_text(subject, text[:MAX_HEURISTIC], _copied_id(reader, parts), token)
    return None


def is_read_receipt(headers: Headers) -> bool:
    """Whether a mail is a disposition notification (RFC 8098)."""
    if headers.value_type("content-type") != REPORT:
        return False
    return headers.parameter("content-type", "report-type").lower() == "disposition-notification"


def to_receipt(bounce: Bounce, known: Known | None, ours: Ours, *, now_ms: int) -> Receipt | None:
    """Give the news of our message, or None where there is none: not ours, or not final.

    Our own Message-ID and our token name it; ``known`` is what is remembered of :attr:`Bounce.message_id`, for relays
    that write their own. A delay is no news: the next report is.
    """
    if bounce.action != "failed":
        return None
    found = next(tokens.find(f"{bounce.message_id} {bounce.token}", ours), None)
    outbound = found.outbound if found else known.id if known is not None and known.conversation else ""
    if not outbound:
        return None
    return Receipt(
        outbound=outbound,
        state=ReceiptState.FAILED,
        at=now_ms,
        code="bounced",
        error=clean_line(_sentence(bounce), 1_000),
    )


def _sentence(bounce: Bounce) -> str:
    where = f" to {bounce.recipient}" if bounce.recipient else ""
    status = f" ({bounce.status})" if bounce.status else ""
    why = f": {bounce.reason}" if bounce.reason else "."
    return f"The mail could not be delivered{where}{status}{why}"


def _from_status(reader: Reader, status: Part, parts: Sequence[Part], token: str) -> Bounce:
    groups = list(_groups(reader, status))
    chosen = min(groups, key=lambda group: _WORST_FIRST.index(_action(group)), default=Headers([]))
    return Bounce(
        action=_action(chosen),
        recipient=_typed(chosen.text("final-recipient") or chosen.text("original-recipient")),
        status=_status(chosen.text("status")),
        reason=_typed(chosen.text("diagnostic-code")),
        message_id=_copied_id(reader, parts),
        token=token or next((group.text("original-envelope-id") for group in groups[:1]), ""),
    )


def _groups(reader: Reader, status: Part) -> Iterator[Headers]:
    """Give the groups of fields, which empty lines part; those of recipients name an action (RFC 3464 section 2.1)."""
    data = reader.content(status)[:MAX_REPORT].lstrip()
    position = 0
    for _ in range(MAX_GROUPS):
        if position >= len(data):
            return
        headers, after = read_headers(data, position, len(data))
        yield headers
        position = max(after, position + 1)


def _action(group: Headers) -> Action:
    """Read what became of it; a status alone says it too. Without either the worst is assumed of a recipient."""
    word = group.value_type("action")
    named = next((action for action in _WORST_FIRST if action == word), None)
    if named is not None:
        return named
    return {"5": "failed", "4": "delayed", "2": "delivered"}.get(group.text("status")[:1], "expanded")  # type: ignore[return-value]  # the values are actions


def _status(text: str) -> str:
    found = _CODE.search(text)
    return found[1] if found else ""


def _typed(value: str) -> str:
    """Give what stands behind the type: ``rfc822; anna@shop.example``, ``smtp; 550 no such user``."""
    kind, semicolon, rest = value.partition(";")
    return (rest if semicolon and len(kind) <= MAX_TYPE else value).strip()


def _copied_id(reader: Reader, parts: Sequence[Part]) -> str:
    """Give the Message-ID of our mail, of which a copy stands in the report, whole or its header only."""
    for part in parts:
        if part.type in _COPY_TYPES:
            data = reader.content(part)[:MAX_REPORT].lstrip()
            ids = read_headers(data, 0, len(data))[0].ids("message-id")
            if ids:
                return ids[0]
    return ""


def _from_text(subject: str, text: str, copied_id: str, token: str) -> Bounce:
    """Read what programs such as qmail write for people; the last resort."""
    below = _COPY_BELOW.search(text)
    head, copy = (text[: below.start()], text[below.end() :]) if below else (text, text)
    status = _status(head)
    recipient = _RECIPIENT.search(head)
    code = _REPLY_CODE.search(head)
    delayed = status.startswith("4") or (not status and _STILL_TRYING.search(f"{subject} {head}".lower()) is not None)
    found = _COPIED_ID.search(copy)
    return Bounce(
        action="delayed" if delayed and not (code and code[1] == "5") else "failed",
        recipient=recipient[1] if recipient else "",
        status=status,
        reason=clean_line(head[recipient.end() :] if recipient else head, 300),
        message_id=copied_id or (found[1] if found else ""),
        token=token,
    )


def _tokens_in(reached: Sequence[str], ours: Ours) -> Iterator[str]:
    for address in reached:
        tag = address.partition("@")[0].partition("+")[2]
        if next(tokens.find(tag, ours), None) is not None:
            yield tag


def _is_from_server(headers: Headers) -> bool:
    authors = (box.address.partition("@")[0] for box in headers.mailboxes("from")[:1])
    return any(map(_SERVERS.fullmatch, authors)) or "".join(headers.first("return-path").split()) == "<>"
