"""Access tokens for XOAUTH2: fetched when a connection is made, kept until shortly before they end (RFC 6749).

A provider may answer a refresh token with a new one (Microsoft does, and lets the old one end after 90 days), so the
new one is kept in the channel's memory, encrypted; a token that is changed in the configuration comes before it.
"""

import asyncio
import base64
import hashlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import NoReturn

import aiohttp
import msgspec
from cryptography.fernet import Fernet, InvalidToken
from msgspec import Struct

from adapters.contract import Context
from adapters.email.settings import OAuth2Settings
from adapters.errors import BadCredentials, NotReachable

TIMEOUT = aiohttp.ClientTimeout(total=30)
SPARE = 120.0
"""Seconds that a token must still be good for when it is handed out."""

UNKNOWN_LIFE = 300.0
MAX_ANSWER = 64 * 1024
KEPT = "refresh_token"


class _Answer(Struct, frozen=True):
    """What the provider answers (RFC 6749 sections 5.1 and 5.2)."""

    access_token: str = ""
    expires_in: float | str = UNKNOWN_LIFE
    refresh_token: str = ""
    error: str = ""
    error_description: str = ""


class Tokens:
    """Gives access tokens for one mailbox. Use :meth:`access` as the secret of a login."""

    def __init__(self, settings: OAuth2Settings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._lock = asyncio.Lock()
        self._token = ""
        self._good_until = 0.0
        self._box = Fernet(base64.urlsafe_b64encode(context.secret("oauth2")))

    async def access(self) -> str:
        """Give a token that is good for some minutes. Raises BadCredentials, NotReachable."""
        async with self._lock:
            if self._context.now() / 1_000 + SPARE > self._good_until:
                await self._renew()
            return self._token

    def forget(self) -> None:
        """Fetch a new token next time: the server did not like this one."""
        self._good_until = 0.0

    async def _renew(self) -> None:
        answer = await self._ask(await self._form())
        try:
            life = float(answer.expires_in)
        except ValueError:
            life = UNKNOWN_LIFE
        self._token = answer.access_token
        self._good_until = self._context.now() / 1_000 + life
        if answer.refresh_token:
            await self._keep(answer.refresh_token)

    async def _form(self) -> dict[str, str]:
        settings, refresh = self._settings, await self._refresh_token()
        grant = {"grant_type": "refresh_token", "refresh_token": refresh} if refresh else {"grant_type": CLIENT}
        secret = {"client_secret": settings.client_secret.reveal()} if settings.client_secret else {}
        scope = {"scope": " ".join(settings.scopes)} if settings.scopes else {}
        return {"client_id": settings.client_id, **grant, **secret, **scope}

    async def _ask(self, form: Mapping[str, str]) -> _Answer:
        request = self._context.http.post(
            self._settings.token_url, data=dict(form), timeout=TIMEOUT, allow_redirects=False
        )
        try:
            async with request as response:
                body = b""
                while len(body) < MAX_ANSWER and (piece := await response.content.readany()):
                    body += piece
                return self._judge(response.status, body)
        except (aiohttp.ClientError, TimeoutError) as exc:
            reason = f"the token endpoint does not answer ({type(exc).__name__}): is `oauth2.token_url` right?"
            raise NotReachable("no_token", reason) from exc

    def _judge(self, status: int, body: bytes) -> _Answer:
        if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise NotReachable("no_token", f"the token endpoint answers with status {status}")
        try:
            answer = msgspec.json.decode(body, type=_Answer)
        except (msgspec.MsgspecError, UnicodeError):
            answer = _Answer(error=f"status {status}")
        if status != HTTPStatus.OK or not answer.access_token:
            self._refuse(answer)
        return answer

    def _refuse(self, answer: _Answer) -> NoReturn:
        """Say what the provider says; its first line is for people, what follows are ids of its own."""
        what = answer.error_description.partition("\n")[0].strip()[:200] or answer.error
        raise BadCredentials(
            "token_refused",
            f"the provider gives no token ({answer.error or 'no reason'}): {what}. Give the consent anew and put the "
            "new refresh token under `oauth2.refresh_token`, or check `client_id` and `client_secret`",
        )

    async def _refresh_token(self) -> str:
        """Give the newest refresh token; none: the application logs in by itself."""
        configured = self._settings.refresh_token
        if configured is None:
            return ""
        kept = await self._context.memory.load(self._key(configured.reveal()))
        try:
            return self._box.decrypt(kept).decode() if kept else configured.reveal()
        except InvalidToken:  # the workspace has another secret than when it was kept
            return configured.reveal()

    async def _keep(self, token: str) -> None:
        configured = self._settings.refresh_token
        if configured is not None and token != await self._refresh_token():
            await self._context.memory.save(self._key(configured.reveal()), self._box.encrypt(token.encode()))

    @staticmethod
    def _key(configured: str) -> str:
        return f"{KEPT}.{hashlib.sha256(configured.encode()).hexdigest()[:16]}"


CLIENT = "client_credentials"
