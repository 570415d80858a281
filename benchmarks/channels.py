"""From a provider's delivery to the stored envelope, channel by channel, and a hundred channels in one process.

``python -m benchmarks.channels [--json] [--quick] [NAME ...]`` prints for each channel ``ratio`` (messages a second
through the real adapter, context and bus / through the bare transport of the same provider, in the same run, to reach:
0.5), ``cpu_ratio`` (the same of the processor time of a message), ``msgs_s``, and ``p99_ms`` of an open loop, from the
delivery to the envelope in the hands of a reader of IN; and as ``hundred_channels`` the memory and the start of one
process: see docs/benchmarks.md.
"""

import argparse
import asyncio
import gc
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import count

import msgspec
import uvloop

from benchmarks.channel_driver import DRIVERS, Driver, driver_type
from benchmarks.channel_host import HostPlan
from benchmarks.figures import Spread, percentile, ratios, significant, spread
from benchmarks.hundred_channels import HundredChannels, measure_hundred
from benchmarks.stage import Child, connected, running_child, running_server, say, temporary_folder
from broker.bus.connection import Bus
from broker.bus.reader import Reader, stream_state
from broker.bus.server import Durability, free_port
from broker.bus.settings import BusSettings, UserPassword
from broker.bus.streams import Workspace, ensure_streams

HUNDRED = "hundred_channels"
PARALLEL = 64
PATIENCE = 120.0


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured; `messages` per round, `rate` a second for `seconds` in the open loop."""

    rounds: int
    messages: int
    rate: int
    seconds: float

    def of(self, share: float) -> "Size":
        """Give a part of it, for a slow provider."""
        return msgspec.structs.replace(self, messages=int(self.messages * share), rate=int(self.rate * share))


FULL = Size(rounds=5, messages=4_000, rate=200, seconds=5)
QUICK = Size(rounds=1, messages=500, rate=100, seconds=1)


class ChannelFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What one channel gave. `cpu_us` is the processor time a message of the process that is measured.

    `cpu_ratio` is that of the floor / that of the channel: what other work on the machine touches least.
    """

    ratio: float
    cpu_ratio: float
    msgs_s: float
    p99_ms: float
    floor_p99_ms: float
    cpu_us: dict[str, float]
    rounds: dict[str, Spread]


class Arrivals:
    """When each message was read from IN, by its number."""

    def __init__(self, number: Callable[[bytes], int | None]) -> None:
        self._number = number
        self._seen: dict[int, float] = {}
        self._wanted = 0
        self._all = asyncio.Event()

    async def follow(self, bus: Bus, workspace: Workspace) -> None:
        """Read from the present end on, for ever."""
        start = (await stream_state(bus, workspace.in_stream)).last + 1
        async with Reader(bus, workspace.in_stream, start_seq=start) as reader:
            async for batch in reader.batches():
                now = time.perf_counter()
                for stored in batch:
                    if (found := self._number(stored.payload)) is not None:
                        self._seen.setdefault(found, now)
                if len(self._seen) >= self._wanted:
                    self._all.set()

    async def wait(self, numbers: Sequence[int]) -> dict[int, float]:
        """Wait until so many are there as are named; they must be these."""
        self._wanted = len(numbers)
        self._all.clear()
        if len(self._seen) < self._wanted:
            async with asyncio.timeout(PATIENCE):
                await self._all.wait()
        seen, self._seen = self._seen, {}
        assert set(seen) == set(numbers), "other messages arrived than were sent"
        return seen


class Way(msgspec.Struct, frozen=True):
    """One way into IN: the load's end, the process that is measured, and what arrives."""

    driver: Driver
    host: Child
    arrivals: Arrivals
    numbers: "count[int]"

    def take(self, amount: int) -> list[int]:
        """Give fresh numbers, prepared."""
        numbers = [next(self.numbers) for _ in range(amount)]
        self.driver.prepare(numbers)
        return numbers

    async def rush(self, amount: int) -> float:
        """Deliver as fast as it goes; gives messages a second, to the last one that was read."""
        numbers = self.take(amount)
        waiting = iter(numbers)
        began = time.perf_counter()
        await asyncio.gather(*(self._deliver(waiting) for _ in range(PARALLEL)))
        seen = await self.arrivals.wait(numbers)
        return amount / (max(seen.values()) - began)

    async def stroll(self, rate: int, seconds: float) -> list[float]:
        """Deliver at a steady rate; gives the time of each in ms."""
        numbers = self.take(int(rate * seconds))
        began, sent, under_way = time.perf_counter(), {}, []
        for place, number in enumerate(numbers):
            await asyncio.sleep(max(0.0, began + place / rate - time.perf_counter()))
            sent[number] = time.perf_counter()
            under_way.append(asyncio.create_task(self.driver.offer(number)))
        await asyncio.gather(*under_way)
        seen = await self.arrivals.wait(numbers)
        return [(seen[number] - sent[number]) * 1_000 for number in numbers]

    async def _deliver(self, waiting: Iterator[int]) -> None:
        for number in waiting:
            await self.driver.offer(number)


