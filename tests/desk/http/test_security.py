"""Who gets in, what keeps others out, and what a rude peer can do."""

import asyncio
import base64
import contextlib
import logging
import re
from pathlib import Path

import pytest
import structlog
from aiohttp import WSMsgType, WSServerHandshakeError
from msgspec.structs import replace

from desk.operators.sessions import TRIES_AT_ONCE
from tests.desk.test_flows import reply, taken
from tests.desk.world import IDS, ORIGIN, PASSWORD, Browser, Console, Desk, World

COOKIE = "trunkline-desk"


def cookie_of(browser: Browser) -> str:
    return next(each.value for each in browser.http.cookie_jar if each.key == COOKIE)


async def test_the_session_cookie_is_out_of_reach_for_scripts_and_other_sites(world: World, desk: Desk) -> None:
    browser = await world.browser(desk)
    body = {"operator": "ben", "password": PASSWORD}
    async with browser.http.post(desk.url("/session"), json=body, headers=browser.headers) as response:
        assert response.status == 200
        cookie = response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Path=/desk" in cookie
    assert "Secure" not in cookie


async def test_over_https_the_cookie_is_bound_to_the_host(world: World) -> None:
    desk = await world.desk(origin="https://desk.test")
    browser = await world.browser(desk)
    headers = {**browser.headers, "Origin": "https://desk.test"}
    body = {"operator": "ben", "password": PASSWORD}
    async with browser.http.post(desk.url("/session"), json=body, headers=headers) as response:
        cookie = response.headers["Set-Cookie"]
    assert cookie.startswith("__Host-trunkline-desk=")
    assert "Secure" in cookie
    assert "Path=/;" in cookie + ";"


@pytest.mark.parametrize(("operator", "password"), [("ben", "wrong"), ("nobody", PASSWORD), ("locked", PASSWORD)])
async def test_a_wrong_name_and_a_wrong_password_look_alike(
    world: World, desk: Desk, operator: str, password: str
) -> None:
    world.accounts.accounts["locked"] = replace(world.accounts.accounts["ben"], id="locked", password_hash="")
    browser = await world.browser(desk)
    status, body = await browser.sign_in(operator, password)
    assert status == 401
    assert body == {"error": {"code": "wrong_password", "message": "the name or the password is wrong"}}


async def test_trying_passwords_is_slowed_down_and_then_possible_again(world: World, desk: Desk) -> None:
    browser = await world.browser(desk)
    for _ in range(TRIES_AT_ONCE):
        assert (await browser.sign_in("ben", "guess"))[0] == 401
    async with browser.http.post(
        desk.url("/session"), json={"operator": "ben", "password": PASSWORD}, headers=browser.headers
    ) as response:
        assert response.status == 429
        assert int(response.headers["Retry-After"]) >= 10
    world.seconds += 11
    assert (await browser.sign_in("ben"))[0] == 200


@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "https://evil.test"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}],
    ids=["no-origin", "foreign", "cross-site", "null"],
)
@pytest.mark.parametrize("path", ["/session", "/commands", "/files"])
async def test_what_another_site_makes_a_browser_send_is_refused(
    world: World, ben: Console, headers: dict[str, str], path: str
) -> None:
    before = len(world.log.inputs)
    async with ben.browser.http.post(ben.browser.desk.url(path), data=b"{}", headers=headers) as response:
        assert response.status == 403
        assert (await response.json())["error"]["code"] == "forgery"
    assert len(world.log.inputs) == before


@pytest.mark.parametrize("origin", ["https://evil.test", "null", ""])
async def test_a_socket_from_a_foreign_page_is_refused(ben: Console, origin: str) -> None:
    url = ben.browser.desk.url("/socket")
    with pytest.raises(WSServerHandshakeError) as refused:
        await ben.browser.http.ws_connect(url, headers={"Origin": origin} if origin else {})
    assert refused.value.status == 403


@pytest.mark.parametrize("method_path", ["GET /me", "GET /conversations", "POST /commands", "GET /operators"])
@pytest.mark.parametrize("cookie", ["", "v1.W10.AAAA", "nonsense", "x" * 5000])
async def test_without_a_good_cookie_nothing_is_served(world: World, desk: Desk, method_path: str, cookie: str) -> None:
    browser = await world.browser(desk)
    method, path = method_path.split()
    status, body = await browser.ask(method, path, {} if method == "POST" else None, Cookie=f"{COOKIE}={cookie}")
    assert (status, body["error"]["code"]) == (401, "not_signed_in")


async def test_a_cookie_with_a_changed_claim_is_refused(world: World, desk: Desk, ben: Console) -> None:
    version, body, mac = cookie_of(ben.browser).split(".")
    claims = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).replace(b'"ben"', b'"anna"')
    forged = ".".join([version, base64.urlsafe_b64encode(claims).rstrip(b"=").decode(), mac])
    browser = await world.browser(desk)
    assert (await browser.ask("GET", "/me", None, Cookie=f"{COOKIE}={forged}"))[0] == 401


