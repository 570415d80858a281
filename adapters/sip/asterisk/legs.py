"""Call legs that we create in Asterisk: the purpose of each is encoded in the channel id that we choose. Pure.

So a repeated order makes no second leg (ARI answers 409), and whoever reads next knows them all from a list.
"""

from msgspec import Struct

_RING, _AGENT, _CUSTOMER, _BRIDGE = "tlr:", "tla:", "tlc:", "tlb:"
OURS = (_RING, _AGENT, _CUSTOMER)
LONGEST = 149
"""Characters of a channel's id in Asterisk (AST_MAX_UNIQUEID)."""


class Ring(Struct, frozen=True):
    """An operator's phone that rings, or was answered, for a customer's ``call``; asked for by ``wish``."""

    call: str
    wish: str

    def __str__(self) -> str:
        return f"{_RING}{self.call}:{self.wish}"


class Agent(Struct, frozen=True):
    """An operator's phone that was rung to call a customer."""

    wish: str

    def __str__(self) -> str:
        return f"{_AGENT}{self.wish}"

    @property
    def call(self) -> str:
        """The call it is for, once the customer is called."""
        return str(Customer(self.wish))


class Customer(Struct, frozen=True):
    """The customer whom we call; its id is that of the call."""

    wish: str

    def __str__(self) -> str:
        return f"{_CUSTOMER}{self.wish}"

    @property
    def call(self) -> str:
        """The call it is."""
        return str(self)


Leg = Ring | Agent | Customer


def read(channel: str) -> Leg | None:
    """Say what a channel of ours is for; None for everybody else's, a customer's call among them."""
    kind, rest = channel[:4], channel[4:]
    match kind:
        case "tlr:":
            call, _, wish = rest.rpartition(":")
            return Ring(call, wish)
        case "tla:":
            return Agent(rest)
        case "tlc:":
            return Customer(rest)
        case _:
            return None


def bridge_of(call: str) -> str:
    """Name the bridge in which a call is connected."""
    return f"{_BRIDGE}{call}"


def call_of(bridge: str) -> str | None:
    """Name the call that a bridge of ours connects."""
    return bridge.removeprefix(_BRIDGE) if bridge.startswith(_BRIDGE) else None
