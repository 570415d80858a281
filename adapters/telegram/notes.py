"""What a channel remembers over restarts: the polling offset, groups that have moved, and what was sent lately."""

import asyncio
from zlib import crc32

import msgspec
from msgspec import Struct

from adapters.contract import Memory

FORGET_AFTER = 6 * 24 * 3_600_000
"""After a week without updates their numbers begin anew at random: an old offset might confirm what nobody has read."""

SHELVES, KEPT_SENT = 64, 200
"""Notes of what was sent lately, and so can be edited, deleted or reacted to by its outbound id: so many notes of so
many messages each, however many customers there are."""


class Offset(Struct, frozen=True):
    """The update to ask for next, and when the last one came (ms)."""

    next: int
    at: int

    def valid(self, now: int) -> int | None:
        """Give the offset to ask with; None: from the oldest that Telegram keeps, repetitions are recognised."""
        return self.next if now - self.at < FORGET_AFTER else None


class Notes:
    """Notes of one channel. A channel may be given another ``bot``, which counts updates and messages anew.

    An offset of the bot before it would confirm what nobody has read, and a number of its messages means another one.
    """

    def __init__(self, memory: Memory, bot: int) -> None:
        self._memory = memory
        self._bot = bot
        self._homes: dict[int, int] = {}
        self._moved: dict[int, int] = {}
        self._noting = asyncio.Lock()

    async def offset(self) -> Offset:
        """Give the offset; one that is long over where there is none."""
        note = await self._memory.load(f"offset.{self._bot}")
        return msgspec.json.decode(note, type=Offset) if note is not None else Offset(0, -FORGET_AFTER)

    async def keep_offset(self, offset: Offset) -> None:
        """Keep the offset."""
        await self._memory.save(f"offset.{self._bot}", msgspec.json.encode(offset))

    async def move(self, old: int, new: int) -> None:
        """Note that a group is a supergroup now. Its address stays what it was."""
        home = await self.home(old)
        await self._memory.save(f"home.{new}", str(home).encode())
        await self._memory.save(f"moved.{home}", str(new).encode())
        self._homes[new] = home
        self._moved[home] = new

    async def end(self, old: int) -> None:
        """Note that all of a chat that has moved is stored."""
        await self._memory.save(f"ended.{old}", b"1")

    async def has_ended(self, old: int) -> bool:
        """Whether all of a chat that has moved is stored."""
        return await self._memory.load(f"ended.{old}") is not None

    async def home(self, chat: int) -> int:
        """Give the id that a chat had when we met it."""
        if chat > 0:
            return chat  # people do not move
        return await self._look(self._homes, "home", chat)

    async def whereabouts(self, home: int) -> int:
        """Give the id that a chat has now."""
        if home > 0:
            return home
        return await self._look(self._moved, "moved", home)

    async def keep_sent(self, outbound: str, chat: int, message: int) -> None:
        """Note as which message something was sent."""
        shelf = self._shelf(outbound)
        async with self._noting:
            sent = {**await self._sent(shelf), outbound: (chat, message)}
            await self._memory.save(shelf, msgspec.json.encode(dict(list(sent.items())[-KEPT_SENT:])))

    async def sent(self, outbound: str) -> tuple[int, int] | None:
        """Give the chat and the message as which something was sent."""
        return (await self._sent(self._shelf(outbound))).get(outbound)

    async def _sent(self, shelf: str) -> dict[str, tuple[int, int]]:
        note = await self._memory.load(shelf)
        return msgspec.json.decode(note, type=dict[str, tuple[int, int]]) if note is not None else {}

    async def _look(self, known: dict[int, int], word: str, chat: int) -> int:
        """Look a move up; only moves are remembered, since another node may hear of one first."""
        if chat not in known:
            note = await self._memory.load(f"{word}.{chat}")
            if note is None:
                return chat
            known[chat] = int(note)
        return known[chat]

    def _shelf(self, outbound: str) -> str:
        return f"sent.{self._bot}.{crc32(outbound.encode()) % SHELVES}"
