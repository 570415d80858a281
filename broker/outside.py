"""The desk's ports (``desk.ports``) over the bus: input, typing, accounts, channels, revoked sessions."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct

from adapters.contract import Typing as LiveTyping
from adapters.registry import adapter_type
from broker.bus.connection import Bus, LiveMessage
from broker.bus.errors import BusError, PublishRefused, PublishUnknown
from broker.bus.kv import Bucket, kv_key
from broker.bus.streams import SENDS_BUCKET, Workspace
from broker.bus.subscription import Subscription
from broker.logs import get_logger
from broker.routing.follower import Follower
from broker.settings.workspace import WorkspaceSettings, channel_type
from desk.ports import Account, ApprovedText, ChannelInfo, DeskInput, NotReadable, NotStored, Typing, Unsubscribe
from desk.ports import Follower as OnRecord
from router.inputs import DESK_SOURCE, Command, encode_input
from router.record import Record
from router.state import State

SUBMIT_TIMEOUT = 3.0
"""Seconds after which a command counts as not stored; its client repeats it with the same id."""

REVOKED = "revoked"
READ_AGAIN = 10.0
"""Seconds after which every node knows of a revocation even if the live notice of it was lost."""


class DeskLedger:
    """The followed log as the desk reads it."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower

    @property
    def state(self) -> State:
        """The state at `position`."""
        return self._follower.state

    @property
    def stream(self) -> int:
        """Creation time of the log stream, ns."""
        return self._follower.stream

    @property
    def position(self) -> int:
        """Sequence of the last record folded."""
        return self._follower.position

    @property
    def lag(self) -> float:
        """Seconds behind the log."""
        return self._follower.lag

    @property
    def ready(self) -> bool:
        """Whether the end of the log was reached once."""
        return self._follower.ready

    def subscribe(self, follower: OnRecord) -> Unsubscribe:
        """Call it for each record from now on."""
        return self._follower.subscribe(follower)

    async def history(self, conversation: str, person: str) -> list[tuple[int, Record]]:
        """Read a conversation; raises NotReadable."""
        try:
            return await self._follower.history(conversation, person)
        except BusError as exc:
            raise NotReadable(f"the history cannot be read at the moment: {exc}") from exc


class DeskDoor:
    """The way into IN as source ``_desk``."""

    def __init__(self, bus: Bus, workspace: Workspace) -> None:
        self._bus = bus
        self._subject = workspace.in_subject(DESK_SOURCE)

    async def submit(self, value: DeskInput) -> None:
        """Append; raises NotStored when the store has not acknowledged it in time."""
        headers = {"Nats-Msg-Id": f"{DESK_SOURCE}:{value.id}"} if isinstance(value, Command) else None
        try:
            await self._bus.publish(self._subject, encode_input(value), headers=headers, timeout=SUBMIT_TIMEOUT)
        except (PublishRefused, PublishUnknown) as exc:
            raise NotStored(str(exc)) from exc


class Tasks:
    """Small jobs that nobody waits for, owned until they end."""

    def __init__(self, part: str) -> None:
        self._running: set[asyncio.Task[None]] = set()
        self._log = get_logger(part)

    def start(self, job: Coroutine[Any, Any, None]) -> None:
        """Run a job; a failure is logged."""
        task = asyncio.create_task(job)
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            self._log.error("a job failed", exc_info=failure)

    async def close(self) -> None:
        """Cancel what still runs."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


class DeskLive:
    """Typing both ways, over core NATS; only conversations on somebody's screen are subscribed to."""

    def __init__(self, bus: Bus, workspace: Workspace) -> None:
        self._bus = bus
        self._workspace = workspace
        self._watchers: dict[str, list[Callable[[Typing], None]]] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self._lock = asyncio.Lock()
        self._tasks = Tasks("desk.live")

    async def typing(self, typing: Typing) -> None:
        """Tell the customer's channel that an operator is typing."""
        live = LiveTyping(
            conversation=typing.conversation, by="operator", name=typing.name, text=typing.text, on=typing.on
        )
        await self._bus.publish_live(self._workspace.live_subject(typing.conversation), msgspec.json.encode(live))

    def watch(self, conversation: str, seen: Callable[[Typing], None]) -> Unsubscribe:
        """Call ``seen`` whenever the customer types; the subscription follows in a moment."""
        self._watchers.setdefault(conversation, []).append(seen)
        self._tasks.start(self._settle(conversation))

        def stop() -> None:
            watchers = self._watchers.get(conversation, [])
            if seen in watchers:
                watchers.remove(seen)
            if not watchers:
                self._watchers.pop(conversation, None)
            self._tasks.start(self._settle(conversation))

        return stop

    async def close(self) -> None:
        """End every subscription."""
        self._watchers.clear()
        await self._tasks.close()
        for subscription in self._subscriptions.values():
            await subscription.unsubscribe()
        self._subscriptions.clear()

    async def _settle(self, conversation: str) -> None:
        async with self._lock:
            wanted, there = conversation in self._watchers, conversation in self._subscriptions
            if wanted and not there:
                subject = self._workspace.live_subject(conversation)
                self._subscriptions[conversation] = await self._bus.subscribe_live(subject, self._heard)
            elif there and not wanted:
                await self._subscriptions.pop(conversation).unsubscribe()

    async def _heard(self, message: LiveMessage) -> None:
        live = msgspec.json.decode(message.payload, type=LiveTyping)
        if live.by == "customer":
            typing = Typing(conversation=live.conversation, name=live.name, text=live.text, on=live.on)
            for seen in tuple(self._watchers.get(live.conversation, ())):
                seen(typing)


