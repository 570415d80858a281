"""Matching: who qualifies for a conversation, who has room for it, and who of them is best.

Rules 2, 6, 11 and 12 of docs/routing.md: qualification, capacity, and total orders over operators and conversations, so
that the result never depends on the order of a dict.
"""

import heapq
from collections import Counter
from collections.abc import Container, Iterable

import msgspec
from msgspec import Struct

from router.people import Conversation, Warned
from router.policy import Policy
from router.record import Candidate, Why
from router.rules import Need, OperatorRule
from router.state import Operator, State

OVERTAKEN = 5
"""How many overtaken conversations the record of a decision names at most."""

AT_WORK = (None, "away", "break")
"""Values of :func:`absence` that count as being at work: available, or soon back."""

Key = tuple[int, float, int, str]
Place = tuple[int, int, int, str]


class Survey(Struct, frozen=True):
    """Every operator as one conversation sees them: who can take it, best first, and why the others cannot."""

    eligible: list[Key]
    excluded: Counter[str]
    lapsable: list[Key]


def place_of(conversation: Conversation) -> Place:
    """Order the queue: tier, virtual time, sequence; constant while it waits."""
    return (conversation.tier, conversation.v, conversation.seq, conversation.id)


def need_of(conversation: Conversation) -> Need:
    """Give the requirements in force."""
    return conversation.steps[conversation.step].need


def absence(operator: Operator | None) -> str | None:
    """Say why this operator gets no new work; None: they do."""
    if operator is None or not operator.nodes:
        return "offline"
    return None if operator.state == "available" else operator.state


def mismatch(policy: Policy, name: str, rule: OperatorRule, need: Need) -> str | None:
    """Say what this operator lacks for ``need``, if anything."""
    if need.operators and name not in need.operators:
        return "operators"
    if need.phone and not rule.phone:
        return "phone"
    for skill, level in need.skills.items():
        if rule.skills.get(skill, 0) < level:
            return f"skill:{skill}"
    if need.languages:
        spoken = policy.languages_of(rule)
        for language in need.languages:
            if spoken.get(language, 0) >= need.language_level:
                return None
        return "language"
    return None


def shortage(policy: Policy, operator: Operator, rule: OperatorRule, new: Conversation) -> str | None:
    """Say why ``new`` does not fit into what the operator holds already, if so.

    Deferrable work does not stand in the way of a call or a chat; it has a measure of its own: the limit of its type
    of channel, or the operator's units where there is none.
    """
    if operator.load > rule.units:
        return "debt"
    limit = rule.limits.get(policy.channel(new.channel).type) if rule.limits else None
    if limit is not None and _count(policy, operator, new) >= limit:
        return "limit"
    if new.kind == "deferrable":
        return "capacity" if limit is None and operator.deferred + new.units > rule.units else None
    if operator.talking or operator.calls or (new.kind == "exclusive" and len(operator.held) > operator.mails):
        return "exclusive"
    return "capacity" if operator.load + new.units > rule.units else None


def excess(policy: Policy, operator: Operator, rule: OperatorRule, new: Conversation) -> bool:
    """Tell whether the operator has more of the kind of ``new`` than fits already (routing rule 18: one more, once)."""
    limit = rule.limits.get(policy.channel(new.channel).type)
    if limit is not None and _count(policy, operator, new) > limit:
        return True
    return (operator.deferred if new.kind == "deferrable" else operator.load) > rule.units


def _count(policy: Policy, operator: Operator, new: Conversation) -> int:
    """How many conversations of the same type of channel the operator holds."""
    kind = policy.channel(new.channel).type
    return sum(count for channel, count in operator.counts.items() if policy.channel(channel).type == kind)


def obstacle(state: State, policy: Policy, conversation: Conversation, name: str) -> str | None:
    """Say the first reason that keeps the operator ``name`` from getting the conversation, if there is one."""
    rule = policy.rules.operators.get(name)
    operator = state.operators.get(name)
    if rule is None:
        return "unknown"
    if operator is None or (absent := absence(operator)) is not None:
        return "offline" if operator is None else absent
    if name == conversation.owner:
        return "owner"
    lacking = mismatch(policy, name, rule, need_of(conversation)) or shortage(policy, operator, rule, conversation)
    if lacking is None and name in conversation.excluded:
        return "excluded"
    return lacking


def survey(state: State, policy: Policy, conversation: Conversation, now: int, busy: Container[str] = ()) -> Survey:
    """Judge every operator for one waiting conversation; those in ``busy`` are left to the queue (reason ``queue``)."""
    eligible: list[Key] = []
    lapsable: list[Key] = []
    excluded: Counter[str] = Counter()
    for name in policy.rules.operators:
        reason = obstacle(state, policy, conversation, name)
        if reason in (None, "excluded") and name in busy:
            reason = "queue"
        if reason is None:
            eligible.append(key_of(state, policy, conversation, name, now))
            continue
        excluded[reason] += 1
        if reason == "excluded":
            lapsable.append(key_of(state, policy, conversation, name, now))
    return Survey(sorted(eligible), excluded, sorted(lapsable))


