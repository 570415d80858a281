"""The desk's ports: what it needs from outside. ``broker`` implements them over the bus, tests in memory."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from desk.finding.reports import Figures
from desk.finding.search import SearchIndex
from normalizer.capabilities import Capabilities
from normalizer.content import StoredFile
from router.inputs import Command, DeskAlive, OperatorIdle, OperatorLost, OperatorUp
from router.record import Record
from router.state import State

Role = Literal["operator", "supervisor"]

DeskInput = Command | DeskAlive | OperatorUp | OperatorLost | OperatorIdle
"""What source ``_desk`` may append to IN."""

Follower = Callable[[int, str, Record], None]
"""Called with sequence, subject and record, after the record has been folded into the state."""

Unsubscribe = Callable[[], None]


class NotStored(Exception):
    """The store has not acknowledged an input in time. It may be stored all the same: repeat it with the same id."""


class NotReadable(Exception):
    """The log or the archive gives no history at the moment."""


class Ledger(Protocol):
    """The followed log: the folded state and what stands behind it. One per process."""

    @property
    def state(self) -> State:
        """The state at :attr:`position`. Read only; it changes between awaits, never within synchronous code."""
        ...

    @property
    def stream(self) -> int:
        """Creation time of the log stream in ns: a sequence means something only together with it."""
        ...

    @property
    def position(self) -> int:
        """The log sequence of the last record folded."""
        ...

    @property
    def lag(self) -> float:
        """How far the state is behind the log, in seconds; grows as well while the log cannot be reached."""
        ...

    @property
    def ready(self) -> bool:
        """Whether the state has been at the end of the log since the process started."""
        ...

    def subscribe(self, follower: Follower) -> Unsubscribe:
        """Call ``follower`` for each record from now on, in log order, without leaving one out.

        While catching up the loop gets its turn at least every 200 records: screens take what they are told.
        """
        ...

    async def history(self, conversation: str, person: str) -> list[tuple[int, Record]]:
        """Read all records of a conversation with their sequences, from the log or the archive; empty if unknown.

        It may hold records that the state has not folded yet.

        Raises:
            NotReadable: try again later.
        """
        ...


class Door(Protocol):
    """The way into IN, as source ``_desk``."""

    async def submit(self, value: DeskInput) -> None:
        """Append an input; return after the store's acknowledgement.

        Raises:
            NotStored: no acknowledgement in time.
        """
        ...


class Typing(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody is typing in a conversation; never stored. ``text`` is the preview, where the channel shows one."""

    conversation: str
    name: str = ""
    text: str = ""
    on: bool = True


class LiveBus(Protocol):
    """What is shown while it happens and never stored."""

    async def typing(self, typing: Typing) -> None:
        """Tell the customer that an operator is typing. Best effort: raises nothing when the bus is away."""
        ...

    def watch(self, conversation: str, seen: Callable[[Typing], None]) -> Unsubscribe:
        """Call ``seen`` whenever the customer of the conversation types."""
        ...


class MediaStore(Protocol):
    """Encrypted files, each with a key that only its :class:`StoredFile` holds."""

    async def put(self, chunks: AsyncIterator[bytes], *, limit: int, key: str | None = None) -> StoredFile:
        """Store a file of at most ``limit`` bytes; ``key`` makes a repetition find the first.

        What ``chunks`` raises passes through and nothing is kept.
        """
        ...

    def read(self, file: StoredFile) -> AsyncIterator[bytes]:
        """Give the decrypted bytes."""
        ...


class Account(Struct, frozen=True, kw_only=True):
    """Who may sign in: ``password_hash`` is an argon2 hash from the configuration file."""

    id: str
    name: str
    role: Role
    password_hash: str
    avatar: str = ""


class Accounts(Protocol):
    """The operators of the configuration file."""

    def find(self, operator: str) -> Account | None:
        """Give the account, or None: then every session of it is void."""
        ...


class ApprovedText(Struct, frozen=True, kw_only=True):
    """A text that a provider has approved; ``{{1}}`` in it stands for the variable ``1``."""

    name: str
    language: str
    text: str


class ChannelInfo(Struct, frozen=True):
    """What the desk knows of a channel: what it can show at an address, and its approved texts."""

    capabilities: Callable[[str], Capabilities]
    templates: tuple[ApprovedText, ...] = ()


class Channels(Protocol):
    """The channels of the configuration file."""

    def find(self, channel: str) -> ChannelInfo | None:
        """Give what is known of a channel, or None: then the desk takes it to show what it is sent."""
        ...


class Revocations(Protocol):
    """Sessions that ended before their time, shared by all desk nodes."""

    def revoked_at(self, subject: str) -> int:
        """Time (ms) up to which sessions of ``subject`` are void; 0 if there is none.

        ``subject`` is ``session-<id>`` or ``operator-<id>``.
        """
        ...

    async def revoke(self, subject: str, *, at: int, until: int) -> None:
        """Void the subject's sessions that began at or before ``at``; may be forgotten after ``until`` (ms)."""
        ...


class Alarm(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody has to look since ``since`` (ms). ``name`` is for programs; ``channel`` is empty for none."""

    name: str
    text: str
    remedy: str
    since: int
    channel: str = ""


class Outside(Struct, frozen=True, kw_only=True):
    """Everything that is handed to the desk.

    ``node`` names this process and is new with each start. ``secret(purpose)`` gives 32 bytes, the same on every
    node; ``now`` is in ms since the epoch, ``monotonic`` in seconds. ``public_url`` is the address that browsers use,
    ``alarms`` gives what is wrong anywhere in the workspace. ``search`` and ``figures`` are None where there is no
    index.
    """

    ledger: Ledger
    door: Door
    live: LiveBus
    media: MediaStore
    accounts: Accounts
    channels: Channels
    revocations: Revocations
    now: Callable[[], int]
    new_id: Callable[[], str]
    secret: Callable[[str], bytes]
    monotonic: Callable[[], float]
    node: str
    public_url: str
    alarms: Callable[[], Sequence[Alarm]] = tuple
    search: SearchIndex | None = None
    figures: Figures | None = None
