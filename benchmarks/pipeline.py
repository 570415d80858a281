"""The way of one message, from the adapter's publish through the real router to a reader of the log.

``python -m benchmarks.pipeline [--json] [--quick]`` measures it against a floor in the same run, and beside it new
conversations, recovery, fail-over and idle visitors, for both durabilities: see docs/benchmarks.md.
"""

import argparse
import asyncio
import gc
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec
import uvloop

from benchmarks.failover import time_failover, time_recovery
from benchmarks.figures import Spread, percentile, ratios, significant, spread
from benchmarks.floor import FloorPlan
from benchmarks.load import Course, addresses, course, in_copies, in_records, parcels, strangers
from benchmarks.routing import RouterPlan
from benchmarks.stage import ROOT, Child, connected, running_child, running_server, say, staff, temporary_folder
from broker.bus import child
from broker.bus.connection import Bus
from broker.bus.server import Durability
from broker.bus.settings import BusSettings, UserPassword
from broker.bus.streams import Workspace, ensure_streams

RATE = 500  # messages a second in the open loop
VISITORS_TIMEOUT = 120.0
FLOOR, SMALL, BIG = Workspace("floor"), Workspace("small"), Workspace("big")
SMALL_OPEN = 100


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured. `messages` and `fresh` are per round, `seconds` per round of the open loop."""

    open: int
    rounds: int
    messages: int
    fresh: int
    seconds: float
    calm_rounds: int
    visitors: int


FULL = {
    Durability.PROCESS: Size(
        open=100_000, rounds=5, messages=20_000, fresh=5_000, seconds=4, calm_rounds=3, visitors=5_000
    ),
    Durability.POWER: Size(open=100_000, rounds=5, messages=4_000, fresh=1_000, seconds=4, calm_rounds=3, visitors=0),
}
QUICK = {
    Durability.PROCESS: Size(open=2_000, rounds=1, messages=5_000, fresh=500, seconds=1, calm_rounds=1, visitors=200),
    Durability.POWER: Size(open=2_000, rounds=1, messages=1_000, fresh=200, seconds=1, calm_rounds=1, visitors=0),
}


class Figures(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What one durability gave; the keys of the JSON.

    Rates are messages a second, times as their names say. `rounds` holds medians and extremes of what the ratios were
    made of, `cpu_us_per_message` the processor time of the floor's and the router's process.
    """

    throughput_ratio: float = 0.0
    p50_ratio: float = 0.0
    p99_ratio: float = 0.0
    flatness: float = 0.0
    floor_msgs_s: float = 0.0
    new_conversation_ratio: float = 0.0
    bytes_per_visitor: float = 0.0
    visitor_p99_ms: float = 0.0
    recovery_s: float = 0.0
    failover_s: float = 0.0
    cpu_us_per_message: dict[str, float] = {}
    rounds: dict[str, Spread] = {}
    power: "Figures | None" = None


class Held(msgspec.Struct):
    """What `benchmarks.idle_visitors` prints."""

    bytes_per_visitor: float
    to_socket_ms_p99: float


class Lane(msgspec.Struct):
    """A process under test, and the two ends of its workspace."""

    child: Child
    course: Course


@asynccontextmanager
async def floor_lane(bus: Bus, login: UserPassword, url: str) -> AsyncIterator[Lane]:
    """The floor, between the streams of a workspace of its own."""
    plan = FloorPlan(url, login.user, login.password, FLOOR.in_stream, FLOOR.log_subject("c"))
    async with running_child("benchmarks.floor", plan) as started, course(bus, FLOOR, in_copies) as run:
        yield Lane(started, run)


@asynccontextmanager
async def router_lane(bus: Bus, plan: RouterPlan) -> AsyncIterator[Lane]:
    """A router and its workspace."""
    workspace = Workspace(plan.workspace)
    async with running_child("benchmarks.routing", plan) as started, course(bus, workspace, in_records) as run:
        yield Lane(started, run)