def key_of(state: State, policy: Policy, conversation: Conversation, name: str, now: int) -> Key:
    """Order operators, smaller is better: last operator, load, idle since, id."""
    operator, rule = state.operators[name], policy.rules.operators[name]
    person = state.people[conversation.person]
    known = person.last_operator == name and now - person.last_served <= policy.rules.times.sticky_lookback
    load = 0.0 if conversation.kind == "exclusive" else operator.load / max(rule.units, 1)
    return (0 if known else 1, load, operator.idle_since, name)


def others_could(state: State, policy: Policy, conversation: Conversation, now: int) -> bool:
    """Tell whether another operator is available, qualified and not excluded; they may have no room just now."""
    need = need_of(conversation)
    for name, rule in policy.rules.operators.items():
        if name == conversation.owner or conversation.excluded.get(name, 0) > now:
            continue
        if absence(state.operators.get(name)) is None and mismatch(policy, name, rule, need) is None:
            return True
    return False


def understaffed(state: State, policy: Policy, conversation: Conversation) -> Warned:
    """Tell whether no operator in the rules, or none who is signed in, satisfies even the last and widest step.

    An owner who is handing the conversation over does not count.
    """
    need, owner = conversation.steps[-1].need, conversation.owner
    names = policy.rules.operators.items()
    able = [name for name, rule in names if name != owner and mismatch(policy, name, rule, need) is None]
    if any(absence(state.operators.get(name)) != "offline" for name in able):
        return ""
    return "unstaffed" if able else "unroutable"


def best_waiting(
    state: State, policy: Policy, name: str, waiting: Iterable[str]
) -> tuple[Conversation | None, tuple[str, ...]]:
    """Find the first of the queue that the operator can take, and up to five older ones that they cannot."""
    if absence(state.operators.get(name)) is not None:
        return None, ()
    able: Place | None = None
    unable: list[Place] = []
    for conversation in map(state.conversations.__getitem__, waiting):
        place = place_of(conversation)
        if able is not None and place > able:
            continue
        if obstacle(state, policy, conversation, name) is None:
            able = place
        else:
            unable.append(place)
    if able is None:
        return None, ()
    older = heapq.nsmallest(OVERTAKEN, (place for place in unable if place < able))
    return state.conversations[able[-1]], tuple(place[-1] for place in older)


def ahead(state: State, policy: Policy, waiting: Iterable[Conversation]) -> dict[str, int]:
    """Count for each waiting conversation how many before it could be taken by the same operators (routing rule 10).

    A conversation that nobody could ever take has no place, nor has one whose owner is handing it over.
    """
    able: dict[bytes, frozenset[str]] = {}
    before: Counter[frozenset[str]] = Counter()
    places: dict[str, int] = {}
    for one in sorted(waiting, key=place_of):
        need = need_of(one)
        alike = msgspec.json.encode(need)
        if alike not in able:
            able[alike] = _able(state, policy, need)
        takers = able[alike]
        if takers and one.owner is None:
            places[one.id] = sum(count for others, count in before.items() if not takers.isdisjoint(others))
        before[takers - {one.owner} if one.owner else takers] += 1
    return places


def _able(state: State, policy: Policy, need: Need) -> frozenset[str]:
    """Name the operators at work who satisfy ``need``; if there are none, all in the rules who do."""
    names = [name for name, rule in policy.rules.operators.items() if mismatch(policy, name, rule, need) is None]
    present = [name for name in names if absence(state.operators.get(name)) in AT_WORK]
    return frozenset(present or names)


def first_pair(state: State, policy: Policy, waiting: Iterable[str]) -> Conversation | None:
    """Find the first conversation of the whole queue that anybody can take; those with equal needs fail together."""
    hopeless: set[tuple[bytes, str, int, str]] = set()
    for conversation in sorted(map(state.conversations.__getitem__, waiting), key=place_of):
        kind = (
            msgspec.json.encode(need_of(conversation)),
            conversation.kind,
            conversation.units,
            conversation.channel,
        )
        if kind in hopeless:
            continue
        if any(obstacle(state, policy, conversation, name) is None for name in policy.rules.operators):
            return conversation
        if not conversation.excluded and conversation.owner is None:
            hopeless.add(kind)
    return None


def explain(conversation: Conversation, view: Survey, now: int, note: str = "") -> Why:
    """Write down a decision so that a checker can derive it again."""
    keys = view.eligible or (view.lapsable if note else [])
    candidates = [Candidate(operator=key[-1], key=key) for key in keys[:2]]
    return Why(
        policy="longest_idle" if conversation.kind == "exclusive" else "least_loaded",
        rule=conversation.rule,
        step=conversation.step,
        v=conversation.v,
        waited=now - conversation.enqueued_at,
        eligible=len(view.eligible),
        excluded=dict(sorted(view.excluded.items())),
        chosen=candidates[0] if candidates else None,
        runner_up=candidates[1] if len(candidates) > 1 else None,
        note=note,
    )
