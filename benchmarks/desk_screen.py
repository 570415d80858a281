"""From a visitor's socket to an operator's eyes and ears: the desk in a real Chromium, over the whole product.

Starts ``trunkline up``, lets people open conversations with one operator, and prints JSON. With 200 conversations in
the list: ``screen_ms`` and ``sound_ms``, from the visitor's frame until the browser has painted the message in its row,
and until it was told to sound. With 1,000 and 20 messages a second: ``long_tasks`` (over 50 ms, as the browser's
PerformanceObserver tells) and the longest one, besides the same times.
Usage: ``python -m benchmarks.desk_screen [--seconds 20]``.
"""

import argparse
import asyncio
import json
import random
import shutil
import statistics
import time
from pathlib import Path

import aiohttp
import uvloop
from playwright.async_api import Page, async_playwright, expect

from benchmarks.stage import say, temporary_folder
from benchmarks.visitor_to_desk import PASSWORD, TIMEOUT, product, settings, visit
from normalizer.ids import IdSource

FEW, MANY = 200, 1_000
UNITS = 5
IN_SIGHT = 8
"""Conversations whose rows are surely on the screen: those that wait longest."""
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]

WATCH = """
window.seen = {}; window.heard = []; window.tasks = [];
const now = () => performance.timeOrigin + performance.now();
new PerformanceObserver((list) => {
  for (const task of list.getEntries()) window.tasks.push([performance.timeOrigin + task.startTime, task.duration]);
}).observe({ type: "longtask", buffered: true });
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (at) { window.heard.push(now()); return start.call(this, at); };
const painted = (texts) => {
  const channel = new MessageChannel();
  channel.port1.onmessage = () => { for (const text of texts) window.seen[text] ??= now(); };
  requestAnimationFrame(() => channel.port2.postMessage(null));
};
addEventListener("DOMContentLoaded", () => new MutationObserver((changes) => {
  const texts = changes.map((change) => change.target.textContent).filter((text) => text.startsWith("m-"));
  if (texts.length) painted(texts);
}).observe(document.body, { subtree: true, characterData: true, childList: true }));
"""
"""A change within a picture's callbacks is painted with that picture; ours is noted after the one that follows."""


def workspace(port: int, durability: str) -> str:
    """One operator with room for all."""
    made = json.loads(settings(port, durability))
    made["operators"]["anna"]["capacity"] = {"units": UNITS * (MANY + 100)}
    made["capacity"] = {"site": {"units": UNITS}}
    return json.dumps(made)


class Crowd:
    """Visitors, each with a socket and a conversation."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http, self._url = http, url
        self._ids = IdSource()
        self._sockets: list[aiohttp.ClientWebSocketResponse] = []
        self._readers: list[asyncio.Task[None]] = []
        self.written: dict[str, float] = {}

    async def grow(self, count: int) -> None:
        """Let more come in and write, until there are ``count``."""
        while len(self._sockets) < count:
            socket = await visit(self._http, self._url)
            self._sockets.append(socket)
            self._readers.append(asyncio.create_task(_drain(socket)))
            await self.write(len(self._sockets) - 1)
            await asyncio.sleep(0.01)
        self.written.clear()

    async def write(self, who: int) -> None:
        """Let one write something that nobody else has written."""
        native_id = self._ids.new()
        text = f"m-{native_id}"
        self.written[text] = time.time() * 1000
        frame = {"type": "send", "id": native_id, "content": {"kind": "text", "text": text}}
        await self._sockets[who].send_json(frame)

    async def leave(self) -> None:
        """Everybody goes."""
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        await asyncio.gather(*(socket.close() for socket in self._sockets))


async def _drain(socket: aiohttp.ClientWebSocketResponse) -> None:
    async for _ in socket:
        pass


async def sign_in(page: Page, url: str) -> None:
    """Come in as the operator, at work."""
    await page.add_init_script(WATCH)
    await page.goto(f"{url}/desk/")
    await page.locator("#operator").fill("anna")
    await page.locator("#password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await page.locator(".rail #presence[data-state=available]").wait_for()


async def talk(crowd: Crowd, page: Page, people: int, a_second: int, seconds: float) -> dict[str, float]:
    """Let ``people`` write at a steady rate, one after the other; give what the browser has noted, in ms."""
    await asyncio.sleep(3)
    crowd.written.clear()
    await page.evaluate("window.seen = {}; window.heard = []; window.tasks = []")
    begun = time.monotonic()
    for number in range(int(a_second * seconds)):
        await asyncio.sleep(max(0.0, begun + number / a_second - time.monotonic()))
        in_sight = people == FEW or number % 4 == 0
        who = number % IN_SIGHT if in_sight else random.randrange(people)  # noqa: S311  # no secret
        await crowd.write(who)
    await asyncio.sleep(3)
    seen = await page.evaluate("window.seen")
    heard = sorted(await page.evaluate("window.heard"))
    screen = [seen[text] - at for text, at in crowd.written.items() if text in seen]
    sound = [next((each - at for each in heard if each >= at), 0.0) for at in crowd.written.values()]
    tasks = await page.evaluate("window.tasks")
    return {
        "messages": len(crowd.written),
        "shown": len(screen),
        **_quantiles("screen_ms", screen),
        **_quantiles("sound_ms", sound),
        "long_tasks": len(tasks),
        "longest_task_ms": round(max((duration for _, duration in tasks), default=0), 1),
    }


def _quantiles(name: str, values: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=100)
    return {f"{name}_p50": round(cuts[49], 1), f"{name}_p99": round(cuts[98], 1)}


async def rows(page: Page, count: int) -> None:
    """Wait until so many conversations are in the list."""
    await expect(page.locator("#tab-mine .count")).to_have_text(str(count), timeout=TIMEOUT * 1000)


async def run(seconds: float) -> dict[str, object]:
    """Start everything and measure."""
    with temporary_folder() as folder:
        async with (
            product(folder, "process", workspace) as url,
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
            async_playwright() as play,
        ):
            browser = await play.chromium.launch(executable_path=_chromium(), args=FLAGS)
            page = await browser.new_page(viewport={"width": 1440, "height": 900})
            page.set_default_timeout(TIMEOUT * 1000)
            await sign_in(page, url)
            crowd = Crowd(http, url)
            say(f"{FEW} conversations ...")
            await crowd.grow(FEW)
            await rows(page, FEW)
            few = await talk(crowd, page, FEW, 10, seconds)
            say(f"{MANY} conversations ...")
            await crowd.grow(MANY)
            await rows(page, MANY)
            many = await talk(crowd, page, MANY, 20, seconds)
            await crowd.leave()
            await browser.close()
    return {str(FEW): few, str(MANY): many}


def _chromium() -> Path | None:
    found = shutil.which("chromium")
    return Path(found) if found else None


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    print(json.dumps(uvloop.run(run(parser.parse_args().seconds))))


if __name__ == "__main__":
    main()
