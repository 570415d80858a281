"""What all benchmarks share: a temporary folder, a real nats-server, and child processes that end with us."""

import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import msgspec

from broker.bus import child
from broker.bus.connection import Bus
from broker.bus.server import Durability, EmbeddedServer
from broker.bus.settings import BusSettings
from broker.bus.streams import Workspace
from router.inputs import DESK_SOURCE, RULES_SOURCE, Command, OperatorUp, RulesProposed, SetPresence, encode_input
from router.rules import ChannelRule, Need, OperatorRule, Route, Rules, Times, When

READY = b"ready\n"
START_TIMEOUT = 60.0
STOP_TIMEOUT = 10.0
CPU_CLOCK = 2
"""The clock of another process's processor time: clock_getcpuclockid(3), which Python does not have, composes it so."""
ROOT = Path(__file__).parent.parent

CHANNEL = "site"
NODE = "bench"
OPERATORS = tuple(f"operator-{number}" for number in range(16))
HOUR = 3_600_000
FAR_FUTURE = 2**52


def say(text: str) -> None:
    """Tell whoever waits how far it is."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that is gone afterwards, on disk rather than in memory where there is a choice."""
    disk = Path("/var/tmp")  # noqa: S108  # /tmp may be in memory, where a sync costs nothing
    with tempfile.TemporaryDirectory(prefix="trunkline-bench-", dir=disk if disk.is_dir() else None) as name:
        yield Path(name)


@asynccontextmanager
async def running_server(data: Path, durability: Durability) -> AsyncIterator[BusSettings]:
    """A nats-server as production runs it."""
    server = EmbeddedServer(data, durability=durability)
    await server.start()
    try:
        yield BusSettings(servers=(server.url,), credentials=server.credentials)
    finally:
        await server.stop()


@asynccontextmanager
async def connected(settings: BusSettings, name: str = "benchmark") -> AsyncIterator[Bus]:
    """A bus that is closed afterwards."""
    bus = await Bus.connect(settings, name)
    try:
        yield bus
    finally:
        await bus.close()


class Child:
    """A Python module in a process of its own; it reads its plan from standard input and says when it is ready."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @classmethod
    async def start(cls, module: str, plan: msgspec.Struct) -> "Child":
        """Start `module` and wait until it is ready."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", child.__file__, str(os.getpid())),
            *(sys.executable, "-m", module),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
        )
        started = cls(process)
        try:
            await started._introduce(msgspec.json.encode(plan))
        except BaseException:
            await started.kill()
            raise
        return started

    async def stop(self) -> None:
        """Ask it to end, and kill it when it does not."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                await self._process.wait()
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """End it as the kernel would."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    def cpu_seconds(self) -> float:
        """User and system time that it has used."""
        return cpu_seconds(self.pid)

    async def _introduce(self, plan: bytes) -> None:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(plan + b"\n")
        async with asyncio.timeout(START_TIMEOUT):
            line = await stdout.readline()
        if line != READY:
            raise RuntimeError(f"the child did not start: it said {line!r}; its messages stand above")


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has used, to the nanosecond: /proc counts in hundredths of a second."""
    return time.clock_gettime(~pid << 3 | CPU_CLOCK)


@asynccontextmanager
async def running_child(module: str, plan: msgspec.Struct) -> AsyncIterator[Child]:
    """A child that is stopped afterwards."""
    started = await Child.start(module, plan)
    try:
        yield started
    finally:
        await started.stop()


def benchmark_rules() -> RulesProposed:
    """Rules of an ordinary site with a small team; its leases are long, so that nothing but the messages happens."""
    rules = Rules(
        channels={CHANNEL: ChannelRule(type="webchat", accept="auto")},
        operators={
            name: OperatorRule(name=name, skills={"billing": 4, "tech": 2}, languages={"en": 6}) for name in OPERATORS
        },
        routes=(
            Route(name="invoices", when=When(text=("invoice", "faktura")), need=Need(skills={"billing": 3})),
            Route(name="everything else"),
        ),
        times=Times(node_lease=HOUR, unanswered=HOUR),
    )
    return RulesProposed(hash="benchmark", rules=rules)


async def staff(bus: Bus, workspace: Workspace) -> None:
    """Put the rules in force and sign the team in; the first 80 conversations are theirs, the others wait."""
    await bus.publish(workspace.in_subject(RULES_SOURCE), encode_input(benchmark_rules()))
    desk = workspace.in_subject(DESK_SOURCE)
    for name in OPERATORS:
        available = Command(
            id=f"sign-in-{name}", operator=name, expires=FAR_FUTURE, action=SetPresence(state="available")
        )
        await bus.publish(desk, encode_input(OperatorUp(operator=name, node=NODE)))
        await bus.publish(desk, encode_input(available))
