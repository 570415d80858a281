"""A whole Trunkline of real processes on loopback: nats-server (one or three), and each part as a process of its own.

Everything is synchronous, so that a module may keep one installation for all its tests. Each part's output goes to a
file; every process ends with the test run, whatever happens to it.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from broker.bus import child
from broker.bus.server import free_port
from broker.bus.settings import BusSettings
from tests.fixtures.nats import Servers

T = TypeVar("T")

WORKSPACE = "proof"
ORIGIN = "http://shop.example"
PASSWORD = "let-me-in"
# argon2id at its least cost: a dozen operators sign in at once
PASSWORD_HASH = "$argon2id$v=19$m=8,t=1,p=1$eIY4tC+LEIpol2xGicMsuw$SMrv6/jqRz8tPSkPmFsN/3Gjmt7u4zE230mBoiNyWQg"
SECRET = "a-shared-secret-of-the-tests"
START_WITHIN = 120.0
STOP_WITHIN = 30.0
EXPECTED = ("router_missing", "channel_unserved", "behind", "bus_away")
"""Alarms that say what a test does to its parts: it stops and kills them."""

CONVERSATIONS = 8
"""So many conversations an operator has at once: as many as a desk socket can watch."""


def settings_of(
    bus: BusSettings, operators: Sequence[str], provider: str, channels: Mapping[str, object]
) -> dict[str, object]:
    """The file of the workspace; each actor is a network address of its own behind a proxy that is trusted."""
    login = bus.credentials
    assert login is not None
    return {
        "workspace": WORKSPACE,
        "nats": {
            "servers": list(bus.servers),
            "user": msgspec.to_builtins(login)["user"],
            "password": msgspec.to_builtins(login)["password"],
            "replicas": bus.replicas,
        },
        "http": {"trusted_proxies": ["127.0.0.1/32"]},
        "channels": {
            "site": {
                "type": "webchat",
                "origins": [ORIGIN],
                "limits": {"messages_per_minute": 6_000, "sessions_per_minute": 6_000},
            },
            "hook": {"type": "webhook", "secrets": [SECRET], "url": provider, "timeout": "6s", "retry_for": "1h"},
            **channels,
        },
        "capacity": {name: {"units": 100 // CONVERSATIONS} for name in ("site", "hook", *channels)},
        "operators": {name: {"name": name.title(), "password_hash": PASSWORD_HASH} for name in operators},
        "routing": [{"name": "everything"}],
        "times": {"grace": "120s"},
    }


class Part:
    """One process: ``trunkline up --only ...``."""

    def __init__(self, name: str, command: Sequence[str], log: Path, port: int) -> None:
        self.name = name
        self.log = log
        self.port = port
        self._command = (sys.executable, "-I", "-S", child.__file__, str(os.getpid()), sys.executable, *command)
        self._process: subprocess.Popen[bytes] | None = None
        self._begun = 0  # where the output of the present process begins
        self._heard = 0  # how far alarms were listened for

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, and return at once."""
        self._begun = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command line
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def signal(self, sign: signal.Signals) -> None:
        """Send a signal; a process that was killed is waited for."""
        assert self._process is not None
        self._process.send_signal(sign)
        if sign is signal.SIGKILL:
            self._process.wait()

    def stop(self) -> None:
        """End it in order; bounded."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        try:
            self._process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise AssertionError(f"{self.name} did not stop within {STOP_WITHIN:g} s; see {self.log}") from None

    def said(self) -> Iterator[dict[str, object]]:
        """The events that the present process has logged."""
        with self.log.open("rb") as log:
            log.seek(self._begun)
            for line in log:
                if line.startswith(b"{"):
                    event: dict[str, object] = json.loads(line)
                    yield event

    def new_alarms(self) -> list[str]:
        """What needs a person, as far as it was logged since this was asked last."""
        with self.log.open("rb") as log:
            log.seek(self._heard)
            found = [line for line in log if line.startswith(b"{") and line.endswith(b"\n")]
            self._heard = log.tell()
        wrong = [line for line in found if json.loads(line).get("alarm", EXPECTED[0]) not in EXPECTED]
        return [f"{self.name}: {line.decode().strip()}" for line in wrong]

    def wait_for(self, event: str) -> dict[str, object]:
        """Wait until it logs ``event``."""

        def look() -> dict[str, object] | None:
            assert self._process is not None
            assert self._process.poll() is None, f"{self.name} has ended: {self.log.read_text()[-2_000:]}"
            return next((said for said in self.said() if said.get("event") == event), None)

        return until(look, f"{self.name} says {event}")


class Installation:
    """Servers and parts; ``parts`` maps a name to what it runs, ``channels`` are beside the two of every one."""

    def __init__(
        self, folder: Path, nodes: int, operators: Sequence[str], provider: str, channels: Mapping[str, object]
    ) -> None:
        self.folder = folder
        self.operators = operators
        self.servers = Servers(folder / "nats", nodes)
        self.file = folder / "trunkline.yaml"
        self.data = folder / "data"
        self.parts: dict[str, Part] = {}
        self._provider = provider
        self._channels = channels

    @property
    def bus(self) -> BusSettings:
        """How to reach the servers."""
        return self.servers.settings

    def open(self, parts: Mapping[str, Sequence[str]]) -> None:
        """Start the servers and the parts, and wait until people can come in."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.servers.start()
        settings = settings_of(self.bus, self.operators, self._provider, self._channels)
        self.file.write_text(json.dumps(settings))
        self.add(parts)

    def add(self, parts: Mapping[str, Sequence[str]]) -> None:
        """Start more parts and wait for them."""
        for name, runs in parts.items():
            self.parts[name] = self._part(name, runs)
            self.parts[name].start()
        for name, runs in parts.items():
            self.wait_ready(self.parts[name], runs)

    def remove(self, *names: str) -> None:
        """Stop parts in order."""
        for name in names:
            self.parts.pop(name).stop()

    @staticmethod
    def wait_ready(part: Part, runs: Sequence[str]) -> None:
        """A router is ready when it follows, everything else when it has said where it listens."""
        if tuple(runs) == ("router",):
            part.wait_for("follower.ready")
        else:
            until(lambda: b"Trunkline is up" in part.log.read_bytes()[part._begun :], f"{part.name} listens")

    def close(self) -> None:
        """Stop everything; whatever fails to stop is killed, and then told."""
        failures: list[AssertionError] = []
        for part in self.parts.values():
            try:
                part.stop()
            except AssertionError as failure:
                failures.append(failure)
        self.servers.stop()
        if failures:
            raise ExceptionGroup("parts did not stop", failures)

    def active_router(self) -> Part:
        """The router that took over last."""

        def taken(part: Part) -> tuple[int, Part]:
            terms = [int(str(said["term"])) for said in part.said() if said.get("event") == "router.took_over"]
            return max(terms, default=0), part

        routers = [part for name, part in self.parts.items() if name.startswith("router")]
        return max(map(taken, routers), key=lambda pair: pair[0])[1]

    def new_alarms(self) -> list[str]:
        """What needs a person, as far as any part has logged it since this was asked last."""
        return [alarm for part in self.parts.values() for alarm in part.new_alarms()]

    def command(self, *words: str) -> str:
        """Run ``trunkline`` and give what it prints."""
        command = (sys.executable, "-m", "broker.cli.main", *words[:2], str(self.file), *words[2:])
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603 - ours
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _part(self, name: str, runs: Sequence[str]) -> Part:
        port = free_port()
        only = [word for part in runs for word in ("--only", part)]
        places = ("--data", str(self.data), "--listen", f"127.0.0.1:{port}", "--log-format", "json")
        command = ("-m", "broker.cli.main", "up", str(self.file), *only, *places)
        return Part(name, command, self.folder / f"{name}.log", port)


@contextmanager
def installed(  # noqa: PLR0913  # what differs between installations, by name
    folder: Path,
    *,
    nodes: int,
    operators: Sequence[str],
    parts: Mapping[str, Sequence[str]],
    provider: str,
    channels: Mapping[str, object] | None = None,
) -> Iterator[Installation]:
    """An installation that is certainly gone afterwards."""
    installation = Installation(folder, nodes, operators, provider, channels or {})
    try:
        installation.open(parts)
        yield installation
    finally:
        installation.close()


def until(look: Callable[[], T | None], what: str, within: float = START_WITHIN) -> T:
    """Look again and again until something is found; for processes, which tell nobody when they are ready."""
    end = time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < end, f"not within {within:g} s: {what}"
        time.sleep(0.1)
    return found
