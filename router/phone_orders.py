"""Orders to the channel of a call: let a phone ring, let none ring any more, call the customer, hang up."""

from typing import Literal

import msgspec

from normalizer.content import Call
from normalizer.outbound import Author, Outbound
from router import facts as f
from router.draft import Draft
from router.people import Conversation, LiveCall, Offer
from router.phone import held_call, ringing_call

_NO_DATA = msgspec.Raw(b"null")


def wish(  # noqa: PLR0913, PLR0917  # each stands for a word of the message
    d: Draft,
    conversation: Conversation,
    call: LiveCall,
    event: Literal["ringing", "initiated", "ended"],
    phone: str = "",
    by: str = "",
    *,
    dials_until: int = 0,
) -> None:
    """Send the channel of a call an order: let a phone ring, call the customer, hang up."""
    sending = conversation.sendings.get(call.address)
    known = sending is not None and sending.channel == call.channel
    outbound = Outbound(
        id=d.next_outbound(conversation),
        conversation=conversation.id,
        channel=call.channel,
        address=call.address,
        at=d.now,
        content=Call(call=call.id, event=event, direction=call.direction, to=phone),
        author=Author(id=by, name=d.rules.operators[by].name) if by else Author(kind="system"),
        channel_data=sending.channel_data if sending is not None and known else _NO_DATA,
    )
    number = conversation.n + 1
    d.emit(
        f.ReplySent(
            conversation=conversation.id, n=number, outbound=outbound, by=by, wish=True, dials_until=dials_until
        )
    )


def quieten(d: Draft, conversation: Conversation, ended: Offer) -> None:
    """Stop the phone of an ended offer from ringing, unless the call already rings at another operator."""
    call = held_call(conversation)
    if ended.ring and call is not None and not conversation.offers:
        wish(d, conversation, call, "ringing")


def hush(d: Draft, conversation: Conversation) -> None:
    """Stop the phone of a former owner from ringing, unless the call already rings at another operator."""
    call = ringing_call(conversation)
    if call is not None and not conversation.offers and conversation.owner is None:
        wish(d, conversation, call, "ringing")
