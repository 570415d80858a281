"""The conformance kit: prove a channel against a simulator of its provider that misbehaves.

A channel's test is a class made from :class:`AdapterContract` with its cases; see ``docs/adapters.md``. It needs pytest
with pytest-asyncio in ``auto`` mode, and hypothesis; simulators need neither.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from adapters.testing.cases import (
    HTTP_TROUBLES,
    InboundCase,
    Limit,
    OutboundCase,
    Post,
    Told,
    Trouble,
    outbound,
)
from adapters.testing.context import NOON, FakeContext, NotScripted, made_id
from adapters.testing.peer import Peer, Shown
from adapters.testing.simulator import Said, Simulator
from adapters.testing.steps import After, Answer, Cut, Hang, Pass, Request

if TYPE_CHECKING:
    from adapters.testing.contract import AdapterContract
    from adapters.testing.rig import Rig

__all__ = [
    "HTTP_TROUBLES",
    "NOON",
    "AdapterContract",
    "After",
    "Answer",
    "Cut",
    "FakeContext",
    "Hang",
    "InboundCase",
    "Limit",
    "NotScripted",
    "OutboundCase",
    "Pass",
    "Peer",
    "Post",
    "Request",
    "Rig",
    "Said",
    "Shown",
    "Simulator",
    "Told",
    "Trouble",
    "made_id",
    "outbound",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the two names below
    if name not in _OF_PYTEST:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_OF_PYTEST[name]), name)


_OF_PYTEST = {"AdapterContract": "adapters.testing.contract", "Rig": "adapters.testing.rig"}
"""These need pytest, which simulators do without: loaded when asked for."""
