"""Lets WhatsApp show that an operator is typing; it then also shows the customer's message as read.

https://www.twilio.com/docs/whatsapp/api/typing-indicators-resource: it names the customer's last message, and lasts for
25 seconds or until the answer.
"""

import time

from twilio.rest import Client

from adapters.contract import Context, Typing
from adapters.errors import SendError
from adapters.twilio.errors import ApiError
from adapters.twilio.mapping import LOST
from web.limits import RateLimiter

EVERY = 20.0
"""Seconds after which it is asked for again."""


class TypingIndicator:
    """Passes the operators' typing on."""

    def __init__(self, context: Context, client: Client) -> None:
        self._context = context
        self._client = client
        self._limit = RateLimiter(1 / EVERY, 1, time.monotonic)

    async def run(self) -> None:
        """Pass it on until cancelled."""
        async for typing in self._context.lines.typings():
            if typing.on and typing.address.startswith("whatsapp:") and not self._limit.take(typing.address):
                await self._show(typing)

    async def _show(self, typing: Typing) -> None:
        sid = await self._last_message(typing.address)
        if not sid:
            return
        try:
            await self._client.messaging.v2.typing_indicator.create_async(channel="whatsapp", message_id=sid)
        except (ApiError, SendError) as exc:
            self._context.log.info("twilio.typing_not_shown", reason=str(exc))

    async def _last_message(self, address: str) -> str:
        items, _ = await self._context.lines.history(address, None)
        said = [item.id for item in items if item.kind == "message"]
        return said[-1].removesuffix(LOST) if said else ""
