"""Three nats-servers with the configuration of deploy/nats, TLS and rights included, and parts that use them."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from broker.bus import child
from broker.bus.rights import password_name
from broker.bus.server import find_binary, free_port
from broker.bus.settings import BusSettings, UserPassword
from tests.deploy.certificates import Authority
from tests.e2e.installation import Installation, Part, settings_of, until

DEPLOY = Path(__file__).parents[2] / "deploy"
NODES = ("n1", "n2", "n3")
STOP_WITHIN = 30.0


class Cluster:
    """The nodes; ``accounts`` is what `trunkline nats-users` prints for the workspace."""

    def __init__(self, folder: Path, accounts: str) -> None:
        self.authority = Authority(folder)
        self.ports = {node: free_port() for node in NODES}
        self._monitors = {node: free_port() for node in NODES}
        self._routes = {node: free_port() for node in NODES}
        self._folders = {node: folder / node for node in NODES}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        for node, place in self._folders.items():
            place.mkdir()
            shutil.copy(DEPLOY / "nats" / "node.conf", place)
            (place / "accounts.conf").write_text(accounts)
            routes = "\n".join(f'"tls://localhost:{port}"' for port in self._routes.values())
            (place / "routes.conf").write_text(f"routes: [\n{routes}\n]\n")
            self.authority.sign(place / "tls", node, "node")
        names = [word[1:] for word in accounts.split() if word.startswith("$NATS_PASSWORD_")]
        self.passwords = {name: f"password-of-{name.lower()}" for name in names}

    def bus(self, user: str) -> BusSettings:
        """The way in for a user."""
        return BusSettings(
            servers=tuple(f"tls://localhost:{port}" for port in self.ports.values()),
            credentials=UserPassword(user, self.passwords[password_name(user)]),
            ca=self.authority.path,
            replicas=3,
        )

    def check(self, node: str) -> subprocess.CompletedProcess[str]:
        """What nats-server says to the configuration."""
        return subprocess.run(  # noqa: S603  # our own command line
            [find_binary(), "-t", "-c", "node.conf"],
            cwd=self._folders[node],
            env=self._environment(node),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def start(self) -> None:
        """Start all nodes, and wait until they take part."""
        for node in NODES:
            self.launch(node)
        for node in NODES:
            self.wait_healthy(node)

    def launch(self, node: str) -> None:
        """Start a node, and return at once."""
        place = self._folders[node]
        with (place / "out.log").open("ab") as log:
            self._processes[node] = subprocess.Popen(  # noqa: S603  # our own command line
                (sys.executable, "-I", "-S", child.__file__, str(os.getpid()), find_binary(), "-c", "node.conf"),
                cwd=place,
                env=self._environment(node),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_healthy(self, node: str) -> None:
        """Wait until a node has caught up with everything: what systemd, compose and Kubernetes ask it as well."""
        url = f"http://127.0.0.1:{self._monitors[node]}/healthz"
        until(lambda: _answers(url), f"{node} is healthy; see {self._folders[node] / 'out.log'}")

    def said(self) -> list[str]:
        """What the nodes have logged."""
        return [line for place in self._folders.values() for line in (place / "out.log").read_text().splitlines()]

    def end(self, node: str) -> None:
        """SIGTERM, and wait."""
        process = self._processes.pop(node)
        process.terminate()
        process.wait(STOP_WITHIN)

    def stop(self) -> None:
        """End all that run."""
        for process in self._processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self._processes.values():
            try:
                process.wait(STOP_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    def _environment(self, node: str) -> dict[str, str]:
        return {
            **os.environ,
            **self.passwords,
            "NATS_NODE": node,
            "NATS_HOST": "127.0.0.1",
            "NATS_PORT": str(self.ports[node]),
            "NATS_CLUSTER_PORT": str(self._routes[node]),
            "NATS_MONITOR": f"127.0.0.1:{self._monitors[node]}",
            "NATS_DATA": str(self._folders[node] / "data"),
        }


def _answers(url: str) -> bool:
    done = subprocess.run(  # noqa: S603  # our own command line
        [sys.executable, "-I", "-c", f"import urllib.request; urllib.request.urlopen({url!r}, timeout=2)"],
        capture_output=True,
        check=False,
        timeout=30,
    )
    return done.returncode == 0


class Deployed(Installation):
    """Parts on such a cluster, each as the NATS user of what it runs."""

    def __init__(self, folder: Path, operators: Sequence[str], provider: str, more: Mapping[str, object]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.operators = operators
        self.file = folder / "trunkline.yaml"
        self.data = folder / "data"
        self.parts = {}
        self._more = more
        self._provider = provider
        self.write([f"tls://localhost:{1}"], folder / "ca.pem")
        accounts = self._users()
        self.cluster = Cluster(folder / "nats", accounts)
        self.write([f"tls://localhost:{port}" for port in self.cluster.ports.values()], self.cluster.authority.path)

    @property
    def bus(self) -> BusSettings:
        """The way in for whoever looks after everything."""
        return self.cluster.bus(f"{self.workspace}-keeper")

    workspace = "proof"

    def write(self, servers: Sequence[str], authority: Path) -> None:
        """Write the file of the workspace."""
        plain = settings_of(
            BusSettings(servers=(), credentials=UserPassword("", "")), self.operators, self._provider, {}
        )
        bus = {"servers": list(servers), "user": "${NATS_USER}", "password": "${NATS_PASSWORD}", "ca": str(authority)}
        self.file.write_text(json.dumps({**plain, "nats": {**bus, "replicas": 3}, **self._more}))

    def open(self, parts: Mapping[str, Sequence[str]]) -> None:
        """Start the nodes and the parts, and wait until people can come in."""
        self.cluster.start()
        self.add(parts)

    def close(self) -> None:
        """Stop everything."""
        try:
            for part in self.parts.values():
                part.stop()
        finally:
            self.cluster.stop()

    def _users(self) -> str:
        done = subprocess.run(  # noqa: S603  # our own command line
            [sys.executable, "-m", "broker.cli.main", "nats-users", str(self.file)],
            env={**os.environ, "NATS_USER": "x", "NATS_PASSWORD": "x"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _part(self, name: str, runs: Sequence[str]) -> Part:
        part = super()._part(name, runs)
        user = f"{self.workspace}-{runs[0]}"
        password = self.cluster.passwords[password_name(user)]
        place = part._command.index(sys.executable, 1)
        variables = ("/usr/bin/env", f"NATS_USER={user}", f"NATS_PASSWORD={password}")
        part._command = (*part._command[:place], *variables, *part._command[place:])
        return part
