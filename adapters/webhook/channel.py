"""The webhook channel: takes signed requests in, posts signed requests out."""

from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import quote

import aiohttp
import msgspec
from aiohttp import web
from yarl import URL

from adapters.contract import Adapter, Context, Finding, Sent
from adapters.errors import NotReachable, OutcomeUnknown, TryLater
from adapters.http_errors import to_client_error
from adapters.pace import Pace, Rate
from adapters.rejection import Rejection
from adapters.signed_requests import CONNECT_TIMEOUT, Signed
from adapters.webhook.mapping import (
    TYPE,
    decode_message,
    decode_receipt,
    to_envelope,
    to_outgoing,
    to_receipt,
)
from adapters.webhook.settings import WebhookSettings
from adapters.webhook.wire import Taken
from normalizer.capabilities import Capabilities
from normalizer.outbound import Outbound

MESSAGES, RECEIPTS = "/messages", "/receipts"
MAX_ANSWER = 64 * 1024
MAX_OPTIONS = 20


class Webhook(Adapter):
    """The channel. Its receiver must treat a repeated ``Idempotency-Key`` as one message."""

    type = TYPE
    Settings = WebhookSettings
    capabilities = Capabilities(
        text_limit=60_000,
        kinds=frozenset({"choice"}),
        buttons=MAX_OPTIONS,
        button_limit=1_000,
        link_buttons=True,
        replies=True,
        delivered=True,
        read=True,
    )
    settings: WebhookSettings

    def __init__(self, settings: WebhookSettings, context: Context) -> None:
        super().__init__(settings, context)
        self._signed = Signed(
            context, settings.secrets, timeout=settings.timeout.seconds, tolerance=settings.tolerance.seconds
        )
        self.pace = Pace(
            call_timeout=int(settings.timeout) + int(CONNECT_TIMEOUT * 1_000),
            patience=int(settings.retry_for),
            channel=Rate(per_second=settings.per_second) if settings.per_second else None,
        )

    def secrets(self) -> Sequence[str]:
        """Name the shared secrets."""
        return self._signed.secrets

    async def check(self) -> Sequence[Finding]:
        """Look whether the receiver answers at all; any status will do."""
        if not self.settings.url:
            return (Finding(what="no url: this channel only receives", ok=True),)
        try:
            async with self._signed.request("HEAD", URL(self.settings.url)) as response:
                return (Finding(what=f"the receiver answers with status {response.status}", ok=True),)
        except (aiohttp.ClientError, TimeoutError) as exc:
            message = f"the receiver does not answer ({type(exc).__name__}): is `url` right, and does it run?"
            raise NotReachable("not_reachable", message) from exc

    # --- in ---

    def routes(self) -> Sequence[web.RouteDef]:
        """Give the two addresses that the other system posts to."""
        return (web.post(MESSAGES, self._messages), web.post(RECEIPTS, self._receipts))

    async def _messages(self, request: web.Request) -> web.Response:
        try:
            message = decode_message(await self._signed.read(request, MESSAGES))
            now = self.context.now()
            envelope = to_envelope(message, self.context.channel, new_id=self.context.new_id(), now=now)
            await self._signed.store(self.context.accept(envelope))
        except Rejection as rejection:
            return self._signed.reject(rejection)
        self.context.count("taken")
        return web.json_response({"ok": True, "id": message.id})

    async def _receipts(self, request: web.Request) -> web.Response:
        try:
            receipt = decode_receipt(await self._signed.read(request, RECEIPTS))
            await self._signed.store(self.context.report(to_receipt(receipt, now=self.context.now()), stored=True))
        except Rejection as rejection:
            return self._signed.reject(rejection)
        self.context.count("receipt")
        return web.json_response({"ok": True, "id": receipt.id})

    # --- out ---

    async def send(self, outbound: Outbound) -> Sent:
        """Post one message. See :func:`to_send_error` and :func:`to_client_error` for what is raised."""
        if not self.settings.url:
            return await super().send(outbound)
        body = msgspec.json.encode(to_outgoing(outbound, self.context.channel))
        try:
            async with self._signed.post(self.settings.url, body, outbound.id) as response:
                if response.ok and response.status < HTTPStatus.MULTIPLE_CHOICES:
                    return Sent(native_id=await _read_id(response))
                raise self._signed.error(response)
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise to_client_error(exc) from exc

    async def find(self, outbound: Outbound) -> Sent | None:
        """Ask the receiver: 200, it has the message; 404, it has not and never will from the earlier attempts."""
        if not self.settings.status_url:
            return None
        url = URL(self.settings.status_url.replace("{id}", quote(outbound.id, safe="")), encoded=True)
        try:
            async with self._signed.request("GET", url) as response:
                if response.status == HTTPStatus.OK:
                    return Sent(native_id=await _read_id(response))
                if response.status == HTTPStatus.NOT_FOUND:
                    raise TryLater("not_found", "the receiver has not got the message")
                raise OutcomeUnknown(f"http_{response.status}", "the receiver cannot tell now")
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise OutcomeUnknown("not_told", "the receiver cannot be asked now") from exc


async def _read_id(response: aiohttp.ClientResponse) -> str:
    """Read the receiver's own id; a message is sent, whether or not there is one or the rest of the answer comes."""
    try:
        body = b""
        while len(body) < MAX_ANSWER and (chunk := await response.content.readany()):
            body += chunk
        return msgspec.json.decode(body, type=Taken).id
    except (aiohttp.ClientError, TimeoutError, msgspec.MsgspecError, UnicodeError, RecursionError):
        return ""
