"""Conversations are opened, reopened and closed, and customers' messages become numbered entries."""

from collections.abc import Mapping
from itertools import islice
from typing import Literal

from normalizer.content import Call, Text
from normalizer.envelope import Envelope
from normalizer.outbound import ReceiptState
from router import facts as f
from router.deadlines import CALL, PARK, timer_id
from router.draft import Draft
from router.hours import is_open
from router.people import Conversation, Person
from router.phone import live_calls
from router.policy import MOST_LANGUAGES, SURE, languages
from router.queueing import answer_due, leave, withdraw

SEEN_FOR = 48 * 3_600_000
"""Native ids are remembered for so long (ms): providers repeat for days (promise P2) ..."""
SEEN_LEAST = 64
"""... but at least so many of an address ..."""
SEEN_MOST = 4096
"""... and at most so many."""

CLOSED_AFTER = 1_000
"""So soon (ms) a customer hears that nobody is there: by then the rules have said whose hours count."""

_ON_THE_WAY = (ReceiptState.QUEUED, ReceiptState.UNKNOWN)


def meet(d: Draft, envelope: Envelope) -> Person:
    """Create a person for an address that nobody has had before."""
    name = f"p{d.number}"
    d.emit(f.PersonCreated(person=name, address=envelope.address))
    return d.state.people[name]


def current(d: Draft, person: Person) -> Conversation | None:
    """Give the person's open conversation, or the last that was."""
    return d.state.conversations.get(person.conversation) if person.conversation is not None else None


def begin_anew(d: Draft, person: Person, envelope: Envelope) -> tuple[Conversation, Literal["new", "reopened"]]:
    """Go on with the last conversation if it was closed a short while ago, or open a new one."""
    last = current(d, person)
    if last is None or d.now - last.closed_at > d.rules.times.reopen:
        return open_new(d, person, envelope), "new"
    end_wrap_up(d, last)
    d.emit(f.ConversationReopened(conversation=last.id, channel=envelope.channel, address=envelope.address))
    return last, "reopened"


def open_new(d: Draft, person: Person, envelope: Envelope) -> Conversation:
    """Open a new conversation."""
    name = f"c{d.number}"
    d.emit(
        f.ConversationOpened(conversation=name, person=person.id, channel=envelope.channel, address=envelope.address)
    )
    return d.state.conversations[name]


def end_wrap_up(d: Draft, conversation: Conversation) -> None:
    """Free the operator who is still writing down what a closed conversation was about."""
    if conversation.owner is not None:
        d.freed[conversation.owner] = None
        d.emit(f.WrapUpEnded(conversation=conversation.id, operator=conversation.owner))


def append(d: Draft, conversation: Conversation, envelope: Envelope, seen: Mapping[str, int], *, speaks: bool) -> None:
    """Write a message down; one that ``speaks`` waits for an answer."""
    d.line = conversation.id
    waits = speaks and not conversation.unanswered
    aside = envelope.automatic or isinstance(envelope.content, Call)
    d.emit(
        f.MessageTaken(
            conversation=conversation.id,
            n=conversation.n + 1,
            envelope=envelope,
            forget=_forgettable(seen, d.now),
            waits=waits,
            say_at=_first_phrase(d, envelope) if waits else 0,
            unanswered_at=answer_due(d, conversation) if waits and conversation.owner is not None else 0,
            languages=() if envelope.automatic else _news_of_language(conversation, envelope),
            aside=aside,
            heard=_heard(d, envelope) if speaks and not aside else 0,
        )
    )


def _heard(d: Draft, envelope: Envelope) -> int:
    """When the customer wrote, as the provider sees it; never later than now, never before what they wrote earlier."""
    known = d.state.addresses[envelope.address].heard.get(envelope.channel, 0)
    return max(known, min(envelope.at, d.now))


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
    if d.policy.channel(envelope.channel).kind == "exclusive":
        return 0
    if any(each.say and not is_open(each, d.now) for each in d.rules.hours.values()):
        return d.now + CLOSED_AFTER
    return d.now + phrases[0].after if phrases else 0


def _news_of_language(conversation: Conversation, envelope: Envelope) -> tuple[str, ...]:
    """Give the conversation's languages if this message changes them: a sure one comes to the front."""
    known = conversation.languages
    if not known:
        return languages(envelope)[0]
    content = envelope.content
    if not isinstance(content, Text) or content.language is None or content.language.confidence < SURE:
        return ()
    code = content.language.code.partition("-")[0].lower()
    return () if code == known[0] else (code, *(other for other in known if other != code))[:MOST_LANGUAGES]


def keep_parking(d: Draft, conversation: Conversation) -> None:
    """Let a person leave the memory again who was loaded for something that opens no conversation."""
    if conversation.status == "closed":
        timer = timer_id(PARK, conversation.person)
        if timer not in d.state.timers:
            d.emit(f.TimerSet(timer=timer, due=d.now + d.rules.times.park_person))


def end(d: Draft, conversation: Conversation, by: str, result: str, wrap_up: int) -> None:
    """Close it; offers are taken back in the same step."""
    times = d.rules.times
    withdraw(d, conversation)
    holds = conversation.owner is not None and not conversation.parked_at
    until = d.now + wrap_up if wrap_up and holds else 0
    if not until:
        leave(d, conversation, "closed")
    d.emit(
        f.ConversationClosed(
            conversation=conversation.id,
            by=by,
            result=result,
            wrap_up_until=until,
            archive_at=_archive_at(d, conversation, until),
            park_at=d.now + times.park_person,
        )
    )


def _archive_at(d: Draft, conversation: Conversation, until: int) -> int:
    """Give when to archive it: when no news of its answers, or of a call that goes on elsewhere, can come any more."""
    times, name = d.rules.times, conversation.id
    limits = [d.state.timers[timer_id(CALL, name, call.id)] for call in live_calls(conversation)]
    patience = max(times.archive, times.receipts) if _awaits_news(d, conversation) else times.archive
    return max(d.now + patience, until + 1, *(limit + 1 for limit in limits))


def _awaits_news(d: Draft, conversation: Conversation) -> bool:
    """Whether an operator's answer may still come back: one that is under way, or mail, which bounces after days."""
    outbounds, channels = conversation.outbounds, conversation.channels
    return any(
        state in _ON_THE_WAY or (state is ReceiptState.SENT and d.policy.channel(channels[name]).kind == "deferrable")
        for name, state in outbounds.items()
        if name in conversation.authors
    )
