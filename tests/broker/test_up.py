"""Starting a process: what must not run so is told with its line."""

import asyncio
import contextlib
import os
import secrets
import signal
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import ClassVar

import aiohttp
import msgspec
import pytest

from adapters.contract import Adapter, Context, Finding
from adapters.errors import BadSettings
from broker.bus.connection import Bus
from broker.bus.reader import stream_state
from broker.bus.server import free_port
from broker.bus.streams import Workspace
from broker.logs import Scrubber
from broker.monitoring.nodes import BEATS, Beat, call_roll
from broker.settings.source import decode_source
from broker.up import Plan, run
from config import ConfigErrors, read
from desk.ports import Alarm
from normalizer.capabilities import Capabilities
from tests.fixtures.nats import Servers

FILE = """
workspace: {workspace}
nats: {{servers: ["{server}"], user: {user}, password: {password}, replicas: 1}}
http: {{listen: "127.0.0.1:{port}"}}
channels:
  one: {{type: fake}}
  two:
    type: fake
    folder: {folder}
operators:
  anna: {{name: Anna}}
routing:
  - name: everything
"""


class FakeSettings(msgspec.Struct, frozen=True, kw_only=True, tag="fake", tag_field="type"):
    folder: str = "INBOX"


class Fake(Adapter):
    """Knows one folder; ``made`` and ``found`` are refused when it is made and when it looks."""

    type = "fake"
    Settings = FakeSettings
    capabilities: ClassVar[Capabilities] = Capabilities(text_limit=16)

    def __init__(self, settings: FakeSettings, context: Context) -> None:
        super().__init__(settings, context)
        if settings.folder == "made":
            raise BadSettings("no_folder", "there is no such folder", key="folder")

    async def check(self) -> Sequence[Finding]:
        if self.settings.folder == "found":
            raise BadSettings("no_folder", "there is no such folder", key="folder")
        return ()


@pytest.fixture
async def undisturbed() -> AsyncIterator[None]:
    """The signal handlers of a process that ends with its test."""
    yield
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().remove_signal_handler(number)


def plan_of(nats_server: Servers, tmp_path: Path, folder: str, *only: str) -> Plan:
    login = msgspec.to_builtins(nats_server.settings.credentials)
    file = tmp_path / "trunkline.yaml"
    workspace, server = f"w{secrets.token_hex(4)}", nats_server.settings.servers[0]
    file.write_text(FILE.format(workspace=workspace, server=server, port=free_port(), folder=folder, **login))
    source = decode_source(read(file), {}, {"fake": "tests.broker.test_up:Fake"})
    return Plan(file=file, source=source, data=tmp_path / "data", scrubber=Scrubber(), only=only)


@pytest.mark.usefixtures("undisturbed")
@pytest.mark.parametrize("folder", ["made", "found"])
async def test_a_channel_with_bad_settings_refuses_the_start_with_file_and_line(
    nats_server: Servers, tmp_path: Path, folder: str
) -> None:
    plan = plan_of(nats_server, tmp_path, folder, "channels")
    with pytest.raises(ConfigErrors) as refused:
        async with asyncio.timeout(30):
            await run(plan)
    (problem,) = refused.value.problems
    assert str(problem) == f"{plan.file}:9:5: channels.two.folder: there is no such folder"


@pytest.mark.usefixtures("undisturbed")
@pytest.mark.parametrize("folder", ["made", "found"])
async def test_a_file_with_bad_settings_is_not_even_proposed(
    nats_server: Servers, bus: Bus, tmp_path: Path, folder: str
) -> None:
    plan = plan_of(nats_server, tmp_path, folder, "router")
    with pytest.raises(ConfigErrors, match=r"trunkline.yaml:9:5: channels.two.folder: there is no such folder"):
        async with asyncio.timeout(30):
            await run(plan)
    assert (await stream_state(bus, Workspace(plan.source.settings.workspace).in_stream)).messages == 0


@pytest.mark.usefixtures("undisturbed")
async def test_a_router_by_itself_tells_how_it_is_where_it_was_told_to_listen(
    nats_server: Servers, bus: Bus, tmp_path: Path
) -> None:
    plan = msgspec.structs.replace(plan_of(nats_server, tmp_path, "INBOX", "router"), listens=True)
    url = f"http://{plan.source.settings.http.listen}"
    workspace = Workspace(plan.source.settings.workspace)
    running = asyncio.create_task(run(plan))
    alarm = Alarm(name="channel_off", text="It is off.", remedy="Mend it.", since=1, channel="one")
    try:
        async with asyncio.timeout(60), aiohttp.ClientSession() as http:
            await told(http, f"{url}/readyz", '"router": ""')
            beat = Beat(node="elsewhere", alarms=(alarm,))
            await bus.publish_live(workspace.ask_subject(BEATS), msgspec.json.encode(beat))
            await told(http, f"{url}/readyz", "channel_off")
            await told(http, f"{url}/metrics", "trunkline_router_active 1")
            assert [beat.parts for beat in await call_roll(bus, workspace)] == [("router",)]
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait([running], timeout=30)
    running.result()


async def told(http: aiohttp.ClientSession, url: str, what: str) -> None:
    """Ask until something is said."""
    said = ""
    while what not in said:
        with contextlib.suppress(aiohttp.ClientError):
            async with http.get(url) as response:
                said = await response.text()
        await asyncio.sleep(0.2)
