"""Backup and restore as operations use them: real processes, real traffic, and a provider that counts."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from broker.backup.folder import Source
from broker.bus.connection import Bus
from broker.bus.reader import Reader, stream_state
from broker.bus.streams import Workspace
from tests.e2e.actors import Operator, Visitor
from tests.e2e.installation import ORIGIN, WORKSPACE, Installation
from tests.e2e.provider import WebhookProvider

PARTS = {"router": ["router"], "site": ["site"], "desk": ["desk"], "hook": ["hook"]}
pytestmark = [pytest.mark.usefixtures("lost_sockets"), pytest.mark.timeout(300)]


async def eventually(look: Callable[[], object], what: str, within: float = 60.0) -> None:
    end = time.monotonic() + within
    while not look():
        assert time.monotonic() < end, f"not within {within:g} s: {what}"
        await asyncio.sleep(0.05)


@pytest.fixture
def receiver() -> WebhookProvider:
    return WebhookProvider()


def place(folder: Path, nodes: int, receiver: WebhookProvider) -> Iterator[Installation]:
    installation = Installation(folder, nodes, ("anna",), receiver.url, {})
    try:
        installation.open({})
        yield installation
    finally:
        installation.close()


@pytest.fixture
def old(tmp_path: Path, receiver: WebhookProvider) -> Iterator[Installation]:
    yield from place(tmp_path / "old", 1, receiver)


@pytest.fixture
def new(tmp_path: Path, receiver: WebhookProvider) -> Iterator[Installation]:
    yield from place(tmp_path / "new", 3, receiver)


@asynccontextmanager
async def anna(installation: Installation) -> AsyncIterator[Operator]:
    async with Operator(lambda: installation.parts["desk"].url, "anna", "10.1.0.1", answering=True) as desk:
        await eventually(lambda: desk.card.get("state") == "available", "anna is available")
        yield desk


async def log_of(installation: Installation) -> dict[int, tuple[str, bytes]]:
    bus = await Bus.connect(installation.bus, "log")
    try:
        async with Reader(bus, Workspace(WORKSPACE).log_stream) as reader:
            return {s.seq: (s.subject, s.payload) async for batch in reader.read_all() for s in batch}
    finally:
        await bus.close()


async def upload(installation: Installation, customer: Visitor, content: bytes) -> str:
    """Send a file as a page does; gives its reference."""
    headers = {"Origin": ORIGIN, "Authorization": f"Bearer {customer._token}"}
    form = aiohttp.FormData()
    form.add_field("file", content, filename="notes.txt", content_type="text/plain")
    url = f"{installation.parts['site'].url}/channels/site/files"
    async with aiohttp.ClientSession() as http, http.post(url, data=form, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        return str((await answer.json())["file"])


async def fetch(installation: Installation, customer: Visitor, reference: str) -> bytes:
    headers = {"Origin": ORIGIN, "Authorization": f"Bearer {customer._token}"}
    url = f"{installation.parts['site'].url}/channels/site/files/{reference}"
    async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.read()


def taken(provider: WebhookProvider, text: str) -> int:
    return len([delivery for delivery in provider.deliveries if delivery.text == text and delivery.taken])


@pytest.mark.cluster
async def test_a_workspace_comes_back_on_a_cluster_and_sends_nothing_twice(  # noqa: PLR0915  # one long story
    old: Installation, new: Installation, receiver: WebhookProvider, tmp_path: Path
) -> None:
    await asyncio.to_thread(old.add, PARTS)
    target = tmp_path / "backup"
    customer = Visitor(lambda: where.parts["site"].url, "v", "10.0.0.1")
    where = old
    async with receiver, customer:
        async with anna(old) as desk:
            await customer.online()
            customer.write("hello")
            await eventually(lambda: len(customer.replies) == 1, "the first answer")
            file = await upload(old, customer, b"what I saw\n" * 1_000)
            assert await receiver.post(old.parts["hook"].url, "m1", "client", "settled") == 200
            await eventually(lambda: taken(receiver, "re: settled"), "an answer is sent")
            receiver.mood = lambda: "busy"  # the next answer waits while the backup is made
            assert await receiver.post(old.parts["hook"].url, "m2", "client", "waiting") == 200
            await eventually(lambda: [d for d in receiver.deliveries if d.text == "re: waiting"], "it was tried")
            talking = asyncio.create_task(talk(customer))
            said = await asyncio.to_thread(old.command, "backup", str(target))
            assert "up to log position" in said
            talking.cancel()
            receiver.mood = lambda: "take"
            await eventually(lambda: taken(receiver, "re: waiting"), "what waited is sent after the backup")
            customer.write("behind the backup")
            await eventually(lambda: not customer.unacknowledged, "everything has its tick")
            await eventually(lambda: not desk.pending, "anna has answered")
        before = await log_of(old)
        for part in old.parts.values():
            await asyncio.to_thread(part.stop)
        assert "is whole" in await asyncio.to_thread(new.command, "backup", str(target), "--verify")
        assert "can be brought back" in await asyncio.to_thread(new.command, "restore", str(target), "--rehearse")
        manifest = Source(target).manifest
        assert manifest.undecided == 0
        assert max(before) > manifest.log
        where = new
        new.parts["site"] = new._part("site", ["site"])  # the page knows where to knock
        assert "not sent again" in await asyncio.to_thread(new.command, "restore", str(target))
        restored = await log_of(new)
        assert max(restored) <= manifest.log
        common = [seq for seq in before if seq <= manifest.log]
        assert {seq: restored.get(seq) for seq in common} == {seq: before[seq] for seq in common}
        await asyncio.to_thread(new.add, PARTS)
        async with anna(new) as desk:
            await eventually(customer._online.is_set, "the page is back")
            customer.write("are you back?")
            await eventually(lambda: "re: are you back?" in texts(customer), "the old conversation goes on", 90)
            assert await fetch(new, customer, file) == b"what I saw\n" * 1_000
            assert await receiver.post(new.parts["hook"].url, "m3", "client", "again") == 200
            await eventually(lambda: taken(receiver, "re: again"), "the channel sends again")
            waiting = [item for items in desk.items.values() for item in items.values() if said_waiting(item)]
            await eventually(lambda: waiting[0].get("receipt") == "unknown", "what was on its way is in doubt")
        assert taken(receiver, "re: settled") == taken(receiver, "re: waiting") == 1
    bus = await Bus.connect(new.bus, "state")
    try:
        assert (await stream_state(bus, Workspace(WORKSPACE).log_stream)).created != manifest.created
    finally:
        await bus.close()


def said_waiting(item: dict[str, object]) -> bool:
    content = item.get("content")
    return item["kind"] == "reply" and isinstance(content, dict) and content.get("text") == "re: waiting"


def texts(customer: Visitor) -> list[str]:
    return [str(item["content"]["text"]) for item in customer.replies]


async def talk(customer: Visitor) -> None:
    for number in range(10_000):
        customer.write(f"meanwhile {number}")
        await asyncio.sleep(0.1)
