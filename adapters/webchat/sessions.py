"""Sessions of visitors: who comes gets a token, and the shop may say who it is (``/session``, ``/identify``)."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec
from aiohttp import hdrs, web

from adapters.webchat.gate import Gate, answer_with, per_minute, take
from adapters.webchat.hub import Hub
from adapters.webchat.identity import verify
from adapters.webchat.settings import WebChatSettings
from adapters.webchat.tickets import Session
from adapters.webchat.wire import Identity, Look, SessionGrant
from web.errors import Refusal, client_ip, decode_json
from web.limits import network_key

BODY_WITHIN: Final = 10.0
MAX_IDENTITY: Final = 8_192
FALLBACK: Final = "en"
_NO_WORDS: Final = msgspec.Raw(b"{}")
_IDENTITY: Final = msgspec.json.Decoder(Identity)


class Sessions:
    """The sessions of one channel. ``words`` are the chat's own, by language."""

    def __init__(
        self,
        gate: Gate,
        settings: WebChatSettings,
        hub: Hub,
        words: Mapping[str, msgspec.Raw],
        clock: Callable[[], float],
    ) -> None:
        self._gate = gate
        self._context = gate.context
        self._tickets = gate.tickets
        self._settings = settings
        self._hub = hub
        self._words = words
        self._look = msgspec.Raw(msgspec.json.encode(_look(settings)))
        allowed = settings.limits.sessions_per_minute
        self._limit = per_minute(allowed, allowed, clock)

    def routes(self) -> Sequence[web.RouteDef]:
        """Give the two addresses."""
        return [
            web.post("/session", self._gate.shared(self._grant_session)),
            web.options("/session", self._gate.preflight),
            web.post("/identify", self._gate.shared(self._take_identity)),
            web.options("/identify", self._gate.preflight),
        ]

    async def _grant_session(self, request: web.Request) -> web.StreamResponse:
        """Make a visitor known, or renew what is known of one who brings a token."""
        origin = self._gate.origins.require(request)
        take(self._limit, network_key(client_ip(request)))
        known = self._gate.session(request, origin) if hdrs.AUTHORIZATION in request.headers else None
        self._context.count("session_renewed" if known else "session_new")
        return self._grant(*self._tickets.admit(origin, known), request)

    async def _take_identity(self, request: web.Request) -> web.StreamResponse:
        """Take the shop's word for who a visitor is; a stranger in the middle of a conversation keeps it.

        That holds for one that begins with a message which is still being stored: its answer must find them.
        """
        origin = self._gate.origins.require(request)
        take(self._limit, network_key(client_ip(request)))
        known = self._gate.session(request, origin)
        settings = self._settings.identify
        if settings is None:
            raise Refusal(404, "identity_off", "this chat has no key to check identities with: set `identify`")
        body = decode_json(_IDENTITY, await _short_body(request, MAX_IDENTITY))
        user = verify(body.token, settings.secrets, origin=origin, life=settings.life, now=self._context.now())
        talking = await self._context.lines.conversation(known.address) is not None or self._hub.writes(known.address)
        self._context.count("identified")
        return self._grant(*self._tickets.identify(known, user, keep=talking), request)

    def _grant(self, token: str, session: Session, request: web.Request) -> web.Response:
        language = request.query.get("language", "")
        if language not in self._words:
            language = FALLBACK if language and FALLBACK in self._words else ""
        duty = self._hub.duty()
        grant = SessionGrant(
            token=token,
            visitor=session.visitor,
            expires_at=self._tickets.expires_at(session),
            renew_at=self._tickets.renew_at(session),
            preview=self._settings.preview,
            file_bytes=int(self._settings.files.max_size),
            file_types=tuple(self._settings.files.types),
            texts={language: msgspec.to_builtins(texts) for language, texts in self._settings.texts.items()},
            look=self._look,
            staffed=duty.staffed,
            opens_at=duty.opens_at,
            user=session.user.id if session.user else "",
            language=language,
            words=self._words.get(language, _NO_WORDS),
        )
        answer = answer_with(grant)
        answer.enable_compression()
        return answer


def _look(settings: WebChatSettings) -> Look:
    limits = settings.invitation_limits
    return Look(
        theme=settings.theme,
        variants=settings.variants,
        questions=settings.questions,
        offline_form=settings.offline_form,
        rating=settings.rating,
        invitations=settings.invitations,
        per_visit=limits.per_visit,
        per_week=limits.per_week,
        quiet=int(limits.quiet),
        identify=settings.identify is not None,
    )


async def _short_body(request: web.Request, limit: int) -> bytes:
    """Read a body of at most ``limit`` bytes, in however many pieces it comes."""
    body = b""
    try:
        async with asyncio.timeout(BODY_WITHIN):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > limit:
                    raise Refusal(413, "too_large", f"this may have at most {limit:,} bytes")
    except TimeoutError as exc:
        raise Refusal(408, "too_slow", f"the request must be here within {BODY_WITHIN:g} s") from exc
    return body
