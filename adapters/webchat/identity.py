"""Who a visitor is, as the shop's own server says: a JSON Web Token (RFC 7519) signed with HMAC-SHA256.

The shop's server makes it for the person who is signed in there; the page hands it on. What anybody could have made
is refused: another algorithm, a wrong key, none or too long a life, or another website's audience.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from config import Secret
from web.errors import Refusal

LEEWAY: Final = 60
"""Seconds by which the clocks of both servers may differ."""

MAX_FACTS: Final = 16
_FACT: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_Fact = Annotated[str, Meta(max_length=300)]
_Json = msgspec.json.Decoder


class User(Struct, frozen=True, omit_defaults=True):
    """Somebody whom the shop knows. ``facts`` are further things that it vouches for, such as a plan."""

    id: str
    name: str = ""
    email: str = ""
    facts: dict[str, str] = {}

    def attributes(self) -> dict[str, str]:
        """Give what rules and operators see; a page cannot say anything whose name begins with ``user``."""
        known = {"user": self.id, "user_name": self.name, "user_email": self.email}
        return {name: value for name, value in known.items() if value} | {
            f"user_{name}": value for name, value in self.facts.items()
        }


class _Header(Struct):
    alg: str


class _Claims(Struct):
    """RFC 7519 section 4.1; ``iat`` and ``exp`` are in seconds since the epoch."""

    sub: Annotated[str, Meta(min_length=1, max_length=128)]
    iat: Annotated[int, Meta(ge=0)]
    exp: Annotated[int, Meta(ge=0)]
    aud: str | None = None
    name: Annotated[str, Meta(max_length=120)] = ""
    email: Annotated[str, Meta(max_length=254)] = ""
    facts: dict[str, _Fact] = {}


def verify(token: str, secrets: Sequence[Secret], *, origin: str, life: int, now: int) -> User:
    """Give the user that a token names. ``life`` and ``now`` are in ms; ``origin`` is the page's.

    Raises:
        Refusal: 401 ``identity_malformed``, ``identity_forged`` or ``identity_expired``.
    """
    header, claims, signed, proof = _parts(token)
    # every key is tried, so that the time it takes tells nothing
    proofs = [hmac.digest(secret.reveal().encode(), signed, sha256) for secret in secrets]
    genuine = any([hmac.compare_digest(each, proof) for each in proofs])  # noqa: C419
    if header.alg != "HS256" or not genuine or claims.aud not in {None, origin}:
        raise Refusal(401, "identity_forged", "the token was not made for this chat with one of its keys")
    at = now // 1_000
    if claims.exp <= at - LEEWAY or claims.iat <= at - LEEWAY - life // 1_000 or claims.iat > at + LEEWAY:
        raise Refusal(401, "identity_expired", "the token's time is over; make a new one for each page")
    return User(claims.sub, claims.name, claims.email, _checked(claims.facts))


def stable_visitor(key: bytes, user: User) -> str:
    """Give the visitor that a user is on every device; nobody can guess it."""
    return "u" + hmac.digest(key, user.id.encode(), sha256).hex()[:31]


def _parts(token: str) -> tuple[_Header, _Claims, bytes, bytes]:
    try:
        head, body, proof = token.split(".")
        signed = f"{head}.{body}".encode("ascii")
        return _Json(_Header).decode(_data(head)), _Json(_Claims).decode(_data(body)), signed, _data(proof)
    except (ValueError, binascii.Error, msgspec.MsgspecError) as exc:
        raise Refusal(401, "identity_malformed", f"this is no JSON Web Token with sub, iat and exp: {exc}") from exc


def _data(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _checked(facts: Mapping[str, str]) -> dict[str, str]:
    if len(facts) > MAX_FACTS or not all(_FACT.fullmatch(name) for name in facts):
        raise Refusal(401, "identity_malformed", f"`facts` are at most {MAX_FACTS}, with names such as `plan`")
    return dict(facts)
