"""The envelope: one normalised message from a customer, whatever channel it came through.

Its schema only grows: new fields have defaults, and stored samples of every version are decoded in the tests.
"""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from normalizer.content import MAX_WHOLE, Content, Language

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


Name = Annotated[str, Meta(max_length=64)]
AttributeValue = Annotated[str, Meta(max_length=1_000)]


class Envelope(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that a customer did on one channel.

    ``channel_data`` belongs to the adapter that wrote it and comes back with each answer to this address.
    """

    v: Annotated[int, Meta(ge=1, le=MAX_WHOLE, description="Version of this schema.")] = ENVELOPE_VERSION
    id: Annotated[str, Meta(min_length=1, max_length=64, description="A UUIDv7 that the adapter draws.")]
    at: Annotated[
        int,
        Meta(ge=0, le=MAX_WHOLE, description="When the channel says it happened: milliseconds since the epoch, UTC."),
    ]
    channel: Annotated[str, Meta(min_length=1, max_length=64, description="The channel's name in the YAML.")]
    type: Annotated[str, Meta(min_length=1, max_length=64, description="The channel's adapter.")]
    native_id: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=255,
            description="The channel's own id of the event. The same event delivered again has the same one, "
            "and it is taken in once (promise P2).",
        ),
    ]
    address: Annotated[
        str,
        Meta(
            min_length=3,
            max_length=400,
            description="Who or where: scheme:value, normalised. A value that is unique within one configured channel "
            "only is qualified by it: webhook:<channel>/<value>.",
        ),
    ]
    content: Content
    sender: Sender = Sender()
    reply_to: (
        Annotated[str, Meta(max_length=255, description="The native id of the message that this one answers.")] | None
    ) = None
    automatic: Annotated[
        bool,
        Meta(
            description="A machine wrote it (an out-of-office notice, a newsletter): it waits for no answer, and "
            "nothing that is closed opens again for it."
        ),
    ] = False
    attributes: Annotated[
        dict[Name, AttributeValue],
        Meta(
            max_length=64,
            description="Plain facts for rules and the operator, such as page or campaign; never trusted.",
        ),
    ] = {}
    channel_data: msgspec.Raw = msgspec.Raw(b"null")
