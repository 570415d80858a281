"""Fixtures of the desk's tests."""

from collections.abc import AsyncIterator

import pytest

from tests.desk.world import Console, Desk, World
from tests.desk.world import world as make_world


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with make_world() as made:
        yield made


@pytest.fixture
async def desk(world: World) -> Desk:
    return await world.desk()


@pytest.fixture
async def ben(world: World, desk: Desk) -> Console:
    """Ben, at work."""
    return await at_work(world, desk, "ben")


@pytest.fixture
async def cleo(world: World, desk: Desk) -> Console:
    """Cleo, at work."""
    return await at_work(world, desk, "cleo")


async def at_work(world: World, desk: Desk, operator: str) -> Console:
    console = await world.console(desk, operator)
    await console.until(lambda: console.operators[operator]["online"])
    assert (await console.do({"do": "presence", "state": "available"}))["status"] == "confirmed"
    return console
