"""Who runs what."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from broker.bus.connection import Bus
from broker.bus.streams import Workspace
from broker.channels.tally import Tally
from broker.monitoring.nodes import GONE_AFTER, Beat, Nodes, call_roll
from tests.fixtures.nats import own_workspace


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110  # others tell nobody that they are there
            await asyncio.sleep(0.01)


class Clock:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


@asynccontextmanager
async def node(
    bus: Bus,
    workspace: Workspace,
    name: str,
    clock: Callable[[], float] = Clock(),  # noqa: B008  # never moved
) -> AsyncIterator[Nodes]:
    channels = {name: Tally(name, "webhook").status}
    nodes = Nodes(bus, workspace, lambda: Beat(node=name, version=3, channels=channels), clock)
    await nodes.start()
    try:
        yield nodes
    finally:
        await nodes.close()


def names(nodes: Nodes) -> list[str]:
    return sorted(beat.node for beat in nodes.alive)


async def test_processes_hear_of_one_another_and_of_the_end(bus: Bus) -> None:
    workspace = own_workspace()
    async with node(bus, workspace, "one") as one:
        async with node(bus, workspace, "two") as two:
            await until(lambda: names(one) == ["one", "two"] == names(two))
        await until(lambda: names(one) == ["one"])


async def test_who_falls_silent_is_gone(bus: Bus) -> None:
    workspace, clock = own_workspace(), Clock()
    async with node(bus, workspace, "one", clock) as one, node(bus, workspace, "two"):
        await until(lambda: names(one) == ["one", "two"])
        clock.at = GONE_AFTER
        assert names(one) == ["one"]


async def test_who_calls_the_roll_hears_everybody_of_the_workspace_and_nobody_else(bus: Bus) -> None:
    workspace, other = own_workspace(), own_workspace()
    async with node(bus, workspace, "one"), node(bus, workspace, "two"), node(bus, other, "three"):
        async with asyncio.timeout(60):
            while len(beats := await call_roll(bus, workspace)) < 2:
                pass  # not within the usual time: the machine is busy
    assert sorted(beat.node for beat in beats) == ["one", "two"]
    assert {beat.version for beat in beats} == {3}
    assert all(beat.channels[beat.node].type == "webhook" for beat in beats)
