"""What strangers try: refused with a clear word, counted, and nothing else disturbed."""

import asyncio
import contextlib
from typing import Any

import aiohttp
import msgspec
import pytest

from adapters.webchat.adapter import CONNECTS_AT_ONCE
from adapters.webchat.connection import Connection
from adapters.webchat.settings import VisitorLimits
from adapters.webchat.tickets import Tickets
from normalizer.ids import IdSource
from tests.adapters.webchat.conftest import Chat, Node
from tests.adapters.webchat.fakes import ORIGIN, FakeContext, Page, Tab

IDS = IdSource()
EVIL = "https://shop.example.evil.test"


async def refused(http: aiohttp.ClientSession, method: str, url: str, **request: Any) -> tuple[int, str]:  # noqa: ANN401
    async with http.request(method, url, **request) as response:
        return response.status, (await response.json())["error"]["code"]


@pytest.fixture
async def bystander(node: Node) -> Tab:
    """A visitor who is chatting all the while."""
    tab = await (await node.visitor()).open()
    await tab.caught_up()
    return tab


async def still_served(tab: Tab) -> None:
    await tab.say(message_id := IDS.new(), "still here")
    assert (await tab.until("ack"))["id"] == message_id


# --- sessions ---


@pytest.mark.parametrize("origin", [EVIL, "null", "http://shop.example", None])
@pytest.mark.parametrize("what", ["session", "socket", "files"])
async def test_other_websites_get_nothing(node: Node, context: FakeContext, origin: str | None, what: str) -> None:
    headers = {} if origin is None else {"Origin": origin}
    method = "GET" if what == "socket" else "POST"
    got = await refused(node.chat.http, method, f"{node.url}/{what}", headers=headers)
    assert got == (403, "wrong_origin")
    assert context.counted["wrong_origin"] == 1


async def test_only_the_website_itself_may_read_answers(node: Node) -> None:
    for origin, allowed in ((ORIGIN, ORIGIN), (EVIL, None)):
        for method in ("OPTIONS", "POST"):
            async with node.chat.http.request(method, f"{node.url}/session", headers={"Origin": origin}) as response:
                assert response.headers.get("Access-Control-Allow-Origin") == allowed
                assert "Access-Control-Allow-Credentials" not in response.headers


async def test_errors_can_be_read_by_the_website_too(node: Node) -> None:
    headers = {"Origin": ORIGIN, "Authorization": "Bearer rubbish"}
    async with node.chat.http.post(f"{node.url}/session", headers=headers) as response:
        assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (401, ORIGIN)
        assert (await response.json())["error"]["code"] == "token_malformed"


async def test_a_session_is_renewed_for_the_same_visitor(node: Node, context: FakeContext) -> None:
    page = await node.visitor()
    visitor, token = page.visitor, page.token
    context.time += 86_400_000
    await page.begin()
    assert page.visitor == visitor
    assert page.token != token


async def test_a_session_ends(node: Node, context: FakeContext) -> None:
    page = await node.visitor()
    context.time += 30 * 86_400_000
    assert await refused(page.http, "POST", f"{node.url}/session", headers=page.headers()) == (401, "token_expired")
    tab = await page.connect()
    assert (await tab.receive())["code"] == "token_expired"
    assert await tab.receive() == {"type": "closed", "code": 1008}
    assert context.counted["token_expired"] == 2


async def test_new_visitors_from_one_network_are_limited(chat: Chat) -> None:
    node = await chat.start(limits=VisitorLimits(sessions_per_minute=3))
    for _ in range(3):
        await node.visitor()
    assert await refused(chat.http, "POST", f"{node.url}/session", headers={"Origin": ORIGIN}) == (429, "rate_limited")
    chat.time += 20
    await node.visitor()


# --- sockets ---


def elsewhere(context: FakeContext, *, channel: str = "site", key: bytes = b"") -> Tickets:
    """Tickets of another channel, or made by somebody with another key."""
    return Tickets(lambda purpose: context.secret(purpose + key.decode()), channel, life=1_000_000, now=context.now)


async def test_forged_tokens_are_refused(node: Node, context: FakeContext, bystander: Tab) -> None:
    forged = [
        elsewhere(context, key=b"guess").admit(ORIGIN, None)[0],
        elsewhere(context, channel="other").admit(ORIGIN, None)[0],
        elsewhere(context).admit("https://another.example", None)[0],
        elsewhere(context).cursor("me", (1, 1)),
        "",
        "v1.e30.AAAA",
    ]
    for token in forged:
        tab = await Page(node.chat.http, node.url, token=token).connect()
        assert (await tab.receive())["code"] in {"token_forged", "token_malformed"}
        assert await tab.receive() == {"type": "closed", "code": 1008}
    assert context.counted["token_forged"] + context.counted["token_malformed"] == len(forged)
    await still_served(bystander)


