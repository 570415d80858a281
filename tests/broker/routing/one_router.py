"""One router as a process of its own, to be killed and stopped: `one_router.py URL USER PASSWORD WORKSPACE NAME`."""

import asyncio
import signal
import sys

import msgspec

from broker.bus.settings import BusSettings, UserPassword
from broker.bus.streams import Workspace
from broker.routing.process import run_router
from tests.broker.routing.play import SETTINGS


async def main(url: str, user: str, password: str, workspace: str, name: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    settings = BusSettings(servers=(url,), credentials=UserPassword(user, password))
    async with asyncio.timeout(150):  # never left behind by a test that died
        await run_router(
            settings, Workspace(workspace), stop=stop, settings=msgspec.structs.replace(SETTINGS, name=name)
        )


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
