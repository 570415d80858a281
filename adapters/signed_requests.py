"""Signed requests in both directions, for channels that speak with a system of one's own (docs/webhook.md)."""

import asyncio
import time
from collections.abc import Awaitable, Mapping, Sequence
from typing import TypeVar

import aiohttp
from aiohttp import hdrs, web
from yarl import URL

from adapters import signature
from adapters.contract import Context
from adapters.errors import EnvelopeRefused, NotAccepted, SendError
from adapters.http_errors import read_retry_after, to_send_error
from adapters.rejection import STATUS, Fault, Rejection
from config import Secret
from web.limits import RateLimiter

MAX_BODY = 256 * 1024
BODY_TIMEOUT = 15.0
CONNECT_TIMEOUT = 5.0
RETRY_AFTER = "5"
IDEMPOTENCY = "Idempotency-Key"
LOGGED_AT_ONCE, LOGGED_PER_SECOND = 10, 0.1
"""Refusals in the log, of each fault: anybody can cause them. All are counted."""

Stored = TypeVar("Stored")
NO_HEADERS: Mapping[str, str] = {}
RETRY_SCOPE = "Trunkline-Retry-Scope"
"""Of an answer with status 429: ``recipient`` when only this recipient is asked to wait."""


class Signed:
    """The requests of one channel. ``timeout`` and ``tolerance`` are in seconds."""

    def __init__(self, context: Context, secrets: Sequence[Secret], *, timeout: float, tolerance: float) -> None:
        self._context = context
        self._tolerance = tolerance
        self._logged = RateLimiter(LOGGED_PER_SECOND, LOGGED_AT_ONCE, time.monotonic)
        self._timeout = aiohttp.ClientTimeout(total=timeout, connect=CONNECT_TIMEOUT)
        self.secrets = [secret.reveal() for secret in secrets]

    # --- in ---

    async def read(self, request: web.Request, path: str) -> bytes:
        """Read a body and check its signature, over our own path whatever a proxy made of it. Raises Rejection."""
        body = await _read(request)
        header = request.headers.get(signature.HEADER, "")
        content = signature.content("POST", f"/channels/{self._context.channel}{path}", body)
        seconds = self._context.now() // 1_000
        try:
            signature.verify(header, content, self.secrets, seconds=seconds, tolerance=self._tolerance)
        except signature.StaleSignature as exc:
            raise Rejection(Fault.STALE_SIGNATURE, str(exc)) from exc
        except signature.BadSignature as exc:
            raise Rejection(Fault.BAD_SIGNATURE, str(exc)) from exc
        return body

    async def store(self, storing: Awaitable[Stored]) -> Stored:
        """Wait until something is stored. Raises Rejection."""
        try:
            return await storing
        except NotAccepted as exc:
            raise Rejection(Fault.NOT_STORED, exc.message) from exc
        except EnvelopeRefused as exc:
            raise Rejection(Fault.INVALID, exc.message, "$") from exc

    def reject(self, rejection: Rejection) -> web.Response:
        """Word the answer to a request that is refused, and count it."""
        self._context.count(rejection.fault.value)
        if not self._logged.take(rejection.fault.value):
            self._context.log.info("webhook.refused", fault=rejection.fault.value, field=rejection.field)
        error = {"code": rejection.fault.value, "message": rejection.message, "field": rejection.field}
        headers = {hdrs.RETRY_AFTER: RETRY_AFTER} if rejection.fault is Fault.NOT_STORED else {}
        return web.json_response({"error": error}, status=STATUS[rejection.fault], headers=headers)

    # --- out ---

    def request(
        self, method: str, url: URL, body: bytes = b"", headers: Mapping[str, str] = NO_HEADERS
    ) -> aiohttp.client._RequestContextManager:
        """Use a connection of its own: a kept one may just be ending, and then nobody knows what became of it."""
        content = signature.content(method, url.raw_path_qs, body)
        signed = signature.sign(self.secrets[0], self._context.now() // 1_000, content)
        return self._context.http.request(
            method,
            url,
            data=body if method == "POST" else None,
            headers={**headers, signature.HEADER: signed, hdrs.CONNECTION: "close"},
            timeout=self._timeout,
            allow_redirects=False,
        )

    def post(self, url: str, body: bytes, key: str) -> aiohttp.client._RequestContextManager:
        """Post JSON that is one thing however often it comes with the same ``key``."""
        headers = {IDEMPOTENCY: key, hdrs.CONTENT_TYPE: "application/json"}
        return self.request("POST", URL(url), body, headers)

    def error(self, response: aiohttp.ClientResponse) -> SendError:
        """Give what an answer other than 2xx means."""
        retry_after = read_retry_after(response.headers.get(hdrs.RETRY_AFTER), self._context.now())
        return to_send_error(response.status, retry_after, response.headers.get(RETRY_SCOPE, ""))


async def _read(request: web.Request) -> bytes:
    """Read a body within limits of size and time. Raises Rejection."""
    if (request.content_length or 0) > MAX_BODY:
        raise Rejection(Fault.TOO_BIG, f"a request may have {MAX_BODY} bytes")
    if request.content.is_eof():  # it came with the headers, as most do: there is nothing to wait for
        return _within_limit(request.content.read_nowait())
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            async for chunk in request.content.iter_any():
                body += _within_limit(chunk, len(body))
    except TimeoutError as exc:
        raise Rejection(Fault.TOO_SLOW, f"the body did not come within {BODY_TIMEOUT:g} s") from exc
    return bytes(body)


def _within_limit(chunk: bytes, before: int = 0) -> bytes:
    if before + len(chunk) > MAX_BODY:
        raise Rejection(Fault.TOO_BIG, f"a request may have {MAX_BODY} bytes")
    return chunk
