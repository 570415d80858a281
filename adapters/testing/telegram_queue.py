"""The updates of a simulated bot: one queue, and two ways out of it, by polling or by webhook."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
from yarl import URL

from adapters.session import Reach, open_session
from adapters.testing.telegram_rules import WEBHOOK_PORTS, ApiError, Params

Json = dict[str, Any]

NOT_BY_DEFAULT = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0
POST_WITHIN = 10.0
LOOK_EVERY = 0.01
FIRST_UPDATE = 700_000_001


class UpdateQueue:
    """The queue. ``all`` are the updates that ever were; ``confirmed`` those that Telegram has forgotten, by number."""

    def __init__(self, seconds: Callable[[], int], proxy: Mapping[str, str]) -> None:
        self.all: list[Json] = []
        self.confirmed: set[int] = set()
        self.pending: dict[int, Json] = {}
        self.next = FIRST_UPDATE
        self.polls = 0
        self.proxy = dict(proxy)
        self.repeats = False
        """Hand out what was put in again although it lies before the offset: as if its reader had died without noting
        how far it was."""
        self._seconds = seconds
        self._allowed: list[str] | None = None
        self._news = asyncio.Event()
        self._given: set[int] = set()
        self._changed = asyncio.Condition()
        self._poller: object = None
        self._webhook: Json = {}
        self._secret = ""
        self._fault: tuple[int, str] | None = None
        self._delivery: asyncio.Task[None] | None = None
        self._closing = False

    def add(self, update: Json) -> int:
        """Put an update in, unless nobody wants such; gives its number."""
        number = self.next
        self.next += 1
        kind = next(iter(update))
        wanted = kind in self._allowed if self._allowed else kind not in NOT_BY_DEFAULT
        found = {"update_id": number, **update}
        self.all.append(found)
        if wanted:
            self.pending[number] = found
            self._news.set()
        return number

    def put(self, update: Json) -> None:
        """Deliver an update with its own number, once more or for the first time."""
        number = update["update_id"]
        self.confirmed.discard(number)
        self._given.discard(number)
        self.pending[number] = update
        self._news.set()

    async def settled(self, number: int) -> None:
        """Wait until an update is confirmed."""
        async with self._changed:
            await self._changed.wait_for(lambda: number in self.confirmed)

    # --- polling ---

    async def poll(self, offset: int, limit: int, wait: float, allowed: list[str] | None) -> list[Json]:
        """Give updates, or wait for some. Raises ApiError."""
        self.polls += 1
        if self._webhook:
            raise ApiError(
                409,
                "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the "
                "webhook first",
            )
        if allowed is not None:
            self._allowed = allowed
        if offset:
            old = {number for number in self.pending if number < offset}
            await self._confirm(old & self._given if self.repeats else old)
        me = self._poller = object()
        self._news.set()  # whoever was here before is sent away
        end = asyncio.get_running_loop().time() + wait
        while not self.pending and not self._closing and asyncio.get_running_loop().time() < end:
            self._news.clear()
            await self._wait(end)
            if self._poller is not me or self._webhook:
                raise ApiError(
                    409,
                    "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
                )
        given = list(self.pending.items())[: max(1, min(limit, 100))]
        self._given.update(number for number, _ in given)
        return [update for _, update in given]

    async def _wait(self, end: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(end):
                await self._news.wait()

    async def _confirm(self, numbers: set[int]) -> None:
        for number in numbers:
            self.pending.pop(number, None)
        self.confirmed |= numbers
        async with self._changed:
            self._changed.notify_all()

    # --- webhook ---

    async def set_webhook(self, params: Params) -> bool:
        """Deliver by POST from now on. Raises ApiError."""
        url = str(params["url"])
        if not url:
            return await self.delete_webhook(drop=False)
        target = URL(url)
        if target.scheme != "https" and target.host != "127.0.0.1":
            raise ApiError(400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook")
        if target.scheme == "https" and target.port not in WEBHOOK_PORTS:
            raise ApiError(400, "Bad Request: bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")
        await self._stop_delivery()
        self._news.set()
        self._webhook = {"url": url, "max_connections": int(params.get("max_connections", 40))}
        self._secret = str(params.get("secret_token", ""))
        self._fault = None
        self._allowed = params.get("allowed_updates", self._allowed)
        self._delivery = asyncio.create_task(self._deliver())
        return True

    async def delete_webhook(self, *, drop: bool) -> bool:
        """Deliver no more; ``drop`` forgets what waits."""
        await self._stop_delivery()
        self._webhook = {}
        if drop:
            await self._confirm(set(self.pending))
        return True

    def info(self) -> Json:
        """Say how the webhook is."""
        found: Json = {"url": "", "has_custom_certificate": False, **self._webhook}
        found["pending_update_count"] = len(self.pending)
        if self._fault is not None and self._webhook:
            found |= {"last_error_date": self._fault[0], "last_error_message": self._fault[1]}
        return found

    async def close(self) -> None:
        """Stop everything."""
        self._closing = True
        self._news.set()
        await self._stop_delivery()

    async def _stop_delivery(self) -> None:
        if self._delivery is not None:
            self._delivery.cancel()
            await asyncio.gather(self._delivery, return_exceptions=True)
            self._delivery = None

    async def _deliver(self) -> None:
        """Post what waits: each chat's in order, chats side by side, as often as it takes."""
        busy: dict[object, asyncio.Task[None]] = {}
        async with open_session(Reach.LOOPBACK) as http:
            try:
                while True:
                    busy = {chat: task for chat, task in busy.items() if not task.done()}
                    for update in list(self.pending.values()):
                        chat = _chat(update)
                        if chat not in busy and len(busy) < self._webhook["max_connections"]:
                            busy[chat] = asyncio.create_task(self._post(http, update))
                    await asyncio.sleep(LOOK_EVERY)
            finally:
                for task in busy.values():
                    task.cancel()
                await asyncio.gather(*busy.values(), return_exceptions=True)

    async def _post(self, http: aiohttp.ClientSession, update: Json) -> None:
        pause = FIRST_PAUSE
        while not await self._posted(http, update):
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        await self._confirm({update["update_id"]})

    async def _posted(self, http: aiohttp.ClientSession, update: Json) -> bool:
        target = self._target()
        if target is None:
            self._failed("Failed to resolve host: Name or service not known")
            return False
        headers = {"X-Telegram-Bot-Api-Secret-Token": self._secret} if self._secret else {}
        timeout = aiohttp.ClientTimeout(POST_WITHIN)
        try:
            async with http.post(target, json=update, headers=headers, timeout=timeout) as response:
                if response.ok:
                    return True
                self._failed(f"Wrong response from the webhook: {response.status} {response.reason}")
        except (aiohttp.ClientError, TimeoutError) as exc:
            self._failed(f"Connection failed: {type(exc).__name__}")
        return False

    def _target(self) -> URL | None:
        """Give where the webhook leads to on this machine: nothing ever leaves it."""
        url: str = self._webhook["url"]
        for front, behind in self.proxy.items():
            if url.startswith(front):
                return URL(behind + url.removeprefix(front))
        return URL(url) if url.startswith("http://") else None

    def _failed(self, message: str) -> None:
        self._fault = (self._seconds(), message)


def _chat(update: Json) -> object:
    """Name what Telegram keeps in order: a chat."""
    inner = next((value for key, value in update.items() if key != "update_id"), None)
    if not isinstance(inner, dict):
        return update["update_id"]
    chat = inner.get("chat") or (inner.get("message") or {}).get("chat") or {}
    return chat.get("id", update["update_id"]) if isinstance(chat, dict) else update["update_id"]
