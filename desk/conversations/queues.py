"""The queue as a supervisor watches it: lengths and oldest waits by rule, kind and language, and why it stands."""

from collections import Counter
from collections.abc import Iterable

import msgspec

from desk.protocol.wire import Lacking, QueueShown
from router.matching import absence, mismatch, understaffed
from router.people import Conversation, Warned
from router.policy import Policy
from router.rules import ChannelClass, Need
from router.state import State

Key = tuple[str, ChannelClass, str]


class _Group:
    """Conversations that wait for the same."""

    def __init__(self) -> None:
        self.waiting = 0
        self.oldest = 0
        self.warned = Counter[Warned]()
        self.lacking = Counter[str]()

    def add(self, conversation: Conversation, lack: Warned, lacking: Lacking) -> None:
        """Count one more."""
        self.waiting += 1
        self.oldest = min(self.oldest or conversation.enqueued_at, conversation.enqueued_at)
        self.warned[lack] += 1
        for reason, count in lacking.items():
            self.lacking[reason] = max(self.lacking[reason], count)


def show_queues(state: State, policy: Policy, waiting: Iterable[Conversation]) -> tuple[QueueShown, ...]:
    """Give the queues that hold anybody, by rule, kind and language; equal needs are looked at once."""
    groups: dict[Key, _Group] = {}
    known: dict[tuple[bytes, str | None], tuple[Warned, Lacking]] = {}
    for one in waiting:
        found: tuple[Warned, Lacking] = ("", {})
        if one.warned:
            alike = (msgspec.json.encode(one.steps[-1].need), one.owner)
            if alike not in known:
                known[alike] = what_lacks(state, policy, one)
            found = known[alike]
        key = (one.rule, one.kind, next(iter(one.languages), ""))
        groups.setdefault(key, _Group()).add(one, *found)
    return tuple(_show(key, group) for key, group in sorted(groups.items()))


def what_lacks(state: State, policy: Policy, conversation: Conversation) -> tuple[Warned, Lacking]:
    """Say whether nobody can take a waiting conversation as things are now, and what stands in each one's way."""
    if not conversation.warned or conversation.status != "waiting":
        return "", {}
    lack = understaffed(state, policy, conversation)
    return lack, _reasons(state, policy, conversation.steps[-1].need, conversation.owner) if lack else {}


def _reasons(state: State, policy: Policy, need: Need, owner: str | None) -> Lacking:
    """Count operators by the first thing that each lacks for the widest step."""
    found = Counter[str]()
    for name, rule in policy.rules.operators.items():
        if name != owner and (why := mismatch(policy, name, rule, need) or absence(state.operators.get(name))):
            found[why] += 1
    return dict(sorted(found.items()))


def _show(key: Key, group: _Group) -> QueueShown:
    rule, kind, language = key
    return QueueShown(
        rule=rule,
        kind=kind,
        language=language,
        waiting=group.waiting,
        oldest=group.oldest,
        unstaffed=group.warned["unstaffed"],
        unroutable=group.warned["unroutable"],
        lacking=dict(sorted(group.lacking.items())),
    )
