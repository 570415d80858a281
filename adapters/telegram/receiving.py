"""How updates come in: by webhook or by polling, whichever works, decided by one node for the whole installation.

The webhook's requests are served on every node; this part, which holds the channel's lease, decides whether Telegram
sends them, and polls while it does not.
"""

import asyncio

import msgspec
from yarl import URL

from adapters.contract import Context
from adapters.errors import NotReachable, Refused, TryLater
from adapters.telegram.changeover import Retry, Watch, WebhookInfo
from adapters.telegram.client import BotApi
from adapters.telegram.endurance import Endurance, Tempo
from adapters.telegram.polling import Poller
from adapters.telegram.settings import TelegramSettings
from adapters.telegram.wire import ALLOWED_UPDATES, Json

PATH = "/update"


def webhook_url(context: Context) -> str:
    """Where Telegram posts to."""
    return f"{context.public_url.rstrip('/')}/channels/{context.channel}{PATH}"


def wants_webhook(settings: TelegramSettings, context: Context) -> bool:
    """Whether a webhook is to be tried."""
    return settings.mode == "webhook" or (settings.mode == "auto" and context.public_url.startswith("https://"))


class Receiving:
    """The reader of one channel."""

    def __init__(  # noqa: PLR0913  # what it is wired to, by name
        self,
        settings: TelegramSettings,
        context: Context,
        *,
        api: BotApi,
        poller: Poller,
        secret: str,
        tempo: Tempo,
    ) -> None:
        self._settings = settings
        self._context = context
        self._api = api
        self._poller = poller
        self._secret = secret
        self._tempo = tempo
        self._url = webhook_url(context)
        self._retry = Retry()
        self._webhook_at = 0

    async def run(self) -> None:
        """Receive until cancelled.

        Raises:
            StartError: it cannot go on now; it may be run again.
        """
        if not wants_webhook(self._settings, self._context):
            await self._poll(None)
        while True:
            if self._settings.mode == "auto" and self._context.now() < self._webhook_at:
                await self._poll(self._webhook_at)
            await self._serve()

    async def _poll(self, until: int | None) -> None:
        await self._remove_webhook()
        self._context.log.info("telegram.receiving", by="polling")
        await self._poller.run(until)

    async def _remove_webhook(self) -> None:
        """Make polling possible; what waits is not dropped. Raises NotReachable."""
        info = await self._look()
        if info.url:
            log = self._context.log.info if info.url == self._url else self._context.log.warning
            log("telegram.webhook_removed", host=_host(info.url), waiting=info.pending_update_count)
            await self._ask("deleteWebhook", {"drop_pending_updates": False})

    async def _serve(self) -> None:
        """Let Telegram post, and return when that does not work. Raises NotReachable where there is no other way."""
        fault = await self._set_webhook() or await self._watch()
        self._webhook_at = self._retry.failed(self._context.now())
        self._context.count("webhook_failing")
        self._context.log.error(
            "telegram.webhook_failing", reason=fault, remedy=f"make {self._url} reachable from outside"
        )
        if self._settings.mode == "webhook":
            raise NotReachable("webhook_failing", f"Telegram cannot post to {self._url}: {fault}")

    async def _set_webhook(self) -> str:
        """Set the webhook; gives what Telegram has against it. Raises NotReachable."""
        params = {
            "url": self._url,
            "secret_token": self._secret,
            "max_connections": self._settings.webhook_connections,
            "allowed_updates": list(ALLOWED_UPDATES),
        }
        try:
            await self._ask("setWebhook", params)
        except Refused as exc:
            return exc.message
        self._retry.begin(self._context.now())
        self._context.log.info("telegram.receiving", by="webhook")
        return ""

    async def _watch(self) -> str:
        """Look at the webhook now and then; gives what is wrong with it, when something is. Raises NotReachable."""
        watch = Watch(await self._look())
        while True:
            await asyncio.sleep(self._tempo.look)
            info = await self._look()
            if info.url != self._url:
                whose = f"replaced by one of {_host(info.url)}" if info.url else "removed"
                return f"it was {whose}; does another program use this bot?"
            if watch.fails(info):
                return f"{info.last_error_message or 'no reason given'}; {info.pending_update_count} updates wait"

    async def _look(self) -> WebhookInfo:
        return msgspec.convert(await self._ask("getWebhookInfo", {}), WebhookInfo)

    async def _ask(self, method: str, params: Json) -> Json:
        """Make a call, bearing a Telegram that is away for a while. Raises Refused, NotReachable."""
        endurance = Endurance(self._tempo)
        while True:
            try:
                return await self._api.ask(method, params)
            except TryLater as exc:
                await endurance.bear(exc)


def _host(url: str) -> str:
    """Name the host alone: other programs put their tokens into paths."""
    try:
        return URL(url).host or "an unknown host"
    except ValueError:
        return "an unknown host"
