"""The example packages, installed as a stranger would, into a folder of their own."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def run() -> Run:
    """Run a module of this environment in a folder, with more packages on the path."""

    def run(*arguments: str | Path, folder: Path, paths: Sequence[Path] = ()) -> subprocess.CompletedProcess[str]:
        found = os.pathsep.join(map(str, paths))
        return subprocess.run(  # noqa: S603  # our own command line
            [sys.executable, "-m", *map(str, arguments)],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
            env={**os.environ, "PYTHONPATH": found, "MYPYPATH": found, "COLUMNS": "200", "TERM": "dumb"},
        )

    return run


@pytest.fixture(scope="session")
def irc(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with examples/trunkline-irc as it is installed, entry point and all."""
    return install(run, EXAMPLES / "trunkline-irc", tmp_path_factory.mktemp("irc"))


def install(run: Run, package: Path, target: Path) -> Path:
    """Install a package into a folder."""
    flags = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--target")
    done = run("uv", "pip", "install", *flags, target, package, folder=target)
    assert done.returncode == 0, done.stderr
    return target


@contextmanager
def on_path(target: Path) -> Iterator[None]:
    """Let the processes of an installation find what was installed."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(target)
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
