"""The envelope: one normalised message from a customer, whatever channel it came through.

Its schema only grows: new fields have defaults, and stored samples of every version are decoded in the tests.
"""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from normalizer.content import Content, Language

ENVELOPE_VERSION = 1
MAX_ENVELOPE_BYTES = 256 * 1024
"""Longer text travels as media."""

MAX_CHANNEL_DATA_BYTES = 8 * 1024
"""It lives in the router's memory for as long as the conversation is open."""


class Sender(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who wrote, as far as the channel says; nothing here proves an identity."""

    name: Annotated[str, Meta(max_length=255)] = ""
    avatar: Annotated[str, Meta(max_length=1_000)] = ""
    languages: tuple[Language, ...] = ()


class Envelope(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that a customer did on one channel.

    ``id`` is a UUIDv7 of ours; ``at`` is when the channel says it happened (milliseconds since the epoch, UTC).
    ``channel`` is the name in the YAML, ``type`` its adapter. ``native_id`` is the channel's own id of the event:
    the same event delivered again has the same one, and it is taken in once (promise P2).
    ``address`` is ``scheme:value``, normalised by :mod:`normalizer.address`.
    ``attributes`` are plain facts for rules and the operator (page, campaign); never trusted.
    ``channel_data`` belongs to the adapter that wrote it and comes back with each answer to this address.
    """

    v: int = ENVELOPE_VERSION
    id: Annotated[str, Meta(min_length=1, max_length=64)]
    at: Annotated[int, Meta(ge=0)]
    channel: Annotated[str, Meta(min_length=1, max_length=64)]
    type: Annotated[str, Meta(min_length=1, max_length=64)]
    native_id: Annotated[str, Meta(min_length=1, max_length=255)]
    address: Annotated[str, Meta(min_length=3, max_length=400)]
    content: Content
    sender: Sender = Sender()
    reply_to: Annotated[str, Meta(max_length=255)] | None = None
    attributes: dict[str, str] = {}
    channel_data: msgspec.Raw = msgspec.Raw(b"null")
