"""The term record: who writes the log from here on, and with which code. The first message of every barrier."""

import msgspec


class Term(msgspec.Struct, frozen=True, kw_only=True):
    """Term `number` belongs to `router`; `evolve` is the version of its fold, `release` that of its code.

    `rules` is the version of the rules in force. The schema only grows.
    """

    v: int = 1
    number: int
    router: str
    release: str
    evolve: int
    rules: int


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Term).decode


def encode_term(term: Term) -> bytes:
    """Encode for the log (JSON)."""
    return _encode(term)


def decode_term(payload: bytes) -> Term:
    """Decode a term record of any past version; raises `msgspec.DecodeError`."""
    return _decode(payload)
