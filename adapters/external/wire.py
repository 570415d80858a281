"""What the program is asked, and what it answers. Only ever grows: the programs are not ours."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from adapters.contract import Sent
from adapters.errors import OutcomeUnknown, RateLimited, Refused, SendError, TryLater, Unreachable
from normalizer.outbound import Outbound

PAUSE = 30.0
"""Seconds to wait where a program asks for a pause and does not say how long."""


class Send(Struct, frozen=True, kw_only=True, tag_field="do", tag="send"):
    """Send this, once."""

    outbound: Outbound


class Check(Struct, frozen=True, kw_only=True, tag_field="do", tag="check"):
    """Say whether you can work: ``{}``, or an ``error``."""


class Answer(Struct, frozen=True, kw_only=True):
    """``{"sent": "<the provider's id, or nothing>"}``, or what went wrong: the words of docs/adapters.md."""

    sent: Annotated[str, Meta(max_length=255)] | None = None
    error: Literal["try_later", "rate_limited", "refused", "unreachable", "unknown"] | None = None
    code: Annotated[str, Meta(max_length=64)] = ""
    message: Annotated[str, Meta(max_length=1_000)] = ""
    retry_after: Annotated[float, Meta(ge=0, le=86_400)] | None = None


def to_outcome(answer: Answer) -> Sent:
    """Give what became of a message. Raises SendError."""
    if answer.error is None:
        if answer.sent is None:
            raise OutcomeUnknown("bad_answer", "The program has answered neither `sent` nor `error`.")
        return Sent(native_id=answer.sent)
    raise _error(answer, answer.code or answer.error, answer.message or "The program has not said why.")


def _error(answer: Answer, code: str, message: str) -> SendError:
    match answer.error:
        case "try_later":
            return TryLater(code, message, retry_after=answer.retry_after)
        case "rate_limited":
            retry_after = PAUSE if answer.retry_after is None else answer.retry_after
            return RateLimited(code, message, retry_after=retry_after, whole_channel=True)
        case "refused":
            return Refused(code, message)
        case "unreachable":
            return Unreachable(code, message)
        case _:
            return OutcomeUnknown(code, message)
