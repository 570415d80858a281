"""The outside world of the desk, in memory: a log, the real router that writes it, files, typing and accounts.

A client, :class:`Console`, keeps what a browser would show by the rules of docs/desk-protocol.md.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import ClientSession, ClientWebSocketResponse, CookieJar, WSMsgType, web
from aiohttp.test_utils import TestServer
from argon2 import PasswordHasher

from desk.http.app import NODE, make_desk
from desk.node import Node
from desk.ports import Account, Alarm, ChannelInfo, DeskInput, NotReadable, NotStored, Outside, Typing
from desk.settings import DeskSettings
from normalizer.content import Content, StoredFile, Text
from normalizer.envelope import Envelope, Sender
from normalizer.ids import IdSource
from normalizer.outbound import Receipt
from router.evolve import apply
from router.inputs import Input, Message, Reported, RulesProposed, Tick
from router.record import Record, decode_record, encode_record
from router.rules import ChannelRule, OperatorRule, Route, Rules
from router.state import State
from router.step import Machine
from tests.fixtures.sockets import client_session
from web.errors import protect

PASSWORD = "correct horse"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
HASH = CHEAP.hash(PASSWORD)
ORIGIN = "http://desk.test"
RULES = Rules(
    channels={
        "site": ChannelRule(type="webchat", accept="manual"),
        "mail": ChannelRule(type="email", kind="deferrable", units=10),
    },
    operators={
        "anna": OperatorRule(name="Anna", role="supervisor", units=20),
        "ben": OperatorRule(name="Ben", units=40),
        "cleo": OperatorRule(name="Cleo", units=40),
    },
    routes=(Route(name="everything else"),),
)
IDS = IdSource()


class Log:
    """IN, the router and LOG, without a bus: what is submitted is decided at once, unless the router is silent."""

    def __init__(self) -> None:
        self.now = 1_700_000_000_000
        self.machine = Machine(State(), release="test")
        self.records: list[tuple[int, str, bytes]] = []
        self.inputs: list[object] = []
        self.silent = False
        self.stored = True
        self.ledgers: list[MemoryLedger] = []
        self._held: list[Input] = []
        self._seq = itertools.count(1)
        self._log_seq = itertools.count(10, 2)  # a real stream has gaps

    def put(self, value: Input) -> None:
        self.inputs.append(value)
        self._held.append(value)
        if not self.silent:
            self.decide()

    def decide(self) -> None:
        held, self._held = self._held, []
        for value in held:
            for entry in self.machine.advance(next(self._seq), self.now, value):
                subject = f"tl.w.log.{entry.line}." + (f"out.{entry.channel}" if entry.channel else "f")
                self.records.append((next(self._log_seq), subject, encode_record(entry.record)))
        for ledger in self.ledgers:
            ledger.follow()

    def pass_time(self, seconds: float) -> None:
        self.now += int(seconds * 1000)
        self.put(Tick())

    def customer(self, text: str, *, who: str = "v1", channel: str = "site", content: Content | None = None) -> str:
        """Let a customer write; give the conversation."""
        envelope = Envelope(
            id=IDS.new(),
            at=self.now,
            channel=channel,
            type=RULES.channels[channel].type,
            native_id=IDS.new(),
            address=f"visitor:{who}",
            content=content or Text(text=text),
            sender=Sender(name=f"Customer {who}"),
        )
        self.put(Message(envelope=envelope))
        person = self.machine.state.addresses[envelope.address].person
        conversation = self.machine.state.people[person].conversation
        assert conversation is not None
        return conversation

    def receipt(self, receipt: Receipt) -> None:
        sent = self.machine.state.conversations[receipt.outbound.rpartition("-")[0]].channels
        self.put(Reported(channel=sent.get(receipt.outbound, "site"), receipt=receipt))


class MemoryLedger:
    """A follower of the log; ``held`` makes it fall behind."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.state = State()
        self.stream = 77
        self.position = 0
        self.ready = True
        self.held = False
        self.slow: asyncio.Event | None = None
        self.reading = 0
        self.away = False
        self._taken = 0
        self._followers: list[Callable[[int, str, Record], None]] = []
        log.ledgers.append(self)
        self.follow()

    @property
    def lag(self) -> float:
        return 9.0 if self.held else 0.0

    def follow(self) -> None:
        while not self.held and self._taken < len(self._log.records):
            seq, subject, payload = self._log.records[self._taken]
            self._taken += 1
            record = decode_record(payload)
            apply(self.state, record)
            self.position = seq
            for follower in tuple(self._followers):
                follower(seq, subject, record)

    def subscribe(self, follower: Callable[[int, str, Record], None]) -> Callable[[], None]:
        self._followers.append(follower)
        return lambda: self._followers.remove(follower)

    async def history(self, conversation: str, person: str) -> list[tuple[int, Record]]:
        del person
        if self.away:
            raise NotReadable("the log is away")
        found = [
            (seq, decode_record(payload))
            for seq, subject, payload in self._log.records
            if subject.split(".")[3] == conversation
        ]
        self.reading += 1
        if self.slow is not None:
            await self.slow.wait()
        else:
            await asyncio.sleep(0)
        self.reading -= 1
        return found


