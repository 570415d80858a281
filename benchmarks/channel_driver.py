"""What a channel brings to its benchmark: its provider, its adapter, and the same transport without the adapter."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib import import_module
from typing import ClassVar

from aiohttp import web

from adapters.contract import Adapter, Context

CHANNEL = "bench"
MARK = re.compile(rb"bench-([0-9]+)")
Publish = Callable[[bytes, str], Awaitable[None]]
"""Publishes bytes with an id, and returns when JetStream has acknowledged them."""

DRIVERS: Mapping[str, str] = {
    "webhook": "benchmarks.webhook_driver:WebhookDriver",
}
"""The channel's name in the results to ``module:class``."""


class Bare:
    """A transport that takes what comes and publishes it, and does nothing else: the floor.

    Derive from it what the channel's provider needs: routes, or a loop that asks.
    """

    def __init__(self, publish: Publish, peer: str) -> None:
        self.publish = publish
        self.peer = peer

    def routes(self) -> Sequence[web.RouteDef]:
        """Give the routes below ``/channels/<name>``."""
        return ()

    async def run(self) -> None:
        """Read until cancelled."""


class Driver:
    """The provider's side, in the process of the load; each message bears :meth:`mark`, by which it is found again."""

    bare: ClassVar[type[Bare]]

    def __init__(self, host: str) -> None:
        self.host = host
        """Where the channel listens, for providers that post to it."""

    async def open(self) -> str:
        """Start the provider; gives its address for :meth:`adapter` and :class:`Bare`."""
        return ""

    def prepare(self, numbers: Sequence[int]) -> None:
        """Make what can be made before the clock runs: the work of a provider is not ours."""

    async def offer(self, number: int) -> None:
        """Let the provider deliver a message; returns when the next one of this sender may be delivered."""
        raise NotImplementedError

    async def close(self) -> None:
        """Let go of connections."""

    @classmethod
    def adapter(cls, context: Context, peer: str) -> Adapter:
        """Make the channel, in the process that is measured."""
        raise NotImplementedError


def mark(number: int) -> str:
    """Give the native id of a message."""
    return f"bench-{number}"


def driver_type(name: str) -> type[Driver]:
    """Load the driver of a channel."""
    module, _, word = DRIVERS[name].partition(":")
    found: type[Driver] = getattr(import_module(module), word)
    return found
