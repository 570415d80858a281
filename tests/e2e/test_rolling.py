"""A deployment as systemd would start it, and a restart of every process under load, one after the other.

Three NATS nodes with TLS and rights, two routers, two desks, two web chats, two of a webhook channel, and HAProxy in
front of them, with the configuration of deploy/. Nothing may be lost, doubled or out of order, and no visitor may
notice more than a second.
"""

import asyncio
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from broker.bus import child
from broker.bus.server import free_port
from broker.bus.streams import Workspace
from tests.deploy.cluster import DEPLOY, NODES, Deployed
from tests.e2e.actors import Frame, Operator, Visitor, answer_to
from tests.e2e.installation import Part, until
from tests.e2e.provider import WebhookProvider
from tests.faults.ledger import Ledger
from tests.faults.rounds import Crew, Load, eventually, say

PARTS = {
    "router-a": ["router"],
    "router-b": ["router"],
    "desk-a": ["desk"],
    "desk-b": ["desk"],
    "site-a": ["site"],
    "site-b": ["site"],
    "hook-a": ["hook"],
    "hook-b": ["hook"],
}
SENDERS = 5
"""Customers of the webhook's provider."""

OPERATORS = tuple(f"op{n}" for n in range(8))
RATE = float(os.environ.get("TRUNKLINE_ROLLING_RATE", "40"))
VISITORS = 40
NOTICED = float(os.environ.get("TRUNKLINE_ROLLING_NOTICED", "60"))
"""Seconds that a visitor may wait for a tick: one on a quiet machine, many where others work on the same two cores."""

SETTLED = float(os.environ.get("TRUNKLINE_ROLLING_SETTLED", "1"))
"""Seconds of load between two restarts."""

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.faults,
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("lost_sockets"),
]


class Proxy:
    """HAProxy with the configuration of deploy/proxy, on loopback and without TLS."""

    def __init__(self, folder: Path, deployed: Deployed, port: int) -> None:
        program = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        assert program is not None, "haproxy is missing: make test-packages"
        self.port = port
        config = (DEPLOY / "proxy" / "haproxy.cfg").read_text()
        config = re.sub(r"bind .*", f"bind 127.0.0.1:{self.port}", config)
        config = re.sub(r"maxconn \d+", "maxconn 2000", config)  # as many as this process may have
        # each actor is a network address of its own, which only a proxy in front of this one could say
        config = re.sub(r"  http-request del-header X-Forwarded-For\n", "", config)
        config = config.replace("X-Forwarded-Proto https", "X-Forwarded-Proto http")
        config = config.replace("option forwardfor\n", "option forwardfor if-none\n")
        (folder / "haproxy.cfg").write_text(config)
        names = {name: name.upper().replace("-", "_").replace("HOOK_", "HOOKS_") for name in deployed.parts}
        places = {names[name]: _place(part) for name, part in deployed.parts.items()}
        self.log = folder / "haproxy.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  # our own command line
                (
                    *(sys.executable, "-I", "-S", child.__file__, str(os.getpid())),
                    *(program, "-db", "-f", str(folder / "haproxy.cfg")),
                ),
                env={**os.environ, **places},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

        until(self._listens, f"the proxy listens; see {self.log}")

    def _listens(self) -> bool:
        assert self._process.poll() is None, self.log.read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def url(self) -> str:
        """Where everybody knocks."""
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


def _place(part: Part) -> str:
    return f"127.0.0.1:{part.port}"


