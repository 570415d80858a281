"""Sending one message: where to, as which call, and what a refusal leaves to be done within the same attempt."""

import asyncio

import msgspec
from msgspec import Struct

from adapters.contract import Context, Sent
from adapters.errors import RateLimited, Refused, SendError, Unreachable
from adapters.telegram.client import BotApi, Call
from adapters.telegram.drivers import Driver
from adapters.telegram.faults import Moved
from adapters.telegram.mapping import native_id, read_address, read_native_id, read_thread
from adapters.telegram.notes import Notes
from adapters.telegram.outgoing import Target, mend, moved, to_call
from adapters.telegram.settings import TelegramSettings
from adapters.telegram.wire import Chat, Json
from normalizer.content import Delete, Edit, Reaction
from normalizer.outbound import Outbound

NOTE_WITHIN = 5.0
ALREADY = {"editMessageText": "not_modified", "editMessageCaption": "not_modified", "deleteMessage": "no_message"}
"""Refusals that say that it is already as we want it."""

Change = Edit | Delete | Reaction


class Posted(Struct, frozen=True):
    """What is told of a message that was sent; all else of it is of no interest."""

    message_id: int
    chat: Chat


class Floods:
    """Tells a pause of one chat from one of the whole bot, which Telegram's answer does not: two chats at once."""

    def __init__(self) -> None:
        self._until: dict[int, int] = {}

    def whole(self, chat: int, now: int, pause: float) -> bool:
        """Note that a chat was told to wait ``pause`` seconds; says whether others are waiting too."""
        self._until = {known: until for known, until in self._until.items() if until > now and known != chat}
        others = bool(self._until)
        self._until[chat] = now + round(pause * 1_000)
        return others


class Sending:
    """Sends for one channel."""

    def __init__(self, settings: TelegramSettings, context: Context, api: BotApi, driver: Driver, notes: Notes) -> None:
        self._settings = settings
        self._context = context
        self._bot = api.bot
        self._driver = driver
        self._notes = notes
        self._floods = Floods()

    async def send(self, outbound: Outbound) -> Sent:
        """Send. Raises SendError, StartError."""
        try:
            home, thread = read_address(outbound.address)
        except ValueError as exc:
            raise Unreachable("bad_address", f"{outbound.address} is no address of a Telegram chat") from exc
        chat = await self._notes.whereabouts(home)
        if isinstance(outbound.content, Change):
            return await self._change(outbound, outbound.content, chat)
        answers = self._answered(outbound, chat)
        target = Target(chat=chat, thread=thread or read_thread(outbound.channel_data), answers=answers)
        result = await self._call(to_call(outbound.content, target), outbound.address)
        return await self._note(outbound, result)

    def _answered(self, outbound: Outbound, chat: int) -> int:
        """Give the message to show as answered: in groups, where several talk; every answer of a chat of two is one."""
        wanted = self._settings.quote == "always" or (self._settings.quote == "groups" and chat < 0)
        known = read_native_id(outbound.reply_to, self._bot) if wanted and outbound.reply_to else None
        return known[1] if known is not None and known[0] == chat else 0

    async def _change(self, outbound: Outbound, content: Change, chat: int) -> Sent:
        message = await self._changed(content, chat)
        await self._call(to_call(content, Target(chat=chat), message), outbound.address)
        return Sent(native_id=native_id(self._bot, chat, message))

    async def _changed(self, content: Change, chat: int) -> int:
        """Give the number of the message that is meant, by its native id or as the outbound that it was."""
        known = read_native_id(content.target, self._bot) or await self._notes.sent(content.target)
        if known is None or known[0] != chat:
            raise _gone()
        return known[1]

    async def _call(self, call: Call, address: str) -> Json:
        """Make a call; a refusal certainly sent nothing, so what heals it is tried once, at once."""
        try:
            return await self._make(call)
        except Moved as exc:
            home, _ = read_address(address)
            await self._notes.move(home, exc.chat)
            self._context.log.info("telegram.chat_moved", old=home, new=exc.chat)
            if "message_id" in call.params:  # in the new chat that number is another message, perhaps somebody else's
                raise _gone() from exc
            other = moved(call, exc.chat)
        except SendError as exc:
            mended = mend(call, exc)
            if mended is None:
                raise
            other = mended
            self._context.log.info("telegram.sent_otherwise", code=exc.code, method=other.method)
        return await self._make(other)

    async def _make(self, call: Call) -> Json:
        """Make a call once; that it is already as we want it is a success."""
        try:
            return await self._driver.call(call)
        except RateLimited as exc:
            pause = exc.retry_after or 0
            whole = self._floods.whole(int(call.params["chat_id"]), self._context.now(), pause)
            raise RateLimited(exc.code, exc.message, retry_after=pause, whole_channel=whole) from exc
        except Refused as exc:
            if exc.code != ALREADY.get(call.method):
                raise
            return {}

    async def _note(self, outbound: Outbound, result: Json) -> Sent:
        """Remember as what it was sent; that it cannot be noted does not unsend it."""
        try:
            posted = msgspec.convert(result, Posted)
        except msgspec.ValidationError:
            return Sent()
        try:
            async with asyncio.timeout(NOTE_WITHIN):
                await self._notes.keep_sent(outbound.id, posted.chat.id, posted.message_id)
        except Exception:  # noqa: BLE001  # whatever the store has: the message is sent
            self._context.log.warning("telegram.sent_not_noted", outbound=outbound.id)
        return Sent(native_id=native_id(self._bot, posted.chat.id, posted.message_id))


def _gone() -> Refused:
    return Refused("no_target", "the message that this is about is not known any more")
