"""Copying a workspace while it runs. The order of the copies is what makes them one state: see docs/decisions.md.

In short: what may be *older* than the log (marks, channels' notes) is copied before its end, what may be *newer*
(claims, files, dead letters) after it, and the end of the log is where it has decided on the last input copied.
"""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from broker.backup.folder import Manifest, Part, PartWriter, Target
from broker.bus.connection import Bus
from broker.bus.copying import SavedStream, save_stream
from broker.bus.errors import CopyFailed, NoAnswer
from broker.bus.reader import Reader, Stored, stream_state
from broker.bus.streams import DEAD_STREAM, Workspace
from broker.channels.tally import wall_clock
from router.record import decode_record

ATTEMPTS = 3  # for each stream: its leader may step down meanwhile
RETRY_PAUSE = 2.0
DECIDED_WITHIN = 20.0
"""Seconds without a record after which no router is at work; an idle one writes every five."""

Tell = Callable[[str, int, int], None]
"""Told the name of a part, how many bytes of it are written, and the size of its messages (packed they are less)."""

log = structlog.get_logger(__name__)


async def back_up(  # noqa: PLR0913  # all but three by name
    bus: Bus, workspace: Workspace, path: Path, *, release: str, tell: Tell, patience: float = DECIDED_WITHIN
) -> Manifest:
    """Copy everything of a workspace into the new folder ``path``; ``patience`` (seconds) is for a router's decisions.

    Raises:
        FileExistsError, OSError: the folder cannot be written; nothing of it is left.
        BusError: the bus does not give what is asked of it; likewise.
    """
    with Target(path) as target:
        manifest = await _Backup(bus, workspace, target, release, tell, patience).run()
        target.finish(manifest)
    return manifest


class _Backup:
    def __init__(  # noqa: PLR0913, PLR0917  # as above
        self, bus: Bus, workspace: Workspace, target: Target, release: str, tell: Tell, patience: float
    ) -> None:
        self._bus = bus
        self._workspace = workspace
        self._target = target
        self._release = release
        self._tell = tell
        self._patience = patience
        self._parts: dict[str, Part] = {}

    async def run(self) -> Manifest:
        workspace, at = self._workspace, wall_clock()
        created = (await stream_state(self._bus, workspace.log_stream)).created
        main = await self._stream("log", workspace.log_stream)
        await self._stream("arc", workspace.arc_stream)
        await self._stream("snap", workspace.snap_stream)
        await self._keys("notes", workspace.sends_bucket, f"{workspace.name}.>")
        await self._stream("people", f"KV_{workspace.people_bucket}")
        inputs = await self._input_tail((await self._stream("in", workspace.in_stream)).last)
        end, consumed = await self._log_tail(main.last, inputs)
        await self._keys("claims", workspace.claims_bucket, f"{workspace.name}.>")
        await self._stream("media", workspace.media_stream)
        await self._messages("dead", DEAD_STREAM, [workspace.dead_subject("*")])
        kept = [f"{workspace.name}.files.*", f"{workspace.name}.version.*"]
        await self._keys("versions", workspace.sends_bucket, *kept)
        if (await stream_state(self._bus, workspace.log_stream)).created != created:
            raise CopyFailed("the log was replaced while it was being copied")
        return Manifest(
            release=self._release,
            workspace=workspace.name,
            at=at,
            created=created,
            log=end,
            input=inputs,
            undecided=max(0, inputs - consumed),
            parts=self._parts,
        )

    async def _stream(self, name: str, stream: str) -> SavedStream:
        """Copy a whole stream; what is appended meanwhile may or may not be in it."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._stream_once(name, stream)
            except (CopyFailed, NoAnswer) as error:
                if attempt == ATTEMPTS:
                    raise
                log.warning("backup.stream_again", stream=stream, error=str(error))
                await asyncio.sleep(RETRY_PAUSE)
        raise AssertionError("unreachable")

    async def _stream_once(self, name: str, stream: str) -> SavedStream:
        writer, whole = self._target.part(f"{name}.snapshot"), 0

        def begun(saved: SavedStream) -> None:
            nonlocal whole
            whole = saved.bytes

        def write(chunk: bytes) -> None:
            writer.write(chunk)
            self._tell(name, writer.bytes, whole)

        try:
            saved = await save_stream(self._bus, stream, write, begun)
        except BaseException:
            writer.give_up()
            raise
        self._close(name, writer, saved)
        return saved

    async def _keys(self, name: str, bucket: str, *patterns: str) -> None:
        await self._messages(name, f"KV_{bucket}", [f"$KV.{bucket}.{pattern}" for pattern in patterns])

    async def _messages(self, name: str, stream: str, subjects: Sequence[str]) -> None:
        """Copy what a stream that many workspaces share holds of this one."""
        writer = self._target.part(f"{name}.messages")
        async with Reader(self._bus, stream, subjects=subjects) as reader:
            async for batch in reader.read_all():
                self._add(name, writer, batch)
        self._close(name, writer)

    async def _input_tail(self, copied: int) -> int:
        """Copy the inputs that came while the others were being copied; gives the last sequence."""
        last = (await stream_state(self._bus, self._workspace.in_stream)).last
        writer = self._target.part("in-tail.messages")
        async with Reader(self._bus, self._workspace.in_stream, start_seq=copied + 1) as reader:
            async for batch in reader.read_all():
                self._add("in-tail", writer, [stored for stored in batch if stored.seq <= last])
                if reader.next_seq > last:
                    break
        self._close("in-tail", writer)
        return last

    async def _log_tail(self, copied: int, inputs: int) -> tuple[int, int]:
        """Copy the records behind the copy of the log, up to the decision on the last input.

        Gives the sequence of the last record and the input it has consumed (0: there is no record).
        """
        last, consumed = copied, await self._consumed(copied)
        writer = self._target.part("log-tail.messages")
        async with Reader(self._bus, self._workspace.log_stream, start_seq=copied + 1) as reader:
            try:
                async with asyncio.timeout(self._patience) as patience:
                    async for batch in reader.batches():
                        decided = [stored for stored in batch if self._input_of(stored) <= inputs]
                        self._add("log-tail", writer, decided)
                        last = decided[-1].seq if decided else last
                        consumed = max([consumed, *map(self._input_of, decided)])
                        if len(decided) < len(batch):
                            consumed = inputs
                            break
                        patience.reschedule(asyncio.get_running_loop().time() + self._patience)
            except TimeoutError:
                log.warning("backup.no_router", undecided=max(0, inputs - consumed))
        self._close("log-tail", writer)
        return last, consumed

    async def _consumed(self, upto: int) -> int:
        """The input that the log has consumed at a sequence, by the last record there; skips and terms name none."""
        found, first = 0, max(1, upto - 2_000)
        async with Reader(self._bus, self._workspace.log_stream, start_seq=first) as reader:
            async for batch in reader.read_all():
                found = max([found, *(self._input_of(stored) for stored in batch if stored.seq <= upto)])
                if reader.next_seq > upto:
                    break
        return found

    def _input_of(self, stored: Stored) -> int:
        if stored.subject in (self._workspace.term_subject, self._workspace.skip_subject):
            return 0
        return decode_record(stored.payload).input

    def _add(self, name: str, writer: PartWriter, batch: Sequence[Stored]) -> None:
        for stored in batch:
            writer.add(stored)
        self._tell(name, writer.bytes, writer.bytes)

    def _close(self, name: str, writer: PartWriter, saved: SavedStream | None = None) -> None:
        self._parts[name] = writer.close(saved)
