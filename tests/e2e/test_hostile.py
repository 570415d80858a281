"""Bad input against real processes: refused in clear words, counted, and nobody else is disturbed by it.

Every test attacks while another visitor talks to an operator, and that conversation goes on. Afterwards the log files
hold no secret and no word that anybody wrote.
"""

import asyncio
import io
import json
import socket
import time
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
import pytest_asyncio

from adapters import signature
from adapters.webchat.tickets import Tickets
from broker.bus.connection import Bus
from broker.bus.streams import Workspace
from broker.channels.secret import derive, workspace_secret
from tests.e2e.actors import Operator, Visitor
from tests.e2e.attacker import (
    ATTACKER,
    IDS,
    Site,
    ended,
    eventually,
    fault,
    flood,
    handshake,
    look_for,
    masked,
    resident,
    said,
    signed,
    signed_in,
)
from tests.e2e.installation import ORIGIN, PASSWORD, WORKSPACE, Installation
from tests.e2e.provider import WebhookProvider
from web.tokens import Signer

pytestmark = [
    pytest.mark.usefixtures("lost_sockets"),
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
]

EVIL = "http://evil.example"
PNG = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + b"\0" * 64
DEEP = b'{"type":"ping","x":' + b"[" * 25_000 + b"]" * 25_000 + b"}"
WEB = "trunkline_web_refusals_total"
CHANNEL = "trunkline_channel_events_total"
HOME = "10.1.0.1"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def witnesses(installation: Installation) -> AsyncIterator[tuple[Visitor, Operator]]:
    """The two whose conversation goes on through everything."""
    part = installation.parts
    customer = Visitor(lambda: part["site"].url, "v", "10.9.0.1")
    anna = Operator(lambda: part["desk"].url, "anna", HOME, answering=True)
    customer.silent_for = anna.silent_for = 60.0  # a machine that stands still for a while is no attack
    async with customer, anna:
        await eventually(lambda: anna.card.get("state") == "available" and anna.card.get("online"), "anna is there")
        yield customer, anna
        assert (customer.connections, anna.connections) == (1, 1)


@pytest_asyncio.fixture(loop_scope="module")
async def site(installation: Installation, witnesses: tuple[Visitor, Operator]) -> AsyncIterator[Site]:
    customer, anna = witnesses
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(60), cookie_jar=jar) as http:
        found = Site(installation, http, customer, anna)
        await found.goes_on()
        yield found
        await found.goes_on()
        found.secrets += [customer._token, *(cookie.value for cookie in anna._http.cookie_jar)]
        look_for(installation, [*found.secrets, *found.said])


# --- visitors -------------------------------------------------------------------------------------------------------

MESSAGE = '{"type":"send","id":"018f4b3e-0000-7000-8000-000000000000","content":%s}'
FRAMES: list[tuple[str | bytes, str]] = [
    ("{broken", "bad_json"),
    ("", "bad_json"),
    ("[]", "bad_request"),
    ("null", "bad_request"),
    ('{"type":"dance"}', "bad_request"),
    ('{"type":"typing","on":"perhaps"}', "bad_request"),
    (MESSAGE % '{"kind":"call","text":"x"}', "bad_request"),
    (MESSAGE % '{"kind":"text","text":7}', "bad_request"),
    (MESSAGE % '{"kind":"text","text":"\\ud800"}', "bad_json"),
    (MESSAGE % json.dumps({"kind": "text", "text": "x" * 10_001}), "bad_request"),
    (DEEP.decode(), "bad_json"),
    (b"\x00\xff", "bad_frame"),
]


async def test_wrong_frames_are_explained_and_the_tab_goes_on(site: Site) -> None:
    grant = await site.visitor()
    for half in (FRAMES[:6], FRAMES[6:]):  # ten wrong frames end a connection
        async with site.socket(grant["token"]) as ws:
            for frame, code in half:
                async with site.counting("site", WEB, code=code):
                    await (ws.send_bytes(frame) if isinstance(frame, bytes) else ws.send_str(frame))
                    assert (await fault(ws))["code"] == code, frame[:80]
            await ws.send_json({"type": "ping"})
            while json.loads((await ws.receive(60)).data)["type"] != "pong":
                pass


async def test_who_sends_nothing_but_wrong_frames_is_shown_out(site: Site) -> None:
    async with site.counting("site", WEB, by=10, code="bad_json"), site.socket((await site.visitor())["token"]) as ws:
        for _ in range(10):
            await ws.send_str("{")
        assert await ended(ws) == 1008


