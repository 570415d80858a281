"""Tokens that strangers carry for us: signed (readable, not forgeable) or sealed (neither readable nor forgeable).

A token is ``v1.<body>.<mac>`` (signed) or ``s1.<body>`` (sealed), base64url without padding. The purpose is part of
what is authenticated, so that a token made for one use is worthless for another. Both take several keys: the first
makes new tokens, all are accepted, which is how a key is changed without throwing anybody out.
"""

import base64
import binascii
import hmac
import secrets
from collections.abc import Mapping
from hashlib import sha256
from typing import Final, Literal, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

T = TypeVar("T")
Reason = Literal["malformed", "forged", "expired"]

MAX_TOKEN_LENGTH: Final = 4_096
"""Characters; longer ones are refused before any work is done on them."""

KEY_LENGTH: Final = 32
_NONCE_LENGTH: Final = 12  # AES-GCM, NIST SP 800-38D section 8.2
_SIGNED: Final = "v1"
_SEALED: Final = "s1"
_SENTENCES: Final[dict[Reason, str]] = {
    "malformed": "this is not a token of ours",
    "forged": "the token was not made by us for this purpose",
    "expired": "the token has expired",
}


class TokenRefused(Exception):
    """A token is not accepted; ``reason`` says why, in a word for programs."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(_SENTENCES[reason])
        self.reason: Reason = reason


class _Body(Struct, frozen=True, array_like=True):
    """What stands in a token: when it expires (ms since the epoch, None: never), and the claims."""

    expires_at: int | None
    claims: msgspec.Raw


class Signer:
    """Makes and checks signed tokens (HMAC-SHA256). Anyone may read the claims: put no secret into them.

    ``key`` makes new tokens; tokens made with one of ``older`` are still accepted.
    """

    def __init__(self, key: bytes, *older: bytes) -> None:
        self._keys = _checked(key, *older)

    def sign(self, purpose: str, claims: Struct | Mapping[str, object], *, expires_at: int | None) -> str:
        """Make a token that says ``claims`` until ``expires_at`` (ms since the epoch; None: for ever)."""
        body = _encode(claims, expires_at)
        return f"{_SIGNED}.{_text(body)}.{_text(_mac(self._keys[0], purpose, body))}"

    def verify(self, token: str, purpose: str, type: type[T], *, now: int) -> T:  # noqa: A002 - the word of msgspec
        """Give the claims of a token made for ``purpose``; ``now`` is in ms since the epoch.

        Raises:
            TokenRefused: it is malformed, forged (or made for something else) or expired.
        """
        version, body, mac = _split(token, 3)
        if version != _SIGNED:
            raise TokenRefused("malformed")
        data, proof = _data(body), _data(mac)
        # every key is tried, so that the time it takes tells nothing
        if not any([hmac.compare_digest(_mac(key, purpose, data), proof) for key in self._keys]):  # noqa: C419
            raise TokenRefused("forged")
        return _decode(data, type, now)


class Sealer:
    """Makes and opens sealed tokens (AES-256-GCM), for claims that their bearer must not read."""

    def __init__(self, key: bytes, *older: bytes) -> None:
        self._ciphers = [AESGCM(each) for each in _checked(key, *older)]

    def seal(self, purpose: str, claims: Struct | Mapping[str, object], *, expires_at: int | None) -> str:
        """Make a token that hides ``claims``, good until ``expires_at`` (ms since the epoch; None: for ever)."""
        nonce = secrets.token_bytes(_NONCE_LENGTH)
        body = self._ciphers[0].encrypt(nonce, _encode(claims, expires_at), purpose.encode())
        return f"{_SEALED}.{_text(nonce + body)}"

    def open(self, token: str, purpose: str, type: type[T], *, now: int) -> T:  # noqa: A002 - the word of msgspec
        """Give the claims of a token sealed for ``purpose``; ``now`` is in ms since the epoch.

        Raises:
            TokenRefused: it is malformed, forged (or made for something else) or expired.
        """
        version, text = _split(token, 2)
        if version != _SEALED:
            raise TokenRefused("malformed")
        data = _data(text)
        for cipher in self._ciphers:
            try:
                body = cipher.decrypt(data[:_NONCE_LENGTH], data[_NONCE_LENGTH:], purpose.encode())
            except (InvalidTag, ValueError):
                continue
            return _decode(body, type, now)
        raise TokenRefused("forged")


def _checked(*keys: bytes) -> tuple[bytes, ...]:
    if any(len(key) != KEY_LENGTH for key in keys):
        raise ValueError(f"a key has {KEY_LENGTH} bytes")
    return keys


def _mac(key: bytes, purpose: str, body: bytes) -> bytes:
    """Authenticate version, purpose and body; the lengths keep them apart."""
    name = purpose.encode()
    return hmac.digest(key, b"%s:%d:%s:%s" % (_SIGNED.encode(), len(name), name, body), sha256)


def _encode(claims: Struct | Mapping[str, object], expires_at: int | None) -> bytes:
    return msgspec.json.encode(_Body(expires_at, msgspec.Raw(msgspec.json.encode(claims))))


def _decode(data: bytes, claims: type[T], now: int) -> T:
    try:
        body = msgspec.json.decode(data, type=_Body)
        if body.expires_at is not None and now >= body.expires_at:
            raise TokenRefused("expired")
        return msgspec.json.decode(body.claims, type=claims)
    except msgspec.MsgspecError as exc:
        raise TokenRefused("malformed") from exc


def _split(token: str, parts: int) -> list[str]:
    found = token.split(".", parts) if len(token) <= MAX_TOKEN_LENGTH else []
    if len(found) != parts:
        raise TokenRefused("malformed")
    return found


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _data(text: str) -> bytes:
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as exc:
        raise TokenRefused("malformed") from exc
    if _text(data) != text:  # trailing bits: two texts for the same bytes
        raise TokenRefused("malformed")
    return data
