"""The webhook channel: signed requests over kept connections."""

import json
import time
from collections.abc import Sequence

import msgspec
from aiohttp import web

from adapters import signature
from benchmarks.channel_driver import CHANNEL, SENDERS, TEXT, Bare, Driver, mark
from benchmarks.requests import Connections

SECRET = "a-secret-of-the-benchmark"  # noqa: S105 - made up


class Named(msgspec.Struct):
    """As much as the floor reads."""

    id: str


class BareWebhook(Bare):
    """An aiohttp handler that publishes the body."""

    def routes(self) -> Sequence[web.RouteDef]:
        """Take what is posted."""
        return [web.post("/messages", self._take)]

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        await self.publish(body, msgspec.json.decode(body, type=Named).id)
        return web.json_response({"ok": True})


class WebhookDriver(Driver):
    """Posts as a system of one's own does."""

    bare = BareWebhook

    def __init__(self, host: str, channel: str = CHANNEL) -> None:
        super().__init__(host, channel)
        self._path = f"/channels/{channel}/messages"
        self._connections = Connections(host)
        self._prepared: dict[int, bytes] = {}

    @classmethod
    def section(cls, peer: str) -> dict[str, object]:
        """Give a channel that only receives."""
        del peer
        return {"type": "webhook", "secrets": [SECRET]}

    def prepare(self, numbers: Sequence[int]) -> None:
        """Make and sign the requests."""
        self._prepared = {number: self._request(number) for number in numbers}

    async def offer(self, number: int) -> None:
        """Post a message."""
        await self._connections.ask(self._prepared.pop(number))

    async def close(self) -> None:
        """Close the connections."""
        await self._connections.close()

    def _request(self, number: int) -> bytes:
        message = {"id": mark(number), "from": f"customer-{number % SENDERS}", "text": TEXT}
        body = json.dumps(message).encode()
        signed = signature.sign(SECRET, int(time.time()), signature.content("POST", self._path, body))
        return self._connections.request("POST", self._path, {signature.HEADER: signed}, body)
