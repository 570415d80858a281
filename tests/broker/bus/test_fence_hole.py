"""Why the fence needs a barrier, and which header must never be sent: shown on the server itself, without our code."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator

import nats
import nats.errors
import nats.js.errors
import pytest
from nats.aio.client import Client

from tests.fixtures.nats import Servers

EXPECT = "Nats-Expected-Last-Sequence"
WRONG_LAST_SEQUENCE = 10071
WRONG_LAST_MESSAGE_ID = 10070
WIDTH = 512
ENOUGH = 60.0  # seconds for one answer of a busy machine


@contextlib.asynccontextmanager
async def connected(servers: Servers) -> AsyncIterator[Client]:
    login = servers.nodes[0].credentials
    client = await nats.connect([node.url for node in servers.nodes], user=login.user, password=login.password)
    try:
        yield client
    finally:
        await asyncio.wait_for(client.close(), ENOUGH)


async def new_stream(client: Client, replicas: int) -> str:
    """Create a stream with batches allowed and return its name, which is also its first subject token."""
    name = f"zombie{uuid.uuid4().hex}"
    config = f'{{"name":"{name}","subjects":["{name}.>"],"num_replicas":{replicas},"allow_atomic":true}}'
    for _ in range(100):
        with contextlib.suppress(nats.errors.TimeoutError, nats.errors.NoRespondersError):
            answer = await client.request(f"$JS.API.STREAM.CREATE.{name}", config.encode(), timeout=5)
            if b'"error"' not in answer.data:
                return name
        await asyncio.sleep(0.1)  # three fresh nodes need a moment to elect the leader of all
    pytest.fail(f"cannot create a stream: {answer.data.decode()}")


async def append(client: Client, stream: str, expect: int) -> int:
    """Publish and return the sequence stored, or the code of the refusal."""
    try:
        ack = await client.jetstream().publish(f"{stream}.c", b"A", headers={EXPECT: str(expect)}, timeout=ENOUGH)
    except nats.js.errors.APIError as refused:
        return refused.err_code or 0
    return ack.seq


async def barrier(client: Client, stream: str, expect: int) -> None:
    """Write one atomic batch that is longer than anything still in flight."""
    batch = uuid.uuid4().hex
    for n in range(1, WIDTH + 2):
        headers = {"Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(n)}
        if n == 1:
            headers[EXPECT] = str(expect)
        if n <= WIDTH:
            await client.publish(f"{stream}._.skip", b"", headers=headers)
    headers["Nats-Batch-Commit"] = "1"
    answer = await client.request(f"{stream}._.skip", b"", headers=headers, timeout=ENOUGH)
    assert b'"error"' not in answer.data


@pytest.fixture(params=[1, pytest.param(3, marks=pytest.mark.cluster)], ids=["one server", "three nodes"])
async def writer(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Client, str]]:
    servers = request.getfixturevalue("nats_cluster" if request.param == 3 else "nats_server")
    async with connected(servers) as client:
        yield client, await new_stream(client, request.param)


async def test_a_predicted_sequence_alone_lets_a_dead_routers_pipeline_in(writer: tuple[Client, str]) -> None:
    client, stream = writer
    assert [await append(client, stream, i) for i in range(10)] == list(range(1, 11))
    assert await append(client, stream, 10) == 11  # the new router, without a barrier
    zombie = [await append(client, stream, 10 + i) for i in range(6)]
    assert zombie == [WRONG_LAST_SEQUENCE, 12, 13, 14, 15, 16]


async def test_nothing_of_a_dead_routers_pipeline_gets_past_a_barrier(writer: tuple[Client, str]) -> None:
    client, stream = writer
    assert [await append(client, stream, i) for i in range(10)] == list(range(1, 11))
    await barrier(client, stream, expect=10)
    zombie = await asyncio.gather(*(append(client, stream, 10 + i) for i in range(WIDTH)))
    assert set(zombie) == {WRONG_LAST_SEQUENCE}


@pytest.mark.cluster
async def test_an_expected_message_id_that_does_not_match_stops_a_replicated_stream(nats_cluster: Servers) -> None:
    async with connected(nats_cluster) as client:
        stream = await new_stream(client, 3)
        js = client.jetstream()
        await js.publish(f"{stream}.a", b"1", headers={"Nats-Msg-Id": "a"}, timeout=ENOUGH)
        with pytest.raises(nats.js.errors.APIError) as refused:
            await js.publish(f"{stream}.a", b"2", headers={"Nats-Expected-Last-Msg-Id": "nope"}, timeout=ENOUGH)
        assert refused.value.err_code == WRONG_LAST_MESSAGE_ID
        with pytest.raises(nats.errors.TimeoutError):
            await js.publish(f"{stream}.a", b"3", timeout=1.5)
