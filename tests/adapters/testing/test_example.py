"""The worked example of docs/adapters.md, run as a stranger would run it."""

import subprocess
import sys
from pathlib import Path

SETTINGS = '[tool.pytest.ini_options]\nasyncio_mode = "auto"\nasyncio_default_fixture_loop_scope = "function"\n'


def test_the_example_of_the_page_passes_its_proof(example: Path) -> None:
    (example / "pyproject.toml").write_text(SETTINGS)
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "test_pigeon.py"],
        cwd=example,
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert " passed" in found.stdout


def test_the_example_is_formatted_as_the_project_is(example: Path) -> None:
    command = [sys.executable, "-m", "ruff", "format", "--diff", "--line-length", "120", "."]
    found = subprocess.run(command, cwd=example, capture_output=True, text=True, check=False, timeout=150)  # noqa: S603  # our own files
    assert found.returncode == 0, found.stdout + found.stderr
