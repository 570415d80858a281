"""A store that takes nothing for a while: what is known stays known, and what was not sent is not in doubt."""

import asyncio
import time

import msgspec

from adapters.errors import TryLater
from broker.bus.api import StreamInfo, call
from broker.channels.claims import Claims
from normalizer.outbound import ReceiptState
from tests.broker.channels.conftest import CHANNEL, QUICK, Scene

CLAIMS = "KV_TL_claims"


async def limit(scene: Scene, size: int) -> None:
    """Let the stream of claims take no more than so many bytes; -1: whatever comes."""
    info = await call(scene.bus, f"STREAM.INFO.{CLAIMS}", None, StreamInfo)
    await call(scene.bus, f"STREAM.UPDATE.{CLAIMS}", {**info.config, "max_bytes": size}, StreamInfo)


async def states(scene: Scene, outbound: str) -> list[ReceiptState]:
    return [one.state for one in await scene.receipts(**{outbound: "sent"})]


async def test_an_outcome_waits_for_a_store_that_is_full(scene: Scene) -> None:
    await scene.write("c1")
    scene.provider.gates["c1-1"] = asyncio.Event()
    scene.provider.outcomes["c1-1"] = [TryLater("busy", "The provider is busy.")]
    scene.start()
    await scene.provider.entered.wait()
    await limit(scene, 1)
    try:
        scene.provider.gates["c1-1"].set()
        claims = Claims(scene.bus, scene.workspace, CHANNEL)
        for _ in range(20):  # the worker has tried to write its outcome meanwhile
            claim, _revision = await claims.read("c1-1")
            assert claim is not None
            assert claim.state == "calling"
            await asyncio.sleep(0.02)
    finally:
        await limit(scene, -1)
    assert await states(scene, "c1_1") == [ReceiptState.SENT]
    assert scene.provider.calls == ["c1-1", "c1-1"]


async def test_a_claim_that_took_long_to_write_leaves_the_call_its_time(scene: Scene) -> None:
    await limit(scene, 1)
    try:
        await scene.write("c1")
        scene.start(scene.worker(pace=msgspec.structs.replace(QUICK, call_timeout=300)))
        await asyncio.sleep(0.6)  # longer than a call may take, and nothing is claimed
        assert scene.provider.calls == []
        room = time.monotonic()
    finally:
        await limit(scene, -1)
    assert await states(scene, "c1_1") == [ReceiptState.SENT]
    assert scene.provider.deadlines["c1-1"] > room
