"""A hundred channels in one process: how long it takes to start, and what it holds in memory."""

import asyncio
import json
import os
import sys
import time
from pathlib import Path

import aiohttp
import msgspec

from adapters import signature
from adapters.testing.simulator import Simulator
from benchmarks.figures import significant
from broker.bus.server import free_port

CHANNELS = 100
SECRET = "a-secret-of-the-benchmark"  # noqa: S105 - made up
START_WITHIN = 120.0
LOOK_EVERY = 0.05


class HundredChannels(msgspec.Struct, frozen=True, kw_only=True):
    """To reach: under 10 s and 300 MB. `rss_mb` is the process with the channels, not the bus and the router."""

    start_s: float
    rss_mb: float


async def measure_hundred(folder: Path) -> HundredChannels:
    """Start the product with a hundred webhook channels that send as well, until each has taken a message."""
    port, file = free_port(), folder / "trunkline.yaml"
    async with Simulator() as receiver:
        file.write_text(settings(port, receiver.url))
        arguments = (
            "-m",
            "broker.cli.main",
            "up",
            str(file),
            "--data",
            str(folder / "hundred"),
            "--log-level",
            "error",
        )
        began = time.perf_counter()
        process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.DEVNULL)
        try:
            async with asyncio.timeout(START_WITHIN), aiohttp.ClientSession() as http:
                await asyncio.gather(*(_take(http, port, number) for number in range(CHANNELS)))
            return HundredChannels(
                start_s=significant(time.perf_counter() - began), rss_mb=significant(_resident(process.pid) / 1e6)
            )
        finally:
            process.terminate()
            await process.wait()


def settings(port: int, receiver: str) -> str:
    """The file of the workspace, JSON being YAML."""
    one = {"type": "webhook", "secrets": [SECRET], "url": f"{receiver}/in", "status_url": f"{receiver}/in/{{id}}"}
    return json.dumps(
        {
            "workspace": "bench",
            "durability": "process",
            "http": {"listen": f"127.0.0.1:{port}"},
            "channels": {f"hook{number}": one for number in range(CHANNELS)},
            "operators": {"anna": {"name": "Anna"}},
            "routing": [{"name": "everything"}],
        }
    )


async def _take(http: aiohttp.ClientSession, port: int, number: int) -> None:
    """Post a message to a channel until it is taken."""
    path = f"/channels/hook{number}/messages"
    body = json.dumps({"id": "m1", "from": f"customer-{number}", "text": "Hello"}).encode()
    signed = signature.sign(SECRET, int(time.time()), signature.content("POST", path, body))
    while True:
        try:
            url = f"http://127.0.0.1:{port}{path}"
            async with http.post(url, data=body, headers={signature.HEADER: signed}) as answer:
                if answer.ok:
                    return
        except aiohttp.ClientError:
            pass  # it does not listen yet
        await asyncio.sleep(LOOK_EVERY)


def _resident(pid: int) -> int:
    pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
