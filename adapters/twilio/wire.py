"""What Twilio posts to us: parameters of a form, of which it adds new ones without notice."""

import re
from collections.abc import Callable

import msgspec
from msgspec import Struct
from multidict import MultiDict, MultiMapping
from yarl import query_to_pairs

MOST_PARAMETERS = 1_000
MOST_MEDIA = 10
"""Twilio's own limit of files in one message."""

_SID = re.compile(r"[A-Za-z0-9]{2,64}")
_OUTBOUND = re.compile(r"[A-Za-z0-9_.-]{1,70}(~[0-9]{1,4})?")
LONGEST_FIELD = 60_000

ATTRIBUTES: dict[str, str] = {
    "To": "to",
    "MessageType": "message_type",
    "ExternalUserIdentifier": "whatsapp_user_id",
    "ExternalUserId": "whatsapp_user_id",
    "Username": "whatsapp_username",
    "Forwarded": "forwarded",
    "FrequentlyForwarded": "frequently_forwarded",
    "OptOutType": "opt_out",
    "FromCountry": "country",
    "ReferralBody": "referral_body",
    "ReferralHeadline": "referral_headline",
    "ReferralSourceId": "referral_source_id",
    "ReferralSourceType": "referral_source_type",
    "ReferralSourceUrl": "referral_source_url",
    "ReferralCtwaClid": "referral_click_id",
}
"""Parameters that rules and operators may want to see, and what we call them."""

USER_IDS = ("ExternalUserIdentifier", "ExternalUserId")


class Unreadable(ValueError):
    """A request that Twilio signed, and that is no message or status that we know; says what is missing."""


class MediaRef(Struct, frozen=True):
    """A file at Twilio; ``type`` is what the sender claims that it is."""

    url: str
    type: str


class Incoming(Struct, frozen=True, kw_only=True):
    """A message of a customer, in Twilio's words. ``at`` is known for messages that were asked for, in ms."""

    sid: str
    sender: str
    own: str
    body: str = ""
    type: str = ""
    media: tuple[MediaRef, ...] = ()
    wa_id: str = ""
    user_id: str = ""
    name: str = ""
    chosen: str = ""
    chosen_label: str = ""
    latitude: str = ""
    longitude: str = ""
    label: str = ""
    place: str = ""
    reply_to: str | None = None
    attributes: dict[str, str] = {}
    at: int | None = None


class Status(Struct, frozen=True, kw_only=True):
    """News of a message of ours; ``outbound`` is our id of it, from the query."""

    outbound: str
    sid: str
    status: str
    code: str = ""


def read_form(body: bytes) -> MultiDict[str]:
    """Give the parameters of a form, blank ones too. Raises Unreadable."""
    try:
        text = body.decode("utf-8", "replace")
        return MultiDict(query_to_pairs(text, max_fields=MOST_PARAMETERS))
    except ValueError as exc:
        raise Unreadable(f"not a form: {exc}") from exc


def read_json(body: bytes) -> MultiDict[str]:
    """Give the parameters of a JSON object; what is no plain value is left out. Raises Unreadable."""
    try:
        found = msgspec.json.decode(body, type=dict[str, object])
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as exc:
        raise Unreadable(f"not a JSON object: {exc}") from exc
    return MultiDict({key: str(value) for key, value in found.items() if isinstance(value, str | int | float)})


def read_message(params: MultiMapping[str]) -> Incoming:
    """Give a message. Raises Unreadable."""
    get = _reader(params)
    sid = get("MessageSid") or get("SmsMessageSid") or get("SmsSid")
    if not _SID.fullmatch(sid):
        raise Unreadable("there is no MessageSid")
    if not (get("From") and get("To")):
        raise Unreadable("there is no From or no To")
    return Incoming(
        sid=sid,
        sender=get("From"),
        own=get("To"),
        body=get("Body"),
        type=get("MessageType"),
        media=_media(params),
        wa_id=get("WaId"),
        user_id=next(filter(None, map(get, USER_IDS)), ""),
        name=get("ProfileName"),
        chosen=get("ButtonPayload") or get("ListId") or get("ButtonText"),
        chosen_label=get("ButtonText") or get("ListTitle"),
        latitude=get("Latitude"),
        longitude=get("Longitude"),
        label=get("Label"),
        place=get("Address"),
        reply_to=get("OriginalRepliedMessageSid")[:255] or None,
        attributes={ours: found[:1_000] for theirs, ours in ATTRIBUTES.items() if (found := get(theirs))},
    )


def read_status(params: MultiMapping[str], outbound: str) -> Status:
    """Give a status of the message that we know as ``outbound``. Raises Unreadable."""
    get = _reader(params)
    if not _OUTBOUND.fullmatch(outbound):
        raise Unreadable("the URL names no message of ours: it must be the StatusCallback that was sent with it")
    status = get("MessageStatus") or get("SmsStatus")
    if not status:
        raise Unreadable("there is no MessageStatus")
    return Status(outbound=outbound, sid=get("MessageSid")[:64], status=status.lower(), code=get("ErrorCode")[:16])


def _reader(params: MultiMapping[str]) -> Callable[[str], str]:
    return lambda key: params.get(key, "")[:LONGEST_FIELD]


def _media(params: MultiMapping[str]) -> tuple[MediaRef, ...]:
    number = params.get("NumMedia", "")
    count = int(number) if number.isascii() and number.isdecimal() and len(number) < len("1000") else 0
    return tuple(
        MediaRef(params.get(f"MediaUrl{place}", ""), params.get(f"MediaContentType{place}", "")[:127].lower())
        for place in range(min(count, MOST_MEDIA))
    )
