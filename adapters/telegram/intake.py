"""The way of one update: read, its file fetched, its envelope stored. Only then may it be confirmed to Telegram.

A group that has become a supergroup is two chats at Telegram, and one conversation here, in one order (promise P3).
"""

import asyncio
import hmac
from collections.abc import Sequence

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from adapters.contract import Context
from adapters.errors import ChannelError, EnvelopeRefused, NotAccepted, StartError, TryLater
from adapters.locks import Locks
from adapters.telegram.client import BotApi, Call
from adapters.telegram.contents import Fetched, Missing
from adapters.telegram.drivers import Driver
from adapters.telegram.files import Files
from adapters.telegram.mapping import CHAT_KINDS, Origin, file_of, to_envelope
from adapters.telegram.notes import Notes
from adapters.telegram.settings import ChatKind
from adapters.telegram.wire import Chat, Json, Poison, Update, decode_update, read_known
from normalizer.envelope import Envelope

ANSWER_WITHIN = 10.0
LONGEST_LETTER, LONGEST_FAULT = 1_000_000, 1_000
"""Of a dead letter: one that is too long for the store would be tried again for ever, and hold up every other chat."""

LONGEST_FAREWELL = 60_000
"""How long (ms) a new chat waits for the last word of the old one. It may never come: Telegram keeps it for a day."""

POISON = "poison_update"
PASSING = (TryLater, NotAccepted, StartError, TimeoutError)
"""What is over some time: a file that cannot be had now, a store that is away, a token that is no longer good."""


class Numbered(Struct, frozen=True):
    """The least that an update must have."""

    update_id: int


class Heard(Struct, frozen=True):
    """An update as it came, and what was read of it, with its chat; None where nothing could be.

    ``home`` is the chat's id before it moved, where that was looked up already; otherwise 0.
    """

    update_id: int
    raw: bytes
    update: Update | None
    chat: Chat | None = None
    fault: str = ""
    home: int = 0

    @property
    def place(self) -> int:
        """The chat in whose order Telegram gives it."""
        return self.chat.id if self.chat is not None else 0


