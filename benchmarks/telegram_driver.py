"""The Telegram channel: updates that are asked for with either library, and updates that are posted."""

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar

import aiohttp
import msgspec
from aiohttp import web

from adapters.telegram.adapter import SECRET_HEADER
from adapters.testing.telegram import TOKEN, TelegramSimulator
from benchmarks.channel_driver import CHANNEL, SENDERS, TEXT, WORKSPACE_SECRET, Bare, Driver, mark
from benchmarks.requests import Connections
from broker.channels.secret import derive

FIRST_CHAT = 1_000
POLL_SECONDS = 30


class Numbered(msgspec.Struct):
    """As much as the floor reads."""

    update_id: int


class Updates(msgspec.Struct):
    """An answer of Telegram."""

    result: list[msgspec.Raw]


class BarePolling(Bare):
    """A loop that asks, publishes all at once, and asks for what comes next."""

    async def run(self) -> None:
        """Ask for ever."""
        offset = 0
        async with aiohttp.ClientSession() as http:
            while True:
                fields = {"offset": str(offset), "timeout": str(POLL_SECONDS)}
                async with http.post(f"{self.peer}/bot{TOKEN}/getUpdates", data=fields) as answer:
                    raws = msgspec.json.decode(await answer.read(), type=Updates).result
                numbers = [msgspec.json.decode(raw, type=Numbered).update_id for raw in raws]
                await asyncio.gather(*(self.publish(bytes(raw), str(n)) for raw, n in zip(raws, numbers, strict=True)))
                offset = max(numbers, default=offset - 1) + 1


class BarePosts(Bare):
    """An aiohttp handler that publishes the body."""

    def routes(self) -> Sequence[web.RouteDef]:
        """Take what is posted."""
        return [web.post("/update", self._take)]

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        await self.publish(body, str(msgspec.json.decode(body, type=Numbered).update_id))
        return web.Response()


class PollingDriver(Driver):
    """A Bot API that is asked for updates; it does not wait for the channel before it takes the next one."""

    bare: ClassVar[type[Bare]] = BarePolling

    def __init__(self, host: str, channel: str = CHANNEL) -> None:
        super().__init__(host, channel)
        self._simulator = TelegramSimulator()
        self._prepared: dict[int, dict[str, Any]] = {}

    async def open(self) -> str:
        """Start the Bot API."""
        await self._simulator.start()
        return self._simulator.url

    async def close(self) -> None:
        """Stop it."""
        await self._simulator.go_down()

    def prepare(self, numbers: Sequence[int]) -> None:
        """Make the messages."""
        self._prepared = {number: self._message(number) for number in numbers}

    async def offer(self, number: int) -> None:
        """Put an update into the queue."""
        self._simulator.queue.add({"message": self._prepared.pop(number)})

    @classmethod
    def section(cls, peer: str) -> dict[str, object]:
        """Give a channel that asks."""
        return {"type": "telegram", "token": TOKEN, "api_url": peer, "mode": "polling"}

    def _message(self, number: int) -> dict[str, Any]:
        chat = FIRST_CHAT + number % SENDERS
        self._simulator.join(chat)
        return self._simulator.message(chat, user=chat, text=f"{TEXT}{mark(number)}")


class PtbDriver(PollingDriver):
    """The same with the other library."""

    @classmethod
    def section(cls, peer: str) -> dict[str, object]:
        """Name the library."""
        return {**super().section(peer), "driver": "ptb"}


class PostingDriver(PollingDriver):
    """A Bot API that posts updates, over kept connections."""

    bare = BarePosts

    def __init__(self, host: str, channel: str = CHANNEL) -> None:
        super().__init__(host, channel)
        self._connections = Connections(host)
        self._requests: dict[int, bytes] = {}
        purpose = f"channel {channel} telegram webhook {TOKEN.partition(':')[0]}"
        self._headers = {
            SECRET_HEADER: derive(WORKSPACE_SECRET, purpose).hex(),
            "Content-Type": "application/json",
        }

    def prepare(self, numbers: Sequence[int]) -> None:
        """Make the requests."""
        self._requests = {number: self._request(number) for number in numbers}

    async def offer(self, number: int) -> None:
        """Post an update."""
        await self._connections.ask(self._requests.pop(number))

    async def close(self) -> None:
        """Close the connections and the Bot API."""
        await self._connections.close()
        await super().close()

    @classmethod
    def section(cls, peer: str) -> dict[str, object]:
        """Give a channel that is posted to."""
        return {**super().section(peer), "mode": "webhook"}

    def _request(self, number: int) -> bytes:
        body = msgspec.json.encode({"update_id": number, "message": self._message(number)})
        return self._connections.request("POST", f"/channels/{self.channel}/update", self._headers, body)
