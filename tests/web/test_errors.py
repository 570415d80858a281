import json
from ipaddress import ip_network
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from msgspec import Struct

from tests.fixtures.site import Serve
from web.errors import CONTENT_SECURITY, REFUSALS, Refusal, client_ip, decode_json
from web.tokens import TokenRefused


class Body(Struct, omit_defaults=True):
    n: int
    s: str = ""


BODY = msgspec.json.Decoder(Body)


async def answer(
    serve: Serve,
    exc: Exception | None = None,
    method: str = "GET",
    **request: Any,  # noqa: ANN401 - arguments of aiohttp
) -> tuple[int, dict, dict]:
    async def handler(request: web.Request) -> web.StreamResponse:
        if exc is not None:
            raise exc
        return web.json_response(msgspec.to_builtins(decode_json(BODY, await request.read())))

    site = await serve(handler)
    async with site.http.request(method, site.url, **request) as response:
        return response.status, await response.json(), dict(response.headers)


@pytest.mark.parametrize(
    ("exc", "status", "error"),
    [
        (Refusal(409, "stale", "too old", field="n"), 409, {"code": "stale", "message": "too old", "field": "n"}),
        (TokenRefused("expired"), 401, {"code": "token_expired", "message": "the token has expired"}),
        (web.HTTPNotFound(), 404, {"code": "not_found", "message": "Not Found"}),
        (web.HTTPRequestEntityTooLarge(1, 2), 413, {"code": "too_large", "message": "Request Entity Too Large"}),
        (
            web.HTTPGone(),
            410,
            {"code": "refused", "message": "Gone"},
        ),
    ],
)
async def test_every_refusal_has_the_same_shape(
    serve: Serve, exc: Exception, status: int, error: dict[str, str]
) -> None:
    before = REFUSALS.labels(error["code"])._value.get()
    got = await answer(serve, exc)
    assert got[:2] == (status, {"error": error})
    assert REFUSALS.labels(error["code"])._value.get() == before + 1


async def test_what_we_do_not_know_is_told_to_nobody(serve: Serve) -> None:
    status, body, _ = await answer(serve, RuntimeError("password=hunter2 at /srv/secret.py"))
    assert status == 500
    assert body["error"]["code"] == "internal"
    assert "hunter2" not in json.dumps(body)
    assert "secret" not in json.dumps(body)


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        (b"{", "bad_json", None),
        (b'{"n":"x"}', "bad_request", "n"),
        (b"{}", "bad_request", ""),
        (b'{"s":"\xff\xfe"}', "bad_json", None),
        (b'{"x":' + b"[" * 20_000 + b"]" * 20_000 + b"}", "bad_json", None),
    ],
)
async def test_a_wrong_body_is_explained(serve: Serve, body: bytes, code: str, field: str | None) -> None:
    status, answered, _ = await answer(serve, method="POST", data=body)
    assert (status, answered["error"]["code"]) == (400, code)
    assert answered["error"].get("field", "") == (field or "")


async def test_a_redirection_is_no_error(serve: Serve) -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("/elsewhere")

    site = await serve(handler)
    async with site.http.get(site.url, allow_redirects=False) as response:
        assert response.status == 302


async def test_retry_after_is_whole_seconds_rounded_up(serve: Serve) -> None:
    _, _, headers = await answer(serve, Refusal(429, "rate_limited", "slowly", retry_after=1.2))
    assert headers["Retry-After"] == "2"


async def test_every_answer_is_safe_by_default(serve: Serve) -> None:
    for exc in (None, Refusal(400, "x", "y")):
        _, _, headers = await answer(serve, exc, method="POST", data=b'{"n":1}')
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Content-Security-Policy"] == CONTENT_SECURITY["api"]
        assert headers["Cache-Control"] == "no-store"
        assert "Server" not in headers


async def test_a_page_may_say_its_own_policy(serve: Serve) -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(headers={"Content-Security-Policy": CONTENT_SECURITY["page"]})

    site = await serve(handler)
    async with site.http.get(site.url) as response:
        assert response.headers.getall("Content-Security-Policy") == [CONTENT_SECURITY["page"]]


@pytest.mark.parametrize("policy", CONTENT_SECURITY.values())
def test_no_policy_allows_inline_code(policy: str) -> None:
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("remote", "forwarded", "seen"),
    [
        ("203.0.113.9", None, "203.0.113.9"),
        ("203.0.113.9", "1.2.3.4", "203.0.113.9"),
        ("10.0.0.1", "1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "6.6.6.6, 1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.2", "1.2.3.4"),
        ("10.0.0.1", "6.6.6.6, rubbish", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.3", "10.0.0.3"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("fd00::1", "2001:db8::5", "2001:db8::5"),
    ],
)
def test_only_our_own_proxies_are_believed(remote: str, forwarded: str | None, seen: str) -> None:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    request = make_mocked_request("GET", "/", headers=headers).clone(remote=remote)
    assert client_ip(request, PROXIES) == seen


async def test_a_protected_application_knows_the_true_address(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(text=client_ip(request))

    site = await serve(handler, trusted_proxies=[ip_network("127.0.0.0/8")])
    async with site.http.get(site.url, headers={"X-Forwarded-For": "9.9.9.9, 1.2.3.4"}) as response:
        assert await response.text() == "1.2.3.4"
