"""Webhook requests to our own words and back. Pure: time and ids are arguments."""

from adapters.errors import Refused
from adapters.rejection import Fault, Rejection, decode
from adapters.webhook.wire import IncomingMessage, IncomingReceipt, OutgoingMessage
from normalizer.address import AddressError, address
from normalizer.content import Choice, Language, Option, Text
from normalizer.envelope import Envelope, Sender
from normalizer.outbound import Outbound, Receipt, ReceiptState
from normalizer.plain import clean_line, clean_text

TYPE = "webhook"

STATES: dict[str, ReceiptState] = {
    "sent": ReceiptState.SENT,
    "delivered": ReceiptState.DELIVERED,
    "read": ReceiptState.READ,
    "failed": ReceiptState.FAILED,
}


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
