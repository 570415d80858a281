"""What ARI sends, as far as it matters here (Asterisk's rest-api/api-docs: events.json, channels.json, bridges.json).

Fields that are not named are passed over, and so are events of other types: each release brings new ones.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec import Struct

UP, RINGING = "Up", "Ringing"
SUCCESS = "Success"
"""The result of a transfer that was made."""


class Party(Struct, frozen=True):
    """Who calls, or is called."""

    name: str = ""
    number: str = ""


class Dialplan(Struct, frozen=True):
    """Where the channel is in the dialplan; ``app_data`` are the arguments of the application."""

    exten: str = ""
    app_name: str = ""
    app_data: str = ""


class Channel(Struct, frozen=True, kw_only=True):
    """One leg of a call."""

    id: str
    state: str = ""
    caller: Party = Party()
    dialplan: Dialplan = Dialplan()
    creationtime: str = ""


class Bridge(Struct, frozen=True, kw_only=True):
    """Legs that hear one another."""

    id: str
    channels: Sequence[str] = ()


class Recording(Struct, frozen=True, kw_only=True):
    """``target_uri`` is ``channel:<id>`` or ``bridge:<id>``, ``duration`` is in seconds."""

    name: str
    format: str = ""
    target_uri: str = ""
    duration: int | None = None


class AriEvent(Struct, frozen=True, kw_only=True):
    """An event; which fields are there depends on its type.

    ``exten`` is where a call is transferred to blindly; after questions, ``transferer_first_leg`` is the phone that had
    the call and ``transfer_target`` the other party.
    """

    type: str
    timestamp: str = ""
    channel: Channel | None = None
    args: Sequence[str] = ()
    cause: int = 0
    cause_txt: str = ""
    exten: str = ""
    result: str = ""
    transferer_first_leg: Channel | None = None
    transfer_target: Channel | None = None
    recording: Recording | None = None


class Application(Struct, frozen=True):
    """A Stasis application that somebody reads."""

    name: str = ""


class Variable(Struct, frozen=True):
    """A variable of a channel."""

    value: str = ""


APPLICATIONS = msgspec.json.Decoder(list[Application])
CHANNEL = msgspec.json.Decoder(Channel)
BRIDGE = msgspec.json.Decoder(Bridge)
CHANNELS = msgspec.json.Decoder(list[Channel])
BRIDGES = msgspec.json.Decoder(list[Bridge])
EVENT = msgspec.json.Decoder(AriEvent)
VARIABLE = msgspec.json.Decoder(Variable)


def milliseconds(timestamp: str, otherwise: int) -> int:
    """Read a time such as ``2026-04-01T19:57:23.302+0200``."""
    try:
        return int(datetime.fromisoformat(timestamp).timestamp() * 1_000)
    except ValueError:
        return otherwise