@pytest.mark.parametrize("part", ["site", "desk"])
async def test_ten_megabytes_in_a_frame_end_the_socket(site: Site, part: str) -> None:
    path = {"site": "/channels/site/socket", "desk": "/desk/socket"}[part]
    headers = {**ATTACKER, "Origin": ORIGIN if part == "site" else site.installation.parts["desk"].url}
    if part == "desk":
        await signed_in(site, "ben")
    async with (
        site.counting(part, WEB, code="too_large"),
        site.http.ws_connect(site.url(part, path), headers=headers) as ws,
    ):
        try:
            await ws.send_str("x" * 10_000_000)
        except ConnectionError:
            return  # it was cut off in the middle, which is as well
        assert await ended(ws) in (1009, 1006, None)


async def test_forged_expired_and_misused_tokens_are_refused(site: Site) -> None:
    bus = await Bus.connect(site.installation.bus, "test")
    try:
        key = await workspace_secret(bus, Workspace(WORKSPACE))
    finally:
        await bus.close()

    def tickets(now: int, secret: bytes = key) -> Tickets:
        return Tickets(
            lambda purpose: derive(secret, f"channel site {purpose}"), "site", life=3_600_000, now=lambda: now
        )

    now = int(time.time() * 1_000)
    good, session = tickets(now).admit(ORIGIN, None)
    expired, _ = tickets(now - 3_600_001).admit(ORIGIN, None)
    forged, _ = tickets(now, b"x" * 32).admit(ORIGIN, None)
    elsewhere, _ = tickets(now).admit(EVIL, None)
    cursor = tickets(now).cursor(session.visitor, (1, 1))
    unsigned = Signer(b"\0" * 32).sign("webchat session site", session, expires_at=None)
    cases = {
        expired: "token_expired",
        forged: "token_forged",
        elsewhere: "token_forged",
        cursor: "token_forged",
        unsigned: "token_forged",
        good[:-1] + ("A" if good[-1] != "A" else "B"): "token_",
        "v1..": "token_",
        "x" * 4_000: "token_malformed",
    }
    site.secrets += [good, *(token for token in cases if len(token) > 10 and token[0] != "x")]
    for token, code in cases.items():
        async with site.socket(token) as ws:
            found = await fault(ws)
            assert found["code"].startswith(code)
            assert await ended(ws) == 1008
        headers = {"Origin": ORIGIN, "Authorization": f"Bearer {token}"}
        async with site.counting("site", CHANNEL, channel="site", event=found["code"]):
            got = await site.refused("POST", "site", "/channels/site/session", headers=headers)
            assert got == (401, found["code"])
        assert (await site.refused("POST", "site", "/channels/site/files", headers=headers, data=PNG))[0] == 401


@pytest.mark.parametrize("origin", [EVIL, "null", f"{ORIGIN}.evil.example", "http://shop.example@evil.example", None])
async def test_other_websites_get_nothing(site: Site, origin: str | None) -> None:
    headers = {"Origin": origin} if origin else {}
    async with site.counting("site", WEB, by=3, code="wrong_origin"):
        for method, path in (("POST", "session"), ("GET", "socket"), ("POST", "files")):
            got = await site.refused(method, "site", f"/channels/site/{path}", headers=headers)
            assert got == (403, "wrong_origin")
    async with site.http.options(site.url("site", "/channels/site/session"), headers=headers) as preflight:
        assert "Access-Control-Allow-Origin" not in preflight.headers


async def test_nobody_reads_sends_or_reports_what_is_somebody_else_s(site: Site) -> None:
    owner, thief = await site.visitor(), await site.visitor()
    as_owner = {"Origin": ORIGIN, "Authorization": f"Bearer {owner['token']}"}
    as_thief = {"Origin": ORIGIN, "Authorization": f"Bearer {thief['token']}"}
    _, upload = await site.ask("POST", "site", "/channels/site/files", headers=as_owner, data=PNG)
    file = f"/channels/site/files/{upload['file']}"
    site.secrets.append(upload["file"])
    assert (await site.ask("GET", "site", file, headers=as_owner)) == (200, PNG)
    assert await site.refused("GET", "site", file, headers=as_thief) == (401, "token_forged")
    assert await site.refused("GET", "site", file) == (401, "no_token")
    assert await site.refused("GET", "site", f"/files/{upload['file']}") == (404, "not_found")
    assert site.customer._cursor is not None
    async with site.socket(thief["token"], cursor=site.customer._cursor) as ws:
        assert (await fault(ws))["code"] == "cursor_forged"
    conversation = site.customer.own[0]["conversation"]
    async with site.counting("site", CHANNEL, channel="site", event="not_yours"), site.socket(thief["token"]) as ws:
        await ws.send_json({"type": "read", "upto": f"{conversation}-2"})
        assert (await fault(ws))["code"] == "not_yours"
        content = {"kind": "file", "file": upload["file"]}
        await ws.send_json({"type": "send", "id": IDS.new(), "content": content})
        assert (await fault(ws))["code"] == "file_forged"


