"""ARI's words in ours. Pure."""

from collections.abc import Mapping

from adapters.sip.asterisk.legs import call_of, read
from adapters.sip.asterisk.wire import AriEvent, Channel, milliseconds
from adapters.sip.call import Event, Kind
from adapters.sip.causes import NORMAL_CLEARING, Cause
from normalizer.content import Media
from normalizer.outbound import Receipt, ReceiptState

NORMAL = frozenset({0, NORMAL_CLEARING, 26})
"""Causes of a leg that we have hung up ourselves, or that nobody had a reason for."""

CANCELLED = 487

REFUSALS: Mapping[int, tuple[str, str]] = {
    17: ("busy", "The operator's phone is busy."),
    18: ("no_answer", "The operator's phone did not answer."),
    19: ("no_answer", "The operator's phone rang and nobody answered."),
    20: ("not_registered", "The operator's phone is not registered."),
    21: ("declined", "The operator declined the call on the phone."),
    3: ("not_registered", "The operator's phone cannot be reached."),
}

MEDIA_TYPES: Mapping[str, str] = {
    "wav": "audio/wav",
    "wav49": "audio/wav",
    "WAV": "audio/wav",
    "gsm": "audio/gsm",
    "g722": "audio/g722",
    "ulaw": "audio/basic",
    "ogg": "audio/ogg",
    "mp3": "audio/mpeg",
}


def in_our_hands(channel: Channel, app: str) -> bool:
    """Whether a channel is a customer's call that the dialplan has given to our application."""
    return not has_left(channel) and channel.dialplan.app_data.partition(",")[0] == app and read(channel.id) is None


def has_left(channel: Channel) -> bool:
    """Whether a channel that was ours is somewhere else in the dialplan."""
    return channel.dialplan.app_name != "Stasis"


def incoming(event: AriEvent | None, channel: Channel, *, now: int) -> Event:
    """Give the beginning of a customer's call. ``Stasis(app,in,<number>)`` may name the number that was called."""
    given = event.args if event is not None else channel.dialplan.app_data.split(",")[1:]
    timestamp = channel.creationtime or (event.timestamp if event is not None else "")
    return Event(
        call=channel.id,
        kind="initiated",
        at=milliseconds(timestamp, now),
        seq=timestamp or str(now),
        customer=channel.caller.number,
        name=channel.caller.name,
        called=given[1] if len(given) > 1 else channel.dialplan.exten,
    )


def outgoing(event: AriEvent, call: str, number: str, phone: str, *, now: int) -> Event:
    """Give the beginning of a call of ours to a customer."""
    return Event(
        call=call,
        kind="initiated",
        at=milliseconds(event.timestamp, now),
        seq=event.timestamp or str(now),
        direction="out",
        customer=number,
        to=phone,
    )


def said(  # noqa: PLR0913 - what an event may bring, by name
    event: AriEvent,
    kind: Kind,
    call: str,
    *,
    now: int,
    to: str = "",
    reason: str = "",
    recording: Media | None = None,
) -> Event:
    """Give what became of a call that is known."""
    return Event(
        call=call,
        kind=kind,
        at=milliseconds(event.timestamp, now),
        seq=event.timestamp or str(now),
        to=to,
        reason=reason,
        recording=recording,
    )


def transferred_to(event: AriEvent) -> str:
    """Name where a call was transferred to, as far as Asterisk says it."""
    return event.exten or (event.transfer_target.caller.number if event.transfer_target is not None else "")


def ended(event: AriEvent, call: str, *, talking: bool, now: int) -> Event:
    """Give the end. A caller who hangs up before anybody answered has cancelled the call."""
    sip = CANCELLED if not talking and event.cause in NORMAL else 0
    return Event(
        call=call,
        kind="ended" if talking else "failed",
        at=milliseconds(event.timestamp, now),
        seq=event.timestamp or str(now),
        cause=Cause(sip=sip, q850=event.cause, text=event.cause_txt),
    )


def refusal(wish: str, cause: int, *, at: int) -> Receipt:
    """Give what became of the wish that a phone should ring."""
    code, error = REFUSALS.get(cause, ("not_taken", f"The operator's phone did not take the call (cause {cause})."))
    return Receipt(outbound=wish, state=ReceiptState.FAILED, at=at, code=code, error=error)


def target(uri: str) -> str:
    """Name the call that a recording is of."""
    kind, _, name = uri.partition(":")
    if kind == "bridge":
        return call_of(name) or ""
    return name if kind == "channel" else ""
