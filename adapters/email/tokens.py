"""Tokens that our mails carry and answers bring back: which message it was and to whom, signed.

A token is ``<outbound id>-<time>-<whose>-<signature>``, all in letters, digits and dashes of any case, because it
stands in addresses (``support+<token>@``), in Message-IDs and in subjects, and programs change the case of all three.
It needs no table: a server that has lost everything still knows its own mails. ``time`` sets apart the mails of a
workspace that was set up again with the same key and counts its conversations anew.
"""

import base64
import hmac
import re
from collections.abc import Iterator
from functools import lru_cache

from msgspec import Struct

from adapters.email.wire import Ours

_TOKEN = re.compile(
    r"(?<![a-z0-9])([a-z0-9][a-z0-9_~-]{0,79})-([0-9a-f]{8,12})-([a-z2-7]{8})-([a-z2-7]{16})(?![a-z0-9])"
)
_ID = re.compile(r"[a-z0-9][a-z0-9_~-]{0,79}")
_WHOSE = 8
_SIGNATURE = 16


class Token(Struct, frozen=True):
    """What a token of ours says: the outbound message, its conversation, a hash of the address it was for."""

    outbound: str
    whose: str

    @property
    def conversation(self) -> str:
        """The conversation, which the outbound id begins with."""
        return self.outbound.rpartition("-")[0]

    def was_for(self, address: str, ours: Ours) -> bool:
        """Whether our message went to ``address`` (normalised, without scheme)."""
        return hmac.compare_digest(self.whose, _hash(ours.key, "address", address, _WHOSE))


def issue(outbound: str, address: str, at: int, ours: Ours) -> str:
    """Make the token of an outbound message to ``address``, sent ``at`` (ms). Raises ValueError for a foreign id."""
    if not _ID.fullmatch(outbound):
        raise ValueError(f"The outbound id {outbound!r} is none of ours: lower-case letters, digits, _, ~ and - only.")
    body = f"{outbound}-{at:08x}-{_hash(ours.key, 'address', address, _WHOSE)}"
    return f"{body}-{_hash(ours.key, 'token', body, _SIGNATURE)}"


def find(text: str, ours: Ours) -> Iterator[Token]:
    """Give every token of ours in a text; forged ones are passed over."""
    for match in _TOKEN.finditer(text.lower()):
        outbound, at, whose, signature = match.groups()
        body = f"{outbound}-{at}-{whose}"
        if hmac.compare_digest(signature, _hash(ours.key, "token", body, _SIGNATURE)):
            yield Token(outbound, whose)


def loop_mark(ours: Ours) -> str:
    """Give the value of the header by which we know a mail of ours again, and take nobody else's for ours."""
    return _loop_mark(ours.key)


@lru_cache(maxsize=16)
def _loop_mark(key: bytes) -> str:
    """Every mail is looked at for it."""
    return _hash(key, "loop", "", _SIGNATURE)


def _hash(key: bytes, purpose: str, text: str, length: int) -> str:
    digest = hmac.digest(key, f"{purpose}:{text}".encode(), "sha256")
    return base64.b32encode(digest).decode()[:length].lower()
