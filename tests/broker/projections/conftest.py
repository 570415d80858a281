"""An empty index, and a story that is told into it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.bus.connection import Bus
from broker.bus.streams import ensure_streams
from broker.projections.store import Store
from tests.broker.projections.story import Story, at, begun
from tests.broker.routing.play import Play
from tests.fixtures.nats import own_workspace


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "index"


@pytest.fixture
async def play(bus: Bus) -> Play:
    workspace = own_workspace()
    return Play(bus, workspace, await ensure_streams(bus, workspace))


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    yield from begun(folder)


@pytest.fixture
def story(store: Store) -> Story:
    """Begins on a Monday morning in Warsaw."""
    return Story(store, at("2026-11-02 09:00:00"))
