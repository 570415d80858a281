"""What a step leaves to do (``todo``): one step each, before the next input, found again in the state after a crash."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import msgspec

from router import facts as f
from router.answers import outlive
from router.calls import regroup
from router.draft import Draft
from router.ending import merge
from router.identity import join
from router.inputs import RulesProposed
from router.matching import absence, best_waiting, first_pair, mismatch, need_of, understaffed
from router.parking import wake_for_link
from router.people import Conversation, Warned
from router.phone import with_phone
from router.phone_orders import quieten
from router.policy import Policy
from router.presence import check_staff, lose_node_of, operator_line, orphan, revoke, sign_out
from router.queueing import TRANSFER_RULE, announce, give, place, requeue, withdraw
from router.receipts import tell_of_bounce

SWEEP = 500
"""How many conversations one step looks at again after a change of the rules, so that a record stays small."""


def take_rules(d: Draft, proposed: RulesProposed) -> None:
    """Make the proposed rules the next version; who waits is looked at again, who is served is left alone.

    Raises:
        BadRules: they cannot decide.
    """
    if proposed.hash == d.state.rules_hash:
        return
    Policy(proposed.rules)
    d.emit(f.RulesTaken(version=d.state.version + 1, hash=proposed.hash, rules=proposed.rules, by=proposed.by))
    d.emit(f.Scheduled(items=(("sweep", ""),)))


def sweep(d: Draft, cursor: str) -> None:
    """Find the next waiting and offered conversations, by id, that the new rules change; in the end, match."""
    names = sorted(
        one.id
        for one in d.state.conversations.values()
        if one.status in ("waiting", "offered") and one.id > cursor and _changed(d, one)
    )
    items: list[tuple[f.Todo, str]] = [("reroute", name) for name in names[:SWEEP]]
    items.append(("sweep", names[SWEEP - 1]) if len(names) > SWEEP else ("match", ""))
    d.emit(f.Scheduled(items=tuple(items)))


def _changed(d: Draft, conversation: Conversation) -> bool:
    if conversation.status == "offered":
        return any(
            not _still(d, conversation, running.operator, direct=running.direct) for running in conversation.offers
        )
    return _steps(d, conversation) != conversation.steps


def _still(d: Draft, conversation: Conversation, name: str, *, direct: bool) -> bool:
    rule = d.rules.operators.get(name)
    return rule is not None and (direct or mismatch(d.policy, name, rule, need_of(conversation)) is None)


def _steps(d: Draft, conversation: Conversation) -> tuple[f.Step, ...]:
    """Requirements by the present rules, from when they began; those that an operator has set stay."""
    if conversation.rule == TRANSFER_RULE:
        return conversation.steps
    route = d.policy.named(conversation.rule)
    sure = len(conversation.steps[0].need.languages) <= 1
    since = max(conversation.steps[0].at, conversation.woken_at)
    steps = d.policy.steps(route, conversation.languages, since, sure=sure)
    return with_phone(d.policy, conversation, steps)


def reroute(d: Draft, name: str) -> None:
    """Queue a conversation again with the present rules; matching comes when all are done.

    What was being handed to one operator stays with its source.
    """
    conversation = d.conversation(name)
    if conversation.status not in ("waiting", "offered"):
        return
    back = conversation.owner is not None and any(running.direct for running in conversation.offers)
    ended = list(conversation.offers)
    withdraw(d, conversation)
    if not back:
        requeue(d, conversation, "rules", steps=_steps(d, conversation))
    for one in ended:
        quieten(d, conversation, one)


def match_operator(d: Draft, name: str) -> None:
    """Give an operator who has room the first of the queue that they can take, until nothing fits."""
    d.line = operator_line(name)
    operator = d.state.operators[name]
    if operator.state == "draining" and not operator.held:
        d.emit(f.OperatorState(operator=name, state="offline"))
        check_staff(d)
        return
    found, overtaken = best_waiting(d.state, d.policy, name, d.waiting)
    if found is not None:
        d.line = found.id
        give(d, found, name, overtaken)
        d.freed[name] = None


def match(d: Draft, _nothing: str) -> None:
    """Give the first of the whole queue that anybody can take to the best one, until no pair is left.

    Only then are operators signed out who are in the rules no more, so that what they leave overtakes nobody. Those of
    them who had signed out before lose what was kept for their return.
    """
    found = first_pair(d.state, d.policy, d.waiting)
    if found is not None:
        d.line = found.id
        place(d, found)
        d.emit(f.Scheduled(items=(("match", ""),)))
        return
    outlive(d)
    removed = sorted(
        name
        for name, one in d.state.operators.items()
        if name not in d.rules.operators and (one.state != "offline" or one.held or one.parked)
    )
    d.emit(f.Scheduled(items=(*(("logout", name) for name in removed), ("unstaffed", ""))))


def unstaffed(d: Draft, cursor: str) -> None:
    """Find the next waiting conversations, by id, that nobody who is signed in can ever take any more."""
    alike: dict[tuple[bytes, str | None], Warned] = {}
    names = []
    for conversation in map(d.state.conversations.__getitem__, d.waiting):
        kind = (msgspec.json.encode(conversation.steps[-1].need), conversation.owner)
        if kind not in alike:
            alike[kind] = understaffed(d.state, d.policy, conversation)
        if alike[kind] not in ("", conversation.warned) and conversation.id > cursor:
            names.append(conversation.id)
    names.sort()
    items: list[tuple[f.Todo, str]] = [("warn", name) for name in names[:SWEEP]]
    if len(names) > SWEEP:
        items.append(("unstaffed", names[SWEEP - 1]))
    if items:
        d.emit(f.Scheduled(items=tuple(items)))


def warn(d: Draft, name: str) -> None:
    """Say that nobody can take a conversation that was waiting already."""
    announce(d, d.conversation(name))


def gone(d: Draft, about: str) -> None:
    """Handle one operator of a lost node."""
    operator, _, node = about.partition(":")
    lose_node_of(d, operator, node)


TODO: Mapping[str, Callable[[Draft, str], None]] = MappingProxyType(
    {
        "match_operator": match_operator,
        "match": match,
        "requeue": orphan,
        "revoke": revoke,
        "reroute": reroute,
        "sweep": sweep,
        "gone": gone,
        "logout": sign_out,
        "join": join,
        "merge": merge,
        "unstaffed": unstaffed,
        "warn": warn,
        "calls": regroup,
        "bounced": tell_of_bounce,
        "wake": wake_for_link,
    }
)


def wants_match(d: Draft, name: str) -> bool:
    """Whether a freed operator is worth a step: somebody waits and they are there, or they only had to finish."""
    operator = d.state.operators[name]
    if operator.state == "draining":
        return not operator.held
    return bool(d.waiting) and absence(operator) is None
