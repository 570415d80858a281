"""What deploy/kamailio/trunkline.cfg says, in our words. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from adapters.sip import numbers
from adapters.sip.call import LISTED, LONGEST_ID, Event, Kind
from adapters.sip.causes import Cause, read_reason
from normalizer.outbound import Receipt, ReceiptState

Wire = TypeVar("Wire")

NOTHING = "<null>"
"""How Kamailio writes a variable that has no value."""

KINDS: Mapping[str, Kind] = {
    "initiated": "initiated",
    "ringing": "ringing",
    "answered": "answered",
    "resumed": "answered",
    "held": "held",
    "transferred": "transferred",
    "ended": "ended",
    "failed": "failed",
}
REFUSED = "refused"
"""The phone that was to ring did not take the call, which still waits."""

GREETING = b'{"event": "greeted"'
"""How the answer to the greeting of a reader begins. All readers are told of it."""

REFUSALS: Mapping[int, tuple[str, str]] = {
    404: ("not_registered", "The operator's phone is not registered."),
    408: ("no_answer", "The operator's phone rang and nobody answered."),
    480: ("no_answer", "The operator's phone is not available."),
    486: ("busy", "The operator's phone is busy, or the call was declined."),
    487: ("withdrawn", "The operator's phone does not ring any more."),
    600: ("busy", "The operator's phone is busy."),
    603: ("declined", "The operator declined the call on the phone."),
}
CONFIRMED, DELETED = 3, 5
"""States of a dialog: from CONFIRMED on it was answered (src/modules/dialog/dlg_hash.h)."""


DIGITS = 11
"""Of a time in seconds."""


class BadWord(ValueError):
    """Kamailio says something that its configuration does not let it say."""


class Said(Struct, frozen=True, kw_only=True):
    """One event; ``at`` and ``started`` are seconds with microseconds."""

    event: str
    call: str
    direction: str = ""
    customer: str = msgspec.field(name="from", default="")
    name: str = ""
    called: str = ""
    to: str = ""
    wish: str = ""
    sip: int = 0
    reason: str = ""
    refer: str = ""
    started: str = ""
    at: str = ""


class Leg(Struct, frozen=True):
    """One side of a dialog."""

    tag: str | None = None


class Dialog(Struct, frozen=True, kw_only=True):
    """One entry of the RPC command ``dlg.list``; times are in seconds."""

    call: str = msgspec.field(name="call-id")
    customer: str = msgspec.field(name="from_uri", default="")
    state: int = 0
    init_ts: int = 0
    start_ts: int = 0
    variables: Sequence[Mapping[str, str | None]] = ()

    @property
    def waits(self) -> bool:
        """Whether a customer waits to be answered."""
        return self.state < CONFIRMED and self.word("tl_dir") == "in"

    def word(self, name: str) -> str:
        """Give one of our variables."""
        found = next((pair[name] for pair in self.variables if name in pair), None)
        return _word(found or "")


class Listed(Struct, frozen=True):
    """The answer to ``dlg.list``."""

    result: Sequence[Dialog] = ()


class Hello(Struct, frozen=True):
    """The answer to ``hello``: the time, in seconds with microseconds."""

    at: str


def read_clock(payload: bytes, *, now: int) -> int:
    """Give the time that Kamailio says it is, in ms. Raises BadWord."""
    try:
        return _milliseconds(msgspec.json.decode(payload, type=Hello).at, now)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as exc:
        raise BadWord(f"not a clock: {exc}") from exc


def greeting_of(reader: str) -> bytes:
    """Give the answer to this reader's greeting, byte for byte."""
    return GREETING + b', "wish": "%s"}' % reader.encode()


def decode(payload: bytes) -> Said:
    """Read an event. Raises BadWord."""
    try:
        said = msgspec.json.decode(payload, type=Said)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as exc:
        raise BadWord(f"not an event: {exc}") from exc
    words = {name: _word(getattr(said, name)) for name in said.__struct_fields__ if name != "sip"}
    return replace(said, **words)


def to_event(said: Said, *, now: int) -> Event:
    """Give the event. Raises BadWord."""
    kind = KINDS.get(said.event)
    if kind is None:
        raise BadWord(f"the event {said.event!r} is not one of {', '.join(sorted(KINDS))}")
    outwards = said.direction == "out"
    cause = read_reason(said.reason) if kind in ("ended", "failed") else Cause()
    return Event(
        call=said.call,
        kind=kind,
        at=_milliseconds(said.at, now),
        seq=said.at or str(now),
        direction="out" if outwards else "in",
        customer=said.called if outwards else said.customer,
        name="" if outwards else said.name,
        called="" if outwards else said.called,
        to=_phone(said, outwards=outwards),
        cause=replace(cause, sip=said.sip) if kind == "failed" and said.sip else cause,
    )


def _phone(said: Said, *, outwards: bool) -> str:
    if said.event == "transferred":
        return numbers.plain(said.refer)
    return numbers.plain(said.to) if outwards else said.to


def to_refusal(said: Said, *, now: int) -> Receipt | None:
    """Give what became of the wish that a phone should ring; None for a call that rang without one."""
    if not said.wish:
        return None
    code, error = REFUSALS.get(said.sip, ("not_taken", f"The operator's phone did not take the call (SIP {said.sip})."))
    return Receipt(
        outbound=said.wish, state=ReceiptState.FAILED, at=_milliseconds(said.at, now), code=code, error=error
    )


def read_list(payload: bytes) -> Sequence[Dialog]:
    """Read the dialogs that are ours and live. Raises BadWord."""
    try:
        found = msgspec.json.decode(payload, type=Listed).result
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as exc:
        raise BadWord(f"not a list of dialogs: {exc}") from exc
    return [dialog for dialog in found if dialog.state < DELETED and dialog.word("tl_dir")]


def to_events(dialogs: Iterable[Dialog], *, now: int) -> dict[str, list[Event]]:
    """Give what each live call has come to, by call."""
    return {dialog.call: _standing(dialog, now) for dialog in dialogs if len(dialog.call) <= LONGEST_ID}


def _standing(dialog: Dialog, now: int) -> list[Event]:
    outwards = dialog.word("tl_dir") == "out"
    begun = Event(
        call=dialog.call,
        kind="initiated",
        at=_milliseconds(dialog.word("tl_started"), dialog.init_ts * 1_000 or now),
        seq=LISTED,
        direction="out" if outwards else "in",
        customer=dialog.word("tl_called") if outwards else dialog.customer,
        name="" if outwards else dialog.word("tl_name"),
        called="" if outwards else dialog.word("tl_called"),
        to=numbers.plain(dialog.word("tl_to")) if outwards else "",
    )
    if dialog.state < CONFIRMED:
        return [begun]
    answered = replace(begun, kind="answered", at=dialog.start_ts * 1_000 or now, to=dialog.word("tl_to") or begun.to)
    return [begun, answered]


def _word(text: str) -> str:
    return "" if text == NOTHING else text


def _milliseconds(seconds: str, otherwise: int) -> int:
    whole, _, rest = seconds.partition(".")
    if not (whole.isascii() and whole.isdecimal() and len(whole) <= DIGITS):
        return otherwise
    digits = rest[:3] if rest[:3].isascii() and rest[:3].isdecimal() else ""
    return int(whole) * 1_000 + int(digits.ljust(3, "0") or 0)
