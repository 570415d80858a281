"""The envelope on the wire: JSON of at most 256 KB, checked alike by the one who writes and the one who reads."""

import inspect
import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from normalizer.address import AddressError, split
from normalizer.envelope import ENVELOPE_VERSION, MAX_CHANNEL_DATA_BYTES, MAX_ENVELOPE_BYTES, Envelope
from normalizer.outbound import Outbound

_DECODER = msgspec.json.Decoder(Envelope)
_ENCODER = msgspec.json.Encoder()
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

_MALFORMED = (msgspec.MsgspecError, UnicodeError, RecursionError)
"""What msgspec raises on bytes from strangers: bad JSON or types, bad UTF-8, too many brackets."""


class EnvelopeRefused(ValueError):
    """The bytes are no envelope; ``reason`` is a sentence that says what is wrong and where."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def encode_envelope(envelope: Envelope) -> bytes:
    """Return the envelope as JSON. Raises EnvelopeRefused for what :func:`decode_envelope` would not take.

    So an adapter learns of a name that is too long while the provider still has the message, not from a dead letter.
    """
    try:
        data = _ENCODER.encode(envelope)
    except (TypeError, ValueError) as error:
        raise EnvelopeRefused(f"The envelope cannot be written as JSON: {error}.") from error
    decode_envelope(data)
    return data


def decode_envelope(data: bytes) -> Envelope:
    """Return the envelope that ``data`` holds. Raises EnvelopeRefused and nothing else.

    Unknown fields are left out: a younger writer of the same version may send more than this reader knows.
    """
    if len(data) > MAX_ENVELOPE_BYTES:
        raise EnvelopeRefused(
            f"The envelope has {len(data):,} bytes; {MAX_ENVELOPE_BYTES:,} are allowed. Send long text as media."
        )
    try:
        envelope = _DECODER.decode(data)
    except _MALFORMED as error:
        raise EnvelopeRefused(f"Not an envelope: {error}.") from error
    _check_version(envelope)
    _check_names(envelope)
    _check_address(envelope)
    return _own_channel_data(envelope)


def envelope_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the envelope."""
    return _schema(Envelope)


def outbound_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of what adapters get to send."""
    return _schema(Outbound)


def _check_version(envelope: Envelope) -> None:
    if envelope.v > ENVELOPE_VERSION:
        raise EnvelopeRefused(
            f"The envelope is of version {envelope.v}; this Trunkline reads versions up to {ENVELOPE_VERSION}. "
            "Upgrade the routers before the adapters."
        )


def _check_names(envelope: Envelope) -> None:
    """Refuse control characters in what may become part of a header, a subject or a line of a log."""
    if f"{envelope.id}{envelope.channel}{envelope.type}{envelope.native_id}".isprintable():
        return
    for field in ("id", "channel", "type", "native_id"):
        value: str = getattr(envelope, field)
        if _CONTROL.search(value):
            raise EnvelopeRefused(f"There is a control character in `$.{field}`: {value!r}.")


def _check_address(envelope: Envelope) -> None:
    try:
        split(envelope.address)
    except AddressError as error:
        raise EnvelopeRefused(f"{error} - at `$.address`.") from error


def _own_channel_data(envelope: Envelope) -> Envelope:
    """Check the adapter's own data, which decoding has only skipped, and let go of the rest of the message's bytes."""
    raw = bytes(envelope.channel_data)
    if len(raw) > MAX_CHANNEL_DATA_BYTES:
        raise EnvelopeRefused(
            f"`$.channel_data` has {len(raw):,} bytes; {MAX_CHANNEL_DATA_BYTES:,} are allowed, because it stays in the "
            "router's memory for as long as the conversation is open."
        )
    if raw == b"null":
        return envelope
    try:
        msgspec.json.decode(raw)
    except _MALFORMED as error:
        raise EnvelopeRefused(f"Not JSON: {error} - at `$.channel_data`.") from error
    return msgspec.structs.replace(envelope, channel_data=msgspec.Raw(raw))


ChannelData = Annotated[
    Any, Meta(description="Belongs to the adapter that wrote it; any JSON, at most 8 KB. Nobody else reads it.")
]


def _schema(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """Describe ``struct`` with any JSON in the place of its raw field, for which msgspec has no words."""
    described = msgspec.defstruct(
        struct.__name__,
        [("channel_data", ChannelData, None)],
        bases=(struct,),
        namespace={"__doc__": struct.__doc__},
        frozen=True,
        kw_only=True,
        omit_defaults=True,
    )
    schema = msgspec.json.schema(described)
    for definition in schema["$defs"].values():
        definition["description"] = inspect.cleandoc(definition["description"])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