async def test_receipts_of_answers_that_never_were_leave_nothing_behind(site: Site) -> None:
    conversation = site.customer.own[0]["conversation"]
    for upto in (f"{conversation}-999999", f"{conversation}--1", f"{conversation}-1~1", f"{conversation}-\u202e"):
        site.customer.report("read", upto)
    await site.goes_on()
    listed = await asyncio.to_thread(site.installation.command, "dead", "list")
    assert "receipt_refused" not in listed


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.png", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"),
        ("a.png", b"<!doctype html><script>alert(1)</script>"),
        ("a.jpg", b"MZ\x90\0" + b"\0" * 60),
    ],
)
async def test_what_a_file_calls_itself_is_not_believed(site: Site, name: str, data: bytes) -> None:
    token = (await site.visitor())["token"]
    headers = {"Origin": ORIGIN, "Authorization": f"Bearer {token}", "X-Filename": name, "Content-Type": "image/png"}
    async with site.counting("site", WEB, code="unsupported_type"):
        got = await site.refused("POST", "site", "/channels/site/files", headers=headers, data=data)
        assert got == (415, "unsupported_type")


async def test_a_file_is_named_by_us_and_runs_nothing(site: Site) -> None:
    token = (await site.visitor())["token"]
    headers = {"Origin": ORIGIN, "Authorization": f"Bearer {token}", "X-Filename": "..%2F%E2%80%AEgnp%0D%0AX%3A y.txt"}
    _, grant = await site.ask("POST", "site", "/channels/site/files", headers=headers, data=b"<script>alert(1)")
    assert (grant["type"], grant["name"]) == ("text/plain", "gnp X y.txt")
    path = f"/channels/site/files/{grant['file']}"
    async with site.http.get(site.url("site", path), headers=headers) as answer:
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cache-Control"].startswith("private")
        assert "X" not in answer.headers
    form = {**headers, "Content-Type": "multipart/form-data; boundary=x"}
    got = await site.refused(
        "POST", "site", "/channels/site/files", headers=form, data=b"--x\r\nbroken\r\n\r\nx\r\n--x--"
    )
    assert got == (400, "bad_request")


async def test_a_reader_who_does_not_read_is_let_go(site: Site) -> None:
    token = (await site.visitor())["token"]
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        deaf.connect(("127.0.0.1", site.installation.parts["site"].port))
        deaf.settimeout(60)
        deaf.sendall(handshake() + masked(json.dumps({"type": "hello", "token": token}).encode()))
        async with site.counting("site", WEB, code="slow_reader"):
            await asyncio.to_thread(flood, deaf)
            await site.goes_on()


# --- the webhook ----------------------------------------------------------------------------------------------------


async def test_what_is_not_signed_as_it_should_be_is_refused(site: Site) -> None:
    body = said("you should never see this")
    cases: list[tuple[dict[str, str], bytes, int, str]] = [
        ({}, body, 401, "bad_signature"),
        ({signature.HEADER: "t=1,v1=00"}, body, 401, "bad_signature"),
        ({signature.HEADER: "t=" + "9" * 900 + ",v1=00"}, body, 401, "bad_signature"),
        ({signature.HEADER: ",".join(["v1=00"] * 200)}, body, 401, "bad_signature"),
        (signed(body, secret="another-secret-altogether"), body, 401, "bad_signature"),
        (signed(body), body + b" ", 401, "bad_signature"),
        (signed(body, path="receipts"), body, 401, "bad_signature"),
        (signed(body, at=-400), body, 401, "stale_signature"),
        (signed(body, at=400), body, 401, "stale_signature"),
        (signed(b"{broken"), b"{broken", 400, "invalid"),
        (signed(b"[" * 9_000), b"[" * 9_000, 400, "invalid"),
        (signed(b'{"id":"x"}'), b'{"id":"x"}', 400, "invalid"),
        (signed(b"\xff\xfe"), b"\xff\xfe", 400, "invalid"),
        (signed(b"x" * 10_000_000), b"x" * 10_000_000, 413, "too_big"),
    ]
    site.said.append("you should never see this")
    for headers, data, status, code in cases:
        async with site.counting("hook", CHANNEL, channel="hook", event=code):
            sent = io.BytesIO(data)
            got = await site.refused("POST", "hook", "/channels/hook/messages", headers=headers, data=sent)
            assert got == (status, code)
    assert "you should never see this" not in str([site.anna.lists, site.anna.items])