class MemoryDoor:
    def __init__(self, log: Log) -> None:
        self._log = log

    async def submit(self, value: DeskInput) -> None:
        await asyncio.sleep(0)
        if not self._log.stored:
            raise NotStored("the store is away")
        self._log.put(value)


@dataclass
class MemoryLive:
    told: list[Typing] = field(default_factory=list)
    watchers: dict[str, list[Callable[[Typing], None]]] = field(default_factory=dict)

    async def typing(self, typing: Typing) -> None:
        self.told.append(typing)

    def watch(self, conversation: str, seen: Callable[[Typing], None]) -> Callable[[], None]:
        self.watchers.setdefault(conversation, []).append(seen)
        return lambda: self.watchers[conversation].remove(seen)

    def customer_types(self, conversation: str, text: str) -> None:
        for seen in self.watchers.get(conversation, []):
            seen(Typing(conversation=conversation, text=text))


@dataclass
class MemoryMedia:
    files: dict[tuple[str, str], bytes] = field(default_factory=dict)

    async def put(self, chunks: AsyncIterator[bytes], *, limit: int, key: str | None = None) -> StoredFile:
        del limit, key
        data = b"".join([chunk async for chunk in chunks])
        name = f"file{len(self.files)}"
        self.files[name, f"key-{name}"] = data
        return StoredFile(name=name, size=len(data), key=f"key-{name}")

    async def read(self, file: StoredFile) -> AsyncIterator[bytes]:
        yield self.files[file.name, file.key]


@dataclass
class MemoryAccounts:
    accounts: dict[str, Account] = field(default_factory=dict)

    def find(self, operator: str) -> Account | None:
        return self.accounts.get(operator)


@dataclass
class MemoryChannels:
    known: dict[str, ChannelInfo] = field(default_factory=dict)

    def find(self, channel: str) -> ChannelInfo | None:
        return self.known.get(channel)


@dataclass
class MemoryRevocations:
    revoked: dict[str, int] = field(default_factory=dict)

    def revoked_at(self, subject: str) -> int:
        return self.revoked.get(subject, 0)

    async def revoke(self, subject: str, *, at: int, until: int) -> None:
        assert until > at
        self.revoked[subject] = at


@dataclass
class Desk:
    """One desk node with its server."""

    node: Node
    ledger: MemoryLedger
    server: TestServer

    def url(self, path: str) -> str:
        return str(self.server.make_url("/desk" + path))


