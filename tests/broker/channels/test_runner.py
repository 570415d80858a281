"""What keeps a channel running; and a webhook channel from one end to the other."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, ClassVar

import aiohttp
import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from msgspec.structs import replace

from adapters import signature
from adapters.contract import Adapter, Context, Finding, NoteChanged
from adapters.errors import BadCredentials, BadSettings, NotAccepted, NotReachable
from adapters.session import Reach, open_session
from adapters.testing import Answer, Cut, Simulator
from adapters.webhook import Webhook
from adapters.webhook.settings import WebhookSettings
from broker.bus.kv import Bucket
from broker.bus.media import MediaStore
from broker.channels.context import ChannelMedia, ChannelMemory
from broker.channels.runner import Channel, Services
from broker.channels.secret import derive, workspace_secret
from broker.channels.tally import wall_clock
from config import Duration, Secret
from tests.broker.channels.conftest import CHANNEL, FakeChannel, Provider, ProviderSettings, Scene
from tests.broker.channels.test_lines import Log

SECRET = "a-shared-secret-of-ours"


class Script:
    """What the scripted adapter does at each call; afterwards all is well."""

    def __init__(self) -> None:
        self.checks: list[Any] = []
        self.runs: list[Any] = []
        self.findings: tuple[Finding, ...] = (Finding(what="the mailbox", ok=False, remedy="make it"),)
        self.checked = 0
        self.ran = 0
        self.running = 0
        self.most_running = 0
        self.closed = 0


class Scripted(FakeChannel):
    single_reader = True
    script: ClassVar[Script]

    def __init__(self, settings: ProviderSettings, context: Context) -> None:
        super().__init__(settings, context)
        self.provider = Provider()

    async def check(self) -> Sequence[Finding]:
        self.script.checked += 1
        if self.script.checks:
            raise self.script.checks.pop(0)
        return self.script.findings

    async def run(self) -> None:
        self.script.ran += 1
        self.provider.entered.set()
        self.script.running += 1
        self.script.most_running = max(self.script.most_running, self.script.running)
        try:
            if self.script.runs:
                raise self.script.runs.pop(0)
            await asyncio.Event().wait()
        finally:
            self.script.running -= 1

    def routes(self) -> Sequence[web.RouteDef]:
        async def hello(_request: web.Request) -> web.Response:
            return web.Response(text="hello")

        return (web.get("/hello", hello),)

    async def close(self) -> None:
        self.script.closed += 1

    def secrets(self) -> Sequence[str]:
        return ("token-of-the-channel",)


class Stage:
    def __init__(self, scene: Scene, http: aiohttp.ClientSession, secret: bytes) -> None:
        self.scene = scene
        self.scrubbed: list[str] = []
        self.services = Services(
            bus=scene.bus,
            workspace=scene.workspace,
            created=scene.times.log_stream,
            following=Log(),
            http=http,
            public_url="https://chat.example",
            secret=secret,
            link=lambda media: f"https://files.example/{media.file.name}",
            scrub=self.scrubbed.extend,
            first_pause=0.01,
            lease_ttl=60.0,  # a machine that stands still for a while costs no lease
        )
        self.tasks: list[asyncio.Task[None]] = []

    def channel(self, adapter: type[Adapter] = Scripted, settings: msgspec.Struct | None = None) -> Channel:
        return Channel(CHANNEL, adapter, settings or ProviderSettings(), self.services)

    def start(self, channel: Channel) -> asyncio.Task[None]:
        self.tasks.append(asyncio.create_task(channel.run()))
        return self.tasks[-1]

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@pytest.fixture
async def stage(scene: Scene) -> AsyncIterator[Stage]:
    Scripted.script = Script()
    async with open_session(Reach.LOOPBACK) as http:
        stage = Stage(scene, http, await workspace_secret(scene.bus, scene.workspace))
        yield stage
        await stage.close()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110  # a status is polled, as its readers do
            await asyncio.sleep(0.01)


async def test_bad_settings_end_the_channel_with_their_key(stage: Stage) -> None:
    Scripted.script.checks = [BadSettings("no_such_bot", "The bot does not exist.", key="token")]
    with pytest.raises(BadSettings) as failed:
        await stage.start(stage.channel())
    assert failed.value.key == "token"
    assert Scripted.script.closed == 1


async def test_what_a_check_finds_wrong_stands_until_it_is_mended(stage: Stage) -> None:
    stage.services = replace(stage.services, look_again=0.05)
    channel = stage.channel()
    stage.start(channel)
    await until(lambda: channel.status.state == "running")
    assert [finding.what for finding in channel.status.findings] == ["the mailbox"]
    assert channel.status.found_at
    Scripted.script.checks = [RuntimeError("the network is away"), NotReachable("away", "It does not answer.")]
    await until(lambda: not Scripted.script.checks)
    assert channel.status.findings, "nobody knows whether it was mended"
    Scripted.script.findings = ()
    await until(lambda: not channel.status.findings)
    assert channel.status.state == "running"


async def test_bad_settings_found_later_turn_the_channel_off_and_take_no_others_with_it(stage: Stage) -> None:
    Scripted.script.runs = [BadSettings("no_such_box", "There is no such mailbox.", key="folder")]
    channel = stage.channel()
    stage.start(channel)
    await until(lambda: channel.status.state == "off")
    assert channel.status.troubles["receive"].cause == "settings"
    assert "folder: There is no such mailbox." in channel.status.reason


async def test_a_channel_that_came_while_others_run_does_not_end_them_with_bad_settings(stage: Stage) -> None:
    Scripted.script.checks = [BadSettings("no_such_bot", "The bot does not exist.", key="token")]
    channel = stage.channel()
    stage.tasks.append(asyncio.create_task(channel.run(strict=False)))
    await until(lambda: channel.status.state == "off")
    assert channel.status.troubles["start"].cause == "settings"


async def test_reading_that_ends_by_itself_is_a_trouble_until_it_has_worked_for_a_while(stage: Stage) -> None:
    class Ending(Scripted):
        async def run(self) -> None:
            self.script.ran += 1
            if self.script.ran == 2:
                await asyncio.Event().wait()

    stage.services = msgspec.structs.replace(stage.services, at_once=-1.0, steady=0.5)
    channel = stage.channel(Ending)
    stage.start(channel)
    await until(lambda: "receive" in channel.status.troubles)
    assert channel.status.troubles["receive"].cause == "ended"
    await until(lambda: Scripted.script.ran == 2)
    await until(lambda: not channel.status.troubles)
    assert channel.status.state == "running"


async def test_a_trouble_keeps_its_beginning_over_attempts(stage: Stage) -> None:
    Scripted.script.runs = [NotReachable("down", "The line is cut.")] * 3
    channel = stage.channel()
    stage.start(channel)
    await until(lambda: "receive" in channel.status.troubles)
    since = channel.status.troubles["receive"].since
    await until(lambda: Scripted.script.ran == 4)
    assert channel.status.troubles["receive"].since == since
    assert channel.status.troubles["receive"].cause == "unreachable"


async def test_bad_credentials_turn_the_channel_off_and_its_routes_say_so(stage: Stage) -> None:
    Scripted.script.checks = [BadCredentials("revoked", "The token is revoked.")]
    channel = stage.channel()
    stage.start(channel)
    await until(lambda: channel.status.state == "off")
    assert channel.status.reason == "The token is revoked."
    assert channel.status.counts == {"alarm": 1}
    async with client_of(channel) as client, client.get(f"/channels/{CHANNEL}/hello") as response:
        assert response.status == 503
        assert "Retry-After" in response.headers


async def test_a_provider_that_is_not_there_is_tried_again(stage: Stage) -> None:
    Scripted.script.checks = [NotReachable("down", "The provider does not answer.")] * 3
    channel = stage.channel()
    stage.start(channel)
    await until(lambda: Scripted.script.running == 1)
    assert Scripted.script.checked == 4
    assert channel.status.state == "running"
    async with client_of(channel) as client, client.get(f"/channels/{CHANNEL}/hello") as response:
        assert await response.text() == "hello"


async def test_a_reader_that_crashes_is_begun_again(stage: Stage) -> None:
    Scripted.script.runs = [RuntimeError("a bug"), NotReachable("down", "The line is cut.")]
    stage.start(stage.channel())
    await until(lambda: Scripted.script.running == 1)
    assert Scripted.script.ran == 3


async def test_a_channel_that_has_nothing_to_read_or_send_stays_open(stage: Stage) -> None:
    class Quiet(Scripted):
        delivery = "lines"
        single_reader = False

        async def run(self) -> None:
            self.provider.entered.set()

    channel = stage.channel(Quiet)
    task = stage.start(channel)
    await until(provider_of(channel).entered.is_set)
    await asyncio.wait([task], timeout=0.05)
    assert not task.done()
    assert channel.status.state == "running"


async def test_only_one_node_reads_and_the_other_takes_over(stage: Stage) -> None:
    channels = [stage.channel(), stage.channel()]
    tasks = [stage.start(channel) for channel in channels]
    await until(lambda: Scripted.script.running == 1)
    reader = [provider_of(channel).entered.is_set() for channel in channels].index(True)
    tasks[reader].cancel()
    await asyncio.gather(tasks[reader], return_exceptions=True)
    await until(provider_of(channels[1 - reader]).entered.is_set)
    assert Scripted.script.most_running == 1
    assert Scripted.script.closed == 1


async def test_a_reader_whose_lease_is_taken_stops_reading(stage: Stage) -> None:
    stage.services = replace(stage.services, lease_ttl=1.0)
    stage.start(stage.channel())
    await until(lambda: Scripted.script.running == 1)
    bucket = Bucket(stage.scene.bus, stage.scene.workspace.leases_bucket)
    await bucket.put(f"{stage.scene.workspace.name}.channel.{CHANNEL}.receive", b'{"owner": "x", "nonce": "y"}')
    await until(lambda: Scripted.script.running == 0)
    await until(lambda: Scripted.script.running == 1)
    assert Scripted.script.most_running == 1


async def test_two_nodes_send_every_message_once_over_a_takeover(stage: Stage) -> None:
    channels = [stage.channel(), stage.channel()]
    tasks = [stage.start(channel) for channel in channels]
    providers = [provider_of(channel) for channel in channels]
    for _ in range(10):
        await stage.scene.write("c1")
    await stage.scene.receipts(c1_10="sent")
    active = 0 if providers[0].calls else 1
    tasks[active].cancel()
    await asyncio.gather(tasks[active], return_exceptions=True)
    for _ in range(10):
        await stage.scene.write("c1")
    await stage.scene.receipts(c1_20="sent")
    assert providers[active].calls == [f"c1-{n}" for n in range(1, 11)]
    assert providers[1 - active].calls == [f"c1-{n}" for n in range(11, 21)]


def provider_of(channel: Channel) -> Provider:
    assert isinstance(channel.adapter, Scripted)
    return channel.adapter.provider


async def test_an_adapter_that_does_not_close_does_not_keep_the_program(stage: Stage) -> None:
    class Stubborn(Scripted):
        async def close(self) -> None:
            raise RuntimeError("cannot")

    channel = stage.channel(Stubborn)
    task = stage.start(channel)
    await until(lambda: Scripted.script.running == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert channel.status.state == "stopped"


async def test_secrets_are_scrubbed_before_the_first_line_is_logged(stage: Stage) -> None:
    stage.channel()
    assert stage.scrubbed == ["token-of-the-channel"]


async def test_a_check_that_takes_for_ever_is_not_reachable(stage: Stage) -> None:
    class Slow(Scripted):
        async def check(self) -> Sequence[Finding]:
            await asyncio.Event().wait()
            return ()

    stage.services = msgspec.structs.replace(stage.services, check_timeout=0.02)
    with pytest.raises(NotReachable):
        await stage.channel(Slow).check()


# --- the context ---


async def test_secrets_are_the_same_on_every_node_and_another_for_each_purpose(stage: Stage) -> None:
    again = await workspace_secret(stage.scene.bus, stage.scene.workspace)
    assert again == stage.services.secret
    assert len({derive(again, purpose) for purpose in ("a", "b", "")}) == 3
    contexts = [stage.channel().adapter.context for _ in range(2)]
    assert contexts[0].secret("visitors") == contexts[1].secret("visitors") != contexts[0].secret("files")


async def test_a_channel_remembers(stage: Stage) -> None:
    memory = ChannelMemory(stage.scene.bus, stage.scene.workspace, CHANNEL)
    assert await memory.load("box/INBOX") is None
    await memory.save("box/INBOX", b"42")
    assert await memory.load("box/INBOX") == b"42"


async def test_a_note_is_written_over_the_one_that_was_read_and_over_no_other(stage: Stage) -> None:
    mine, theirs = (ChannelMemory(stage.scene.bus, stage.scene.workspace, CHANNEL) for _ in range(2))
    assert await mine.read("box/INBOX") == (None, 0)
    first = await mine.write("box/INBOX", b"1", 0)
    with pytest.raises(NoteChanged):
        await theirs.write("box/INBOX", b"0", 0)
    assert await theirs.read("box/INBOX") == (b"1", first)
    second = await theirs.write("box/INBOX", b"2", first)
    with pytest.raises(NoteChanged):
        await mine.write("box/INBOX", b"1", first)
    assert await mine.read("box/INBOX") == (b"2", second)


async def test_a_store_that_is_away_is_waited_for_by_whoever_has_the_message(stage: Stage) -> None:
    scene = stage.scene
    media = ChannelMedia(scene.bus, scene.workspace, CHANNEL)
    memory = ChannelMemory(scene.bus, scene.workspace, CHANNEL)
    kept = await media.put(chunks(b"ab"), limit=10)
    await scene.bus.close()
    told = await asyncio.gather(
        memory.load("note"),
        memory.save("note", b"1"),
        memory.write("note", b"1", 0),
        media.put(chunks(b"ab"), limit=10, key="m"),
        anext(media.read(kept)),
        return_exceptions=True,
    )
    assert [type(each) for each in told] == [NotAccepted] * 5


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_a_file_that_is_delivered_again_is_the_first_one(stage: Stage) -> None:
    media = ChannelMedia(stage.scene.bus, stage.scene.workspace, CHANNEL)
    first = await media.put(chunks(b"ab", b"cd"), limit=10, key="fake:a m1")
    second = await media.put(chunks(b"ab", b"cd"), limit=10, key="fake:a m1")
    other = await media.put(chunks(b"ab", b"cd"), limit=10)
    assert first == second != other
    assert b"".join([chunk async for chunk in media.read(first)]) == b"abcd"


async def test_a_file_that_is_delivered_again_after_it_was_erased_is_stored_anew(stage: Stage) -> None:
    media = ChannelMedia(stage.scene.bus, stage.scene.workspace, CHANNEL)
    first = await media.put(chunks(b"abcd"), limit=10, key="m1")
    await MediaStore(stage.scene.bus, stage.scene.workspace).delete(first.name)
    second, third = [await media.put(chunks(b"abcd"), limit=10, key="m1") for _ in range(2)]
    assert first != second == third
    assert b"".join([chunk async for chunk in media.read(second)]) == b"abcd"


async def test_files_that_are_delivered_twice_at_once_are_one(stage: Stage) -> None:
    media = ChannelMedia(stage.scene.bus, stage.scene.workspace, CHANNEL)
    both = await asyncio.gather(*(media.put(chunks(b"abcd"), limit=10, key="m1") for _ in range(2)))
    assert both[0] == both[1]


# --- a webhook channel from one end to the other ---


def client_of(channel: Channel) -> TestClient[web.Request, web.Application]:
    app = web.Application()
    app.router.add_routes(channel.routes())
    return TestClient(TestServer(app, host="127.0.0.1"))


Post = Callable[[str, bytes], Awaitable[int]]


def poster(client: TestClient[web.Request, web.Application]) -> Post:
    async def post(path: str, body: bytes) -> int:
        target = f"/channels/{CHANNEL}{path}"
        signed = signature.sign(SECRET, wall_clock() // 1_000, signature.content("POST", target, body))
        async with client.post(target, data=body, headers={signature.HEADER: signed}) as response:
            return response.status

    return post


async def test_a_webhook_conversation_goes_both_ways(stage: Stage) -> None:
    async with Simulator() as provider:
        settings = WebhookSettings(
            secrets=[Secret(SECRET)],
            url=f"{provider.url}/in",
            status_url=f"{provider.url}/status/{{id}}",
            timeout=Duration(30_000),
        )
        channel = stage.channel(Webhook, settings)
        provider.will(Answer(status=405), on="^HEAD ")  # the check
        stage.start(channel)
        async with client_of(channel) as client:
            post = poster(client)
            hello = b'{"id": "m1", "from": "42", "text": "Hello"}'
            assert [await post("/messages", hello) for _ in range(2)] == [200, 200]
            (envelope,) = await stage.scene.envelopes(1)
            assert envelope.address == f"webhook:{CHANNEL}/42"
            provider.will(Answer(status=500), Cut(), Answer(body=b'{"id": "p1"}'))
            await stage.scene.write("c1", "Hi!")
            await stage.scene.receipts(c1_1="sent")
            assert [request.method for request in provider.requests] == ["HEAD", "POST", "POST", "GET"]
            assert await post("/receipts", b'{"id": "c1-1", "state": "delivered"}') == 200
            await stage.scene.receipts(c1_1="delivered")
            assert await post("/messages", b'{"id": "m2"}') == 400
    assert channel.status.counts["duplicate"] == 1
    assert channel.status.counts["invalid"] == 1
