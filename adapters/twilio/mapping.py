"""Twilio's words to ours. Pure: time, ids and the files that were fetched are arguments."""

import math
import re
from collections.abc import Callable, Sequence

import msgspec
from msgspec import Struct

from adapters.twilio.errors import describe
from adapters.twilio.wire import Incoming, Status
from normalizer.content import Choice, ContactCard, Content, Location, Media, Option, Text, Unsupported
from normalizer.envelope import Envelope, Sender
from normalizer.outbound import Receipt, ReceiptState
from normalizer.plain import clean_line, clean_text

TYPE = "twilio"
LOST = "/lost"
"""Behind the id of a message: the envelope that tells of its files which could not be had."""

LONGEST_ID = 64
MOST_CONTACTS = 20

STATES: dict[str, ReceiptState] = {
    "accepted": ReceiptState.SENT,
    "scheduled": ReceiptState.SENT,
    "queued": ReceiptState.SENT,
    "sending": ReceiptState.SENT,
    "sent": ReceiptState.SENT,
    "partially_delivered": ReceiptState.DELIVERED,
    "delivered": ReceiptState.DELIVERED,
    "read": ReceiptState.READ,
    "failed": ReceiptState.FAILED,
    "undelivered": ReceiptState.FAILED,
    "canceled": ReceiptState.FAILED,
}
"""``sent`` means that Twilio has taken the message over; whatever comes later only ever raises that."""


class Missing(Struct, frozen=True):
    """A file that could not be had; ``what`` says which, and why, for the operator."""

    what: str


Found = Media | ContactCard | Missing


class Trace(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an answer has to know: the customer and our number as Twilio names them, the last message and its time."""

    to: str
    own: str
    sid: str
    at: int


def to_envelopes(  # noqa: PLR0913  # all but two by name
    message: Incoming, found: Sequence[Found], *, channel: str, address: str, new_id: Callable[[], str], now: int
) -> list[Envelope]:
    """Give the envelope of a message, and a second one that tells of files which could not be had."""
    at = now if message.at is None else message.at
    trace = Trace(to=message.sender, own=message.own, sid=message.sid, at=at)
    lost = [file.what for file in found if isinstance(file, Missing)]
    content = _content(message, [file for file in found if not isinstance(file, Missing)])
    contents = [content] if content is not None or not lost else []
    whole = Envelope(
        id=new_id(),
        at=at,
        channel=channel,
        type=TYPE,
        native_id=message.sid,
        address=address,
        content=content or Unsupported(what=clean_line(message.type) or "empty message"),
        sender=Sender(name=clean_line(message.name)),
        reply_to=message.reply_to,
        attributes={key: clean_line(value, 1_000) for key, value in message.attributes.items()},
        channel_data=msgspec.Raw(msgspec.json.encode(trace)),
    )
    told = Unsupported(what=clean_line("; ".join(lost), 1_000))
    if not lost:
        return [whole]
    if not contents:
        return [msgspec.structs.replace(whole, content=told)]
    return [whole, msgspec.structs.replace(whole, id=new_id(), native_id=message.sid + LOST, content=told)]


def to_receipt(status: Status, *, now: int) -> Receipt | None:
    """Give the receipt of a status; None for a word that we do not know."""
    state = STATES.get(status.status)
    if state is None:
        return None
    failed = state is ReceiptState.FAILED
    return Receipt(
        outbound=status.outbound,
        state=state,
        at=now,
        native_id=status.sid,
        code=(status.code or status.status) if failed else "",
        error=describe(status.code) if failed else "",
    )


def read_trace(raw: msgspec.Raw) -> Trace | None:
    """Give what the last envelope left; None when there was none."""
    try:
        return msgspec.json.decode(raw, type=Trace)
    except msgspec.MsgspecError:
        return None


def read_card(text: str) -> ContactCard | None:
    """Give the contact of a vCard (RFC 6350) that holds exactly one."""
    lines = re.sub(r"\r?\n[ \t]", "", text).splitlines()
    if sum(line.strip().upper() == "BEGIN:VCARD" for line in lines) != 1:
        return None
    fields = [_field(line) for line in lines]

    def values(name: str) -> list[str]:
        cleaned = (clean_line(value, 1_000) for key, value in fields if key == name)
        return [value for value in cleaned if value][:MOST_CONTACTS]

    names = values("FN") or [" ".join(part for part in name.split(";") if part) for name in values("N")]
    phones, emails = tuple(values("TEL")), tuple(values("EMAIL"))
    return ContactCard(name=names[0] if names else "", phones=phones, emails=emails) if names or phones else None


def _field(line: str) -> tuple[str, str]:
    r"""Split ``item1.TEL;type=CELL:+48 22`` into ``TEL`` and its value, without the backslashes."""
    name, _, value = line.partition(":")
    key = name.partition(";")[0].rpartition(".")[2].strip().upper()
    return key, re.sub(r"\\([,;\\])", r"\1", value.removeprefix("tel:").strip())


def _content(message: Incoming, files: Sequence[Media | ContactCard]) -> Content | None:
    body = clean_text(message.body)
    if message.chosen:
        return _choice(message)
    if (place := _location(message, body)) is not None:
        return place
    match files:
        case [ContactCard() as card]:
            return card
        case [Media() as file]:
            return msgspec.structs.replace(file, caption=body)
        case [_, *_]:
            media = tuple(file for file in files if isinstance(file, Media))
            cards = [f"{card.name} {', '.join(card.phones)}" for card in files if isinstance(card, ContactCard)]
            return Text(text="\n".join(filter(None, [body, *cards])), attachments=media)
        case _:
            return Text(text=body) if body.strip() else None


def _choice(message: Incoming) -> Choice:
    chosen = clean_line(message.chosen, LONGEST_ID)
    label = clean_line(message.chosen_label or message.body, 1_000) or chosen
    return Choice(options=(Option(id=chosen, label=label),), chosen=chosen)


def _location(message: Incoming, body: str) -> Location | None:
    try:
        latitude, longitude = float(message.latitude), float(message.longitude)
    except ValueError:
        return None
    if not (math.isfinite(latitude) and abs(latitude) <= 90 and math.isfinite(longitude) and abs(longitude) <= 180):  # noqa: PLR2004  # degrees
        return None
    name = clean_line(message.label or body, 1_000)
    return Location(latitude=latitude, longitude=longitude, name=name, address=clean_line(message.place, 1_000))
