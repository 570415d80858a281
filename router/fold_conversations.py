"""Folds of what happens to conversations."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from normalizer.envelope import Envelope
from normalizer.outbound import RECEIPT_RANK, ReceiptState
from router import facts as f
from router.change import Change, Fold
from router.deadlines import ARCHIVE, EXCLUDED, IDLE, OFFER, ORPHAN, PARK, SAY, STEP, UNANSWERED, WRAP_UP, timer_id
from router.fold_calls import move_call, served
from router.fold_operators import charge, free, operator_of
from router.people import AddressState, Conversation, Offer, Sending

KEEP_OUTBOUNDS = 256
"""Answers whose news are followed, per conversation."""

_NO_DATA = msgspec.Raw(b"null")


def _opened(c: Change, fact: f.ConversationOpened) -> None:
    person = c.state.people[fact.person]
    conversation = Conversation(
        id=fact.conversation, person=fact.person, channel=fact.channel, address=fact.address, opened_at=c.now
    )
    c.put(c.state.conversations, fact.conversation, conversation)
    if person.conversation is not None:
        c.set(person, "past", [*person.past, person.conversation])
    c.set(person, "conversation", fact.conversation)
    c.timer(PARK, fact.person, 0)


def _message_taken(c: Change, fact: f.MessageTaken) -> None:
    state, envelope = c.state, fact.envelope
    conversation, address = state.conversations[fact.conversation], state.addresses[envelope.address]
    seen, channel = address.seen, envelope.channel
    for _ in range(fact.forget):
        c.drop_first(seen)
    c.put(seen, f"{channel}/{envelope.native_id}", c.now)
    if fact.heard:
        c.put(address.heard, channel, fact.heard)
    c.set(conversation, "n", fact.n)
    _answer_here(c, conversation, address, envelope, aside=fact.aside)
    if fact.languages:
        c.set(conversation, "languages", fact.languages)
    if fact.waits:
        c.set(conversation, "unanswered", c.now)
        c.set(conversation, "said", 0)
        c.timer(SAY, fact.conversation, fact.say_at)
        c.timer(UNANSWERED, fact.conversation, fact.unanswered_at)


def _answer_here(
    c: Change, conversation: Conversation, address: AddressState, envelope: Envelope, *, aside: bool
) -> None:
    """Remember where answers go: what is said ``aside`` never leads them to another channel."""
    channel, known = envelope.channel, conversation.sendings.get(envelope.address)
    if address.channel != channel and not (aside and address.channel):
        c.set(address, "channel", channel)
    if conversation.last_address != envelope.address and not (aside and conversation.last_address):
        c.set(conversation, "last_address", envelope.address)
    if aside and known is not None:
        return
    data = envelope.channel_data
    c.put(
        conversation.sendings,
        envelope.address,
        Sending(
            channel=channel, reply_to=envelope.native_id, channel_data=_NO_DATA if data == _NO_DATA else data.copy()
        ),
    )


def _joined(c: Change, fact: f.ConversationJoined) -> None:
    conversation, other = c.state.conversations[fact.conversation], c.state.conversations[fact.other]
    for address, sending in other.sendings.items():
        c.put(conversation.sendings, address, sending)
    c.set(conversation, "last_address", fact.address)
    c.set(conversation, "unanswered", fact.unanswered)
    c.set(conversation, "said", fact.said)
    c.timer(SAY, fact.conversation, fact.say_at)
    c.timer(UNANSWERED, fact.conversation, fact.unanswered_at)
    if fact.tier is not None:
        c.set(conversation, "tier", fact.tier)
    if fact.v is not None:
        c.set(conversation, "v", fact.v)
    for call in list(other.calls.values()):
        move_call(c, call, other, conversation)


def _reopened(c: Change, fact: f.ConversationReopened) -> None:
    conversation = c.state.conversations[fact.conversation]
    person = c.state.people[conversation.person]
    if person.conversation != conversation.id:
        names = (*person.past, person.conversation)
        c.set(person, "past", [n for n in names if n is not None and n != conversation.id])
        c.set(person, "conversation", conversation.id)
    c.set(conversation, "status", "open")
    c.set(conversation, "closed_at", 0)
    c.set(conversation, "result", "")
    c.set(conversation, "excluded", {})
    if fact.channel:
        c.set(conversation, "channel", fact.channel)
        c.set(conversation, "address", fact.address)
    c.drop(c.state.timers, timer_id(ARCHIVE, fact.conversation, conversation.person))
    c.timer(PARK, conversation.person, 0)


def _queued(c: Change, fact: f.ConversationQueued) -> None:
    conversation = c.state.conversations[fact.conversation]
    for name in ("rule", "tier", "v", "seq", "enqueued_at", "units", "kind", "steps", "step"):
        c.set(conversation, name, getattr(fact, name))
    c.set(conversation, "excluded", dict(fact.exclude))
    c.set(conversation, "warned", "")
    c.set(conversation, "status", "waiting")
    c.timer(EXCLUDED, fact.conversation, min(fact.exclude.values(), default=0))
    _time_next_step(c, conversation)


def _time_next_step(c: Change, conversation: Conversation) -> None:
    later = conversation.steps[conversation.step + 1 :]
    c.timer(STEP, conversation.id, later[0].at if later else 0)


def _relaxed(c: Change, fact: f.ConversationRelaxed) -> None:
    conversation = c.state.conversations[fact.conversation]
    c.set(conversation, "step", fact.step)
    _time_next_step(c, conversation)


def _exclusion_ended(c: Change, fact: f.ExclusionEnded) -> None:
    conversation = c.state.conversations[fact.conversation]
    left = {name: until for name, until in conversation.excluded.items() if name not in fact.operators}
    c.set(conversation, "excluded", left)
    c.timer(EXCLUDED, fact.conversation, min(left.values(), default=0))


def _unroutable(c: Change, fact: f.Unroutable) -> None:
    c.set(c.state.conversations[fact.conversation], "warned", "unstaffed" if fact.configured else "unroutable")


def _offered(c: Change, fact: f.Offered) -> None:
    conversation = c.state.conversations[fact.conversation]
    offer = Offer(
        id=fact.offer,
        operator=fact.operator,
        units=fact.units,
        expires=fact.expires,
        transfer_from=fact.transfer_from,
        direct=fact.direct,
        ring=fact.ring,
    )
    c.set(conversation, "offers", [*conversation.offers, offer])
    c.set(conversation, "status", "offered")
    c.set(conversation, "epoch", fact.epoch)
    charge(c, fact.operator, conversation, fact.units)
    _leave_queue(c, conversation)
    if fact.expires:
        c.put(c.state.timers, timer_id(OFFER, fact.conversation, fact.offer), fact.expires)


def _leave_queue(c: Change, conversation: Conversation) -> None:
    c.timer(STEP, conversation.id, 0)
    c.timer(EXCLUDED, conversation.id, 0)


def _offer_ended(c: Change, fact: f.OfferEnded) -> None:
    conversation = c.state.conversations[fact.conversation]
    _drop_offer(c, conversation, fact.offer)
    c.set(conversation, "status", "assigned" if conversation.owner else "open")
    c.set(operator_of(c, fact.operator), "silent", fact.silent)
    free(c, fact.operator, conversation)


def _drop_offer(c: Change, conversation: Conversation, offer: str) -> None:
    c.set(conversation, "offers", [o for o in conversation.offers if o.id != offer])
    c.drop(c.state.timers, timer_id(OFFER, conversation.id, offer))


def _assigned(c: Change, fact: f.Assigned) -> None:
    conversation = c.state.conversations[fact.conversation]
    operator = operator_of(c, fact.operator)
    if fact.offer is None:
        charge(c, fact.operator, conversation, fact.units)
    else:
        _drop_offer(c, conversation, fact.offer)
        c.set(operator, "silent", 0)
    c.set(conversation, "status", "assigned")
    c.set(conversation, "owner", fact.operator)
    c.set(conversation, "owned_at", c.now)
    c.set(conversation, "epoch", fact.epoch)
    c.set(operator, "idle_since", c.now)
    _leave_queue(c, conversation)
    c.timer(UNANSWERED, fact.conversation, fact.unanswered_at)
    c.timer(IDLE, fact.conversation, fact.idle_at)


def _unassigned(c: Change, fact: f.Unassigned) -> None:
    conversation = c.state.conversations[fact.conversation]
    c.set(conversation, "owner", None)
    if conversation.status == "assigned":
        c.set(conversation, "status", "open")
    free(c, fact.operator, conversation)
    c.set(operator_of(c, fact.operator), "idle_since", c.now)
    for kind in (UNANSWERED, ORPHAN, IDLE):
        c.timer(kind, fact.conversation, 0)


def _reply_sent(c: Change, fact: f.ReplySent) -> None:
    conversation = c.state.conversations[fact.conversation]
    c.set(conversation, "n", fact.n)
    c.put(conversation.outbounds, fact.outbound.id, ReceiptState.QUEUED)
    c.put(conversation.targets, fact.outbound.id, fact.outbound.address)
    c.put(conversation.channels, fact.outbound.id, fact.outbound.channel)
    if fact.again is not None:
        _forget_outbound(c, conversation, fact.again)
    if len(conversation.outbounds) > KEEP_OUTBOUNDS:
        _forget_outbound(c, conversation, min(conversation.outbounds, key=_entry_number))
    if fact.wish:
        if fact.dials_until:
            c.set(conversation, "dialling", fact.outbound.id)
            c.set(conversation, "dialling_until", fact.dials_until)
        return
    if fact.by:
        c.put(conversation.authors, fact.outbound.id, fact.by)
    c.timer(SAY, fact.conversation, fact.say_at)
    if fact.waiting is not None:
        c.set(conversation, "said", fact.waiting + 1)
        return
    c.set(conversation, "replied", fact.n)
    c.set(conversation, "replied_by", fact.by)
    c.timer(IDLE, fact.conversation, fact.idle_at)
    served(c, conversation, fact.by)


def _entry_number(outbound: str) -> int:
    return int(outbound.rpartition("-")[2])


def _forget_outbound(c: Change, conversation: Conversation, outbound: str) -> None:
    c.drop(conversation.outbounds, outbound)
    c.drop(conversation.targets, outbound)
    c.drop(conversation.channels, outbound)
    c.drop(conversation.authors, outbound)


def _note_added(c: Change, fact: f.NoteAdded) -> None:
    c.set(c.state.conversations[fact.conversation], "n", fact.n)


def _entries_read(c: Change, fact: f.EntriesRead | f.EntriesUnread) -> None:
    c.put(c.state.conversations[fact.conversation].read, fact.by, fact.upto)


def _outbound_changed(c: Change, fact: f.OutboundChanged) -> None:
    conversation = c.state.conversations[fact.conversation]
    if fact.state is ReceiptState.FAILED and fact.outbound == conversation.dialling:
        c.set(conversation, "dialling_until", 0)
    reached = [fact.outbound, *(_earlier(conversation, fact) if fact.watermark else ())]
    for outbound in reached:
        if fact.state is ReceiptState.READ:
            _forget_outbound(c, conversation, outbound)
        else:
            c.put(conversation.outbounds, outbound, fact.state)


def _earlier(conversation: Conversation, fact: f.OutboundChanged) -> list[str]:
    """Earlier answers to the same address that are raised too; one that failed was not delivered by a later one."""
    number, address = _entry_number(fact.outbound), conversation.targets[fact.outbound]
    return [
        name
        for name, now in conversation.outbounds.items()
        if _entry_number(name) < number
        and conversation.targets[name] == address
        and (not fact.channel or conversation.channels.get(name, fact.channel) == fact.channel)
        and now is not ReceiptState.FAILED
        and RECEIPT_RANK[now] < RECEIPT_RANK[fact.state]
    ]


def _closed(c: Change, fact: f.ConversationClosed) -> None:
    conversation = c.state.conversations[fact.conversation]
    for name, value in (
        ("status", "closed"),
        ("closed_at", c.now),
        ("result", fact.result),
        ("unanswered", 0),
        ("said", 0),
    ):
        c.set(conversation, name, value)
    _leave_queue(c, conversation)
    for kind in (SAY, UNANSWERED, ORPHAN, IDLE):
        c.timer(kind, fact.conversation, 0)
    c.timer(WRAP_UP, fact.conversation, fact.wrap_up_until)
    c.put(c.state.timers, timer_id(ARCHIVE, fact.conversation, conversation.person), fact.archive_at)
    c.timer(PARK, conversation.person, fact.park_at)


def _wrap_up_ended(c: Change, fact: f.WrapUpEnded) -> None:
    conversation = c.state.conversations[fact.conversation]
    c.set(conversation, "owner", None)
    free(c, fact.operator, conversation)
    c.set(operator_of(c, fact.operator), "idle_since", c.now)
    c.timer(WRAP_UP, fact.conversation, 0)


def _archived(c: Change, fact: f.ConversationArchived) -> None:
    person = c.state.people.get(fact.person)
    c.drop(c.state.conversations, fact.conversation)
    if person is None:
        return
    if person.conversation == fact.conversation:
        c.set(person, "conversation", None)
    else:
        c.set(person, "past", [n for n in person.past if n != fact.conversation])


CONVERSATIONS: Mapping[type, Fold] = MappingProxyType(
    {
        f.ConversationOpened: _opened,
        f.MessageTaken: _message_taken,
        f.ConversationJoined: _joined,
        f.ConversationReopened: _reopened,
        f.ConversationQueued: _queued,
        f.ConversationRelaxed: _relaxed,
        f.ExclusionEnded: _exclusion_ended,
        f.Unroutable: _unroutable,
        f.Offered: _offered,
        f.OfferEnded: _offer_ended,
        f.Assigned: _assigned,
        f.Unassigned: _unassigned,
        f.ReplySent: _reply_sent,
        f.NoteAdded: _note_added,
        f.EntriesRead: _entries_read,
        f.EntriesUnread: _entries_read,
        f.OutboundChanged: _outbound_changed,
        f.ConversationClosed: _closed,
        f.WrapUpEnded: _wrap_up_ended,
        f.ConversationArchived: _archived,
    }
)
"""Facts of conversations."""
