"""The doctor: what is wrong, and what to do about it, without anything running."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from msgspec.structs import replace

from adapters.contract import Adapter, Context, Finding
from adapters.errors import BadCredentials, BadSettings, NotReachable
from adapters.session import Reach, open_session
from broker.bus.server import free_port
from broker.channels.offline import OfflineContext
from broker.monitoring.doctor import GENERAL, diagnose, examine
from broker.settings.source import Source, read_source
from config import Secret
from normalizer.capabilities import Capabilities
from tests.fixtures.nats import Servers
from tests.fixtures.plain import plain_server

FILE = """
workspace: acme
channels:
  site: {type: webchat, origins: ["https://shop.example"]}
  hook: {type: webhook, secrets: ["a-shared-secret-of-ours"], url: "http://127.0.0.1:PORT/in"}
operators:
  anna: {name: Anna}
routing:
  - name: everything
"""


class Settings(msgspec.Struct, frozen=True, kw_only=True, tag="fake", tag_field="type"):
    pass


class Fake(Adapter):
    """Raises or finds what the test prepares."""

    type = "fake"
    Settings = Settings
    capabilities: ClassVar[Capabilities] = Capabilities(text_limit=16)
    outcome: ClassVar[Any] = ()
    closed: ClassVar[list[bool]] = []

    async def check(self) -> Sequence[Finding]:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        if self.outcome == "hangs":
            await asyncio.Event().wait()
        return self.outcome

    async def close(self) -> None:
        self.closed.append(True)


@pytest.fixture
async def context() -> AsyncIterator[OfflineContext]:
    async with open_session(Reach.LOOPBACK) as http:
        yield OfflineContext("tg", http, public_url="https://chat.example", secret=b"s" * 32)


async def diagnosed(outcome: object, context: OfflineContext, seconds: float = 30.0) -> Sequence[Finding]:
    adapter = type("Prepared", (Fake,), {"outcome": outcome})
    return await diagnose(adapter, Settings(), context, seconds)


async def test_what_a_channel_finds_is_given_as_it_is(context: OfflineContext) -> None:
    found = (Finding(what="the token is right", ok=True), Finding(what="no folder", ok=False, remedy="make it"))
    assert await diagnosed(found, context) == found
    assert Fake.closed


@pytest.mark.parametrize(
    ("outcome", "what", "remedy"),
    [
        (BadCredentials("no", "The token is refused."), "The token is refused.", "credentials"),
        (NotReachable("away", "api.example does not answer."), "api.example does not answer.", "network"),
        (RuntimeError("a slip"), "the check itself failed: RuntimeError: a slip", "whoever wrote"),
        ("hangs", "no answer within 0.05 s", "firewalls"),
    ],
)
async def test_what_goes_wrong_has_a_remedy(context: OfflineContext, outcome: object, what: str, remedy: str) -> None:
    (finding,) = await diagnosed(outcome, context, 0.05 if outcome == "hangs" else 30.0)
    assert not finding.ok
    assert finding.what == what
    assert remedy in finding.remedy


async def test_a_channel_that_cannot_even_be_made_is_a_finding(context: OfflineContext) -> None:
    class Broken(Fake):
        def __init__(self, settings: Settings, context: Context) -> None:
            super().__init__(settings, context)
            raise RuntimeError("a slip")

    (finding,) = await diagnose(Broken, Settings(), context)
    assert finding.what == "the check itself failed: RuntimeError: a slip"


KEY = "a key/of ours"


class Keyed(Settings, tag="keyed", frozen=True, kw_only=True):
    key: Secret


@pytest.mark.parametrize(
    "outcome",
    [
        RuntimeError("GET https://robot:hidden-word@api.example/bot?token=hidden-word: refused\nhidden-word"),
        RuntimeError(f"the key {KEY} is refused"),
        RuntimeError("GET https://api.example/a%20key%2Fof%20ours/me"),
        NotReachable("away", f"https://api.example/{KEY} does not answer"),
        BadSettings("no", f"{KEY} is no key", key="key"),
        (Finding(what=f"{KEY} is taken", ok=True, remedy=f"change {KEY}"),),
    ],
    ids=range(6),
)
async def test_a_check_tells_no_secret(context: OfflineContext, outcome: object) -> None:
    adapter = type("Prepared", (Fake,), {"outcome": outcome})
    try:
        said = repr(await diagnose(adapter, Keyed(key=Secret(KEY)), context))
    except BadSettings as exc:
        said = exc.message
    assert not any(secret in said for secret in (KEY, "a%20key%2Fof%20ours", "hidden-word")), said


async def test_a_bad_setting_is_raised_with_its_key(context: OfflineContext) -> None:
    with pytest.raises(BadSettings) as failed:
        await diagnosed(BadSettings("no", "There is no such folder.", key="folder"), context)
    assert failed.value.key == "folder"


def written(tmp_path: Path, port: int, more: str = "") -> Source:
    file = tmp_path / "trunkline.yaml"
    file.write_text(FILE.replace("PORT", str(port)) + more)
    return read_source(file, {})


async def test_a_workspace_is_looked_at_without_running(tmp_path: Path) -> None:
    general, site, hook = await examine(written(tmp_path, free_port()), tmp_path / "data")
    assert general.name == GENERAL
    assert any("does not run; `trunkline up` starts it" in finding.what for finding in general.findings)
    assert any("data" in finding.what for finding in general.findings)
    assert site.name == "site (webchat)"
    (finding,) = hook.findings
    assert not finding.ok
    assert "the receiver does not answer" in finding.what
    assert not (tmp_path / "data").exists()


async def test_one_channel_is_looked_at_alone(tmp_path: Path) -> None:
    reports = await examine(written(tmp_path, free_port()), tmp_path / "data", only=["site"])
    assert [report.name for report in reports] == ["site (webchat)"]


async def test_a_receiver_that_answers_is_right(tmp_path: Path) -> None:
    app = web.Application()
    async with TestServer(app) as server:
        assert server.port is not None
        (report,) = await examine(written(tmp_path, server.port), tmp_path / "data", only=["hook"])
    assert [finding.ok for finding in report.findings] == [True]


async def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file is in the way")
    general, *_ = await examine(written(tmp_path, free_port()), tmp_path / "data")
    wrong = [finding for finding in general.findings if not finding.ok]
    assert any("cannot be written to" in finding.what and "--data" in finding.remedy for finding in wrong)


async def test_a_cluster_that_does_not_answer_is_told(tmp_path: Path) -> None:
    source = written(tmp_path, free_port(), f'nats: {{servers: ["nats://127.0.0.1:{free_port()}"], replicas: 1}}\n')
    general, *_ = await examine(source, tmp_path / "data")
    assert any("no NATS server answers" in finding.what and not finding.ok for finding in general.findings)


async def test_a_cluster_that_answers_and_a_public_address_that_leads_elsewhere_are_told(
    tmp_path: Path, nats_server: Servers
) -> None:
    login = nats_server.settings.credentials
    url = nats_server.settings.servers[0]
    user = msgspec.to_builtins(login)
    nats = f'nats: {{servers: ["{url}"], user: {user["user"]}, password: {user["password"]}, replicas: 1}}\n'
    async with TestServer(web.Application()) as elsewhere:
        http = f'http: {{public_url: "http://127.0.0.1:{elsewhere.port}"}}\n'
        source = written(tmp_path, free_port(), nats + http)
        workspace = f"w{secrets.token_hex(4)}"
        source = replace(source, settings=replace(source.settings, workspace=workspace))
        general, *_ = await examine(source, tmp_path / "data")
    assert any("NATS answers" in finding.what for finding in general.findings)
    assert any("takes messages of 8,388,608 bytes" in finding.what and finding.ok for finding in general.findings)
    assert any("status 404, not as Trunkline does" in finding.what for finding in general.findings if not finding.ok)


async def test_a_server_that_takes_less_than_a_record_may_have_is_told_with_the_remedy(tmp_path: Path) -> None:
    """NATS takes 1 MB unless it is told otherwise."""
    with plain_server(tmp_path) as url:
        general, *_ = await examine(
            written(tmp_path, free_port(), f'nats: {{servers: ["{url}"]}}\n'), tmp_path / "data"
        )
    wrong = [finding for finding in general.findings if not finding.ok]
    assert any("1,048,576" in each.what and "max_payload: 8388608" in each.remedy for each in wrong)
