"""The webhook channel: signed requests over kept connections."""

import json
import time
from collections.abc import Sequence

import msgspec
from aiohttp import web

from adapters import signature
from adapters.contract import Adapter, Context
from adapters.webhook import Webhook
from adapters.webhook.settings import WebhookSettings
from benchmarks.channel_driver import CHANNEL, Bare, Driver, mark
from benchmarks.requests import Connections
from config import Secret

SECRET = "a-secret-of-the-benchmark"  # noqa: S105 - made up
PATH = f"/channels/{CHANNEL}/messages"
SENDERS = 500


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

    def __init__(self, host: str) -> None:
        super().__init__(host)
        self._connections = Connections(host)
        self._prepared: dict[int, bytes] = {}

    @classmethod
    def adapter(cls, context: Context, peer: str) -> Adapter:
        """Make the channel; it only receives."""
        del peer
        return Webhook(WebhookSettings(secrets=[Secret(SECRET)]), context)

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
        message = {"id": mark(number), "from": f"customer-{number % SENDERS}", "text": "Where is my parcel? " * 5}
        body = json.dumps(message).encode()
        signed = signature.sign(SECRET, int(time.time()), signature.content("POST", PATH, body))
        return self._connections.request("POST", PATH, {signature.HEADER: signed}, body)
