"""The example channel: installed by pip, proven by the kit, and at work: a real server, a customer, an operator."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.actors import Operator
from tests.e2e.anna import receipts, until
from tests.e2e.installation import Installation, installed
from tests.e2e.provider import WebhookProvider
from tests.examples.conftest import EXAMPLES, Run, on_path
from tests.fixtures.ngircd import PASSWORD, Chatter, running_ngircd

pytestmark = [pytest.mark.usefixtures("lost_sockets"), pytest.mark.timeout(300)]

PACKAGE = EXAMPLES / "trunkline-irc"
PARTS = {"router": ["router"], "desk": ["desk"], "irc": ["irc"]}


def test_it_passes_its_proof_as_it_is_installed(run: Run, irc: Path) -> None:
    done = run("pytest", "-q", "-p", "no:cacheprovider", folder=PACKAGE, paths=[irc])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout


def test_it_is_typed_to_the_last_line(run: Run) -> None:
    done = run("mypy", "--cache-dir", os.devnull, "src", "tests", folder=PACKAGE, paths=[PACKAGE / "tests"])
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with running_ngircd(tmp_path_factory.mktemp("ngircd")) as port:
        yield port


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, server: int, irc: Path) -> Iterator[Installation]:
    channel = {
        "type": "irc",
        "server": "127.0.0.1",
        "port": server,
        "tls": False,
        "nick": "support",
        "password": PASSWORD,
        "per_second": 10,
    }
    folder = tmp_path_factory.mktemp("installation")
    provider = WebhookProvider().url
    with (
        on_path(irc),
        installed(
            folder, nodes=1, operators=("anna",), parts=PARTS, provider=provider, channels={"irc": channel}
        ) as installation,
    ):
        yield installation


async def online(chatter: Chatter) -> None:
    """Wait until the channel has its nickname."""
    for _ in range(600):
        chatter.write("ISON support")
        await asyncio.sleep(0.1)
        if any(" 303 " in line and "support" in line for line in chatter.heard):
            return
    raise AssertionError(f"the channel does not come: {chatter.heard[-3:]}")


async def test_what_is_said_on_irc_is_answered_from_the_desk(running: Installation, server: int) -> None:
    desk = running.parts["desk"]
    async with Operator(lambda: desk.url, "anna", "10.1.0.1", answering=False) as anna, Chatter(server, "zoe") as zoe:
        await online(zoe)
        await until(lambda: anna.card.get("state") == "available", "anna is available")
        zoe.write("PRIVMSG support :Where is my parcel?")
        await until(lambda: anna.mine, "anna has the conversation")
        [conversation] = anna.mine
        await until(lambda: anna.said(conversation, "message") == ["Where is my parcel?"], "anna sees it")
        anna.reply(conversation, "It comes tomorrow.")
        await until(lambda: zoe.said_by("support") == ["It comes tomorrow."], "zoe reads the answer")
        await until(lambda: receipts(anna, conversation) == {"It comes tomorrow.": "sent"}, "anna sees that it was")

        running.parts["irc"].signal(signal.SIGKILL)
        zoe.heard.clear()
        running.parts["irc"].start()
        await online(zoe)
        zoe.write("PRIVMSG support :And when?")
        await until(lambda: len(anna.said(conversation, "message")) == 2, "it is the same conversation")

        zoe.write("NICK zoe2")
        await until(lambda: any(" NICK " in line for line in zoe.heard), "zoe has another name")
        anna.reply(conversation, "In the morning.")
        await until(lambda: receipts(anna, conversation).get("In the morning.") == "failed", "nobody else reads it")
        assert zoe.said_by("support") == []
        anna.order({"do": "close", "conversation": conversation})
        await until(lambda: not anna.mine, "it is closed")
