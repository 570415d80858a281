"""A scripted router: takes envelopes into a log in memory and shows it, with delays that a test controls."""

import asyncio
import functools
import hashlib
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import structlog
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from adapters.contract import Cursor, Duty, FileTooBig, LineItem, Typing
from normalizer.content import StoredFile, Text
from normalizer.envelope import Envelope
from normalizer.ids import IdSource
from normalizer.outbound import Author, Receipt

BORN = 1_700_000_000_000_000_000
ORIGIN = "https://shop.example"
ANNA = Author(id="anna-login", name="Anna", avatar="https://shop.example/anna.png")


async def nothing() -> None:
    """Take no time."""


class FakeLines:
    """The log. ``before_history`` and ``before_item`` are awaited where a real bus would let time pass."""

    def __init__(self) -> None:
        self.records: list[list[LineItem]] = []
        self.typed: list[Typing] = []
        self.staffed = True
        self.ahead: dict[str, int] = {}
        self.before_history: Callable[[], Awaitable[None]] = nothing
        self.before_item: Callable[[], Awaitable[None]] = nothing
        self.followers = 0
        self.fail_follow: Exception | None = None
        self._grown = asyncio.Condition()
        self._typings: asyncio.Queue[Typing] = asyncio.Queue()

    async def record(self, *items: LineItem) -> None:
        """Append one record; its items get its cursor."""
        cursor = (BORN, len(self.records) + 1)
        async with self._grown:
            self.records.append([msgspec.structs.replace(item, cursor=cursor) for item in items])
            self._grown.notify_all()

    def of(self, address: str, after: Cursor | None = None) -> list[LineItem]:
        items = [item for record in self.records for item in record if item.address == address]
        if after is None:
            last = items[-1].conversation if items else ""
            return [item for item in items if item.conversation == last]
        return [item for item in items if item.cursor > after]

    async def history(self, address: str, after: Cursor | None) -> tuple[list[LineItem], Cursor]:
        await self.before_history()
        found = self.of(address, after), (BORN, len(self.records))
        await self.before_history()
        return found

    async def follow(self, after: Cursor | None = None) -> AsyncIterator[LineItem]:
        self.followers += 1
        for at in itertools.count(len(self.records) if after is None else after[1]):
            async with self._grown:
                await self._grown.wait_for(functools.partial(self._holds, at))
            for item in self.records[at]:
                await self.before_item()
                if self.fail_follow:
                    failure, self.fail_follow = self.fail_follow, None
                    raise failure
                yield item

    def _holds(self, at: int) -> bool:
        return len(self.records) > at

    async def conversation(self, address: str) -> str | None:
        items = self.of(address)
        return items[-1].conversation if items and items[-1].kind != "closed" else None

    def duty(self) -> Duty:
        return Duty(self.staffed, self.ahead)

    async def typing(self, typing: Typing) -> None:
        self.typed.append(typing)

    async def operator_types(self, typing: Typing) -> None:
        await self._typings.put(typing)

    async def typings(self) -> AsyncIterator[Typing]:
        while True:
            yield await self._typings.get()


