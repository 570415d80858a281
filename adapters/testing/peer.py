"""The provider's side of a test, as the kit sees it, whatever protocol it speaks."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, Self

from msgspec import Struct


class Shown(Struct, frozen=True, kw_only=True):
    """A message as the customer got it, taken from what reached the provider.

    ``buttons`` are the labels of the options, ``files`` the media type and the size in bytes of each file; ``text`` is
    the caption where there is a file. ``to`` is whom the provider gave it to, in the provider's words.
    """

    to: str
    text: str = ""
    buttons: Sequence[str] = ()
    files: Sequence[tuple[str, int]] = ()


class Peer(Protocol):
    """A provider that does what a test tells it to; :class:`adapters.testing.Simulator` is one over HTTP.

    It is used as an asynchronous context manager. ``now`` gives the time in ms since the epoch; the kit puts the clock
    of the test there.
    """

    now: Callable[[], int]

    @property
    def shown(self) -> Sequence[Shown]:
        """The messages that customers got, in order."""
        ...

    @property
    def sends(self) -> Sequence[str]:
        """What asked the provider to send a message, in order, readable, with the failed ones; one for each attempt."""
        ...

    def will(self, *faults: Any) -> None:  # noqa: ANN401 - faults are the peer's own words
        """Order faults, one for each message that the adapter will ask to send."""
        ...

    def freeze(self) -> None:
        """From now on take connections and requests, and answer nothing."""
        ...

    async def go_down(self) -> None:
        """From now on refuse connections."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *exc: object) -> None: ...
