"""Twilio as far as messages go: its API, strict on what it takes, signed webhooks, status callbacks and files.

Besides the general control routes:

==============================  =======================================================================================
``POST /_control/connect``      ``{"webhook": "https://..."}``: where customers' messages go, as in the console
``POST /_control/write``        a customer writes: ``{"sender": "whatsapp:+48...", "to": ..., "body": ..., "media":
                                [{"type": "image/png", "data": "<base64>"}], "more": {"ButtonPayload": "yes"}}``
``POST /_control/status``       ``{"status": "read", "sid": "SM..."}``: news of a message, the last one without ``sid``
``POST /_control/outcome``      ``{"status": "undelivered", "code": 63024}``: what becomes of the next message
``GET  /_control/messages``     all messages, as the API gives them
==============================  =======================================================================================
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from urllib.parse import urlencode

import aiohttp
import msgspec
from aiohttp import web
from msgspec import Struct
from twilio.request_validator import HMAC_SHA1, RequestValidator
from yarl import URL

from adapters.testing.simulator import CONTROL, Said
from adapters.testing.twilio_api import (
    ACCOUNT,
    OWN,
    OWN_SMS,
    TEMPLATE,
    TEMPLATE_TEXT,
    TOKEN,
    File,
    Kept,
    News,
    TwilioApi,
    new_sid,
)
from adapters.testing.twilio_rules import WHATSAPP

CUSTOMER = "whatsapp:+48600100200"
CHANNEL = "whatsapp"
"""The channel's name in the settings that are shown."""

WAIT = 15.0
"""Seconds that Twilio waits for a webhook in all."""


