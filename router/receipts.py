"""Receipts of what was sent: their rank only rises, and an answer that came back becomes work again."""

from normalizer.content import Text
from normalizer.outbound import RECEIPT_RANK, Receipt, ReceiptState
from router import facts as f
from router.calls import give_up, ring_elsewhere
from router.draft import Draft
from router.entries import end_wrap_up, keep_parking
from router.inputs import Reported
from router.parking import wake
from router.people import Conversation
from router.queueing import begin, place_or_announce, route_of


def take_receipt(d: Draft, reported: Reported) -> None:
    """Take news of an answer from the channel that sent it.

    They come twice and out of order, and only a higher rank says something new.
    """
    receipt, channel = reported.receipt, reported.channel
    conversation = d.state.conversations.get(conversation_of(receipt))
    known = conversation.outbounds.get(receipt.outbound) if conversation is not None else None
    if conversation is None or known is None or RECEIPT_RANK[receipt.state] <= RECEIPT_RANK[known]:
        return
    if conversation.channels.get(receipt.outbound, channel) != channel:
        return
    d.line = conversation.id
    author = conversation.authors.get(receipt.outbound, "")
    d.emit(
        f.OutboundChanged(
            conversation=conversation.id,
            outbound=receipt.outbound,
            state=receipt.state,
            at=receipt.at,
            watermark=receipt.watermark,
            channel=channel if receipt.watermark else "",
            native_id=receipt.native_id,
            code=receipt.code,
            error=receipt.error,
        )
    )
    if receipt.state is ReceiptState.FAILED:
        _not_sent(d, conversation, receipt, author)
    keep_parking(d, conversation)


def conversation_of(receipt: Receipt) -> str:
    """Name the conversation that an outbound message is of."""
    return receipt.outbound.rpartition("-")[0]


def _not_sent(d: Draft, conversation: Conversation, receipt: Receipt, author: str) -> None:
    if not author:
        ring_elsewhere(d, conversation, receipt.outbound)
        give_up(d, conversation, receipt.outbound)
    elif conversation.status == "closed":
        _come_back(d, conversation, receipt, author)
    elif conversation.parked_at:
        wake(d, conversation, "undelivered")  # its customer has nothing to answer, so nobody would look at it again


def _come_back(d: Draft, conversation: Conversation, receipt: Receipt, author: str) -> None:
    """An answer came back after the closing: its author is told, and it is work again.

    Where the customer has another conversation by now, that one is told too and goes on; else this one opens again.
    """
    error = f" ({receipt.error})" if receipt.error else ""
    told = Text(text=f"The answer {receipt.outbound} did not reach the customer{error}.")
    d.emit(f.NoteAdded(conversation=conversation.id, n=conversation.n + 1, by="", content=told, mentions=(author,)))
    person = d.state.people[conversation.person]
    latest = d.state.conversations.get(person.conversation or "")
    if latest is not None and latest.status != "closed":
        d.emit(f.Scheduled(items=(("bounced", f"{latest.id}:{receipt.outbound}"),)))
        return
    end_wrap_up(d, conversation)
    d.emit(f.ConversationReopened(conversation=conversation.id, undelivered=receipt.outbound))
    route = route_of(d, conversation)
    begin(d, conversation, route, conversation.languages, sure=True, reason="undelivered")
    place_or_announce(d, conversation)


def tell_of_bounce(d: Draft, about: str) -> None:
    """Say in the conversation that goes on that an answer in an earlier one came back."""
    name, _, outbound = about.partition(":")
    conversation = d.conversation(name)
    told = Text(text=f"The answer {outbound} of an earlier conversation did not reach the customer.")
    d.emit(f.NoteAdded(conversation=name, n=conversation.n + 1, by="", content=told))
