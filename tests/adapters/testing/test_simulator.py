"""The base of all simulators: faults, control routes, the registry."""

import aiohttp
import pytest
from aiohttp import web

from adapters.testing import After, Answer, Cut, Hang, Request, Said, Simulator
from adapters.testing.simulators import SIMULATORS, NoSimulator, make_simulator


class Post(Simulator):
    name = "post"
    sending = r"^POST /letters"

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/letters", self._letters), web.get("/news", self._news)]

    async def say(self, said: Said) -> None:
        if not said.text:
            raise ValueError("say something")
        self.requests.append(Request("SAID", said.sender, {}, said.text.encode()))

    async def _letters(self, _request: web.Request) -> web.Response:
        return web.json_response({"number": len(self.requests)})

    async def _news(self, _request: web.Request) -> web.Response:
        return web.Response(text="none")


async def ask(
    http: aiohttp.ClientSession, method: str, url: str, body: bytes = b"", *, within: float = 60.0
) -> tuple[int, str]:
    try:
        async with http.request(method, url, data=body, timeout=aiohttp.ClientTimeout(within)) as answer:
            return answer.status, await answer.text()
    except (aiohttp.ClientError, TimeoutError) as exc:
        return 0, type(exc).__name__


async def test_a_fault_waits_for_the_next_send_and_lets_other_requests_pass() -> None:
    async with Post() as post, aiohttp.ClientSession() as http:
        post.will(Answer(status=503))
        assert (await ask(http, "GET", f"{post.url}/news")) == (200, "none")
        assert (await ask(http, "POST", f"{post.url}/letters"))[0] == 503
        assert (await ask(http, "POST", f"{post.url}/letters"))[0] == 200
        assert post.left == []
        assert post.sends == ["POST /letters"] * 2


async def test_a_fault_may_be_for_one_kind_of_request() -> None:
    async with Post() as post, aiohttp.ClientSession() as http:
        post.will(Answer(status=401), on="^GET /news")
        assert (await ask(http, "POST", f"{post.url}/letters"))[0] == 200
        assert (await ask(http, "GET", f"{post.url}/news"))[0] == 401


@pytest.mark.parametrize(
    ("fault", "error"), [(Cut(), "ServerDisconnectedError"), (Hang(), "TimeoutError"), (After(Hang()), "TimeoutError")]
)
async def test_a_lost_answer_is_a_broken_connection_or_silence(fault: Cut | Hang | After, error: str) -> None:
    async with Post() as post, aiohttp.ClientSession() as http:
        post.will(fault)
        within = 0.5 if error == "TimeoutError" else 60.0
        assert await ask(http, "POST", f"{post.url}/letters", within=within) == (0, error)
        assert len(post.requests) == 1


async def test_a_frozen_one_reads_and_answers_nothing_and_one_that_is_down_takes_no_connection() -> None:
    async with Post() as post, aiohttp.ClientSession() as http:
        post.freeze()
        assert await ask(http, "GET", f"{post.url}/news", within=0.5) == (0, "TimeoutError")
        await post.go_down()
        assert await ask(http, "GET", f"{post.url}/news") == (0, "ClientConnectorError")


async def test_it_is_steered_over_http() -> None:
    async with Post() as post, aiohttp.ClientSession() as http:
        control = f"{post.url}/_control"
        ordered = await ask(http, "POST", f"{control}/fault", b'{"status": 429, "retry_after": 7, "times": 2}')
        assert ordered == (200, '{"ok": true, "waiting": 2}')
        async with http.post(f"{post.url}/letters") as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (429, "7")
        assert await ask(http, "GET", f"{control}/requests") == (200, '["POST /letters"]')
        assert await ask(http, "GET", f"{control}/shown") == (200, "[]")
        assert (await ask(http, "POST", f"{control}/say", b'{"text": "Hi", "from": "42"}'))[0] == 200
        assert post.requests[-1] == Request("SAID", "42", {}, b"Hi")


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("say", b"{}", "say something"),
        ("say", b"nonsense", "malformed"),
        ("say", b'{"txt": "Hi"}', "txt"),
        ("fault", b'{"status": 99}', "status"),
    ],
)
async def test_a_wrong_order_is_explained(path: str, body: bytes, said: str) -> None:
    async with Post() as post, aiohttp.ClientSession() as http:
        status, text = await ask(http, "POST", f"{post.url}/_control/{path}", body)
        assert status == 400
        assert said in text


async def test_one_without_routes_answers_everything() -> None:
    async with Simulator() as any_, aiohttp.ClientSession() as http:
        assert (await ask(http, "PUT", f"{any_.url}/whatever?x=1"))[0] == 200
        assert any_.requests[0].path == "/whatever?x=1"
        with pytest.raises(ValueError, match="no customers"):
            await any_.say(Said(text="Hi"))


@pytest.mark.parametrize("name", SIMULATORS)
async def test_each_simulator_loads_and_shows_how_to_connect_it(name: str) -> None:
    simulator = make_simulator(name)
    assert simulator.name == name
    async with simulator:
        assert simulator.url in simulator.settings(simulator.url)


async def test_an_unknown_simulator_is_named_with_those_that_exist() -> None:
    with pytest.raises(NoSimulator, match=r'"nothing".*webhook'):
        make_simulator("nothing")
