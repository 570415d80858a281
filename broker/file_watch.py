"""Watches a file and puts it in force whenever it changes; one with mistakes changes nothing, and is an alarm."""

import asyncio
import os
from pathlib import Path

from broker.alarms import Board
from broker.bus.errors import BusError
from broker.doctor import refuse_bad_settings
from broker.logs import Scrubber, get_logger
from broker.source import Source, read_source
from broker.versions import Versions
from broker.workspace import secrets_in
from config import ConfigErrors, read

LOOK_EVERY = 2.0
"""Seconds. A file that is being written is read again at the next look."""

WRONG = "file_wrong"


class FileWatch:
    """Watches one file or folder, which was ``source`` at the start."""

    def __init__(self, path: Path, source: Source, versions: Versions, board: Board, scrubber: Scrubber) -> None:
        self._path = path
        self._workspace = source.settings.workspace
        self._digest = source.document.digest
        self._versions = versions
        self._board = board
        self._scrubber = scrubber
        self._log = get_logger("version")

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            await self.look()

    async def look(self) -> None:
        """Look once."""
        try:
            document = await asyncio.to_thread(read, self._path)
            if document.digest == self._digest:
                self._board.clear(WRONG)
                return
            source = read_source(self._path, os.environ)
            await refuse_bad_settings(source)
        except ConfigErrors as exc:
            self._wrong(str(exc))
            return
        if source.settings.workspace != self._workspace:
            self._wrong(f"it is of the workspace {source.settings.workspace}, and {self._workspace} runs here")
            return
        self._scrubber.add(secrets_in(source.settings))
        try:
            await self._versions.propose(source, by="watch")
        except BusError as exc:
            self._log.warning("file not proposed", reason=str(exc))
            return
        self._digest = source.document.digest
        self._board.clear(WRONG)
        self._log.info("file proposed")

    def _wrong(self, why: str) -> None:
        text = f"{self._path} has changed and is not put in force: {why}"
        self._board.raise_(WRONG, text=text, remedy="Correct it; what was in force before stays.")
