"""``trunkline new-adapter``: what it writes works, is typed, is proven, and can be installed."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from broker.cli.new_adapter import name_fault

LONGEST = "abcdefghijklmnopqrst"


def run(*arguments: str | Path, folder: Path, paths: Sequence[Path] = ()) -> subprocess.CompletedProcess[str]:
    found = os.pathsep.join(map(str, paths))
    return subprocess.run(  # noqa: S603  # our own command line
        [sys.executable, "-m", *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ, "PYTHONPATH": found, "MYPYPATH": found, "COLUMNS": "200", "TERM": "dumb"},
    )


def write(name: str, into: Path) -> Path:
    done = run("broker.cli.main", "new-adapter", name, "--into", into, folder=into)
    assert done.returncode == 0, done.stderr
    return into / f"trunkline-{name}"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write("pigeon", tmp_path_factory.mktemp("new"))


@pytest.fixture(scope="module")
def installed(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package as it is installed, entry points and all."""
    target = tmp_path_factory.mktemp("installed")
    flags = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--target")
    done = run("uv", "pip", "install", *flags, target, package, folder=package)
    assert done.returncode == 0, done.stderr
    return target


@pytest.mark.timeout(300)
def test_its_tests_pass_at_once(package: Path, installed: Path) -> None:
    done = run("pytest", "-q", "-p", "no:cacheprovider", folder=package, paths=[installed])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout


@pytest.mark.timeout(300)
def test_it_is_typed_to_the_last_line(package: Path) -> None:
    done = run("mypy", "--strict", "--cache-dir", os.devnull, "src", "tests", folder=package)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["ab", "pigeon", LONGEST])
def test_the_linter_finds_nothing_whatever_its_name(name: str, tmp_path: Path) -> None:
    done = run("ruff", "check", "--no-cache", folder=write(name, tmp_path))
    assert done.returncode == 0, done.stdout


def test_it_is_formatted(package: Path) -> None:
    done = run("ruff", "format", "--no-cache", "--diff", folder=package)
    assert done.returncode == 0, done.stdout


def test_once_installed_it_is_a_channel_of_the_yaml_with_a_simulator(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "trunkline.yaml").write_text(
        "workspace: acme\n"
        "channels:\n  post: {type: pigeon, url: 'https://pigeons.example', token: a-token}\n"
        "operators:\n  anna: {name: Anna}\n"
        "routing:\n  - name: everything\n"
    )
    done = run("broker.cli.main", "check", folder=tmp_path, paths=[installed])
    assert done.returncode == 0, done.stderr
    assert "1 channels: post" in done.stdout
    assert "pigeon" in run("broker.cli.main", "fake", "nobody", folder=tmp_path, paths=[installed]).stderr


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("Pigeon", "lower-case"),
        ("a", "2 to 20"),
        ("9lives", "a letter first"),
        ("pigeon-post", "lower-case"),
        ("../evil", "lower-case"),
        (LONGEST + "u", "2 to 20"),
        ("lambda", "a word of Python"),
        ("telegram", "Trunkline brings a channel telegram itself"),
    ],
)
def test_a_name_that_cannot_be_is_explained(name: str, remedy: str) -> None:
    assert remedy in name_fault(name)


def test_the_name_of_an_installed_channel_is_taken(installed: Path, tmp_path: Path) -> None:
    done = run("broker.cli.main", "new-adapter", "pigeon", folder=tmp_path, paths=[installed])
    assert done.returncode == 1
    assert "an installed package brings a channel pigeon already" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_nothing_that_exists_is_overwritten(tmp_path: Path) -> None:
    file = write("pigeon", tmp_path) / "README.md"
    file.write_text("mine")
    done = run("broker.cli.main", "new-adapter", "pigeon", "--into", tmp_path, folder=tmp_path)
    assert done.returncode == 1
    assert "is there already" in done.stderr
    assert file.read_text() == "mine"
