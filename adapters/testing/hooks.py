"""What a channel's test class supplies to the kit: how to make the channel, how its provider delivers, and cases."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import ClassVar, Generic

import pytest

from adapters.contract import Adapter
from adapters.testing.cases import HTTP_TROUBLES, InboundCase, Limit, OutboundCase, Post, Told, Trouble
from adapters.testing.context import FakeContext
from adapters.testing.peer import Shown
from adapters.testing.rig import P, Rig, rigged
from adapters.testing.spoil import spoiled
from normalizer.content import Content, Text

TAKEN_BELOW, AGAIN_FROM, PAUSE = 300, 500, 429
DELIVERED_WITHIN = 30.0
"""Seconds that an event may take in a test, an adapter's own pauses included."""


class Hooks(Generic[P]):
    """The parts that a channel brings. ``P`` is the class of its provider's simulator.

    Required: :meth:`peer`, :meth:`make`, :attr:`address`, :attr:`another`, :meth:`event`; the cases; for a channel
    that does not come in over HTTP routes, :meth:`deliver`; and for one whose provider does not acknowledge,
    :meth:`cut`. All others have a default that suits most.
    """

    address: ClassVar[str]
    """The address of the customer who sends the events of :meth:`event`, and to whom the kit sends."""

    another: ClassVar[str]
    """The address of another customer."""

    inbound: ClassVar[Sequence[InboundCase]] = ()
    outbound: ClassVar[Sequence[OutboundCase]] = ()

    receives: ClassVar[bool] = True
    sends: ClassVar[bool] = True

    acknowledges: ClassVar[bool] = True
    """Whether the provider keeps an event until the adapter has taken it. A feed that is not repeated does not."""

    found_again: ClassVar[bool] = False
    """Of such a feed: whether what was under way in a crash is found again all the same, in notes or in a list."""

    signs: ClassVar[str] = "body"
    """What makes a request of the provider authentic: a signature over the ``body``, a secret ``token`` in a header, or
    ``nothing`` (the provider does not reach in over HTTP)."""

    troubles: ClassVar[Mapping[Trouble, object]] = HTTP_TROUBLES
    """The fault that makes each trouble, in the words of the peer."""

    impossible: ClassVar[Mapping[Trouble, str]] = {}
    """Troubles that this provider cannot make, each with the reason in a sentence."""

    limits: ClassVar[Sequence[Limit]] = ()
    """The most calls that the provider takes, from its documentation."""

    hello: ClassVar[Content] = Text(text="Hello")
    """What the kit sends where it does not matter what."""

    # --- to give ---

    def peer(self) -> P:
        """Make the provider: a :class:`adapters.testing.Simulator`, or anything that is a :class:`Peer`."""
        raise NotImplementedError(f"{type(self).__name__} must give peer(): the simulator of its provider")

    def make(self, context: FakeContext, peer: P) -> Adapter:
        """Make the adapter, with the peer's address in its settings and short time-outs (300 ms for a call)."""
        raise NotImplementedError(f"{type(self).__name__} must give make(): its adapter, wired to context and peer")

    def event(self, number: int) -> object:
        """Give the ``number``-th text message of the customer :attr:`address`, as :meth:`deliver` takes it.

        The same number is the same event, to the byte; another number is another message.
        """
        raise NotImplementedError(f"{type(self).__name__} must give event(): the n-th message of one customer")

    async def deliver(self, rig: Rig[P], event: object) -> Told:
        """Let the provider deliver an event, wait until the adapter has dealt with it, and give what it was told.

        For routes this is done: a request, and the answer's status (2xx taken, 429 and 5xx again, others refused).
        Polling: queue the update at the simulator, wait until the adapter's offset has moved past it. A mailbox: put
        the mail there, wait until it is marked. A feed without acknowledgement: write the event, return ``TAKEN``.
        Never give ``TAKEN`` before the provider would forget the event.
        """
        assert isinstance(event, Post), (
            f"{type(self).__name__} must give deliver(): the kit delivers Post events only, not {type(event).__name__}"
        )
        answer = await rig.post(event, self.sign(rig, event) if event.signed else {})
        if answer.status < 1 or answer.status >= AGAIN_FROM or answer.status == PAUSE:
            return Told.AGAIN
        return Told.TAKEN if answer.status < TAKEN_BELOW else Told.REFUSED

    async def cut(self, rig: Rig[P], event: object) -> None:
        """Where the provider does not acknowledge: cut the feed in the midst of an event, or before it."""
        raise NotImplementedError(f"{type(self).__name__} must give cut(): how its feed breaks off")

    # --- with defaults ---

    async def ready(self, rig: Rig[P]) -> None:
        """Wait until the adapter is connected, where it must be before it can send."""

    def sign(self, rig: Rig[P], post: Post) -> Mapping[str, str]:
        """Give the headers that make a request of the provider authentic."""
        del rig, post
        return {}

    def spoil(self, event: object) -> Iterable[object]:
        """Give damaged versions of an event, as :func:`adapters.testing.spoil.spoiled` does for bytes and JSON."""
        return spoiled(event)

    def shown(self, rig: Rig[P]) -> Sequence[Shown]:
        """Give what customers got so far."""
        return rig.peer.shown

    # --- pytest ---

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Make one test of each case."""
        for name, cases in (("in_case", self.inbound), ("out_case", self.outbound)):
            if name in metafunc.fixturenames:
                metafunc.parametrize(name, cases, ids=[case.label for case in cases])

    @pytest.fixture
    async def rig(self) -> AsyncIterator[Rig[P]]:
        """The channel under test; see :func:`adapters.testing.rig.rigged` for what is looked at in every test."""
        async with rigged(self.make, self.peer()) as rig:
            async with asyncio.timeout(DELIVERED_WITHIN):
                await self.ready(rig)
            yield rig
