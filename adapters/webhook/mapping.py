"""Webhook requests to our own words and back. Pure: time and ids are arguments."""

from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus
from typing import TypeVar

import aiohttp
import msgspec

from adapters.errors import OutcomeUnknown, RateLimited, Refused, SendError, TryLater, Unreachable
from adapters.webhook.wire import IncomingMessage, IncomingReceipt, OutgoingMessage
from normalizer.address import AddressError, address
from normalizer.content import Choice, Language, Option, Text
from normalizer.envelope import Envelope, Sender
from normalizer.outbound import Outbound, Receipt, ReceiptState
from normalizer.plain import clean_line, clean_text

TYPE = "webhook"
DEFAULT_PAUSE = 5.0
Wire = TypeVar("Wire")

STATES: dict[str, ReceiptState] = {
    "sent": ReceiptState.SENT,
    "delivered": ReceiptState.DELIVERED,
    "read": ReceiptState.READ,
    "failed": ReceiptState.FAILED,
}

PASSING: dict[int, str] = {
    408: "the receiver waited too long for the request",
    425: "the receiver is not ready for the request",
    500: "the receiver failed",
    502: "the receiver's proxy got no good answer",
    503: "the receiver is not available",
}
"""Statuses that say: not taken, try again. Any other 5xx is treated as 500."""


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


def decode_message(body: bytes) -> IncomingMessage:
    """Read a message. Raises Rejection, which names the field."""
    return decode(body, IncomingMessage)


def decode_receipt(body: bytes) -> IncomingReceipt:
    """Read a receipt. Raises Rejection, which names the field."""
    return decode(body, IncomingReceipt)


def to_envelope(message: IncomingMessage, channel: str, *, new_id: str, now: int) -> Envelope:
    """Give the envelope of a message. Raises Rejection."""
    try:
        sender = address("webhook", f"{channel}/{message.sender}")
    except AddressError as exc:
        raise Rejection(Fault.INVALID, str(exc), "$.from") from exc
    language = Language(code=message.language) if message.language else None
    return Envelope(
        id=new_id,
        at=now if message.at is None else message.at,
        channel=channel,
        type=TYPE,
        native_id=message.id,
        address=sender,
        content=Choice(chosen=message.choice)
        if message.choice
        else Text(text=clean_text(message.text), language=language),
        sender=Sender(name=clean_line(message.name), languages=(language,) if language else ()),
        reply_to=message.reply_to,
        attributes=message.attributes,
    )


def to_receipt(receipt: IncomingReceipt, *, now: int) -> Receipt:
    """Give the receipt in our own words."""
    return Receipt(
        outbound=receipt.id,
        state=STATES[receipt.state],
        at=now if receipt.at is None else receipt.at,
        code=receipt.code,
        error=receipt.error,
    )


def to_outgoing(outbound: Outbound, channel: str) -> OutgoingMessage:
    """Give what is posted. Raises Refused for contents that rendering does not leave to this channel."""
    match outbound.content:
        case Text(text=text):
            options: tuple[Option, ...] = ()
        case Choice(text=text, options=options):
            pass
        case other:
            raise Refused("unsupported", f"a webhook channel cannot send a {other.__struct_config__.tag}")
    return OutgoingMessage(
        id=outbound.id,
        conversation=outbound.conversation,
        to=outbound.address.removeprefix(f"webhook:{channel}/"),
        at=outbound.at,
        text=text,
        by=outbound.author.name,
        options=options,
        reply_to=outbound.reply_to,
    )


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


def decode(body: bytes, type_: type[Wire]) -> Wire:
    """Read a body. Raises Rejection, which names the field."""
    try:
        return msgspec.json.decode(body, type=type_)
    except msgspec.ValidationError as exc:
        message, _, field = str(exc).partition(" - at ")
        raise Rejection(Fault.INVALID, message, field.strip("`") or "$") from exc
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise Rejection(Fault.INVALID, f"the body is not JSON in UTF-8: {exc}", "$") from exc
