"""The index for search and reports: how long it takes to build, how quickly it answers, and whether a desk feels it.

Fills a log with conversations in four languages (two messages of the customer, two answers and the closing each),
lets the index's own process build from it, asks it what people ask, and measures how long this process's event loop
stands still meanwhile: it does what a desk does, once while the index is complete and once while it is built anew.
Prints JSON. Usage: ``python -m benchmarks.search_index [MESSAGES]``.
"""

import argparse
import asyncio
import json
import random
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import uvloop

from benchmarks.figures import percentile
from benchmarks.stage import connected, cpu_seconds, running_server, say, temporary_folder
from broker.bus.connection import Bus
from broker.bus.server import Durability
from broker.bus.settings import BusSettings, UserPassword
from broker.bus.streams import Workspace, ensure_streams
from broker.projections import child
from broker.projections.index import Index
from broker.projections.schema import FILE
from broker.routing.child import errand
from desk.finding.reports import REPORTS, Asked, period
from desk.finding.search import IndexAway, Page, Query, Reach, parse
from normalizer.content import Text
from normalizer.envelope import Envelope, Sender
from normalizer.outbound import Author, Outbound
from router import facts as f
from router.record import Record, encode_record

MESSAGES = 100_000
MESSAGES_OF_A_CONVERSATION = 4
SEARCHES = 400
BEGAN = 1_760_000_000_000
EVERY = 20_000
"""A conversation begins so often (ms)."""

AT_ONCE = 256
TICK = 0.001
UP_TO_DATE_WITHIN = 600.0
OPERATORS = tuple(f"operator-{number}" for number in range(16))
CHANNELS = ("site", "mail", "telegram")
SYLLABLES = {
    "ru": ["за", "каз", "дос", "тав", "ка", "счёт", "воз", "врат", "ток", "при", "сы", "лать"],
    "pl": ["za", "mó", "wie", "nie", "do", "sta", "wa", "fak", "tu", "ra", "zwrot", "łódź"],
    "uk": ["мов", "лен", "ня", "дос", "тав", "нок", "по", "вер", "нен", "їж"],
    "de": ["be", "stel", "lung", "lie", "fer", "rech", "nung", "rück", "gabe", "stra", "ße", "mün"],
}
QUERIES = ("invoice 4711", "достав", "fakt", '"red shoes"', "order -late", "rechnung", "замов", "anna kowal")
"""Words that few, many, or all conversations have, finished and unfinished."""


class Figures(msgspec.Struct):
    """What was measured: times in ms unless the name says otherwise."""

    messages: int
    build_s: float = 0.0
    build_cpu_s: float = 0.0
    index_mb: float = 0.0
    search_p50: float = 0.0
    search_p95: float = 0.0
    search_max: float = 0.0
    operators_search_p95: float = 0.0
    report_30_days_max: float = 0.0
    visible_after_p95: float = 0.0
    pause_idle: float = 0.0
    pause_searching: float = 0.0
    pause_building: float = 0.0
    search_while_building_p95: float = 0.0


# --- the log --------------------------------------------------------------------------------------------------------


class Talk:
    """Makes up what people say; the same in every run."""

    def __init__(self) -> None:
        self._chance = random.Random(4711)  # noqa: S311  # to be the same in every run
        self._words = {code: [self._word(parts) for _ in range(4_000)] for code, parts in SYLLABLES.items()}

    def _word(self, parts: list[str]) -> str:
        return "".join(self._chance.choices(parts, k=self._chance.randint(1, 4)))

    def text(self) -> str:
        """A message of five to sixty words, some of them in English."""
        words = self._words[self._chance.choice(list(self._words))]
        said = [words[int(self._chance.paretovariate(0.6)) % len(words)] for _ in range(self._chance.randint(5, 60))]
        if self._chance.random() < 0.3:  # noqa: PLR2004  # about a third
            said.insert(0, f"invoice {self._chance.randint(1_000, 9_999)} order red shoes")
        return " ".join(said)

    def name(self) -> str:
        """One of some thousand people."""
        first = self._chance.choice(("Anna", "Ivan", "Olha", "Jürgen"))
        return f"{first} {self._words['pl'][self._chance.randrange(999)]}"


