"""``trunkline check`` and ``trunkline schema``: the file, before anything runs."""

import os
import sys
from enum import StrEnum
from typing import Annotated

import msgspec
import typer

from adapters.registry import adapter_types, settings_types
from broker.cli.terminal import DEFAULT_CONFIG, ConfigPath, say
from broker.compile import propose
from broker.source import read_source
from broker.workspace import settings_type
from config import json_schema, reference
from normalizer.codec import envelope_schema


def check(file: ConfigPath = DEFAULT_CONFIG) -> None:
    """Check the file and say every mistake at once; exit 0 when it is right, 1 when it is not."""
    settings = read_source(file, os.environ).settings
    rules = propose(settings)
    say(f"{file}: right. Workspace {settings.workspace}, rules {rules.hash[:12]}.")
    say(f"  {len(settings.channels)} channels: {', '.join(settings.channels)}")
    say(f"  {len(settings.operators)} operators, {len(settings.routing)} routing rules")
    say(f"  durability {settings.durability}: {_DURABILITY[settings.durability.value]}")
    for name in (name for name, operator in settings.operators.items() if operator.password_hash is None):
        say(f"  operator {name} has no password_hash and cannot sign in")


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


def config_reference() -> str:
    """Give the configuration reference as Markdown, made from the settings structs."""
    return reference(settings_type(settings_types(adapter_types())), title="Configuration reference")
