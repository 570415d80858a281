"""The outbound worker of a channel: reads what the router has decided to send, and sends it, in order per conversation.

It reads the log from its own low-water mark, below which everything is settled: sent, failed or unknown, with the
receipt stored. The mark only rises, so it is right whoever writes it; what lies above it after a crash is read again,
and the claims say what became of it.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import msgspec
import structlog
from msgspec.structs import replace

from adapters.contract import Adapter
from adapters.delivery import Ask, Backlog
from broker.bus.connection import Bus
from broker.bus.errors import BusError, StreamReplaced
from broker.bus.reader import Reader, next_by_subject, read_message, stream_state
from broker.bus.streams import Workspace
from broker.channels.claims import Claim, Claims, Overtaken
from broker.channels.door import PIECE, Door
from broker.channels.sending import Clock, Sender, Stopped
from broker.channels.tally import Tally
from broker.routing.positions import Positions
from normalizer.outbound import Outbound, Receipt, ReceiptState
from normalizer.render import CannotRender, Link, render
from router.facts import ReplySent
from router.record import decode_record

PARTITION = "0"
SAVE_EVERY = 0.5
LOOK_EVERY = 60.0
"""Seconds between two looks at a log that brings nothing to send, so that an idle channel does not keep it from being
trimmed."""

SAVE_TIMEOUT = 2.0
STOP_TIMEOUT = 8.0
"""Seconds that calls under way get to end and to write their outcome."""


class Held(Protocol):
    """A lease, as far as the worker is concerned."""

    lost: asyncio.Event

    @property
    def held(self) -> bool:
        """Whether it is ours now."""
        ...


class Worker:
    """Sends for one channel while its lease is held."""

    def __init__(  # noqa: PLR0913  # what it is wired to, by name
        self,
        adapter: Adapter,
        *,
        bus: Bus,
        workspace: Workspace,
        created: str,
        door: Door,
        tally: Tally,
        lease: Held,
        name: str,
        link: Link,
        clock: Clock | None = None,
    ) -> None:
        self._bus = bus
        self._workspace = workspace
        self._created = created
        self._door = door
        self._tally = tally
        self._lease = lease
        self._link = link
        self._adapter = adapter
        self._clock = clock or Clock()
        self._subject = workspace.out_subject("*", door.channel)
        self._positions = Positions(bus, workspace, created)
        self._place = f"{door.channel}.{PARTITION}"
        self._backlog: Backlog[tuple[Outbound, ...]] = Backlog(0)
        self._saved = self._tried = self._tail = 0
        self._queues: set[asyncio.Task[None]] = set()
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._log = structlog.get_logger(f"channel.{door.channel}")
        self._sender = Sender(
            adapter,
            Claims(bus, workspace, door.channel),
            tally,
            worker=name,
            held=lambda: lease.held,
            on_doubt=self._doubt,
            clock=self._clock,
        )

    async def run(self) -> None:
        """Send until cancelled; then calls under way may end, and nothing new is begun.

        Raises:
            Overtaken: the lease is lost, or somebody else sends for this channel.
            StreamReplaced: the log is not the one that the low-water mark belongs to.
            NotAccepted: a dead letter could not be stored.
            msgspec.DecodeError: a record of a later release: upgrade this process.
        """
        self._saved = self._tried = await self._positions.get(self._place)
        self._backlog = Backlog(self._saved)
        jobs: list[asyncio.Future[None]] = [
            asyncio.create_task(self._read()),
            asyncio.create_task(self._save_often()),
            asyncio.create_task(self._watch_lease()),
            self._failed,
        ]
        try:
            done, _ = await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
            for job in done:
                job.result()
        finally:
            await self._wind_up(jobs)

    # --- reading ---

    async def _read(self) -> None:
        async with Reader(
            self._bus,
            self._workspace.log_stream,
            start_seq=self._saved + 1,
            created=self._created,
            subjects=[self._subject],
        ) as reader:
            async for batch in reader.batches():
                for stored in batch:
                    self._take(stored.seq, outbounds(stored.payload))

    def _take(self, seq: int, found: tuple[Outbound, ...]) -> None:
        if not found:
            self._backlog.skip(seq)
        elif self._backlog.add(seq, found[0].conversation, found):
            task = asyncio.create_task(self._drain(found[0].conversation))
            self._queues.add(task)
            task.add_done_callback(self._ended)

    async def _drain(self, conversation: str) -> None:
        """Send what one conversation has waiting, one after the other."""
        while (head := self._backlog.head(conversation)) is not None:
            seq, found = head
            for outbound in found or await self._read_again(seq):
                await self._deliver(outbound)
            self._backlog.settle(conversation)

    async def _read_again(self, seq: int) -> tuple[Outbound, ...]:
        stored = await read_message(self._bus, self._workspace.log_stream, seq)
        return outbounds(stored.payload) if stored else ()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._queues.discard(task)
        failure = None if task.cancelled() else task.exception()
        if failure is not None and not isinstance(failure, Stopped) and not self._failed.done():
            self._failed.set_exception(failure)

    # --- sending ---

    async def _deliver(self, outbound: Outbound) -> None:
        try:
            pieces = self._pieces(outbound)
        except CannotRender as exc:
            await self._fail(outbound, "cannot_render", str(exc))
            return
        for number, piece in enumerate(pieces, start=1):
            claim = await self._sender.send(piece)
            if claim.state != "sent":
                await self._report_fault(outbound, claim, number, len(pieces))
                return
        await self._door.append(self._receipt(outbound, ReceiptState.SENT, native_id=claim.native_id))

    def _pieces(self, outbound: Outbound) -> list[Outbound]:
        """Give the messages that it takes. The last one bears the plain id, so its receipts are those of the whole."""
        contents = render(outbound.content, self._adapter.capabilities, link=self._link)
        last = len(contents)
        return [
            replace(outbound, content=content, id=outbound.id if number == last else f"{outbound.id}{PIECE}{number}")
            for number, content in enumerate(contents, start=1)
        ]

    async def _report_fault(self, outbound: Outbound, claim: Claim, number: int, count: int) -> None:
        where = f"part {number} of {count}: " if count > 1 else ""
        message = (where + claim.message)[:1_000]
        if claim.state == "failed":
            await self._fail(outbound, claim.code, message)
        else:
            await self._door.append(self._receipt(outbound, ReceiptState.UNKNOWN, code=claim.code, error=message))

    async def _fail(self, outbound: Outbound, code: str, message: str) -> None:
        source = self._workspace.out_subject(outbound.conversation, self._door.channel)
        await self._door.dead("not_sent", msgspec.json.encode(outbound), f"{code}: {message}", source=source)
        await self._door.append(self._receipt(outbound, ReceiptState.FAILED, code=code, error=message))

    async def _doubt(self, piece: Outbound, doubt: Ask) -> None:
        whole = replace(piece, id=piece.id.partition(PIECE)[0])
        await self._door.append(self._receipt(whole, ReceiptState.UNKNOWN, code=doubt.code, error=doubt.message))

    def _receipt(
        self, outbound: Outbound, state: ReceiptState, *, native_id: str = "", code: str = "", error: str = ""
    ) -> Receipt:
        return Receipt(
            outbound=outbound.id, state=state, at=self._clock.now(), native_id=native_id, code=code, error=error
        )

    # --- the low-water mark, and the end ---

    async def _save_often(self) -> None:
        looks = round(LOOK_EVERY / SAVE_EVERY)
        while True:
            for _ in range(looks):
                await asyncio.sleep(SAVE_EVERY)
                await self._save()
            await self._skip_silence()

    async def _save(self) -> None:
        """Raise the stored mark. Raises Overtaken when somebody else has raised it."""
        mark = self._backlog.mark
        if mark == self._saved:
            return
        try:
            if await self._positions.get(self._place) > self._tried:
                raise Overtaken(f"somebody else sends for {self._door.channel}: its low-water mark has moved")
            self._tried = mark
            await self._positions.raise_to(self._place, mark)
            self._saved = mark
        except StreamReplaced:
            raise
        except BusError as exc:
            self._log.warning("channel.mark_not_saved", reason=str(exc))

    async def _skip_silence(self) -> None:
        """Move the mark over records that are not for this channel, up to where the log ended at the last look."""
        try:
            following = await next_by_subject(
                self._bus, self._workspace.log_stream, self._subject, self._backlog.read + 1
            )
            if not self._backlog and (following is None or following.seq > self._tail):
                self._backlog.skip(self._tail)
            self._tail = (await stream_state(self._bus, self._workspace.log_stream)).last
        except BusError as exc:
            self._log.warning("channel.log_not_read", reason=str(exc))

    async def _watch_lease(self) -> None:
        await self._lease.lost.wait()
        raise Overtaken("the lease of this channel is lost")

    async def _wind_up(self, jobs: Sequence[asyncio.Future[None]]) -> None:
        """Let calls under way end, then save the mark; bounded."""
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)  # the first failure is on its way up already
        self._sender.stop()
        if self._queues:
            _, late = await asyncio.wait(self._queues, timeout=STOP_TIMEOUT)
            for task in late:
                task.cancel()
            if late:
                self._log.error("channel.calls_cut_off", count=len(late))
                await asyncio.wait(late)
        try:
            async with asyncio.timeout(SAVE_TIMEOUT):
                await self._save()
        except (Overtaken, TimeoutError) as exc:
            self._log.info("channel.mark_not_saved", reason=str(exc))


def outbounds(payload: bytes) -> tuple[Outbound, ...]:
    """Give what a record has to send. Raises msgspec.DecodeError."""
    return tuple(fact.outbound for fact in decode_record(payload).facts if isinstance(fact, ReplySent))
