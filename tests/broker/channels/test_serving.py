"""Channels that come, change and go while a process serves."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import ClassVar

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from adapters.contract import Adapter, Context, Finding
from adapters.errors import BadCredentials, BadSettings, NotReachable
from adapters.session import Reach, open_session
from broker.channels.secret import workspace_secret
from broker.channels.serving import ChannelRefused, Serving
from normalizer.capabilities import Capabilities
from tests.broker.channels.conftest import Scene
from tests.broker.channels.test_runner import Stage, until

Client = TestClient[web.Request, web.Application]


class Settings(msgspec.Struct, frozen=True, kw_only=True, tag="fake", tag_field="type"):
    word: str = "hello"


class Fake(Adapter):
    """Says its word; ``token`` as word is refused in three ways, at three times."""

    type = "fake"
    Settings = Settings
    capabilities: ClassVar[Capabilities] = Capabilities(text_limit=16)
    delivery = "lines"
    made: ClassVar[list["Fake"]] = []

    def __init__(self, settings: Settings, context: Context) -> None:
        super().__init__(settings, context)
        self.may_close = asyncio.Event()
        if settings.word == "broken":
            raise RuntimeError("a slip of whoever wrote it")
        if settings.word != "slow":
            self.may_close.set()
        if settings.word == "unmakeable":
            raise BadSettings("no_word", "there is no such word", key="word")
        self.closed = False
        self.made.append(self)

    async def check(self) -> Sequence[Finding]:
        match self.settings.word:
            case "unknown":
                raise BadSettings("no_word", "the provider does not know the word", key="word")
            case "revoked":
                raise BadCredentials("revoked", "the word is revoked")
            case "away":
                raise NotReachable("away", "the provider does not answer")
        return ()

    async def run(self) -> None:
        await asyncio.Event().wait()

    def routes(self) -> Sequence[web.RouteDef]:
        async def say(_request: web.Request) -> web.Response:
            return web.Response(text=self.settings.word)

        async def wait(request: web.Request) -> web.WebSocketResponse:
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            async for message in socket:
                await socket.send_str(f"{self.settings.word} {message.data}")
            return socket

        return (web.get("/word/{letter}", say), web.get("/socket", wait), web.post("/post", say))

    async def close(self) -> None:
        await self.may_close.wait()
        self.closed = True


TYPES: dict[str, type[Adapter]] = {"fake": Fake}


@pytest.fixture
async def serving(scene: Scene) -> AsyncIterator[Serving]:
    Fake.made.clear()
    async with open_session(Reach.LOOPBACK) as http:
        stage = Stage(scene, http, await workspace_secret(scene.bus, scene.workspace))
        serving = Serving(stage.services)
        yield serving
        await serving.close()


@pytest.fixture
async def client(serving: Serving) -> AsyncIterator[Client]:
    app = web.Application()
    app.router.register_resource(serving.resource)
    async with TestClient(TestServer(app)) as client:
        yield client


async def said(client: Client, path: str, method: str = "GET") -> str | int:
    async with client.request(method, path) as answer:
        return await answer.text() if answer.ok else answer.status


async def test_a_channel_comes_and_goes_while_another_s_socket_stays(serving: Serving, client: Client) -> None:
    serving.start({"one": Settings()}, TYPES)
    assert await said(client, "/channels/two/word/a") == 404
    async with client.ws_connect("/channels/one/socket") as socket:
        await serving.change({"one": Settings(), "two": Settings(word="bye")}, TYPES)
        assert await said(client, "/channels/two/word/a") == "bye"
        await serving.change({"one": Settings()}, TYPES)
        assert await said(client, "/channels/two/word/a") == 404
        await socket.send_str("again")
        assert await socket.receive_str() == "hello again"
    first, second = Fake.made
    assert (first.closed, second.closed) == (False, True)


async def test_a_channel_whose_settings_change_is_made_anew(serving: Serving, client: Client) -> None:
    serving.start({"one": Settings()}, TYPES)
    await serving.change({"one": Settings(word="servus")}, TYPES)
    assert await said(client, "/channels/one/word/a") == "servus"
    assert [one.closed for one in Fake.made] == [True, False]
    assert set(serving.statuses) == {"one"}


async def test_paths_and_methods_that_a_channel_does_not_have_are_told_as_such(
    serving: Serving, client: Client
) -> None:
    serving.start({"one": Settings()}, TYPES)
    assert await said(client, "/channels/one/nothing") == 404
    assert await said(client, "/channels/one/post") == 405
    assert await said(client, "/channels/one/post", "POST") == "hello"
    assert await said(client, "/channels/one") == 404
    assert await said(client, "/channels") == 404
    assert await said(client, "/channels/") == 404


@pytest.mark.parametrize("word", ["unmakeable", "unknown"])
async def test_a_channel_with_bad_settings_refuses_the_start_and_names_its_key(serving: Serving, word: str) -> None:
    async def start() -> None:
        serving.start({"one": Settings(), "two": Settings(word=word)}, TYPES)
        async with asyncio.timeout(30):
            await serving.wait()

    with pytest.raises(ChannelRefused) as refused:
        await start()
    assert (refused.value.channel, refused.value.key) == ("two", "word")


@pytest.mark.parametrize("word", ["unmakeable", "unknown"])
async def test_a_channel_that_comes_later_with_bad_settings_is_off_and_the_others_run(
    serving: Serving, client: Client, word: str
) -> None:
    serving.start({"one": Settings()}, TYPES)
    await serving.change({"one": Settings(), "two": Settings(word=word)}, TYPES)
    await until(lambda: serving.statuses["two"].state == "off")
    assert serving.statuses["two"].troubles["start"].cause == "settings"
    assert await said(client, "/channels/one/word/a") == "hello"
    await serving.change({"one": Settings(), "two": Settings()}, TYPES)
    await until(lambda: serving.statuses["two"].state == "running")
    assert await said(client, "/channels/two/word/a") == "hello"


@pytest.mark.parametrize(
    ("word", "state", "cause"), [("revoked", "off", "credentials"), ("away", "failing", "unreachable")]
)
async def test_a_channel_that_its_provider_does_not_let_in_hurts_no_other(
    serving: Serving, client: Client, word: str, state: str, cause: str
) -> None:
    serving.start({"one": Settings(), "two": Settings(word=word)}, TYPES)
    await until(lambda: "start" in serving.statuses["two"].troubles)
    assert serving.statuses["two"].state == state
    assert serving.statuses["two"].troubles["start"].cause == cause
    assert await said(client, "/channels/one/word/a") == "hello"


async def test_a_channel_whose_code_fails_when_it_is_made_hurts_no_other(serving: Serving, client: Client) -> None:
    serving.start({"one": Settings()}, TYPES)
    await serving.change({"one": Settings(), "two": Settings(word="broken")}, TYPES)
    assert serving.statuses["two"].state == "off"
    assert serving.statuses["two"].troubles["start"].cause == "crashed"
    assert await said(client, "/channels/one/word/a") == "hello"


async def test_the_end_waits_for_what_a_change_has_told_to_end_and_starts_nothing_more(serving: Serving) -> None:
    serving.start({"one": Settings(word="slow")}, TYPES)
    await until(lambda: serving.statuses["one"].state == "running")
    change = asyncio.create_task(serving.change({"one": Settings(), "two": Settings()}, TYPES))
    await until(lambda: not serving.statuses)
    closing = asyncio.create_task(serving.close())
    done, _ = await asyncio.wait([closing], timeout=0.1)
    assert not done
    Fake.made[0].may_close.set()
    await asyncio.gather(change, closing)
    assert Fake.made[0].closed
    assert not serving.statuses
