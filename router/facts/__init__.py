"""What was decided: the facts that a record holds.

A fact carries outcomes (keys, deadlines, units charged), so that folding an old log needs no rules and gives the same
state for ever. Facts only grow: a new field has a default, a kind is never removed.
"""

from router.facts.calls import CallChanged, ConversationWeighed
from router.facts.conversations import (
    ConversationArchived,
    ConversationClosed,
    ConversationJoined,
    ConversationOpened,
    ConversationParked,
    ConversationReopened,
    ConversationWoken,
    WrapUpEnded,
)
from router.facts.entries import EntriesRead, EntriesUnread, MessageTaken, NoteAdded, OutboundChanged, ReplySent
from router.facts.kind import Fact, Todo
from router.facts.operators import NodeAlive, NodeLost, OperatorGone, OperatorIdle, OperatorOnline, OperatorState
from router.facts.people import AddressTaken, PersonCreated, PersonMerged, PersonParked
from router.facts.queue import (
    Assigned,
    ConversationQueued,
    ConversationRelaxed,
    ExclusionEnded,
    Offered,
    OfferEnded,
    Step,
    Unassigned,
    Unroutable,
)
from router.facts.workspace import (
    AnswerDeleted,
    AnswerSaved,
    ClockJumped,
    ClockSetBack,
    CommandRefused,
    InputRefused,
    RulesTaken,
    Scheduled,
    TimerSet,
    WorkspaceRestored,
)

__all__ = [
    "AddressTaken",
    "AnswerDeleted",
    "AnswerSaved",
    "AnyFact",
    "Assigned",
    "CallChanged",
    "ClockJumped",
    "ClockSetBack",
    "CommandRefused",
    "ConversationArchived",
    "ConversationClosed",
    "ConversationJoined",
    "ConversationOpened",
    "ConversationParked",
    "ConversationQueued",
    "ConversationRelaxed",
    "ConversationReopened",
    "ConversationWeighed",
    "ConversationWoken",
    "EntriesRead",
    "EntriesUnread",
    "ExclusionEnded",
    "Fact",
    "InputRefused",
    "MessageTaken",
    "NodeAlive",
    "NodeLost",
    "NoteAdded",
    "OfferEnded",
    "Offered",
    "OperatorGone",
    "OperatorIdle",
    "OperatorOnline",
    "OperatorState",
    "OutboundChanged",
    "PersonCreated",
    "PersonMerged",
    "PersonParked",
    "ReplySent",
    "RulesTaken",
    "Scheduled",
    "Step",
    "TimerSet",
    "Todo",
    "Unassigned",
    "Unroutable",
    "WorkspaceRestored",
    "WrapUpEnded",
]

AnyFact = (
    PersonCreated
    | AddressTaken
    | PersonMerged
    | PersonParked
    | ConversationOpened
    | MessageTaken
    | ConversationJoined
    | ConversationReopened
    | ConversationQueued
    | ConversationRelaxed
    | ExclusionEnded
    | Unroutable
    | Offered
    | OfferEnded
    | Assigned
    | Unassigned
    | ConversationParked
    | ConversationWoken
    | ReplySent
    | CallChanged
    | ConversationWeighed
    | NoteAdded
    | EntriesRead
    | EntriesUnread
    | OutboundChanged
    | ConversationClosed
    | WrapUpEnded
    | ConversationArchived
    | NodeAlive
    | NodeLost
    | OperatorOnline
    | OperatorGone
    | OperatorState
    | OperatorIdle
    | RulesTaken
    | ClockJumped
    | ClockSetBack
    | WorkspaceRestored
    | Scheduled
    | TimerSet
    | AnswerSaved
    | AnswerDeleted
    | CommandRefused
    | InputRefused
)
