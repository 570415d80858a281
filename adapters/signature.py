"""Signed requests between Trunkline and a system of one's own: HMAC-SHA256 (RFC 2104) over a time and a content.

The header is ``t=<unix seconds>,v1=<hex digest>[,v1=...]``; what is signed is the time, a dot, and the content: the
method, a space, the path with its query, a line feed, and the bytes of the body. So a request that was recorded on its
way to one address is of no use at another one that has the same secret.
"""

import hashlib
import hmac
from collections.abc import Sequence

HEADER = "Trunkline-Signature"
LONGEST_HEADER = 1_000
MOST_DIGESTS = 5


class BadSignature(Exception):
    """The signature is missing, malformed or wrong; the message says which."""


class StaleSignature(BadSignature):
    """The signature is right, but its time is too far from now."""


def content(method: str, target: str, body: bytes) -> bytes:
    """Give what is signed of a request; ``target`` is its path with the query, as it stands in the request line."""
    return f"{method} {target}\n".encode() + body


def sign(secret: str, seconds: int, content: bytes) -> str:
    """Give the header for a content at a time (seconds since the epoch)."""
    return f"t={seconds},v1={_digest(secret, str(seconds), content)}"


def verify(header: str, content: bytes, secrets: Sequence[str], *, seconds: int, tolerance: float) -> None:
    """Check a header: a right digest of any secret, and a time within ``tolerance`` seconds of ``seconds``.

    Raises:
        BadSignature: it is missing, malformed or wrong.
        StaleSignature: it is of another time.
    """
    time, digests = _read(header[:LONGEST_HEADER])
    expected = [_digest(secret, time, content).encode() for secret in secrets]
    matches = [hmac.compare_digest(digest, right) for digest in digests for right in expected]
    if not any(matches):
        raise BadSignature("the signature does not fit the content and the secret")
    if abs(seconds - int(time)) > tolerance:
        raise StaleSignature(f"the signature is of the time {time} and here it is {seconds}: set the clocks")


def _read(header: str) -> tuple[str, list[bytes]]:
    parts = [part.strip().partition("=")[::2] for part in header.split(",")]
    times = [value for key, value in parts if key == "t"]
    digests = [value.encode("utf-8", "replace") for key, value in parts if key == "v1"][:MOST_DIGESTS]
    if len(times) != 1 or not (times[0].isascii() and times[0].isdecimal()) or not digests:
        raise BadSignature(f"the header {HEADER} must be t=<unix seconds>,v1=<hex HMAC-SHA256>")
    return times[0], digests


def _digest(secret: str, time: str, content: bytes) -> str:
    return hmac.new(secret.encode(), time.encode() + b"." + content, hashlib.sha256).hexdigest()
