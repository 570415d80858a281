"""Twilio's own client library, over a transport of ours.

The library's asynchronous transport ignores its time-out, repeats a POST after a 5xx (two messages), loses the
Retry-After header and logs requests; none of that happens here. https://www.twilio.com/docs/usage/api
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from ipaddress import ip_address

import aiohttp
import msgspec
from aiohttp import hdrs
from msgspec import Struct
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.rest import Client
from yarl import URL

from adapters.errors import OutcomeUnknown, SendError, TryLater
from adapters.http_errors import read_retry_after
from adapters.session import Reach, open_session
from adapters.twilio.errors import ApiError
from adapters.twilio.settings import API, TwilioSettings

CONNECT_TIMEOUT = 5.0

_LOG = logging.getLogger("trunkline.twilio.silent")
_LOG.addHandler(logging.NullHandler())
_LOG.propagate = False


class Problem(Struct, frozen=True):
    """The body of an error, as far as it matters."""

    code: int = 0
    message: str = ""
    detail: str = ""


class Transport(AsyncHttpClient):  # type: ignore[misc]  # the library ships no type information
    """Sends the library's requests. Raises ApiError for every status but 2xx, SendError for what got no answer."""

    def __init__(self, settings: TwilioSettings, now: Callable[[], int]) -> None:
        super().__init__(_LOG, True, settings.timeout.seconds)
        self.skew: float | None = None
        self._settings = settings
        self._now = now
        self._session: aiohttp.ClientSession | None = None
        self._timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_TIMEOUT)

    @property
    def session(self) -> aiohttp.ClientSession:
        """The HTTP client, opened when it is first needed; it reaches public addresses only."""
        if self._session is None or self._session.closed:
            self._session = open_session(reach_of(self._settings.api))
        return self._session

    async def request(  # noqa: PLR0913  # as the library calls it
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, object] | None = None,
        data: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        **_: object,
    ) -> Response:
        """Do one request, once; how long it may take and where it may lead is ours to say, not the caller's."""
        sent = dict(headers or {})
        if auth is not None:
            sent[hdrs.AUTHORIZATION] = aiohttp.encode_basic_auth(*auth)
        async with self._answer(method, self._place(url), params=params, data=data, headers=sent) as answer:
            self._measure(answer)
            body = await answer.read()
            if not answer.ok or answer.status >= 300:  # noqa: PLR2004  # a redirect is no answer of the API
                raise self._problem(answer, body)
            if answer.status != HTTPStatus.NO_CONTENT:
                _check_object(body)
            return Response(answer.status, body.decode("utf-8", "replace"), answer.headers)

    async def close(self) -> None:
        """Close the HTTP client."""
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def _answer(
        self,
        method: str,
        url: URL,
        *,
        params: Mapping[str, object] | None,
        data: Mapping[str, object] | None,
        headers: Mapping[str, str],
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Use a connection of its own: a kept one may just be ending, and then nobody knows what became of it."""
        try:
            async with (
                asyncio.timeout(self._settings.timeout.seconds),
                self.session.request(
                    method.upper(),
                    url,
                    params=_pairs(params),
                    data=_pairs(data),
                    headers={**headers, hdrs.CONNECTION: "close"},
                    timeout=self._timeout,
                    allow_redirects=False,
                ) as answer,
            ):
                yield answer
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise to_lost(exc) from exc

    def _place(self, url: str) -> URL:
        """Give where a request really goes: a simulator stands for all of Twilio's hosts."""
        place = URL(url)
        if self._settings.api == API:
            return place
        api = URL(self._settings.api)
        return place.with_scheme(api.scheme).with_host(api.host or "").with_port(api.explicit_port)

    def _measure(self, answer: aiohttp.ClientResponse) -> None:
        """Note by how many seconds Twilio's clock is ahead of ours."""
        date = answer.headers.get(hdrs.DATE)
        if date:
            try:
                self.skew = parsedate_to_datetime(date).timestamp() - self._now() / 1_000
            except ValueError:
                return

    def _problem(self, answer: aiohttp.ClientResponse, body: bytes) -> ApiError:
        try:
            problem = msgspec.json.decode(body, type=Problem)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            problem = Problem()
        retry_after = read_retry_after(answer.headers.get(hdrs.RETRY_AFTER), self._now())
        return ApiError(answer.status, problem.code, (problem.message or problem.detail)[:300], retry_after)


def _check_object(body: bytes) -> None:
    """Look whether an answer is what the library expects, which breaks in its own ways where it is not."""
    try:
        msgspec.json.decode(body, type=dict[str, object])
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as exc:
        message = "Twilio's answer cannot be read; the message may have been taken."
        raise OutcomeUnknown("unreadable_answer", message) from exc


def make_client(settings: TwilioSettings, transport: Transport) -> Client:
    """Make the library's client."""
    user, password = settings.account_sid, settings.auth_token.reveal()
    if settings.api_key is not None:
        user, password = settings.api_key.sid, settings.api_key.secret.reveal()
    return Client(
        user,
        password,
        settings.account_sid,
        region=settings.region or None,
        edge=settings.edge or None,
        http_client=transport,
        environment={"": ""},  # an empty one would be replaced by the process's own
    )


def reach_of(api: str) -> Reach:
    """Give where requests may go: Twilio is on the internet, a simulator is wherever the settings say."""
    if api == API:
        return Reach.PUBLIC
    return Reach.LOOPBACK if is_local(URL(api).host or "") else Reach.ANYWHERE


def is_local(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def to_lost(error: Exception) -> SendError:
    """Give what a request without an answer means: before it was written it was not sent, afterwards nobody knows."""
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return TryLater("not_connected", "Twilio cannot be reached.")
    if isinstance(error, TimeoutError):
        return OutcomeUnknown("timeout", "Twilio did not answer in time and may have taken the message.")
    return OutcomeUnknown("connection_lost", "The connection to Twilio broke; the message may have been taken.")


def _pairs(values: Mapping[str, object] | None) -> list[tuple[str, str]] | None:
    """Give the parameters of a form: a list is one parameter several times."""
    if values is None:
        return None
    pairs: list[tuple[str, str]] = []
    for key, value in values.items():
        pairs += [(key, str(each)) for each in (value if isinstance(value, list | tuple) else [value])]
    return pairs
