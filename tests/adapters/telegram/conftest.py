"""A Telegram that is simulated, and a channel at work with it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from adapters.testing import FakeContext, Rig
from adapters.testing.rig import rigged
from adapters.testing.telegram import TelegramSimulator
from tests.adapters.telegram.recorded import make, simulator

WITHIN = 30.0
PUBLIC = "https://chat.example"

TelegramRig = Rig[TelegramSimulator]


@pytest.fixture
async def rig() -> AsyncIterator[TelegramRig]:
    """A channel that polls."""
    async with at_work() as rig:
        yield rig


@asynccontextmanager
async def at_work(**changes: object) -> AsyncIterator[TelegramRig]:
    """Set a channel up with other settings."""
    async with rigged(lambda context, peer: make(context, peer, **changes), simulator()) as rig:
        yield rig


def reachable(rig: TelegramRig) -> None:
    """Let what Telegram posts to the public address come to the channel, as a proxy in front of it would."""
    rig.peer.queue.proxy[PUBLIC] = str(rig.client.make_url("/")).rstrip("/")


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait for what the simulator or the channel does by itself."""
    try:
        async with asyncio.timeout(WITHIN):
            while not condition():  # noqa: ASYNC110  # the simulator tells nobody
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"not within {WITHIN:g} s: {what}") from None


def events(context: FakeContext) -> list[str]:
    """What was logged, by name."""
    return [str(entry["event"]) for entry in context.logged]
