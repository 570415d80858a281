import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from adapters.email.oauth import Tokens
from adapters.email.settings import OAuth2Settings
from adapters.errors import BadCredentials, NotReachable
from adapters.testing import FakeContext
from config import Secret
from tests.fixtures.tokens import TokenEndpoint


@pytest.fixture
async def endpoint() -> AsyncIterator[TokenEndpoint]:
    async with TokenEndpoint() as endpoint:
        yield endpoint


def settings(endpoint: TokenEndpoint, *, refresh: str = "r1") -> OAuth2Settings:
    return OAuth2Settings(
        token_url=f"{endpoint.url}/token",
        client_id="app",
        client_secret=Secret("app secret"),
        refresh_token=Secret(refresh) if refresh else None,
        scopes=["mail", "offline_access"],
    )


async def test_an_answer_may_come_in_pieces(endpoint: TokenEndpoint, context: FakeContext) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in (b'{"access_token": "long', b' one", "expires_in": 3600}'):
            await response.write(piece)
            await asyncio.sleep(0.1)  # each goes out by itself
        return response

    app = web.Application()
    app.router.add_post("/token", answer)
    async with TestServer(app) as server:
        given = msgspec.structs.replace(settings(endpoint), token_url=str(server.make_url("/token")))
        assert await Tokens(given, context).access() == "long one"


async def test_a_token_is_asked_for_once_and_again_before_it_ends(
    endpoint: TokenEndpoint, context: FakeContext
) -> None:
    tokens = Tokens(settings(endpoint), context)
    first = await tokens.access()
    assert await tokens.access() == first
    assert endpoint.forms == [
        {
            "client_id": "app",
            "client_secret": "app secret",
            "grant_type": "refresh_token",
            "refresh_token": "r1",
            "scope": "mail offline_access",
        }
    ]
    context.time += 3_500_000
    assert await tokens.access() != first
    tokens.forget()
    await tokens.access()
    assert len(endpoint.forms) == 3


async def test_a_new_refresh_token_is_used_from_then_on_and_kept_encrypted(
    endpoint: TokenEndpoint, context: FakeContext
) -> None:
    endpoint.next_refresh = "r2-of-the-provider"
    await Tokens(settings(endpoint), context).access()
    await Tokens(settings(endpoint), context).access()
    assert [form["refresh_token"] for form in endpoint.forms] == ["r1", "r2-of-the-provider"]
    kept = repr(context.memory.notes)  # type: ignore[attr-defined] # the memory of tests
    assert "r2" not in kept
    await Tokens(settings(endpoint, refresh="given-anew"), context).access()
    assert endpoint.forms[-1]["refresh_token"] == "given-anew"


async def test_an_application_may_log_in_by_itself(endpoint: TokenEndpoint, context: FakeContext) -> None:
    assert await Tokens(settings(endpoint, refresh=""), context).access()
    assert endpoint.forms[0]["grant_type"] == "client_credentials"
    assert "refresh_token" not in endpoint.forms[0]


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": "invalid_grant", "error_description": "AADSTS70008: expired.\r\nTrace ID: 1"}, BadCredentials),
        (401, {"error": "invalid_client"}, BadCredentials),
        (200, {"token_type": "Bearer"}, BadCredentials),
        (404, "not json", BadCredentials),
        (429, {}, NotReachable),
        (503, "busy", NotReachable),
    ],
)
async def test_what_the_provider_says_is_told(
    endpoint: TokenEndpoint, context: FakeContext, status: int, body: object, kind: type[Exception]
) -> None:
    endpoint.fault = (status, body)
    with pytest.raises(kind) as raised:
        await Tokens(settings(endpoint), context).access()
    assert "Trace ID" not in str(raised.value)
    assert "app secret" not in str(raised.value)
    assert "r1" not in str(raised.value)


async def test_an_endpoint_that_is_not_there_is_not_reachable(context: FakeContext, unused_tcp_port: int) -> None:
    lost = OAuth2Settings(
        token_url=f"http://127.0.0.1:{unused_tcp_port}/token", client_id="a", refresh_token=Secret("r")
    )
    with pytest.raises(NotReachable):
        await Tokens(lost, context).access()
