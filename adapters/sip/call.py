"""The life of a call: what a telephone system says of it, put in order and said once. Pure.

Sources repeat themselves, say things late, and after a lost connection not at all. A call only moves forward:
initiated, ringing, answered (with holds and transfers), and one end. The native ids of its envelopes follow from the
source's own words, so that what is said again after a crash is recognised (promise P2).
"""

from collections.abc import Mapping
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from adapters.sip import numbers
from adapters.sip.causes import Cause, completed
from normalizer.content import Call, Media
from normalizer.envelope import Envelope, Sender
from normalizer.plain import clean_line

TYPE = "sip"
LONGEST_ID = 200
"""Of a call: its events have ids of at most 255 characters, made from it."""

LEFT = "The call went on in the telephone system."
LOST = "The connection to the telephone system was lost; how the call ended is not known."

Kind = Literal["initiated", "ringing", "answered", "held", "transferred", "ended", "failed", "recording"]

LISTED = "listed"
"""The ``seq`` of what a list of live calls shows: where they stand, and not whether anybody is on hold."""

MOST_SEEN = 63
"""Events of a call that are known again when they are repeated; a call has as many only with many holds."""

RANK: Mapping[Kind, int] = {
    "initiated": 0,
    "ringing": 1,
    "answered": 2,
    "held": 2,
    "transferred": 2,
    "ended": 3,
    "failed": 3,
}
TALKING, OVER = 2, 3


class Event(Struct, frozen=True, kw_only=True):
    """What a source says. ``seq`` names this event among those of its kind; the same twice is the same event.

    ``named``: that is the source's own name of the event, the same whenever and wherever it comes; another name is then
    another event, whatever we know of the call.
    ``customer`` and ``called`` are URIs or numbers as they were found, ``to`` is the operator's phone, ``at`` is in ms.
    ``duration`` in ms where the source has measured it; of an end that is otherwise reckoned from the answer.
    """

    call: str
    kind: Kind
    at: int
    seq: str
    named: bool = False
    direction: Literal["in", "out"] = "in"
    customer: str = ""
    name: str = ""
    called: str = ""
    to: str = ""
    cause: Cause = Cause()
    reason: str = ""
    duration: int | None = None
    recording: Media | None = None


class LiveCall(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of a call. ``last`` is its latest envelope, to be repeated when nobody knows if it was stored.

    ``seen`` names the events that were told; ``begun`` is when we heard of it and ``told`` when of its latest event, by
    our clock, ``answered_at`` by the source's, 0 before; all in ms.
    """

    id: str
    direction: Literal["in", "out"]
    address: str
    begun: int = 0
    told: int = 0
    name: str = ""
    called: str = ""
    rank: int = 0
    to: str = ""
    held: bool = False
    answered_at: int = 0
    seen: dict[str, str] = {}
    last: Envelope | None = None

    @property
    def transferred(self) -> bool:
        """Whether somebody was asked to go on with it."""
        return any(name.startswith("transferred/") for name in self.seen)

    @property
    def over(self) -> bool:
        """Whether it has ended, one way or the other."""
        return self.rank == OVER


class Place(Struct, frozen=True):
    """Where calls come in: the channel, and the country of numbers without a +."""

    channel: str
    country: str = ""


def begin(event: Event, place: Place, *, now: int) -> LiveCall:
    """Give the call that an event is the first news of; ``now`` (ms) is by our own clock."""
    return LiveCall(
        id=event.call,
        direction=event.direction,
        address=numbers.person(event.customer, channel=place.channel, country=place.country, call=event.call),
        begun=now,
        name=clean_line(event.name.strip().strip('"')),
        called=clean_line(numbers.called(event.called, place.country)),
        rank=-1,
    )


def advance(call: LiveCall, event: Event, place: Place, *, new_id: str) -> LiveCall | None:
    """Give the call as it is after an event, with its envelope as ``last``; None where that is no news."""
    if not _is_news(call, event):
        return None
    first_answer = event.kind == "answered" and call.rank < TALKING
    after = replace(
        call,
        rank=max(call.rank, RANK.get(event.kind, -1)),
        to=event.to or call.to,
        held=event.kind == "held" or (call.held and event.kind != "answered"),
        answered_at=event.at if first_answer else call.answered_at,
        seen={**dict(list(call.seen.items())[-MOST_SEEN:]), _name(event): event.seq},
    )
    once = event.kind in ("initiated", "ended", "failed") or (first_answer and not event.named)
    return replace(after, last=_envelope(after, event, place, new_id=new_id, once=once))


def _name(event: Event) -> str:
    return f"{event.kind}/{event.seq}"


def _is_news(call: LiveCall, event: Event) -> bool:
    """Tell what moves a call on from what repeats, or is said again after what has come since."""
    if _name(event) in call.seen or call.seen.get(event.kind) == event.seq:
        return False
    rank = RANK.get(event.kind, OVER)
    match event.kind:
        case "recording":
            return True
        case "ringing":
            return call.rank < rank or (call.rank == rank and event.to != call.to)
        case "answered":
            again = event.named or (call.held and event.seq != LISTED)
            return call.rank < rank or (call.rank == rank and again)
        case "held":
            return call.rank <= rank and (event.named or not call.held)
        case "transferred":
            return call.rank <= rank
        case _:
            return call.rank < rank


def _envelope(call: LiveCall, event: Event, place: Place, *, new_id: str, once: bool) -> Envelope:
    return Envelope(
        id=new_id,
        at=event.at,
        channel=place.channel,
        type=TYPE,
        native_id=f"{call.id}/{event.kind}" if once else f"{call.id}/{event.kind}/{event.seq}",
        address=call.address,
        content=_content(call, event),
        sender=Sender(name=call.name),
        attributes={"called": call.called} if call.called else {},
        channel_data=msgspec.Raw(msgspec.json.encode({"call": call.id})),
    )


def _content(call: LiveCall, event: Event) -> Call:
    cause = completed(event.cause, failed=event.kind == "failed")
    return Call(
        call=call.id,
        event=event.kind,
        direction=call.direction,
        sip=cause.sip,
        q850=cause.q850,
        reason=clean_line(event.reason or cause.text),
        to=call.to,
        duration=_duration(call, event),
        recording=event.recording,
    )


def _duration(call: LiveCall, event: Event) -> int | None:
    if event.duration is not None or event.kind != "ended" or not call.answered_at:
        return event.duration
    return max(0, event.at - call.answered_at)


def left(call: LiveCall, at: int) -> Event:
    """Give the end of a call that lives on, and is not in our hands any more."""
    kind: Kind = "ended" if call.rank >= TALKING else "failed"
    return Event(call=call.id, kind=kind, at=at, seq="left", direction=call.direction, reason=LEFT)


def vanished(call: LiveCall, at: int) -> Event:
    """Give the end of a call that is gone, of which nobody saw the end."""
    return Event(call=call.id, kind="ended", at=at, seq="lost", direction=call.direction, reason=LOST)