class Write(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A customer writes; ``more`` are further parameters of the webhook."""

    sender: str = CUSTOMER
    to: str = OWN
    body: str = ""
    name: str = "Ola"
    media: Sequence[File] = ()
    more: dict[str, str] = {}


class Connect(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where webhooks go."""

    webhook: str


class TwilioSimulator(TwilioApi):
    """Twilio with its customers. ``answers`` are the statuses that our webhooks gave.

    ``reach`` maps the beginning of a public URL to where it really leads, in the place of DNS and proxy. ``repeated``
    and ``shuffled`` make status callbacks come twice and in the wrong order. ``json`` sends webhooks as JSON,
    ``algorithm`` signs them.
    """

    name = "twilio"

    def __init__(self) -> None:
        super().__init__()
        self.webhook = ""
        self.reach: dict[str, str] = {}
        self.answers: list[int] = []
        self.repeated = self.shuffled = self.json = False
        self.fallback = True
        self.algorithm = HMAC_SHA1
        self.token = TOKEN
        self._tasks: set[asyncio.Task[None]] = set()
        self.app.on_cleanup.append(self._end_tasks)

    def settings(self, url: str) -> str:
        """Give the YAML of a channel that talks to this simulator."""
        return "\n".join(
            [
                f"{CHANNEL}:",
                "  type: twilio",
                f"  account_sid: {ACCOUNT}",
                f"  auth_token: {TOKEN}",
                f'  from: ["{OWN}", "{OWN_SMS}"]',
                f"  api: {url}",
                "  media_hosts: [localhost]",
                "  templates:",
                f'    order_ready: {{content_sid: {TEMPLATE}, language: en, text: "{TEMPLATE_TEXT}"}}',
            ]
        )

    def routes(self) -> Sequence[web.RouteDef]:
        """Give the API and the control routes."""
        return [
            *super().routes(),
            web.post(f"{CONTROL}/connect", self._connect),
            web.post(f"{CONTROL}/write", self._let_write),
            web.post(f"{CONTROL}/status", self._let_change),
            web.post(f"{CONTROL}/outcome", self._order_outcome),
            web.get(f"{CONTROL}/messages", self._show_messages),
        ]

    # --- customers ---

    async def say(self, said: Said) -> None:
        """Let a customer write; ``sender`` is Twilio's word for them. Raises ValueError where nobody takes it."""
        await self.write(Write(sender=said.sender or CUSTOMER, body=said.text, name=said.name))
        if self.answers[-1] != HTTPStatus.OK:
            raise ValueError(f"{self._target} answered with status {self.answers[-1]}")

    async def write(self, said: Write) -> str:
        """Let a customer write, wait until the webhook has answered, and give the message's SID."""
        kept = self.receive(said)
        await self.deliver(kept.sid, name=said.name, more=said.more)
        return kept.sid

    def receive(self, said: Write) -> Kept:
        """Take a customer's message in without telling anybody, as when the webhook cannot be reached."""
        files = {new_sid("ME"): file for file in said.media}
        kept = Kept(
            sid=new_sid("MM" if files else "SM"),
            direction="inbound",
            sender=said.sender,
            to=said.to,
            body=said.body,
            at=self.now(),
            status="received",
            files=files,
        )
        self.messages[kept.sid] = kept
        return kept

    async def deliver(self, sid: str, *, name: str = "Ola", more: Mapping[str, str] | None = None) -> int:
        """Call the webhook with a message, and once more (the fallback) when it fails; gives the last status."""
        params = self._parameters(self.messages[sid], name) | dict(more or {})
        status = await self.call(self._target, params)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR and self.fallback:
            status = await self.call(self._target, params | {"ErrorCode": "11200", "ErrorUrl": self._target})
        return status

    @property
    def _target(self) -> str:
        return self.webhook or f"{self.trunkline}/channels/{CHANNEL}/messages"

    async def call(self, url: str, params: Mapping[str, str]) -> int:
        """Call a webhook, signed; gives the status, 599 when there was no answer."""
        body, headers = urlencode(params).encode(), {"Content-Type": "application/x-www-form-urlencoded"}
        signed: Mapping[str, str] = params
        if self.json:
            body, headers, signed = msgspec.json.encode(params), {"Content-Type": "application/json"}, {}
            url += ("&" if "?" in url else "?") + f"bodySHA256={hashlib.sha256(body).hexdigest()}"
        headers["X-Twilio-Signature"] = RequestValidator(self.token).compute_signature(url, signed, self.algorithm)
        if self.algorithm != HMAC_SHA1:
            headers["X-Twilio-Webhooks-Signature-Settings"] = f"key=webhooks_sharedkey_1,algorithm={self.algorithm}"
        status = await self._post(url, body, headers)
        self.answers.append(status)
        return status

    async def change(self, news: News) -> None:
        """Change the status of a message (the last one sent, without ``sid``) and tell its callback."""
        kept = self.messages[news.sid] if news.sid else self.sent[-1]
        kept.status, kept.code, kept.updated = news.status, news.code, self.now()
        if kept.callback:
            await self.call(kept.callback, self._status(kept, news))

    @property
    def sent(self) -> list[Kept]:
        """Our own messages, in order."""
        return [kept for kept in self.messages.values() if kept.direction != "inbound"]

    async def settle(self) -> None:
        """Wait until all status callbacks that are under way have been made."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _parameters(self, kept: Kept, name: str) -> dict[str, str]:
        params = {
            "MessageSid": kept.sid,
            "SmsMessageSid": kept.sid,
            "SmsSid": kept.sid,
            "AccountSid": ACCOUNT,
            "From": kept.sender,
            "To": kept.to,
            "Body": kept.body,
            "NumSegments": "1",
            "NumMedia": str(len(kept.files)),
            "SmsStatus": "received",
            "ApiVersion": "2010-04-01",
            "ReferralNumMedia": "0",
        }
        for place, (media, file) in enumerate(kept.files.items()):
            params[f"MediaUrl{place}"] = f"{self.url}/2010-04-01/Accounts/{ACCOUNT}/Messages/{kept.sid}/Media/{media}"
            params[f"MediaContentType{place}"] = file.type
        if kept.sender.startswith(WHATSAPP):
            number = kept.sender.removeprefix(f"{WHATSAPP}+")
            params |= {"ProfileName": name, "MessageType": _message_type(kept)}
            params |= {"WaId": number} if number.isdecimal() else {}
        return params

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        timeout = aiohttp.ClientTimeout(total=WAIT)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(URL(self._place(url), encoded=True), data=body, headers=headers) as answer,
            ):
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, TimeoutError):
            return 599

    def _place(self, url: str) -> str:
        for public, real in self.reach.items():
            if url.startswith(public):
                return real + url.removeprefix(public)
        return url

    def start_status(self, kept: Kept, news: Sequence[News]) -> None:
        """Begin to tell what becomes of a message."""
        task = asyncio.create_task(self._follow(kept, news))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _follow(self, kept: Kept, news: Sequence[News]) -> None:
        """Tell what becomes of a message, as ``repeated`` and ``shuffled`` say."""
        order = [one for one in news for _ in range(2 if self.repeated else 1)]
        if order:
            kept.status, kept.code, kept.updated = order[-1].status, order[-1].code, self.now()
        for one in reversed(order) if self.shuffled else order:
            if kept.callback:
                await self.call(kept.callback, self._status(kept, one))

    async def load(self, link: str) -> tuple[str, int]:
        """Fetch a file as Twilio does, asking for its type first."""
        try:
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=WAIT)) as session:
                place = URL(self._place(link), encoded=True)
                async with session.head(place) as head, session.get(place) as answer:
                    good = head.status == answer.status == HTTPStatus.OK and head.content_type == answer.content_type
                    return (answer.content_type if good else "", len(await answer.read()))
        except (aiohttp.ClientError, TimeoutError):
            return "", 0

    @staticmethod
    def _status(kept: Kept, news: News) -> dict[str, str]:
        params = {
            "AccountSid": ACCOUNT,
            "ApiVersion": "2010-04-01",
            "From": kept.sender,
            "To": kept.to,
            "MessageSid": kept.sid,
            "SmsSid": kept.sid,
            "MessageStatus": news.status,
            "SmsStatus": news.status,
        }
        return params | ({"ErrorCode": str(news.code)} if news.code else {})

    # --- control ---

    async def _connect(self, request: web.Request) -> web.Response:
        self.webhook = msgspec.json.decode(await request.read(), type=Connect).webhook
        self.senders = dict.fromkeys(self.senders, self.webhook)
        return web.json_response({"ok": True})

    async def _let_write(self, request: web.Request) -> web.Response:
        sid = await self.write(msgspec.json.decode(await request.read(), type=Write))
        return web.json_response({"ok": True, "sid": sid, "status": self.answers[-1]})

    async def _let_change(self, request: web.Request) -> web.Response:
        await self.change(msgspec.json.decode(await request.read(), type=News))
        return web.json_response({"ok": True})

    async def _order_outcome(self, request: web.Request) -> web.Response:
        self.outcomes.append((msgspec.json.decode(await request.read(), type=News),))
        return web.json_response({"ok": True})

    async def _show_messages(self, _request: web.Request) -> web.Response:
        return web.json_response([self.view(kept) for kept in self.messages.values()])

    async def _end_tasks(self, _app: web.Application) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _message_type(kept: Kept) -> str:
    file = next(iter(kept.files.values()), None)
    family = file.type.partition("/")[0] if file else "text"
    return "document" if family == "application" else family
