"""A changed file in force live, over real processes: nobody who is not concerned notices."""

import asyncio
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from yarl import URL

from adapters import signature
from normalizer.ids import IdSource
from tests.e2e.actors import Operator, Visitor
from tests.e2e.installation import SECRET, Installation, installed, until
from tests.e2e.provider import WebhookProvider
from tests.e2e.test_conversation import available, eventually, operator, visitor

IDS = IdSource()
PARTS = {"router": ["router"], "site": ["channels"], "desk": ["desk"]}
INLINE = "an-inline-secret-of-the-second-hook"
pytestmark = [pytest.mark.usefixtures("lost_sockets"), pytest.mark.timeout(300)]

Settings = dict[str, Any]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("apply")
    provider = WebhookProvider()
    with installed(folder, nodes=1, operators=("anna", "ben"), parts=PARTS, provider=provider.url) as running:
        yield running


@pytest.fixture(autouse=True)
def original(installation: Installation) -> Iterator[Settings]:
    """The file as it was; put in force again afterwards."""
    text = installation.file.read_text()
    yield json.loads(text)
    installation.file.write_text(text)
    trunkline(installation, "apply", "--yes")


def trunkline(installation: Installation, command: str, *words: str, code: int = 0) -> str:
    """Run a command; gives everything that it says."""
    places = [str(installation.file), "--data", str(installation.data)]
    done = subprocess.run(  # noqa: S603 - our own command line
        [sys.executable, "-m", "broker.cli.main", *command.split(), *places, *words],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def running(installation: Installation, hook: str) -> str:
    """Wait until a webhook channel has started; gives everything that `status` says."""

    def look() -> str:
        state = trunkline(installation, "status")
        return state if f"{hook} (webhook): running" in state else ""

    return until(look, f"{hook} runs")


async def beside(installation: Installation, command: str, *words: str) -> str:
    """Run a command while sockets are kept alive."""
    return await asyncio.to_thread(trunkline, installation, command, *words)


def write(installation: Installation, settings: Settings) -> None:
    installation.file.write_text(json.dumps(settings))


def changed(original: Settings) -> Settings:
    """A channel more, one less, a skill, a rule."""
    settings: Settings = json.loads(json.dumps(original))
    settings["channels"]["orders"] = {"type": "webhook", "secrets": [INLINE]}
    del settings["channels"]["hook"]
    del settings["capacity"]["hook"]
    settings["operators"]["anna"]["skills"] = {"orders": 5}
    orders = {"name": "orders", "when": {"channels": ["orders"]}, "need": {"skills": {"orders": 3}}}
    settings["routing"] = [orders, *settings["routing"]]
    return settings


@asynccontextmanager
async def people(installation: Installation, number: int) -> AsyncIterator[tuple[Visitor, Operator]]:
    customer, anna = visitor(installation, number), operator(installation, "anna")
    customer.silent_for = anna.silent_for = 60.0  # nobody's connection may end, however busy the machine is
    async with customer, anna:
        await eventually(lambda: available(anna), "anna is available")
        yield customer, anna


async def asked(customer: Visitor, anna: Operator, text: str) -> None:
    customer.write(text)
    await eventually(lambda: any(text in anna.said(one, "message") for one in anna.mine), f"anna sees {text}")


async def status_of(url: str) -> int:
    async with aiohttp.ClientSession() as http, http.post(url, data=b"{}") as answer:
        return answer.status


async def answers(url: str, status: int) -> None:
    """Wait until it answers so."""
    async with asyncio.timeout(60):
        while await status_of(url) != status:  # noqa: ASYNC110 - another process tells nobody
            await asyncio.sleep(0.1)


async def post(url: str, text: str) -> int:
    """Post a message as the system behind the second hook does."""
    body = json.dumps({"id": IDS.new(), "from": "4711", "text": text}).encode()
    content = signature.content("POST", URL(url).raw_path_qs, body)
    headers = {signature.HEADER: signature.sign(INLINE, int(time.time()), content)}
    async with aiohttp.ClientSession() as http, http.post(url, data=body, headers=headers) as answer:
        return answer.status


async def test_channels_operators_and_rules_change_while_sockets_stay(
    installation: Installation, original: Settings
) -> None:
    site = installation.parts["site"].url
    async with people(installation, 1) as (customer, anna):
        await asked(customer, anna, "before")
        conversation = anna.mine[0]
        sockets = customer.connections, anna.connections
        write(installation, changed(original))
        shown = await beside(installation, "apply", "--dry-run")
        assert "+ orders (webhook)" in shown
        assert "- hook (webhook)" in shown
        assert "skills.orders: nothing -> 5" in shown
        assert INLINE not in shown
        assert await status_of(f"{site}/channels/hook/messages") == 401
        said = await beside(installation, "apply", "--yes")
        assert re.search(r"([12]) of \1 processes work by it", said), said  # a busy one may miss the roll call
        assert INLINE not in said
        await answers(f"{site}/channels/orders/messages", 401)  # it is there, and wants a signature
        await answers(f"{site}/channels/hook/messages", 404)
        assert await post(f"{site}/channels/orders/messages", "an order") == 200
        await eventually(lambda: any("an order" in anna.said(one, "message") for one in anna.mine), "the order")
        await asked(customer, anna, "after")
        anna.reply(conversation, "still here")
        await eventually(lambda: any("still here" in str(r["content"]) for r in customer.replies), "the answer")
        assert (customer.connections, anna.connections) == sockets
    state = await asyncio.to_thread(running, installation, "orders")
    assert "hook (webhook)" not in state


def test_a_bad_file_changes_nothing(installation: Installation, original: Settings) -> None:
    before = trunkline(installation, "versions")
    broken = changed(original)
    broken["operators"]["anna"]["rol"] = "supervisor"
    write(installation, broken)
    said = trunkline(installation, "apply", "--yes", code=1)
    assert 'did you mean "role"?' in said
    write(installation, original)
    assert trunkline(installation, "versions") == before


async def test_a_rollback_restores_what_was_in_force(installation: Installation, original: Settings) -> None:
    site = installation.parts["site"].url
    write(installation, changed(original))
    trunkline(installation, "apply", "--yes")
    await answers(f"{site}/channels/hook/messages", 404)
    said = trunkline(installation, "rollback previous", "--yes")
    assert "+ hook (webhook)" in said
    assert SECRET not in said
    await answers(f"{site}/channels/hook/messages", 401)
    await answers(f"{site}/channels/orders/messages", 404)
    installation.parts["site"].stop()  # whoever starts again with the file that was undone, undoes no rollback
    installation.parts["site"].start()
    installation.wait_ready(installation.parts["site"], PARTS["site"])
    await answers(f"{site}/channels/hook/messages", 401)


async def test_a_removed_operator_is_signed_out_and_the_others_stay(
    installation: Installation, original: Settings
) -> None:
    async with people(installation, 2) as (_customer, anna), operator(installation, "ben") as ben:
        await eventually(lambda: available(ben), "ben is available")
        sockets = anna.connections
        gone: Settings = json.loads(json.dumps(original))
        del gone["operators"]["ben"]
        write(installation, gone)
        await beside(installation, "apply", "--yes")
        connections = ben.connections
        await eventually(lambda: ben.connections > connections or not ben._online.is_set(), "ben's socket is closed")
        assert anna.connections == sockets


def test_killed_in_mid_apply_either_the_old_or_the_new_is_in_force(
    installation: Installation, original: Settings
) -> None:
    for number in range(3):
        settings: Settings = json.loads(json.dumps(original))
        settings["channels"][f"killed{number}"] = {"type": "webhook", "secrets": [INLINE]}
        write(installation, settings)
        command = [sys.executable, "-m", "broker.cli.main", "apply", str(installation.file), "--yes"]
        apply = subprocess.Popen([*command, "--data", str(installation.data)], stdout=subprocess.DEVNULL)  # noqa: S603 - ours
        time.sleep(1.0 + 0.7 * number)  # before, while and after it proposes
        apply.send_signal(signal.SIGKILL)
        apply.wait()
        shown = trunkline(installation, "apply", "--dry-run")
        assert ("nothing to do" in shown) != (f"+ killed{number} (webhook)" in shown)
        trunkline(installation, "apply", "--yes")
        running(installation, f"killed{number}")


def test_no_inline_secret_stands_in_clear_on_the_bus(installation: Installation, original: Settings) -> None:
    write(installation, changed(original))
    trunkline(installation, "apply", "--yes")
    stored = [path for path in (installation.folder / "nats").rglob("*") if path.is_file()]
    assert stored
    assert [path for path in stored if INLINE.encode() in path.read_bytes()] == []
    logs = [part.log.read_text() for part in installation.parts.values()]
    assert not any(INLINE in log for log in logs)
