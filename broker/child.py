"""A part of Trunkline that runs as a child process of its own and is started again when it dies."""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from broker.bus import child as wrapper
from broker.logs import get_logger

_STOP_TIMEOUT = 20.0
"""Seconds a part has to drain and take a snapshot before it is killed."""

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 10.0


class ChildProcess:
    """Runs ``arguments`` under this Python until :meth:`stop`; the child ends with its parent, whatever happens.

    ``told`` is what each child reads from its standard input.
    """

    def __init__(self, name: str, arguments: Sequence[str], told: bytes) -> None:
        self._name = name
        self._told = told
        self._command = (sys.executable, *arguments)
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._log = get_logger("supervisor").bind(part=name)

    @property
    def pid(self) -> int | None:
        """Process id of the child while it runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def start(self) -> None:
        """Start it and keep it running."""
        self._process = await self._spawn()
        self._watch = asyncio.create_task(self._keep_running(), name=f"child {self._name}")

    async def stop(self) -> None:
        """Ask it to end, and kill it when it does not."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(_STOP_TIMEOUT):
                await self._process.wait()
        except TimeoutError:
            self._log.warning("did not stop in time and is killed", seconds=_STOP_TIMEOUT)
            self._process.kill()
            await self._process.wait()

    async def _spawn(self) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-S",
            str(Path(wrapper.__file__)),
            str(os.getpid()),
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the parent, which ends its parts in order
        )
        assert process.stdin is not None  # noqa: S101  # it is a pipe
        process.stdin.write(self._told)
        process.stdin.close()
        return process

    async def _keep_running(self) -> None:
        pause = _FIRST_PAUSE
        loop = asyncio.get_running_loop()
        while self._process is not None:
            started = loop.time()
            code = await self._process.wait()
            pause = _FIRST_PAUSE if loop.time() - started > _LONGEST_PAUSE else min(2 * pause, _LONGEST_PAUSE)
            self._log.error("died and is started again", code=code, seconds=pause)
            await asyncio.sleep(pause)
            self._process = await self._spawn()
