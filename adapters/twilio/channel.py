"""The Twilio channel: takes signed webhooks in, creates messages, and hears what becomes of them."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web
from multidict import MultiDict

from adapters.contract import Adapter, Context, Finding, Sent, TemplateText
from adapters.errors import (
    ChannelError,
    EnvelopeRefused,
    NotAccepted,
    OutcomeUnknown,
    Refused,
    SendError,
    TryLater,
)
from adapters.locks import Locks
from adapters.pace import Pace, Rate
from adapters.twilio.calls import Calls
from adapters.twilio.catch_up import CatchUp, Taken
from adapters.twilio.checks import Checks
from adapters.twilio.client import Transport, make_client
from adapters.twilio.errors import ApiError, describe, to_send_error
from adapters.twilio.links import MediaLinks
from adapters.twilio.mapping import STATES, TYPE, Found, Missing, to_envelopes, to_receipt
from adapters.twilio.media import Fetcher, NotFetched, media_key
from adapters.twilio.numbers import to_address
from adapters.twilio.outgoing import SMS_CAN, WHATSAPP_CAN, Message, check_window, same, to_message
from adapters.twilio.settings import WHATSAPP, TwilioSettings
from adapters.twilio.signature import SETTINGS, SIGNATURE, BadSignature, Signatures
from adapters.twilio.statuses import SentNotes, Statuses
from adapters.twilio.typing_indicator import TypingIndicator
from adapters.twilio.wire import Incoming, MediaRef, Unreadable, read_form, read_json, read_message, read_status
from normalizer.address import AddressError
from normalizer.capabilities import Capabilities
from normalizer.outbound import Outbound, ReceiptState
from web.limits import RateLimiter

BUDGET = 13.0
"""Seconds for one webhook; Twilio waits for 15 in all."""

BODY_TIMEOUT = 5.0
EMPTY = "<Response/>"
"""TwiML that does nothing: whatever text stood in it would be sent to the customer."""

LOGGED_AT_ONCE, LOGGED_PER_SECOND = 10, 0.1
CLOCKS_DIFFER = 2_000
"""Milliseconds by which a message may seem to be older than the request for it: Twilio gives whole seconds."""

LATE = 10_000
"""Milliseconds by which a message may be younger than the end of the request for it; a later one is another's."""

MOST_LISTED = 50
KNOWN_USERS = 10_000


