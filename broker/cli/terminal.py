"""How the command line speaks: results on standard output, mistakes on standard error."""

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from broker.logs import harmless
from config import ListenAddress

ConfigPath = Annotated[
    Path, typer.Argument(metavar="FILE", help="The workspace's YAML file, or a folder of them.", show_default=True)
]
DataPath = Annotated[Path, typer.Option("--data", help="Folder of the embedded bus.", envvar="TRUNKLINE_DATA")]

DEFAULT_CONFIG = Path("trunkline.yaml")


INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells have it."""


def say(text: str) -> None:
    """Print a result; control characters in it are escaped, for strangers may have written them."""
    sys.stdout.write(harmless(text) + "\n")
    sys.stdout.flush()


def fail(text: str, code: int = 1) -> NoReturn:
    """Print what is wrong and end."""
    sys.stderr.write(harmless(text) + "\n")
    sys.exit(code)


def listen_address(text: str) -> ListenAddress:
    """Read what stands behind ``--listen``, or end."""
    try:
        return ListenAddress.parse(text)
    except ValueError as exc:
        fail(f"--listen {text}: {exc}; expected {ListenAddress.EXPECTED}")