async def test_a_session_ends_by_itself_and_its_socket_with_it(world: World, ben: Console) -> None:
    world.log.now += 12 * 3_600_000 + 1
    assert (await ben.browser.ask("GET", "/me"))[0] == 401
    ben.browser.desk.node.sweep()
    assert await ben.closed() == 4401


async def test_signing_out_voids_the_cookie_on_every_node(world: World, ben: Console) -> None:
    other = await world.desk()
    stolen = cookie_of(ben.browser)
    assert (await ben.browser.ask("DELETE", "/session"))[0] == 204
    assert await ben.closed() == 4401
    thief = await world.browser(other)
    assert (await thief.ask("GET", "/me", None, Cookie=f"{COOKIE}={stolen}"))[0] == 401
    assert world.log.machine.state.operators["ben"].state == "offline"


async def test_signing_out_on_one_device_leaves_the_other_at_work(world: World, desk: Desk, ben: Console) -> None:
    phone = await world.browser(desk, "ben")
    world.log.now += 1
    assert (await phone.ask("DELETE", "/session"))[0] == 204
    assert world.log.machine.state.operators["ben"].state == "available"
    assert (await ben.browser.ask("GET", "/me"))[0] == 200


async def test_signing_out_everywhere_ends_all_sessions(world: World, desk: Desk, ben: Console) -> None:
    phone = await world.browser(desk, "ben")
    assert (await phone.ask("DELETE", "/session?everywhere=true"))[0] == 204
    assert (await ben.browser.ask("GET", "/me"))[0] == 401
    assert await ben.closed() == 4401
    world.log.now += 1
    assert (await phone.sign_in("ben"))[0] == 200
    assert (await phone.ask("GET", "/me"))[0] == 200


async def test_a_session_planted_before_the_sign_in_is_not_kept(world: World, desk: Desk) -> None:
    browser = await world.browser(desk, "cleo")
    planted = cookie_of(browser)
    world.log.now += 1
    await browser.sign_in("ben")
    assert cookie_of(browser) != planted
    other = await world.browser(desk)
    assert (await other.ask("GET", "/me", None, Cookie=f"{COOKIE}={planted}"))[0] == 401


@pytest.mark.parametrize("change", ["removed", "password"])
async def test_a_removed_operator_or_a_new_password_ends_the_session(world: World, ben: Console, change: str) -> None:
    accounts = world.accounts.accounts
    if change == "removed":
        del accounts["ben"]
    else:
        accounts["ben"] = replace(accounts["ben"], password_hash=accounts["ben"].password_hash + "x")
    assert (await ben.browser.ask("GET", "/me"))[0] == 401
    ben.browser.desk.node.sweep()
    assert await ben.closed() == 4401


async def test_an_operator_reads_only_what_is_theirs(world: World, ben: Console, cleo: Console) -> None:
    await cleo.do({"do": "presence", "state": "away"})
    conversation = await taken(world, ben)
    assert conversation not in cleo.lists
    assert (await cleo.browser.ask("GET", f"/conversations/{conversation}"))[0] == 404
    assert (await cleo.browser.ask("GET", f"/conversations/{conversation}/files/x"))[0] == 404
    assert (await cleo.browser.ask("GET", "/conversations?view=all"))[0] == 403
    person = world.log.machine.state.conversations[conversation].person
    assert (await cleo.browser.ask("GET", f"/conversations/{conversation}?person={person}"))[0] == 404
    assert (await cleo.browser.ask("GET", "/conversations/c999?person=p1"))[0] == 404
    answer = await cleo.do(reply(conversation, "hi", seen=1))
    assert answer["status"] == "refused"


async def test_who_reads_a_waiting_conversation_stops_when_a_colleague_has_it(
    world: World, desk: Desk, ben: Console
) -> None:
    await ben.do({"do": "presence", "state": "away"})
    conversation = world.log.customer("Hello")
    cleo = await world.console(desk, "cleo")
    await ben.watch(conversation)
    await cleo.watch(conversation)
    await ben.do({"do": "presence", "state": "available"})
    await ben.until(lambda: bool(ben.lists[conversation].get("offers")))
    await cleo.until(lambda: conversation not in cleo.open)
    world.log.customer("my secret")
    await ben.until(lambda: ben.lists[conversation]["n"] == 2)
    await cleo.do({"do": "presence", "state": "away"})
    assert "my secret" not in str(cleo.frames)


async def test_a_frame_of_10_mb_closes_the_socket_and_disturbs_nobody(ben: Console, cleo: Console) -> None:
    assert ben.socket is not None
    with contextlib.suppress(ConnectionError):  # the server does not wait for the end of it
        await ben.socket.send_str("x" * 10_000_000)
    assert await ben.closed() in (1009, 1006)
    assert (await cleo.do({"do": "presence", "state": "away"}))["status"] == "confirmed"


