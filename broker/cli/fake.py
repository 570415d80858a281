"""``trunkline fake``: the simulator of a provider, to try a channel without an account at the real one."""

import asyncio
import re
import signal
import sys
from typing import Annotated

import msgspec
import typer

from adapters.testing.simulator import CONTROL, FaultOrder, Said, Simulator
from adapters.testing.simulators import NoSimulator, make_simulator, simulator_names
from adapters.testing.steps import Request
from broker.cli.terminal import fail, listen_address, say
from config import ListenAddress

LONGEST_BODY = 160
SHORT_FAULT = re.compile(
    r"(?:(?P<status>[2-5][0-9]{2})(?::(?P<pause>[0-9]{1,6}))?|(?P<word>hang|cut|lost))(?:\*(?P<times>[1-9][0-9]{0,3}))?"
)

Name = Annotated[str, typer.Argument(help=f"Which provider: {', '.join(simulator_names())}.")]
Listen = Annotated[str, typer.Option("--listen", help="Where to listen, as in 127.0.0.1:8085.")]
Fault = Annotated[
    list[str],
    typer.Option(
        "--fault",
        help="What happens to the next message: a status (503), a status and a pause in seconds (429:7), hang, cut, or "
        "lost (sent, and the answer is lost); *3 behind it for three of them. Or JSON, as /_control/fault takes it. "
        "Repeatable, in this order.",
    ),
]
Trunkline = Annotated[
    str, typer.Option("--trunkline", help="Where Trunkline listens, for providers that post to it by themselves.")
]


def fake(
    name: Name,
    listen: Listen = "127.0.0.1:8085",
    fault: Fault = [],  # noqa: B006 - typer copies it
    trunkline: Trunkline = "http://127.0.0.1:8080",
) -> None:
    """Run the simulator of a provider: paste the YAML that it prints, and chat without any account."""
    try:
        orders = [read_fault(text) for text in fault]
    except ValueError as exc:
        fail(str(exc))
    asyncio.run(_serve(name, listen_address(listen), orders, trunkline.rstrip("/")))


def read_fault(text: str) -> FaultOrder:
    """Read a fault as ``--fault`` takes it. Raises ValueError."""
    if text.startswith("{"):
        try:
            return msgspec.json.decode(text, type=FaultOrder)
        except msgspec.MsgspecError as exc:
            raise ValueError(f"--fault {text}: {exc}") from exc
    found = SHORT_FAULT.fullmatch(text)
    if found is None:
        raise ValueError(f"--fault {text}: write a status such as 503 or 429:7, hang, cut, lost, or JSON; *3 for three")
    word, pause = found["word"], found["pause"]
    return FaultOrder(
        status=int(found["status"] or 500),
        retry_after=int(pause) if pause else None,
        hang=word == "hang",
        cut=word in ("cut", "lost"),
        after=word == "lost",
        times=int(found["times"] or 1),
    )


async def _serve(name: str, address: ListenAddress, orders: list[FaultOrder], trunkline: str) -> None:
    try:
        simulator = make_simulator(name)
    except NoSimulator as exc:
        fail(str(exc))
    simulator.trunkline = trunkline
    simulator.on_request = Screen(simulator).tell
    for order in orders:
        simulator.order(order)
    try:
        await simulator.start(address.host, address.port)
    except OSError as exc:
        fail(f"cannot listen on {address} ({exc.strerror}): name another address with --listen")
    say(introduction(simulator))
    await _until_stopped(simulator)
    await simulator.go_down()


def introduction(simulator: Simulator) -> str:
    """Give what a person needs to know at first."""
    yaml = "".join(f"  {line}\n" for line in simulator.settings(simulator.url).splitlines())
    control = simulator.url + CONTROL
    return (
        f"The {simulator.name} simulator listens on {simulator.url}. A channel that talks to it:\n\n"
        f"channels:\n{yaml}\n"
        f'A customer writes:   type a line here, or   curl -d \'{{"text": "Hello"}}\' {control}/say\n'
        f'Something fails:     curl -d \'{{"status": 429, "retry_after": 7}}\' {control}/fault\n'
        f"What came:           curl {control}/requests\n\n"
        "Ctrl-C ends it."
    )


async def _until_stopped(simulator: Simulator) -> None:
    """Let a person speak for a customer until Ctrl-C."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    lines: asyncio.Queue[str] = asyncio.Queue()
    if sys.stdin.isatty():
        loop.add_reader(sys.stdin, lambda: lines.put_nowait(sys.stdin.readline()))
    speaking = asyncio.create_task(_speak(simulator, lines))
    await stop.wait()
    loop.remove_reader(sys.stdin)
    speaking.cancel()
    await asyncio.wait([speaking])


async def _speak(simulator: Simulator, lines: asyncio.Queue[str]) -> None:
    while line := await lines.get():
        try:
            if line.strip():
                await simulator.say(Said(text=line.strip()))
        except ValueError as exc:
            say(f"not said: {exc}")


class Screen:
    """Prints each request on a line, and below it what customers got by it."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._printed = 0

    def tell(self, request: Request, status: int) -> None:
        """Print a request that was answered with ``status``."""
        body = request.body.decode("utf-8", "backslashreplace")
        if len(body) > LONGEST_BODY:
            body = f"{body[:LONGEST_BODY]}... ({len(request.body):,} bytes)"
        say(" ".join(f"{request.method} {request.path} -> {status}  {body}".split("\n")).rstrip())
        for shown in self._simulator.shown[self._printed :]:
            buttons = "".join(f" ({label})" for label in shown.buttons)
            files = "".join(f" [{type_}, {size:,} bytes]" for type_, size in shown.files)
            say(f"  {shown.to} sees: {shown.text}{buttons}{files}")
        self._printed = len(self._simulator.shown)
