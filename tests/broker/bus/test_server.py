"""The embedded server: credentials, restarts, orphans, folders in use."""

import asyncio
import os
import pathlib
import signal
import socket
import stat
import sys
from collections.abc import AsyncIterator, Callable

import pytest

from broker.bus.connection import Bus
from broker.bus.errors import NotConnected, ServerFailed
from broker.bus.reader import read_message
from broker.bus.server import Durability, EmbeddedServer, find_binary, free_port, is_free
from broker.bus.settings import BusSettings
from broker.bus.streams import StreamConfig, ensure_stream

STREAM = StreamConfig(name="s", subjects=("s.>",), num_replicas=1)
OWNER = """
import asyncio, pathlib, sys
from broker.bus.server import Durability, EmbeddedServer
async def main():
    server = EmbeddedServer(pathlib.Path(sys.argv[1]), durability=Durability.PROCESS)
    await server.start()
    print(server.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.fixture
async def server(tmp_path: pathlib.Path) -> AsyncIterator[EmbeddedServer]:
    server = EmbeddedServer(tmp_path / "data", durability=Durability.PROCESS)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def settings(server: EmbeddedServer) -> BusSettings:
    return BusSettings(servers=(server.url,), credentials=server.credentials, connect_timeout=2)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110  # another process's doing: there is no event to wait for
            await asyncio.sleep(0.02)


def is_gone(pid: int) -> bool:
    """Ended, if perhaps nobody has asked for its status yet."""
    try:
        return not pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True


def mode_of(path: pathlib.Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def command_of(pid: int | None) -> str:
    return pathlib.Path(f"/proc/{pid}/cmdline").read_text()


async def test_a_server_is_for_its_owner_only(server: EmbeddedServer, tmp_path: pathlib.Path) -> None:
    for name in ("nats-server.conf", "nats-server.json"):
        assert mode_of(tmp_path / "data" / name) == 0o600
    assert server.credentials.password not in command_of(server.pid)
    assert server.credentials.password not in repr(server.credentials)
    assert server.url.startswith("nats://127.0.0.1:")
    with pytest.raises(NotConnected):
        await Bus.connect(BusSettings(servers=(server.url,), connect_timeout=0.5), "stranger")


@pytest.mark.parametrize(("durability", "interval"), [(Durability.POWER, "always"), (Durability.PROCESS, "2s")])
async def test_durability_says_when_writes_are_synced(
    tmp_path: pathlib.Path, durability: Durability, interval: str
) -> None:
    server = EmbeddedServer(tmp_path, durability=durability)
    await server.start()
    await server.stop()
    assert f"sync_interval: {interval}\n" in (tmp_path / "nats-server.conf").read_text()


async def test_a_killed_server_comes_back_with_everything_and_clients_reconnect(tmp_path: pathlib.Path) -> None:
    died: list[int] = []
    server = EmbeddedServer(tmp_path, durability=Durability.PROCESS, on_restart=died.append)
    await server.start()
    bus = await Bus.connect(settings(server), "test")
    back = asyncio.Event()
    bus.on_reconnect(back.set)
    await ensure_stream(bus, STREAM)
    await bus.publish("s.a", b"before")
    url, pid = server.url, server.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(30):
        await back.wait()
    assert (died, server.url) == ([-signal.SIGKILL], url)
    assert server.pid != pid
    stored = await read_message(bus, "s", 1)
    assert stored is not None
    assert stored.payload == b"before"
    await bus.close()
    await server.stop()
    assert server.pid is None


async def test_a_stopped_server_starts_again_at_the_same_address(tmp_path: pathlib.Path) -> None:
    first = EmbeddedServer(tmp_path, durability=Durability.PROCESS)
    await first.start()
    await first.stop()
    second = EmbeddedServer(tmp_path, durability=Durability.PROCESS)
    await second.start()
    assert (second.url, second.credentials) == (first.url, first.credentials)
    await second.stop()


async def test_a_folder_in_use_is_refused_with_its_owner(server: EmbeddedServer, tmp_path: pathlib.Path) -> None:
    other = EmbeddedServer(tmp_path / "data", durability=Durability.PROCESS)
    with pytest.raises(ServerFailed, match=f"process {os.getpid()}"):
        await other.start()
    assert server.pid is not None


async def test_a_server_dies_with_its_owner(tmp_path: pathlib.Path) -> None:
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OWNER, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert owner.stdout is not None
    pid = int(await owner.stdout.readline())
    owner.kill()
    await owner.wait()
    await until(lambda: is_gone(pid))


async def test_an_orphan_is_ended_before_its_folder_is_used(tmp_path: pathlib.Path) -> None:
    first = EmbeddedServer(tmp_path, durability=Durability.PROCESS)
    await first.start()
    await first.stop()
    config = tmp_path / "nats-server.conf"
    orphan = await asyncio.create_subprocess_exec(find_binary(), "-c", str(config))
    await until(lambda: (tmp_path / "nats-server.pid").read_text() == str(orphan.pid))
    second = EmbeddedServer(tmp_path, durability=Durability.PROCESS)
    await second.start()
    assert await orphan.wait() is not None
    assert second.pid != orphan.pid
    assert second.url == first.url
    await second.stop()


async def test_a_server_that_cannot_start_quotes_its_log(tmp_path: pathlib.Path) -> None:
    (tmp_path / "jetstream").write_text("not a folder")
    server = EmbeddedServer(tmp_path, durability=Durability.PROCESS)
    with pytest.raises(ServerFailed, match="does not start"):
        await server.start()
    assert server.pid is None


async def test_a_taken_port_is_refused_when_it_was_asked_for(server: EmbeddedServer, tmp_path: pathlib.Path) -> None:
    port = int(server.url.rsplit(":", 1)[1])
    other = EmbeddedServer(tmp_path / "other", durability=Durability.PROCESS, port=port)
    with pytest.raises(ServerFailed, match="in use"):
        await other.start()


async def test_a_connection_that_the_client_library_gives_up_is_opened_anew(server: EmbeddedServer) -> None:
    bus = await Bus.connect(settings(server), "test")
    await ensure_stream(bus, STREAM)
    pipeline = await bus.publisher()
    back = asyncio.Event()
    bus.on_reconnect(back.set)
    # after this error nats-py closes for good
    await bus._link.client._process_err("'maximum connections exceeded'")
    async with asyncio.timeout(30):
        await back.wait()
    assert (await bus.publish("s.a", b"1")).seq == 1
    assert (await pipeline.send("s.a", b"2")).seq == 2
    await bus.close()


def test_a_free_port_is_given_once_and_is_none_that_the_kernel_gives_to_anybody() -> None:
    """Whoever is started again finds its port: no connection and no other server of the machine has come by it."""
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50
    lowest = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert max(ports) < lowest


def test_a_port_that_is_listened_on_is_not_free() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port := free_port()))
        taken.listen()
        assert not is_free(port)
    assert is_free(port)
