"""What comes from channels: customers' messages, each taken once and into one line, and news of what was sent."""

from collections.abc import Mapping
from itertools import islice

from normalizer.content import Call, Delete, Edit, Rating, Reaction, Text
from normalizer.envelope import Envelope
from normalizer.outbound import RECEIPT_RANK
from router import facts as f
from router.deadlines import PARK, timer_id
from router.draft import Draft
from router.inputs import Message, Reported
from router.people import Conversation, Person
from router.policy import SURE, languages
from router.queueing import answer_due, enqueue

SEEN_FOR = 48 * 3_600_000
"""Native ids are remembered for so long (ms): providers repeat for days (promise P2) ..."""
SEEN_LEAST = 64
"""... but at least so many of an address ..."""
SEEN_MOST = 4096
"""... and at most so many."""

_SILENT = (Reaction, Edit, Delete, Rating)
_OVER = ("ended", "failed", "recording")


def take_message(d: Draft, message: Message) -> None:
    """Take a customer's message into the person's conversation, opening one if there is none; once."""
    envelope = message.envelope
    state = d.state
    address = state.addresses.get(envelope.address)
    seen: Mapping[str, int] = address.seen if address is not None else {}
    if f"{envelope.channel}/{envelope.native_id}" in seen:
        return
    person = state.people[address.person] if address is not None else _meet(d, envelope)
    conversation = state.conversations.get(person.conversation) if person.conversation is not None else None
    speaks = _speaks(envelope)
    begun = conversation is None or (conversation.status == "closed" and speaks)
    if not begun:
        assert conversation is not None  # noqa: S101  # by the line above; mypy cannot see it
        _append(d, conversation, envelope, seen, speaks=speaks)
        _keep_parking(d, conversation)
        return
    fresh = conversation is None or d.now - conversation.closed_at > d.rules.times.reopen
    current = _open(d, person, envelope) if conversation is None or fresh else _reopen(d, conversation, envelope)
    _append(d, current, envelope, seen, speaks=True)
    enqueue(d, current, envelope, "new" if fresh else "reopened")


def _speaks(envelope: Envelope) -> bool:
    """Whether this asks for an answer: a reaction, a change of something said or the end of a call does not."""
    content = envelope.content
    if isinstance(content, Call):
        return content.event not in _OVER
    return not isinstance(content, _SILENT)


def _meet(d: Draft, envelope: Envelope) -> Person:
    name = f"p{d.input}"
    d.emit(f.PersonCreated(person=name, address=envelope.address))
    return d.state.people[name]


def _open(d: Draft, person: Person, envelope: Envelope) -> Conversation:
    name = f"c{d.input}"
    d.emit(
        f.ConversationOpened(conversation=name, person=person.id, channel=envelope.channel, address=envelope.address)
    )
    return d.state.conversations[name]


def _reopen(d: Draft, conversation: Conversation, envelope: Envelope) -> Conversation:
    end_wrap_up(d, conversation)
    d.emit(f.ConversationReopened(conversation=conversation.id, channel=envelope.channel, address=envelope.address))
    return conversation


def end_wrap_up(d: Draft, conversation: Conversation) -> None:
    """Free the operator who is still writing down what a closed conversation was about."""
    if conversation.owner is not None:
        d.freed[conversation.owner] = None
        d.emit(f.WrapUpEnded(conversation=conversation.id, operator=conversation.owner))


def _append(d: Draft, conversation: Conversation, envelope: Envelope, seen: Mapping[str, int], *, speaks: bool) -> None:
    d.line = conversation.id
    waits = speaks and not conversation.unanswered
    d.emit(
        f.MessageTaken(
            conversation=conversation.id,
            n=conversation.n + 1,
            envelope=envelope,
            forget=_forgettable(seen, d.now),
            waits=waits,
            say_at=_first_phrase(d, envelope) if waits else 0,
            unanswered_at=answer_due(d, conversation) if waits and conversation.owner is not None else 0,
            languages=_news_of_language(conversation, envelope),
        )
    )


def _forgettable(seen: Mapping[str, int], now: int) -> int:
    """How many of the oldest native ids leave when one more comes."""
    count = len(seen)
    if count < SEEN_LEAST:
        return 0
    forget = max(0, count + 1 - SEEN_MOST)
    for at in islice(seen.values(), forget, count + 1 - SEEN_LEAST):
        if at > now - SEEN_FOR:
            break
        forget += 1
    return forget


def _first_phrase(d: Draft, envelope: Envelope) -> int:
    phrases = d.rules.waiting
    if not phrases or d.policy.channel(envelope.channel).kind == "exclusive":
        return 0
    return d.now + phrases[0].after


def _news_of_language(conversation: Conversation, envelope: Envelope) -> tuple[str, ...]:
    """Give the conversation's languages if this message changes them: a sure one comes to the front."""
    known = conversation.languages
    if not known:
        return languages(envelope)[0]
    content = envelope.content
    if not isinstance(content, Text) or content.language is None or content.language.confidence < SURE:
        return ()
    code = content.language.code.partition("-")[0].lower()
    return () if code == known[0] else (code, *(other for other in known if other != code))


def _keep_parking(d: Draft, conversation: Conversation) -> None:
    """Somebody came back into memory for no more than a reaction: they leave it again."""
    if conversation.status == "closed":
        timer = timer_id(PARK, conversation.person)
        if timer not in d.state.timers:
            d.emit(f.TimerSet(timer=timer, due=d.now + d.rules.times.park_person))


def take_receipt(d: Draft, reported: Reported) -> None:
    """Take news of an answer from the channel that sent it.

    They come twice and out of order, and only a higher rank says something new.
    """
    receipt, channel = reported.receipt, reported.channel
    conversation = d.state.conversations.get(receipt.outbound.rpartition("-")[0])
    known = conversation.outbounds.get(receipt.outbound) if conversation is not None else None
    if conversation is None or known is None or RECEIPT_RANK[receipt.state] <= RECEIPT_RANK[known]:
        return
    if conversation.channels.get(receipt.outbound, channel) != channel:
        return
    d.line = conversation.id
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
