"""What a channel brings to its benchmark: its provider, its settings, and the same transport without the adapter."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import ClassVar

from aiohttp import web

from adapters.contract import Adapter, Context
from adapters.registry import adapter_type
from config.loader import compose_sources, decode

CHANNEL = "bench"
WORKSPACE_SECRET = bytes(32)
TEXT = "Where is my parcel? " * 5
SENDERS = 500
MARK = re.compile(rb"bench-([0-9]+)")
Publish = Callable[[bytes, str], Awaitable[None]]
"""Publishes bytes with an id, and returns when JetStream has acknowledged them."""

DRIVERS: Mapping[str, str] = {
    "webhook": "benchmarks.webhook_driver:WebhookDriver",
    "telegram": "benchmarks.telegram_driver:PollingDriver",
    "telegram_ptb": "benchmarks.telegram_driver:PtbDriver",
    "telegram_webhook": "benchmarks.telegram_driver:PostingDriver",
    "twilio": "benchmarks.twilio_driver:TwilioDriver",
    "email": "benchmarks.email_driver:EmailDriver",
    "kamailio": "benchmarks.kamailio_driver:KamailioDriver",
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
    """The provider's side, in the process of the load; each message bears :func:`mark`, by which it is found again.

    ``share`` is how much of the usual load a slow provider gets.
    """

    bare: ClassVar[type[Bare]]
    share: ClassVar[float] = 1.0

    def __init__(self, host: str, channel: str = CHANNEL) -> None:
        self.host = host
        """Where the channel listens, for providers that post to it."""
        self.channel = channel

    async def open(self) -> str:
        """Start the provider; gives its address for :meth:`section` and :class:`Bare`."""
        return ""

    def prepare(self, numbers: Sequence[int]) -> None:
        """Make what can be made before the clock runs: the work of a provider is not ours."""

    async def offer(self, number: int) -> None:
        """Let the provider deliver a message; returns when the next one of this sender may be delivered."""
        raise NotImplementedError

    async def close(self) -> None:
        """Let go of connections."""

    @classmethod
    def section(cls, peer: str) -> dict[str, object]:
        """Give the channel as it stands in the YAML."""
        raise NotImplementedError

    @staticmethod
    def number(payload: bytes) -> int | None:
        """Find the number of a message in what was stored of it."""
        found = MARK.search(payload)
        return int(found[1]) if found else None


def mark(number: int) -> str:
    """Give the native id of a message."""
    return f"bench-{number}"


def driver_type(name: str) -> type[Driver]:
    """Load the driver of a channel."""
    module, _, word = DRIVERS[name].partition(":")
    found: type[Driver] = getattr(import_module(module), word)
    return found


def make_adapter(section: Mapping[str, object], context: Context) -> Adapter:
    """Make a channel from its section of the YAML (JSON is YAML)."""
    kind = adapter_type(str(section["type"]))
    document = compose_sources({Path("benchmark.yaml"): json.dumps(section).encode()}, Path())
    return kind(decode(document, kind.Settings, env={}).value, context)
