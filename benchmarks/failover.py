"""How long customers wait when a router dies: a standby that takes over, and one that starts from the disk."""

import asyncio
import time

from benchmarks.load import addresses, parcels
from benchmarks.routing import RouterPlan
from benchmarks.stage import CHANNEL, Child, say
from broker.bus.connection import Bus
from broker.bus.kv import Bucket
from broker.bus.reader import Reader, stream_state
from broker.bus.streams import Workspace
from router.record import decode_record

EVERY = 0.02  # seconds between two messages while nobody routes
PATIENCE = 60.0
CALM = 1.0  # seconds of processor-idleness after which a standby counts as caught up
IDLE_SHARE = 0.1


async def time_failover(bus: Bus, plan: RouterPlan) -> float:
    """Seconds from the kill -9 of the active router until the next record, which is the standby's.

    Leaves nobody routing.
    """
    active = await Child.start("benchmarks.routing", plan)
    try:
        _, term = await next_record(bus, Workspace(plan.workspace))
        standby = await Child.start("benchmarks.routing", plan)
        try:
            await _caught_up(standby)
            await active.kill()
            seconds, _ = await next_record(bus, Workspace(plan.workspace), after=term)
            return seconds
        finally:
            await standby.kill()
    finally:
        await active.kill()


async def time_recovery(bus: Bus, plan: RouterPlan) -> float:
    """Seconds from the start of a router's process until its first record, when the last one was killed.

    The dead one's lease is taken away before: waiting for its end is part of a fail-over, not of the recovery.
    """
    workspace = Workspace(plan.workspace)
    await Bucket(bus, workspace.leases_bucket).delete(f"{workspace.name}.router")
    begun = time.perf_counter()
    router = await Child.start("benchmarks.routing", plan)
    try:
        await next_record(bus, workspace)
        return time.perf_counter() - begun
    finally:
        await router.stop()


async def next_record(bus: Bus, workspace: Workspace, *, after: int = 0) -> tuple[float, int]:
    """Seconds from now until the next record of a term later than `after`, while customers write; and its term."""
    tail = (await stream_state(bus, workspace.log_stream)).last
    begun = time.perf_counter()
    writing = asyncio.create_task(_write(bus, workspace))
    try:
        async with asyncio.timeout(PATIENCE), Reader(bus, workspace.log_stream, start_seq=tail + 1) as reader:
            async for batch in reader.batches():
                for stored in batch:
                    if stored.subject in (workspace.term_subject, workspace.skip_subject):
                        continue
                    term = decode_record(stored.payload).term
                    if term > after:
                        return time.perf_counter() - begun, term
    finally:
        writing.cancel()
        await asyncio.wait([writing])
    raise AssertionError("the reader ended by itself")


async def _write(bus: Bus, workspace: Workspace) -> None:
    known = addresses(0, 100)
    while True:
        for one in parcels(len(known), known):
            await bus.publish(workspace.in_subject(CHANNEL), one.payload, headers=one.headers)
            await asyncio.sleep(EVERY)


async def _caught_up(standby: Child) -> None:
    """Wait until the standby has nothing more to fold: its processor is idle."""
    async with asyncio.timeout(PATIENCE):
        used, before = CALM, standby.cpu_seconds()
        while used > IDLE_SHARE * CALM:
            await asyncio.sleep(CALM)
            now = standby.cpu_seconds()
            used, before = now - before, now
    say("  a standby is ready")