async def test_a_cursor_of_somebody_else_is_refused(node: Node, bystander: Tab) -> None:
    page = await node.visitor()
    for cursor in (bystander.page.cursor, "rubbish"):
        page.cursor = cursor
        tab = await page.connect()
        assert (await tab.receive())["code"].startswith("cursor_")
        assert await tab.receive() == {"type": "closed", "code": 1008}
    await still_served(bystander)


async def test_the_first_frame_must_be_a_hello(node: Node) -> None:
    async with node.chat.http.ws_connect(f"{node.url}/socket", headers={"Origin": ORIGIN}) as ws:
        await ws.send_str('{"type":"ping"}')
        assert msgspec.json.decode((await ws.receive()).data)["code"] == "hello_first"
        await ws.receive()
        assert ws.close_code == 1008


async def test_a_second_hello_is_refused(node: Node, bystander: Tab) -> None:
    other = await node.visitor()
    await bystander.send(type="hello", token=other.token)
    assert (await bystander.receive())["code"] == "hello_twice"
    await still_served(bystander)


@pytest.mark.parametrize(
    "frame",
    [
        "{",
        "[]",
        '"send"',
        '{"type":"unknown"}',
        '{"type":"send"}',
        '{"type":"send","id":1,"content":{"kind":"text","text":"x"}}',
        '{"type":"send","id":"not-a-uuid","content":{"kind":"text","text":"x"}}',
        '{"type":"send","id":"018f4b3e-0000-4000-8000-000000000000","content":{"kind":"text","text":"x"}}',
        '{"type":"send","id":"018f4b3e-0000-7000-8000-000000000000","content":{"kind":"call","text":"x"}}',
        '{"type":"send","id":"018f4b3e-0000-7000-8000-000000000000","content":{"kind":"text","text":"%s"}}'
        % ("x" * 10_001),
        '{"type":"typing","on":"yes"}',
        '{"type":"read","upto":""}',
        '{"type":"read","upto":"c1-1\\u202e x"}',
        '{"type":"read","upto":"%s-1"}' % ("c" * 70),
        '{"type":"ping","x":' + "[" * 20_000 + "]" * 20_000 + "}",
        "[" * 5_000,
        b"\xff\xfe",
    ],
    ids=lambda frame: str(frame)[:40],
)
async def test_a_wrong_frame_is_explained_and_the_next_one_served(
    node: Node, context: FakeContext, bystander: Tab, frame: str | bytes
) -> None:
    tab = await (await node.visitor()).open()
    await tab.caught_up()
    await (tab.ws.send_bytes(frame) if isinstance(frame, bytes) else tab.ws.send_str(frame))
    fault = await tab.receive()
    assert fault["type"] == "error"
    assert fault["code"] in {"bad_json", "bad_request", "bad_frame"}
    assert context.accepted == []
    await still_served(tab)
    await still_served(bystander)


async def test_who_goes_on_with_wrong_frames_is_shown_out(node: Node, bystander: Tab) -> None:
    tab = await (await node.visitor()).open()
    await tab.caught_up()
    for _ in range(10):
        await tab.ws.send_str("{")
    assert [(await tab.receive())["code"] for _ in range(10)] == ["bad_json"] * 10
    assert await tab.receive() == {"type": "closed", "code": 1008}
    await still_served(bystander)


async def test_ten_megabytes_in_one_frame(node: Node, bystander: Tab) -> None:
    tab = await (await node.visitor()).open()
    with contextlib.suppress(ConnectionError):
        await tab.ws.send_str("x" * 10_000_000)
    with contextlib.suppress(AssertionError):
        await tab.until("closed")
    assert tab.ws.closed
    await still_served(bystander)


async def test_a_page_that_does_not_read_is_let_go_and_catches_up(
    node: Node, context: FakeContext, bystander: Tab
) -> None:
    tab = await (await node.visitor()).open()
    await tab.caught_up()
    connection = tab.ws._response.connection
    assert connection is not None
    assert isinstance(connection.transport, asyncio.Transport)
    connection.transport.pause_reading()
    [connected] = node.adapter._hub._visitors[tab.page.address].tabs
    assert isinstance(connected, Connection)
    while not connected._socket.closed:
        await context.reply(tab.page.address, "x" * 20_000)
        await asyncio.sleep(0)
    await still_served(bystander)
    connection.transport.resume_reading()
    while (frame := await tab.receive())["type"] != "closed":
        pass
    assert frame["code"] == 1013
    again = await tab.page.open()
    await again.caught_up()
    assert [item["n"] for item in tab.page.transcript] == [item.n for item in context.lines.of(tab.page.address)]


async def test_messages_of_one_visitor_are_limited_over_all_tabs(chat: Chat) -> None:
    node = await chat.start(limits=VisitorLimits(messages_per_minute=6))
    one = await (await node.visitor()).open()
    two = await one.page.other().open()
    await one.say(IDS.new(), "1")
    await one.until("ack")
    await two.say(IDS.new(), "2")
    await two.until("ack")
    await two.say(message_id := IDS.new(), "3")
    fault = await two.until("error")
    assert (fault["code"], fault["ref"]) == ("rate_limited", message_id)
    assert fault["retry_after"] == pytest.approx(10)
    assert chat.context.counted["rate_limited"] == 1
    chat.time += 10
    await two.say(message_id, "3")
    await two.until("ack")


