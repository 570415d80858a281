"""Who a mail is from, and whether anybody vouches for it. From is not proof: anybody can write anything there."""

import re

from adapters.email.addresses import is_ours, without_tag
from adapters.email.headers import Headers
from adapters.email.wire import Mailbox, Ours

MICROSOFT = "protection.outlook.com"
"""Name this as authserv for Microsoft 365, which writes its results without a name."""

_COMMENT = re.compile(r"\([^()]*\)")
_MOST_COMMENTS = 20
_QUOTED = re.compile(r"\"([^\"\\;()]*)\"")
_DMARC = re.compile(r"\s*dmarc\s*=\s*(\w+)", re.IGNORECASE)
_HEADER_FROM = re.compile(r"\bheader\.from\s*=\s*([^\s;]+)", re.IGNORECASE)


def is_verified(headers: Headers, author: Mailbox | None, ours: Ours) -> bool:
    """Whether our own mail server found that the domain in From stands for this mail (DMARC; RFC 8601).

    Only the topmost result under a name of ours is looked at: a sender can write results too, but further down, and
    a server that is named in the settings has to take away those that claim to be its own (RFC 8601 section 5).
    """
    if author is None or len(headers.mailboxes("from")) != 1:
        return False
    named = [_result(value) for value in headers.raw("authentication-results")]
    vouched = _vouched(next((found for server, found in named if server in ours.authserv), ""))
    return bool(vouched) and _aligned(author.address.rpartition("@")[2], vouched)


def _vouched(result: str) -> str:
    """Give the domain that passed DMARC, or nothing, also where DMARC is spoken of twice."""
    found = [(word[1].lower(), part) for part in result.split(";") if (word := _DMARC.match(part))]
    domain = _HEADER_FROM.search(found[0][1]) if len(found) == 1 and found[0][0] == "pass" else None
    return domain[1].lower().strip(".") if domain else ""


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
    """Give the name of the server that wrote a result, and the result without comments and quotes.

    Servers copy what a stranger said into it, such as the sender ``"; dmarc=pass header.from=x"@evil.example``. That
    takes quotes, so a result that has more in quotes than words is empty.
    """
    plain = _QUOTED.sub(r"\1", value)
    believed = '"' not in plain
    for _ in range(_MOST_COMMENTS):
        plain, found = _COMMENT.subn(" ", plain)
        if not found:
            break
    first = plain.partition(";")[0]
    server = MICROSOFT if "=" in first else (first.split() or [""])[0].lower()
    return server, plain if believed else ""


def _aligned(domain: str, vouched: str) -> bool:
    return domain == vouched or domain.endswith(f".{vouched}")
