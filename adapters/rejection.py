"""Why a request to one of our routes is refused, and the reading of its body. Pure."""

from enum import StrEnum
from typing import TypeVar

import msgspec

Wire = TypeVar("Wire")


class Fault(StrEnum):
    """Why a request that came in was refused; also the name of its count."""

    TOO_BIG = "too_big"
    TOO_SLOW = "too_slow"
    BAD_SIGNATURE = "bad_signature"
    STALE_SIGNATURE = "stale_signature"
    INVALID = "invalid"
    NOT_STORED = "not_stored"


STATUS: dict[Fault, int] = {
    Fault.TOO_BIG: 413,
    Fault.TOO_SLOW: 408,
    Fault.BAD_SIGNATURE: 401,
    Fault.STALE_SIGNATURE: 401,
    Fault.INVALID: 400,
    Fault.NOT_STORED: 503,
}


class Rejection(Exception):
    """A request that came in is refused; ``field`` names the part that is wrong, as a JSON path."""

    def __init__(self, fault: Fault, message: str, field: str = "") -> None:
        super().__init__(message)
        self.fault = fault
        self.message = message
        self.field = field


def decode(body: bytes, type_: type[Wire]) -> Wire:
    """Read a body. Raises Rejection, which names the field."""
    try:
        return msgspec.json.decode(body, type=type_)
    except msgspec.ValidationError as exc:
        message, _, field = str(exc).partition(" - at ")
        raise Rejection(Fault.INVALID, message, field.strip("`") or "$") from exc
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise Rejection(Fault.INVALID, f"the body is not JSON in UTF-8: {exc}", "$") from exc
