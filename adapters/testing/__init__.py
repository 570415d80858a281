"""The conformance kit: prove a channel against a simulator of its provider that misbehaves.

A channel's test is a class made from :class:`AdapterContract` with its cases; see ``docs/adapters.md``. It needs pytest
with pytest-asyncio in ``auto`` mode.
"""

from adapters.testing.cases import InboundCase, OutboundCase
from adapters.testing.context import FakeContext, NotScripted
from adapters.testing.contract import AdapterContract
from adapters.testing.provider import Answer, Cut, Hang, Request, ScriptedProvider
from adapters.testing.simulator import After, Pass, Simulator

__all__ = [
    "AdapterContract",
    "After",
    "Answer",
    "Cut",
    "FakeContext",
    "Hang",
    "InboundCase",
    "NotScripted",
    "OutboundCase",
    "Pass",
    "Request",
    "ScriptedProvider",
    "Simulator",
]
