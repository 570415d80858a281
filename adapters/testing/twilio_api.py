"""Twilio's API as far as messages go: strict on what it takes, with a memory. Status callbacks are somebody else's.

Other than at Twilio our files are fetched before a request is answered, so that a test need not wait for them.
"""

import secrets
from collections import deque
from collections.abc import Callable, Sequence
from email.utils import formatdate
from typing import Any

import aiohttp
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from msgspec import Struct
from multidict import MultiDict
from yarl import URL

from adapters.testing.peer import Shown
from adapters.testing.simulator import Simulator
from adapters.testing.steps import Fault
from adapters.testing.twilio_rules import (
    FILE_LIMIT,
    IMAGE_LIMIT,
    LONGEST_TEMPLATE,
    WHATSAPP,
    WINDOW,
    Refusal,
    check,
    filled,
    shown_text,
)

ACCOUNT = "AC" + "a1" * 16
TOKEN = "0123456789abcdef" * 2
OWN = "whatsapp:+14155550199"
OWN_SMS = "+14155550100"
TEMPLATE = "HX" + "c3" * 16
TEMPLATE_TEXT = "Hello {{1}}, your order {{2}} is ready."
PAGE = 50

_POOLS: dict[str, tuple[str, str, Callable[[str], bool]]] = {
    "PhoneNumbers": ("phone_numbers", "phone_number", lambda number: number.startswith("+")),
    "ShortCodes": ("short_codes", "short_code", str.isdecimal),
    "ChannelSenders": ("senders", "sender", lambda number: number.startswith(WHATSAPP)),
}
"""What each list of a service's senders is called, which field names the sender, and who is in it."""


class File(Struct, frozen=True, kw_only=True):
    """A file that a customer sends."""

    type: str
    data: bytes


