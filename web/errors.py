"""One shape for every error over HTTP, ``{"error": {"code", "message", "field"?}}``, and headers that keep pages safe.

:func:`protect` puts both around an application: exceptions become answers at one seam, nothing of our inside is told
to strangers, and what was refused is counted by its code.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final, Literal, TypeVar

import msgspec
import structlog
from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from msgspec import Struct
from prometheus_client import Counter

from web.tokens import TokenRefused

Networks = Sequence[IPv4Network | IPv6Network]
PageKind = Literal["api", "page", "file"]
T = TypeVar("T")

REFUSALS: Final = Counter("trunkline_web_refusals", "Requests and frames refused, by code.", ["code"])
CLIENT_IP: Final = web.RequestKey("client_ip", str)
_log: Final = structlog.stdlib.get_logger(__name__)
_FIELD: Final = re.compile(r" - at `\$\.?([^`]*)`$")  # how msgspec ends a message with a path

CODES: Final[dict[int, str]] = {
    400: "bad_request",
    401: "not_signed_in",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "too_slow",
    409: "conflict",
    411: "length_required",
    413: "too_large",
    415: "unsupported_type",
    429: "rate_limited",
    503: "unavailable",
}
"""HTTP status to the code in our errors, where nothing more exact is known."""

CONTENT_SECURITY: Final[dict[PageKind, str]] = {
    "api": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "page": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
        "font-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    ),
    "file": "default-src 'none'; sandbox; frame-ancestors 'none'",
}
"""Content-Security-Policy (CSP level 3) by kind of page: nothing inline, nothing from elsewhere, in nobody's frame."""

_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(), camera=()",
    "Cache-Control": "no-store",
}
"""Where a handler says nothing else."""


class Error(Struct, frozen=True, omit_defaults=True):
    """What went wrong: a stable ``code`` for programs, a sentence for a person, the ``field`` that it is about."""

    code: str
    message: str
    field: str = ""


class ErrorBody(Struct, frozen=True):
    """The body of every answer that is not a success."""

    error: Error


class Refusal(Exception):
    """A request is refused with an HTTP status; ``retry_after`` is in seconds."""

    def __init__(
        self, status: int, code: str, message: str, *, field: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error = Error(code, message, field)
        self.retry_after = retry_after


def decode_json(decoder: msgspec.json.Decoder[T], data: bytes) -> T:
    """Read JSON from a stranger.

    Raises:
        msgspec.DecodeError: whatever is wrong with it, be it in no encoding of ours or nested without end.
    """
    try:
        return decoder.decode(data)
    except (UnicodeDecodeError, RecursionError) as exc:
        raise msgspec.DecodeError("not UTF-8, or nested too deeply") from exc


def describe(exc: msgspec.DecodeError) -> Error:
    """Say what is wrong with JSON that could not be read, and in which field."""
    if not isinstance(exc, msgspec.ValidationError):
        return Error("bad_json", "this is not valid JSON in UTF-8")
    path = _FIELD.search(str(exc))
    return Error("bad_request", _FIELD.sub("", str(exc)), path[1] if path else "")


def error_response(status: int, error: Error, *, retry_after: float | None = None) -> web.Response:
    """Make the answer for an error, and count it."""
    REFUSALS.labels(error.code).inc()
    headers = {} if retry_after is None else {hdrs.RETRY_AFTER: str(max(1, round(retry_after + 0.5)))}
    body = msgspec.json.encode(ErrorBody(error))
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)


def response_for(exc: Exception) -> web.StreamResponse:
    """Translate any exception of a handler; what we do not know becomes a 500 that says nothing.

    Raises:
        web.HTTPException: a redirection, which is no error.
    """
    match exc:
        case Refusal():
            return error_response(exc.status, exc.error, retry_after=exc.retry_after)
        case TokenRefused():
            return error_response(401, Error(f"token_{exc.reason}", str(exc)))
        case msgspec.DecodeError():
            return error_response(400, describe(exc))
        case web.RequestPayloadError() | HttpProcessingError():
            return error_response(400, Error("bad_request", "the body could not be read"))
        case web.HTTPException() if exc.status < 400:  # noqa: PLR2004 - where HTTP's errors begin
            raise exc
        case web.HTTPException():
            answer = error_response(exc.status, Error(CODES.get(exc.status, "refused"), exc.reason))
            answer.headers.update({name: exc.headers[name] for name in (hdrs.ALLOW,) if name in exc.headers})
            return answer
        case ConnectionResetError():
            _log.debug("client left before its answer")
            return error_response(408, Error("client_left", "the connection was lost"))
        case _:
            _log.error("request failed", exc_info=exc)
            return error_response(500, Error("internal", "something went wrong on our side; it has been noted"))


@web.middleware
async def _errors_as_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except Exception as exc:  # noqa: BLE001 - the one seam where all of them become answers
        answer = response_for(exc)
        if request.writer.output_size > 0 and request.transport is not None:
            request.transport.close()  # a second answer inside the first would pass for its content
        return answer


async def _secure(_: web.BaseRequest, response: web.StreamResponse) -> None:
    response.headers.pop(hdrs.SERVER, None)  # which version runs here is nobody's business
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY["api"])


def protect(app: web.Application, *, trusted_proxies: Networks = ()) -> None:
    """Put the error shape, the security headers and the client's true address around a whole application."""

    @web.middleware
    async def know_client(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        request[CLIENT_IP] = client_ip(request, trusted_proxies)
        return await handler(request)

    app.middlewares.extend((know_client, _errors_as_json))
    app.on_response_prepare.append(_secure)


def client_ip(request: web.BaseRequest, trusted_proxies: Networks = ()) -> str:
    """Give the address that a request came from, looking behind the proxies that are ours and no further.

    ``X-Forwarded-For`` is read from the right, where our own proxy wrote; what a stranger put left of it is ignored.
    An address that :func:`protect` has found is taken as it is.
    """
    if CLIENT_IP in request:
        return request[CLIENT_IP]
    hops = [hop.strip() for line in request.headers.getall(hdrs.X_FORWARDED_FOR, ()) for hop in line.split(",")]
    address = request.remote or ""
    while hops and is_within(address, trusted_proxies):
        hop = hops.pop()
        if not _is_address(hop):
            break
        address = hop
    return address


def is_within(address: str, networks: Networks) -> bool:
    """Say whether an address belongs to one of the networks; what is no address does not."""
    return _is_address(address) and any(ip_address(address) in network for network in networks)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
