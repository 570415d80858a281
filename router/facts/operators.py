"""Facts of operators and of the desks that they sit at."""

from typing import Literal

from router.facts.kind import Fact


class NodeAlive(Fact, frozen=True, kw_only=True, tag="node.alive"):
    """A desk node has spoken; its lease runs until ``until``."""

    node: str
    until: int


class NodeLost(Fact, frozen=True, kw_only=True, tag="node.lost"):
    """A desk node fell silent; its operators are each handled in steps of their own."""

    node: str


class OperatorOnline(Fact, frozen=True, kw_only=True, tag="operator.online"):
    """An operator has a socket on ``node``; a grace time that was running ends."""

    operator: str
    node: str


class OperatorGone(Fact, frozen=True, kw_only=True, tag="operator.gone"):
    """No socket on ``node`` any more. ``grace_until`` 0: another node still has one."""

    operator: str
    node: str
    grace_until: int = 0


class OperatorState(Fact, frozen=True, kw_only=True, tag="operator.state"):
    """The state as set by the operator, or ``not_responding`` / ``offline`` as found by the router.

    ``reason`` is what they said about it, ``idle`` where the desk found nobody there, or ``no_answers``.
    """

    operator: str
    state: Literal["available", "away", "break", "draining", "offline", "not_responding"]
    by: str = ""
    reason: str = ""


class OperatorIdle(Fact, frozen=True, kw_only=True, tag="operator.idle"):
    """Nobody has touched this operator's screens on ``node`` for a long time (``idle``), or somebody does again."""

    operator: str
    node: str
    idle: bool
