"""The worked example of docs/other-languages.md: its rights, and its way through the running broker."""

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from broker.bus.connection import Bus
from broker.bus.errors import NoAnswer
from broker.bus.reader import Reader
from broker.bus.server import find_binary, free_port
from broker.bus.settings import BusSettings, UserPassword
from broker.bus.streams import Workspace, ensure_streams
from router.inputs import Message, Reported, decode_input
from tests.e2e.actors import Operator
from tests.e2e.anna import receipts, until
from tests.e2e.installation import WORKSPACE, Installation, installed
from tests.e2e.provider import WebhookProvider
from tests.examples.conftest import EXAMPLES

pytestmark = [pytest.mark.usefixtures("lost_sockets"), pytest.mark.timeout(300)]

PAGE = EXAMPLES.parent / "docs" / "other-languages.md"
PROGRAM = EXAMPLES / "other-language" / "channel.js"
PARTS = {"router": ["router"], "desk": ["desk"], "board": ["board"]}


class Program:
    """The example at work."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.lines: dict[str, list[str]] = {"out": [], "err": []}
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._reading = [
            asyncio.create_task(self._read(process.stdout, "out")),
            asyncio.create_task(self._read(process.stderr, "err")),
        ]

    def write(self, number: int, sender: str, text: str) -> None:
        """Let a customer write."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": number, "from": sender, "text": text}).encode() + b"\n")

    def kill(self) -> None:
        self._process.kill()

    async def end(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await asyncio.gather(*self._reading)

    async def _read(self, stream: asyncio.StreamReader, name: str) -> None:
        while raw := await stream.readline():
            self.lines[name].append(raw.decode().strip())


@asynccontextmanager
async def program(server: str, login: UserPassword, workspace: str, channel: str = "board") -> AsyncIterator[Program]:
    node = shutil.which("node")
    assert node is not None, "node is missing: run `make test-packages`, or install the Debian package nodejs"
    process = await asyncio.create_subprocess_exec(
        node,
        PROGRAM,
        env={
            "WORKSPACE": workspace,
            "CHANNEL": channel,
            "NATS_PORT": server.rpartition(":")[2],
            "NATS_USER": login.user,
            "NATS_PASSWORD": login.password,
        },
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    running = Program(process)
    try:
        yield running
    finally:
        await running.end()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A nats-server with the users of the page."""
    [users] = re.findall(r"```hocon\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    port = free_port()
    config = tmp_path / "nats.conf"
    config.write_text(f'listen: "127.0.0.1:{port}"\njetstream {{ store_dir: "{tmp_path}/store" }}\n{users}')
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([find_binary(), "-c", str(config)], stdout=log, stderr=log)  # noqa: S603 - our own
    try:
        yield f"nats://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


async def test_with_the_rights_of_the_page_it_does_its_work_and_nothing_else(server: str) -> None:
    login, ours = UserPassword("board", "change-me-too"), UserPassword("trunkline", "change-me")
    workspace = Workspace("acme")
    bus = await Bus.connect(BusSettings(servers=(server,), credentials=ours), "test")
    try:
        await ensure_streams(bus, workspace)
        async with program(server, login, "acme") as board:
            board.write(7, "42", 'Where is "my" parcel, Zoë?')
            await until(lambda: "stored 7" in board.lines["err"], "the message is stored")
            board.write(7, "42", 'Where is "my" parcel, Zoë?')
            await until(lambda: board.lines["err"].count("stored 7") == 2, "a repetition is acknowledged, too")
            outbound = {"id": "c1-2", "address": "board:board/42", "content": {"kind": "text", "text": "Here: “x”"}}
            question = json.dumps({"do": "send", "outbound": outbound}).encode()
            answer = await bus.request(workspace.send_subject("board"), question)
            assert json.loads(answer) == {"sent": "board-c1-2"}
            assert json.loads(board.lines["out"][0]) == {"to": "42", "text": "Here: “x”"}
            message, reported = await _inputs(bus, workspace, 2)
            assert isinstance(message, Message)
            assert message.envelope.native_id == "7"
            assert message.envelope.address == "board:board/42"
            assert isinstance(reported, Reported)
            assert reported.receipt.outbound == "c1-2"
        async with program(server, login, "acme", "site") as thief:
            thief.write(1, "42", "I am another channel")
            await until(lambda: any("Permissions Violation" in line for line in thief.lines["err"]), "it is refused")
            with pytest.raises(NoAnswer):
                await bus.request(workspace.send_subject("site"), b'{"do":"check"}', 1.0)
    finally:
        await bus.close()


async def _inputs(bus: Bus, workspace: Workspace, count: int) -> list[object]:
    found: list[object] = []
    async with asyncio.timeout(30), Reader(bus, workspace.in_stream, start_seq=1) as reader:
        async for batch in reader.batches():
            found += [decode_input("board", stored.payload) for stored in batch]
            if len(found) >= count:
                break
    return found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    board = {"type": "external", "text_limit": 60, "delivered": True, "timeout": "5s"}
    folder = tmp_path_factory.mktemp("board")
    with installed(
        folder, nodes=1, operators=("anna",), parts=PARTS, provider=WebhookProvider().url, channels={"board": board}
    ) as installation:
        yield installation


async def test_a_conversation_goes_through_the_running_broker(running: Installation) -> None:
    desk, bus = running.parts["desk"], running.bus
    login = bus.credentials
    assert isinstance(login, UserPassword)
    async with Operator(lambda: desk.url, "anna", "10.1.0.1", answering=False) as anna:
        await until(lambda: anna.card.get("state") == "available", "anna is available")
        async with program(bus.servers[0], login, WORKSPACE) as board:
            board.write(1, "42", "Where is my parcel?")
            await until(lambda: anna.mine, "anna has the conversation")
            [conversation] = anna.mine
            await until(lambda: anna.said(conversation, "message") == ["Where is my parcel?"], "anna sees it")
            anna.reply(conversation, "It comes tomorrow.")
            await until(lambda: receipts(anna, conversation) == {"It comes tomorrow.": "delivered"}, "it is delivered")
            await until(lambda: board.lines["out"], "it is printed")
            assert [json.loads(line) for line in board.lines["out"]] == [{"to": "42", "text": "It comes tomorrow."}]
        anna.reply(conversation, "In the morning.")  # while nobody serves the channel
        async with program(bus.servers[0], login, WORKSPACE) as board:
            await until(lambda: receipts(anna, conversation).get("In the morning.") == "delivered", "it waits")
            await until(lambda: board.lines["out"], "it is printed")
            assert [json.loads(line)["text"] for line in board.lines["out"]] == ["In the morning."]
        anna.order({"do": "close", "conversation": conversation})
        await until(lambda: not anna.mine, "it is closed")