async def test_a_recorded_request_is_of_no_use_to_who_repeats_it(site: Site, receiver: WebhookProvider) -> None:
    async with receiver:
        await repeat_a_recorded_request(site, receiver)


async def repeat_a_recorded_request(site: Site, provider: WebhookProvider) -> None:
    text = f"only once {IDS.new()}"
    body = said(text)
    site.said += [text, f"re: {text}"]
    headers = signed(body)
    async with site.counting("hook", CHANNEL, by=4, channel="hook", event="duplicate"):
        for _ in range(5):
            assert (await site.ask("POST", "hook", "/channels/hook/messages", headers=headers, data=body))[0] == 200
    assert await site.refused("POST", "hook", "/channels/hook/receipts", headers=headers, data=body) == (
        401,
        "bad_signature",
    )
    await eventually(lambda: [one.text for one in provider.deliveries] == [f"re: {text}"], "one answer")
    conversation = next(c for c in site.anna.mine if text in site.anna.said(c, "message"))
    assert site.anna.said(conversation, "message") == [text]
    site.anna.order({"do": "close", "conversation": conversation})
    await eventually(lambda: conversation not in site.anna.mine, "it is closed")


# --- the desk -------------------------------------------------------------------------------------------------------


async def test_an_operator_reads_nothing_of_a_colleague_s_conversation(site: Site) -> None:
    conversation = site.anna.mine[0]
    person = site.anna.lists[conversation]["person"]
    own = await signed_in(site, "ben")
    base = f"/desk/conversations/{conversation}"
    async with site.counting("desk", WEB, by=5, code="not_found"):
        for path in ("", "?limit=1", f"?person={person}", "/explain", "/files/x"):
            assert await site.refused("GET", "desk", base + path) == (404, "not_found")
    assert await site.refused("GET", "desk", "/desk/conversations?view=all") == (403, "forbidden")
    for name in ("*", "a.b", "%3E", "%00", "..%2f..%2fx"):
        assert await site.refused("GET", "desk", f"/desk/conversations/{name}") == (404, "not_found")
    async with site.http.ws_connect(site.url("desk", "/desk/socket"), headers=own) as ws:
        await ws.send_json({"type": "hello", "everything": True})
        await ws.send_json({"type": "watch", "conversation": conversation})
        assert (await fault(ws))["code"] == "not_found"
        await ws.send_json({"type": "show", "everything": True})
        assert (await fault(ws))["code"] == "forbidden"
    note = {"do": "note", "conversation": conversation, "content": {"kind": "text", "text": "x"}, "mentions": ["ben"]}
    command = {"id": IDS.new(), "action": note}
    async with site.http.post(site.url("desk", "/desk/commands"), json=command, headers=own) as answer:
        assert (answer.status, (await answer.json())["code"]) == (409, "not_found")


async def test_without_a_good_session_the_desk_gives_nothing(site: Site) -> None:
    own = {"Origin": site.installation.parts["desk"].url}
    for cookie in ("", "v1.e30.AAAA", "x" * 5_000, "v1." + "A" * 3_000 + ".AAAA"):
        headers = {**own, "Cookie": f"trunkline-desk={cookie}"}
        async with site.counting("desk", WEB, by=3, code="not_signed_in"):
            for method, path in (("GET", "/desk/me"), ("GET", "/desk/socket"), ("POST", "/desk/commands")):
                assert await site.refused(method, "desk", path, headers=headers) == (401, "not_signed_in")


