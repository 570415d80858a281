"""What a channel is: the class that an adapter developer writes, and what Trunkline hands to it.

An adapter translates; it decides nothing. It never retries, never reorders, never stores: order, repetition, claims
and dead letters belong to the delivery policy, and a message is only acknowledged to its provider after
:meth:`Context.accept` has returned.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, Protocol

import aiohttp
import structlog
from aiohttp import web
from msgspec import Struct

from adapters.errors import Refused
from adapters.pace import Lane, Pace
from normalizer.capabilities import Capabilities
from normalizer.content import Content, StoredFile
from normalizer.envelope import Envelope
from normalizer.outbound import Author, Outbound, Receipt

Cursor = tuple[int, int]
"""A place in the log: the stream's creation time (ns) and a sequence. Opaque to strangers: sign it."""


SettingsType = type[Struct]


class Sent(Struct, frozen=True, kw_only=True):
    """The provider has accepted the message and calls it ``native_id``. Receipts may say more of it later."""

    native_id: str = ""


class LineItem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One item of the conversations at an address, as the customer there may see it.

    ``message``: what the customer wrote (``id`` is its native id); ``reply``: what was answered (``id`` is the
    outbound id); ``read``: an operator has seen everything up to entry ``n``; ``joined``: ``author`` has the
    conversation now; ``closed``: it is over. ``at`` is in ms since the epoch.
    """

    kind: Literal["message", "reply", "read", "joined", "closed"]
    cursor: Cursor
    conversation: str
    address: str
    at: int
    n: int = 0
    id: str = ""
    content: Content | None = None
    author: Author | None = None


class Typing(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="live", tag="typing"):
    """Somebody is typing; never stored. ``text`` is the preview, where the channel shows one.

    ``address`` is the customer's, for the channel that they wrote on last; empty for every other one.
    """

    conversation: str
    by: Literal["customer", "operator"]
    name: str = ""
    text: str = ""
    on: bool = True
    address: str = ""


class Duty(Struct, frozen=True):
    """Whether anybody is there for those who wait. ``staffed``: somebody is signed in and not about to leave.

    ``ahead`` maps each waiting conversation to how many wait before it for the same operators. ``opens_at`` is when
    the first team opens (ms since the epoch), if all are closed now; 0: somebody is open, or there are no hours.
    """

    staffed: bool
    ahead: Mapping[str, int]
    opens_at: int = 0


class Lines(Protocol):
    """The log as the customers of one channel may see it. For channels that feed sockets of their own (web chat)."""

    async def history(self, address: str, after: Cursor | None) -> tuple[list[LineItem], Cursor]:
        """Give what is on the line of ``address`` after the cursor (None: from the start of the last conversation).

        The cursor that comes back stands behind all of it, also behind what is not shown.
        """
        ...

    def follow(self, after: Cursor | None = None) -> AsyncIterator[LineItem]:
        """Give everything on the lines of this channel after the cursor, in log order; never ends by itself.

        Without a cursor it begins at an unknown moment between this call and the first item. Who also reads
        :meth:`history` names one, so that nothing falls between the two.

        Raises:
            FellBehind: while iterating: the cursor is too old, or the reader was too slow and has missed something;
                read :meth:`history` of each address again from its cursor, and follow from there.
        """
        ...

    async def conversation(self, address: str) -> str | None:
        """Name the open conversation of an address."""
        ...

    def duty(self) -> Duty:
        """Say who is there, and how long the queue is."""
        ...

    async def typing(self, typing: Typing) -> None:
        """Tell the operators that the customer is typing."""
        ...

    def typings(self) -> AsyncIterator[Typing]:
        """Give the operators' typing in conversations of this channel."""
        ...


class FellBehind(Exception):
    """A reader of :meth:`Lines.follow` is too slow: what it has not read is dropped, so that others do not wait."""


