"""A workspace of its own for each test, on the one real server."""

import pytest

from broker.bus.connection import Bus
from broker.bus.streams import ensure_streams
from tests.broker.routing.play import Play
from tests.fixtures.nats import own_workspace


@pytest.fixture
async def play(bus: Bus) -> Play:
    workspace = own_workspace()
    return Play(bus, workspace, await ensure_streams(bus, workspace))
