"""The process that is measured: one channel as production runs it, or its bare transport."""

import asyncio
import sys
from collections.abc import AsyncIterator, Coroutine, Sequence

import msgspec
import uvloop
from aiohttp import web
from nats.aio.client import Client
from prometheus_client import CollectorRegistry

from adapters.contract import Typing
from adapters.session import open_session
from adapters.testing.context import NoLines
from benchmarks.channel_driver import CHANNEL, WORKSPACE_SECRET, Bare, driver_type, make_adapter
from broker.bus.connection import Bus
from broker.bus.settings import BusSettings, UserPassword
from broker.bus.streams import Workspace
from broker.channels.context import ChannelContext
from broker.channels.door import Door
from broker.channels.tally import ChannelEvents, Tally
from broker.logs import Scrubber, configure_logs

READY = b"ready\n"


class SilentLines(NoLines):
    """Lines on which nobody types, which Telegram's channel would like to hear of."""

    async def typings(self) -> AsyncIterator[Typing]:
        """Give nothing, for ever."""
        await asyncio.Event().wait()
        yield Typing(conversation="", by="operator")


class HostPlan(msgspec.Struct, frozen=True):
    """Which channel, where it listens, its provider, and the bus. ``bare``: the transport alone."""

    driver: str
    bare: bool
    port: int
    peer: str
    workspace: str
    url: str
    user: str
    password: str


async def main() -> None:
    """Run what the plan on standard input says until killed."""
    line = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.readline)
    plan = msgspec.json.decode(line, type=HostPlan)
    configure_logs(Scrubber(), level="warning")
    await (bare(plan) if plan.bare else channel(plan))


async def channel(plan: HostPlan) -> None:
    """The real adapter, the real context, the real door."""
    settings = BusSettings(servers=(plan.url,), credentials=UserPassword(plan.user, plan.password))
    bus, workspace = await Bus.connect(settings, "benchmark-channel"), Workspace(plan.workspace)
    driver = driver_type(plan.driver)
    tally = Tally(CHANNEL, plan.driver, events=ChannelEvents(CollectorRegistry()))
    async with open_session() as http:
        context = ChannelContext(
            bus=bus,
            workspace=workspace,
            door=Door(bus, workspace, tally),
            tally=tally,
            lines=SilentLines(),
            http=http,
            public_url=f"http://127.0.0.1:{plan.port}",
            secret=WORKSPACE_SECRET,
        )
        adapter = make_adapter(driver.section(plan.peer), context)
        await _serve(plan, adapter.routes(), adapter.run())


async def bare(plan: HostPlan) -> None:
    """The floor: nats-py, and nothing of ours."""
    client = Client()
    await client.connect(plan.url, user=plan.user, password=plan.password)
    jetstream, subject = client.jetstream(), Workspace(plan.workspace).in_subject(CHANNEL)

    async def publish(payload: bytes, message_id: str) -> None:
        await jetstream.publish(subject, payload, headers={"Nats-Msg-Id": message_id})

    transport: Bare = driver_type(plan.driver).bare(publish, plan.peer)
    await _serve(plan, transport.routes(), transport.run())


async def _serve(plan: HostPlan, routes: Sequence[web.RouteDef], run: Coroutine[None, None, None]) -> None:
    app = web.Application()
    prefix = f"/channels/{CHANNEL}"
    app.router.add_routes([web.route(one.method, prefix + one.path, one.handler, **one.kwargs) for one in routes])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", plan.port).start()
    reading = asyncio.create_task(run)
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    await reading
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
