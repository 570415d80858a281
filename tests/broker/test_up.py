"""Starting a process: what must not run so is told with its line."""

import asyncio
import secrets
import signal
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest

from adapters.contract import Adapter, Context, Finding
from adapters.errors import BadSettings
from broker.bus.connection import Bus
from broker.bus.reader import stream_state
from broker.bus.server import free_port
from broker.bus.streams import Workspace
from broker.logs import Scrubber
from broker.source import decode_source
from broker.up import Plan, run
from config import ConfigErrors, read
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
