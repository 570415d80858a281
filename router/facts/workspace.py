"""Facts of the workspace: its rules, its time, its canned answers, and what was refused."""

from router.facts.kind import Fact, Todo
from router.rules import Rules


class RulesTaken(Fact, frozen=True, kw_only=True, tag="rules.taken"):
    """The rules are now version ``version``."""

    version: int
    hash: str
    rules: Rules
    by: str = ""


class ClockJumped(Fact, frozen=True, kw_only=True, tag="clock.jumped"):
    """The bus stood still for ``gap`` ms: leases, grace times and offer deadlines move on by it."""

    gap: int


class ClockSetBack(Fact, frozen=True, kw_only=True, tag="clock.set_back"):
    """The bus's clock was ahead and is set back by ``gap`` ms: open work, its age and deadlines move with it."""

    gap: int


class WorkspaceRestored(Fact, frozen=True, kw_only=True, tag="workspace.restored"):
    """What was decided after a backup is lost, and ``skip`` numbers with it, none of which is given again."""

    skip: int


class Scheduled(Fact, frozen=True, kw_only=True, tag="todo"):
    """Steps still to be done before the next input; each is ``(what, id)``."""

    items: tuple[tuple[Todo, str], ...]


class TimerSet(Fact, frozen=True, kw_only=True, tag="timer.set"):
    """A deadline that belongs to no other fact; ``timer`` is its id (``router.timers``). ``due`` 0: it is off."""

    timer: str
    due: int


class AnswerSaved(Fact, frozen=True, kw_only=True, tag="answer.saved"):
    """A canned answer is now this, in ``version``; ``owner`` empty: it is everybody's. ``texts`` is by language."""

    answer: str
    owner: str = ""
    folder: str = ""
    title: str
    shortcut: str = ""
    texts: dict[str, str]
    version: int = 1
    by: str = ""


class AnswerDeleted(Fact, frozen=True, kw_only=True, tag="answer.deleted"):
    """There is no such canned answer any more; it was ``owner``'s (empty: everybody's)."""

    answer: str
    owner: str = ""
    by: str = ""


class CommandRefused(Fact, frozen=True, kw_only=True, tag="command.refused"):
    """The command had no effect. ``code`` is stable, ``reason`` a sentence, ``now`` what holds instead."""

    command: str
    code: str
    reason: str
    conversation: str = ""
    now: str = ""


class InputRefused(Fact, frozen=True, kw_only=True, tag="input.refused"):
    """A step raised: nothing of it is in the state, the input is with the dead letters, the router went on."""

    cause: str
    error: str
    release: str
