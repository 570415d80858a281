"""A hundred channels of every type in one process: how long it takes to start, and what it holds in memory."""

import asyncio
import contextlib
import json
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import msgspec

from benchmarks.channel_driver import DRIVERS, Driver, driver_type
from benchmarks.figures import significant
from benchmarks.stage import ROOT, cpu_seconds
from broker.bus.server import free_port

MIX: Mapping[str, int] = {
    "webhook": 29,
    "telegram": 18,
    "telegram_ptb": 4,
    "twilio": 20,
    "kamailio": 18,
    "email": 6,
}
"""How many there are of each driver that is measured by itself; web chats, which need no provider, fill them up."""

WEB_CHATS = 5
START_WITHIN = 120.0
LOOK_EVERY = 0.2
SETTLED_AFTER = 30.0
"""Seconds after the start when also the libraries are there that channels import while they receive already."""

OURS = ("adapters", "broker", "config", "desk", "normalizer", "router", "web")
ACCEPTED = re.compile(r'^trunkline_channel_events_total\{channel="([^"]+)",event="accepted"\}', re.MULTILINE)


class HundredChannels(msgspec.Struct, frozen=True, kw_only=True):
    """To reach: under 10 s and 300 MB. All but ``start_s`` is of the process with the channels alone.

    ``cpu_s`` is of the start; ``rss_mb`` and ``settled_cpu_s`` are :data:`SETTLED_AFTER` seconds later.
    """

    start_s: float
    cpu_s: float
    rss_mb: float
    settled_cpu_s: float


async def measure_hundred(folder: Path) -> HundredChannels:
    """Start the product with a hundred channels and their providers, until each has taken a message."""
    port, file = free_port(), folder / "trunkline.yaml"
    url = f"http://127.0.0.1:{port}"
    async with AsyncExitStack() as stack:
        drivers = [await stack.enter_async_context(_opened(name, url, number)) for name, number in _places()]
        await _compile()
        file.write_text(settings(port, {driver.channel: section for driver, section in drivers}))
        began = time.perf_counter()
        process = await stack.enter_async_context(_running(file, folder / "hundred"))
        async with asyncio.timeout(START_WITHIN), aiohttp.ClientSession() as http:
            await _ready(http, url)
            await asyncio.gather(*(_offer(driver) for driver, _ in drivers))
            await _accepted(http, url, {driver.channel for driver, _ in drivers})
        took, cpu = time.perf_counter() - began, cpu_seconds(process.pid)
        await asyncio.sleep(SETTLED_AFTER)
        return HundredChannels(
            start_s=significant(took),
            cpu_s=significant(cpu),
            rss_mb=significant(_resident(process.pid) / 1e6),
            settled_cpu_s=significant(cpu_seconds(process.pid)),
        )


def settings(port: int, channels: Mapping[str, Mapping[str, object]]) -> str:
    """The file of the workspace, JSON being YAML."""
    chats = {f"webchat-{number}": {"type": "webchat", "origins": ["http://127.0.0.1"]} for number in range(WEB_CHATS)}
    return json.dumps(
        {
            "workspace": "bench",
            "durability": "process",
            "http": {"listen": f"127.0.0.1:{port}"},
            "channels": {**channels, **chats},
            "operators": {"anna": {"name": "Anna"}},
            "routing": [{"name": "everything"}],
        }
    )


def _places() -> Sequence[tuple[str, int]]:
    return [(name, number) for name in DRIVERS for number in range(MIX.get(name, 0))]


@asynccontextmanager
async def _opened(name: str, url: str, number: int) -> AsyncIterator[tuple[Driver, Mapping[str, object]]]:
    """Start a provider; gives it with the section of its channel."""
    driver = driver_type(name)(url, f"{name.replace('_', '-')}-{number}")
    section = driver.section(await driver.open())
    try:
        yield driver, section
    finally:
        await driver.close()


async def _compile() -> None:
    """Compile our modules as pip does when it installs them: a checkout may be kept without that."""
    compiling = await asyncio.create_subprocess_exec(sys.executable, "-m", "compileall", "-q", *OURS, cwd=ROOT)
    await compiling.wait()


@asynccontextmanager
async def _running(file: Path, data: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    arguments = ("-m", "broker.cli.main", "up", str(file), "--data", str(data), "--log-level", "error")
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        await process.wait()


async def _ready(http: aiohttp.ClientSession, url: str) -> None:
    """Wait until it would take a message."""
    while True:
        with contextlib.suppress(aiohttp.ClientError):  # it does not listen yet
            async with http.get(f"{url}/readyz") as answer:
                if answer.ok:
                    return
        await asyncio.sleep(LOOK_EVERY)


async def _offer(driver: Driver) -> None:
    """Let a provider deliver a message until it is taken, where it can know."""
    while True:
        driver.prepare([1])
        try:
            return await driver.offer(1)
        except (OSError, EOFError, RuntimeError):  # the channel does not run yet
            await asyncio.sleep(LOOK_EVERY)


async def _accepted(http: aiohttp.ClientSession, url: str, channels: set[str]) -> None:
    """Wait until each channel has stored something."""
    while True:
        async with http.get(f"{url}/metrics") as answer:
            if channels <= set(ACCEPTED.findall(await answer.text())):
                return
        await asyncio.sleep(LOOK_EVERY)


def _resident(pid: int) -> int:
    pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