@asynccontextmanager
async def way(name: str, settings: BusSettings, bus: Bus, *, bare: bool) -> AsyncIterator[Way]:
    """Start a provider, a channel or its floor, and a reader.

    In a workspace of its own: providers begin to count anew, and the bus would take theirs for repetitions.
    """
    port, workspace = free_port(), Workspace(f"{'floor' if bare else 'real'}-{name.replace('_', '-')}")
    await ensure_streams(bus, workspace)
    driver = driver_type(name)(f"http://127.0.0.1:{port}")
    arrivals = Arrivals(driver.number)
    peer = await driver.open()
    assert isinstance(settings.credentials, UserPassword)
    plan = HostPlan(
        driver=name,
        bare=bare,
        port=port,
        peer=peer,
        workspace=workspace.name,
        url=settings.servers[0],
        user=settings.credentials.user,
        password=settings.credentials.password,
    )
    following = asyncio.create_task(arrivals.follow(bus, workspace))
    try:
        async with running_child("benchmarks.channel_host", plan) as host:
            yield Way(driver, host, arrivals, count(1))
    finally:
        following.cancel()
        await asyncio.wait([following])
        await driver.close()


async def measure(name: str, settings: BusSettings, size: Size) -> ChannelFigures:
    """Measure one channel beside its floor, round by round."""
    size = size.of(driver_type(name).share)
    rates: dict[str, list[float]] = {"floor": [], "channel": []}
    times: dict[str, list[float]] = {"floor": [], "channel": []}
    cpu: dict[str, list[float]] = {"floor": [], "channel": []}
    async with (
        connected(settings) as bus,
        way(name, settings, bus, bare=True) as floor,
        way(name, settings, bus, bare=False) as real,
    ):
        ways = {"floor": floor, "channel": real}
        for one in ways.values():
            await one.rush(max(size.messages // 10, PARALLEL))  # connections, caches
        for number in range(size.rounds):
            for label, one in ways.items():
                gc.collect()
                before = one.host.cpu_seconds()
                rates[label].append(await one.rush(size.messages))
                cpu[label].append((one.host.cpu_seconds() - before) / size.messages * 1e6)
                times[label] += await one.stroll(size.rate, size.seconds)
            say(f"{name}: round {number + 1} of {size.rounds}: {rates['channel'][-1]:,.0f} messages/s")
    return ChannelFigures(
        ratio=spread(ratios(rates["channel"], rates["floor"])).median,
        cpu_ratio=spread(ratios(cpu["floor"], cpu["channel"])).median,
        msgs_s=spread(rates["channel"]).median,
        p99_ms=significant(percentile(times["channel"], 0.99)),
        floor_p99_ms=significant(percentile(times["floor"], 0.99)),
        cpu_us={label: spread(values).median for label, values in cpu.items()},
        rounds={
            "ratio": spread(ratios(rates["channel"], rates["floor"])),
            "cpu_ratio": spread(ratios(cpu["floor"], cpu["channel"])),
        }
        | {f"{label}_msgs_s": spread(values) for label, values in rates.items()},
    )


async def run(names: Sequence[str], size: Size, *, hundred: bool) -> dict[str, ChannelFigures | HundredChannels]:
    """Measure the channels, then the hundred; the keys of the JSON."""
    figures: dict[str, ChannelFigures | HundredChannels] = {}
    with temporary_folder() as folder:
        async with running_server(folder / "nats", Durability.PROCESS) as settings:
            for name in names:
                figures[name] = await measure(name, settings, size)
                say(f"{name}: {msgspec.json.encode(figures[name]).decode()}")
        if hundred:
            figures[HUNDRED] = await measure_hundred(folder)
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    known = [*DRIVERS, HUNDRED]
    parser.add_argument("names", nargs="*", help=f"of {', '.join(known)}; none: all")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    parser.add_argument("--quick", action="store_true", help="a smoke test; its figures mean nothing")
    parser.add_argument("--rounds", type=int, help=f"{FULL.rounds}; fewer say less where other work runs beside")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(known))
    if unknown:
        parser.error(f"no such channel: {', '.join(unknown)}; there are {', '.join(known)}")
    wanted = options.names or known
    names = [name for name in wanted if name != HUNDRED]
    size = QUICK if options.quick else FULL
    size = msgspec.structs.replace(size, rounds=options.rounds or size.rounds)
    figures = uvloop.run(run(names, size, hundred=HUNDRED in wanted))
    text = msgspec.json.encode(figures)
    sys.stdout.write((text if options.json else msgspec.json.format(text, indent=2)).decode() + "\n")


if __name__ == "__main__":
    main()
