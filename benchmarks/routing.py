"""A router in a process of its own, exactly as `trunkline up` runs it; started by the other benchmarks."""

import asyncio
import signal
import sys

import msgspec
import uvloop

from broker.bus.settings import BusSettings, UserPassword
from broker.bus.streams import Workspace
from broker.routing.process import run_router

READY = b"ready\n"


class RouterPlan(msgspec.Struct, frozen=True):
    """Where the router runs."""

    url: str
    user: str
    password: str
    workspace: str


async def main() -> None:
    """Route what the plan on standard input says until SIGTERM."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    plan = msgspec.json.decode(sys.stdin.buffer.readline(), type=RouterPlan)
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    settings = BusSettings(servers=(plan.url,), credentials=UserPassword(plan.user, plan.password))
    await run_router(settings, Workspace(plan.workspace), stop=stop)


if __name__ == "__main__":
    uvloop.run(main())
