"""How much memory an idle visitor costs the web chat, and how fast an answer reaches one of thousands.

Starts the channel's real server over a bus in memory in this process, opens the sockets from a second one, and
prints JSON: ``bytes_per_visitor`` (growth of the resident set / visitors) and the time from the log to the socket.
Usage: ``python benchmarks/idle_visitors.py [VISITORS]``.
"""

import asyncio
import gc
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import msgspec
import uvloop
from aiohttp import ClientSession, TCPConnector, web

from adapters.webchat import WebChat
from adapters.webchat.settings import VisitorLimits, WebChatSettings
from tests.adapters.webchat.fakes import ORIGIN, FakeContext
from web.errors import protect

ROUNDS = 300


def resident() -> int:
    """Give this process's resident memory in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def visitors(port: int, count: int) -> None:
    """Open the sockets, then say on standard output when each answer comes. Ends with standard input."""
    url = f"http://127.0.0.1:{port}/channels/site"
    async with ClientSession(connector=TCPConnector(limit=0), headers={"Origin": ORIGIN}) as http:
        sockets = []
        for number in range(count):
            async with http.post(f"{url}/session") as response:
                token = (await response.json())["token"]
            ws = await http.ws_connect(f"{url}/socket")
            await ws.send_str(json.dumps({"type": "hello", "token": token}))
            while (await ws.receive_json())["type"] != "items":
                pass
            sockets.append(ws)
            if number % 1_000 == 0:
                await asyncio.sleep(0)
        print("ready", flush=True)

        async def report(ws: object) -> None:
            async for message in ws:  # type: ignore[attr-defined] # a client's socket
                if b'"reply"' in message.data.encode():
                    print(time.monotonic_ns(), flush=True)

        readers = [asyncio.create_task(report(ws)) for ws in sockets]
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        for reader in readers:
            reader.cancel()
        for ws in sockets:
            ws._response.close()  # noqa: SLF001 - thousands of polite good-byes would take long


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[FakeContext, WebChat, int]]:
    """A web chat that takes any number of visitors, its context, and the port."""
    context = FakeContext()
    limits = VisitorLimits(sessions_per_minute=1_000_000, sockets_per_ip=1_000_000)
    adapter = WebChat(WebChatSettings(origins=[ORIGIN], limits=limits), context)
    app, channel = web.Application(), web.Application()
    protect(app)
    channel.add_routes(adapter.routes())
    app.add_subapp("/channels/site", channel)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    running = asyncio.create_task(adapter.run())
    await asyncio.sleep(0.2)
    try:
        yield context, adapter, runner.addresses[0][1]
    finally:
        running.cancel()
        await asyncio.wait([running])
        await runner.cleanup()


async def measure(count: int) -> dict[str, float]:
    """Serve, let the other process connect, weigh, and send answers to one visitor after the other."""
    async with serving() as (context, adapter, port):
        gc.collect()
        before = resident()
        pipe = asyncio.subprocess.PIPE
        child = await asyncio.create_subprocess_exec(
            sys.executable, __file__, "--visitors", str(port), str(count), stdin=pipe, stdout=pipe
        )
        assert child.stdout is not None
        assert child.stdin is not None
        async with asyncio.timeout(300):
            assert (await child.stdout.readline()).strip() == b"ready"
        gc.collect()
        growth = resident() - before
        delays = []
        addresses = list(adapter._hub._visitors)  # noqa: SLF001 - who is connected
        for number in range(ROUNDS):
            sent = time.monotonic_ns()
            await context.reply(addresses[number * len(addresses) // ROUNDS], "an answer")
            delays.append((int(await child.stdout.readline()) - sent) / 1e6)
        child.stdin.close()
        await asyncio.wait_for(child.wait(), 60)
    quantiles = statistics.quantiles(delays, n=100)
    return {
        "visitors": count,
        "bytes_per_visitor": round(growth / count),
        "to_socket_ms_p50": round(quantiles[49], 3),
        "to_socket_ms_p99": round(quantiles[98], 3),
    }


def main() -> None:
    """Measure, or be the second process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65_536)), hard))
    if sys.argv[1:2] == ["--visitors"]:
        uvloop.run(visitors(int(sys.argv[2]), int(sys.argv[3])))
    else:
        count = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
        print(msgspec.json.encode(uvloop.run(measure(count))).decode())


if __name__ == "__main__":
    main()
