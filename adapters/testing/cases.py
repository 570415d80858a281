"""Test cases as data: what a provider delivers and takes, and what Trunkline makes of it."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from msgspec import Struct

from adapters.contract import Sent
from adapters.errors import (
    NotReachable,
    OutcomeUnknown,
    RateLimited,
    Refused,
    SendError,
    StartError,
    TryLater,
)
from adapters.testing.steps import After, Answer, Cut, Hang
from normalizer.content import Content
from normalizer.envelope import Envelope
from normalizer.outbound import Author, Outbound, Receipt

SECONDS_TOLD = 7
"""What the provider asks for in :attr:`Trouble.PAUSE`."""


class Told(StrEnum):
    """What the adapter has told the provider about an event.

    ``taken``: it is stored, forget it. ``refused``: it is wrong and will stay so. ``again``: keep it, deliver it later.
    """

    TAKEN = "taken"
    REFUSED = "refused"
    AGAIN = "again"


class Post(Struct, frozen=True, kw_only=True):
    """An event that the provider delivers by an HTTP request to one of the adapter's routes.

    ``path`` is below ``/channels/<name>``. ``signed``: :meth:`AdapterContract.sign` adds its headers. The answer must
    have the ``status`` and hold ``answer``.
    """

    path: str
    body: bytes = b""
    headers: Mapping[str, str] = {}
    method: str = "POST"
    signed: bool = True
    status: int = 200
    answer: str = ""


class InboundCase(Struct, frozen=True, kw_only=True):
    """An event of the provider, and all that must come of it.

    ``event`` is whatever :meth:`AdapterContract.deliver` takes: a :class:`Post`, an update, the bytes of a mail.
    ``envelopes`` and ``receipts`` are compared whole, with the times of :class:`FakeContext`; the ``id`` of an envelope
    is not compared, it is drawn anew each time. ``dead`` are the reasons of the dead letters.
    """

    label: str
    event: Any
    told: Told = Told.TAKEN
    envelopes: Sequence[Envelope] = ()
    receipts: Sequence[Receipt] = ()
    dead: Sequence[str] = ()


class OutboundCase(Struct, frozen=True, kw_only=True):
    """A message to send, what the provider does, and what must come of it.

    ``faults`` are ordered from the peer (:meth:`Peer.will`). Either it is sent, as ``native_id`` (None: as anything),
    or the ``error`` is raised with its ``code`` and ``retry_after``. ``request`` must stand in what reached the
    provider as :attr:`Peer.sends`, joined by newlines. ``address`` is the contract's where it is empty.
    """

    label: str
    content: Content
    faults: Sequence[Any] = ()
    native_id: str | None = None
    error: type[SendError | StartError] | None = None
    code: str = ""
    retry_after: float | None = None
    request: str = ""
    address: str = ""


class Trouble(StrEnum):
    """What a provider does to everybody some day. Each has one right answer of an adapter: see :data:`RIGHT`."""

    PAUSE = "asks for a pause of 7 s"
    PAUSE_UNTOLD = "asks for a pause and does not say how long"
    FAILS = "fails and says that it did not send"
    HANGS = "never answers"
    CUTS = "cuts the connection instead of an answer"
    LOSES_THE_ANSWER = "sends the message and never says so"
    DROPS_THE_ANSWER = "sends the message and cuts the connection"
    REFUSES = "refuses the message for good"
    IS_DOWN = "takes no connection"


RIGHT: Mapping[Trouble, tuple[type[Exception | Sent], ...]] = {
    Trouble.PAUSE: (RateLimited,),
    Trouble.PAUSE_UNTOLD: (RateLimited, TryLater),
    Trouble.FAILS: (TryLater, OutcomeUnknown),
    Trouble.HANGS: (OutcomeUnknown, TimeoutError),
    Trouble.CUTS: (OutcomeUnknown,),
    Trouble.LOSES_THE_ANSWER: (OutcomeUnknown, TimeoutError),
    Trouble.DROPS_THE_ANSWER: (OutcomeUnknown,),
    Trouble.REFUSES: (Refused,),
    Trouble.IS_DOWN: (TryLater, NotReachable),
}
"""What ``send`` must raise. A call that is cut off by :attr:`Pace.call_timeout` counts as an unknown outcome."""

HTTP_TROUBLES: Mapping[Trouble, Any] = {
    Trouble.PAUSE: Answer(status=429, headers={"Retry-After": str(SECONDS_TOLD)}),
    Trouble.PAUSE_UNTOLD: Answer(status=429),
    Trouble.FAILS: Answer(status=503),
    Trouble.HANGS: Hang(),
    Trouble.CUTS: Cut(),
    Trouble.LOSES_THE_ANSWER: After(Hang()),
    Trouble.DROPS_THE_ANSWER: After(Cut()),
    Trouble.REFUSES: Answer(status=400),
    Trouble.IS_DOWN: None,
}
"""The faults of a provider over plain HTTP; one that speaks in bodies has its own for some of them."""


class Limit(Struct, frozen=True, kw_only=True):
    """The most calls that a provider takes within some seconds: of the whole channel, or to each address."""

    calls: int
    seconds: float
    each_address: bool = False


def outbound(address: str, channel: str, content: Content, *, message_id: str = "c1-1", at: int = 0) -> Outbound:
    """Make a message as the router would; its id is ``<conversation>-<number>``."""
    return Outbound(
        id=message_id,
        conversation=message_id.rpartition("-")[0],
        channel=channel,
        address=address,
        at=at,
        content=content,
        author=Author(id="anna", name="Anna"),
    )
