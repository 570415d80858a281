"""The command line, as a person uses it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from argon2 import PasswordHasher

pytestmark = pytest.mark.timeout(240)  # each command is a process of its own, and the machine may be busy

FILE = """
workspace: acme
channels:
  site: {type: webchat, origins: ["https://shop.example"]}
operators:
  anna: {name: Anna}
routing:
  - name: everything
"""


def trunkline(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  # our own command line
        [sys.executable, "-m", "broker.cli.main", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ, "COLUMNS": "200", "TERM": "dumb"},
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "trunkline.yaml"
    path.write_text(FILE)
    return path


def test_check_of_a_right_file_exits_0_and_says_what_is_in_force(file: Path) -> None:
    done = trunkline("check", file)
    assert done.returncode == 0, done.stderr
    assert "survives a power cut" in done.stdout
    assert "anna has no password_hash" in done.stdout


def test_check_of_a_wrong_file_exits_1_with_every_mistake_on_a_line(file: Path) -> None:
    file.write_text(FILE.replace("origins", "orgins").replace("name: Anna", "nam: Anna"))
    done = trunkline("check", file)
    assert done.returncode == 1
    assert done.stdout == ""
    assert 'did you mean "origins"?' in done.stderr
    assert 'did you mean "name"?' in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_is_not_there_is_said_in_a_sentence(tmp_path: Path) -> None:
    done = trunkline("check", tmp_path / "nothing.yaml")
    assert done.returncode == 1
    assert "nothing.yaml" in done.stderr
    assert "Traceback" not in done.stderr


def test_schemas_are_json_schemas() -> None:
    config = json.loads(trunkline("schema", "config").stdout)
    assert "workspace" in json.dumps(config)
    envelope = json.loads(trunkline("schema", "envelope").stdout)
    assert "native_id" in json.dumps(envelope)


def test_a_hashed_password_is_accepted_by_the_desk_s_verifier() -> None:
    done = trunkline("hash-password", stdin="correct horse\n")
    assert PasswordHasher().verify(done.stdout.strip(), "correct horse")
    assert "correct horse" not in done.stdout + done.stderr


def test_a_short_password_is_not_hashed() -> None:
    done = trunkline("hash-password", stdin="short\n")
    assert done.returncode == 1
    assert "at least 8 characters" in done.stderr


def test_a_command_without_a_running_bus_says_how_to_start_one(file: Path, tmp_path: Path) -> None:
    for command in (("status", file), ("dead", "list", file), ("explain", "c1", file), ("apply", file)):
        done = trunkline(*command, "--data", tmp_path / "data")
        assert done.returncode == 1
        assert "run `trunkline up`" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_part_that_does_not_exist_is_named_with_those_that_do(file: Path, tmp_path: Path) -> None:
    done = trunkline("up", file, "--only", "phone", "--data", tmp_path / "data")
    assert done.returncode == 1
    assert "router, desk, channels, site" in done.stderr


def test_an_address_that_cannot_be_listened_on_is_said(file: Path, tmp_path: Path) -> None:
    done = trunkline("up", file, "--listen", "nowhere", "--data", tmp_path / "data")
    assert done.returncode == 1
    assert "host:port" in done.stderr


def test_check_connect_says_what_is_wrong_with_a_remedy_and_exits_1(file: Path, tmp_path: Path) -> None:
    secret = "a-shared-secret-of-the-command-line"
    hook = f'  hook: {{type: webhook, secrets: ["{secret}"], url: "http://127.0.0.1:1/in"}}\noperators:'
    file.write_text(FILE.replace("operators:", hook))
    done = trunkline("check", file, "--connect", "--data", tmp_path / "data")
    assert done.returncode == 1
    assert "hook (webhook)\n  BAD  the receiver does not answer" in done.stdout
    assert "->" in done.stdout
    assert "site (webchat)\n  ok" in done.stdout
    assert secret not in done.stdout + done.stderr


def test_check_of_one_channel_looks_at_no_other(file: Path, tmp_path: Path) -> None:
    done = trunkline("check", file, "--connect", "--only", "site", "--data", tmp_path / "data")
    assert done.returncode == 0, done.stderr
    assert "general" not in done.stdout
    done = trunkline("check", file, "--only", "sitte")
    assert done.returncode == 1
    assert 'did you mean "site"?' in done.stderr


def test_channels_lists_what_is_installed() -> None:
    done = trunkline("channels")
    assert done.returncode == 0, done.stderr
    assert {"webchat", "webhook"} <= {line.split()[0] for line in done.stdout.splitlines()}
