"""The configuration of deploy/nats on real servers: TLS, three nodes, rights for what is needed and no more."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from broker.bus.connection import Bus
from broker.bus.errors import NoAnswer, NotConnected, PublishUnknown
from broker.bus.kv import Bucket
from broker.bus.reader import delete_message, purge, stream_state
from broker.bus.streams import Workspace
from tests.deploy.cluster import DEPLOY, Deployed
from tests.e2e.actors import Operator, Visitor
from tests.e2e.provider import WebhookProvider

PARTS = {"router": ["router"], "site": ["site"], "desk": ["desk"], "hook": ["hook"]}
WORKSPACE = Workspace(Deployed.workspace)
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300), pytest.mark.usefixtures("lost_sockets")]


@pytest.fixture(scope="module")
def receiver() -> WebhookProvider:
    return WebhookProvider()


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory, receiver: WebhookProvider) -> Iterator[Deployed]:
    installation = Deployed(tmp_path_factory.mktemp("deployed"), ("anna",), receiver.url, {})
    try:
        installation.open(PARTS)
        yield installation
    finally:
        installation.close()


@asynccontextmanager
async def connected(deployed: Deployed, part: str) -> AsyncIterator[Bus]:
    settings = msgspec.structs.replace(deployed.cluster.bus(f"{WORKSPACE.name}-{part}"), request_timeout=3.0)
    bus = await Bus.connect(settings, f"test {part}")
    try:
        yield bus
    finally:
        await bus.close()


async def eventually(look: Callable[[], object], what: str) -> None:
    end = time.monotonic() + 60
    while not look():
        assert time.monotonic() < end, what
        await asyncio.sleep(0.05)


async def refused(bus: Bus, subject: str) -> None:
    """The server drops it: whoever has no right hears nothing."""
    with pytest.raises(PublishUnknown):
        await bus.publish(subject, b"{}", timeout=1)
    assert "permissions violation" in str(bus._link._last_error).lower()


def test_nats_server_finds_no_fault_in_the_configuration(deployed: Deployed) -> None:
    done = deployed.cluster.check("n1")
    assert done.returncode == 0, done.stderr
    assert "is valid" in done.stdout + done.stderr


def test_the_users_of_the_example_are_those_of_its_file() -> None:
    accounts = (DEPLOY / "nats" / "accounts.conf").read_text()
    for part in ("router", "desk", "site", "orders", "keeper"):
        assert f'user: "acme-{part}", password: $NATS_PASSWORD_ACME_{part.upper()}' in accounts


async def test_the_product_works_with_these_rights(deployed: Deployed, receiver: WebhookProvider) -> None:
    site, desk = deployed.parts["site"], deployed.parts["desk"]
    async with (
        receiver,
        Visitor(lambda: site.url, "v", "10.0.0.1") as customer,
        Operator(lambda: desk.url, "anna", "10.1.0.1", answering=True) as anna,
    ):
        await eventually(lambda: anna.card.get("state") == "available", "anna is available")
        customer.write("hello")
        await eventually(lambda: len(customer.replies) == 1, "the visitor is answered")
        assert await receiver.post(deployed.parts["hook"].url, "m1", "client", "order") == 200
        await eventually(lambda: [d for d in receiver.deliveries if d.answered], "the provider gets the answer")
        conversation = anna.mine[0]
        anna.order({"do": "close", "conversation": conversation})
        await eventually(lambda: conversation not in anna.mine, "a conversation is closed")
    refused = [line for line in deployed.cluster.said() if "Violation" in line and ":test " not in line]
    assert [line for line in refused if "STREAM.CREATE" not in line] == []  # all try that; the router may


@pytest.mark.parametrize("part", ["site", "desk", "hook"])
async def test_only_a_router_may_write_to_the_log_archive_snapshots_and_people(deployed: Deployed, part: str) -> None:
    async with connected(deployed, part) as bus:
        for subject in (
            WORKSPACE.log_subject("c1"),
            WORKSPACE.out_subject("c1", "hook"),
            WORKSPACE.arc_subject("p1", "c1"),
            WORKSPACE.snap_subject("manifest"),
            f"$KV.{WORKSPACE.people_bucket}.p.p1",
            f"$KV.{WORKSPACE.leases_bucket}.{WORKSPACE.name}.router",
        ):
            await refused(bus, subject)


@pytest.mark.parametrize(("part", "others"), [("site", ("hook", "_desk", "_rules")), ("desk", ("site", "hook"))])
async def test_nobody_speaks_for_anybody_else(deployed: Deployed, part: str, others: tuple[str, ...]) -> None:
    async with connected(deployed, part) as bus:
        for other in others:
            await refused(bus, WORKSPACE.in_subject(other))
        before = (await stream_state(bus, WORKSPACE.in_stream)).last
        assert (await bus.publish(WORKSPACE.in_subject("site" if part == "site" else "_desk"), b"{}")).seq > before


async def test_a_channel_touches_no_other_channels_claims_marks_and_leases(deployed: Deployed) -> None:
    name = WORKSPACE.name
    async with connected(deployed, "site") as bus:
        for key in (
            f"$KV.{WORKSPACE.claims_bucket}.{name}.hook.c1-1",
            f"$KV.{WORKSPACE.sends_bucket}.{name}.pos.hook.0",
            f"$KV.{WORKSPACE.sends_bucket}.{name}.mem.hook.x",
            f"$KV.{WORKSPACE.leases_bucket}.{name}.channel.hook.send",
        ):
            await refused(bus, key)
        await Bucket(bus, WORKSPACE.claims_bucket).put(f"{name}.site.x", b"{}")


async def test_nothing_is_deleted_by_who_may_not(deployed: Deployed) -> None:
    async with connected(deployed, "site") as bus:
        last = (await stream_state(bus, WORKSPACE.log_stream)).last
        with pytest.raises(NoAnswer):
            await purge(bus, WORKSPACE.log_stream)
        with pytest.raises(NoAnswer):
            await delete_message(bus, WORKSPACE.log_stream, last)
        with pytest.raises(NoAnswer):
            await purge(bus, WORKSPACE.in_stream)
        assert (await stream_state(bus, WORKSPACE.log_stream)).messages > 0


async def test_nobody_hears_the_answers_to_others(deployed: Deployed) -> None:
    async with connected(deployed, "site") as bus:
        heard: list[object] = []
        subscription = await bus.listen("_INBOX.>", heard.append)
        await eventually(lambda: "permissions violation" in str(bus._link._last_error).lower(), "it is refused")
        await subscription.unsubscribe()
        assert not heard


async def test_without_the_authority_or_a_password_nobody_gets_in(deployed: Deployed) -> None:
    good = deployed.cluster.bus(f"{WORKSPACE.name}-site")
    stranger = msgspec.structs.replace(good, ca=None, connect_timeout=5.0)
    with pytest.raises(NotConnected, match=r"(?i)certificate"):
        await Bus.connect(stranger, "stranger")
    nobody = msgspec.structs.replace(good, credentials=None, connect_timeout=5.0)
    with pytest.raises(NotConnected, match="are the credentials right"):
        await Bus.connect(nobody, "nobody")
    _, writer = await asyncio.open_connection("127.0.0.1", next(iter(deployed.cluster.ports.values())))
    writer.close()
    await writer.wait_closed()
    assert ssl.create_default_context(cafile=good.ca).verify_mode is ssl.CERT_REQUIRED
