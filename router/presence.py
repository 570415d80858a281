"""Operators come and go: nodes with leases, sockets, grace, draining, log-out (routing rules 21 and 22)."""

from router import facts as f
from router.deadlines import ORPHAN, timer_id
from router.draft import Draft
from router.inputs import Command, DeskAlive, OperatorIdle, OperatorLost, OperatorUp, SetPresence
from router.matching import place_of
from router.people import Conversation
from router.phone import ringing_call
from router.phone_orders import hush, quieten
from router.queueing import end_offer, leave, send_back
from router.state import Operator


def operator_line(operator: str) -> str:
    """Name the line of an operator's own records; a dot would split the subject."""
    return f"o-{operator.replace('.', '=')}"


def keep_node(d: Draft, alive: DeskAlive) -> None:
    """Renew a desk node's lease."""
    _lease(d, alive.node)


def _lease(d: Draft, node: str) -> None:
    d.emit(f.NodeAlive(node=node, until=d.now + d.rules.times.node_lease))


def sign_in(d: Draft, up: OperatorUp) -> None:
    """Note an operator's first socket on a node: what was theirs still is; who had signed out begins as away."""
    if up.operator not in d.rules.operators:
        return
    d.line = operator_line(up.operator)
    operator = d.state.operators.get(up.operator)
    if operator is not None and up.node in operator.nodes:
        return
    if up.node not in d.state.nodes:
        _lease(d, up.node)
    d.emit(f.OperatorOnline(operator=up.operator, node=up.node))
    operator = d.state.operators[up.operator]
    if operator.state == "offline":
        d.emit(f.OperatorState(operator=up.operator, state="away"))
    d.freed[up.operator] = None


def note_idleness(d: Draft, news: OperatorIdle) -> None:
    """Note whether an operator is idle at a node. One who is idle at all becomes away, until they say they are back."""
    name = news.operator
    operator = d.state.operators.get(name)
    if operator is None or news.node not in operator.nodes or (news.node in operator.idle) == news.idle:
        return
    d.line = operator_line(name)
    d.emit(f.OperatorIdle(operator=name, node=news.node, idle=news.idle))
    _rest(d, operator)


def _rest(d: Draft, operator: Operator) -> None:
    """Set an operator to away who is idle at all their screens."""
    if operator.state == "available" and operator.nodes and set(operator.nodes) <= set(operator.idle):
        d.emit(f.OperatorState(operator=operator.id, state="away", reason="idle"))


def lose_socket(d: Draft, lost: OperatorLost) -> None:
    """Note that an operator's last socket on a node went without a word."""
    lose_node_of(d, lost.operator, lost.node)


def lose_node_of(d: Draft, name: str, node: str) -> None:
    """Start the grace time if this was the operator's last node; what was only offered goes to others at once."""
    operator = d.state.operators.get(name)
    if operator is None or node not in operator.nodes:
        return
    d.line = operator_line(name)
    last = len(operator.nodes) == 1 and operator.state != "offline"
    grace = d.now + max(d.rules.times.grace, 1) if last else 0
    d.emit(f.OperatorGone(operator=name, node=node, grace_until=grace))
    _rest(d, operator)
    if not operator.nodes:
        _schedule(d, [("revoke", one.id) for one in _offered(d, operator)])


def lose_node(d: Draft, node: str) -> None:
    """Give up a node whose lease ran out; each of its operators is a step of its own."""
    d.emit(f.NodeLost(node=node))
    names = sorted(name for name, operator in d.state.operators.items() if node in operator.nodes)
    _schedule(d, [("gone", f"{name}:{node}") for name in names])


def set_presence(d: Draft, command: Command, action: SetPresence) -> None:
    """Set the state as the operator says it."""
    name = command.operator
    d.line = operator_line(name)
    if action.state == "offline":
        sign_out(d, name, by=name)
        return
    reason = action.reason.strip() if action.state in ("away", "break") else ""
    d.emit(f.OperatorState(operator=name, state=action.state, by=name, reason=reason))
    d.freed[name] = None


def sign_out(d: Draft, name: str, *, by: str = "") -> None:
    """Sign the operator out and queue what they had; if they are in the rules no more, parked conversations too."""
    d.line = operator_line(name)
    d.emit(f.OperatorState(operator=name, state="offline", by=by))
    operator = d.state.operators[name]
    kept = () if name in d.rules.operators else (d.state.conversations[one] for one in operator.parked)
    owned = sorted((one for one in (*_held(d, operator), *kept) if one.owner == name), key=place_of)
    items: list[tuple[f.Todo, str]] = [("requeue", one.id) for one in owned]
    _schedule(d, items + [("revoke", one.id) for one in _offered(d, operator)])
    check_staff(d)


def check_staff(d: Draft) -> None:
    """Let a later step check whether anybody is left for those who wait, now that an operator has gone."""
    if d.waiting:
        d.emit(f.Scheduled(items=(("unstaffed", ""),)))


def _held(d: Draft, operator: Operator) -> list[Conversation]:
    conversations = (d.state.conversations[name] for name in operator.held)
    return [one for one in conversations if one.status != "closed"]


def _offered(d: Draft, operator: Operator) -> list[Conversation]:
    return sorted((one for one in _held(d, operator) if one.owner != operator.id), key=place_of)


def _schedule(d: Draft, items: list[tuple[f.Todo, str]]) -> None:
    if items:
        d.emit(f.Scheduled(items=tuple(items)))


def orphan(d: Draft, name: str) -> None:
    """Queue a conversation again whose operator is gone, ahead of others; a call that they talk in is left alone.

    Deferrable work waits for the operator to come back until ``times.orphan`` is over; what was put aside sleeps on.
    An operator who is in the rules no more does not come back.
    """
    conversation = d.conversation(name)
    returns = conversation.owner in d.rules.operators
    if conversation.owner is None or (conversation.parked_at and returns):
        return
    if conversation.kind == "exclusive" and ringing_call(conversation) is None:
        return
    if conversation.kind == "deferrable" and returns:
        d.emit(f.TimerSet(timer=timer_id(ORPHAN, name), due=d.now + d.rules.times.orphan))
        return
    abandon(d, conversation)


def abandon(d: Draft, conversation: Conversation) -> None:
    """Take the conversation from an operator who is gone."""
    leave(d, conversation, "operator_lost")
    if conversation.status != "offered":
        send_back(d, conversation, "operator_lost", boost=d.rules.times.boost_orphan)
        hush(d, conversation)


def revoke(d: Draft, name: str) -> None:
    """Take back what was offered to operators who are not there any more."""
    conversation = d.conversation(name)
    for running in list(conversation.offers):
        operator = d.state.operators[running.operator]
        if not operator.nodes or operator.state == "offline":
            end_offer(d, conversation, running, "operator_lost")
            if not (running.direct and conversation.owner is not None):
                send_back(d, conversation, "operator_lost")
            quieten(d, conversation, running)
