"""What goes in and out of a channel in a test, as data."""

from collections.abc import Sequence

from msgspec import Struct

from adapters.errors import SendError
from adapters.testing.provider import Step
from normalizer.content import Content
from normalizer.envelope import Envelope
from normalizer.outbound import Author, Outbound, Receipt

OK = 200


class InboundCase(Struct, frozen=True, kw_only=True):
    """A request of the provider, and all that must come of it.

    ``signed``: the contract's ``sign`` adds its headers. ``envelopes`` and ``receipts`` are compared whole, with the
    ids and times of :class:`FakeContext`. ``error`` must stand in the answer's body.
    """

    label: str
    path: str
    body: bytes
    headers: dict[str, str] = {}
    signed: bool = True
    status: int = OK
    envelopes: Sequence[Envelope] = ()
    receipts: Sequence[Receipt] = ()
    error: str = ""


class OutboundCase(Struct, frozen=True, kw_only=True):
    """A message to send, what the provider does, and what must come of it.

    Either ``native_id`` of what was sent, or the ``error`` that must be raised with its ``code`` and ``retry_after``.
    ``request`` must stand in the body of the first request.
    """

    label: str
    content: Content
    answers: Sequence[Step]
    native_id: str = ""
    error: type[SendError] | None = None
    code: str = ""
    retry_after: float | None = None
    request: bytes = b""


def outbound(address: str, channel: str, content: Content, *, number: int = 1, at: int = 0) -> Outbound:
    """Make a message as the router would."""
    return Outbound(
        id=f"c1-{number}",
        conversation="c1",
        channel=channel,
        address=address,
        at=at,
        content=content,
        author=Author(id="anna", name="Anna"),
    )
