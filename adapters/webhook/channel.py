"""The webhook channel: takes signed requests in, posts signed requests out."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from urllib.parse import quote

import aiohttp
import msgspec
from aiohttp import hdrs, web
from yarl import URL

from adapters import signature
from adapters.contract import Adapter, Context, Finding, Sent
from adapters.errors import EnvelopeRefused, NotAccepted, NotReachable, OutcomeUnknown, SendError, TryLater
from adapters.pace import Pace, Rate
from adapters.webhook.mapping import (
    STATUS,
    TYPE,
    Fault,
    Rejection,
    decode_message,
    decode_receipt,
    read_retry_after,
    to_client_error,
    to_envelope,
    to_outgoing,
    to_receipt,
    to_send_error,
)
from adapters.webhook.settings import WebhookSettings
from adapters.webhook.wire import Taken
from normalizer.capabilities import Capabilities
from normalizer.envelope import Envelope
from normalizer.outbound import Outbound, Receipt
from web.limits import RateLimiter

MESSAGES, RECEIPTS = "/messages", "/receipts"
MAX_BODY = 256 * 1024
MAX_ANSWER = 64 * 1024
MAX_OPTIONS = 20
BODY_TIMEOUT = 15.0
CONNECT_TIMEOUT = 5.0
RETRY_AFTER = "5"
IDEMPOTENCY = "Idempotency-Key"
LOGGED_AT_ONCE, LOGGED_PER_SECOND = 10, 0.1
"""Refusals in the log, of each fault: anybody can cause them. All are counted."""

NO_HEADERS: Mapping[str, str] = {}
RETRY_SCOPE = "Trunkline-Retry-Scope"
"""Of an answer with status 429: ``recipient`` when only this recipient is asked to wait."""


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
        self._secrets = [secret.reveal() for secret in settings.secrets]
        self._logged = RateLimiter(LOGGED_PER_SECOND, LOGGED_AT_ONCE, time.monotonic)
        self._timeout = aiohttp.ClientTimeout(total=settings.timeout.seconds, connect=CONNECT_TIMEOUT)
        self.pace = Pace(
            call_timeout=int(settings.timeout) + int(CONNECT_TIMEOUT * 1_000),
            patience=int(settings.retry_for),
            channel=Rate(per_second=settings.per_second) if settings.per_second else None,
        )

    def secrets(self) -> Sequence[str]:
        """Name the shared secrets."""
        return self._secrets

    async def check(self) -> Sequence[Finding]:
        """Look whether the receiver answers at all; any status will do."""
        if not self.settings.url:
            return (Finding(what="no url: this channel only receives", ok=True),)
        try:
            async with self._request("HEAD", URL(self.settings.url)) as response:
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
            message = decode_message(await self._authentic(request, MESSAGES))
            now = self.context.now()
            await self._accept(to_envelope(message, self.context.channel, new_id=self.context.new_id(), now=now))
        except Rejection as rejection:
            return self._reject(rejection)
        self.context.count("taken")
        return web.json_response({"ok": True, "id": message.id})

    async def _receipts(self, request: web.Request) -> web.Response:
        try:
            receipt = decode_receipt(await self._authentic(request, RECEIPTS))
            await self._report(to_receipt(receipt, now=self.context.now()))
        except Rejection as rejection:
            return self._reject(rejection)
        self.context.count("receipt")
        return web.json_response({"ok": True, "id": receipt.id})

    async def _accept(self, envelope: Envelope) -> None:
        try:
            await self.context.accept(envelope)
        except NotAccepted as exc:
            raise Rejection(Fault.NOT_STORED, exc.message) from exc
        except EnvelopeRefused as exc:
            raise Rejection(Fault.INVALID, exc.message, "$") from exc

    async def _report(self, receipt: Receipt) -> None:
        try:
            await self.context.report(receipt, stored=True)
        except NotAccepted as exc:
            raise Rejection(Fault.NOT_STORED, exc.message) from exc
        except EnvelopeRefused as exc:
            raise Rejection(Fault.INVALID, exc.message, "$") from exc

    async def _authentic(self, request: web.Request, path: str) -> bytes:
        """Read the body and check its signature, over our own path whatever a proxy made of it. Raises Rejection."""
        body = await _read(request)
        header = request.headers.get(signature.HEADER, "")
        content = signature.content("POST", f"/channels/{self.context.channel}{path}", body)
        tolerance = self.settings.tolerance.seconds
        try:
            signature.verify(header, content, self._secrets, seconds=self.context.now() // 1_000, tolerance=tolerance)
        except signature.StaleSignature as exc:
            raise Rejection(Fault.STALE_SIGNATURE, str(exc)) from exc
        except signature.BadSignature as exc:
            raise Rejection(Fault.BAD_SIGNATURE, str(exc)) from exc
        return body

    def _reject(self, rejection: Rejection) -> web.Response:
        self.context.count(rejection.fault.value)
        if not self._logged.take(rejection.fault.value):
            self.context.log.info("webhook.refused", fault=rejection.fault.value, field=rejection.field)
        error = {"code": rejection.fault.value, "message": rejection.message, "field": rejection.field}
        headers = {hdrs.RETRY_AFTER: RETRY_AFTER} if rejection.fault is Fault.NOT_STORED else {}
        return web.json_response({"error": error}, status=STATUS[rejection.fault], headers=headers)

    # --- out ---

    async def send(self, outbound: Outbound) -> Sent:
        """Post one message. See :func:`to_send_error` and :func:`to_client_error` for what is raised."""
        if not self.settings.url:
            return await super().send(outbound)
        body = msgspec.json.encode(to_outgoing(outbound, self.context.channel))
        headers = {IDEMPOTENCY: outbound.id, hdrs.CONTENT_TYPE: "application/json"}
        try:
            async with self._request("POST", URL(self.settings.url), body, headers) as response:
                if response.ok and response.status < HTTPStatus.MULTIPLE_CHOICES:
                    return Sent(native_id=await _read_id(response))
                raise self._error(response)
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise to_client_error(exc) from exc

    async def find(self, outbound: Outbound) -> Sent | None:
        """Ask the receiver: 200, it has the message; 404, it has not and never will from the earlier attempts."""
        if not self.settings.status_url:
            return None
        url = URL(self.settings.status_url.replace("{id}", quote(outbound.id, safe="")), encoded=True)
        try:
            async with self._request("GET", url) as response:
                if response.status == HTTPStatus.OK:
                    return Sent(native_id=await _read_id(response))
                if response.status == HTTPStatus.NOT_FOUND:
                    raise TryLater("not_found", "the receiver has not got the message")
                raise OutcomeUnknown(f"http_{response.status}", "the receiver cannot tell now")
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise OutcomeUnknown("not_told", "the receiver cannot be asked now") from exc

    def _request(
        self, method: str, url: URL, body: bytes = b"", headers: Mapping[str, str] = NO_HEADERS
    ) -> aiohttp.client._RequestContextManager:
        """Use a connection of its own: a kept one may just be ending, and then nobody knows what became of it."""
        content = signature.content(method, url.raw_path_qs, body)
        signed = signature.sign(self._secrets[0], self.context.now() // 1_000, content)
        return self.context.http.request(
            method,
            url,
            data=body if method == "POST" else None,
            headers={**headers, signature.HEADER: signed, hdrs.CONNECTION: "close"},
            timeout=self._timeout,
            allow_redirects=False,
        )

    def _error(self, response: aiohttp.ClientResponse) -> SendError:
        retry_after = read_retry_after(response.headers.get(hdrs.RETRY_AFTER), self.context.now())
        return to_send_error(response.status, retry_after, response.headers.get(RETRY_SCOPE, ""))


async def _read(request: web.Request) -> bytes:
    """Read a body within limits of size and time. Raises Rejection."""
    if (request.content_length or 0) > MAX_BODY:
        raise Rejection(Fault.TOO_BIG, f"a request may have {MAX_BODY} bytes")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > MAX_BODY:
                    raise Rejection(Fault.TOO_BIG, f"a request may have {MAX_BODY} bytes")
    except TimeoutError as exc:
        raise Rejection(Fault.TOO_SLOW, f"the body did not come within {BODY_TIMEOUT:g} s") from exc
    return bytes(body)


async def _read_id(response: aiohttp.ClientResponse) -> str:
    """Read the receiver's own id; a message is sent, whether or not there is one or the rest of the answer comes."""
    try:
        body = b""
        while len(body) < MAX_ANSWER and (chunk := await response.content.readany()):
            body += chunk
        return msgspec.json.decode(body, type=Taken).id
    except (aiohttp.ClientError, TimeoutError, msgspec.MsgspecError, UnicodeError):
        return ""