class Media(Protocol):
    """The media store. Files are encrypted, each with a key that only its :class:`StoredFile` holds."""

    async def put(self, chunks: AsyncIterator[bytes], *, limit: int, key: str | None = None) -> StoredFile:
        """Store a file of at most ``limit`` bytes; with a ``key`` (address and native id) it is stored only once.

        Raises:
            FileTooBig: it is longer than ``limit``; nothing is kept.
            NotAccepted: it could not be kept in time.
        """
        ...

    def read(self, file: StoredFile) -> AsyncIterator[bytes]:
        """Give the decrypted bytes."""
        ...


class NobodyServes(Exception):
    """No program serves this channel over the bus, so nobody has got the question."""


class FileTooBig(Exception):
    """A file is longer than what is allowed; ``limit`` is in bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"file is larger than {limit} bytes")
        self.limit = limit


class NoteChanged(Exception):
    """Somebody else has written a note since it was read: whoever runs into this is not alone, or not any more."""


class Memory(Protocol):
    """A channel's own small notes (a polling offset, a mailbox position); kept over restarts, shared by its nodes.

    With :meth:`load` and :meth:`save` the last one to write wins, also a process that stood still and wakes up when
    another one has its work. With :meth:`read` and :meth:`write` it does not.
    """

    async def load(self, key: str) -> bytes | None:
        """Give the value, or None. Raises NotAccepted: it could not be read in time."""
        ...

    async def save(self, key: str, value: bytes) -> None:
        """Keep the value. Raises NotAccepted: it could not be kept in time, or nobody knows."""
        ...

    async def read(self, key: str) -> tuple[bytes | None, int]:
        """Give the value and its revision; (None, 0) where there is none. Raises NotAccepted as :meth:`load` does."""
        ...

    async def write(self, key: str, value: bytes, revision: int) -> int:
        """Keep the value over ``revision`` (0: there must be none), and give the new one.

        Raises:
            NoteChanged: the note has another revision; also where an earlier write of ours was kept and its answer
                was lost, so read again.
            NotAccepted: it could not be kept in time, or nobody knows.
        """
        ...


class Context(Protocol):
    """Everything an adapter may use of Trunkline."""

    channel: str
    public_url: str
    log: structlog.stdlib.BoundLogger
    http: aiohttp.ClientSession
    media: Media
    memory: Memory
    lines: Lines

    def now(self) -> int:
        """Give the time in ms since the epoch."""
        ...

    def new_id(self) -> str:
        """Give a fresh UUIDv7."""
        ...

    def secret(self, purpose: str) -> bytes:
        """Give 32 bytes that only this workspace knows, the same on every node, different for each purpose."""
        ...

    async def accept(self, envelope: Envelope) -> None:
        """Store an envelope; when this returns, it cannot be lost (promise P1).

        One envelope per address is in flight at a time, others wait their turn; a repetition with the same native
        id is recognised later (promise P2).

        Raises:
            NotAccepted: it could not be stored in time; do not acknowledge it to the provider.
            EnvelopeRefused: it is too big or malformed; it stands with the dead letters.
        """
        ...

    async def report(self, receipt: Receipt, *, stored: bool = False) -> None:
        """Report what became of an outbound message (a status callback, a visitor's read mark).

        Receipts of one message are merged for half a second, the highest rank wins. This returns at once, and a
        crash may lose what waits; with ``stored`` it returns when the receipt (or a higher one) cannot be lost.

        Raises:
            NotAccepted: with ``stored``: it could not be stored in time.
            EnvelopeRefused: it is malformed; it stands with the dead letters.
        """
        ...

    async def dead(self, reason: str, payload: bytes, detail: str) -> None:
        """Keep what cannot be translated as a dead letter; afterwards it may be acknowledged to the provider.

        ``reason`` is a stable word of letters, digits and underscores.

        Raises:
            NotAccepted: it could not be stored in time.
        """
        ...

    async def ask(self, question: bytes, *, within: float) -> bytes:
        """Ask the program that serves this channel over the bus, in whatever language; ``within`` is in seconds.

        Raises:
            NobodyServes: nobody is there.
            TimeoutError: no answer came in time; the question may have been taken.
        """
        ...

    def count(self, event: str) -> None:
        """Count an event of this channel for the metrics; a stable word such as ``bad_signature``."""
        ...


class Finding(Struct, frozen=True, kw_only=True):
    """One result of a channel's check: what was looked at, whether it is right, and what to do about it."""

    what: str
    ok: bool
    remedy: str = ""


class TemplateText(Struct, frozen=True, kw_only=True):
    """A text that the provider has approved; ``{{1}}`` in it stands for the variable ``1``."""

    name: str
    language: str
    text: str


class Adapter:
    """Base of every channel; override what the channel has.

    ``type`` is the word in the YAML, ``Settings`` its msgspec struct (tagged with ``type``). ``delivery`` says who
    sends: ``worker`` (one owner per channel calls :meth:`send`) or ``lines`` (every node feeds its own sockets from
    :attr:`Context.lines`). ``single_reader`` is for channels of which only one node may run :meth:`run`. ``pace`` is
    how the delivery policy treats the provider. An instance may set its own ``capabilities`` and ``pace`` from its
    settings.
    """

    type: ClassVar[str]
    Settings: ClassVar[SettingsType]
    capabilities: Capabilities
    delivery: ClassVar[Literal["worker", "lines"]] = "worker"
    single_reader: ClassVar[bool] = False
    pace: Pace = Pace()

    def __init__(self, settings: Any, context: Context) -> None:  # noqa: ANN401 - each adapter narrows it to its own struct
        self.settings = settings
        self.context = context

    @classmethod
    def templates(cls, settings: Any) -> Sequence[TemplateText]:  # noqa: ANN401 - as in __init__
        """Give the approved texts that an operator may choose from; the desk asks without making the channel."""
        del settings
        return ()

    @classmethod
    def capabilities_at(cls, settings: Any, address: str) -> Capabilities:  # noqa: ANN401 - as in __init__
        """Say what can be shown at an address; the desk asks without making the channel."""
        del settings, address
        return cls.capabilities

    async def check(self) -> Sequence[Finding]:
        """Check whether the channel can work: settings, credentials, the provider's side. Changes nothing.

        Raises:
            StartError: one of its three kinds.
        """
        return ()

    async def run(self) -> None:
        """Read from the provider until cancelled. Returning at once means that there is nothing to read."""

    def routes(self) -> Sequence[web.RouteDef]:
        """Give the HTTP routes, mounted below ``/channels/<name>``."""
        return ()

    async def send(self, outbound: Outbound) -> Sent:
        """Send one rendered message. Called once per outbound id and attempt, in order per conversation.

        Cancelled when it takes longer than :attr:`Pace.call_timeout`, which makes its outcome unknown. A process that
        stood still wakes up in the middle of a call: requests of ``context.http`` then fail by themselves; an
        adapter with another protocol asks :func:`adapters.session.sending_until` before it writes the message.

        Raises:
            SendError: one of its kinds; anything else counts as an unknown outcome.
            StartError: the channel itself is broken; the message was not sent and waits.
        """
        del outbound
        raise Refused("receive_only", f"the channel {self.context.channel} only receives")

    async def find(self, outbound: Outbound) -> Sent | None:
        """Ask the provider whether a message of unknown outcome was sent. None: it will never be told.

        Raises:
            TryLater: the provider knows that it was not sent, so it may be sent again.
            Refused: the provider knows that it was not sent and will not be.
            Exception: anything else means that it cannot be told now; it is asked again a few times.
        """
        del outbound
        return None

    def lane(self, address: str) -> Lane:
        """Give the provider's limit for an address: the key that it counts calls by, and the rate."""
        return address, self.pace.address

    def secrets(self) -> Sequence[str]:
        """Name the values that must appear in no log line."""
        return ()

    async def close(self) -> None:
        """Close connections. The caller bounds the time that this may take."""
