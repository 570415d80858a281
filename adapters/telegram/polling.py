"""Polling: ask, store, and only then ask for what comes next, which is how Telegram learns that we have it.

Updates of different conversations are taken side by side, so that a large file delays its own alone; the offset stops
before the first update that was not stored.
"""

import asyncio
from collections.abc import Sequence

from adapters.contract import Context
from adapters.errors import BadCredentials, ChannelError
from adapters.telegram.client import BotApi
from adapters.telegram.endurance import Endurance, Tempo
from adapters.telegram.faults import Conflict
from adapters.telegram.intake import PASSING, POISON, Heard, Intake
from adapters.telegram.notes import Notes, Offset
from adapters.telegram.wire import ALLOWED_UPDATES, Poison

SHORTEST_WAIT = 1.0
REMEMBERED = 600_000
"""How long (ms) a second reader is remembered: between two conflicts each of them gets some of the updates."""


class Poller:
    """The one reader of a bot's updates."""

    def __init__(  # noqa: PLR0913  # what it is wired to, by name
        self, context: Context, api: BotApi, *, intake: Intake, notes: Notes, tempo: Tempo, wait: float
    ) -> None:
        self._api = api
        self._intake = intake
        self._context = context
        self._notes = notes
        self._tempo = tempo
        self._wait = wait
        self._conflicts: list[int] = []

    async def run(self, until: int | None) -> None:
        """Ask for updates until a time (ms; None: for ever).

        Raises:
            StartError: Telegram does not let us, or is away.
        """
        offset = await self._notes.offset()
        endurance = Endurance(self._tempo)
        while until is None or self._context.now() < until:
            try:
                raws = await self._ask(offset, until)
            except BadCredentials:
                raise
            except Conflict as exc:
                self._notice(exc)
                await endurance.rest()
                continue
            except ChannelError as exc:
                await endurance.bear(exc)
                continue
            heard = await self._hear(raws)
            taken = await self._take_all(heard)
            offset = await self._advance(offset, heard, taken)
            if len(taken) == len(raws):
                endurance.recovered()
            else:
                await endurance.rest()

    async def _ask(self, offset: Offset, until: int | None) -> Sequence[bytes]:
        now, loop = self._context.now(), asyncio.get_running_loop()
        wait = self._wait if until is None else min(self._wait, max((until - now) / 1_000, SHORTEST_WAIT))
        begun = loop.time()
        raws = await self._api.updates(offset.valid(now), wait, ALLOWED_UPDATES)
        if not raws and loop.time() - begun < self._tempo.first:
            await asyncio.sleep(self._tempo.first)  # who does not wait for updates would be asked without end
        return [bytes(raw) for raw in raws]

    async def _hear(self, raws: Sequence[bytes]) -> list[Heard]:
        heard = []
        for raw in raws:
            try:
                heard.append(await self._intake.hear(raw))
            except Poison as exc:  # without a number it cannot be confirmed: Telegram does not send such
                self._context.count(POISON)
                self._context.log.warning("telegram.no_update", reason=str(exc))
        return heard

    async def _take_all(self, heard: Sequence[Heard]) -> set[int]:
        """Take updates, each conversation's in order; gives the numbers of those that are stored."""
        taken: set[int] = set()
        groups = [one for one in heard if one.place < 0]
        async with asyncio.TaskGroup() as tasks:
            self._take_side_by_side(tasks, [one for one in heard if one.place >= 0], taken)
            if groups:
                tasks.create_task(self._take_groups(tasks, groups, taken))
        return taken

    async def _take_groups(self, tasks: asyncio.TaskGroup, groups: Sequence[Heard], taken: set[int]) -> None:
        """Take updates of groups, of which several may be one conversation; people need not wait for the look-up."""
        try:
            found = await self._intake.find_homes(groups)
        except PASSING as exc:
            self._let_wait(groups[0], exc)
            return
        self._take_side_by_side(tasks, found, taken)

    def _take_side_by_side(self, tasks: asyncio.TaskGroup, heard: Sequence[Heard], taken: set[int]) -> None:
        conversations: dict[int, list[Heard]] = {}
        for one in heard:
            conversations.setdefault(one.home or one.place, []).append(one)
        for queue in conversations.values():
            tasks.create_task(self._take_in_order(queue, taken))

    async def _take_in_order(self, queue: Sequence[Heard], taken: set[int]) -> None:
        for one in queue:
            try:
                await self._intake.take(one)
            except PASSING as exc:
                self._let_wait(one, exc)
                return
            taken.add(one.update_id)

    def _let_wait(self, heard: Heard, reason: Exception) -> None:
        """Say that an update, and what follows it, comes again: what is not confirmed does."""
        self._context.log.warning("telegram.update_waits", update_id=heard.update_id, reason=str(reason))

    async def _advance(self, offset: Offset, heard: Sequence[Heard], taken: set[int]) -> Offset:
        """Move on to the first update that is not stored, and note it."""
        if not heard:
            return offset
        left = next((one.update_id for one in heard if one.update_id not in taken), heard[-1].update_id + 1)
        moved = Offset(left, self._context.now())
        if moved != offset:
            await self._notes.keep_offset(moved)
        return moved

    def _notice(self, conflict: Conflict) -> None:
        """Say that there is a second reader; once may be our own last one. Raises Conflict when it goes on and on."""
        now = self._context.now()
        self._conflicts = [at for at in self._conflicts if now - at < REMEMBERED] + [now]
        self._context.count(conflict.code)
        if conflict.by_webhook or len(self._conflicts) > 1:
            self._context.log.error("telegram.two_readers", reason=conflict.message)
        if len(self._conflicts) >= self._tempo.patience:
            raise conflict
