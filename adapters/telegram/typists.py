"""Shows customers that an operator is typing. Telegram shows it for five seconds, or until a message comes."""

import asyncio

from adapters.contract import Context, Typing
from adapters.telegram.client import Call
from adapters.telegram.drivers import Driver
from adapters.telegram.mapping import read_address
from adapters.telegram.notes import Notes

SHOW_EVERY = 4.0
SHOWN_FOR = 10.0
"""Seconds after the operator's last key; then they have stopped, although nobody has said so."""

CALL_WITHIN = 5.0
RESTART_AFTER = 5.0


class Typists:
    """Who is typing to whom, in one channel."""

    def __init__(self, driver: Driver, context: Context, notes: Notes) -> None:
        self._driver = driver
        self._context = context
        self._notes = notes
        self._until: dict[str, float] = {}
        self._shows: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Listen until cancelled."""
        try:
            while True:
                try:
                    async for typing in self._context.lines.typings():
                        self.take(typing)
                except Exception:  # a nicety: the bus may be away, and messages matter more
                    self._context.log.exception("telegram.typing_failed")
                await asyncio.sleep(RESTART_AFTER)
        finally:
            await self._end()

    def take(self, typing: Typing) -> None:
        """Take note that somebody types, or has stopped."""
        address = typing.address
        if not address:
            return
        if not typing.on:
            self._until.pop(address, None)
            return
        self._until[address] = asyncio.get_running_loop().time() + SHOWN_FOR
        if address not in self._shows:
            self._shows[address] = asyncio.create_task(self._show(address))

    async def _show(self, address: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._until.get(address, 0) > loop.time():
                async with asyncio.timeout(CALL_WITHIN):
                    await self._driver.call(await self._call(address))
                await asyncio.sleep(SHOW_EVERY)
        except Exception as exc:  # noqa: BLE001  # a nicety again
            self._context.log.debug("telegram.typing_not_shown", reason=type(exc).__name__)
        finally:
            self._shows.pop(address, None)
            self._until.pop(address, None)

    async def _call(self, address: str) -> Call:
        home, thread = read_address(address)
        params: dict[str, object] = {"chat_id": await self._notes.whereabouts(home), "action": "typing"}
        if thread:
            params["message_thread_id"] = thread
        return Call(method="sendChatAction", params=params)

    async def _end(self) -> None:
        shows = list(self._shows.values())
        for task in shows:
            task.cancel()
        await asyncio.gather(*shows, return_exceptions=True)
