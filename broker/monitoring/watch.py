"""Raises alarms about what hangs: channels that are not served, fail or are silent, a log that stands still.

Every process looks by itself; what it finds stands on its board, and the others hear of it.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import msgspec

from broker.bus.connection import Bus
from broker.bus.dead import letter_of
from broker.bus.errors import BusError
from broker.bus.kv import Bucket
from broker.bus.reader import last_by_subject
from broker.bus.streams import DEAD_STREAM, Workspace
from broker.channels.tally import ChannelStatus, Trouble
from broker.logs import get_logger
from broker.monitoring.alarms import Board
from broker.monitoring.nodes import Beat
from broker.monitoring.rhythm import Rhythm
from broker.routing.positions import Positions
from broker.routing.trim import INDEX_PATIENCE
from desk.ports import Alarm
from router.facts import MessageTaken
from router.record import Record
from router.state import State

LOOK_EVERY = 5.0
SLOW_EVERY = 60
"""Seconds between two looks at what has to be read from the bus."""

SAVE_EVERY = 600
UNSERVED_AFTER = 30_000
TROUBLED_AFTER = 60_000
LATE_AFTER = 15_000
"""A router writes at least every 5 s (ms)."""

INDEX_SILENT_AFTER = 600_000
"""Whoever follows an index says so every ten seconds (ms)."""

YOUNG_LETTER = 3_600_000
"""Dead letters are growing while the newest one is younger than this (ms)."""

FOUND_HERE = frozenset(
    (
        "channel_unserved",
        "channel_off",
        "channel_unreachable",
        "channel_failing",
        "channel_finding",
        "channel_silent",
        "bus_away",
        "router_missing",
        "behind",
    )
)
READ_FROM_BUS = frozenset(("dead_letters", "channel_removed", "index_silent"))
NEEDS_NO_WAITING = frozenset(("settings", "credentials"))


class Following(Protocol):
    """A follower, as far as the watch is concerned."""

    state: State

    @property
    def lag(self) -> float:
        """Seconds behind the log."""
        ...


class Watch:
    """One process's watch. ``expect_every`` gives the silences (ms) that are set for channels, ``now`` is in ms."""

    def __init__(  # noqa: PLR0913  # what it is wired to, by name
        self,
        bus: Bus,
        workspace: Workspace,
        board: Board,
        *,
        created: str,
        following: Following,
        statuses: Callable[[], Mapping[str, ChannelStatus]],
        alive: Callable[[], Sequence[Beat]],
        expect_every: Callable[[], Mapping[str, int]],
        now: Callable[[], int],
    ) -> None:
        self._bus = bus
        self._workspace = workspace
        self._board = board
        self._positions = Positions(bus, workspace, created)
        self._following = following
        self._statuses = statuses
        self._alive = alive
        self._expect_every = expect_every
        self._now = now
        self._begun = self._heard = self._connected = now()
        self._served: dict[str, int] = {}
        self._rhythms: dict[str, Rhythm] = {}
        self._bucket = Bucket(bus, workspace.sends_bucket)
        self._prefix = f"{workspace.name}.rhythm."
        self._log = get_logger("watch")

    def record(self, _seq: int, _subject: str, record: Record) -> None:
        """Follow the log: a router writes, customers write."""
        self._heard = self._now()
        for fact in record.facts:
            if isinstance(fact, MessageTaken):
                self._rhythm(fact.envelope.channel).take(record.now)

    async def run(self) -> None:
        """Look until cancelled."""
        await self._load()
        for second in _every(LOOK_EVERY):
            self.look()
            if second % SLOW_EVERY == 0:
                await self.look_at_the_bus()
            if second % SAVE_EVERY == SAVE_EVERY - LOOK_EVERY:
                await self.save()
            await asyncio.sleep(LOOK_EVERY)

    def look(self) -> None:
        """Look at what is known here."""
        self._board.settle(FOUND_HERE, self._found())

    async def look_at_the_bus(self) -> None:
        """Look at what only the bus knows; while it does not answer, what was found stands."""
        try:
            found = [*await self._letters(), *await self._removed(), *await self._silent_indexes()]
        except BusError as exc:
            self._log.warning("the bus was not looked at", reason=str(exc))
            return
        self._board.settle(READ_FROM_BUS, found)

    async def save(self) -> None:
        """Write down how often customers write, with what other processes have counted."""
        await self._load()
        for channel in self._following.state.rules.channels:
            rhythm = self._rhythm(channel)
            rhythm.observe(self._begun, self._now())
            try:
                await self._bucket.put(self._prefix + channel, msgspec.json.encode(rhythm))
            except BusError as exc:
                self._log.warning("rhythm not saved", channel=channel, reason=str(exc))

    # --- what is known here ---

    def _found(self) -> Iterator[Alarm]:
        now = self._now()
        for status in self._statuses().values():
            yield from channel_alarms(status, now)
        if not self._bus.connected:
            self._connected = now
            yield bus_away(now)
            return
        yield from self._log_alarms(now)
        channels = self._following.state.rules.channels
        yield from self._unserved(channels, now)
        for channel in channels:
            yield from self._silent(channel, now)

    def _log_alarms(self, now: int) -> Iterator[Alarm]:
        lag = int(self._following.lag * 1_000)
        if lag > LATE_AFTER:
            text = f"This process is {lag // 1_000} s behind the log: its screens are old."
            yield Alarm(name="behind", text=text, remedy="Look at the machine's load.", since=now - lag)
        elif now - max(self._heard, self._connected) > LATE_AFTER:
            yield router_missing(self._heard)

    def _unserved(self, channels: Iterable[str], now: int) -> Iterator[Alarm]:
        served = {name for beat in self._alive() for name in beat.channels}
        self._served = {name: at for name, at in self._served.items() if name in channels}
        for name in channels:
            last = self._served.setdefault(name, now)
            if name in served:
                self._served[name] = now
            elif now - max(last, self._connected) > UNSERVED_AFTER:
                yield Alarm(
                    name="channel_unserved",
                    channel=name,
                    text=f"The channel {name} is configured, and no process runs it: nobody gets through.",
                    remedy=f"Start a process with `--only {name}` or `--only channels`.",
                    since=last,
                )

    def _silent(self, channel: str, now: int) -> Iterator[Alarm]:
        rhythm = self._rhythm(channel)
        since = max(rhythm.last, self._begun)
        expected = self._expect_every().get(channel)
        missing = rhythm.missing(since, now) if expected is None else 0
        if expected:
            why = f"a message is expected every {_span(expected)}" if now - since > expected else ""
        else:
            why = f"in each of the last weeks at least {missing} messages came in this time" if missing else ""
        if why:
            yield Alarm(
                name="channel_silent",
                channel=channel,
                text=f"Nobody has written on {channel} for {_span(now - since)}; {why}.",
                remedy="Write a test message. If it does not arrive: "
                f"`trunkline check --connect --only {channel}`. If the silence is right, set "
                f"`alarms: {{expect_every: {{{channel}: ...}}}}`.",
                since=since,
            )

    def _rhythm(self, channel: str) -> Rhythm:
        return self._rhythms.setdefault(channel, Rhythm())

    # --- what the bus knows ---

    async def _letters(self) -> list[Alarm]:
        newest = await last_by_subject(self._bus, DEAD_STREAM, self._workspace.dead_subject("*"))
        if newest is None or self._now() - newest.time_ns // 1_000_000 > YOUNG_LETTER:
            return []
        letter = letter_of(newest)
        text = f"Something could not be decided or sent: dead letter {letter.seq}, {letter.reason}."
        remedy = "`trunkline dead list` shows them with their reasons; mend the cause, then `trunkline dead replay`."
        return [Alarm(name="dead_letters", text=text, remedy=remedy, since=letter.time_ns // 1_000_000)]

    async def _removed(self) -> list[Alarm]:
        positions = await self._positions.all()
        senders = {name.rpartition(".")[0] for name in positions if not name.startswith("_")}
        return [
            Alarm(
                name="channel_removed",
                channel=channel,
                text=f"The channel {channel} is not configured any more; what it has not sent keeps the log from being "
                "trimmed.",
                remedy=f"`trunkline channel forget {channel}` says what would be lost, or configure it again.",
                since=self._now(),
            )
            for channel in sorted(senders - set(self._following.state.rules.channels))
        ]

    async def _silent_indexes(self) -> list[Alarm]:
        heard = min((await self._positions.indexes()).values(), default=self._now())
        if self._now() - heard <= INDEX_SILENT_AFTER:
            return []
        text = (
            f"An index for search and reports has not been followed for {_span(self._now() - heard)}. It holds back "
            f"the trimming of the log until it has been silent for {_span(INDEX_PATIENCE)}."
        )
        remedy = "Start the desk that it belongs to, or wait: it is then forgotten, and built anew if it comes back."
        return [Alarm(name="index_silent", text=text, remedy=remedy, since=heard)]

    async def _load(self) -> None:
        """Take over what was counted before, and by others."""
        try:
            async for key, entry in self._bucket.entries(f"{self._prefix}*"):
                stored = msgspec.json.decode(entry.value, type=Rhythm)
                self._rhythm(key.removeprefix(self._prefix)).merge(stored)
        except BusError as exc:
            self._log.warning("rhythm not read", reason=str(exc))


def bus_away(since: int) -> Alarm:
    """Say that this process has no bus."""
    return Alarm(name="bus_away", text="No NATS server is connected.", remedy="Look whether it runs.", since=since)


def router_missing(since: int) -> Alarm:
    """Say that nobody decides."""
    text = "No router has written for a while: messages are kept, and nobody gets them."
    remedy = "Look whether `trunkline up --only router` runs, and at its log."
    return Alarm(name="router_missing", text=text, remedy=remedy, since=since)


def channel_alarms(status: ChannelStatus, now: int) -> Iterator[Alarm]:
    """Give what is wrong with a channel of this process, the worst of its parts."""
    worst = [t for t in status.troubles.values() if t.cause in NEEDS_NO_WAITING or now - t.since >= TROUBLED_AFTER]
    for trouble in sorted(worst, key=lambda trouble: trouble.since)[:1]:
        yield _trouble(status.channel, trouble)
    if status.findings:
        yield Alarm(
            name="channel_finding",
            channel=status.channel,
            text=f"The channel {status.channel} runs, but: {'; '.join(found.what for found in status.findings)}.",
            remedy="; ".join(found.remedy for found in status.findings),
            since=status.found_at,
        )


def _trouble(channel: str, trouble: Trouble) -> Alarm:
    reason = trouble.reason.rstrip(".")
    match trouble.cause:
        case "settings":
            name, text = "channel_off", f"The channel {channel} is off, its settings are refused: {reason}."
            remedy = "Correct the file, then `trunkline apply`."
        case "credentials":
            name, text = "channel_off", f"The channel {channel} is off, its credentials are refused: {reason}."
            remedy = f"Mend them; `trunkline check --connect --only {channel}` says more. It is tried again by itself."
        case "unreachable":
            name, text = "channel_unreachable", f"The channel {channel} cannot reach its provider: {reason}."
            remedy = f"It is tried again by itself; `trunkline check --connect --only {channel}` says more."
        case _:
            name, text = "channel_failing", f"The channel {channel} does not work: {reason}."
            remedy = (
                "It is begun again by itself; the log of its process says more. Report it to who wrote the channel."
            )
    return Alarm(name=name, text=text, remedy=remedy, channel=channel, since=trouble.since)


def _span(ms: int) -> str:
    minutes = ms // 60_000
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"  # noqa: PLR2004  # two hours


def _every(seconds: float) -> Iterator[int]:
    """Count the seconds since the start."""
    at = 0.0
    while True:
        yield int(at)
        at += seconds
