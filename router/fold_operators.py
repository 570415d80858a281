"""Folds of what happens to operators and to the workspace as a whole."""

from collections.abc import Mapping
from types import MappingProxyType

from router import facts as f
from router.change import Change, Fold
from router.deadlines import GRACE, NODE, WAKE
from router.people import Conversation
from router.state import CannedAnswer, Operator


def operator_of(change: Change, name: str) -> Operator:
    """Give the operator; who has never been here before is made."""
    operators = change.state.operators
    operator = operators.get(name)
    if operator is None:
        operator = Operator(id=name)
        change.put(operators, name, operator)
    return operator


def charge(c: Change, operator: str, conversation: Conversation, units: int) -> None:
    """Let a conversation weigh on an operator."""
    value = operator_of(c, operator)
    c.put(value.held, conversation.id, units)
    _weigh(c, value, conversation, units, 1)


def free(c: Change, operator: str, conversation: Conversation) -> None:
    """Take a conversation from an operator, with its weight unless it was put aside."""
    value = operator_of(c, operator)
    if conversation.id in value.parked:
        c.drop(value.parked, conversation.id)
        c.set(conversation, "parked_at", 0)
        c.set(conversation, "parked_by", "")
        c.set(conversation, "wake_at", 0)
        c.set(conversation, "woken_at", c.now)
        c.timer(WAKE, conversation.id, 0)
        return
    _weigh(c, value, conversation, -value.held[conversation.id], -1)
    c.drop(value.held, conversation.id)


def _weigh(c: Change, operator: Operator, conversation: Conversation, units: int, count: int) -> None:
    _count(c, operator, conversation.channel, count)
    if conversation.kind == "deferrable":
        c.set(operator, "deferred", operator.deferred + units)
        c.set(operator, "mails", operator.mails + count)
        return
    c.set(operator, "load", operator.load + units)
    if conversation.kind == "exclusive":
        c.set(operator, "calls", operator.calls + count)


def _count(c: Change, operator: Operator, channel: str, more: int) -> None:
    count = operator.counts.get(channel, 0) + more
    if count:
        c.put(operator.counts, channel, count)
    else:
        c.drop(operator.counts, channel)


def node_alive(c: Change, fact: f.NodeAlive) -> None:
    """Renew a node's lease."""
    c.put(c.state.nodes, fact.node, fact.until)
    c.timer(NODE, fact.node, fact.until)


def _node_lost(c: Change, fact: f.NodeLost) -> None:
    c.drop(c.state.nodes, fact.node)
    c.timer(NODE, fact.node, 0)


def _operator_online(c: Change, fact: f.OperatorOnline) -> None:
    operator = operator_of(c, fact.operator)
    c.set(operator, "nodes", [*operator.nodes, fact.node])
    c.set(operator, "grace_until", 0)
    c.timer(GRACE, fact.operator, 0)


def _operator_gone(c: Change, fact: f.OperatorGone) -> None:
    operator = operator_of(c, fact.operator)
    c.set(operator, "nodes", [n for n in operator.nodes if n != fact.node])
    c.set(operator, "idle", [n for n in operator.idle if n != fact.node])
    c.set(operator, "grace_until", fact.grace_until)
    c.timer(GRACE, fact.operator, fact.grace_until)


def _operator_state(c: Change, fact: f.OperatorState) -> None:
    operator = operator_of(c, fact.operator)
    if fact.state == "available" and operator.state != "available":
        c.set(operator, "idle_since", c.now)
        c.set(operator, "silent", 0)
    if (operator.state, operator.reason) != (fact.state, fact.reason):
        c.set(operator, "since", c.now)
    if fact.state == "offline" or operator.state == "offline":
        c.set(operator, "signed_in", 0 if fact.state == "offline" else c.now)
    c.set(operator, "state", fact.state)
    c.set(operator, "reason", fact.reason)
    if fact.state == "offline":
        c.set(operator, "grace_until", 0)
        c.timer(GRACE, fact.operator, 0)


def _operator_idle(c: Change, fact: f.OperatorIdle) -> None:
    operator = operator_of(c, fact.operator)
    others = [n for n in operator.idle if n != fact.node]
    c.set(operator, "idle", [*others, fact.node] if fact.idle else others)


def _nothing(_change: Change, _fact: f.Fact) -> None:
    """Said for people and programs; the state is the same."""


def _rules_taken(c: Change, fact: f.RulesTaken) -> None:
    c.set(c.state, "version", fact.version)
    c.set(c.state, "rules_hash", fact.hash)
    c.set(c.state, "rules", fact.rules)


def _scheduled(c: Change, fact: f.Scheduled) -> None:
    c.set(c.state, "todo", [*c.state.todo, *fact.items])


def _timer_set(c: Change, fact: f.TimerSet) -> None:
    if fact.due:
        c.put(c.state.timers, fact.timer, fact.due)
    else:
        c.drop(c.state.timers, fact.timer)


OPERATORS: Mapping[type, Fold] = MappingProxyType(
    {
        f.NodeAlive: node_alive,
        f.NodeLost: _node_lost,
        f.OperatorOnline: _operator_online,
        f.OperatorGone: _operator_gone,
        f.OperatorState: _operator_state,
        f.OperatorIdle: _operator_idle,
    }
)
"""Facts of operators."""


def _answer_saved(c: Change, fact: f.AnswerSaved) -> None:
    c.put(
        c.state.answers,
        fact.answer,
        CannedAnswer(
            id=fact.answer,
            owner=fact.owner,
            folder=fact.folder,
            title=fact.title,
            shortcut=fact.shortcut,
            texts=fact.texts,
            version=fact.version,
            by=fact.by,
            at=c.now,
        ),
    )


def _answer_deleted(c: Change, fact: f.AnswerDeleted) -> None:
    c.drop(c.state.answers, fact.answer)


def _restored(c: Change, fact: f.WorkspaceRestored) -> None:
    c.set(c.state, "skipped", c.state.skipped + fact.skip)


WORKSPACE: Mapping[type, Fold] = MappingProxyType(
    {
        f.RulesTaken: _rules_taken,
        f.WorkspaceRestored: _restored,
        f.Scheduled: _scheduled,
        f.TimerSet: _timer_set,
        f.AnswerSaved: _answer_saved,
        f.AnswerDeleted: _answer_deleted,
        f.CommandRefused: _nothing,
        f.InputRefused: _nothing,
    }
)
"""Facts of the workspace, and those that only say something."""
