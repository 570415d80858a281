"""The proof of a backup: it is brought back into a bus of its own, and its log is read as a router would."""

import asyncio
from collections import Counter
from collections.abc import Collection
from pathlib import Path

from broker.backup.folder import Source
from broker.backup.restore import restore
from broker.backup.save import Tell
from broker.bus.connection import Bus
from broker.bus.server import Durability, EmbeddedServer
from broker.bus.settings import BusSettings
from broker.bus.streams import Workspace
from broker.routing.follower import CannotFold, Follower

FOLD_TIMEOUT = 600.0


async def rehearse(source: Source, folder: Path, *, unclaimed: Collection[str], tell: Tell) -> Counter[str]:
    """Restore into ``folder``, which must be empty and have room, and count conversations by their status.

    Raises:
        BadBackup, CannotFold, BusError: the backup cannot be used; the message says why.
    """
    server = EmbeddedServer(folder, durability=Durability.PROCESS)
    await server.start()
    try:
        workspace = Workspace(source.manifest.workspace)
        bus = await Bus.connect(BusSettings(servers=(server.url,), credentials=server.credentials), "rehearsal")
        try:
            await restore(bus, workspace, source, unclaimed=unclaimed, tell=tell)
            return await _fold(bus, workspace, source.manifest.log)
        finally:
            await bus.close()
    finally:
        await server.stop()


async def _fold(bus: Bus, workspace: Workspace, end: int) -> Counter[str]:
    follower = Follower(bus, workspace)
    following = asyncio.create_task(follower.run())
    try:
        async with asyncio.timeout(FOLD_TIMEOUT):
            await follower.wait_ready()
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    if follower.position < end:
        raise CannotFold(follower.position + 1, workspace.log_stream, f"the backup reaches to {end}")
    return Counter(conversation.status for conversation in follower.state.conversations.values())
