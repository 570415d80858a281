"""``trunkline check`` and ``trunkline schema``: the file, before anything runs."""

import asyncio
import os
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from adapters.registry import BUILT_IN, adapter_types, settings_types
from broker.cli.terminal import DEFAULT_CONFIG, ConfigPath, DataPath, fail, say
from broker.logs import Scrubber, configure_logs
from broker.monitoring.doctor import examine
from broker.place import DEFAULT_DATA
from broker.settings.compile import propose
from broker.settings.source import Source, read_source
from broker.settings.workspace import WorkspaceSettings, secrets_in, settings_type
from config import json_schema, reference
from config.problems import nearest
from normalizer.codec import envelope_schema

Connect = Annotated[
    bool, typer.Option("--connect", help="Also look whether providers, bus and address are there and let us in.")
]
OnlyChannels = Annotated[list[str], typer.Option("--only", help="With --connect: this channel alone; repeatable.")]


def check(
    file: ConfigPath = DEFAULT_CONFIG,
    data: DataPath = DEFAULT_DATA,
    connect: Connect = False,  # noqa: FBT002 - typer's way to say a flag
    only: OnlyChannels = [],  # noqa: B006 - typer copies it
) -> None:
    """Check the file and say every mistake at once; exit 0 when it is right, 1 when it is not."""
    source = read_source(file, os.environ)
    settings = source.settings
    if unknown := [name for name in only if name not in settings.channels]:
        fail(f'there is no channel "{unknown[0]}"; {nearest(unknown[0], list(settings.channels))}')
    if connect or only:
        _connect(source, data, only)
        return
    rules = propose(settings)
    say(f"{file}: right. Workspace {settings.workspace}, rules {rules.hash[:12]}.")
    say(f"  {len(settings.channels)} channels: {', '.join(settings.channels)}")
    say(f"  {len(settings.operators)} operators, {len(settings.routing)} routing rules")
    say(f"  durability {settings.durability}: {_DURABILITY[settings.durability.value]}")
    for doubt in doubts(settings):
        say(f"  {doubt}")


def doubts(settings: WorkspaceSettings) -> Iterator[str]:
    """Say what may stand so in a file, and is hardly ever meant: who cannot sign in, and what nobody can answer."""
    for name, operator in settings.operators.items():
        if operator.password_hash is None:
            yield f"operator {name} has no password_hash and cannot sign in"
    for route in settings.routing:
        for need in (route.need, *route.relax):
            skills = {skill: level for skill, level in need.skills.items() if not _known(settings, skill, level)}
            if skills:
                wanted = ", ".join(f"{skill} {level}" for skill, level in skills.items())
                yield f'rule "{route.name}" needs {wanted}, and no operator has that'


def _known(settings: WorkspaceSettings, skill: str, level: int) -> bool:
    return any(operator.skills.get(skill, 0) >= level for operator in settings.operators.values())


def _connect(source: Source, data: Path, only: list[str]) -> None:
    """Print what the doctor finds; exit 1 where something is wrong."""
    scrubber = Scrubber()
    scrubber.add(secrets_in(source.settings))
    configure_logs(scrubber, level="error")
    wrong = 0
    for report in asyncio.run(examine(source, data, only=only)):
        say(report.name)
        for finding in report.findings:
            say(scrubber.clean(f"  {'ok ' if finding.ok else 'BAD'}  {finding.what}"))
            if not finding.ok:
                wrong += 1
                say(scrubber.clean(f"       -> {finding.remedy}"))
    if wrong:
        fail(f"{wrong} things are wrong" if wrong > 1 else "one thing is wrong")


_DURABILITY = {
    "power": "what was accepted survives a power cut of this machine",
    "process": "what was accepted survives the end of any process; a power cut may take the last two seconds",
}


class SchemaName(StrEnum):
    """What has a schema."""

    CONFIG = "config"
    ENVELOPE = "envelope"
    REFERENCE = "reference"


def schema(
    name: Annotated[SchemaName, typer.Argument(help="`config`, `envelope`, or the `reference` as text.")],
) -> None:
    """Print the JSON Schema of the file (for editors) or of the envelope (for adapters), or the reference."""
    if name is SchemaName.REFERENCE:
        sys.stdout.write(config_reference())
        return
    document = (
        json_schema(settings_type(settings_types(adapter_types()))) if name is SchemaName.CONFIG else envelope_schema()
    )
    say(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())


def config_reference(*, plugins: bool = True) -> str:
    """Give the configuration reference as Markdown, made from the settings structs of all channels, or of ours."""
    types = adapter_types() if plugins else adapter_types(BUILT_IN)
    return reference(settings_type(settings_types(types)), title="Configuration reference")