class Staff(Crew):
    """Everybody who takes part knocks at the proxy's door."""

    def __init__(self, deployed: Deployed, proxy: Proxy, ledger: Ledger, provider: WebhookProvider) -> None:
        for name, part in (("site", deployed.parts["site-a"]), ("desk", deployed.parts["desk-a"])):
            deployed.parts.setdefault(name, part)
        super().__init__(deployed, ledger, Load(RATE, VISITORS), seed=1)
        del deployed.parts["site"], deployed.parts["desk"]
        door: Callable[[], str] = lambda: proxy.url  # noqa: E731
        self.visitors = [Visitor(door, f"v{n}", f"10.2.0.{n + 1}") for n in range(VISITORS)]
        self.operators = [Operator(door, name, f"10.3.0.{n + 1}") for n, name in enumerate(OPERATORS)]

        self.provider = provider
        self.posted: dict[str, list[str]] = {f"sender-{n}": [] for n in range(SENDERS)}
        self._door = door
        self._done = asyncio.Event()

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Load while the block runs."""
        writing = asyncio.create_task(self.write())
        posting = [asyncio.create_task(self._post(sender)) for sender in self.posted]
        try:
            yield
        finally:
            writing.cancel()
            with suppress(asyncio.CancelledError):
                await writing
            self._done.set()
            await asyncio.gather(*posting)

    async def answered(self) -> None:
        """Wait until the provider has an answer to everything that it posted, and the log knows it."""
        wanted = {answer_to(f"question {name}") for names in self.posted.values() for name in names}
        await eventually(lambda: wanted <= {d.text for d in self.provider.deliveries if d.answered}, "all is answered")
        await eventually(lambda: not self._queued(), "all receipts are on the screens")

    def _queued(self) -> list[Frame]:
        shown = [item for operator in self.operators for items in operator.items.values() for item in items.values()]
        mine = [item for item in shown if item["kind"] == "reply" and "question" in item["content"]["text"]]
        return [item for item in mine if item.get("receipt", "queued") == "queued"]

    async def _post(self, sender: str) -> None:
        """Post one after the other, as often as needed, as providers do."""
        while not self._done.is_set():
            name = f"{sender}-{len(self.posted[sender])}"
            self.posted[sender].append(name)
            await self.provider.insist(self._door, name, sender, f"question {name}")
            await asyncio.sleep(0.5)

    def longest(self, since: float) -> float:
        """The longest time from a visitor's message to its tick, of those written since a moment (monotonic)."""
        now = time.monotonic()
        written = [one for visitor in self.visitors for one in visitor.written.values() if one.sent >= since]
        return max(((one.acked or now) - one.sent for one in written), default=0.0)


@pytest.fixture
def door() -> int:
    """The port that all the world knows."""
    return free_port()


@pytest.fixture
def receiver() -> WebhookProvider:
    """Whoever posts to the webhook channel, and is posted to."""
    return WebhookProvider()


@pytest.fixture
def deployed(tmp_path: Path, door: int, receiver: WebhookProvider) -> Iterator[Deployed]:
    http = {"trusted_proxies": ["127.0.0.1/32"], "public_url": f"http://127.0.0.1:{door}"}
    installation = Deployed(tmp_path / "deployed", OPERATORS, receiver.url, {"http": http})
    try:
        installation.open(PARTS)
        yield installation
    finally:
        installation.close()


@pytest.fixture
def proxy(deployed: Deployed, tmp_path: Path, door: int) -> Iterator[Proxy]:
    running = Proxy(tmp_path, deployed, door)
    try:
        yield running
    finally:
        running.stop()


def restart_part(deployed: Deployed, name: str) -> None:
    part = deployed.parts[name]
    part.stop()
    part.start()
    deployed.wait_ready(part, PARTS[name])


def restart_node(deployed: Deployed, node: str) -> None:
    deployed.cluster.end(node)
    deployed.cluster.launch(node)
    deployed.cluster.wait_healthy(node)


async def test_nobody_notices_that_everything_is_restarted(
    deployed: Deployed, proxy: Proxy, receiver: WebhookProvider
) -> None:
    ledger = Ledger(Workspace(deployed.workspace))
    staff = Staff(deployed, proxy, ledger, receiver)
    noticed: dict[str, float] = {}
    async with receiver, staff.at_work():
        async with staff.writing():
            begun = time.monotonic()
            await asyncio.sleep(SETTLED)
            noticed["nothing"] = staff.longest(begun)
            for name in (*PARTS, *NODES):
                begun = time.monotonic()
                work = restart_node if name in NODES else restart_part
                await asyncio.to_thread(work, deployed, name)
                await asyncio.sleep(SETTLED)
                noticed[name] = staff.longest(begun)
                say(f"{name} restarted: longest time to a tick {noticed[name]:.2f} s")
        await staff.answered()
        await staff.settle()
        ledger.settle_provider(receiver.deliveries, staff.posted)
        assert not ledger.broken, ledger.broken[:30]
    connections = [visitor.connections for visitor in staff.visitors]
    say(
        f"rolling restart: {len(ledger.decided)} messages, {len(ledger.terms)} terms, longest time to a tick"
        f" {max(noticed.values()):.2f} s ({noticed['nothing']:.2f} s without a restart),"
        f" {max(connections)} connections of a visitor at most,"
        f" {len(receiver.deliveries)} calls of the provider"
    )
    assert max(noticed.values()) < NOTICED, noticed
    assert until(lambda: len(ledger.terms) >= 2, "the routers took turns", 1.0)
