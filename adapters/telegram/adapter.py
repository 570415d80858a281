"""The Telegram channel (core.telegram.org/bots/api)."""

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import ClassVar

from aiohttp import hdrs, web

from adapters.contract import Adapter, Context, Finding, Sent
from adapters.errors import BadSettings, NotAccepted, TryLater
from adapters.pace import Lane, Pace, Rate
from adapters.telegram.checking import examine
from adapters.telegram.client import BotApi
from adapters.telegram.drivers import Driver
from adapters.telegram.endurance import Tempo
from adapters.telegram.files import Files
from adapters.telegram.intake import POISON, Intake, same_secret, webhook_secret
from adapters.telegram.mapping import TYPE, read_address
from adapters.telegram.notes import Notes
from adapters.telegram.outgoing import CAPABILITIES
from adapters.telegram.polling import Poller
from adapters.telegram.receiving import PATH, Receiving
from adapters.telegram.sending import Sending
from adapters.telegram.settings import TelegramSettings
from adapters.telegram.typists import Typists
from adapters.telegram.wire import Poison
from normalizer.outbound import Outbound

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105  # the name of a header
MAX_UPDATE = 1_000_000
BODY_TIMEOUT = 15.0
CHAT_BURST = 3
RETRY_AFTER = "5"
MINUTE = 60


class Telegram(Adapter):
    """The channel."""

    type = TYPE
    Settings = TelegramSettings
    capabilities = CAPABILITIES
    single_reader = True
    settings: TelegramSettings
    tempo: ClassVar[Tempo] = Tempo()

    def __init__(self, settings: TelegramSettings, context: Context) -> None:
        super().__init__(settings, context)
        self._api = BotApi(settings, context)
        self._secret = webhook_secret(context, self._api.bot)
        self._driver = Driver(settings.driver, self._api, context.media)
        notes = Notes(context.memory, self._api.bot)
        files = Files(self._api, context, settings.max_file, pause=self.tempo.first)
        self._intake = Intake(context, self._api, driver=self._driver, notes=notes, files=files, chats=settings.chats)
        poller = Poller(
            context, self._api, intake=self._intake, notes=notes, tempo=self.tempo, wait=settings.poll_timeout.seconds
        )
        self._receiving = Receiving(
            settings, context, api=self._api, poller=poller, secret=self._secret, tempo=self.tempo
        )
        self._sending = Sending(settings, context, self._api, self._driver, notes)
        self._typists = Typists(self._driver, context, notes)
        self._person = Rate(per_second=settings.chat_per_second, burst=CHAT_BURST)
        self._group = group_rate(settings.group_per_minute)
        self.pace = Pace(
            call_timeout=2 * int(settings.timeout),
            patience=int(settings.retry_for),
            channel=Rate(per_second=settings.per_second),
            address=self._person,
        )

    def secrets(self) -> Sequence[str]:
        """Name the token, its secret half, and what webhooks are known by."""
        return (self._api.token, self._api.token.partition(":")[2], self._secret)

    def lane(self, address: str) -> Lane:
        """Count by chat: the topics of a forum share what their group may have."""
        chat, _ = read_address(address)
        return f"{TYPE}:{chat}", self._group if chat < 0 else self._person

    async def check(self) -> Sequence[Finding]:
        """Look at the token, the webhook, what waits, the clock and the privacy mode."""
        return await examine(self.settings, self.context, self._api)

    async def run(self) -> None:
        """Receive, show who is typing, and have the library ready for the first answer. Raises StartError."""
        beside = [asyncio.create_task(self._typists.run()), asyncio.create_task(self._prepare())]
        try:
            await self._receiving.run()
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    async def _prepare(self) -> None:
        try:
            await self._driver.prepare()
        except BadSettings as exc:  # each call will raise it
            self.context.log.warning("telegram.no_library", reason=exc.message)

    def routes(self) -> Sequence[web.RouteDef]:
        """Give the address that Telegram posts to, unless there shall be none."""
        return () if self.settings.mode == "polling" else (web.post(PATH, self._update),)

    async def send(self, outbound: Outbound) -> Sent:
        """Send one message; see :mod:`adapters.telegram.faults` for what is raised."""
        return await self._sending.send(outbound)

    async def close(self) -> None:
        """Let go of what is still under way."""
        await self._intake.close()

    async def _update(self, request: web.Request) -> web.Response:
        """Take one update; any answer but 2xx makes Telegram bring it again."""
        if not same_secret(request.headers.get(SECRET_HEADER, ""), self._secret):
            self.context.count("bad_secret")
            return web.Response(status=HTTPStatus.UNAUTHORIZED)
        try:
            await self._intake.take_next(await _read(request))
        except Poison as exc:
            self.context.count(POISON)
            return web.Response(status=HTTPStatus.BAD_REQUEST, text=str(exc))
        except TimeoutError:
            return web.Response(status=HTTPStatus.REQUEST_TIMEOUT)
        except (NotAccepted, TryLater) as exc:
            self.context.log.warning("telegram.update_waits", reason=exc.message)
            return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE, headers={hdrs.RETRY_AFTER: RETRY_AFTER})
        return web.Response()


def group_rate(per_minute: int) -> Rate:
    """Give a rate of which no minute holds more than so many: a quarter at once, the rest spread over the minute."""
    burst = max(1, per_minute // 4)
    return Rate(per_second=(per_minute - burst) / MINUTE, burst=burst)


async def _read(request: web.Request) -> bytes:
    """Read a body within limits of size and time. Raises Poison, TimeoutError."""
    body = bytearray()
    async with asyncio.timeout(BODY_TIMEOUT):
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > MAX_UPDATE:
                raise Poison(f"an update has at most {MAX_UPDATE} bytes")
    return bytes(body)
