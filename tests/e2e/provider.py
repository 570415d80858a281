"""The other side of a webhook channel: signs what it posts, takes what is posted to it, and misbehaves as told."""

import asyncio
import time
from collections.abc import Callable
from typing import Literal, Self

import aiohttp
import msgspec
from aiohttp import web
from msgspec import Struct

from adapters import signature
from broker.bus.server import free_port
from tests.e2e.installation import SECRET

Mood = Literal["take", "slow", "busy", "fail", "refuse", "cut"]
SLOWLY = 0.3
POST_WITHIN = 30.0


class Delivery(Struct):
    """One call of ours by Trunkline. ``taken``: the message was taken over, whatever became of the answer."""

    key: str
    text: str
    to: str
    mood: Mood
    at: float
    taken: bool = False
    answered: bool = False


class WebhookProvider:
    """Listens on ``url``; ``mood`` gives for each call how it is met."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/in"
        self.deliveries: list[Delivery] = []
        self.mood: Callable[[], Mood] = lambda: "take"
        self._runner: web.AppRunner
        self._http: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/in", self._take)
        app.router.add_route("HEAD", "/in", self._exists)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(POST_WITHIN))
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._http.close()
        await self._runner.cleanup()

    def of(self, key: str) -> list[Delivery]:
        """The calls with an idempotency key."""
        return [delivery for delivery in self.deliveries if delivery.key == key]

    async def post(self, base: str, id: str, sender: str, text: str) -> int:  # noqa: A002 - as on the wire
        """Post a message once; gives the status, 0 when there was no answer."""
        body = msgspec.json.encode({"id": id, "from": sender, "text": text})
        path = "/channels/hook/messages"
        signed = signature.sign(SECRET, int(time.time()), signature.content("POST", path, body))
        try:
            async with self._http.post(base + path, data=body, headers={signature.HEADER: signed}) as answer:
                return answer.status
        except (aiohttp.ClientError, TimeoutError):
            return 0

    async def insist(self, base: Callable[[], str], id: str, sender: str, text: str) -> None:  # noqa: A002 - as above
        """Post a message until it is accepted, as providers do."""
        async with asyncio.timeout(120):
            while True:
                if await self.post(base(), id, sender, text) == 200:
                    return
                await asyncio.sleep(0.3)

    async def _exists(self, _request: web.Request) -> web.Response:
        return web.Response()

    async def _take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        header = request.headers.get(signature.HEADER, "")
        content = signature.content(request.method, request.path_qs, body)
        signature.verify(header, content, [SECRET], seconds=int(time.time()), tolerance=300)
        message = msgspec.json.decode(body)
        mood = self.mood()
        key = request.headers["Idempotency-Key"]
        delivery = Delivery(key=key, text=message["text"], to=message["to"], mood=mood, at=time.time())
        self.deliveries.append(delivery)
        match mood:
            case "busy":
                return web.Response(status=429, headers={"Retry-After": "1", "Trunkline-Retry-Scope": "recipient"})
            case "fail":
                return web.Response(status=503)
            case "refuse":
                return web.Response(status=400)
            case "cut":
                delivery.taken = True
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
            case "slow":
                delivery.taken = True
                await asyncio.sleep(SLOWLY)
            case "take":
                delivery.taken = True
        delivery.answered = True
        return web.json_response({"id": f"native-{key}"})