class FakeMedia:
    """Files in memory."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.keys: dict[str, StoredFile] = {}

    async def put(self, chunks: AsyncIterator[bytes], *, limit: int, key: str | None = None) -> StoredFile:
        data = b"".join([chunk async for chunk in chunks])
        if len(data) > limit:
            raise FileTooBig(limit)
        if key in self.keys:
            return self.keys[key]
        stored = StoredFile(name=f"file-{len(self.files)}", size=len(data), key="the-key-of-the-file")
        self.files[stored.name] = data
        if key is not None:
            self.keys[key] = stored
        return stored

    async def read(self, file: StoredFile) -> AsyncIterator[bytes]:
        yield self.files[file.name]


class FakeContext:
    """A router that takes every message once, in order, into one conversation per address."""

    def __init__(self, channel: str = "site", public_url: str = "") -> None:
        self.channel = channel
        self.public_url = public_url
        self.log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger("test")
        self.http: Any = None
        self.memory: Any = None
        self.media = FakeMedia()
        self.lines = FakeLines()
        self.time = 1_800_000_000_000
        self.counted: Counter[str] = Counter()
        self.accepted: list[Envelope] = []
        self.receipts: list[Receipt] = []
        self.refuse_next: list[Exception] = []
        self.before_accept: Callable[[], Awaitable[None]] = nothing
        self.conversation_of: Callable[[str], str] = lambda address: f"c-{address[-6:]}"
        self._entries: Counter[str] = Counter()
        self._ids = IdSource()

    def now(self) -> int:
        return self.time

    def new_id(self) -> str:
        return self._ids.new()

    def secret(self, purpose: str) -> bytes:
        return hashlib.sha256(b"workspace" + purpose.encode()).digest()

    async def accept(self, envelope: Envelope) -> None:
        await self.before_accept()
        if self.refuse_next:
            raise self.refuse_next.pop(0)
        known = {(each.address, each.native_id) for each in self.accepted}
        if (envelope.address, envelope.native_id) not in known:
            self.accepted.append(envelope)
            await self.lines.record(
                self.item("message", envelope.address, id=envelope.native_id, content=envelope.content)
            )

    async def report(self, receipt: Receipt, *, stored: bool = False) -> None:
        del stored
        self.receipts.append(receipt)

    async def dead(self, reason: str, payload: bytes, detail: str) -> None:
        raise NotImplementedError

    def count(self, event: str) -> None:
        self.counted[event] += 1

    def item(self, kind: Any, address: str, **fields: Any) -> LineItem:  # noqa: ANN401 - fields of LineItem
        conversation = fields.pop("conversation", None) or self.conversation_of(address)
        self._entries[conversation] += 1
        n = fields.pop("n", self._entries[conversation])
        if kind == "reply":
            fields.setdefault("id", f"{conversation}-{n}")
            fields.setdefault("author", ANNA)
        return LineItem(
            kind=kind, cursor=(0, 0), conversation=conversation, address=address, at=self.time + n, n=n, **fields
        )

    async def reply(self, address: str, text: str, **fields: Any) -> LineItem:  # noqa: ANN401 - fields of LineItem
        item = self.item("reply", address, content=Text(text=text), **fields)
        await self.lines.record(item)
        return item


def key(item: dict[str, Any]) -> tuple[Any, ...]:
    """What an item is known by, as the protocol says."""
    return (item["kind"], item["conversation"], item.get("n", 0), item.get("id", ""), item["at"])


@dataclass
class Page:
    """What a well-behaved page keeps: its token, cursor and transcript."""

    http: ClientSession
    url: str
    origin: str = ORIGIN
    token: str = ""
    visitor: str = ""
    cursor: str | None = None
    transcript: list[dict[str, Any]] = field(default_factory=list)
    _known: set[tuple[Any, ...]] = field(default_factory=set)

    @property
    def address(self) -> str:
        return f"visitor:{self.visitor}"

    async def begin(self) -> None:
        """Become known."""
        async with self.http.post(f"{self.url}/session", headers=self.headers()) as response:
            grant = await response.json()
        assert response.status == 200, grant
        self.token, self.visitor = grant["token"], grant["visitor"]

    def headers(self, **more: str) -> dict[str, str]:
        authorization = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return {"Origin": self.origin, **authorization, **more}

    async def connect(self, **hello: Any) -> "Tab":  # noqa: ANN401 - fields of the frame
        """Open a socket and say hello."""
        ws = await self.http.ws_connect(f"{self.url}/socket", headers={"Origin": self.origin}, max_msg_size=0)
        tab = Tab(self, ws)
        await tab.send(type="hello", **{"token": self.token, "cursor": self.cursor, **hello})
        return tab

    async def open(self, **hello: Any) -> "Tab":  # noqa: ANN401 - fields of the frame
        """Connect, and be welcome."""
        tab = await self.connect(**hello)
        assert (await tab.receive())["type"] == "welcome"
        return tab

    def other(self) -> "Page":
        """Another tab of the same visitor, which knows nothing yet."""
        return replace(self, cursor=None, transcript=[], _known=set())

    def take(self, frame: dict[str, Any]) -> None:
        """Keep what is new."""
        self.cursor = frame["cursor"]
        for item in frame["items"]:
            if key(item) not in self._known:
                self._known.add(key(item))
                self.transcript.append(item)


@dataclass
class Tab:
    """One socket of a page."""

    page: Page
    ws: ClientWebSocketResponse[bool]
    status: list[dict[str, Any]] = field(default_factory=list)

    async def send(self, **frame: Any) -> None:  # noqa: ANN401 - any frame
        await self.ws.send_str(msgspec.json.encode(frame).decode())

    async def say(self, message_id: str, text: str) -> None:
        await self.send(type="send", id=message_id, content={"kind": "text", "text": text})

    async def receive(self) -> dict[str, Any]:
        """Give the next frame but status; ``{"type": "closed", "code": ...}`` at the end."""
        while (frame := await self._next())["type"] == "status":
            self.status.append(frame)
        if frame["type"] == "items":
            self.page.take(frame)
        return frame

    async def stands(self) -> dict[str, Any]:
        """Give the next status."""
        while (frame := await self._next())["type"] != "status":
            assert frame["type"] != "closed", "closed before a status"
        return frame

    async def _next(self) -> dict[str, Any]:
        async with asyncio.timeout(30):
            message = await self.ws.receive()
        if message.type is not WSMsgType.TEXT:
            return {"type": "closed", "code": self.ws.close_code}
        frame: dict[str, Any] = msgspec.json.decode(message.data)
        return frame

    async def until(self, kind: str) -> dict[str, Any]:
        """Read up to a frame of one type."""
        while (frame := await self.receive())["type"] != kind:
            assert frame["type"] != "closed", f"closed with {frame['code']} before {kind}"
        return frame

    async def caught_up(self) -> None:
        """Read up to the end of the catching up."""
        while (await self.until("items")).get("more"):
            pass

    async def has(self, count: int) -> None:
        """Read until the page's transcript has so many items."""
        while len(self.page.transcript) < count:
            await self.until("items")

    async def cut(self) -> None:
        """Lose the connection without a word."""
        connection = self.ws._response.connection
        if connection is not None and connection.transport is not None:
            connection.transport.abort()
        await self.ws.close()


__all__ = ["ANNA", "ORIGIN", "FakeContext", "FakeLines", "Page", "Tab", "key"]
