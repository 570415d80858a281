"""Which library reads updates and makes calls, and when it is imported.

aiogram builds the models of the whole Bot API when it is imported, which takes seconds of processor time and a hundred
megabytes. Nothing of it is needed to begin to receive, so it is imported in a thread: when it is needed, or a while
after the start, before anybody has to wait for it.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from typing import Literal, cast

from msgspec import Struct

from adapters.contract import Media
from adapters.errors import BadSettings, TryLater
from adapters.telegram.client import BotApi, Call, Library
from adapters.telegram.wire import Json

LOADER = ThreadPoolExecutor(1, "telegram-library")
"""One thread for all channels: the others would only wait for the first one's import."""

WAIT_FOR = 1.0
"""Seconds that a call waits for the import; it goes on meanwhile, and the call is made again."""

PREPARE_AFTER = 10.0
"""Seconds after the start in which a process has better things to do than to import what nobody needs yet."""


class Source(Struct, frozen=True):
    """Where a driver is, the library that it stands on, and the extra which brings that."""

    module: str
    library: str
    extra: str


DRIVERS: Mapping[str, Source] = {
    "aiogram": Source("adapters.telegram.aiogram_driver", "aiogram", "telegram"),
    "ptb": Source("adapters.telegram.ptb_driver", "telegram", "telegram-ptb"),
}


class Driver:
    """The library of one channel. Raises BadSettings when that is not installed."""

    def __init__(
        self, name: Literal["aiogram", "ptb"], api: BotApi, media: Media, sources: Mapping[str, Source] = DRIVERS
    ) -> None:
        self._source = sources[name]
        self._api = api
        self._media = media
        self._library: Library | None = None
        if find_spec(self._source.library) is None:
            raise self._missing()

    async def read(self, update: Json) -> Json:
        """Read an update with the library's models and write it down again. Raises Poison, BadSettings."""
        return (await self._loaded()).read(update)

    async def call(self, call: Call) -> Json:
        """Make a call. Raises SendError, StartError.

        The time of a call is short, and its end makes the outcome unknown: an import that takes longer is not awaited.
        """
        try:
            async with asyncio.timeout(WAIT_FOR):
                library = await self._loaded()
        except TimeoutError as exc:
            message = f"the library {self._source.library} is still being imported"
            raise TryLater("library_not_ready", message, retry_after=WAIT_FOR) from exc
        return await library.call(call)

    async def prepare(self, after: float = PREPARE_AFTER) -> None:
        """Import the library before it is needed. Raises BadSettings."""
        await asyncio.sleep(after)
        await self._loaded()

    async def _loaded(self) -> Library:
        if self._library is None:
            loop = asyncio.get_running_loop()
            try:
                module = await loop.run_in_executor(LOADER, import_module, self._source.module)
            except ImportError as exc:
                raise self._missing() from exc
            self._library = cast("Callable[[BotApi, Media], Library]", module.Opened)(self._api, self._media)
        return self._library

    def _missing(self) -> BadSettings:
        needed = f"the library of this driver is missing: pip install 'trunkline[{self._source.extra}]'"
        return BadSettings("no_library", needed, key="driver")
