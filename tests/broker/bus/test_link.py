"""The client below a bus is replaced until one is whole."""

import asyncio

import nats.errors
import pytest

from broker.bus.link import Link
from broker.bus.wire import Wire
from tests.fixtures.nats import Servers


@pytest.mark.parametrize("fault", [nats.errors.ConnectionClosedError(), ValueError("a slip of nats-py's")])
async def test_a_client_that_is_lost_while_it_gets_its_subscriptions_is_replaced_by_another(
    nats_server: Servers, fault: Exception
) -> None:
    """Whatever it is: a process that gave up here would be deaf for ever."""
    renewed: list[Wire] = []

    async def renew(client: Wire) -> None:
        renewed.append(client)
        if len(renewed) == 1:
            raise fault

    link = Link(nats_server.settings, "test", lost=lambda: None, back=lambda: None, renew=renew)
    await link.connect()
    first = link.client
    await first.close()
    async with asyncio.timeout(30):
        await link.ready()
    assert link.client is renewed[1] is not renewed[0] is not first
    assert link.client.is_connected
    await link.stop_keeping()
    await link.close()


async def test_a_client_that_ends_without_a_word_is_told_as_lost_all_the_same(nats_server: Servers) -> None:
    """nats-py says nothing when the socket fails while it closes; what was under way would be waited for."""
    told: list[str] = []

    async def renew(_client: Wire) -> None:
        told.append("renewed")

    link = Link(
        nats_server.settings,
        "test",
        lost=lambda: told.append("lost"),
        back=lambda: told.append("back"),
        renew=renew,
    )
    await link.connect()
    await link.client._close(link.client.CLOSED, do_cbs=False)
    async with asyncio.timeout(30):
        await link.ready()
    assert told == ["lost", "renewed", "back"]
    await link.stop_keeping()
    await link.close()