class News(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A status of a message, with Twilio's error code where it failed."""

    status: str
    code: int = 0
    sid: str = ""


class Kept(Struct, kw_only=True):
    """A message at Twilio. ``at`` is in ms since the epoch."""

    sid: str
    direction: str
    sender: str
    to: str
    body: str
    at: int
    status: str
    callback: str = ""
    links: Sequence[str] = ()
    files: dict[str, File] = {}
    code: int = 0
    updated: int = 0
    service: str = ""


class TwilioApi(Simulator):
    """The API. ``senders`` are our numbers and the webhook of each, ``templates`` the approved texts by Content SID.

    ``services`` are Messaging Services and their numbers.

    ``course`` is what becomes of a message, ``outcomes`` what becomes of the next ones; ``typed`` are the messages at
    which an operator was seen typing.
    """

    sending = r"^POST /2010-04-01/Accounts/[^/]+/Messages\.json"

    def __init__(self) -> None:
        super().__init__()
        self.senders: dict[str, str] = {OWN: "", OWN_SMS: ""}
        self.services: dict[str, Sequence[str]] = {}
        self.templates = {TEMPLATE: TEMPLATE_TEXT}
        self.messages: dict[str, Kept] = {}
        self.course: Sequence[News] = (News(status="sent"), News(status="delivered"))
        self.outcomes: deque[Sequence[News]] = deque()
        self.typed: list[str] = []

    def routes(self) -> Sequence[web.RouteDef]:
        """Give the API, and the place where files lie."""
        account = "/2010-04-01/Accounts/{account}"
        return [
            web.post(f"{account}/Messages.json", self._guard(self._create)),
            web.get(f"{account}/Messages.json", self._guard(self._list)),
            web.get(f"{account}/Messages/{{sid}}.json", self._guard(self._fetch)),
            web.get(f"{account}/Messages/{{sid}}/Media.json", self._guard(self._list_media)),
            web.get(f"{account}/Messages/{{sid}}/Media/{{media}}", self._guard(self._redirect_media)),
            web.delete(f"{account}/Messages/{{sid}}/Media/{{media}}", self._guard(self._delete_media)),
            web.get(f"{account}/IncomingPhoneNumbers.json", self._guard(self._numbers)),
            web.get("/v1/Services/{sid}", self._guard(self._service)),
            web.get("/v1/Services/{sid}/{kind:PhoneNumbers|ShortCodes|ChannelSenders}", self._guard(self._pool)),
            web.get("/v2/Channels/Senders", self._guard(self._senders)),
            web.get("/v1/Content/{sid}", self._guard(self._template)),
            web.post("/v2/Indicators/Typing.json", self._guard(self._typing)),
            web.get("/_cdn/{sid}/{media}", self._serve_media),
        ]

    async def _meet(self, fault: Fault, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Date every answer by this simulator's clock, as Twilio does by its own."""
        answer = await super()._meet(fault, request, handler)
        answer.headers.setdefault(hdrs.DATE, formatdate(self.now() / 1_000, usegmt=True))
        return answer

    def start_status(self, kept: Kept, news: Sequence[News]) -> None:
        """Begin to tell what becomes of a message."""
        raise NotImplementedError

    async def load(self, link: str) -> tuple[str, int]:
        """Fetch a file of ours: its type as our server says it, empty where something is wrong, and its size."""
        raise NotImplementedError

    def _guard(self, handler: Handler) -> Handler:
        """Let in who has the credentials, and answer a refusal as Twilio does."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                self._enter(request)
                return await handler(request)
            except Refusal as refusal:
                return _refused(refusal)

        return guarded

    def _enter(self, request: web.Request) -> None:
        """Check who asks. Raises Refusal."""
        wanted = aiohttp.encode_basic_auth(ACCOUNT, TOKEN)
        if request.headers.get(hdrs.AUTHORIZATION) != wanted:
            raise Refusal(20003, "Authentication Error - invalid username", 401)
        if request.match_info.get("account", ACCOUNT) != ACCOUNT:
            raise Refusal(20404, f"The requested resource {request.path} was not found", 404)

    async def _create(self, request: web.Request) -> web.Response:
        form = MultiDict((key, str(value)) for key, value in (await request.post()).items())
        check(form, self.senders, self.templates)
        kept = self._keep(form)
        news = self.outcomes.popleft() if self.outcomes else self.course
        if fault := self._late_fault(form):
            news = (News(status="failed", code=fault),)
        files = [await self.load(link) for link in kept.links]
        if not all(_carried(*file) for file in files):
            news = (News(status="failed", code=63019),)
        self._show(kept, news, files)
        self.start_status(kept, news)
        return web.json_response(self.view(kept), status=201)

    def _keep(self, form: MultiDict[str]) -> Kept:
        kept = Kept(
            sid=new_sid("MM" if "MediaUrl" in form else "SM"),
            direction="outbound-api",
            sender=form.get("From", next(iter(self.senders))),
            to=form["To"],
            body=filled(form, self.templates),
            at=self.now(),
            status="accepted" if "MessagingServiceSid" in form else "queued",
            callback=form.get("StatusCallback", ""),
            links=form.getall("MediaUrl", ()),
        )
        self.messages[kept.sid] = kept
        return kept

    def _late_fault(self, form: MultiDict[str]) -> int:
        """Give the code with which a message fails after it was taken; 0 for none."""
        if "ContentSid" in form:
            return 63021 if len(filled(form, self.templates)) > LONGEST_TEMPLATE else 0
        if not form["To"].startswith(WHATSAPP):
            return 0
        heard = [
            kept.at for kept in self.messages.values() if kept.direction == "inbound" and kept.sender == form["To"]
        ]
        return 63016 if heard and self.now() - max(heard) > WINDOW else 0

    def _show(self, kept: Kept, news: Sequence[News], files: Sequence[tuple[str, int]]) -> None:
        """Let the customer get a message, unless it fails."""
        if not any(one.status in ("failed", "undelivered") for one in news):
            text = shown_text(kept.to, kept.body, (type_ for type_, _ in files))
            self.shown.append(Shown(to=kept.to, text=text, files=files))

    async def _list(self, request: web.Request) -> web.Response:
        query = request.query
        found = [
            kept
            for kept in reversed(self.messages.values())
            if query.get("To", kept.to) == kept.to and query.get("From", kept.sender) == kept.sender
        ]
        size, page = min(int(query.get("PageSize", PAGE)), 1_000), int(query.get("Page", 0))
        rest = len(found) > (page + 1) * size
        following = str(request.rel_url.update_query({"Page": str(page + 1)})) if rest else None
        views = [self.view(kept) for kept in found[page * size : (page + 1) * size]]
        return web.json_response({"messages": views, "page": page, "page_size": size, "next_page_uri": following})

    async def _fetch(self, request: web.Request) -> web.Response:
        return web.json_response(self.view(self._message(request)))

    async def _list_media(self, request: web.Request) -> web.Response:
        kept = self._message(request)
        base = f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{kept.sid}/Media"
        media = [
            {"sid": sid, "content_type": file.type, "uri": f"{base}/{sid}.json"} for sid, file in kept.files.items()
        ]
        return web.json_response({"media_list": media, "page": 0, "next_page_uri": None})

    def _message(self, request: web.Request) -> Kept:
        """Find the message of a path. Raises Refusal."""
        kept = self.messages.get(request.match_info["sid"])
        if kept is None:
            raise Refusal(20404, f"The requested resource {request.path} was not found", 404)
        return kept

    async def _redirect_media(self, request: web.Request) -> web.Response:
        """Redirect to another host, where the file lies."""
        place = URL(self.url).with_host("localhost") / "_cdn" / request.match_info["sid"] / request.match_info["media"]
        return web.Response(status=307, headers={hdrs.LOCATION: str(place)})

    async def _serve_media(self, request: web.Request) -> web.Response:
        """Serve a file; like S3, refuse a request with two kinds of authentication."""
        if hdrs.AUTHORIZATION in request.headers:
            return web.Response(status=400, text="Only one auth mechanism allowed")
        kept = self.messages.get(request.match_info["sid"])
        file = kept.files.get(request.match_info["media"]) if kept else None
        if file is None:
            return web.Response(status=404)
        return web.Response(body=file.data, content_type=file.type)

    async def _delete_media(self, request: web.Request) -> web.Response:
        found = self._message(request).files.pop(request.match_info["media"].removesuffix(".json"), None)
        return web.Response(status=204 if found else 404)

    async def _numbers(self, request: web.Request) -> web.Response:
        wanted = request.query.get("PhoneNumber", "")
        found = [
            {
                "sid": new_sid("PN"),
                "phone_number": number,
                "capabilities": {"sms": True, "mms": False, "voice": True},
                "sms_url": url,
                "sms_fallback_url": url,
            }
            for number, url in self.senders.items()
            if not number.startswith(WHATSAPP) and wanted in ("", number)
        ]
        return web.json_response({"incoming_phone_numbers": found, "page": 0, "next_page_uri": None})

    async def _senders(self, _request: web.Request) -> web.Response:
        found = [
            {
                "sid": new_sid("XE"),
                "sender_id": number,
                "status": "ONLINE",
                "webhook": {"callback_url": url, "fallback_url": url},
            }
            for number, url in self.senders.items()
            if number.startswith(WHATSAPP)
        ]
        return web.json_response({"meta": {"key": "senders", "page": 0, "next_page_url": None}, "senders": found})

    async def _service(self, request: web.Request) -> web.Response:
        numbers = self._numbers_of(request)
        url = self.senders.get(next(iter(numbers), ""), "")
        hooks = {"inbound_request_url": url, "fallback_url": url, "use_inbound_webhook_on_number": False}
        return web.json_response({"sid": request.match_info["sid"], **hooks})

    async def _pool(self, request: web.Request) -> web.Response:
        key, field, belongs = _POOLS[request.match_info["kind"]]
        found = [{"sid": new_sid("PN"), field: number} for number in self._numbers_of(request) if belongs(number)]
        return web.json_response({"meta": {"key": key, "page": 0, "next_page_url": None}, key: found})

    def _numbers_of(self, request: web.Request) -> Sequence[str]:
        """Give the senders of the service of a path. Raises Refusal."""
        numbers = self.services.get(request.match_info["sid"])
        if numbers is None:
            raise Refusal(20404, f"The requested resource {request.path} was not found", 404)
        return numbers

    async def _template(self, request: web.Request) -> web.Response:
        text = self.templates.get(request.match_info["sid"])
        if text is None:
            raise Refusal(20404, "The requested resource was not found", 404)
        variables = {name.partition("}}")[0]: "" for name in text.split("{{")[1:]}
        return web.json_response({"sid": request.match_info["sid"], "language": "en", "variables": variables})

    async def _typing(self, request: web.Request) -> web.Response:
        form = await request.post()
        kept = self.messages.get(str(form.get("messageId", "")))
        if form.get("channel") != "whatsapp" or kept is None or kept.direction != "inbound":
            raise Refusal(20001, "messageId must be a message of an existing WhatsApp conversation")
        self.typed.append(kept.sid)
        return web.json_response({"success": True}, status=201)

    def view(self, kept: Kept) -> dict[str, Any]:
        """Give a message as the API does."""
        at = _date(kept.at)
        return {
            "sid": kept.sid,
            "account_sid": ACCOUNT,
            "direction": kept.direction,
            "from": kept.sender,
            "to": kept.to,
            "body": kept.body,
            "status": kept.status,
            "num_media": str(len(kept.files) + len(kept.links)),
            "num_segments": "1",
            "date_created": at,
            "date_sent": at,
            "date_updated": _date(kept.updated or kept.at),
            "error_code": kept.code or None,
            "error_message": None,
            "messaging_service_sid": kept.service or None,
            "uri": f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{kept.sid}.json",
        }


def _refused(refusal: Refusal) -> web.Response:
    body = {
        "code": refusal.code,
        "message": refusal.message,
        "more_info": f"https://www.twilio.com/docs/errors/{refusal.code}",
        "status": refusal.status,
    }
    return web.json_response(body, status=refusal.status)


def _date(at: int) -> str:
    return formatdate(at / 1_000, localtime=False).replace("-0000", "+0000")


def _carried(media_type: str, size: int) -> bool:
    limit = IMAGE_LIMIT if media_type.startswith("image/") else FILE_LIMIT
    return media_type not in ("", "application/octet-stream") and size <= limit


def new_sid(prefix: str) -> str:
    """Give an id as Twilio makes them."""
    return prefix + secrets.token_hex(16)
