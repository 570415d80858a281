"""Conversations change hands: accept, decline, transfer, take, release (routing rules 14, 16 and 17)."""

from normalizer.content import Text
from router import facts as f
from router.draft import Draft, Refused
from router.inputs import Accept, Command, Decline, Release, Take, Transfer
from router.matching import absence, mismatch, need_of, shortage
from router.parking import take_up
from router.people import Conversation, Offer
from router.phone import held_call, ringing_call, with_phone
from router.phone_orders import hush, wish
from router.queueing import (
    TRANSFER_RULE,
    after_offer,
    announce,
    assign,
    end_offer,
    exclusion,
    leave,
    offer,
    place,
    requeue,
    send_back,
    withdraw,
)
from router.queueing import (
    accept as take_offer,
)
from router.rights import find_mine, find_open, find_operator, require_supervisor
from router.rules import Need

_SHORT = {
    "debt": "has more than fits already",
    "exclusive": "has a call, or would need to be free for one",
    "limit": "has as many of this channel as allowed",
    "capacity": "has no room for it",
}


def accept(d: Draft, command: Command, action: Accept) -> None:
    """Take an offer, if it still stands."""
    conversation = find_open(d, action.conversation)
    take_offer(d, conversation, _mine(command, conversation, action.offer), by=command.operator)


def decline(d: Draft, command: Command, action: Decline) -> None:
    """Hand an offer back."""
    conversation = find_open(d, action.conversation)
    ended = _mine(command, conversation, action.offer)
    end_offer(d, conversation, ended, "declined")
    after_offer(d, conversation, ended, "declined")


def _mine(command: Command, conversation: Conversation, name: str) -> Offer:
    for running in conversation.offers:
        if running.id == name and running.operator == command.operator:
            return running
    raise Refused(
        "offer_gone",
        "The offer is not there any more: it ran out or somebody else has it.",
        now=conversation.owner or "",
    )


def transfer(d: Draft, command: Command, action: Transfer) -> None:
    """Hand over to one operator, who is asked, or to a queue or whoever has the skills."""
    conversation = find_mine(d, command, action.conversation)
    take_up(d, conversation)
    withdraw(d, conversation)
    if action.note:
        text = f.NoteAdded(
            conversation=conversation.id,
            n=conversation.n + 1,
            by=command.operator,
            content=Text(text=action.note),
            handover=True,
        )
        d.emit(text)
    if action.operator is not None:
        _transfer_to(d, conversation, action.operator)
        return
    if action.queue:
        _transfer_to_queue(d, conversation, action.queue)
    else:
        _transfer_to_skills(d, conversation, action.skills)
    hush(d, conversation)


def _transfer_to(d: Draft, conversation: Conversation, target: str) -> None:
    rule = find_operator(d, target)
    if held_call(conversation) is not None and not rule.phone:
        raise Refused("no_phone", f"{rule.name} has no phone to take the call.", now=target)
    if target == conversation.owner:
        raise Refused("already_owner", "The conversation belongs to this operator already.", now=target)
    _check_present(d, target)
    _check_room(d, conversation, target)
    offer(d, conversation, target, expires=d.now + max(d.rules.times.transfer, 1))


def _transfer_to_skills(d: Draft, conversation: Conversation, skills: dict[str, int]) -> None:
    before = need_of(conversation)
    need = Need(
        skills=skills,
        languages=before.languages,
        language_level=before.language_level,
        phone=held_call(conversation) is not None or before.phone,
    )
    _hand_to(d, conversation, TRANSFER_RULE, (f.Step(at=d.now, need=need),))


def _transfer_to_queue(d: Draft, conversation: Conversation, name: str) -> None:
    """Let the conversation ask for what a rule asks for, from now on."""
    route = next((each for each in d.rules.routes if each.name == name), None)
    if route is None:
        known = ", ".join(each.name for each in d.rules.routes)
        raise Refused("unknown_queue", f"There is no queue {name}; there are: {known}.", now=name)
    steps = d.policy.steps(route, conversation.languages, d.now, sure=True)
    _hand_to(d, conversation, route.name, with_phone(d.policy, conversation, steps))


def _hand_to(d: Draft, conversation: Conversation, rule: str, steps: tuple[f.Step, ...]) -> None:
    """Queue it with its age for others than its owner, who keeps it until one of them has it."""
    owner = conversation.owner
    exclude = exclusion(d, conversation, owner) if owner is not None else {}
    requeue(d, conversation, "transferred", exclude=exclude, rule=rule, steps=steps)
    if not place(d, conversation):
        announce(d, conversation)


def take(d: Draft, command: Command, action: Take) -> None:
    """Give the conversation to an operator; by force beyond what fits and what is needed, with a reason."""
    conversation = find_open(d, action.conversation)
    require_supervisor(d, command)
    rule = find_operator(d, action.operator)
    if conversation.owner == action.operator:
        raise Refused("already_owner", "The conversation belongs to this operator already.", now=action.operator)
    if action.force and not action.reason:
        raise Refused("reason_needed", "Say why capacity or skills are set aside.")
    withdraw(d, conversation)
    leave(d, conversation, "taken")
    if action.force:
        _check_signed_in(d, action.operator)
    else:
        _check_present(d, action.operator)
        lacking = mismatch(d.policy, action.operator, rule, need_of(conversation))
        if lacking is not None:
            raise Refused("not_qualified", f"{rule.name} lacks what is needed: {lacking}.", now=lacking)
        _check_room(d, conversation, action.operator)
    assign(d, conversation, action.operator, by=command.operator, reason=action.reason)
    call = ringing_call(conversation)
    if call is not None:  # without a phone of theirs, that of whoever was asked before falls silent
        wish(d, conversation, call, "ringing", rule.phone)


def release(d: Draft, command: Command, action: Release) -> None:
    """Put the conversation back into the queue; who gave it back is passed over for a while."""
    conversation = find_mine(d, command, action.conversation)
    owner = conversation.owner
    if owner is None:
        raise Refused("not_assigned", "The conversation is in the queue already.", now=conversation.status)
    withdraw(d, conversation)
    exclude = exclusion(d, conversation, owner)
    leave(d, conversation, "released")
    send_back(d, conversation, "released", exclude=exclude, lapse=False)
    hush(d, conversation)


def _check_signed_in(d: Draft, name: str) -> None:
    if absence(d.state.operators.get(name)) == "offline":
        raise Refused("not_available", f"{d.rules.operators[name].name} is not signed in.", now="offline")


def _check_present(d: Draft, name: str) -> None:
    absent = absence(d.state.operators.get(name))
    if absent is not None:
        raise Refused("not_available", f"{d.rules.operators[name].name} is not available now: {absent}.", now=absent)


def _check_room(d: Draft, conversation: Conversation, name: str) -> None:
    rule = d.rules.operators[name]
    short = shortage(d.policy, d.state.operators[name], rule, conversation)
    if short is not None:
        raise Refused("over_capacity", f"{rule.name} {_SHORT[short]}.", now=short)


def check_room(d: Draft, conversation: Conversation, name: str) -> None:
    """Let operators pass who are signed in and have room.

    Raises:
        Refused: ``not_available``, ``over_capacity``.
    """
    _check_signed_in(d, name)
    _check_room(d, conversation, name)
