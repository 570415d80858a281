"""What the router counts reaches the metrics."""

import msgspec
from prometheus_client import CollectorRegistry

from broker.bus.connection import Bus
from broker.monitoring.router_figures import RouterFigures
from broker.routing.ask import COUNTERS
from broker.routing.settings import RouterStats
from tests.fixtures.nats import own_workspace


async def test_what_the_router_says_is_shown_and_its_silence_too(bus: Bus) -> None:
    workspace, registry = own_workspace(), CollectorRegistry()
    figures = RouterFigures(bus, workspace, registry)

    async def answer(_question: bytes) -> bytes:
        return msgspec.json.encode(RouterStats(active=True, duplicates=3, clock_skew_ms=1_500))

    serving = await bus.serve(workspace.ask_subject(COUNTERS), answer)
    await figures.ask()
    assert registry.get_sample_value("trunkline_router_duplicates_total") == 3
    assert registry.get_sample_value("trunkline_router_clock_skew_seconds") == 1.5
    assert registry.get_sample_value("trunkline_router_active") == 1
    await serving.unsubscribe()
    await figures.ask()
    assert registry.get_sample_value("trunkline_router_active") == 0
    assert registry.get_sample_value("trunkline_router_duplicates_total") == 3
    figures.close()
    assert list(registry.collect()) == []
