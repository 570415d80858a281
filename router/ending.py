"""Conversations end, and may begin again (routing rules 19 and 20)."""

from router import facts as f
from router.draft import Draft, Refused
from router.entries import end, end_wrap_up
from router.handover import check_room
from router.inputs import Close, Command, Reopen
from router.phone import held_call
from router.queueing import assign, begin, route_of
from router.rights import find, find_mine, find_person


def close(d: Draft, command: Command, action: Close) -> None:
    """End the conversation; the units stay charged while the operator writes down what it was about."""
    conversation = find_mine(d, command, action.conversation)
    if held_call(conversation) is not None:
        raise Refused("on_call", "The call is still going on. Hang up first.", now=conversation.owner or "")
    _check_result(d, action.result)
    end(d, conversation, command.operator, action.result, d.rules.times.wrap_up)


def _check_result(d: Draft, result: str) -> None:
    """Where the rules name results, it is one of them, or none."""
    if result and d.rules.results and result not in d.rules.results:
        raise Refused("unknown_result", f"{result!r} is none of: {', '.join(d.rules.results)}.", now=result)


def reopen(d: Draft, command: Command, action: Reopen) -> None:
    """Open a closed conversation again and own it, if there is room."""
    conversation = find(d, action.conversation)
    person = find_person(d, conversation.person)
    if conversation.status != "closed":
        raise Refused("not_closed", "The conversation is open.", now=conversation.owner or conversation.status)
    current = d.state.conversations.get(person.conversation or "")
    if current is not None and current.status != "closed":
        raise Refused("another_open", "The customer has another open conversation. Go on there.", now=current.id)
    end_wrap_up(d, conversation)
    d.emit(f.ConversationReopened(conversation=conversation.id, by=command.operator))
    route = route_of(d, conversation)
    begin(d, conversation, route, conversation.languages, sure=True, reason="reopened")
    check_room(d, conversation, command.operator)
    assign(d, conversation, command.operator, by=command.operator, reason="reopened")


def merge(d: Draft, name: str) -> None:
    """Close the younger of two conversations of what is now one person."""
    end(d, d.conversation(name), "", "linked", 0)
