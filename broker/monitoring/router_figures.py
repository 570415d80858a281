"""What the active router counts, asked of it over the bus, as metrics of whoever serves them."""

import asyncio
import time
from collections.abc import Callable, Iterator

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from broker.bus.connection import Bus
from broker.bus.errors import BusError
from broker.bus.streams import Workspace
from broker.logs import get_logger
from broker.routing.ask import COUNTERS
from broker.routing.settings import RouterStats

ASK_EVERY = 5.0
ASK_TIMEOUT = 2.0


class RouterFigures(Collector):
    """Asks now and then; between two routers the last answer stands, with ``trunkline_router_active`` 0."""

    def __init__(
        self,
        bus: Bus,
        workspace: Workspace,
        registry: CollectorRegistry,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bus = bus
        self._subject = workspace.ask_subject(COUNTERS)
        self._registry = registry
        self._clock = clock
        self._answered = clock()
        self._stats = RouterStats()
        self._log = get_logger("metrics")
        registry.register(self)

    async def run(self) -> None:
        """Ask again and again, until cancelled."""
        while True:
            await self.ask()
            await asyncio.sleep(ASK_EVERY)

    async def ask(self) -> None:
        """Ask once; without an answer nobody is active."""
        try:
            answer = await self._bus.request(self._subject, b"", ASK_TIMEOUT)
        except BusError as exc:
            self._log.debug("no router answers", reason=str(exc))
            self._stats.active = False
            return
        self._stats = msgspec.json.decode(answer, type=RouterStats)
        self._answered = self._clock()

    def silence(self) -> float:
        """Give the seconds since a router has answered."""
        return self._clock() - self._answered

    def close(self) -> None:
        """Leave the registry."""
        self._registry.unregister(self)

    def collect(self) -> Iterator[Metric]:
        """Give what the router said last."""
        stats = self._stats
        counted = {
            "inputs": (stats.inputs, "Inputs consumed by the active router"),
            "records": (stats.records, "Records written by the active router"),
            "duplicates": (stats.duplicates, "Customers' messages that had been taken in before"),
            "poisoned": (stats.refused, "Inputs that could not be decided"),
            "takeovers": (stats.takeovers, "Terms begun by this router process"),
        }
        for name, (value, what) in counted.items():
            yield CounterMetricFamily(f"trunkline_router_{name}", what, value=value)
        yield GaugeMetricFamily("trunkline_router_active", "Whether a router answers", value=int(stats.active))
        yield GaugeMetricFamily("trunkline_router_window", "Records sent and not acknowledged", value=stats.window)
        skew = stats.clock_skew_ms / 1000
        yield GaugeMetricFamily("trunkline_router_clock_skew_seconds", "Its clock against the bus's", value=skew)
