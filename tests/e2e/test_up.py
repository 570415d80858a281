"""`trunkline up` on one machine: everything in one command, and a file that is the truth."""

import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from broker.bus.server import free_port
from tests.e2e.installation import ORIGIN, PASSWORD_HASH, Part, until

SECRET = "a-shared-secret-of-the-watched-file"
SETTINGS: dict[str, Any] = {
    "workspace": "alone",
    "durability": "process",
    "channels": {"site": {"type": "webchat", "origins": [ORIGIN]}},
    "operators": {"anna": {"name": "Anna", "password_hash": PASSWORD_HASH}},
    "routing": [{"name": "everything"}],
}

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "trunkline.yaml"
    path.write_text(json.dumps(SETTINGS))
    return path


@pytest.fixture
def part(file: Path, tmp_path: Path) -> Iterator[Part]:
    port = free_port()
    places = ("--data", str(tmp_path / "data"), "--listen", f"127.0.0.1:{port}", "--log-format", "json")
    command = ("-m", "broker.cli.main", "up", str(file), "--watch", *places)
    part = Part("up", command, tmp_path / "up.log", port)
    part.start()
    try:
        until(lambda: b"Trunkline is up" in part.log.read_bytes(), "it is up")
        yield part
    finally:
        part.stop()


def status(part: Part, path: str, data: bytes | None = None) -> int:
    try:
        with urllib.request.urlopen(f"{part.url}{path}", data, timeout=60) as answer:  # noqa: S310 - loopback
            found: int = answer.status
            return found
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def alarms(part: Part) -> list[str]:
    """The alarms that a monitor reads."""
    try:
        with urllib.request.urlopen(f"{part.url}/readyz", timeout=60) as answer:  # noqa: S310 - loopback
            body = json.load(answer)
    except urllib.error.HTTPError as error:
        body = json.load(error)
        error.close()
    return [alarm["name"] for alarm in body["alarms"]]


def router_of(part: Part) -> int | None:
    """The router's process, found by its command line."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
            parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        if b"broker.routing.child" in command and parent == str(part.pid):
            return int(entry.name)
    return None


def test_a_watched_file_is_followed_and_one_with_mistakes_hurts_nobody(file: Path, part: Part) -> None:
    until(lambda: status(part, "/readyz") == 200, "it is ready")
    wrong = json.loads(json.dumps(SETTINGS))
    wrong["channels"]["orders"] = {"type": "webhok", "secrets": [SECRET]}
    file.write_text(json.dumps(wrong))
    until(lambda: "file_wrong" in alarms(part), "the mistake is an alarm")
    before = until(lambda: router_of(part), "there is a router")
    os.kill(before, signal.SIGKILL)  # whoever comes back must not read the broken file
    until(lambda: router_of(part) not in (None, before), "another router is there")
    until(lambda: status(part, "/readyz") == 200, "it is ready again")
    assert status(part, "/channels/orders/messages", b"{}") == 404
    right = json.loads(json.dumps(SETTINGS))
    right["channels"]["orders"] = {"type": "webhook", "secrets": [SECRET]}
    file.write_text(json.dumps(right))
    until(lambda: status(part, "/channels/orders/messages", b"{}") == 401, "the new channel is there")
    until(lambda: "file_wrong" not in alarms(part), "the mistake is over")
    assert SECRET not in part.log.read_text()
