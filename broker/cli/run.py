"""``trunkline up`` and ``trunkline demo``: start, say where to go, run until Ctrl-C."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from msgspec.structs import replace

from broker.cli.files import read_settings
from broker.cli.terminal import DEFAULT_CONFIG, ConfigPath, DataPath, fail, say
from broker.logs import Scrubber, configure_logs
from broker.node import Node
from broker.place import DEFAULT_DATA
from broker.up import ROUTER, Plan, run
from broker.workspace import WorkspaceSettings, channel_type, secrets_in
from config import ListenAddress

DEMO_PASSWORD = "trunkline-demo"  # noqa: S105 - everybody may know it: the demo listens on loopback only


class LogFormat(StrEnum):
    """How log lines look."""

    CONSOLE = "console"
    JSON = "json"


Only = Annotated[
    list[str], typer.Option("--only", help="Run this part alone: router, desk, or a channel's name; repeatable.")
]
Listen = Annotated[str, typer.Option("--listen", help="Listen here instead of `http.listen`, as in 127.0.0.1:8081.")]
Format = Annotated[LogFormat, typer.Option("--log-format", help="`console` for people, `json` for machines.")]
LogLevel = Annotated[str, typer.Option("--log-level", help="debug, info, warning or error.")]


def up(  # noqa: PLR0913, PLR0917 - one argument for each option
    file: ConfigPath = DEFAULT_CONFIG,
    data: DataPath = DEFAULT_DATA,
    only: Only = [],  # noqa: B006 - typer copies it
    listen: Listen = "",
    log_format: Format = LogFormat.CONSOLE,
    log_level: LogLevel = "info",
) -> None:
    """Run the workspace: bus, router, channels and desk, or only some of it."""
    settings = read_settings(file)
    known = (ROUTER, "desk", *settings.channels)
    for part in only:
        if part not in known:
            fail(f'there is no part "{part}" to run; known: {", ".join(known)}')
    if listen:
        settings = _listening(settings, listen)
    _run(_plan(file, settings, data, (log_format, log_level), only), _ready)


def demo(data: DataPath = DEFAULT_DATA, listen: Listen = "") -> None:
    """Run a small shop with a chat and a desk, to see how it feels. No account, no network."""
    with as_file(files("broker.demo") / "demo.yaml") as file:
        settings = read_settings(file)
        if listen:
            settings = _listening(settings, listen)
        plan = _plan(file, settings, data, (LogFormat.CONSOLE, "warning"))
        say("Starting Trunkline ...")
        _run(plan, _welcome)


def _plan(
    file: Path, settings: WorkspaceSettings, data: Path, logs: tuple[LogFormat, str], only: Sequence[str] = ()
) -> Plan:
    """Set up the logs, and give the plan that hands the same on to child processes."""
    format_, level = logs
    scrubber = Scrubber()
    scrubber.add(secrets_in(settings))
    configure_logs(scrubber, format_=format_.value, level=level)
    options = ("--log-format", format_.value, "--log-level", level)
    return Plan(file=file, settings=settings, data=data, scrubber=scrubber, only=tuple(only), log_options=options)


def _listening(settings: WorkspaceSettings, listen: str) -> WorkspaceSettings:
    """Give the settings with another address to listen on."""
    try:
        address = ListenAddress.parse(listen)
    except ValueError as exc:
        fail(f"--listen {listen}: {exc}; expected {ListenAddress.EXPECTED}")
    return replace(settings, http=replace(settings.http, listen=address))


def _run(plan: Plan, started: Callable[[Node], None]) -> None:
    uvloop.run(run(plan, started))


def _ready(node: Node) -> None:
    say(f"Trunkline is up: {node.public_url}/desk/ (Ctrl-C stops it)")


def _welcome(node: Node) -> None:
    shop = next(name for name, channel in node.settings.channels.items() if channel_type(channel) == "webchat")
    who = next(iter(node.settings.operators))
    say(f"""
  The shop, with a chat:   {node.public_url}/channels/{shop}/demo
  The desk:                {node.public_url}/desk/
      sign in as           {who}
      password             {DEMO_PASSWORD}

  Everything stays in the data folder, so the next start goes on where this one ended.
  Ctrl-C stops it.
""")
