"""From a visitor's socket to the operator's, through the whole product, with thousands of idle visitors connected.

Starts ``trunkline up`` (bus, router, web chat, desk), opens idle visitors from a process of their own, and prints
JSON: ``to_operator_ms_p50`` and ``_p99``, from the visitor's frame to the frame that shows it on the desk, and
``accepted_ms_p99``, to the visitor's tick.
Usage: ``python -m benchmarks.visitor_to_desk [VISITORS] [--durability power|process]``.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import uvloop
from argon2 import PasswordHasher

from benchmarks.stage import ROOT, say, temporary_folder
from broker.bus.server import free_port
from normalizer.ids import IdSource
from tests.adapters.webchat.fakes import ORIGIN as SHOP

MESSAGES = 400
A_SECOND = 40
PASSWORD = "only-for-the-benchmark"  # noqa: S105 - made up
TIMEOUT = 120.0


def settings(port: int, durability: str) -> str:
    """The file of the workspace, JSON being YAML."""
    limits = {"sessions_per_minute": 100_000, "sockets_per_ip": 20_000, "messages_per_minute": 100_000}
    return json.dumps(
        {
            "workspace": "bench",
            "durability": durability,
            "http": {"listen": f"127.0.0.1:{port}"},
            "channels": {"site": {"type": "webchat", "origins": [SHOP], "limits": limits}},
            "operators": {"anna": {"name": "Anna", "password_hash": PasswordHasher().hash(PASSWORD)}},
            "routing": [{"name": "everything"}],
        }
    )


@asynccontextmanager
async def product(folder: Path, durability: str, workspace: Callable[[int, str], str] = settings) -> AsyncIterator[str]:
    """Run Trunkline with the file that ``workspace`` makes; gives its address."""
    port = free_port()
    file = folder / "trunkline.yaml"
    file.write_text(workspace(port, durability))
    command = ("-m", "broker.cli.main", "up", str(file), "--data", str(folder / "data"), "--log-level", "error")
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=asyncio.subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        async with asyncio.timeout(TIMEOUT), aiohttp.ClientSession() as http:
            while not await is_ready(http, url):  # noqa: ASYNC110  # nothing tells of it
                await asyncio.sleep(0.1)
        yield url
    finally:
        process.terminate()
        await process.wait()


async def is_ready(http: aiohttp.ClientSession, url: str) -> bool:
    """Whether it takes messages."""
    try:
        async with http.get(f"{url}/readyz") as answer:
            return answer.ok
    except aiohttp.ClientError:
        return False


@asynccontextmanager
async def idle_visitors(url: str, count: int) -> AsyncIterator[None]:
    """Keep so many visitors connected, from another process."""
    pipe = asyncio.subprocess.PIPE
    script = str(ROOT / "benchmarks" / "idle_visitors.py")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, script, "--visitors", url.rpartition(":")[2], str(count)), stdin=pipe, stdout=pipe
    )
    assert process.stdout is not None
    assert process.stdin is not None
    async with asyncio.timeout(4 * TIMEOUT):
        assert (await process.stdout.readline()).strip() == b"ready"
    try:
        yield
    finally:
        process.stdin.close()
        await process.wait()


async def visit(http: aiohttp.ClientSession, url: str) -> aiohttp.ClientWebSocketResponse:
    """Come in as a visitor; the socket has had its history."""
    async with http.post(f"{url}/channels/site/session", headers={"Origin": SHOP}) as answer:
        token = (await answer.json())["token"]
    socket = await http.ws_connect(f"{url}/channels/site/socket", headers={"Origin": SHOP})
    await socket.send_json({"type": "hello", "token": token})
    while (await socket.receive_json())["type"] != "items":
        pass
    return socket


async def sign_in(http: aiohttp.ClientSession, url: str) -> aiohttp.ClientWebSocketResponse:
    """Come in as the operator, available."""
    headers = {"Origin": url, "Sec-Fetch-Site": "same-origin"}
    body = {"operator": "anna", "password": PASSWORD}
    async with http.post(f"{url}/desk/session", json=body, headers=headers) as answer:
        answer.raise_for_status()
    socket = await http.ws_connect(f"{url}/desk/socket", headers=headers)
    await socket.send_json({"type": "hello"})
    action = {"do": "presence", "state": "available"}
    await socket.send_json({"type": "command", "id": IdSource().new(), "action": action})
    return socket


class Clock:
    """When each message was written, ticked and seen."""

    def __init__(self) -> None:
        self.written: dict[str, float] = {}
        self.ticked: dict[str, float] = {}
        self.seen: dict[str, float] = {}

    async def follow_ticks(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Note the visitor's ticks."""
        async for message in socket:
            frame = json.loads(message.data)
            if frame["type"] == "ack":
                self.ticked[frame["id"]] = time.monotonic()

    async def follow_desk(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Note when the desk first shows a message: in the list's preview."""
        async for message in socket:
            now, frame = time.monotonic(), json.loads(message.data)
            for event in frame.get("events", ()):
                shown = event.get("summary", {}).get("preview", "")
                if shown in self.written:
                    self.seen.setdefault(shown, now)


async def measure(url: str) -> dict[str, float]:
    """Write, at a steady rate, and see when it arrives."""
    clock, ids = Clock(), IdSource()
    jar = aiohttp.CookieJar(unsafe=True)  # cookies of a numeric address
    async with aiohttp.ClientSession() as shop, aiohttp.ClientSession(cookie_jar=jar) as office:
        desk = await sign_in(office, url)
        visitor = await visit(shop, url)
        followers = [asyncio.create_task(clock.follow_ticks(visitor)), asyncio.create_task(clock.follow_desk(desk))]
        for number in range(MESSAGES):
            native_id = ids.new()
            clock.written[native_id] = time.monotonic()
            content = {"kind": "text", "text": native_id}
            await visitor.send_json({"type": "send", "id": native_id, "content": content})
            await asyncio.sleep(1 / A_SECOND)
            if number == 0:
                await asyncio.sleep(3)  # the first one opens the conversation, which finds its operator
        async with asyncio.timeout(TIMEOUT):
            while len(clock.seen) < MESSAGES:  # noqa: ASYNC110  # a look now and then costs the measurement nothing
                await asyncio.sleep(0.05)
        for follower in followers:
            follower.cancel()
        await asyncio.wait(followers)
    first = next(iter(clock.written))
    to_desk = [(clock.seen[i] - at) * 1000 for i, at in clock.written.items() if i != first]
    to_tick = [(clock.ticked[i] - at) * 1000 for i, at in clock.written.items() if i != first]
    quantiles = statistics.quantiles(to_desk, n=100)
    return {
        "to_operator_ms_p50": round(quantiles[49], 2),
        "to_operator_ms_p99": round(quantiles[98], 2),
        "accepted_ms_p99": round(statistics.quantiles(to_tick, n=100)[98], 2),
    }


async def run(count: int, durability: str) -> dict[str, float]:
    """Start everything, and measure with nobody else there and with ``count`` idle visitors."""
    with temporary_folder() as folder:
        async with product(folder, durability) as url:
            say("alone ...")
            alone = await measure(url)
            say(f"connecting {count} idle visitors ...")
            async with idle_visitors(url, count):
                with_others = await measure(url)
    return {"visitors": count, **with_others, "alone_to_operator_ms_p99": alone["to_operator_ms_p99"]}


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("visitors", type=int, nargs="?", default=5_000)
    parser.add_argument("--durability", choices=("power", "process"), default="process")
    chosen = parser.parse_args()
    print(json.dumps(uvloop.run(run(chosen.visitors, chosen.durability))))


if __name__ == "__main__":
    main()
