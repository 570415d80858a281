"""What each fact writes into the index, by the definitions in docs/search-and-reports.md.

A fold is told of the records of a conversation in the order of the log, each once.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from broker.projections.rows import Case, Conversation, Entry, Rows
from broker.projections.schema import FACT_BITS
from broker.projections.words import Words, value_of, words
from desk.finding.search import clean
from normalizer.content import Call, Delete, Edit, Rating, Reaction
from router import facts as f
from router.calls import ELSEWHERE, UNATTENDED
from router.intake import AUTOMATIC, NO_ANSWER
from router.record import Record

LINKED = "linked"
LEFT_OUT = frozenset({AUTOMATIC, NO_ANSWER, UNATTENDED, ELSEWHERE, LINKED})
"""Results with which the router itself closes what was nobody's work here, or goes on elsewhere."""

OF_PEOPLE = (f.PersonMerged, f.AddressTaken)
_NOTHING_SAID = (Reaction, Delete, Call)
_NOT_COUNTED = (Edit, Rating)


class Unknown(Exception):
    """A record is about a conversation whose beginning is not in the index."""


class Step:
    """One record while it is folded."""

    def __init__(self, rows: Rows, seq: int, record: Record) -> None:
        self.rows = rows
        self.now = record.now
        self._first = seq << FACT_BITS
        self._index = 0

    def at(self, index: int) -> "Step":
        """Stand at the fact with this index in its record."""
        self._index = index
        return self

    @property
    def entry(self) -> int:
        """The id of an entry made of the present fact."""
        return self._first | self._index

    def conversation(self, name: str) -> Conversation:
        """Give a conversation, to be changed. Raises `Unknown`."""
        found = self.rows.conversation(name)
        if found is None:
            raise Unknown(name)
        self.rows.change(found)
        return found


Fold = Callable[[Step, Any], None]
"""Writes a fact; which kind it takes is said by the table below."""


def fold_record(rows: Rows, line: str, seq: int, record: Record) -> None:
    """Write a record of ``line`` down; one that is in the index already changes nothing.

    Raises:
        Unknown: the beginning of this conversation is missing: read all of it from the log and the archive.
    """
    known = rows.conversation(line)
    if known is not None and seq <= known.seq:
        return
    step = Step(rows, seq, record)
    for index, fact in enumerate(record.facts):
        fold = FOLDS.get(type(fact))
        if fold is not None and (isinstance(fact, OF_PEOPLE) or getattr(fact, "conversation", None) == line):
            fold(step.at(index), fact)
    known = rows.conversation(line)
    if known is not None:
        known.seq, known.records = seq, known.records + 1
        rows.change(known)


# --- people -----------------------------------------------------------------------------------------------------


def _merged(step: Step, fact: f.PersonMerged) -> None:
    step.rows.merge(fact.person, fact.other)


def _address_taken(step: Step, fact: f.AddressTaken) -> None:
    step.rows.give(fact.person, fact.address)


# --- a conversation begins and ends -----------------------------------------------------------------------------


def _opened(step: Step, fact: f.ConversationOpened) -> None:
    person = step.rows.owner_of(fact.person)
    step.rows.change(Conversation(fact.conversation, person, fact.channel, step.now, step.now))
    step.rows.begin(Case(fact.conversation, 1, fact.channel, step.now))
    step.rows.know(person, fact.address)


def _reopened(step: Step, fact: f.ConversationReopened) -> None:
    conversation = step.conversation(fact.conversation)
    conversation.status, conversation.result = "open", ""
    conversation.channel = fact.channel or conversation.channel
    by = "operator" if fact.by else "return" if fact.undelivered else "customer"
    n = step.rows.case(fact.conversation).n + 1
    step.rows.begin(Case(fact.conversation, n, conversation.channel, step.now, by))


def _joined(step: Step, fact: f.ConversationJoined) -> None:
    step.conversation(fact.conversation)
    case = step.rows.case(fact.conversation)
    if fact.unanswered and not case.waited:
        case.waited = fact.unanswered


def _closed(step: Step, fact: f.ConversationClosed) -> None:
    conversation = step.conversation(fact.conversation)
    conversation.status, conversation.result, conversation.owner = "closed", fact.result, ""
    conversation.last_at = step.now
    case = step.rows.case(fact.conversation)
    case.closed, case.closed_by, case.result = step.now, fact.by, fact.result
    case.kept = int(bool(fact.by) or fact.result not in LEFT_OUT)
    _leave(step, fact.conversation, "closed")
    if fact.result:
        _write(step, fact.conversation, "result", Words(clean(fact.result)), fact.by)


# --- what is said -----------------------------------------------------------------------------------------------


def _taken(step: Step, fact: f.MessageTaken) -> None:
    conversation, envelope = step.conversation(fact.conversation), fact.envelope
    case, content = step.rows.case(fact.conversation), envelope.content
    name = clean(envelope.sender.name)
    conversation.name = name or conversation.name
    conversation.last_at = step.now
    step.rows.know(conversation.person, envelope.address, name)
    if isinstance(content, Call) and content.direction == "out" and case.began == step.now:
        case.begun_by = "operator"
    if fact.waits and not case.waited and not case.answered:
        case.waited = step.now
    if isinstance(content, Rating):
        case.rated, case.score, case.scale = step.now, content.score, content.scale
    if not isinstance(content, _NOTHING_SAID):
        step.rows.say(
            Entry(
                id=step.entry,
                conversation=fact.conversation,
                kind="message",
                at=step.now,
                words=words(content),
                name=name,
                channel=envelope.channel,
                counted=not envelope.automatic and not isinstance(content, _NOT_COUNTED),
                who=f"{name} {value_of(envelope.address)}",
            )
        )