async def test_a_flood_while_the_bus_is_slow_is_bounded(chat: Chat) -> None:
    node = await chat.start(limits=VisitorLimits(messages_per_minute=10_000))
    stored = asyncio.Event()
    chat.context.before_accept = stored.wait
    tab = await (await node.visitor()).open()
    for number in range(60):
        await tab.say(IDS.new(), str(number))
    codes = [(await tab.until("error"))["code"] for _ in range(60 - 33)]
    assert set(codes) == {"rate_limited"}
    stored.set()
    for _ in range(33):
        await tab.until("ack")
    assert len(chat.context.accepted) == 33


async def test_what_was_too_much_is_taken_later_in_its_order(chat: Chat) -> None:
    node = await chat.start(limits=VisitorLimits(messages_per_minute=6))
    tab = await (await node.visitor()).open()
    ids = [IDS.new() for _ in range(4)]
    for number, message_id in enumerate(ids):
        await tab.say(message_id, str(number))
    assert [(await tab.until("error"))["ref"] for _ in ids[2:]] == ids[2:]
    chat.time += 20
    await tab.say(ids[3], "3")
    assert (await tab.until("error"))["ref"] == ids[3]
    await tab.say(ids[2], "2")
    await tab.say(ids[3], "3")
    for message_id in ids[2:]:
        assert (await tab.until("ack"))["id"] == message_id
    assert [envelope.native_id for envelope in chat.context.accepted] == ids


async def test_nothing_waits_for_a_copy_of_what_is_being_stored_or_is(chat: Chat) -> None:
    node = await chat.start(limits=VisitorLimits(messages_per_minute=6))
    stored = asyncio.Event()
    chat.context.before_accept = stored.wait
    tab = await (await node.visitor()).open()
    one, two, three, four = (IDS.new() for _ in range(4))
    for message_id in (one, two, three, one):
        await tab.say(message_id, "hello")
    assert (await tab.until("error"))["ref"] == three
    stored.set()
    assert [(await tab.until("ack"))["id"] for _ in range(2)] == [one, two]
    await tab.say(one, "hello")
    assert (await tab.until("ack"))["id"] == one
    chat.time += 20
    for message_id in (three, four):
        await tab.say(message_id, "hello")
    assert [(await tab.until("ack"))["id"] for _ in range(2)] == [three, four]
    assert [envelope.native_id for envelope in chat.context.accepted] == [one, two, three, four]


async def test_a_page_that_never_repeats_what_was_refused_has_to_connect_again(chat: Chat) -> None:
    node = await chat.start(limits=VisitorLimits(messages_per_minute=3))
    tab = await (await node.visitor()).open()
    for number in range(260):
        await tab.say(IDS.new(), str(number))
    while (frame := await tab.receive())["type"] != "closed":
        pass
    assert frame["code"] == 1013


async def test_tabs_of_one_visitor_are_limited(chat: Chat) -> None:
    node = await chat.start(limits=VisitorLimits(sockets_per_visitor=2))
    page = await node.visitor()
    first, _ = await page.open(), await page.open()
    third = await page.connect()
    assert (await third.receive())["code"] == "too_many_tabs"
    await first.cut()
    async with asyncio.timeout(30):
        while node.adapter._hub.tabs(page.address) > 1:  # noqa: ASYNC110 - the server's side, seen from outside
            await asyncio.sleep(0.001)
    await page.open()


async def test_connections_from_one_network_are_limited(chat: Chat) -> None:
    node = await chat.start(limits=VisitorLimits(sockets_per_ip=2))
    tabs = [await (await node.visitor()).open() for _ in range(2)]
    got = await refused(chat.http, "GET", f"{node.url}/socket", headers={"Origin": ORIGIN})
    assert got == (429, "too_many_connections")
    for tab in tabs:
        await still_served(tab)


async def test_a_page_that_connects_again_and_again_has_to_wait(chat: Chat) -> None:
    node = await chat.start()
    page = await node.visitor()
    for _ in range(CONNECTS_AT_ONCE):
        await (await page.open()).cut()
    tab = await page.connect()
    assert (await tab.receive())["code"] == "rate_limited"
    await (await node.visitor()).open()
    chat.time += 1
    await page.open()


async def test_receipts_are_limited(node: Node, context: FakeContext) -> None:
    tab = await (await node.visitor()).open()
    reply = await context.reply(tab.page.address, "hello")
    await tab.has(1)
    for _ in range(200):
        await tab.send(type="read", upto=reply.id)
    await tab.send(type="ping")
    await tab.until("pong")
    assert len(context.receipts) <= 20


async def test_tokens_stand_in_no_address(node: Node, bystander: Tab) -> None:
    paths = [str(resource.canonical) for resource in node.server.app.router.resources()]  # type: ignore[union-attr] # set by start_server
    assert not any("token" in path for path in paths)
    assert "?" not in str(bystander.ws._response.url)
