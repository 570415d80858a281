"""Visitors and operators as real clients over the wire: they reconnect, resume by cursor, and repeat what is in doubt.

They keep books: what they sent, what was acknowledged, what they were shown. A ledger compares those with the log.
"""

import asyncio
import contextlib
import random
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Self

import aiohttp
import msgspec
from msgspec import Struct

from normalizer.ids import IdSource
from tests.e2e.installation import ORIGIN, PASSWORD

PING_EVERY = 1.0
SILENT_FOR = 5.0
"""Seconds without a frame after which a connection counts as dead; where no connection may end, make it longer."""

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0
CALL_WITHIN = 5.0
REPEAT_AFTER = 4.0
"""Seconds without an answer after which a command is repeated with its id."""

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder().decode
Frame = dict[str, Any]


class Dropped(Exception):
    """The connection is gone; the next one resumes."""


class Client(ABC):
    """Keeps one WebSocket open for as long as it is entered; whatever ends it, it comes back with a growing pause."""

    def __init__(self, url: Callable[[], str], address: str) -> None:
        self.connections = 0
        self.silent_for = SILENT_FOR
        self.ids = IdSource()
        self._url = url
        self._headers = {"X-Forwarded-For": address}
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._http: aiohttp.ClientSession
        self._tasks: list[asyncio.Task[None]] = []
        self._online = asyncio.Event()
        self._sending: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(
            headers=self._headers, cookie_jar=aiohttp.CookieJar(unsafe=True), timeout=aiohttp.ClientTimeout(CALL_WITHIN)
        )
        self._tasks = [asyncio.create_task(self._stay()), asyncio.create_task(self._keep())]
        return self

    async def __aexit__(self, *exc: object) -> None:
        tasks = [*self._tasks, *self._sending]
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        await self._http.close()
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def online(self) -> None:
        """Wait until it has been welcomed."""
        async with asyncio.timeout(60):
            await self._online.wait()

    async def drop(self) -> None:
        """Lose the connection, as on a train."""
        if self._socket is not None:
            await self._socket.close()

    def send_frame(self, frame: Frame) -> None:
        """Send now, or never: what matters is repeated on the next connection."""
        if self._socket is not None and not self._socket.closed:
            self._start(self._send(self._socket, encode(frame)))

    def _start(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    @staticmethod
    async def _send(socket: aiohttp.ClientWebSocketResponse, frame: bytes) -> None:
        with contextlib.suppress(ConnectionError, aiohttp.ClientError):
            await socket.send_str(frame.decode())

    async def _stay(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                await self._enter()
                async with self._connected() as socket:
                    pause = FIRST_PAUSE
                    await self._listen(socket)
            except (aiohttp.ClientError, TimeoutError, ConnectionError, Dropped):
                pass  # that is what is being tested
            self._online.clear()
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            pause = min(2 * pause, LONGEST_PAUSE)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        timeout = aiohttp.ClientWSTimeout(ws_close=0.5)
        async with asyncio.timeout(CALL_WITHIN):
            socket = await self._http.ws_connect(
                f"{self._url()}{self.path}", headers=self.origin, timeout=timeout, max_msg_size=0
            )
        try:
            self.connections += 1
            await socket.send_str(encode(self.hello()).decode())
            yield socket
        finally:
            self._socket = None
            await socket.close()

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            message = await socket.receive(self.silent_for)
            if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                raise Dropped
            frame = decode(message.data)
            if frame["type"] == "welcome":
                self._socket = socket
                self.welcomed(frame)
                self._online.set()
            else:
                self.take(frame)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(PING_EVERY)
            self.look_after()

    path: str

    @property
    @abstractmethod
    def origin(self) -> dict[str, str]:
        """The headers by which a browser says where its page comes from."""

    @abstractmethod
    async def _enter(self) -> None:
        """Get a session, unless there is one."""

    @abstractmethod
    def hello(self) -> Frame:
        """The first frame."""

    @abstractmethod
    def welcomed(self, frame: Frame, /) -> None:
        """A connection stands: repeat what is in doubt."""

    @abstractmethod
    def take(self, frame: Frame) -> None:
        """Take any other frame."""

    @abstractmethod
    def look_after(self) -> None:
        """Once a second: beat, and repeat what was not answered."""


class Written(Struct):
    """A message of a visitor; times are monotonic seconds, ``acked`` 0 while there is no tick."""

    id: str
    text: str
    sent: float
    acked: float = 0.0


class Visitor(Client):
    """A page with a chat. Everything written is repeated, in order, until it has its tick."""

    path = "/channels/site/socket"

    def __init__(self, url: Callable[[], str], name: str, address: str) -> None:
        super().__init__(url, address)
        self.name = name
        self.visitor = ""
        self.written: dict[str, Written] = {}
        self.shown: dict[tuple[object, ...], Frame] = {}
        self.repeated = 0
        self.refusals: list[str] = []
        self._token = ""
        self._cursor: str | None = None
        self._blocked = 0.0

    @property
    def address(self) -> str:
        """The address that the log knows the visitor by."""
        return f"visitor:{self.visitor}"

    @property
    def origin(self) -> dict[str, str]:
        return {"Origin": ORIGIN}

    @property
    def unacknowledged(self) -> list[Written]:
        """What has no tick, in the order of writing."""
        return [one for one in self.written.values() if not one.acked]

    @property
    def replies(self) -> list[Frame]:
        """The answers on the page, each once, in the order in which they were first shown."""
        return [item for item in self.shown.values() if item["kind"] == "reply"]

    @property
    def own(self) -> list[Frame]:
        """The visitor's own messages as the page shows them."""
        return [item for item in self.shown.values() if item["kind"] == "message"]

    def write(self, text: str) -> str:
        """Write a message and give its id."""
        message = Written(self.ids.new(), text, time.monotonic())
        self.written[message.id] = message
        if not self._blocked:  # else it waits behind what has to be repeated
            self._send_message(message)
        return message.id

    def adopt(self, other: "Visitor") -> None:
        """Be another tab of the same visitor; from the next connection on."""
        self._token, self.visitor, self._cursor = other._token, other.visitor, None

    def report(self, what: str, upto: str) -> None:
        """Say that answers are ``delivered`` or ``read``."""
        self.send_frame({"type": what, "upto": upto})

    def type(self, text: str = "") -> None:
        """Type, without sending."""
        self.send_frame({"type": "typing", "on": True, "preview": text})

    async def _enter(self) -> None:
        if self._token:
            return
        async with self._http.post(f"{self._url()}/channels/site/session", headers=self.origin) as answer:
            answer.raise_for_status()
            grant = await answer.json()
            self._token, self.visitor = grant["token"], grant["visitor"]

    def hello(self) -> Frame:
        return {"type": "hello", "token": self._token} | ({"cursor": self._cursor} if self._cursor else {})

    def welcomed(self, _frame: Frame) -> None:
        self._blocked = 0.0
        self._repeat()

    def take(self, frame: Frame) -> None:
        match frame["type"]:
            case "items":
                for item in frame["items"]:
                    self._show(item)
                self._cursor = frame["cursor"]
            case "ack":
                if not self.written[frame["id"]].acked:
                    self.written[frame["id"]].acked = time.monotonic()
            case "error":
                self._refused(frame)

    def look_after(self) -> None:
        self.send_frame({"type": "ping"})
        if self._blocked and time.monotonic() >= self._blocked:
            self._blocked = 0.0
            self._repeat()

    def _show(self, item: Frame) -> None:
        key = tuple(item.get(part) for part in ("kind", "conversation", "n", "id", "at"))
        if key in self.shown:
            self.repeated += 1
        else:
            self.shown[key] = item

    def _refused(self, frame: Frame) -> None:
        """Wait as long as is asked for, then repeat in order; what was written meanwhile waits behind it."""
        self.refusals.append(frame["code"])
        self._blocked = time.monotonic() + frame.get("retry_after", 0.5)

    def _repeat(self) -> None:
        for message in self.unacknowledged:
            self._send_message(message)

    def _send_message(self, message: Written) -> None:
        self.send_frame({"type": "send", "id": message.id, "content": {"kind": "text", "text": message.text}})


class Order(Struct):
    """A command of an operator. ``status`` is that of its last answer; times are monotonic seconds."""

    id: str
    action: Frame
    given: float
    repeated: float
    status: str = "pending"
    code: str = ""

    @property
    def open(self) -> bool:
        """Whether nothing final is known of it."""
        return self.status in ("pending", "not_confirmed")


class Operator(Client):
    """A desk that answers each of the customers' messages once, with a reply that names it."""

    path = "/desk/socket"

    def __init__(self, url: Callable[[], str], name: str, address: str, *, answering: bool = True) -> None:
        super().__init__(url, address)
        self.name = name
        self.answering = answering
        self.on_duty = True  # makes itself available whenever it is not
        self.orders: dict[str, Order] = {}
        self.lists: dict[str, Frame] = {}
        self.items: dict[str, dict[str, Frame]] = {}  # conversation to item id to item, of what is watched
        self.card: Frame = {}
        self.lag = 0.0
        self._cursor = ""
        self._watching: set[str] = set()
        self._opened: set[str] = set()  # of those, what has come onto the screen since
        self._answered: dict[str, dict[str, str]] = {}  # conversation to entry to the order that answers it

    @property
    def origin(self) -> dict[str, str]:
        return {"Origin": self._url(), "Sec-Fetch-Site": "same-origin"}

    @property
    def mine(self) -> list[str]:
        """The conversations that the operator owns."""
        return [name for name, summary in self.lists.items() if summary.get("owner") == self.name]

    @property
    def unopened(self) -> list[str]:
        """What the operator owns and waits to see."""
        there = self._opened if self._online.is_set() else set[str]()
        return [name for name in self.mine if name not in there]

    @property
    def pending(self) -> list[Order]:
        """Commands without a final answer."""
        return [order for order in self.orders.values() if order.open]

    def order(self, action: Frame) -> Order:
        """Give a command."""
        now = time.monotonic()
        order = Order(self.ids.new(), action, now, now)
        self.orders[order.id] = order
        self._send_order(order)
        return order

    def reply(self, conversation: str, text: str, *, anyway: bool = False) -> Order:
        """Answer a customer, having seen everything that is on the screen."""
        seen = max((item.get("n", 0) for item in self.items.get(conversation, {}).values()), default=0)
        content = {"kind": "text", "text": text}
        action = {"do": "reply", "conversation": conversation, "content": content, "seen": seen}
        return self.order(action | ({"anyway": True} if anyway else {}))

    def said(self, conversation: str, kind: str) -> list[str]:
        """The texts of a kind of item on the screen, in order."""
        items = self.items.get(conversation, {}).values()
        return [item["content"]["text"] for item in items if item["kind"] == kind]

    async def _enter(self) -> None:
        if any(cookie.key == "trunkline-desk" for cookie in self._http.cookie_jar):
            return
        body = encode({"operator": self.name, "password": PASSWORD})
        headers = self.origin | {"Content-Type": "application/json"}
        async with self._http.post(f"{self._url()}/desk/session", data=body, headers=headers) as answer:
            answer.raise_for_status()

    def hello(self) -> Frame:
        self._watching.clear()
        self._opened.clear()
        return {"type": "hello"} | ({"cursor": self._cursor} if self._cursor else {})

    def welcomed(self, frame: Frame) -> None:
        for order in self.pending:
            self._send_order(order)
        if frame["resumed"]:
            self._watch_mine()

    def take(self, frame: Frame) -> None:
        match frame["type"]:
            case "view":
                self.lists = {summary["id"]: summary for summary in frame["conversations"]}
                self._cursor = frame["cursor"]
                for card in frame["operators"]:
                    self._present(card)
                self._watch_mine()
            case "changes":
                for event in frame["events"]:
                    self._change(event)
                self._cursor = frame["cursor"]
                self._watch_mine()
            case "watched":
                self._open(frame["opened"])
            case "answer":
                self._settle(frame["answer"])
            case "beat":
                self.lag = frame["lag"]
            case "error":
                self._refused(frame)

    def look_after(self) -> None:
        idle = self._online.is_set() and self.card.get("state") in ("away", "offline", "not_responding")
        if self.on_duty and idle and not any(order.action["do"] == "presence" for order in self.pending):
            self.order({"do": "presence", "state": "available"})
        if self._online.is_set():
            self._watch_mine()  # also what could not be read when it was asked for
        now = time.monotonic()
        for order in self.pending:
            if now - order.repeated > REPEAT_AFTER:
                self._send_order(order)

    def _change(self, event: Frame) -> None:
        match event["event"]:
            case "conversation":
                self.lists[event["summary"]["id"]] = event["summary"]
            case "gone":
                self.lists.pop(event["conversation"], None)
                self._forget(event["conversation"])
            case "item":
                self.items.setdefault(event["conversation"], {})[event["item"]["id"]] = event["item"]
                if event["item"]["kind"] == "message":
                    self._answer_all(event["conversation"])
            case "receipt":
                for item in self.items.get(event["conversation"], {}).values():
                    if item.get("outbound") == event["outbound"]:
                        item["receipt"] = event["receipt"]
            case "operator":
                self._present(event["operator"])

    def _open(self, page: Frame) -> None:
        """A page shows the last items only: those between it and what is on the screen are asked for."""
        known = self.items.get(page["conversation"], {})
        if page.get("more") and not any(item["id"] in known for item in page["items"]):
            self._start(self._fill(page, set(known)))
        else:
            self._merge(page["conversation"], page["items"])

    async def _fill(self, page: Frame, known: set[str]) -> None:
        connection, conversation, items = self.connections, page["conversation"], list(page["items"])
        url = f"{self._url()}/desk/conversations/{conversation}"
        try:
            while page.get("more") and not any(item["id"] in known for item in page["items"]):
                async with self._http.get(url, params={"before": items[0]["id"]}) as answer:
                    answer.raise_for_status()
                    page = await answer.json()
                items[:0] = page["items"]
        except (aiohttp.ClientError, TimeoutError):
            self._forget(conversation)  # and ask again
        else:
            if connection == self.connections:  # else it has been asked for again
                self._merge(conversation, items)

    def _merge(self, conversation: str, page: list[Frame]) -> None:
        items = self.items.get(conversation, {}) | {item["id"]: item for item in page}
        self.items[conversation] = dict(sorted(items.items(), key=lambda pair: [int(n) for n in pair[0].split(".")]))
        self._opened.add(conversation)
        self._answer_all(conversation)

    def _present(self, card: Frame) -> None:
        if card["id"] == self.name:
            self.card = card

    def _watch_mine(self) -> None:
        mine = set(self.mine)
        for conversation in self._watching - mine:
            self.send_frame({"type": "unwatch", "conversation": conversation})
        for conversation in mine - self._watching:
            self.send_frame({"type": "watch", "conversation": conversation})
        self._watching = mine
        self._opened &= mine

    def _forget(self, conversation: str) -> None:
        """Ask for it again if it is still, or again, the operator's."""
        self._watching.discard(conversation)
        self._opened.discard(conversation)

    def _answer_all(self, conversation: str) -> None:
        if not self.answering or conversation not in self.mine:
            return
        items = self.items.get(conversation, {}).values()
        answered = self._answered.setdefault(conversation, {})
        there = {item["content"]["text"] for item in items if item["kind"] == "reply"}
        for item in items:
            if item["kind"] != "message" or item["id"] in answered:
                continue
            text = answer_to(item["content"]["text"])
            answered[item["id"]] = "" if text in there else self.reply(conversation, text).id

    def _settle(self, answer: Frame) -> None:
        order = self.orders.get(answer["id"])
        if order is None or not order.open:
            return
        order.status, order.code = answer["status"], answer.get("code", "")
        if order.status == "refused" and order.action["do"] == "reply":
            self._answer_again(order)

    def _answer_again(self, order: Order) -> None:
        """What was refused had no effect: look at how things are now, and decide anew."""
        conversation = order.action["conversation"]
        answered = self._answered.get(conversation, {})
        for item in [item for item, by in answered.items() if by == order.id]:
            del answered[item]
        self._forget(conversation)
        self._watch_mine()

    def _refused(self, frame: Frame) -> None:
        order = self.orders.get(frame.get("ref", ""))
        if order is not None:  # too fast: it is repeated with the same id
            order.repeated = time.monotonic() + frame.get("retry_after", 1.0) - REPEAT_AFTER
        elif frame.get("ref", "") in self._watching:
            self._forget(frame["ref"])

    def _send_order(self, order: Order) -> None:
        order.repeated = time.monotonic()
        self.send_frame({"type": "command", "id": order.id, "action": order.action})


def answer_to(text: str) -> str:
    """What an operator says to a message: something that names it."""
    return f"re: {text}"
