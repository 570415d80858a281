"""Who a mail is from, and whether anybody vouches for it. From is not proof: anybody can write anything there."""

import re

from adapters.email.addresses import is_ours, without_tag
from adapters.email.headers import Headers
from adapters.email.wire import Mailbox, Ours

MICROSOFT = "protection.outlook.com"
"""Name this as authserv for Microsoft 365, which writes its results without a name."""

_COMMENT = re.compile(r"\([^()]*\)")
_DMARC_PASS = re.compile(r"dmarc\s*=\s*pass\b", re.IGNORECASE)
_HEADER_FROM = re.compile(r"\bheader\.from\s*=\s*\"?([^\s;\"]+)", re.IGNORECASE)
_MOST_COMMENTS = 20


def is_verified(headers: Headers, author: Mailbox | None, ours: Ours) -> bool:
    """Whether our own mail server found that the domain in From stands for this mail (DMARC; RFC 8601).

    Only the topmost result under a name of ours is looked at: a sender can write results too, but further down, and
    a server that is named in the settings has to take away those that claim to be its own (RFC 8601 section 5).
    """
    if author is None or len(headers.mailboxes("from")) != 1:
        return False
    named = [_result(value) for value in headers.raw("authentication-results")]
    result = next((found for server, found in named if server in ours.authserv), "")
    domain = _HEADER_FROM.search(next((part for part in result.split(";") if _DMARC_PASS.search(part)), ""))
    return domain is not None and _aligned(author.address.rpartition("@")[2], domain[1].lower())


def author_and_sender(headers: Headers, ours: Ours) -> tuple[Mailbox | None, Mailbox | None]:
    """Give the address in From, and the address whose mail it is.

    They differ for forms on our own pages, which write from an address of ours and name the customer in Reply-To.
    """
    author = next(iter(headers.mailboxes("from") or headers.mailboxes("sender")), None)
    wish = reply_wish(headers, author)
    if author is not None and wish is not None and is_ours(author.address, ours) and not is_ours(wish.address, ours):
        return author, wish
    return author, author


def reply_wish(headers: Headers, author: Mailbox | None) -> Mailbox | None:
    """Give the first address in Reply-To, if it is another than the author's."""
    wish = next(iter(headers.mailboxes("reply-to")), None)
    return None if wish is None or (author is not None and wish.address == author.address) else wish


def honoured(wish: Mailbox | None, sender: Mailbox | None, ours: Ours, *, verified: bool) -> Mailbox | None:
    """Give the Reply-To to which answers may go: that of a verified author, or another form of the same address.

    A forged From with a Reply-To of one's own would otherwise have our answers to a stranger.
    """
    if wish is None or sender is None or wish.address == sender.address or is_ours(wish.address, ours):
        return None
    return wish if verified or without_tag(wish.address) == without_tag(sender.address) else None


def _result(value: str) -> tuple[str, str]:
    """Give the name of the server that wrote a result, and the result without comments."""
    plain = value
    for _ in range(_MOST_COMMENTS):
        plain, found = _COMMENT.subn(" ", plain)
        if not found:
            break
    first = plain.partition(";")[0]
    return (MICROSOFT, plain) if "=" in first else ((first.split() or [""])[0].lower(), plain)


def _aligned(domain: str, vouched: str) -> bool:
    return domain == vouched.strip(".") or domain.endswith(f".{vouched.strip('.')}")
