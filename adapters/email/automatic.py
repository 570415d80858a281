"""Whether a machine wrote a mail (RFC 3834), so that nobody is called for it and no machine answers a machine."""

import re
from typing import Literal, get_args

from adapters.email import tokens
from adapters.email.addresses import is_ours
from adapters.email.headers import Headers
from adapters.email.phrases import AUTOMATIC_SUBJECTS
from adapters.email.wire import Mailbox, Ours

Reason = Literal[
    "own_loop",
    "own_address",
    "auto_submitted",
    "report",
    "null_return_path",
    "autoresponder",
    "machine_sender",
    "absence_subject",
    "bulk",
    "mailing_list",
    "response_suppressed",
]

REASONS: dict[str, str] = {
    "own_loop": "it is a mail of ours that came back",
    "own_address": "it is from one of our own addresses",
    "auto_submitted": "its header Auto-Submitted says so",
    "report": "it is a report of a mail server",
    "null_return_path": "it has the empty return path of machines",
    "autoresponder": "an autoresponder marked it",
    "machine_sender": "nobody reads what is sent to its sender",
    "absence_subject": "its subject is that of a notice of absence",
    "bulk": "it was sent to many (Precedence)",
    "mailing_list": "it came over a mailing list",
    "response_suppressed": "it asks for no automatic answer",
}
"""For the operator."""

assert REASONS.keys() == set(get_args(Reason))  # noqa: S101  # a reason without words would be shown as a code

OURS: frozenset[str] = frozenset({"own_loop", "own_address"})
"""Mail of our own: no customer's, so it enters no conversation."""

WEAK: frozenset[str] = frozenset({"mailing_list", "response_suppressed", "machine_sender"})
"""People's mail bears these too; an answer to a message of ours is taken as a person's in spite of them."""

LOOP_HEADER = "X-Trunkline-Loop"

_RESPONDERS = (
    *("x-autoreply", "x-autorespond", "x-autoresponse", "x-autoresponder", "x-autoreply-from", "x-mail-autoreply"),
    *("x-fc-machinegenerated", "x-ms-exchange-inbox-rules-loop", "x-vacation", "auto-response"),
)
_MACHINES = re.compile(
    r"(?:mailer-daemon|mail-daemon|postmaster|no[-._]?reply|do[-._]?not[-._]?reply|nobody|bounces?|auto[-._]?reply)(?:[-+._].*)?"
)
_MANY = frozenset({"bulk", "junk", "auto_reply", "autoreply"})
_SUPPRESSED = re.compile(r"\b(?:all|oof|autoreply)\b", re.IGNORECASE)


def automatic_reason(
    headers: Headers, sender: Mailbox | None, author: Mailbox | None, ours: Ours
) -> Reason | Literal[""]:
    """Say why a machine seems to have written this, the surest reason first; nothing where a person did.

    ``author`` is the address in From, ``sender`` whose mail it is (see :mod:`.trust`).
    """
    if tokens.loop_mark(ours) in headers.raw(LOOP_HEADER.lower()):
        return "own_loop"
    if sender is not None and is_ours(sender.address, ours):
        return "own_address"
    return _by_machine(headers, author) or _sent_to_many(headers, ours)


def _by_machine(headers: Headers, author: Mailbox | None) -> Reason | Literal[""]:
    submitted = headers.value_type("auto-submitted")
    if submitted and submitted.split("(")[0] != "no":
        return "auto_submitted"
    if headers.value_type("content-type") == "multipart/report":
        return "report"
    if any("".join(value.split()) == "<>" for value in headers.raw("return-path")[:1]):
        return "null_return_path"
    if headers.has_any(_RESPONDERS):
        return "autoresponder"
    if headers.text("subject").lower().startswith(AUTOMATIC_SUBJECTS):
        return "absence_subject"
    if author is not None and _MACHINES.fullmatch(author.address.partition("@")[0]):
        return "machine_sender"
    return ""


def _sent_to_many(headers: Headers, ours: Ours) -> Reason | Literal[""]:
    """A team's address is often a list itself (Google Groups): what its own list adds says nothing."""
    if not _is_our_list(headers, ours):
        precedence = headers.value_type("precedence")
        if precedence in _MANY:
            return "bulk"
        if precedence == "list" or headers.raw("list-id") or headers.raw("list-unsubscribe"):
            return "mailing_list"
    if any(_SUPPRESSED.search(value) for value in headers.raw("x-auto-response-suppress")):
        return "response_suppressed"
    return ""


def _is_our_list(headers: Headers, ours: Ours) -> bool:
    said = " ".join((*headers.raw("list-id"), *headers.raw("list-post"))).lower()
    names = {name for box in ours.mailboxes for name in (f"<{box.replace('@', '.')}>", f"<mailto:{box}>")}
    return any(name in said for name in names)