class Bench:
    """The measurements of one durability."""

    def __init__(self, settings: BusSettings, size: Size, bus: Bus) -> None:
        assert isinstance(settings.credentials, UserPassword)
        self._login, self._url = settings.credentials, settings.servers[0]
        self._size = size
        self._bus = bus
        self._taken: dict[str, list[float]] = {}
        self._cpu: dict[str, list[float]] = {}

    async def prepare(self) -> None:
        """Make the streams, the team and the open conversations."""
        for workspace in (FLOOR, SMALL, BIG):
            await ensure_streams(self._bus, workspace)
        for workspace, count in ((SMALL, SMALL_OPEN), (BIG, self._size.open)):
            await staff(self._bus, workspace)
            async with router_lane(self._bus, self._plan(workspace)) as lane:
                begun = time.perf_counter()
                for first in range(0, count, 10_000):
                    await lane.course.throughput(parcels(min(10_000, count - first), addresses(first, count)))
                say(f"  {count} conversations opened in {time.perf_counter() - begun:.1f} s")

    async def measure(self) -> Figures:
        """Everything but the idle visitors."""
        async with AsyncExitStack() as stack:
            floor = await stack.enter_async_context(floor_lane(self._bus, self._login, self._url))
            small = await stack.enter_async_context(router_lane(self._bus, self._plan(SMALL)))
            big = await stack.enter_async_context(router_lane(self._bus, self._plan(BIG)))
            await self._warm_up(floor, small, big)
            for _ in range(self._size.rounds):
                await self._round(floor, small, big)
            for _ in range(self._size.calm_rounds):
                await self._calm_round(floor, small)
        figures = self._figures()
        plan = self._plan(BIG)
        figures.failover_s = significant(await time_failover(self._bus, plan))
        say(f"  failover {figures.failover_s} s")
        figures.recovery_s = significant(await time_recovery(self._bus, plan))
        say(f"  recovery {figures.recovery_s} s")
        return figures

    def _plan(self, workspace: Workspace) -> RouterPlan:
        return RouterPlan(self._url, self._login.user, self._login.password, workspace.name)

    async def _warm_up(self, *lanes: Lane) -> None:
        for lane in lanes:
            await lane.course.throughput(parcels(self._size.fresh, addresses(0, SMALL_OPEN)))

    async def _round(self, floor: Lane, small: Lane, big: Lane) -> None:
        few, many = addresses(0, SMALL_OPEN), addresses(0, self._size.open)
        count = self._size.messages
        await self._run("floor", floor, count, few)
        await self._run("router", small, count, few)
        await self._run("router, all open", big, count, many)
        await self._run("router, new", big, self._size.fresh, strangers(self._size.fresh))

    async def _run(self, name: str, lane: Lane, count: int, known: Sequence[str]) -> None:
        load = parcels(count, known)
        before = lane.child.cpu_seconds()
        rate = await lane.course.throughput(load)
        self._note(name, rate)
        self._cpu.setdefault(name, []).append((lane.child.cpu_seconds() - before) / count * 1e6)
        say(f"  {name}: {rate:,.0f} messages/s, {self._cpu[name][-1]:.1f} us of its processor each")

    async def _calm_round(self, floor: Lane, small: Lane) -> None:
        for name, lane in (("floor", floor), ("router", small)):
            load = parcels(int(self._size.seconds * RATE), addresses(0, SMALL_OPEN))
            taken = await lane.course.latencies(load, RATE)
            for label, share in (("p50", 0.5), ("p99", 0.99)):
                self._note(f"{name} {label} ms", percentile(taken, share) * 1000)
            p50, p99 = self._taken[f"{name} p50 ms"][-1], self._taken[f"{name} p99 ms"][-1]
            say(f"  {name} at {RATE}/s: p50 {p50:.2f} ms, p99 {p99:.2f} ms")

    def _note(self, name: str, value: float) -> None:
        self._taken.setdefault(name, []).append(value)

    def _figures(self) -> Figures:
        taken = self._taken
        floor = taken["floor"]

        def ratio(upper: str, lower: str) -> float:
            return spread(ratios(taken[upper], taken[lower])).median

        return Figures(
            throughput_ratio=ratio("router", "floor"),
            p50_ratio=ratio("router p50 ms", "floor p50 ms"),
            p99_ratio=ratio("router p99 ms", "floor p99 ms"),
            flatness=ratio("router", "router, all open"),
            floor_msgs_s=spread(floor).median,
            new_conversation_ratio=ratio("router, new", "floor"),
            cpu_us_per_message={name: spread(values).median for name, values in self._cpu.items()},
            rounds={name: spread(values) for name, values in taken.items()}
            | {
                "throughput_ratio": spread(ratios(taken["router"], floor)),
                "flatness": spread(ratios(taken["router"], taken["router, all open"])),
            },
        )


async def run(sizes: dict[Durability, Size]) -> Figures:
    """Measure both durabilities, the second on the data of the first."""
    found: dict[Durability, Figures] = {}
    this = asyncio.current_task()
    assert this is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    with temporary_folder() as folder:
        for durability, size in sizes.items():
            say(f"durability {durability}")
            found[durability] = await _measure(folder, durability, size, prepare=not found)
    figures = found[Durability.PROCESS]
    figures.power = found[Durability.POWER]
    say(f"idle visitors: {sizes[Durability.PROCESS].visitors}")
    held = await idle_visitors(sizes[Durability.PROCESS].visitors)
    for one in (figures, figures.power):  # nothing is stored by who does nothing: durability makes no difference
        one.bytes_per_visitor = held.bytes_per_visitor
        one.visitor_p99_ms = held.to_socket_ms_p99
    return figures


async def idle_visitors(count: int) -> Held:
    """Weigh `count` idle visitors; a process of its own, so that nothing of ours is weighed with them."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", child.__file__, str(os.getpid())),
        *(sys.executable, "-m", "benchmarks.idle_visitors", str(count)),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    try:
        async with asyncio.timeout(VISITORS_TIMEOUT):
            answer, _ = await process.communicate()
        return msgspec.json.decode(answer, type=Held)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def _measure(folder: Path, durability: Durability, size: Size, *, prepare: bool) -> Figures:
    async with running_server(folder, durability) as settings, connected(settings) as bus:
        bench = Bench(settings, size, bus)
        if prepare:
            await bench.prepare()
        return await bench.measure()


def main() -> None:
    """Print the figures as JSON; progress goes to standard error."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.pipeline", description=__doc__)
    options.add_argument("--json", action="store_true", help="one line of JSON instead of an indented one")
    options.add_argument(
        "--quick", action="store_true", help="a smoke test of under a minute; its figures mean nothing"
    )
    chosen = options.parse_args()
    gc.disable()  # of the two ends only: a collection of the load's own objects is no part of the pipeline
    encoded = msgspec.json.encode(uvloop.run(run(QUICK if chosen.quick else FULL)))
    sys.stdout.buffer.write((encoded if chosen.json else msgspec.json.format(encoded, indent=2)) + b"\n")


if __name__ == "__main__":
    main()
