"""Requests to ARI. User and password travel in a header, never in a URL."""

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import quote

import aiohttp
import msgspec
from aiohttp import hdrs
from yarl import URL

from adapters.contract import Context
from adapters.errors import BadCredentials, NotReachable, Refused, SendError, TryLater
from adapters.sip.settings import SipSettings
from adapters.sip.source import asked_to_wait

TIMEOUT = 10.0
CONNECT_TIMEOUT = 5.0
HEARTBEAT = 20.0
MAX_EVENT = 256 * 1024
NOT_REACHABLE = "not_reachable"
"""Nothing was asked for."""

GONE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY})


class Absent(Refused):
    """The channel or bridge is not there any more, or not where it would have to be; or it is there already."""


class Ari:
    """One Asterisk."""

    def __init__(self, settings: SipSettings, context: Context) -> None:
        login = base64.b64encode(f"{settings.user}:{settings.password.reveal()}".encode()).decode()
        self.secret = login
        self._http = context.http
        self._now = context.now
        self._url = settings.url.rstrip("/")
        self._app = settings.app
        self._headers = {hdrs.AUTHORIZATION: f"Basic {login}"}

    async def order(self, method: str, path: str, body: Mapping[str, object] | None = None, **query: str) -> bytes:
        """Ask for something; parts of ``path`` are quoted already. Raises Absent, SendError, BadCredentials."""
        answer, _ = await self._request(method, path, body, query)
        return answer

    async def clock(self) -> int | None:
        """Give the time that Asterisk says it is, in ms; None where it says none. Raises SendError, BadCredentials."""
        _, date = await self._request("GET", "/asterisk/info", None, {"only": "system"})
        try:
            return int(parsedate_to_datetime(date).timestamp() * 1_000)
        except ValueError:
            return None

    async def _request(
        self, method: str, path: str, body: Mapping[str, object] | None, query: Mapping[str, str]
    ) -> tuple[bytes, str]:
        """Give an answer and its Date."""
        url = URL(f"{self._url}/ari{path}", encoded=True).update_query(query)
        data = None if body is None else msgspec.json.encode(body)
        # A kept connection may just be ending, and then nobody knows what became of an order.
        headers = {**self._headers, hdrs.CONTENT_TYPE: "application/json", hdrs.CONNECTION: "close"}
        try:
            async with (
                asyncio.timeout(TIMEOUT),
                self._http.request(method, url, data=data, headers=headers, allow_redirects=False) as response,
            ):
                if response.status == HTTPStatus.TOO_MANY_REQUESTS:
                    raise asked_to_wait("Asterisk", response.headers.get(hdrs.RETRY_AFTER), self._now())
                answer = _judge(response.status, await response.read(), method, path)
                return answer, response.headers.get(hdrs.DATE, "")
        except aiohttp.ClientConnectorError as exc:
            raise TryLater(NOT_REACHABLE, f"Asterisk at {self._url} cannot be reached") from exc
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise TryLater("no_answer", f"Asterisk at {self._url} does not answer ({type(exc).__name__})") from exc

    async def fetch(self, path: str) -> AsyncIterator[bytes]:
        """Give the bytes of a file. Raises Refused, TryLater, BadCredentials."""
        try:
            async with (
                asyncio.timeout(6 * TIMEOUT),
                self._http.get(
                    URL(f"{self._url}/ari{path}", encoded=True), headers=self._headers, allow_redirects=False
                ) as response,
            ):
                _judge(response.status, b"", "GET", path)
                async for chunk in response.content.iter_chunked(64 * 1024):
                    yield chunk
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise TryLater("no_answer", f"Asterisk at {self._url} does not give {path}") from exc

    async def connect(self) -> aiohttp.ClientWebSocketResponse:
        """Open the feed of our application's events. Raises NotReachable, BadCredentials."""
        url = URL(f"{self._url}/ari/events").update_query(app=self._app, subscribeAll="false")
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                return await self._http.ws_connect(
                    url, headers=self._headers, heartbeat=HEARTBEAT, max_msg_size=MAX_EVENT
                )
        except aiohttp.WSServerHandshakeError as exc:
            if exc.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                raise bad_login() from exc
            raise NotReachable("no_feed", f"Asterisk at {self._url} gives no events: HTTP status {exc.status}") from exc
        except (aiohttp.ClientError, TimeoutError) as exc:
            message = (
                f"Asterisk at {self._url} does not answer ({type(exc).__name__}): is `url` right, and does it run?"
            )
            raise NotReachable(NOT_REACHABLE, message) from exc


def quoted(part: str) -> str:
    """Write an id as a part of a path."""
    return quote(part, safe="")


def bad_login() -> BadCredentials:
    """Say that Asterisk does not let us in."""
    return BadCredentials("bad_login", "Asterisk refuses `user` and `password`: they must stand in its ari.conf")


def _judge(status: int, answer: bytes, method: str, path: str) -> bytes:
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return answer
    raise _error(status, f"{method} {path}")


def _error(status: int, what: str) -> SendError | BadCredentials:
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return bad_login()
    if status in GONE:
        return Absent(f"http_{status}", f"Asterisk says {status} to {what}: it is not there, or not in our hands.")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return TryLater(f"http_{status}", f"Asterisk failed with HTTP status {status} on {what}.")
    return Refused(f"http_{status}", f"Asterisk refused {what} with HTTP status {status}.")