def _replied(step: Step, fact: f.ReplySent) -> None:
    conversation, sent = step.conversation(fact.conversation), fact.outbound
    if fact.wish or not fact.by:
        return
    conversation.last_at = step.now
    step.rows.say(
        Entry(
            id=step.entry,
            conversation=fact.conversation,
            kind="reply",
            at=step.now,
            words=words(sent.content),
            by=fact.by,
            name=clean(sent.author.name),
            channel=sent.channel,
            counted=fact.again is None,
        )
    )
    _answered(step, fact.conversation, fact.by)


def _noted(step: Step, fact: f.NoteAdded) -> None:
    step.conversation(fact.conversation).last_at = step.now
    _write(step, fact.conversation, "note", words(fact.content), fact.by)
    for operator in fact.mentions:
        step.rows.take_part(fact.conversation, operator, "asked")


def _write(step: Step, conversation: str, kind: str, written: Words, by: str) -> None:
    """Put down what operators write for themselves."""
    step.rows.say(Entry(id=step.entry, conversation=conversation, kind=kind, at=step.now, words=written, by=by))


def _answered(step: Step, conversation: str, operator: str) -> None:
    """Count an answer, written or by phone."""
    case = step.rows.case(conversation)
    if case.waited and not case.answered:
        case.answered, case.answered_by = step.now, operator
    case.last_by = operator
    step.rows.take_part(conversation, operator, "answered")
    step.rows.database.execute(
        "INSERT OR IGNORE INTO served VALUES (?, ?, ?, ?)", (conversation, case.n, operator, step.now)
    )


# --- calls ------------------------------------------------------------------------------------------------------


def _call(step: Step, fact: f.CallChanged) -> None:
    step.conversation(fact.conversation)
    write, key = step.rows.database.execute, (fact.channel, fact.call)
    write(
        "INSERT INTO calls (channel, call, conversation, direction, rang) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET conversation = excluded.conversation",
        (*key, fact.conversation, fact.direction, step.now),
    )
    if fact.state == "answered" and fact.operator:
        write(
            "UPDATE calls SET outcome = 'answered', operator = ?, answered = iif(answered, answered, ?)"
            " WHERE channel = ? AND call = ?",
            (fact.operator, step.now, *key),
        )
        _answered(step, fact.conversation, fact.operator)
    elif fact.state == "answered":
        write("UPDATE calls SET outcome = 'elsewhere' WHERE channel = ? AND call = ? AND outcome = ''", key)
    elif fact.state in ("over", "missed"):
        write(
            "UPDATE calls SET ended = ?, outcome = iif(outcome = '', ?, outcome) WHERE channel = ? AND call = ?",
            (step.now, fact.state, *key),
        )


# --- whose it is ------------------------------------------------------------------------------------------------


def _offered(step: Step, fact: f.Offered) -> None:
    step.conversation(fact.conversation)
    step.rows.database.execute(
        "INSERT OR REPLACE INTO offers (offer, conversation, operator, at) VALUES (?, ?, ?, ?)",
        (fact.offer, fact.conversation, fact.operator, step.now),
    )


def _offer_ended(step: Step, fact: f.OfferEnded) -> None:
    step.conversation(fact.conversation)
    step.rows.database.execute("UPDATE offers SET reason = ? WHERE offer = ?", (fact.reason, fact.offer))


def _assigned(step: Step, fact: f.Assigned) -> None:
    conversation = step.conversation(fact.conversation)
    conversation.owner = fact.operator
    step.rows.database.execute(
        "INSERT OR REPLACE INTO stays (conversation, since, operator, channel) VALUES (?, ?, ?, ?)",
        (fact.conversation, step.now, fact.operator, conversation.channel),
    )


def _unassigned(step: Step, fact: f.Unassigned) -> None:
    step.conversation(fact.conversation).owner = ""
    _leave(step, fact.conversation, fact.reason)


def _leave(step: Step, conversation: str, reason: str) -> None:
    step.rows.database.execute(
        "UPDATE stays SET until = ?, reason = ? WHERE conversation = ? AND until = 0", (step.now, reason, conversation)
    )


FOLDS: Mapping[type, Fold] = MappingProxyType(
    {
        f.PersonMerged: _merged,
        f.AddressTaken: _address_taken,
        f.ConversationOpened: _opened,
        f.ConversationReopened: _reopened,
        f.ConversationJoined: _joined,
        f.ConversationClosed: _closed,
        f.MessageTaken: _taken,
        f.ReplySent: _replied,
        f.NoteAdded: _noted,
        f.CallChanged: _call,
        f.Offered: _offered,
        f.OfferEnded: _offer_ended,
        f.Assigned: _assigned,
        f.Unassigned: _unassigned,
    }
)
"""How each fact changes the index; all others change nothing."""