class FileAccounts:
    """The operators of the version in force, which ``settings`` gives."""

    def __init__(self, settings: Callable[[], WorkspaceSettings]) -> None:
        self._settings = settings

    def find(self, operator: str) -> Account | None:
        """Give the account of an operator who may sign in."""
        found = self._settings().operators.get(operator)
        if found is None or found.password_hash is None:
            return None
        return Account(
            id=operator,
            name=found.name,
            role=found.role,
            password_hash=found.password_hash.reveal(),
            avatar=found.avatar,
        )


class FileChannels:
    """The channels of the configuration file in force, as far as the desk has to know them."""

    def __init__(self, settings: Callable[[], WorkspaceSettings]) -> None:
        self._settings = settings
        self._known: dict[str, tuple[object, ChannelInfo]] = {}

    def find(self, channel: str) -> ChannelInfo | None:
        """Ask the channel's adapter, once for each version of its settings."""
        settings = self._settings().channels.get(channel)
        if settings is None:
            return None
        known = self._known.get(channel)
        if known is None or known[0] is not settings:
            known = self._known[channel] = (settings, _describe(settings))
        return known[1]


def _describe(settings: Struct) -> ChannelInfo:
    adapter = adapter_type(channel_type(settings))
    return ChannelInfo(
        partial(adapter.capabilities_at, settings),
        tuple(
            ApprovedText(name=each.name, language=each.language, text=each.text) for each in adapter.templates(settings)
        ),
    )


class KvRevocations:
    """Sessions that ended before their time: in a bucket, with a copy in memory that a notice keeps fresh."""

    def __init__(self, bus: Bus, workspace: Workspace, now: Callable[[], int]) -> None:
        self._bus = bus
        self._bucket = Bucket(bus, SENDS_BUCKET)
        self._prefix = f"{workspace.name}.{REVOKED}"
        self._notice = workspace.live_subject(f"_{REVOKED}")
        self._now = now
        self._known: dict[str, tuple[int, int]] = {}
        self._task: asyncio.Task[None] | None = None
        self._subscription: Subscription | None = None
        self._log = get_logger("desk")

    def revoked_at(self, subject: str) -> int:
        """Give the time (ms) up to which sessions of ``subject`` are void; 0 if there is none."""
        return self._known.get(subject, (0, 0))[0]

    async def revoke(self, subject: str, *, at: int, until: int) -> None:
        """Void the subject's sessions that began at or before ``at``."""
        self._known[subject] = (at, until)
        value = msgspec.json.encode((subject, at, until))
        await self._bucket.put(f"{self._prefix}.{kv_key(subject)}", value)
        await self._bus.publish_live(self._notice, value)

    async def start(self) -> None:
        """Read what is there and keep reading."""
        self._subscription = await self._bus.subscribe_live(self._notice, self._heard)
        await self._read()
        self._task = asyncio.create_task(self._read_again(), name="revocations")

    async def close(self) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._subscription is not None:
            await self._subscription.unsubscribe()

    async def _heard(self, message: LiveMessage) -> None:
        self._take(message.payload)

    async def _read(self) -> None:
        async for key, entry in self._bucket.entries(f"{self._prefix}.*"):
            if self._take(entry.value) < self._now():
                await self._bucket.delete(key)

    async def _read_again(self) -> None:
        while True:
            await asyncio.sleep(READ_AGAIN)
            try:
                await self._read()
            except BusError as exc:
                self._log.warning("revocations could not be read again", reason=str(exc))

    def _take(self, value: bytes) -> int:
        subject, at, until = msgspec.json.decode(value, type=tuple[str, int, int])
        self._known[subject] = (max(at, self.revoked_at(subject)), until)
        return until
