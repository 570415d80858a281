"""Looks whether a channel can work: credentials, clocks, numbers, webhooks, templates, and our own public address."""

from collections.abc import AsyncIterator, Awaitable
from http import HTTPStatus
from typing import Any, TypeVar

import aiohttp
from twilio.base.exceptions import TwilioException
from twilio.request_validator import RequestValidator
from twilio.rest import Client
from yarl import URL

from adapters.contract import Context, Finding
from adapters.errors import BadCredentials, BadSettings, NotReachable, SendError
from adapters.twilio.client import Transport, is_local
from adapters.twilio.errors import ApiError
from adapters.twilio.pool import read_pool
from adapters.twilio.settings import API, WHATSAPP, TemplateSettings, TwilioSettings
from adapters.twilio.signature import SIGNATURE

SANDBOX = "whatsapp:+14155238886"
MOST_SKEW = 60.0
MOST_SENDERS = 200
PROBE_TIMEOUT = 10.0
ONLINE = ("ONLINE", "ONLINE:UPDATING")

T = TypeVar("T")


class Checks:
    """One look at everything; changes nothing."""

    def __init__(
        self, settings: TwilioSettings, context: Context, client: Client, transport: Transport, webhook: str
    ) -> None:
        self._settings = settings
        self._context = context
        self._client = client
        self._transport = transport
        self._webhook = webhook

    async def run(self) -> list[Finding]:
        """Give all findings. Raises BadCredentials, BadSettings, NotReachable."""
        await self._ask(self._client.messages.list_async(limit=1))
        findings = [Finding(what="Twilio accepts the credentials", ok=True), self._clock(), self._public()]
        findings += [finding async for finding in self._numbers()]
        findings += [finding async for finding in self._service()]
        findings += [await self._template(name, found) for name, found in self._settings.templates.items()]
        return [*findings, await self._round_trip()]

    async def _ask(self, call: Awaitable[T]) -> T:
        """Await an answer that must come. Raises StartError."""
        try:
            return await call
        except ApiError as exc:
            if exc.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
                remedy = "correct `account_sid` and `auth_token` (or `api_key`): see the first page of Twilio's console"
                raise BadCredentials(
                    str(exc.code or exc.status), f"Twilio does not know the account or its key: {remedy}"
                ) from exc
            raise NotReachable("twilio_failed", f"Twilio cannot be asked now (status {exc.status})") from exc
        except SendError as exc:
            raise NotReachable(exc.code, f"Twilio cannot be asked now: {exc.message}") from exc
        except TwilioException as exc:
            raise NotReachable("unreadable_answer", "Twilio's answer cannot be read") from exc

    async def _seek(self, call: Awaitable[T]) -> T | None:
        """Await an answer; None where there is no such thing, or the key may not see it. Raises StartError."""
        try:
            return await call
        except ApiError as exc:
            if exc.status in (HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN, HTTPStatus.UNAUTHORIZED):
                return None
            raise NotReachable("twilio_failed", f"Twilio cannot be asked now (status {exc.status})") from exc
        except SendError as exc:
            raise NotReachable(exc.code, f"Twilio cannot be asked now: {exc.message}") from exc
        except TwilioException as exc:
            raise NotReachable("unreadable_answer", "Twilio's answer cannot be read") from exc

    def _clock(self) -> Finding:
        skew = self._transport.skew or 0.0
        return Finding(
            what=f"the clock is {abs(skew):.0f} s from Twilio's",
            ok=abs(skew) <= MOST_SKEW,
            remedy="" if abs(skew) <= MOST_SKEW else "set this machine's clock (NTP): the 24-hour window depends on it",
        )

    def _public(self) -> Finding:
        url = URL(self._context.public_url)
        fine = url.scheme == "https" and not is_local(url.host or "")
        fine = fine or self._settings.api != API
        remedy = "" if fine else "set http.public_url to the https:// address at which the internet reaches Trunkline"
        return Finding(what=f"the public address is {self._context.public_url}", ok=fine, remedy=remedy)

    # --- numbers ---

    async def _numbers(self) -> AsyncIterator[Finding]:
        senders: dict[str, Any] | None = None
        for number in self._settings.own:
            if not number.startswith(WHATSAPP):
                yield await self._sms(number)
                continue
            if senders is None:
                senders = await self._senders()
            yield self._whatsapp(number, senders.get(number))

    async def _sms(self, number: str) -> Finding:
        found = await self._seek(self._client.incoming_phone_numbers.list_async(phone_number=number, limit=1))
        if not found:
            remedy = "" if not number.startswith("+") else "buy it in Twilio's console, or correct `from`"
            return Finding(what=f"{number} is not among the account's numbers", ok=not remedy, remedy=remedy)
        if not (found[0].capabilities or {}).get("sms"):
            return Finding(what=f"{number} cannot send SMS", ok=False, remedy="choose a number with SMS in the console")
        if self._settings.messaging_service_sid:
            return Finding(what=f"{number} exists and can send SMS", ok=True)
        return self._pointing(number, found[0].sms_url, found[0].sms_fallback_url)

    async def _senders(self) -> dict[str, Any]:
        found = await self._seek(
            self._client.messaging.v2.channels_senders.list_async(channel="whatsapp", limit=MOST_SENDERS)
        )
        return {sender.sender_id: sender for sender in found or ()}

    def _whatsapp(self, number: str, sender: Any) -> Finding:  # noqa: ANN401 - the library ships no type information
        if number == SANDBOX:
            return Finding(
                what=f"{number} is the sandbox: its webhook stands in the console's sandbox settings", ok=True
            )
        if sender is None:
            return Finding(
                what=f"{number} is not among the account's WhatsApp senders",
                ok=False,
                remedy="register it in the console under Messaging, Senders, WhatsApp, or correct `from`",
            )
        if sender.status not in ONLINE:
            return Finding(
                what=f"{number} is {sender.status}",
                ok=False,
                remedy="look at the sender in the console: it must be online",
            )
        hook: dict[str, str] = sender.webhook or {}
        return self._pointing(number, hook.get("callback_url"), hook.get("fallback_url"))

    async def _service(self) -> AsyncIterator[Finding]:
        sid = self._settings.messaging_service_sid
        if not sid:
            return
        found = await self._seek(self._client.messaging.v1.services(sid).fetch_async())
        if found is None:
            raise BadSettings(
                "no_service",
                f"there is no Messaging Service {sid} in this account",
                key="messaging_service_sid",
            )
        if found.use_inbound_webhook_on_number:
            yield Finding(what="the Messaging Service leaves webhooks to its numbers", ok=True)
        else:
            yield self._pointing("the Messaging Service", found.inbound_request_url, found.fallback_url)
        if not self._settings.own:
            yield self._senders_of(await self._ask(read_pool(self._client, sid)))

    def _senders_of(self, pool: frozenset[str]) -> Finding:
        """Say whether messages that no webhook brought will be known as ours: see :mod:`adapters.twilio.pool`."""
        if pool:
            return Finding(what=f"the Messaging Service has {len(pool)} senders", ok=True)
        return Finding(
            what="the Messaging Service shows no sender: messages whose webhook fails may not be found",
            ok=False,
            remedy="name the numbers in `from`, or let the `api_key` read the service's senders, and give it some",
        )

    def _pointing(self, what: str, url: str | None, fallback: str | None) -> Finding:
        """Say whether a webhook leads to us; a fragment (``#rc=2``) is for Twilio alone."""
        if (url or "").partition("#")[0] != self._webhook:
            remedy = f"in the console, let incoming messages go to {self._webhook} (HTTP POST)"
            return Finding(what=f"{what} calls {url or 'no webhook'}", ok=False, remedy=remedy)
        if (fallback or "").partition("#")[0] != self._webhook:
            remedy = f"set the fallback to {self._webhook} too: it is Twilio's only second try"
            return Finding(what=f"{what} has no fallback that leads to us", ok=False, remedy=remedy)
        return Finding(what=f"{what} calls us, and again when that fails", ok=True)

    # --- templates and the way back ---

    async def _template(self, name: str, template: TemplateSettings) -> Finding:
        found = await self._seek(self._client.content.v1.contents(template.content_sid).fetch_async())
        if found is None:
            remedy = f"correct templates.{name}.content_sid: it is shown in the Content Template Builder"
            return Finding(what=f"the template {name} is not in the account", ok=False, remedy=remedy)
        theirs, ours = set(found.variables or {}), set(template.placeholders)
        if theirs != ours:
            remedy = f"write the approved text into templates.{name}.text, with the same variables"
            what = f"the template {name} has the variables {sorted(theirs)} at Twilio, {sorted(ours)} here"
            return Finding(what=what, ok=False, remedy=remedy)
        if (found.language or "").replace("_", "-").lower() != template.language.replace("_", "-").lower():
            return Finding(
                what=f"the template {name} is in {found.language} at Twilio, in {template.language} here",
                ok=False,
                remedy=f"correct templates.{name}.language",
            )
        return Finding(what=f"the template {name} exists", ok=True)

    async def _round_trip(self) -> Finding:
        """Sign a request as Twilio does and send it to our own public address."""
        if self._settings.api != API and not is_local(URL(self._webhook).host or ""):
            return Finding(what="the public address is not tried with a simulator that is not Twilio", ok=True)
        url = f"{self._webhook}?probe={self._context.new_id()}"
        signed = RequestValidator(self._settings.auth_token.reveal()).compute_signature(url, {})
        timeout = aiohttp.ClientTimeout(total=PROBE_TIMEOUT)
        try:
            async with self._context.http.get(
                URL(url, encoded=True), headers={SIGNATURE: signed}, timeout=timeout, allow_redirects=False
            ) as answer:
                return self._judge(answer.status)
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            what = f"{self._webhook} could not be tried from here ({type(exc).__name__}); Twilio has to reach it"
            return Finding(what=what, ok=True)

    def _judge(self, status: int) -> Finding:
        if status == HTTPStatus.NO_CONTENT:
            return Finding(what="a signed request reaches us through the public address", ok=True)
        if status == HTTPStatus.FORBIDDEN:
            remedy = "http.public_url must be exactly what Twilio calls; a proxy must not change path or query"
            return Finding(what="a signed request is refused at the public address", ok=False, remedy=remedy)
        remedy = f"let the proxy pass {self._webhook} on to Trunkline"
        return Finding(what=f"the public address answers with status {status}", ok=False, remedy=remedy)
