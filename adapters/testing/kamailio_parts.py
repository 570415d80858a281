"""Calls of a pretended Kamailio, and how its list of dialogs shows them."""

from collections.abc import Mapping
from typing import Self

from msgspec import Struct, field

from adapters.testing.ari_parts import Answering

ANSWERED = "answered"
LONGEST_CALL = 200
"""trunkline.cfg lets a call with a longer id go on without us."""

LIST = b'{"do":"list","jsonrpc":"2.0","method":"dlg.list","id":1}'
"""The one body that it hands on to jsonrpcs."""

REFUSED_WITH: Mapping[Answering, int] = {"busy": 486, "decline": 603, "absent": 404, "broken": 404}
"""The status with which a phone does not take a call."""

NOTHING = "<null>"
"""How Kamailio writes a variable that has no value."""

EARLY, CONFIRMED = 1, 4
"""States of a dialog (src/modules/dialog/dlg_hash.h)."""


class Order(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a wish."""

    do: str
    call: str = ""
    to: str = ""
    wish: str = ""
    customer: str = ""
    jsonrpc: str = ""
    method: str = ""
    id: int = 0


class Outsider(Struct, frozen=True, kw_only=True):
    """What an event tells of the call that begins with it."""

    event: str
    call: str
    direction: str = "in"
    customer: str = field(name="from", default="")
    name: str = ""
    called: str = ""
    to: str = ""
    started: str = ""


class PretendedCall(Struct, kw_only=True):
    """A call. ``next`` is the wish that was taken last, ``wish`` the one that a phone rings for."""

    id: str
    customer: str
    direction: str = "in"
    name: str = ""
    called: str = ""
    started: str = ""
    state: str = "asked"
    to: str = ""
    next: str = ""
    wish: str = ""
    init_ts: int = 0
    start_ts: int = 0

    @classmethod
    def of(cls, told: Outsider, now: int) -> Self:
        """Give the call that begins; ``now`` is in ms."""
        return cls(
            id=told.call,
            direction=told.direction,
            customer=told.customer,
            name=told.name,
            called=told.called,
            started=told.started,
            to=told.to,
            init_ts=now // 1_000,
        )

    def told(self, event: str, sip: int, *, at: str) -> dict[str, object]:
        """Give what is written to the readers of an event."""
        return {
            "event": event,
            "call": self.id,
            "direction": self.direction,
            "from": self.customer,
            "name": self.name,
            "called": self.called,
            "to": self.to,
            "wish": self.wish or NOTHING,
            "sip": sip,
            "reason": "",
            "refer": "",
            "started": self.started,
            "at": at,
        }

    def shown(self) -> dict[str, object]:
        """Give it as ``dlg.list`` does."""
        ours = {"tl_dir": self.direction, "tl_called": self.called, "tl_name": self.name, "tl_to": self.to}
        return {
            "call-id": self.id,
            "from_uri": self.customer,
            "state": CONFIRMED if self.state == ANSWERED else EARLY,
            "init_ts": self.init_ts,
            "start_ts": self.start_ts,
            "variables": [{name: value} for name, value in {**ours, "tl_started": self.started}.items()],
        }