def conversation(talk: Talk, number: int) -> list[tuple[str, Record]]:
    """The records of one conversation: opened, assigned, asked and answered twice, closed."""
    name, channel, operator = f"c{number}", CHANNELS[number % 3], OPERATORS[number % 16]
    person, address, said_by = f"p{number // 2}", f"email:anna{number // 2}@shop.example", talk.name()
    now = BEGAN + number * EVERY
    steps: list[tuple[int, tuple[f.AnyFact, ...]]] = [
        (0, (f.ConversationOpened(conversation=name, person=person, channel=channel, address=address),
             _message(talk, name, 1, channel, address, said_by, now))),
        (5_000, (f.Assigned(conversation=name, operator=operator, epoch=1, units=20),)),
        (30_000, (_answer(talk, name, 2, channel, address, operator, now),)),
        (60_000, (_message(talk, name, 3, channel, address, said_by, now),)),
        (90_000, (_answer(talk, name, 4, channel, address, operator, now),)),
        (120_000, (f.Unassigned(conversation=name, operator=operator, reason="closed"),
                   f.ConversationClosed(conversation=name, by=operator, result="solved"))),
    ]  # fmt: skip
    return [(name, _record(number, step, now + after, facts)) for step, (after, facts) in enumerate(steps)]


def _record(number: int, step: int, now: int, facts: tuple[f.AnyFact, ...]) -> Record:
    return Record(input=number, step=step, now=now, term=1, rules=1, cause="input", facts=facts)


def _message(  # noqa: PLR0913, PLR0917  # each stands for a word of the fact
    talk: Talk, name: str, n: int, channel: str, address: str, said_by: str, at: int
) -> f.MessageTaken:
    envelope = Envelope(
        id=f"{name}-e{n}", at=at, channel=channel, type="webchat", native_id=f"{name}-{n}", address=address,
        content=Text(text=talk.text()), sender=Sender(name=said_by),
    )  # fmt: skip
    return f.MessageTaken(conversation=name, n=n, envelope=envelope, waits=True)


def _answer(  # noqa: PLR0913, PLR0917  # each stands for a word of the fact
    talk: Talk, name: str, n: int, channel: str, address: str, operator: str, at: int
) -> f.ReplySent:
    outbound = Outbound(
        id=f"{name}-{n}", conversation=name, channel=channel, address=address, at=at,
        content=Text(text=talk.text()), author=Author(id=operator, name=operator),
    )  # fmt: skip
    return f.ReplySent(conversation=name, n=n, outbound=outbound, by=operator)


async def fill(bus: Bus, workspace: Workspace, talk: Talk, first: int, count: int) -> None:
    """Put conversations on the log, as the router would."""
    pipeline = await bus.publisher()
    under_way: list[Awaitable[object]] = []
    for number in range(first, first + count):
        for line, record in conversation(talk, number):
            under_way.append(pipeline.send(workspace.log_subject(line), encode_record(record)))
        if len(under_way) >= AT_ONCE:
            await asyncio.gather(*under_way)
            under_way.clear()
    await asyncio.gather(*under_way)
    await pipeline.close()


# --- the index's process ----------------------------------------------------------------------------------------------


@asynccontextmanager
async def indexing(settings: BusSettings, workspace: Workspace, folder: Path) -> AsyncIterator[int]:
    """The process that `trunkline up` starts; gives its id."""
    assert isinstance(settings.credentials, UserPassword)
    bus = errand(settings, workspace.name, replay_days=14, log_format="console", log_level="error")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", child.__name__, stdin=asyncio.subprocess.PIPE
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(child.Errand(bus=bus, folder=str(folder))))
    process.stdin.close()
    try:
        yield process.pid
    finally:
        process.terminate()
        await process.wait()


async def complete(index: Index, as_of: int) -> None:
    """Wait until it has been at the end of the log."""
    async with asyncio.timeout(UP_TO_DATE_WITHIN):
        while True:
            try:
                _, _, state = await index.conversations(Query(sort="newest"), Page(1), None)
                if state.done == 1 and state.as_of >= as_of:
                    return
            except IndexAway:
                pass
            await asyncio.sleep(0.02)


async def begun(index: Index) -> None:
    """Wait until something can be asked."""
    async with asyncio.timeout(UP_TO_DATE_WITHIN):
        while True:
            try:
                if (await index.conversations(Query(sort="newest"), Page(1), None))[0]:
                    return
            except IndexAway:
                pass
            await asyncio.sleep(TICK)


# --- what is asked ----------------------------------------------------------------------------------------------------


