"""The version in force, in a running process: the file proposes, the log decides, everybody follows.

A process brings its channels and accounts in line with the version in the log. One that it cannot read it reports,
and goes on with what it had. Settings that a process needs before there is a log (the bus, where it listens) are those
of the file it was started with.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Protocol

from broker.bus.errors import BusError
from broker.logs import get_logger
from broker.monitoring.alarms import Board
from broker.settings.source import Source
from broker.versions import Version, VersionMissing, Versions
from config import ConfigErrors
from router.facts import RulesTaken
from router.record import Record
from router.state import State

UNREADABLE = "version_unreadable"
RETRY = 1.0
LONGEST_RETRY = 60.0


class Following(Protocol):
    """A follower, as far as versions are concerned."""

    state: State

    def subscribe(self, callback: Callable[[int, str, Record], None]) -> Callable[[], None]:
        """Call with each record right after it was folded."""
        ...


class Live:
    """Keeps ``source`` at the version in force. ``apply`` is called with each new one."""

    def __init__(  # noqa: PLR0913  # what it is wired to, by name
        self,
        source: Source,
        *,
        versions: Versions,
        following: Following,
        board: Board,
        folder: Path,
        env: Mapping[str, str],
        apply: Callable[[Source], Awaitable[None]],
    ) -> None:
        self.source = source
        self.version = 0
        """The number of the version that this process works by; 0 while the log has none."""
        self._file = source
        self._versions = versions
        self._following = following
        self._board = board
        self._folder = folder
        self._env = env
        self._apply = apply
        self._changed = asyncio.Event()
        self._by: dict[int, Version] = {}
        self._log = get_logger("version")

    async def begin(self) -> None:
        """Take what is in force before anything runs; without a version, or one that cannot be read, the file."""
        state = self._following.state
        if not state.rules_hash or state.rules_hash == self._versions.proposal(self._file, "").hash:
            self.version = state.version
            return
        found = await self._read(state.rules_hash, state.version)
        if found is not None:
            self.source, self.version = found, state.version
            self._log.warning("the file is not what is in force", version=state.version, mend="trunkline apply")

    async def run(self) -> None:
        """Follow until cancelled."""
        unsubscribe = self._following.subscribe(self._record)
        pause = RETRY
        try:
            while True:
                if await self._follow():
                    pause = RETRY
                    await self._changed.wait()
                else:
                    await self._rest(pause)
                    pause = min(2 * pause, LONGEST_RETRY)
                self._changed.clear()
        finally:
            unsubscribe()

    def _record(self, _seq: int, _subject: str, record: Record) -> None:
        for fact in record.facts:
            if isinstance(fact, RulesTaken):
                self._by[fact.version] = Version(number=fact.version, hash=fact.hash, at=record.now, by=fact.by)
                self._changed.set()

    async def _follow(self) -> bool:
        """Take over the version in force; False if that was not possible."""
        state = self._following.state
        number, name = state.version, state.rules_hash
        if number == self.version or not name:
            return await self._note(number, name)
        found = await self._read(name, number)
        if found is None:
            return False
        await self._apply(found)
        self.source, self.version = found, number
        self._log.info("version in force", version=number)
        return await self._note(number, name)

    async def _note(self, number: int, name: str) -> bool:
        if not name:
            return True
        self._by.setdefault(number, Version(number=number, hash=name, at=self._following.state.now))
        for decided in sorted(self._by):  # those that were passed over too: one may go back to them
            try:
                await self._versions.note(self._by[decided])
            except BusError as exc:
                self._log.warning("version not noted", version=decided, reason=str(exc))
                return False
            del self._by[decided]
        return True

    async def _read(self, name: str, number: int) -> Source | None:
        try:
            found = await self._versions.load(name, self._folder, self._env)
        except BusError as exc:
            self._log.warning("version not read", version=number, reason=str(exc))
            return None
        except (VersionMissing, ConfigErrors) as exc:
            self._board.raise_(
                UNREADABLE,
                text=f"Version {number} is in force, and this process cannot read it: {exc}",
                remedy="Set what it lacks and start it again; until then it goes on as before.",
            )
            return None
        self._board.clear(UNREADABLE)
        return found

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return
