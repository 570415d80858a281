"""Decisions in words: what happened to a conversation and why, and why an operator did not get it (promise P5)."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from normalizer.content import Call, Content
from router import facts as f
from router.matching import obstacle
from router.policy import Policy
from router.record import Record, Why
from router.state import State

_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "offline": "not signed in",
        "away": "away",
        "break": "on a break",
        "draining": "finishing what is there",
        "not_responding": "not responding",
        "unknown": "not in the rules",
        "owner": "the owner already",
        "phone": "without a phone",
        "operators": "not one of the operators asked for",
        "language": "lacking the language",
        "debt": "over capacity already",
        "exclusive": "on a call, or not free for one",
        "capacity": "without room",
        "limit": "at the limit of this kind of channel",
        "excluded": "passed over after declining, giving it back or not answering",
        "queue": "free, but somebody may have waited longer for them",
    }
)


def reason_in_words(reason: str) -> str:
    """Turn the reason of an obstacle into words."""
    kind, _, skill = reason.partition(":")
    return f"lacking the skill {skill}" if kind == "skill" else _REASONS[reason]


def explain(records: Iterable[Record]) -> list[str]:
    """Tell the story of a conversation from its records: one sentence per fact, with its time (UTC), then the why."""
    told: list[str] = []
    for record in records:
        at = datetime.fromtimestamp(record.now / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
        sentences = [sentence for fact in record.facts if (sentence := _SENTENCES[type(fact)](fact))]
        if record.why is not None:
            sentences.append(_because(record.why, record.rules))
        told += [f"{at} {sentence}" for sentence in sentences]
    return told


def why_not(state: State, conversation: str, operator: str) -> str:
    """Say why ``operator`` does not get the conversation now.

    Raises:
        KeyError: there is no such conversation in memory.
    """
    one = state.conversations[conversation]
    if one.status == "closed":
        return f"{conversation} is closed."
    if not one.steps:
        return f"{conversation} has not been in the queue yet."
    reason = obstacle(state, Policy(state.rules), one, operator)
    if reason is not None:
        return f"{operator} is {reason_in_words(reason)}."
    if one.status == "waiting":
        return f"{operator} can take {conversation}; it is the next thing to be decided."
    holder = one.owner or one.offers[0].operator
    return f"{operator} could take {conversation}, but it is with {holder}."


def _because(why: Why, version: int) -> str:
    parts = [f"by rule {why.rule or '(none)'} of version {version}, step {why.step}, waited {why.waited / 1_000:g} s"]
    if why.chosen is not None:
        parts.append(f"{why.chosen.operator} was best of {max(why.eligible, 1)} by {why.policy} {why.chosen.key}")
    if why.runner_up is not None:
        parts.append(f"next would have been {why.runner_up.operator} {why.runner_up.key}")
    parts += [f"{count} {reason_in_words(reason)}" for reason, count in why.excluded.items()]
    if why.overtaken:
        parts.append(f"older ones that could not be taken: {', '.join(why.overtaken)}")
    if why.note:
        parts.append(why.note)
    return f"  why: {'; '.join(parts)}."


def _queued(fact: f.ConversationQueued) -> str:
    need = fact.steps[fact.step].need
    skills = ", ".join(f"{skill} {level}" for skill, level in sorted(need.skills.items())) or "no skill"
    phone = ", a phone" if need.phone else ""
    return f"Queued ({fact.reason}): {skills}{phone}, languages {', '.join(need.languages) or 'any'}."


def _unroutable(fact: f.Unroutable) -> str:
    if fact.configured:
        return "Nobody who could ever take it is signed in."
    return "Nobody in the rules could ever take it."


def _offered(fact: f.Offered) -> str:
    how = "" if fact.expires else ", accepted by itself"
    source = f", handed over by {fact.transfer_from}" if fact.transfer_from else ""
    return f"Offered to {fact.operator} ({fact.units} units{how}{source})."


def _assigned(fact: f.Assigned) -> str:
    by = f" by {fact.by}" if fact.by else ""
    return f"{fact.operator} owns it now{by}{': ' + fact.reason if fact.reason else ''}."


_WISHES: Mapping[str, str] = MappingProxyType(
    {"ringing": "should ring", "initiated": "should ring and then the customer's", "ended": "should hang up"}
)


def _wished(content: Content) -> str:
    assert isinstance(content, Call)  # noqa: S101  # wishes are about calls
    if content.event == "ringing" and not content.to:
        return "No phone should ring for the call."
    return f"The phone {content.to or 'of the call'} {_WISHES[content.event]}."


def _call(fact: f.CallChanged) -> str:
    who = f" by {fact.operator or 'somebody unknown'}" if fact.state == "answered" else ""
    return f"The call {'from' if fact.direction == 'in' else 'to'} {fact.address} is {fact.state}{who}."


def _sent(fact: f.ReplySent) -> str:
    if fact.wish:
        return _wished(fact.outbound.content)
    what = "A holding phrase" if fact.waiting is not None else f"An answer of {fact.by}"
    return f"{what} went to {fact.outbound.channel}{f', instead of {fact.again}' if fact.again else ''}."


def _parked(fact: f.ConversationParked) -> str:
    until = f", {datetime.fromtimestamp(fact.until / 1_000, UTC):%Y-%m-%d %H:%M} at the latest" if fact.until else ""
    who = f"{fact.by} put it aside" if fact.by else "It was put aside"
    return f"{who} until the customer writes{until}; {fact.operator} keeps it."


def _noted(fact: f.NoteAdded) -> str:
    to = f" for {fact.whisper}" if fact.whisper else " for whoever takes it over" if fact.handover else ""
    return f"{fact.by or 'The router'} added a note{to}."


def _refused(fact: f.CommandRefused) -> str:
    return f"A command was refused ({fact.code}): {fact.reason}"


def _poison(fact: f.InputRefused) -> str:
    return f"A step failed and was left out: {fact.error} in {fact.cause or 'an input'}."


def _silent(_fact: f.Fact) -> str:
    return ""


_SENTENCES: Mapping[type, Callable[[Any], str]] = MappingProxyType(
    {
        f.PersonCreated: lambda fact: f"{fact.person} wrote for the first time.",
        f.AddressTaken: lambda fact: f"{fact.before}'s address went to {fact.person}: {fact.evidence}.",
        f.PersonMerged: lambda fact: f"{fact.other} turned out to be {fact.person}: {fact.evidence}.",
        f.PersonParked: _silent,
        f.ConversationOpened: lambda fact: f"Opened on {fact.channel} by {fact.person}.",
        f.MessageTaken: lambda fact: f"The customer wrote entry {fact.n} on {fact.envelope.channel}.",
        f.ConversationJoined: lambda fact: f"It goes on for {fact.other} as well: both are of one customer.",
        f.ConversationReopened: lambda fact: (
            f"Reopened: {fact.undelivered} did not reach the customer."
            if fact.undelivered
            else f"Reopened by {fact.by or 'the customer'}."
        ),
        f.ConversationQueued: _queued,
        f.ConversationRelaxed: lambda fact: f"Nobody came in time: requirement step {fact.step} is in force.",
        f.ExclusionEnded: lambda fact: f"{', '.join(fact.operators)} may be asked again.",
        f.Unroutable: _unroutable,
        f.Offered: _offered,
        f.OfferEnded: lambda fact: f"The offer to {fact.operator} ended: {fact.reason}.",
        f.Assigned: _assigned,
        f.Unassigned: lambda fact: f"{fact.operator} does not own it any more: {fact.reason}.",
        f.ConversationParked: _parked,
        f.ConversationWoken: lambda fact: f"{fact.operator} goes on with it ({fact.reason}).",
        f.ReplySent: _sent,
        f.CallChanged: _call,
        f.ConversationWeighed: lambda fact: f"It takes {fact.units} units ({fact.kind}) now.",
        f.NoteAdded: _noted,
        f.EntriesRead: _silent,
        f.EntriesUnread: _silent,
        f.OutboundChanged: lambda fact: (
            f"{fact.outbound} is {fact.state.value}{': ' + fact.error if fact.error else ''}."
        ),
        f.ConversationClosed: lambda fact: f"Closed by {fact.by or 'the router'} ({fact.result or 'no result'}).",
        f.WrapUpEnded: lambda fact: f"{fact.operator} has finished wrapping up.",
        f.ConversationArchived: lambda _: "Archived.",
        f.NodeAlive: _silent,
        f.NodeLost: lambda fact: f"Desk node {fact.node} fell silent.",
        f.OperatorOnline: lambda fact: f"{fact.operator} is connected to {fact.node}.",
        f.OperatorGone: lambda fact: f"{fact.operator} lost the connection to {fact.node}.",
        f.OperatorState: lambda fact: f"{fact.operator} is {fact.state}{f' ({fact.reason})' if fact.reason else ''}.",
        f.OperatorIdle: _silent,
        f.RulesTaken: lambda fact: f"Rules version {fact.version} are in force.",
        f.ClockJumped: lambda fact: f"The bus stood still for {fact.gap / 1_000:g} s.",
        f.ClockSetBack: lambda fact: f"The bus's clock was set back by {fact.gap / 1_000:g} s.",
        f.WorkspaceRestored: lambda fact: f"The workspace was restored; {fact.skip} numbers are left out.",
        f.Scheduled: _silent,
        f.TimerSet: _silent,
        f.AnswerSaved: lambda fact: f"{fact.by} wrote version {fact.version} of the canned answer {fact.title!r}.",
        f.AnswerDeleted: lambda fact: f"{fact.by or 'The router'} deleted the canned answer {fact.answer}.",
        f.CommandRefused: _refused,
        f.InputRefused: _poison,
    }
)
