"""The record in the making: what a decision reads, and the one way in which it changes anything."""

from collections.abc import Mapping

from msgspec import Struct

from router.change import Change, Fold
from router.facts import AnyFact, CommandRefused
from router.people import Conversation, PersonRecord
from router.policy import Policy
from router.record import WORKSPACE_LINE, Why
from router.rules import Rules
from router.state import State


class Refused(Exception):
    """A command that has no effect: a stable ``code``, a sentence for a person, and what holds instead."""

    def __init__(self, code: str, reason: str, now: str = "") -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.now = now

    def fact(self, command: str, conversation: str) -> CommandRefused:
        """Give the answer to ``command``."""
        return CommandRefused(
            command=command, code=self.code, reason=self.reason, conversation=conversation, now=self.now
        )


class Surroundings(Struct):
    """What the active router holds beside the state: the policy of its rules, who waits, its own release."""

    policy: Policy
    waiting: set[str]
    folds: Mapping[type, Fold]
    release: str


class Draft:
    """One step. ``emit`` applies a fact at once, so that what is decided next sees it.

    ``now`` goes back only where the bus's clock was set back by more than its nodes may differ.
    ``largest`` is how many bytes of a record can be stored.
    ``line`` is whose record this becomes, ``freed`` are operators who may have room now, ``parked`` people who left.
    """

    __slots__ = (
        "_folds",
        "by",
        "change",
        "facts",
        "freed",
        "input",
        "largest",
        "line",
        "now",
        "parked",
        "policy",
        "release",
        "state",
        "waiting",
        "why",
    )

    def __init__(self, change: Change, now: int, consumed: int, around: Surroundings, largest: int) -> None:
        change.now = now
        self.change = change
        self.state: State = change.state
        self.now = now
        self.input = consumed
        self.largest = largest
        self.policy = around.policy
        self.waiting = around.waiting
        self.release = around.release
        self._folds = around.folds
        self.facts: list[AnyFact] = []
        self.freed: dict[str, None] = {}
        self.line = WORKSPACE_LINE
        self.why: Why | None = None
        self.by = ""
        self.parked: list[PersonRecord] = []

    @property
    def rules(self) -> Rules:
        """The rules in force."""
        return self.policy.rules

    @property
    def number(self) -> int:
        """The number in the ids of what this step creates; nothing else ever had it, not even before a restore."""
        return self.input + self.state.skipped

    def next_outbound(self, conversation: Conversation) -> str:
        """Give the id of the next answer in a conversation; providers take it for the same one wherever they see it."""
        return f"{conversation.id}-{conversation.n + 1 + self.state.skipped}"

    def emit(self, fact: AnyFact) -> None:
        """Add a fact to the record and apply it to the state at once."""
        self._folds[type(fact)](self.change, fact)
        self.facts.append(fact)

    def conversation(self, name: str) -> Conversation:
        """Give a conversation; the record is on its line."""
        self.line = name
        return self.state.conversations[name]