@pytest.mark.parametrize(
    "frame",
    [
        "{broken",
        "[]",
        '{"type": "nonsense"}',
        '{"type": "command", "id": "not-a-uuid", "action": {"do": "presence", "state": "away"}}',
        '{"type": "command", "id": "018f0000-0000-7000-8000-000000000000", "action": {"do": "dance"}}',
        '{"type": "watch", "conversation": "../../etc"}',
        '{"type": "hello"}',
        "\udcff",
    ],
)
async def test_a_wrong_frame_is_refused_with_a_reason_and_the_socket_lives(
    world: World, ben: Console, frame: str
) -> None:
    assert ben.socket is not None
    before = len(world.log.inputs)
    await ben.socket.send_frame(frame.encode("utf-8", "surrogateescape"), WSMsgType.TEXT)
    error = await ben.frame(lambda f: f["type"] == "error")
    assert error["message"]
    assert len(world.log.inputs) == before
    assert (await ben.do({"do": "presence", "state": "away"}))["status"] == "confirmed"


async def test_a_first_frame_that_is_no_hello_closes_the_socket(world: World, desk: Desk) -> None:
    browser = await world.browser(desk, "ben")
    socket = await browser.http.ws_connect(desk.url("/socket"), headers={"Origin": ORIGIN})
    await socket.send_str('{"type": "show", "everything": false}')
    assert (await socket.receive()).type is WSMsgType.CLOSE
    assert socket.close_code == 1002
    await socket.close()


async def test_a_flood_of_commands_is_slowed_down(ben: Console) -> None:
    for _ in range(45):
        action = {"do": "presence", "state": "away"}
        await ben.send({"type": "command", "id": IDS.new(), "action": action})
    error = await ben.frame(lambda f: f["type"] == "error")
    assert error["code"] in ("rate_limited", "too_much")


async def test_a_slow_reader_is_cut_off_and_disturbs_nobody(world: World, desk: Desk, ben: Console) -> None:
    conversation = await taken(world, ben)
    slow = await world.browser(desk, "anna")
    socket = await slow.http.ws_connect(desk.url("/socket"), headers={"Origin": ORIGIN}, max_msg_size=0)
    await socket.send_str('{"type": "hello"}')
    await socket.send_str(f'{{"type": "watch", "conversation": "{conversation}"}}')
    while "watched" not in str((await socket.receive()).data):
        pass
    connection = socket._response.connection
    assert connection is not None
    assert connection.transport is not None
    connection.transport.pause_reading()

    def cut_off() -> bool:
        return all(each.closed for each, session in desk.node._sockets.items() if session.operator == "anna")

    for _ in range(1_000):
        world.log.customer("words " * 8_000)
        await asyncio.sleep(0)
        if cut_off():
            break
    assert cut_off()
    assert (await ben.do(reply(conversation, "here", seen=1)))["status"] == "confirmed"
    connection.transport.abort()


async def test_no_message_text_and_no_password_is_logged(
    world: World, ben: Console, caplog: pytest.LogCaptureFixture
) -> None:
    with structlog.testing.capture_logs() as structured, caplog.at_level(logging.INFO):
        conversation = await taken(world, ben)
        await ben.do(reply(conversation, "my-private-words", seen=1))
        world.log.stored = False
        await ben.do(reply(conversation, "my-private-words", seen=1))
        await ben.browser.sign_in("ben", "my-private-words")
    assert structured
    assert "my-private-words" not in str([each for each in structured if each["log_level"] != "debug"])
    assert "my-private-words" not in caplog.text


async def test_the_desk_runs_nothing_inline_and_nothing_from_elsewhere(world: World, desk: Desk) -> None:
    browser = await world.browser(desk)
    async with browser.http.get(desk.url("/")) as response:
        policy = response.headers["Content-Security-Policy"]
        page = await response.text()
    assert response.headers["Cache-Control"] == "no-cache"
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "<script>" not in page
    assert " style=" not in page
    assert " onclick" not in page
    for path in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert path.startswith("/desk/"), path
        async with browser.http.get(desk.url(path.removeprefix("/desk"))) as response:
            assert response.status == 200, path
        hashed = path.endswith((".js", ".css"))
        assert response.headers["Cache-Control"] == ("public, max-age=31536000, immutable" if hashed else "no-cache"), (
            path
        )
    async with browser.http.get(desk.url("/sw.js")) as response:  # beside the page, so that it may serve all below
        assert (response.content_type, response.headers["Cache-Control"]) == ("text/javascript", "no-cache")


def test_the_desk_sets_texts_as_text() -> None:
    folder = Path(__file__).parents[3] / "web" / "ui" / "src" / "desk"
    sources = [path.read_text() for path in folder.rglob("*.ts*")]
    assert sources
    for forbidden in ("innerHTML", "InnerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert not any(forbidden in source for source in sources), forbidden
