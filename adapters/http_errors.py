"""What a failed HTTP request to a provider means for the message in it: was it sent, and may it be sent again? Pure."""

from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import aiohttp

from adapters.errors import OutcomeUnknown, RateLimited, Refused, SendError, TryLater, Unreachable

DEFAULT_PAUSE = 5.0
"""Seconds to wait after a 429 that names no time."""

PASSING: dict[int, str] = {
    408: "the receiver waited too long for the request",
    425: "the receiver is not ready for the request",
    500: "the receiver failed",
    502: "the receiver's proxy got no good answer",
    503: "the receiver is not available",
}
"""Statuses that say: not taken, try again. Any other 5xx is treated as 500."""


def to_send_error(status: int, retry_after: float | None, scope: str) -> SendError:
    """Give what a status other than 2xx means (RFC 9110 section 15)."""
    if status == HTTPStatus.GONE:
        return Unreachable("gone", "the receiver says that this recipient does not exist any more")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return RateLimited(
            "rate_limited",
            "the receiver asks for a pause",
            retry_after=DEFAULT_PAUSE if retry_after is None else retry_after,
            whole_channel=scope != "recipient",
        )
    if status == HTTPStatus.GATEWAY_TIMEOUT:
        return OutcomeUnknown("http_504", "a proxy waited in vain for the receiver, which may have taken the message")
    if status in PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return TryLater(f"http_{status}", PASSING.get(status, PASSING[500]), retry_after=retry_after)
    return Refused(f"http_{status}", f"the receiver refused the message with status {status}")


def to_client_error(error: aiohttp.ClientError | TimeoutError) -> SendError:
    """Give what a failed request means: before it was written it was not sent, afterwards nobody knows."""
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return TryLater("not_connected", "the receiver cannot be reached")
    if isinstance(error, TimeoutError):
        return OutcomeUnknown("timeout", "the receiver did not answer in time and may have taken the message")
    if isinstance(error, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
        return Refused("bad_url", "the receiver's address is not a valid URL")
    return OutcomeUnknown("connection_lost", "the connection broke before the answer; the message may have been taken")


def read_retry_after(value: str | None, now: int) -> float | None:
    """Read a Retry-After header (RFC 9110 section 10.2.3) as seconds from ``now`` (ms); None where it says nothing."""
    if not value:
        return None
    if value.isascii() and value.isdecimal():
        return float(value[:9])
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, at.timestamp() - now / 1_000)
