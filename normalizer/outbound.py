"""What goes out to a customer, and what becomes of it."""

from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from normalizer.content import Content, Count


class Author(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who speaks to the customer: an operator with a real name and face, or the system."""

    kind: Literal["operator", "system"] = "operator"
    id: str = ""
    name: str = ""
    avatar: str = ""


class Outbound(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message to one address on one channel (promise P7).

    ``id`` is ``<conversation>-<entry number>``, given by the router; a second try after a failure has a new one.
    ``reply_to`` is the native id of the customer's message it answers; ``channel_data`` is what the adapter left in
    the last envelope from this address.
    """

    id: str
    conversation: str
    channel: str
    address: str
    at: int
    content: Content
    author: Author = Author()
    reply_to: str | None = None
    channel_data: msgspec.Raw = msgspec.Raw(b"null")


class ReceiptState(StrEnum):
    """What is known of an outbound message. ``unknown``: the provider's answer was lost; it may have been sent."""

    QUEUED = "queued"
    UNKNOWN = "unknown"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"


RECEIPT_RANK: dict[ReceiptState, int] = {
    ReceiptState.QUEUED: 0,
    ReceiptState.UNKNOWN: 1,
    ReceiptState.SENT: 2,
    ReceiptState.FAILED: 3,
    ReceiptState.DELIVERED: 4,
    ReceiptState.READ: 5,
}
"""Receipts come twice and out of order: a lower or equal rank never replaces a higher one."""


class Receipt(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="receipt"):
    """News of an outbound message. ``watermark``: it holds for every earlier one to the same address as well.

    ``code`` is stable and for programs, ``error`` a sentence for the operator. ``native_id`` is the provider's id.
    """

    outbound: Annotated[str, Meta(min_length=1, max_length=80)]
    state: ReceiptState
    at: Count
    watermark: bool = False
    native_id: Annotated[str, Meta(max_length=255)] = ""
    code: Annotated[str, Meta(max_length=64)] = ""
    error: Annotated[str, Meta(max_length=1_000)] = ""
