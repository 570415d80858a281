"""A workspace of its own for each test, on the one real server."""

import uuid

import pytest

from broker.bus.connection import Bus
from broker.bus.streams import Workspace, ensure_streams
from tests.broker.routing.play import Play


@pytest.fixture
async def play(bus: Bus) -> Play:
    workspace = Workspace(f"w{uuid.uuid4().hex[:12]}")
    return Play(bus, workspace, await ensure_streams(bus, workspace))