class Twilio(Adapter):
    """The channel. Webhooks are served on every node; one node at a time catches up and shows typing."""

    type = TYPE
    Settings = TwilioSettings
    capabilities = WHATSAPP_CAN
    single_reader = True
    settings: TwilioSettings

    def __init__(self, settings: TwilioSettings, context: Context) -> None:
        super().__init__(settings, context)
        self._base = f"{context.public_url.rstrip('/')}/channels/{context.channel}"
        self._signatures = Signatures([secret.reveal() for secret in (settings.auth_token, *settings.signing_secrets)])
        self._transport = Transport(settings, context.now)
        self._client = make_client(settings, self._transport)
        self._fetcher = Fetcher(settings, context.media, lambda: self._transport.session)
        self._links = MediaLinks(context)
        self._taken = Taken()
        self._notes = SentNotes(context)
        self._statuses = Statuses(settings, context, self._client, self._notes)
        self._calls = Calls(context)
        self._users: OrderedDict[str, None] = OrderedDict()
        self._addressing: Locks[str] = Locks()
        self._turns: Locks[str] = Locks()
        self._deleting: set[asyncio.Task[None]] = set()
        self._logged = RateLimiter(LOGGED_PER_SECOND, LOGGED_AT_ONCE, time.monotonic)
        can = WHATSAPP_CAN if settings.whatsapp else SMS_CAN
        self.capabilities = msgspec.structs.replace(can, typing=settings.typing and settings.whatsapp)
        self.pace = Pace(
            call_timeout=int(settings.timeout) + 2_000,
            first_pause=2_000,
            patience=int(settings.retry_for),
            channel=Rate(per_second=settings.per_second),
        )

    @classmethod
    def capabilities_at(cls, settings: TwilioSettings, address: str) -> Capabilities:
        """Tell WhatsApp from SMS: only the former has a window and templates."""
        del settings
        return WHATSAPP_CAN if address.startswith("whatsapp:") else SMS_CAN

    @classmethod
    def templates(cls, settings: TwilioSettings) -> Sequence[TemplateText]:
        """Give the declared templates."""
        return [
            TemplateText(name=name, language=found.language, text=found.text)
            for name, found in settings.templates.items()
        ]

    def secrets(self) -> Sequence[str]:
        """Name the auth token and whatever else signs."""
        key = [self.settings.api_key.secret] if self.settings.api_key else []
        return [secret.reveal() for secret in (self.settings.auth_token, *self.settings.signing_secrets, *key)]

    async def check(self) -> Sequence[Finding]:
        """Look at credentials, clock, numbers, webhooks, templates and our own public address."""
        webhook = f"{self._base}/messages"
        return await Checks(self.settings, self.context, self._client, self._transport, webhook).run()

    async def run(self) -> None:
        """Catch up with what was missed, and pass typing on."""
        async with asyncio.TaskGroup() as parts:
            if self.settings.catch_up > 0:
                catch_up = CatchUp(self.settings, self.context, self._client, self._taken, self._take, self._statuses)
                parts.create_task(catch_up.run())
            if self.capabilities.typing:
                parts.create_task(TypingIndicator(self.context, self._client).run())

    async def close(self) -> None:
        """Let deletions under way end, then close the HTTP client."""
        if self._deleting:
            await asyncio.wait(self._deleting, timeout=2)
        for task in self._deleting:
            task.cancel()
        await self._notes.close()
        await self._transport.close()

    # --- in ---

    def routes(self) -> Sequence[web.RouteDef]:
        """Give what Twilio calls: messages, statuses, our files; and the check's own probe."""
        return (
            web.post("/messages", self._messages),
            web.get("/messages", self._probe),
            web.post("/status", self._status),
            web.get("/media/{token}", self._links.serve),
        )

    async def _messages(self, request: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(BUDGET):
                params, body = await self._authentic(request, "messages")
                try:
                    await self._take(read_message(params), False)
                except (Unreadable, AddressError) as exc:
                    await self._bury("unreadable", body, str(exc))
        except EnvelopeRefused as exc:
            self.context.log.warning("twilio.refused", reason=exc.message)
        except (NotAccepted, NotFetched, TimeoutError) as exc:
            return self._not_stored(exc)
        return web.Response(text=EMPTY, content_type="text/xml")

    async def _status(self, request: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(BUDGET):
                params, body = await self._authentic(request, "status")
                try:
                    await self._hear(params, request.query.get("id", ""))
                except Unreadable as exc:
                    await self._bury("status_unreadable", body, str(exc))
        except EnvelopeRefused as exc:
            self.context.log.warning("twilio.refused", reason=exc.message)
        except (NotAccepted, TimeoutError) as exc:
            self._statuses.behind = True
            return self._not_stored(exc)
        return web.Response(text=EMPTY, content_type="text/xml")

    async def _probe(self, request: web.Request) -> web.Response:
        await self._authentic(request, "messages")
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def _authentic(self, request: web.Request, route: str) -> tuple[MultiDict[str], bytes]:
        """Read the parameters of a request that Twilio has signed; everybody else gets 403.

        Raises:
            TimeoutError: the body did not come in time.
        """
        async with asyncio.timeout(BODY_TIMEOUT):
            body = await request.read()
        query = request.raw_path.partition("?")[2]
        url = f"{self._base}/{route}" + (f"?{query}" if query else "")
        json = request.content_type == "application/json"
        try:
            params = read_json(body) if json else read_form(body)
            content = body.decode() if json else params
            self._signatures.verify(url, content, request.headers.get(SIGNATURE), request.headers.get(SETTINGS))
        except (BadSignature, Unreadable, UnicodeDecodeError) as exc:
            raise self._forbidden(exc) from exc
        return params, body

    def _forbidden(self, reason: Exception) -> web.HTTPForbidden:
        self.context.count("bad_signature")
        if not self._logged.take("bad_signature"):
            self.context.log.info("twilio.forged", reason=str(reason)[:200], public=self._base)
        return web.HTTPForbidden(text="this request was not signed by Twilio for this address")

    def _not_stored(self, reason: Exception) -> web.Response:
        """Refuse, so that Twilio calls the fallback; else catching up finds the message."""
        self.context.count("not_stored")
        self.context.log.warning("twilio.not_stored", reason=str(reason) or type(reason).__name__)
        return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE, text="not stored; call the fallback")

    async def _bury(self, reason: str, body: bytes, detail: str) -> None:
        self.context.log.warning("twilio.unreadable", reason=detail)
        await self.context.dead(reason, body, detail)

    async def _take(self, message: Incoming, hopeless: bool) -> None:  # noqa: FBT001  # one of two callers' ways
        """Take one message in: its files are fetched at once, and it is stored in the order of arrival.

        With ``hopeless`` it is taken in without the files that cannot be fetched now.

        Raises:
            AddressError: nobody can be addressed so.
            NotAccepted, NotFetched: not now.
            EnvelopeRefused: it stands with the dead letters.
        """
        async with self._addressing.of(message.sender):  # what comes next must not know sooner whose it is
            address = await self._address(message)
        turn = self._turns.of(address)
        fetching = [
            asyncio.ensure_future(self._fetch(ref, media_key(address, message.sid, place), hopeless=hopeless))
            for place, ref in enumerate(message.media)
        ]
        try:
            async with turn:
                await self._store(message, address, [await fetched for fetched in fetching])
        finally:
            for fetched in fetching:
                fetched.cancel()
            if fetching:
                await asyncio.gather(*fetching, return_exceptions=True)  # the first failure is on its way up already

    async def _fetch(self, ref: MediaRef, key: str, *, hopeless: bool) -> Found:
        try:
            return await self._fetcher.fetch(ref, key)
        except NotFetched as exc:
            if not hopeless:
                raise
            return Missing(f"a file that cannot be fetched from Twilio ({exc})")

    async def _store(self, message: Incoming, address: str, found: Sequence[Found]) -> None:
        context = self.context
        for envelope in to_envelopes(
            message, found, channel=context.channel, address=address, new_id=context.new_id, now=context.now()
        ):
            await context.accept(envelope)
        self._taken.add(message.sid)
        if self.settings.media.delete:
            self._delete_soon(message.media)

    async def _address(self, message: Incoming) -> str:
        """Give the customer's address; who has hidden the number since keeps the address that it gave us."""
        variants, channel = self.settings.variants, self.context.channel
        address = to_address(message.sender, message.wa_id, channel, variants)
        if address.startswith(f"{WHATSAPP}{channel}/"):
            known = await self.context.memory.load(f"user {address.partition('/')[2]}")
            return known.decode() if known else address
        if message.user_id and address.startswith(WHATSAPP) and message.user_id not in self._users:
            await self.context.memory.save(f"user {message.user_id}", address.encode())
            self._users[message.user_id] = None
            if len(self._users) > KNOWN_USERS:
                self._users.popitem(last=False)
        return address

    def _delete_soon(self, media: Sequence[MediaRef]) -> None:
        for ref in media:
            task = asyncio.create_task(self._delete(ref))
            self._deleting.add(task)
            task.add_done_callback(self._deleting.discard)

    async def _delete(self, ref: MediaRef) -> None:
        """Delete a file at Twilio. What cannot be deleted now stays there, and is counted."""
        parts = ref.url.split("/")
        try:
            await self._client.messages(parts[-3]).media(parts[-1]).delete_async()
        except (ApiError, SendError, IndexError) as exc:
            self.context.count("media_not_deleted")
            self.context.log.warning("twilio.media_not_deleted", reason=str(exc))

    async def _hear(self, params: MultiDict[str], outbound: str) -> None:
        status = read_status(params, outbound)
        receipt = to_receipt(status, now=self.context.now())
        if receipt is None:
            self.context.log.warning("twilio.unknown_status", status=status.status[:40])
            return
        if status.sid:
            self._calls.learn(outbound, status.sid)
        await self.context.report(receipt, stored=True)
        self.context.count(f"status_{receipt.state.value}")

    # --- out ---

    async def send(self, outbound: Outbound) -> Sent:
        """Create one message. It counts as sent when Twilio has taken it; delivery comes as a status."""
        check_window(outbound, self.settings, self.context.now())
        message = self._message(outbound)
        await self._calls.begin(outbound.id, message)
        try:
            created = await self._client.messages.create_async(
                **message.parameters, status_callback=f"{self._base}/status?id={outbound.id}"
            )
        except ApiError as exc:
            raise self._failed(outbound, to_send_error(exc)) from exc
        except TryLater as exc:
            raise self._failed(outbound, exc) from exc
        self._remember(created.sid or "", outbound.id)
        return Sent(native_id=created.sid or "")

    async def find(self, outbound: Outbound) -> Sent | None:
        """Look for a message of unknown outcome in Twilio's list.

        That it is not there proves nothing, since a request may still be under way: then it stays unknown until its
        status callback comes, which names it. So it does where one that is there may as well be another one of ours.

        Raises:
            Refused: it is there, and has failed.
            OutcomeUnknown: it is not there (yet), or nobody can tell which one it is.
            NotAccepted: what was sent at that time cannot be read now.
        """
        message = self._message(outbound)
        past = await self._calls.look(outbound.id, message)
        if past is not None and past.sid:
            return Sent(native_id=past.sid)
        if past is None or not past.alone:
            raise OutcomeUnknown("not_told", "Twilio's list would not tell this message from others")
        sender = {"from_": message.from_} if message.from_ else {}
        try:
            listed = await self._client.messages.list_async(to=message.to, **sender, limit=MOST_LISTED)
        except ApiError as exc:
            raise OutcomeUnknown("not_told", f"Twilio cannot tell now (status {exc.status})") from exc
        begun = past.at + round((self._transport.skew or 0.0) * 1_000)  # as Twilio's clock says now
        span = range(begun // 1_000 * 1_000 - CLOCKS_DIFFER, begun + self.pace.call_timeout + LATE)
        found = [one for one in listed if one.sid not in past.others and _may_be(one, message, span)]
        if len(found) != 1:
            raise OutcomeUnknown("not_found", "Twilio's list does not show whether the message was sent")
        self._remember(found[0].sid, outbound.id)
        if STATES.get(found[0].status) is ReceiptState.FAILED:
            code = str(found[0].error_code or found[0].status)
            raise Refused(code, describe(str(found[0].error_code or "")))
        return Sent(native_id=found[0].sid)

    def _message(self, outbound: Outbound) -> Message:
        return to_message(outbound, self.settings, link=self._links.make)

    def _failed(self, outbound: Outbound, error: ChannelError) -> ChannelError:
        """Note of what was certainly not sent that it was not; then nothing in Twilio's list is it."""
        if not isinstance(error, OutcomeUnknown):
            self._calls.drop(outbound.id)
        return error

    def _remember(self, sid: str, outbound: str) -> None:
        """Note whose a message of Twilio is: so that it is taken for no other, and for when its statuses are missed."""
        if sid:
            self._calls.learn(outbound, sid)
        if sid and self.settings.catch_up > 0:
            self._notes.add(sid, outbound)


def _may_be(listed: Any, message: Message, span: range) -> bool:  # noqa: ANN401 - the library has no types
    created: datetime = listed.date_created or datetime.fromtimestamp(0, UTC)
    return (
        str(listed.direction).startswith("outbound")
        and int(created.timestamp()) * 1_000 in span
        and same(
            message,
            to=listed.to,
            sender=listed.from_ or "",
            body=listed.body or "",
            files=(listed.num_media or "0") != "0",
        )
    )