async def test_what_another_site_makes_a_browser_send_is_refused(site: Site) -> None:
    await signed_in(site, "ben")
    async with site.counting("desk", WEB, by=4, code="forgery"):
        for headers in ({}, {"Origin": EVIL}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
            got = await site.refused("POST", "desk", "/desk/commands", data=b"{}", headers=headers)
            assert got == (403, "forgery")
    for origin in (EVIL, "null", "http://localhost"):
        assert (await site.refused("GET", "desk", "/desk/socket", headers={"Origin": origin}))[0] == 403


async def test_a_session_that_was_ended_is_of_no_use_to_who_kept_it(site: Site) -> None:
    own = await signed_in(site, "ben")
    cookie = next(each.value for each in site.http.cookie_jar)
    assert (await site.ask("DELETE", "desk", "/desk/session", headers=own))[0] == 204
    kept = {"Cookie": f"trunkline-desk={cookie}"}
    assert await site.refused("GET", "desk", "/desk/me", headers=kept) == (401, "not_signed_in")


async def test_wrong_commands_are_explained(site: Site) -> None:
    own = {**await signed_in(site, "ben"), "Content-Type": "application/json"}
    bodies = [b"{", b"", b"[]", b'{"id":"\xff"}', DEEP, b'{"id":"x","action":{"do":"dance"}}', b"x" * 2_000_000]
    for body in bodies:
        status, code = await site.refused("POST", "desk", "/desk/commands", data=io.BytesIO(body), headers=own)
        assert (status, code) in ((400, "bad_json"), (400, "bad_request"), (413, "too_large"))
    assert await site.refused("GET", "desk", "/desk/conversations?after=%C3%A9") == (400, "bad_request")


async def test_guessing_passwords_is_slowed_down_and_locks_nobody_out(site: Site) -> None:
    own = {"Origin": site.installation.parts["desk"].url}
    seen = []
    async with site.counting("desk", WEB, code="rate_limited"):
        for number in range(14):  # each from another address
            headers = {**own, "X-Forwarded-For": f"203.0.113.{number}"}
            body = {"operator": "anna", "password": f"guess-{number}-of-mallory"}
            site.secrets.append(f"guess-{number}-of-mallory")
            seen.append(await site.refused("POST", "desk", "/desk/session", json=body, headers=headers))
    assert set(seen) == {(401, "wrong_password"), (429, "rate_limited")}
    headers = {**own, "X-Forwarded-For": HOME}  # where anna has signed in before
    body = {"operator": "anna", "password": PASSWORD}
    assert (await site.ask("POST", "desk", "/desk/session", json=body, headers=headers))[0] == 200
    site.secrets += [cookie.value for cookie in site.http.cookie_jar]


# --- everything else ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["site", "desk", "hook"])
async def test_what_is_no_http_is_refused(site: Site, part: str) -> None:
    port = site.installation.parts[part].port
    requests = [
        b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization Bearer hunter2-in-a-header\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(1_000)) + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
    ]
    site.secrets.append("hunter2-in-a-header")
    async with site.counting(part, WEB, by=len(requests), code="bad_request"):
        for request in requests:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            answer = await asyncio.wait_for(reader.read(), 60)
            writer.close()
            assert answer.split(b" ", 2)[1] == b"400"
            assert b"bad_request" in answer
            assert b"hunter2" not in answer


async def test_strangers_see_neither_metrics_nor_reasons(site: Site) -> None:
    for part in site.installation.parts:
        if part == "router":
            continue
        assert await site.refused("GET", part, "/metrics") == (403, "forbidden")
        assert await site.ask("GET", part, "/readyz") == (200, {"ok": True})
        assert await site.refused("GET", part, "/nowhere") == (404, "not_found")


async def test_a_poisoned_input_is_buried_and_the_router_goes_on(site: Site) -> None:
    bus = await Bus.connect(site.installation.bus, "test")
    subject = Workspace(WORKSPACE).in_subject("site")
    poisons = [b"{poison", b'{"kind":"tick"}', b"[" * 200_000, b"\xff" * 100]
    try:
        async with site.counting("site", "trunkline_refused_total", by=len(poisons), code="poisoned"):
            for poison in poisons:
                await bus.publish(subject, poison)
            await site.goes_on()
    finally:
        await bus.close()
    listed = await asyncio.to_thread(site.installation.command, "dead", "list")
    assert listed.count("tl.proof.in.site") >= len(poisons)


@pytest.fixture(scope="module", autouse=True)
def nothing_grows(installation: Installation) -> Iterator[None]:
    """After all attacks no process has grown by more than a few dozen megabytes."""
    before = {name: resident(part._process.pid) for name, part in installation.parts.items() if part._process}
    yield
    after = {name: resident(part._process.pid) for name, part in installation.parts.items() if part._process}
    assert {name: grown for name in before if (grown := after[name] - before[name]) > 80} == {}
