"""The way of docs/adapters.md, from nothing to a working channel, walked as it is written there."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from broker.bus.server import free_port
from tests.e2e.actors import Operator
from tests.e2e.anna import receipts, until
from tests.e2e.installation import Installation, installed
from tests.e2e.provider import WebhookProvider
from tests.examples.conftest import EXAMPLES, Run, install, on_path

pytestmark = [pytest.mark.usefixtures("lost_sockets"), pytest.mark.timeout(300)]

PAGE = EXAMPLES.parent / "docs" / "adapters.md"
PARTS = {"router": ["router"], "desk": ["desk"], "pigeon": ["pigeon"]}
PORT = free_port()


@pytest.fixture(scope="module")
def pigeon(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The new package, installed."""
    folder = tmp_path_factory.mktemp("evening")
    done = run("broker.cli.main", "new-adapter", "pigeon", folder=folder)
    assert done.returncode == 0, done.stderr
    return install(run, folder / "trunkline-pigeon", tmp_path_factory.mktemp("pigeon"))


@asynccontextmanager
async def fake(pigeon: Path, trunkline: str) -> AsyncIterator[str]:
    """Run `trunkline fake pigeon`; gives its address."""
    url = f"http://127.0.0.1:{PORT}"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "broker.cli.main", "fake", "pigeon"),
        *("--listen", url.removeprefix("http://"), "--trunkline", trunkline),
        env={**os.environ, "PYTHONPATH": str(pigeon)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        said = b""
        async with asyncio.timeout(60):
            while b"Ctrl-C" not in said:
                said += await process.stdout.read(10_000)
        [shown] = re.findall(r"```yml\nworkspace: demo\nchannels:\n(.*?)operators:", PAGE.read_text(), flags=re.DOTALL)
        assert shown.replace("127.0.0.1:8085", f"127.0.0.1:{PORT}") in said.decode(), "the page shows other YAML"
        yield url
    finally:
        process.terminate()
        await process.communicate()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, pigeon: Path) -> Iterator[Installation]:
    channel = {"type": "pigeon", "url": f"http://127.0.0.1:{PORT}", "token": "a-token-of-the-simulator"}
    folder, provider = tmp_path_factory.mktemp("installation"), WebhookProvider().url
    with (
        on_path(pigeon),
        installed(
            folder, nodes=1, operators=("anna",), parts=PARTS, provider=provider, channels={"pigeon": channel}
        ) as installation,
    ):
        yield installation


async def test_the_new_channel_carries_a_conversation(running: Installation, pigeon: Path) -> None:
    desk = running.parts["desk"]
    async with (
        fake(pigeon, running.parts["pigeon"].url) as provider,
        Operator(lambda: desk.url, "anna", "10.1.0.1", answering=False) as anna,
        aiohttp.ClientSession(provider) as http,
    ):
        await until(lambda: anna.card.get("state") == "available", "anna is available")
        async with http.post("/_control/say", data='{"text": "Where is my parcel?"}') as answer:
            assert answer.status == 200, await answer.text()
        await until(lambda: anna.mine, "anna has the conversation")
        [conversation] = anna.mine
        await until(lambda: anna.said(conversation, "message") == ["Where is my parcel?"], "anna sees it")
        anna.reply(conversation, "It comes tomorrow.")
        await until(lambda: receipts(anna, conversation) == {"It comes tomorrow.": "sent"}, "it is sent")
        async with http.get("/_control/shown") as answer:
            assert "It comes tomorrow." in await answer.text()
        anna.order({"do": "close", "conversation": conversation})
        await until(lambda: not anna.mine, "it is closed")
