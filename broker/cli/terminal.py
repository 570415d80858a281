"""How the command line speaks: results on standard output, mistakes on standard error."""

import re
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

ConfigPath = Annotated[
    Path, typer.Argument(metavar="FILE", help="The workspace's YAML file, or a folder of them.", show_default=True)
]
DataPath = Annotated[Path, typer.Option("--data", help="Folder of the embedded bus.", envvar="TRUNKLINE_DATA")]

DEFAULT_CONFIG = Path("trunkline.yaml")
_ORDERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Characters that a terminal obeys instead of showing them, and those that turn a line around."""


def say(text: str) -> None:
    """Print a result; what strangers wrote in it is shown, and has no power over the terminal."""
    sys.stdout.write(_harmless(text) + "\n")
    sys.stdout.flush()


def fail(text: str, code: int = 1) -> NoReturn:
    """Print what is wrong and end."""
    sys.stderr.write(_harmless(text) + "\n")
    sys.exit(code)


def _harmless(text: str) -> str:
    return _ORDERS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
