"""A telephone network on loopback: Kamailio with the configuration that ships, scripted phones, and customers."""

import asyncio
import json
import os
import random
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from broker.bus import child

T = TypeVar("T")

CONFIGURATION = Path(__file__).parents[3] / "deploy" / "kamailio" / "kamailio.cfg"
SCENARIOS = Path(__file__).parent / "scenarios"
MODULES = Path("/usr/lib/baresip/modules")
HOST = "127.0.0.1"
SPACING = 4
"""baresip listens on the next port too, for TLS."""

STOP_WITHIN = 15.0
WITHIN = 30.0
PATIENCE = "20000"
"""Milliseconds that a call waits to be stored: a busy machine may let the reader stand still for some seconds."""

LIFE = "120"
"""Seconds after which a customer ends, whatever became of the test."""

PHONE = """\
net_interface {host}
sip_listen {host}:{port}
audio_source ausine,440
ausrc_srate 48000
ausrc_channels 2
audio_player aufile,/dev/null
audio_alert aufile,/dev/null
module_path {modules}
module g711.so
module ausine.so
module aufile.so
module uuid.so
module_app account.so
module_app contact.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen {host}:{control}
"""


class Missing(Exception):
    """A program that the tests need is not installed."""


def program(name: str, package: str) -> str:
    """Find a program. Raises Missing, which says how to install it."""
    found = shutil.which(name)
    if found is None:
        raise Missing(f"{name} is not installed: run `make test-packages`, or `apt-get install {package}`")
    return found


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody uses, SPACING apart, for UDP and TCP."""
    while True:
        first = random.randrange(20_000, 31_000, SPACING)  # noqa: S311 - nothing to guess here
        block = range(first, first + count * SPACING)
        if all(_is_free(port) for port in block):
            return list(block[::SPACING])


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:  # so that a probe does not keep somebody else from listening
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                return False
    return True


async def eventually(look: Callable[[], T], what: str, within: float = WITHIN) -> T:
    """Look again and again until something is found."""
    end = time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < end, f"not within {within:g} s: {what}"
        await asyncio.sleep(0.05)
    return found


def without_ringing(story: list[str]) -> list[str]:
    """A phone that answers at once says both at once: the one may overtake the other, and a call does not go back."""
    return [event for event in story if event != "ringing"]


class Program:
    """A child process; its output goes to a file, and it ends with the test run."""

    def __init__(self, name: str, command: Sequence[str], folder: Path) -> None:
        self.log = folder / f"{name}.log"
        self._command = (sys.executable, "-I", "-S", child.__file__, str(os.getpid()), *command)
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    async def wait(self) -> int:
        assert self._process is not None
        async with asyncio.timeout(WITHIN):
            return await self._process.wait()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def stop(self, sign: signal.Signals = signal.SIGTERM) -> None:
        if not self.running or self._process is None:
            return
        os.killpg(self._process.pid, sign)
        try:
            async with asyncio.timeout(STOP_WITHIN):
                await self._process.wait()
        except TimeoutError:
            os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()


class Kamailio:
    """The whole example of deploy/kamailio. ``defines`` change its numbers."""

    def __init__(self, folder: Path, **defines: str) -> None:
        self.sip, self.events, self.control, self.trunk = free_ports(4)
        self._pid = folder / "kamailio.pid"
        settings = {
            "SIP": f"udp:{HOST}:{self.sip}",
            "CONTROL": f"tcp:{HOST}:{self.control}",
            "TRUNK": f'"sip:{HOST}:{self.trunk}"',
            "TRUNKLINE_EVENTS": f'"{HOST}:{self.events}"',
            "TRUNKLINE_TAKE": PATIENCE,
            **defines,
        }
        words = [word for key, value in settings.items() for word in ("-A", f"{key}={value}")]
        places = ("-P", str(self._pid), "-Y", str(folder), "-m", "64", "-M", "8")
        command = (program("kamailio", "kamailio"), "-f", str(CONFIGURATION), "-DD", "-E", *places, *words)
        self.program = Program("kamailio", command, folder)

    async def start(self) -> None:
        self._pid.unlink(missing_ok=True)
        await self.program.start()
        await eventually(self._listens, f"kamailio listens; see {self.program.log}")

    def _listens(self) -> bool:
        assert self.program.running, self.program.log.read_text()[-2_000:]
        return not _is_free(self.sip) and not _is_free(self.control) and not _is_free(self.events)

    async def stop(self, sign: signal.Signals = signal.SIGTERM) -> None:
        await self.program.stop(sign)


class Phone:
    """An operator's phone: baresip, registered with Kamailio, steered over its control socket."""

    def __init__(
        self, name: str, kamailio: Kamailio, folder: Path, *, answers: bool = True, registers: bool = True
    ) -> None:
        self._registers = registers
        self.uri = f"sip:{name}@{HOST}:{kamailio.sip}"
        self.events: list[dict[str, object]] = []
        self._port, self._control = free_ports(2)
        home = folder / name
        home.mkdir()
        mode = "auto" if answers else "manual"
        (home / "config").write_text(PHONE.format(host=HOST, port=self._port, control=self._control, modules=MODULES))
        uri = self.uri if registers else f"sip:{name}@{HOST}:{self._port}"
        (home / "accounts").write_text(f"<{uri}>;regint={60 if registers else 0};answermode={mode}\n")
        (home / "contacts").write_text("")
        command = (program("baresip", "baresip-core"), "-f", str(home))
        self.program = Program(name, command, folder)
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self.program.start()
        await eventually(lambda: not _is_free(self._control), f"baresip listens; see {self.program.log}")
        reader, self._writer = await asyncio.open_connection(HOST, self._control)
        self._reading = asyncio.create_task(self._read(reader))
        if self._registers:
            await eventually(lambda: "200 OK" in self.program.log.read_text(errors="replace"), "it is registered")

    async def order(self, command: str, parameters: str = "") -> None:
        """Press a key: ``accept``, ``hangup``, ``hold``, ``resume``, ``transfer``, ``dial``."""
        assert self._writer is not None
        words = json.dumps({"command": command, "params": parameters, "token": command}).encode()
        self._writer.write(b"%d:%s," % (len(words), words))
        await self._writer.drain()

    async def heard(self, kind: str) -> dict[str, object]:
        """Wait for an event such as CALL_INCOMING."""
        return await eventually(lambda: self._event(kind), kind)

    def _event(self, kind: str) -> dict[str, object]:
        if self._reading is not None and self._reading.done():
            self._reading.result()
        return next((event for event in self.events if event.get("type") == kind), {})

    async def stop(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        if self._writer is not None:
            self._writer.close()
        await self.program.stop(signal.SIGKILL)  # in order, it waits for the answers to its farewells

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while True:
            length = int((await reader.readuntil(b":"))[:-1])
            words = await reader.readexactly(length + 1)
            message = json.loads(words[:-1])
            if message.get("event"):
                self.events.append(message)


class Customer(Program):
    """Somebody outside, ``calls`` times: sipp with one of the scenarios, which ends by itself.

    Its exit code is 0 if all went so.
    """

    def __init__(  # noqa: PLR0913  # the rest are what differs between callers, by name
        self,
        scenario: str,
        kamailio: Kamailio,
        folder: Path,
        *,
        number: str = "+48600100200",
        seconds: float = 1,
        calls: int = 1,
    ) -> None:
        called = ("-s", "48221234567", f"{HOST}:{kamailio.sip}") if scenario != "is_called" else ()
        port = free_ports(1)[0] if called else kamailio.trunk
        life = ("timeout", LIFE)
        # Over UDP a 180 may come behind its 200, and what answers a CANCEL in any order: neither is a fault.
        patience = ("-default_behaviors", "-abortunexp")
        places = ("-i", HOST, "-p", str(port), "-mp", str(free_ports(1)[0]))
        command = (
            *(shutil.which(life[0]) or life[0], life[1]),
            *(program("sipp", "sip-tester"), "-sf", str(SCENARIOS / f"{scenario}.xml"), *places),
            *(
                "-m",
                str(calls),
                "-r",
                "20",
                "-nostdin",
                *patience,
                "-d",
                str(int(seconds * 1_000)),
                "-key",
                "number",
                number,
                *called,
            ),
        )
        super().__init__(f"{scenario}-{port}", command, folder)
