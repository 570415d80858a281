"""``trunkline up`` and ``trunkline demo``: start, say where to go, run until Ctrl-C."""

import os
from collections.abc import Callable
from enum import StrEnum
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from msgspec.structs import replace

from broker.cli.terminal import DEFAULT_CONFIG, ConfigPath, DataPath, fail, listen_address, say
from broker.logs import Scrubber, configure_logs
from broker.node import Node
from broker.place import DEFAULT_DATA
from broker.settings.source import Source, read_source
from broker.settings.workspace import PARTS, channel_type, secrets_in
from broker.up import Plan, run

DEMO_PASSWORD = "trunkline-demo"  # noqa: S105 - everybody may know it: the demo listens on loopback only


class LogFormat(StrEnum):
    """How log lines look."""

    CONSOLE = "console"
    JSON = "json"


class LogLevel(StrEnum):
    """The least severe level that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


Only = Annotated[
    list[str],
    typer.Option(
        "--only",
        help="Run this part alone: router, desk, a channel's name, or `channels`, which is all of them; repeatable.",
    ),
]
Watch = Annotated[
    bool, typer.Option("--watch", help="The file is the truth: put it in force now and whenever it changes.")
]
Listen = Annotated[str, typer.Option("--listen", help="Listen here instead of `http.listen`, as in 127.0.0.1:8081.")]
Format = Annotated[LogFormat, typer.Option("--log-format", help="`console` for people, `json` for machines.")]
Level = Annotated[LogLevel, typer.Option("--log-level", help="The least severe level that is logged.")]


def up(  # noqa: PLR0913, PLR0917 - one argument for each option
    file: ConfigPath = DEFAULT_CONFIG,
    data: DataPath = DEFAULT_DATA,
    only: Only = [],  # noqa: B006 - typer copies it
    listen: Listen = "",
    watch: Watch = False,  # noqa: FBT002 - typer's way to say a flag
    log_format: Format = LogFormat.CONSOLE,
    log_level: Level = LogLevel.INFO,
) -> None:
    """Run the workspace: bus, router, channels and desk, or only some of it."""
    source = read_source(file, os.environ)
    known = (*PARTS, *source.settings.channels)
    for part in only:
        if part not in known:
            fail(f'there is no part "{part}" to run; known: {", ".join(known)}')
    plan = _plan(file, _listening(source, listen), data, log_format, log_level)
    _run(replace(plan, only=tuple(only), watch=watch, listens=bool(listen)), _ready)


def demo(data: DataPath = DEFAULT_DATA, listen: Listen = "") -> None:
    """Run a small shop with a chat and a desk, to see how it feels. No account, no network."""
    with as_file(files("broker.demo") / "demo.yaml") as file:
        source = _listening(read_source(file, os.environ), listen)
        plan = _plan(file, source, data, LogFormat.CONSOLE, LogLevel.WARNING)
        say("Starting Trunkline ...")
        _run(plan, _welcome)


def _plan(file: Path, source: Source, data: Path, log_format: LogFormat, log_level: LogLevel) -> Plan:
    """Set up the logs, and give the plan that hands the same on to child processes."""
    scrubber = Scrubber()
    scrubber.add(secrets_in(source.settings))
    configure_logs(scrubber, format_=log_format.value, level=log_level.value)
    return Plan(
        file=file,
        source=source,
        data=data,
        scrubber=scrubber,
        log_format=log_format.value,
        log_level=log_level.value,
    )


def _listening(source: Source, listen: str) -> Source:
    """Give the same with another address to listen on, where one is named."""
    if not listen:
        return source
    settings = source.settings
    return replace(source, settings=replace(settings, http=replace(settings.http, listen=listen_address(listen))))


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
