"""Readiness: proven by a write, and by a router that writes."""

import asyncio

from broker.bus.connection import Bus
from broker.bus.reader import stream_state
from broker.bus.streams import ensure_streams
from broker.monitoring.health import LATE_AFTER, PROBE_EVERY, Health
from router.record import Record
from router.state import State
from tests.fixtures.nats import own_workspace

RECORD = Record(input=1, step=0, now=1, term=1, rules=1, cause="position")


class Folding:
    def __init__(self) -> None:
        self.state = State()
        self.lag = 0.0


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_workspace_that_takes_a_probe_is_ready(bus: Bus) -> None:
    workspace = own_workspace()
    await ensure_streams(bus, workspace)
    found = await Health(bus, workspace, Folding(), clock=Clock()).readiness()
    assert found.ok
    assert (await stream_state(bus, workspace.in_stream)).messages == 1


async def test_many_questions_at_once_are_one_probe(bus: Bus) -> None:
    workspace, clock = own_workspace(), Clock()
    await ensure_streams(bus, workspace)
    health = Health(bus, workspace, Folding(), clock=clock)
    await asyncio.gather(*(health.readiness() for _ in range(20)))
    clock.now = PROBE_EVERY
    await health.readiness()
    assert (await stream_state(bus, workspace.in_stream)).messages == 2


async def test_a_store_that_does_not_answer_is_not_ready_though_the_connection_stands(bus: Bus) -> None:
    missing = own_workspace()
    found = await Health(bus, missing, Folding(), clock=Clock()).readiness()
    assert not found.ok
    assert found.bus == ""
    assert "could not be stored" in found.store


async def test_a_log_in_which_nobody_writes_is_not_ready(bus: Bus) -> None:
    workspace, clock = own_workspace(), Clock()
    await ensure_streams(bus, workspace)
    health = Health(bus, workspace, Folding(), clock=clock)
    clock.now = LATE_AFTER + 1
    assert "no router has written" in (await health.readiness()).router
    health.record(1, "", RECORD)
    clock.now += PROBE_EVERY
    assert (await health.readiness()).ok


async def test_a_process_far_behind_the_log_is_not_ready(bus: Bus) -> None:
    workspace, folding = own_workspace(), Folding()
    await ensure_streams(bus, workspace)
    folding.lag = LATE_AFTER + 5
    found = await Health(bus, workspace, folding, clock=Clock()).readiness()
    assert "behind the log" in found.router