class World:
    """The log, and as many desk nodes on it as wanted."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self.log = Log()
        self.live = MemoryLive()
        self.media = MemoryMedia()
        self.accounts = MemoryAccounts(
            {
                name: Account(id=name, name=rule.name, role=rule.role, password_hash=HASH)
                for name, rule in RULES.operators.items()
            }
        )
        self.channels = MemoryChannels()
        self.alarms: list[Alarm] = []
        self.index: Any = None
        self.revocations = MemoryRevocations()
        self.seconds = 1_000.0
        self.log.put(RulesProposed(hash="one", rules=RULES))

    async def desk(self, *, port: int | None = None, origin: str = ORIGIN) -> Desk:
        """Start a node."""
        ledger = MemoryLedger(self.log)
        outside = Outside(
            ledger=ledger,
            door=MemoryDoor(self.log),
            live=self.live,
            media=self.media,
            accounts=self.accounts,
            channels=self.channels,
            revocations=self.revocations,
            now=lambda: self.log.now,
            monotonic=lambda: self.seconds,
            new_id=IDS.new,
            secret=lambda purpose: purpose.encode().ljust(32, b".")[:32],
            node=f"node{len(self.log.ledgers)}",
            public_url=origin,
            alarms=lambda: self.alarms,
            search=self.index,
            figures=self.index,
        )
        app = web.Application()
        protect(app)
        desk = make_desk(outside, DeskSettings())
        app.add_subapp("/desk", desk)
        server = TestServer(app, port=port)
        await server.start_server()
        self._stack.push_async_callback(server.close)
        return Desk(desk[NODE], ledger, server)

    async def browser(self, desk: Desk, operator: str | None = None) -> "Browser":
        """Start a browser; sign in if an operator is named."""
        http = await self._stack.enter_async_context(client_session(cookie_jar=CookieJar(unsafe=True)))
        browser = Browser(desk, http)
        if operator is not None:
            self.seconds += 10  # enough for another try to sign in
            assert (await browser.sign_in(operator))[0] == 200
        return browser

    async def console(self, desk: Desk, operator: str, *, everything: bool = False) -> "Console":
        """Sign in, open a socket and say hello."""
        browser = await self.browser(desk, operator)
        console = Console(browser)
        await console.connect(everything=everything)
        self._stack.push_async_callback(console.drop)
        return console


class Browser:
    """HTTP as a page of the desk does it."""

    def __init__(self, desk: Desk, http: ClientSession) -> None:
        self.desk = desk
        self.http = http
        self.headers = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}

    async def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        data = None if body is None else msgspec.json.encode(body)
        given = {**self.headers, "Content-Type": "application/json", **headers}
        async with self.http.request(method, self.desk.url(path), data=data, headers=given) as response:
            payload = await response.read()
            is_json = response.content_type == "application/json"
            return response.status, msgspec.json.decode(payload) if is_json and payload else payload

    async def sign_in(self, operator: str, password: str = PASSWORD) -> tuple[int, Any]:
        return await self.ask("POST", "/session", {"operator": operator, "password": password})

    async def do(self, action: dict[str, Any], id: str | None = None) -> tuple[int, Any]:  # noqa: A002 - the word of the API
        return await self.ask("POST", "/commands", {"id": id or IDS.new(), "action": action})


class Console:
    """What a browser shows, kept from frames as the protocol says."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.socket: ClientWebSocketResponse | None = None
        self.welcome: dict[str, Any] = {}
        self.frames: list[dict[str, Any]] = []
        self.lists: dict[str, dict[str, Any]] = {}
        self.operators: dict[str, dict[str, Any]] = {}
        self.open: dict[str, dict[str, Any]] = {}
        self.waiting = 0
        self.answers: dict[str, dict[str, Any]] = {}
        self.choices: dict[str, list[str]] = {}
        self.cursor = ""
        self.everything = False
        self._reader: asyncio.Task[None] | None = None
        self._news = asyncio.Event()

    async def connect(self, *, cursor: str = "", everything: bool = False, origin: str = ORIGIN) -> None:
        url = self.browser.desk.url("/socket")
        self.everything = everything
        self.socket = await self.browser.http.ws_connect(url, headers={"Origin": origin}, max_msg_size=0)
        self._reader = asyncio.create_task(self._read(self.socket))
        await self.send({"type": "hello", "cursor": cursor, "everything": everything})
        frames = len(self.frames)
        await self.until(lambda: any(f["type"] in ("view", "changes") for f in self.frames[frames:]))

    async def reconnect(self, desk: Desk | None = None) -> None:
        """Lose the socket and come back with the cursor, as after a break in the network."""
        await self.drop()
        if desk is not None:
            self.browser.desk = desk
        shown = list(self.open)
        await self.connect(cursor=self.cursor, everything=self.everything)
        for conversation in shown:
            await self.watch(conversation)

    async def drop(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait([self._reader])
        if self.socket is not None:
            await self.socket.close()

    async def send(self, frame: dict[str, Any]) -> None:
        assert self.socket is not None
        await self.socket.send_str(msgspec.json.encode(frame).decode())

    async def watch(self, conversation: str) -> dict[str, Any]:
        seen = len(self.frames)
        await self.send({"type": "watch", "conversation": conversation})
        return await self.frame(lambda f: f["type"] in ("watched", "error"), since=seen)

    async def do(self, action: dict[str, Any], id: str | None = None) -> dict[str, Any]:  # noqa: A002 - the word of the API
        """Send a command and give its first answer."""
        name = id or IDS.new()
        seen = len(self.frames)
        await self.send({"type": "command", "id": name, "action": action})
        frame = await self.frame(lambda f: f["type"] == "answer" and f["answer"]["id"] == name, since=seen)
        answer: dict[str, Any] = frame["answer"]
        return answer

    async def frame(self, wanted: Callable[[dict[str, Any]], bool], since: int = 0) -> dict[str, Any]:
        """Wait for a frame."""
        await self.until(lambda: any(wanted(f) for f in self.frames[since:]))
        return next(f for f in self.frames[since:] if wanted(f))

    async def until(self, true: Callable[[], bool], within: float = 60.0) -> None:
        """Wait until what is shown makes a condition true; a frame that this console cannot show is an error."""
        async with asyncio.timeout(within):
            while not true():
                if self._reader is not None and self._reader.done() and not self._reader.cancelled():
                    self._reader.result()
                self._news.clear()
                await self._news.wait()

    def shown(self) -> dict[str, Any]:
        """Everything on the screen, to be compared with a fresh one."""
        return {"lists": self.lists, "operators": self.operators, "open": self.open, "waiting": self.waiting}

    async def closed(self, within: float = 60.0) -> int | None:
        """Wait until the server has closed the socket; give the code."""
        assert self._reader is not None
        assert self.socket is not None
        async with asyncio.timeout(within):
            await asyncio.wait([self._reader])
        return self.socket.close_code

    async def _read(self, socket: ClientWebSocketResponse) -> None:
        try:
            async for message in socket:
                assert message.type is WSMsgType.TEXT
                frame = msgspec.json.decode(message.data)
                self.frames.append(frame)
                self._apply(frame)
                self._news.set()
        finally:
            self._news.set()

    def _apply(self, frame: dict[str, Any]) -> None:
        self.cursor = frame.get("cursor", self.cursor)
        match frame["type"]:
            case "welcome":
                self.welcome = frame
            case "view":
                self.lists = {each["id"]: each for each in frame["conversations"]}
                self.operators = {each["id"]: each for each in frame["operators"]}
                self.waiting = frame["waiting"]
                self.choices = frame["choices"]
            case "answers":
                self.answers = {each["id"]: each for each in frame["answers"]}
            case "changes":
                for event in frame["events"]:
                    self._change(event)
            case "watched":
                opened = frame["opened"]
                self.open[opened["conversation"]] = {each["id"]: each for each in opened["items"]}

    def _change(self, event: dict[str, Any]) -> None:
        match event["event"]:
            case "conversation" if event["listed"]:
                self.lists[event["summary"]["id"]] = event["summary"]
            case "conversation":
                self.lists.pop(event["summary"]["id"], None)
            case "gone":
                self.lists.pop(event["conversation"], None)
                self.open.pop(event["conversation"], None)
            case "item":
                self.open[event["conversation"]][event["item"]["id"]] = event["item"]
            case "receipt":
                self._receive(event)
            case "operator":
                self.operators[event["operator"]["id"]] = event["operator"]
            case "waiting":
                self.waiting = event["count"]
            case "answer":
                self.answers[event["answer"]["id"]] = event["answer"]
            case "answer_gone":
                self.answers.pop(event["answer"], None)

    def _receive(self, event: dict[str, Any]) -> None:
        for item in self.open[event["conversation"]].values():
            if item.get("outbound") == event["outbound"]:
                item["receipt"] = event["receipt"]
                item.update({name: event[name] for name in ("code", "error", "replaced_by") if name in event})


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        yield World(stack)


def replies(conversation: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Give the texts of the answers in an open conversation."""
    return (item["content"]["text"] for item in conversation.values() if item["kind"] == "reply")
