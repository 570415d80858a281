"""``trunkline new-adapter``: a separate package with a channel that works and is proven, to be made one's own."""

import keyword
import re
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from adapters.registry import BUILT_IN, DISTRIBUTION, adapter_names
from broker.cli.terminal import fail, say
from broker.scaffold import filled

_NAME = re.compile(r"[a-z][a-z0-9]{1,19}")

Name = Annotated[str, typer.Argument(help="The word behind `type:`, such as pigeon: lower-case letters and digits.")]
Into = Annotated[Path, typer.Option("--into", help="The folder in which trunkline-NAME is made.")]


def new_adapter(name: Name, into: Into = Path()) -> None:
    """Write the package of a new channel; its tests pass at once."""
    if fault := name_fault(name):
        fail(fault)
    folder = into / f"{DISTRIBUTION}-{name}"
    if folder.exists():
        fail(f"{folder} is there already: choose another name, or another folder with --into")
    words = {"name": name, "Name": name.capitalize(), "version": version(DISTRIBUTION)}
    for path, text in filled(words).items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    say(
        f"{folder} has a channel of the type {name}, with a simulator of its provider and its tests. Now:\n\n"
        f"  cd {folder}\n  pip install -e '.[test]'\n  pytest\n\n"
        f"What to change, in which order, stands in its README.md."
    )


def name_fault(name: str) -> str:
    """Say why a channel cannot be named so; empty: it can."""
    if not _NAME.fullmatch(name):
        return f'"{name}" cannot name a channel: write 2 to 20 lower-case letters and digits, a letter first'
    if keyword.iskeyword(name):
        return f'"{name}" is a word of Python: choose another name'
    if name in BUILT_IN:
        return f"Trunkline brings a channel {name} itself: choose another name"
    if name in adapter_names():
        return f"an installed package brings a channel {name} already: choose another name, or uninstall that package"
    return ""
