"""Timers: what each kind does when it is due. A timer that raises or finds nothing to do does not come again."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from router import deadlines
from router import facts as f
from router.answers import forget_own
from router.calls import ran_out
from router.deadlines import UNANSWERED, timer_id
from router.draft import Draft
from router.evolve import gather
from router.identity import person_line
from router.matching import others_could
from router.parking import settle_idle, wake_in_time
from router.people import PersonRecord
from router.phone import live_calls
from router.phone_orders import hush
from router.presence import abandon, lose_node, sign_out
from router.queueing import after_offer, end_offer, exclusion, leave, patience, place, send_back
from router.record import Why
from router.talking import hold

LARGEST_PARKED: Final = 2_000_000
"""Bytes of a person's record; who has more stays in memory until conversations have gone to the archive."""


def _offer_ran_out(d: Draft, about: str) -> None:
    name, _, offer = about.partition(":")
    conversation = d.conversation(name)
    ended = next(running for running in conversation.offers if running.id == offer)
    end_offer(d, conversation, ended, "no_answer")
    after_offer(d, conversation, ended, "no_answer")


def _step_is_over(d: Draft, name: str) -> None:
    conversation = d.conversation(name)
    d.emit(f.ConversationRelaxed(conversation=name, step=conversation.step + 1))
    place(d, conversation)


def _exclusion_is_over(d: Draft, name: str) -> None:
    conversation = d.conversation(name)
    over = tuple(sorted(operator for operator, until in conversation.excluded.items() if until <= d.now))
    d.emit(f.ExclusionEnded(conversation=name, operators=over))
    place(d, conversation)


def _nobody_answered(d: Draft, name: str) -> None:
    """Give the conversation to somebody else; while there is nobody else, its owner is the best there is."""
    conversation = d.conversation(name)
    owner, allowed = conversation.owner, patience(d, conversation, conversation.kind)
    if not allowed:
        return
    if owner is not None and conversation.status == "assigned" and others_could(d.state, d.policy, conversation, d.now):
        exclude = exclusion(d, conversation, owner)
        leave(d, conversation, "unanswered")
        send_back(d, conversation, "unanswered", exclude=exclude)
        hush(d, conversation)
        return
    d.why = Why(rule=conversation.rule, note="nobody else could take it")
    d.emit(f.TimerSet(timer=timer_id(UNANSWERED, name), due=d.now + max(allowed, 1_000)))


def _orphan_waited(d: Draft, name: str) -> None:
    conversation = d.conversation(name)
    owner = conversation.owner
    if owner is not None and not conversation.parked_at and d.state.operators[owner].state == "offline":
        abandon(d, conversation)


def _wrap_up_is_over(d: Draft, name: str) -> None:
    conversation = d.conversation(name)
    owner = conversation.owner
    assert owner is not None  # noqa: S101  # the timer leaves with the owner
    d.emit(f.WrapUpEnded(conversation=name, operator=owner))
    d.freed[owner] = None


def _archive(d: Draft, about: str) -> None:
    d.line, _, person = about.partition(":")
    d.emit(f.ConversationArchived(conversation=d.line, person=person))


def _park(d: Draft, name: str) -> None:
    d.line = person_line(name)
    person = d.state.people[name]
    conversations = [d.state.conversations[one] for one in (*person.past, person.conversation) if one is not None]
    if any(one.status != "closed" for one in conversations):
        return
    record = gather(d.state, name)
    if any(one.owner is not None or live_calls(one) for one in conversations) or _is_too_large(d, record):
        later = d.now + max(d.rules.times.park_person, 1_000)
        d.emit(f.TimerSet(timer=timer_id(deadlines.PARK, name), due=later))
        return
    d.parked.append(record)
    d.emit(f.PersonParked(person=name))


def _is_too_large(d: Draft, record: PersonRecord) -> bool:
    """Whether somebody could not be written to the store, or not be brought back: two may come back in one record."""
    return len(msgspec.json.encode(record)) > min(LARGEST_PARKED, d.largest // 4)


TIMERS: Mapping[str, Callable[[Draft, str], None]] = MappingProxyType(
    {
        deadlines.OFFER: _offer_ran_out,
        deadlines.STEP: _step_is_over,
        deadlines.EXCLUDED: _exclusion_is_over,
        deadlines.SAY: hold,
        deadlines.UNANSWERED: _nobody_answered,
        deadlines.ORPHAN: _orphan_waited,
        deadlines.WRAP_UP: _wrap_up_is_over,
        deadlines.ARCHIVE: _archive,
        deadlines.PARK: _park,
        deadlines.CALL: ran_out,
        deadlines.GRACE: sign_out,
        deadlines.NODE: lose_node,
        deadlines.IDLE: settle_idle,
        deadlines.WAKE: wake_in_time,
        deadlines.FORGET: forget_own,
    }
)
