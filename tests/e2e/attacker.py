"""An attacker over the wire, what /metrics says of the attack, and what must not be found afterwards."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import WSMsgType
from prometheus_client.parser import text_string_to_metric_families

from adapters import signature
from normalizer.ids import IdSource
from tests.e2e.actors import Operator, Visitor
from tests.e2e.installation import ORIGIN, PASSWORD, PASSWORD_HASH, SECRET, Installation

IDS = IdSource()
ATTACKER = {"X-Forwarded-For": "198.51.100.66"}

Ask = Callable[[], object]


async def eventually(look: Ask, what: str, within: float = 60.0) -> None:
    end = time.monotonic() + within
    while not look():
        assert time.monotonic() < end, f"not within {within:g} s: {what}"
        await asyncio.sleep(0.02)


@dataclass
class Site:
    """The installation as an attacker sees it, and a conversation that must go on meanwhile."""

    installation: Installation
    http: aiohttp.ClientSession
    customer: Visitor
    anna: Operator
    said: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)

    def url(self, part: str, path: str) -> str:
        return self.installation.parts[part].url + path

    async def ask(self, method: str, part: str, path: str, **request: Any) -> tuple[int, Any]:  # noqa: ANN401
        """Ask as an attacker; gives the status and the error, which must be clear."""
        headers = {**ATTACKER, **request.pop("headers", {})}
        async with self.http.request(method, self.url(part, path), headers=headers, **request) as answer:
            body = await answer.json() if answer.content_type == "application/json" else await answer.read()
            if answer.status >= 400:
                assert body["error"]["code"]
                assert body["error"]["message"]
                assert "Server" not in answer.headers
                assert answer.headers["Cache-Control"] == "no-store"
            return answer.status, body

    async def refused(self, method: str, part: str, path: str, **request: Any) -> tuple[int, str]:  # noqa: ANN401
        status, body = await self.ask(method, part, path, **request)
        return status, body["error"]["code"] if status >= 400 else ""

    async def visitor(self) -> dict[str, Any]:
        """Become a visitor: gives the grant."""
        _, grant = await self.ask("POST", "site", "/channels/site/session", headers={"Origin": ORIGIN})
        self.secrets.append(grant["token"])
        return dict(grant)

    @asynccontextmanager
    async def socket(self, token: str = "", **hello: object) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Open a visitor's socket; with a token, say hello."""
        headers = {**ATTACKER, "Origin": ORIGIN}
        async with self.http.ws_connect(self.url("site", "/channels/site/socket"), headers=headers) as ws:
            if token:
                await ws.send_json({"type": "hello", "token": token, **hello})
            yield ws

    async def goes_on(self) -> None:
        """The other conversation is answered."""
        text = f"still here {IDS.new()}"
        self.said += [text, f"re: {text}"]
        self.customer.write(text)
        answer = f"re: {text}"
        await eventually(lambda: answer in [r["content"]["text"] for r in self.customer.replies], "the answer")

    async def counted(self, part: str, name: str, labels: Mapping[str, str]) -> float:
        """What /metrics says."""
        async with self.http.get(self.url(part, "/metrics")) as answer:
            assert answer.status == 200
            families = list(text_string_to_metric_families(await answer.text()))
        samples = (sample for family in families for sample in family.samples)
        return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())

    @asynccontextmanager
    async def counting(self, part: str, name: str, by: float = 1, **labels: str) -> AsyncIterator[None]:
        """What happens inside raises a counter."""
        before = await self.counted(part, name, labels)
        yield
        end = time.monotonic() + 60
        while (now := await self.counted(part, name, labels)) < before + by:
            assert time.monotonic() < end, f"{name} {labels} of {part} is {now}, not {before + by}"
            await asyncio.sleep(0.05)


async def fault(ws: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    """The next error frame; it says in words what is wrong."""
    while True:
        message = await ws.receive(60)
        assert message.type is WSMsgType.TEXT, message
        frame: dict[str, Any] = json.loads(message.data)
        if frame["type"] == "error":
            assert frame["message"]
            return frame


async def ended(ws: aiohttp.ClientWebSocketResponse) -> int | None:
    """How the socket was closed."""
    while (await ws.receive(60)).type is WSMsgType.TEXT:
        pass
    return ws.close_code


def look_for(installation: Installation, words: list[str]) -> None:
    """Nothing of all that stands in a log file."""
    login = installation.bus.credentials
    hidden = [PASSWORD, PASSWORD_HASH, SECRET, getattr(login, "password", ""), *words]
    for part in installation.parts.values():
        log = part.log.read_text()
        assert [word for word in hidden if len(word) >= 6 and word in log] == [], part.name
        assert "Traceback" not in log, f"{part.name} says: {log[-3_000:]}"


async def signed_in(site: Site, operator: str) -> dict[str, str]:
    """Sign in; the session's cookie is kept from then on. Gives the headers of the desk's own pages."""
    own = {"Origin": site.installation.parts["desk"].url, "Sec-Fetch-Site": "same-origin"}
    body = {"operator": operator, "password": PASSWORD}
    status, _ = await site.ask("POST", "desk", "/desk/session", json=body, headers=own)
    assert status == 200
    site.secrets += [cookie.value for cookie in site.http.cookie_jar]
    return own


def handshake() -> bytes:
    return (
        f"GET /channels/site/socket HTTP/1.1\r\nHost: x\r\nOrigin: {ORIGIN}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    ).encode()


def masked(payload: bytes) -> bytes:
    """A text frame of a client (RFC 6455 section 5.2) whose mask is 0."""
    length = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
    return b"\x81" + length + b"\0\0\0\0" + payload


def flood(deaf: socket.socket) -> None:
    """Ask for pongs and read none of them, until we are cut off."""
    pings = masked(b'{"type":"ping"}') * 10_000
    try:
        for _ in range(100):
            deaf.sendall(pings)
    except OSError:
        return


def signed(body: bytes, *, at: float = 0, secret: str = SECRET, path: str = "messages") -> dict[str, str]:
    content = signature.content("POST", f"/channels/hook/{path}", body)
    return {signature.HEADER: signature.sign(secret, int(time.time() + at), content)}


def said(text: str, id_: str = "") -> bytes:
    return json.dumps({"id": id_ or IDS.new(), "from": "mallory", "text": text}).encode()


def resident(pid: int) -> int:
    """The memory of a process and its children in MB."""
    with Path(f"/proc/{pid}/task/{pid}/children").open() as listed:
        children = [int(each) for each in listed.read().split()]
    with Path(f"/proc/{pid}/status").open() as status:
        own = next((int(line.split()[1]) // 1_024 for line in status if line.startswith("VmRSS")), 0)
    return own + sum(map(resident, children))
