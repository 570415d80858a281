"""Channels of a pretended Asterisk: how they are made, and how its interface shows them."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

Answering = Literal["ring", "answer", "busy", "decline", "absent", "broken"]
"""What a phone does: ring until told otherwise, answer, be busy, decline, be not registered (``broken``: not known)."""

CAUSES: Mapping[Answering, tuple[int, str]] = {
    "busy": (17, "User busy"),
    "decline": (21, "Call Rejected"),
    "absent": (20, "Subscriber absent"),
}
NORMAL_CLEARING = (16, "Normal Clearing")


class Originate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of ``POST /channels/{channelId}``."""

    endpoint: Annotated[str, Meta(pattern=r"^[A-Za-z]+/.+")]
    app: str
    app_args: str = field(name="appArgs", default="")
    timeout: int = 30
    caller_id: str = field(name="callerId", default="")
    variables: dict[str, str] = {}


class Leg(Struct, kw_only=True):
    """A channel."""

    id: str
    endpoint: str
    app: str
    args: Sequence[str] = ()
    state: str = "Down"
    number: str = ""
    name: str = ""
    exten: str = ""
    in_stasis: bool = False
    began: str = ""
    variables: dict[str, str] = {}

    def shown(self) -> dict[str, object]:
        """Give it as the interface does."""
        given = self.in_stasis
        return {
            "id": self.id,
            "name": f"{self.endpoint}-00000001",
            "state": self.state,
            "caller": {"name": self.name, "number": self.number},
            "connected": {"name": "", "number": ""},
            "accountcode": "",
            "dialplan": {
                "context": "from-trunk",
                "exten": self.exten,
                "priority": 1,
                "app_name": "Stasis" if given else "",
                "app_data": ",".join([self.app, *self.args]) if given else "",
            },
            "creationtime": self.began,
            "language": "en",
        }


class Play(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``POST /_control/phone`` takes: what a phone does from now on, or a leg now."""

    endpoint: str = ""
    does: Answering = "ring"
