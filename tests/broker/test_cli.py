"""The command line, as a person uses it."""

import json
import os
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from broker.bus.settings import UserPassword
from broker.cli.session import run_session
from broker.place import publish_connection
from tests.fixtures.nats import Servers

pytestmark = pytest.mark.timeout(300)  # each command is a process of its own, and the machine may be busy

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


def test_a_bus_that_has_been_stopped_is_told_from_one_that_never_ran(file: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound and never listening: whoever connects is refused
        taken.bind(("127.0.0.1", 0))
        publish_connection(tmp_path, f"nats://127.0.0.1:{taken.getsockname()[1]}", UserPassword("u", "p"))
        done = trunkline("status", file, "--data", tmp_path)
    assert done.returncode == 1
    assert f"the embedded bus of {tmp_path} does not run any more: run `trunkline up`" in done.stderr


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


def test_a_bus_without_the_workspace_is_said_in_a_sentence(file: Path, tmp_path: Path, nats_server: Servers) -> None:
    (url,), login = nats_server.settings.servers, nats_server.settings.credentials
    assert isinstance(login, UserPassword)
    nats = f'nats: {{servers: ["{url}"], user: {login.user}, password: "{login.password}", replicas: 1}}\n'
    file.write_text(f"{FILE.replace('acme', 'never-started')}{nats}")
    for command in (("status",), ("tail",), ("dead", "list"), ("backup", tmp_path / "backup")):
        done = trunkline(*command, file)
        assert (done.returncode, done.stdout) == (1, "")
        assert "there is no workspace never-started on this bus" in done.stderr
        assert "Traceback" not in done.stderr


def test_words_that_an_option_does_not_know_are_refused_with_those_that_it_does(file: Path, tmp_path: Path) -> None:
    done = trunkline("up", file, "--log-level", "loud", "--data", tmp_path / "data")
    assert done.returncode == 2
    assert "'debug', 'info', 'warning', 'error'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_password_that_is_no_text_is_not_hashed() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "broker.cli.main", "hash-password"],
        input=b"\xff\xfe long enough\n",
        capture_output=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"the password is not text in UTF-8; nothing was hashed\n"


def test_the_release_is_told() -> None:
    done = trunkline("--version")
    assert (done.returncode, done.stdout) == (0, f"trunkline {version('trunkline')}\n")


def test_check_tells_who_cannot_sign_in_and_what_nobody_can_answer(file: Path) -> None:
    rule = "  - {name: invoices, when: {text: [invoice]}, need: {skills: {bilingg: 4, tech: 2}}}\n  - name: everything"
    file.write_text(FILE.replace("  - name: everything", rule).replace("name: Anna", "name: Anna, skills: {tech: 2}"))
    done = trunkline("check", file)
    assert done.returncode == 0, done.stderr
    assert 'rule "invoices" needs bilingg 4, and no operator has that' in done.stdout


async def _interrupted() -> None:
    raise KeyboardInterrupt


def test_ctrl_c_is_no_result_and_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever asked for a backup, or for a dead letter, is not told that all is well, or that there is none."""
    with pytest.raises(SystemExit) as ended:
        run_session(_interrupted())
    assert ended.value.code == 130
    assert capsys.readouterr().err == "broken off by Ctrl-C\n"


def test_ctrl_c_is_the_right_end_of_what_is_endless() -> None:
    with pytest.raises(SystemExit) as ended:
        run_session(_interrupted(), endless=True)
    assert ended.value.code == 0
