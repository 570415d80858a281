"""Files from customers: fetched through us into the media store. The link that Telegram gives holds the bot's token."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
from msgspec import Struct

from adapters.contract import Context, FileTooBig
from adapters.errors import BadCredentials, ChannelError, Refused, TryLater
from adapters.telegram.client import BotApi
from adapters.telegram.contents import MEGABYTE, Fetched, Missing
from adapters.telegram.wire import File
from web.uploads import sniff

PARALLEL = 16
"""Files that are fetched at the same time; messages without one need not wait for them."""

TRIES = 3
FIRST_PAUSE = 1.0
PATIENCE = 120_000
"""How long (ms) the files of a chat may fail before what comes after them goes on without them. It is not reckoned from
their messages: those that waited at Telegram while we were away come just when the network is still bad."""

FORGET_AFTER, REMEMBERED_CHATS = 600_000, 1_000
"""A chat whose last failure is so long ago (ms) begins anew; so many chats are remembered."""

FETCH_WITHIN = 60.0
"""Seconds for all tries of one reading."""

HEAD = 4 * 1024


class FilePlace(Struct, frozen=True):
    """The answer of getFile."""

    file_path: str = ""


class Files:
    """Fetches files for one channel."""

    def __init__(
        self, api: BotApi, context: Context, largest: int, *, pause: float = FIRST_PAUSE, within: float = FETCH_WITHIN
    ) -> None:
        self._api = api
        self._context = context
        self._largest = largest
        self._pause = pause
        self._within = within
        self._slots = asyncio.Semaphore(PARALLEL)
        self._failing: dict[int, tuple[int, int]] = {}
        """Chats whose files fail: since when, and when last (ms)."""

    async def fetch(self, file: File, key: str, chat: int) -> Fetched | Missing:
        """Fetch a file of a chat once; ``key`` finds it again in a repetition.

        Raises:
            TryLater: it cannot be had now; the update must come again.
        """
        if file.file_size > self._largest:
            return self._too_big()
        try:
            found = await self._in_time(file, key)
        except FileTooBig:
            return self._too_big()
        except Refused as exc:
            return self._too_big() if exc.code == "too_big" else self._give_up(exc)
        except TryLater as exc:
            if not self._has_failed_enough(chat):
                raise
            return self._give_up(exc)
        self._failing.pop(chat, None)
        return found

    def _has_failed_enough(self, chat: int) -> bool:
        now = self._context.now()
        since, last = self._failing.pop(chat, (now, now))
        since = since if now - last < FORGET_AFTER else now
        self._failing[chat] = (since, now)
        if len(self._failing) > REMEMBERED_CHATS:
            del self._failing[next(iter(self._failing))]
        return now - since >= PATIENCE

    async def _in_time(self, file: File, key: str) -> Fetched:
        """Other chats are not asked for meanwhile, and a file may trickle for ever."""
        try:
            async with asyncio.timeout(self._within):
                return await self._try(file, key)
        except TimeoutError as exc:
            raise TryLater("file_slow", f"the file did not come within {self._within:g} s") from exc

    async def _try(self, file: File, key: str) -> Fetched:
        pause = self._pause
        for _ in range(TRIES - 1):
            try:
                return await self._store(file, key)
            except TryLater:
                await asyncio.sleep(pause)
                pause *= 2
        return await self._store(file, key)

    async def _store(self, file: File, key: str) -> Fetched:
        head = bytearray()

        async def chunks() -> AsyncIterator[bytes]:
            async for chunk in self._api.download(await self._place(file)):
                head.extend(chunk[: HEAD - len(head)])
                yield chunk

        async with self._slots:
            stored = await self._context.media.put(chunks(), limit=self._largest, key=key)
            if not head:  # a repetition: it was there already
                async for chunk in self._context.media.read(stored):
                    head.extend(chunk[: HEAD - len(head)])
        return Fetched(stored, sniff(bytes(head), file.file_name))

    async def _place(self, file: File) -> str:
        try:
            answer = await self._api.post("getFile", {"file_id": file.file_id})
        except BadCredentials as exc:
            raise TryLater(exc.code, exc.message) from exc
        place = msgspec.json.decode(answer.result, type=FilePlace).file_path
        if not place or place.startswith("/"):
            raise Refused("no_path", "the Bot API server must be run without --local, so that it hands files out")
        return place

    def _give_up(self, error: ChannelError) -> Missing:
        self._context.count("file_given_up")
        self._context.log.warning("telegram.file_given_up", code=error.code, reason=error.message)
        return Missing("could not be fetched from Telegram")

    def _too_big(self) -> Missing:
        return Missing(f"is too big to be fetched, {self._largest / MEGABYTE:g} MB at most")
