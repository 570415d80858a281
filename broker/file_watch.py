"""Watches a file and puts it in force whenever it changes; one with mistakes changes nothing, and is an alarm."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from broker.bus.errors import BusError
from broker.logs import Scrubber, get_logger
from broker.monitoring.alarms import Board
from broker.monitoring.doctor import refuse_bad_settings
from broker.settings.source import Source, decode_source
from broker.settings.workspace import secrets_in
from broker.versions import Versions
from config import ConfigErrors, Document, read

LOOK_EVERY = 2.0
"""Seconds. What is being written may be right so far, and is not all: a change counts when two looks find the same."""

WRONG = "file_wrong"


class FileWatch:
    """Watches one file or folder, which was ``source`` at the start; ``check`` raises config.ConfigErrors."""

    def __init__(  # noqa: PLR0913, PLR0917  # what it is wired to
        self,
        path: Path,
        source: Source,
        versions: Versions,
        board: Board,
        scrubber: Scrubber,
        check: Callable[[Source], Awaitable[None]] = refuse_bad_settings,
    ) -> None:
        self._path = path
        self._workspace = source.settings.workspace
        self._digest = self._seen = source.document.digest
        self._refused = ""
        self._versions = versions
        self._board = board
        self._scrubber = scrubber
        self._check = check
        self._log = get_logger("version")

    async def run(self) -> None:
        """Look at intervals, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                await self.look()
            except Exception as exc:  # noqa: BLE001  # whatever a channel's code raises: the next change is looked at
                self._log.exception("file not looked at")
                self._wrong(f"looking at it failed ({type(exc).__name__}); the log says more")

    async def look(self) -> None:
        """Look once."""
        try:
            document = await asyncio.to_thread(read, self._path)
        except ConfigErrors as exc:
            if self._stands(str(exc)):
                self._wrong(str(exc))
            return
        stands = self._stands(document.digest)
        if document.digest == self._digest:
            self._refused = ""
            self._board.clear(WRONG)
        elif stands and document.digest != self._refused:
            try:
                await self._put(document)
            except ConfigErrors as exc:
                self._wrong(str(exc))

    def _stands(self, found: str) -> bool:
        """Whether the last look has found the same."""
        before, self._seen = self._seen, found
        return found == before

    async def _put(self, document: Document) -> None:
        """Propose what the file says. Raises config.ConfigErrors."""
        source = await asyncio.to_thread(decode_source, document, os.environ)  # it may import a channel's library
        if source.settings.workspace != self._workspace:
            self._wrong(f"it is of the workspace {source.settings.workspace}, and {self._workspace} runs here")
            return
        self._refused = document.digest  # if so: providers are not asked about the same again and again
        await self._check(source)
        self._refused = ""
        self._scrubber.add(secrets_in(source.settings))
        try:
            await self._versions.propose(source, by="watch")
        except BusError as exc:
            self._log.warning("file not proposed", reason=str(exc))
            return
        self._digest = document.digest
        self._board.clear(WRONG)
        self._log.info("file proposed")

    def _wrong(self, why: str) -> None:
        text = f"{self._path} has changed and is not put in force: {why}"
        self._board.raise_(WRONG, text=text, remedy="Correct it; what was in force before stays.")