class Intake:
    """Takes updates for one channel, from the poller and the webhook alike."""

    def __init__(  # noqa: PLR0913  # what it is wired to, by name
        self,
        context: Context,
        api: BotApi,
        *,
        driver: Driver,
        notes: Notes,
        files: Files,
        chats: Sequence[ChatKind],
    ) -> None:
        self._api = api
        self._driver = driver
        self._context = context
        self._notes = notes
        self._files = files
        self._chats = frozenset[str](chats)
        self._turns: Locks[int] = Locks()
        self._reading = asyncio.Lock()
        self._answers: set[asyncio.Task[None]] = set()
        self._held: dict[int, int] = {}
        """Old chats whose last word the new ones wait for: since when (ms)."""

    async def hear(self, raw: bytes) -> Heard:
        """Read an update. Raises Poison when it has not even a number; any other fault is kept with it.

        Raises:
            BadSettings: a library has to look at it and is not installed.
        """
        try:
            number = msgspec.json.decode(raw, type=Numbered).update_id
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as exc:
            raise Poison(f"this is no update: {exc}") from exc
        try:
            plain: Json = msgspec.json.decode(raw, type=dict[str, object])
            update = read_known(plain) or await self._read(plain)
        except (Poison, msgspec.MsgspecError, UnicodeError, RecursionError) as exc:
            return Heard(number, raw, None, fault=str(exc))
        return Heard(number, raw, update, update.chat)

    async def _read(self, plain: Json) -> Update:
        """Read an update with the library, or without one that is older than what Telegram sends. Raises Poison."""
        try:
            return decode_update(await self._driver.read(plain))
        except Poison as exc:
            update = decode_update(plain)
            self._context.count("library_is_old")
            self._context.log.warning("telegram.library_is_old", reason=str(exc))
            return update

    async def take_next(self, raw: bytes) -> None:
        """Read an update and take it; one that a library is imported for is not overtaken by what comes meanwhile.

        Raises what :meth:`hear` and :meth:`take` raise.
        """
        async with self._reading:
            heard = await self.hear(raw)
        await self.take(heard, posted=True)  # its place in the chat's order is taken before the next one is read

    async def find_homes(self, heard: Sequence[Heard]) -> list[Heard]:
        """Look up what the groups of a batch were when we met them; what the batch tells of moves holds for all of it.

        A fault that does not pass by itself is left to :meth:`take`, which meets it again.

        Raises:
            PASSING: not now; they must come again.
        """
        before: dict[int, int] = {}
        for old, new in filter(None, map(_move, heard)):
            before[new] = before.get(old, old)
        chats = list({one.place for one in heard})
        if len(chats) == 1:
            return list(heard)
        found = await asyncio.gather(
            *(self._notes.home(before.get(chat, chat)) for chat in chats), return_exceptions=True
        )
        for failure in found:
            if isinstance(failure, PASSING):
                raise failure
        homes = {chat: home for chat, home in zip(chats, found, strict=True) if isinstance(home, int)}
        return [replace(one, home=homes.get(one.place, 0)) for one in heard]

    async def take(self, heard: Heard, *, posted: bool = False) -> None:
        """Take an update. When this returns, it may be confirmed; those of one chat are taken one after the other.

        What cannot pass by itself makes a dead letter of it: it would hold up its chat, and the offset, for ever.
        ``posted`` are those that Telegram brings side by side with others of any number.

        Raises:
            PASSING: not now; it must come again.
        """
        async with self._turns.of(heard.place):
            if heard.update is None:
                await self._bury(heard, heard.fault)
                return
            try:
                await self._take(heard, heard.update, posted=posted)
            except PASSING:
                raise
            except Exception as exc:
                self._context.log.exception("telegram.update_failed", update_id=heard.update_id)
                await self._bury(heard, f"{type(exc).__name__}: {exc}")

    async def close(self) -> None:
        """Let answers to buttons end."""
        for task in tuple(self._answers):
            task.cancel()
        await asyncio.gather(*self._answers, return_exceptions=True)

    async def _take(self, heard: Heard, update: Update, *, posted: bool) -> None:
        chat = heard.chat
        if chat is None or CHAT_KINDS.get(chat.type) not in self._chats:
            self._context.count("not_served")
            return
        if (move := _move(heard)) is not None:
            await self._notes.move(*move)
        home = heard.home or await self._notes.home(chat.id)
        if home == chat.id:
            await self._store(update, home)
            return
        async with self._turns.of(home):
            if posted and move is not None:
                await self._let_end(move[0], chat.id)
            await self._store(update, home)

    async def _let_end(self, old: int, chat: int) -> None:
        """Let a new chat begin when all of the old one is stored: it would overtake what is under way or comes again.

        Telegram posts each chat in order and one by one, but the two side by side, to any of our nodes.

        Raises:
            TryLater: something may still come of the old chat.
        """
        if old == chat:
            return  # it has moved on: this is its own last word
        now = self._context.now()
        if not await self._notes.has_ended(old) and now - self._held.setdefault(old, now) < LONGEST_FAREWELL:
            raise TryLater("old_chat_first", f"chat {old} has moved, and what it said last is not stored yet")
        self._held.pop(old, None)

    async def _store(self, update: Update, home: int) -> None:
        file = await self._fetch(update)
        origin = Origin(
            channel=self._context.channel,
            bot=self._api.bot,
            home=home,
            new_id=self._context.new_id(),
            now=self._context.now(),
        )
        await self._accept(to_envelope(update, origin, file))
        if update.posted is not None and update.posted.migrate_to_chat_id:
            await self._notes.end(update.posted.chat.id)
        self._answer(update)

    async def _accept(self, envelope: Envelope | None) -> None:
        if envelope is None:
            self._context.count("nothing_to_say")
            return
        try:
            await self._context.accept(envelope)
        except EnvelopeRefused as exc:  # it stands with the dead letters already
            self._context.log.warning("telegram.envelope_refused", reason=exc.message)

    async def _bury(self, heard: Heard, fault: str) -> None:
        self._context.count(POISON)
        self._context.log.warning("telegram.poison_update", update_id=heard.update_id, reason=fault)
        await self._context.dead(POISON, heard.raw[:LONGEST_LETTER], fault[:LONGEST_FAULT])

    async def _fetch(self, update: Update) -> Fetched | Missing | None:
        file, message = file_of(update), update.posted
        if file is None or message is None:
            return None
        key = f"{self._api.bot}/{message.chat.id}/{message.message_id}/{file.file_unique_id or file.file_id}"
        return await self._files.fetch(file, key, message.chat.id)

    def _answer(self, update: Update) -> None:
        """Tell Telegram that a press was taken, so that the button stops turning; nothing depends on it."""
        if update.callback_query is not None:
            task = asyncio.create_task(self._answer_press(update.callback_query.id))
            self._answers.add(task)
            task.add_done_callback(self._answers.discard)

    async def _answer_press(self, query: str) -> None:
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                await self._driver.call(Call(method="answerCallbackQuery", params={"callback_query_id": query}))
        except (ChannelError, TimeoutError) as exc:
            self._context.log.debug("telegram.press_not_answered", reason=str(exc))


def _move(heard: Heard) -> tuple[int, int] | None:
    message = heard.update.posted if heard.update is not None else None
    return message.move if message is not None else None


def webhook_secret(context: Context, bot: int) -> str:
    """Give what the webhook of a bot is known by: that of the bot before it may still be set, and post to us."""
    return context.secret(f"telegram webhook {bot}").hex()


def same_secret(header: str, secret: str) -> bool:
    """Compare as bytes: a header may hold anything."""
    return hmac.compare_digest(header.encode("utf-8", "surrogateescape"), secret.encode())