class Pauses:
    """How long this process's loop stood still at the longest, ms."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def watch(self) -> None:
        """Look again and again."""
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(TICK)
            self.longest = max(self.longest, (loop.time() - before - TICK) * 1_000)


async def pause_during(work: Callable[[], Awaitable[object]]) -> float:
    """The longest pause of the loop while something is done."""
    pauses = Pauses()
    watching = asyncio.create_task(pauses.watch())
    try:
        await work()
    finally:
        watching.cancel()
    return pauses.longest


async def search(index: Index, count: int, reach: Reach | None = None) -> list[float]:
    """Ask as a person who types does; times in ms."""
    times = []
    for number in range(count):
        terms, without = parse(QUERIES[number % len(QUERIES)])
        sort = "best" if number % 2 else "newest"
        query = Query(terms=terms, without=without, sort=sort, channels=CHANNELS[:1] if number % 5 == 0 else ())  # type: ignore[arg-type]  # both are sorts
        started = time.perf_counter()
        await index.conversations(query, Page(20), reach)
        times.append((time.perf_counter() - started) * 1_000)
    return times


async def report(index: Index, last: int) -> list[float]:
    """Ask for every report over the thirty days up to the last conversation; times in ms."""
    day = date.fromtimestamp(last / 1_000)  # noqa: DTZ012  # any day near
    over = period(date.fromordinal(day.toordinal() - 29), day, "day", ZoneInfo("Europe/Warsaw"))
    times = []
    for name in REPORTS:
        started = time.perf_counter()
        await index.report(Asked(name=name, period=over))
        times.append((time.perf_counter() - started) * 1_000)
    return times


async def visible(index: Index, bus: Bus, workspace: Workspace, talk: Talk, first: int) -> list[float]:
    """How long after its record a conversation is found; times in ms."""
    times = []
    for number in range(first, first + 50):
        await fill(bus, workspace, talk, number, 1)
        started = time.perf_counter()
        wanted = Query(person=f"p{number // 2}", since=BEGAN + number * EVERY, sort="newest")
        while True:
            hits, _, _ = await index.conversations(wanted, Page(5), None)
            if any(hit.conversation == f"c{number}" and hit.status == "closed" for hit in hits):
                break
            await asyncio.sleep(TICK)
        times.append((time.perf_counter() - started) * 1_000)
    return times


async def measure(messages: int) -> Figures:
    """Everything, once."""
    figures, talk, workspace = Figures(messages), Talk(), Workspace("bench")
    conversations = messages // MESSAGES_OF_A_CONVERSATION
    last = BEGAN + (conversations - 1) * EVERY + 120_000
    with temporary_folder() as folder:
        async with running_server(folder / "nats", Durability.PROCESS) as settings, connected(settings) as bus:
            await ensure_streams(bus, workspace)
            say(f"writing {conversations:,} conversations ...")
            await fill(bus, workspace, talk, 0, conversations)
            index = Index(folder / "index", workspace.name, now=lambda: last)
            figures.pause_idle = await pause_during(lambda: asyncio.sleep(5))
            say("building ...")
            started = time.perf_counter()
            async with indexing(settings, workspace, folder / "index") as pid:
                await complete(index, last)
                figures.build_s = time.perf_counter() - started
                figures.build_cpu_s = cpu_seconds(pid)
                figures.index_mb = (folder / "index" / FILE).stat().st_size / 1e6
                say("searching ...")
                await _ask(figures, index, last)
                figures.visible_after_p95 = percentile(await visible(index, bus, workspace, talk, conversations), 0.95)
            for file in (folder / "index").glob(f"{FILE}*"):
                file.unlink()
            say("searching while it is built anew ...")
            async with indexing(settings, workspace, folder / "index"):
                figures.pause_building = await pause_during(lambda: complete(index, last))
            for file in (folder / "index").glob(f"{FILE}*"):
                file.unlink()
            async with indexing(settings, workspace, folder / "index"):
                await begun(index)
                figures.search_while_building_p95 = percentile(await search(index, SEARCHES // 4), 0.95)
            index.close()
    return figures


async def _ask(figures: Figures, index: Index, last: int) -> None:
    times: list[float] = []

    async def all_of_it() -> None:
        times.extend(await search(index, SEARCHES))

    figures.pause_searching = await pause_during(all_of_it)
    figures.search_p50, figures.search_p95 = statistics.median(times), percentile(times, 0.95)
    figures.search_max = max(times)
    mine = tuple(f"c{number}" for number in range(500))
    reach = Reach(OPERATORS[0], mine, tuple(f"p{number}" for number in range(250)))
    figures.operators_search_p95 = percentile(await search(index, SEARCHES // 4, reach), 0.95)
    figures.report_30_days_max = max(await report(index, last))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("messages", nargs="?", type=int, default=MESSAGES)
    figures = uvloop.run(measure(parser.parse_args().messages))
    print(json.dumps({name: round(value, 2) for name, value in msgspec.to_builtins(figures).items()}, indent=2))


if __name__ == "__main__":
    main()
