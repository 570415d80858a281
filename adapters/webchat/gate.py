"""What every request of a page passes: origin, token, how often it may come; and the shape of answers and refusals."""

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from aiohttp import hdrs, web

from adapters.contract import Context
from adapters.webchat.tickets import Session, Tickets
from web.errors import Refusal, response_for
from web.limits import RateLimiter
from web.origins import Origins, share
from web.tokens import TokenRefused
from web.uploads import FILENAME_HEADER

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

UPLOAD_HEADER: Final = "X-Upload-Id"
"""An id of the page's own for a file: sending it again finds the first one."""

SENT_HEADERS: Final = f"{hdrs.AUTHORIZATION}, {hdrs.CONTENT_TYPE}, {FILENAME_HEADER}, {UPLOAD_HEADER}"

_json: Final = msgspec.json.Encoder().encode


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """The gate of one channel."""

    context: Context
    origins: Origins
    tickets: Tickets

    def origin(self, request: web.Request) -> str | None:
        """Give the allowed origin of a request; None: a page of our own, whose reading requests name none."""
        return self.origins.require(request) if hdrs.ORIGIN in request.headers else None

    def session(self, request: web.Request, origin: str | None) -> Session:
        """Read the visitor's token from its header. Raises TokenRefused or Refusal."""
        scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Refusal(401, "no_token", "send the session token as `Authorization: Bearer <token>`")
        return self.tickets.session(token.strip(), origin)

    def counted(self, handler: Handler) -> Handler:
        """Answer what is refused in our one shape, and count it."""

        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except Refusal as exc:
                self.context.count(exc.error.code)
                return response_for(exc)
            except TokenRefused as exc:
                self.context.count(f"token_{exc.reason}")
                return response_for(exc)

        return answer

    def shared(self, handler: Handler) -> Handler:
        """Let an allowed page read the answer, errors included."""
        counted = self.counted(handler)

        async def answer(request: web.Request) -> web.StreamResponse:
            response = await counted(request)
            origin = request.headers.get(hdrs.ORIGIN)
            if origin and self.origins.allows(origin) and not response.prepared:
                share(response.headers, origin)
            return response

        return answer

    async def preflight(self, request: web.Request) -> web.StreamResponse:
        """Tell a browser what an allowed page may send."""
        response = web.Response(status=204)
        origin = request.headers.get(hdrs.ORIGIN, "")
        if self.origins.allows(origin):
            share(response.headers, origin, methods="GET, POST", headers=SENT_HEADERS)
        return response


def per_minute(count: int, burst: float, clock: Callable[[], float]) -> RateLimiter:
    """Allow ``count`` a minute, and ``burst`` of them at once."""
    return RateLimiter(count / 60, burst, clock)


def take(limiter: RateLimiter, key: str, cost: float = 1.0) -> None:
    """Charge ``key``. Raises Refusal: 429 ``rate_limited``, with the seconds to wait."""
    if wait := limiter.take(key, cost):
        raise Refusal(429, "rate_limited", "too many requests, try again shortly", retry_after=wait)


def answer_with(grant: msgspec.Struct) -> web.Response:
    """Give JSON that nobody may keep."""
    headers = {hdrs.CACHE_CONTROL: "no-store"}
    return web.Response(body=_json(grant), content_type="application/json", headers=headers)
