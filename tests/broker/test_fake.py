"""``trunkline fake``, run as a person runs it."""

import json
import socket
import subprocess
import sys
import urllib.request
from itertools import takewhile
from pathlib import Path

import pytest

from adapters.testing.simulator import FaultOrder
from adapters.testing.simulators import SIMULATORS
from broker.bus.server import free_port
from broker.cli.fake import read_fault
from broker.settings.source import read_source

AROUND = """
workspace: demo
operators:
  anna: {name: Anna}
routing:
  - {name: everything, need: {}}
"""


@pytest.mark.parametrize("name", SIMULATORS)
def test_a_simulator_runs_by_itself_and_the_yaml_that_it_prints_is_right(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "broker.cli.main", "fake", name, "--listen", f"127.0.0.1:{free_port()}"]
    with subprocess.Popen(  # noqa: S603  # our own command
        [*command, "--fault", "429:7"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            lines = list(takewhile(lambda line: line != "Ctrl-C ends it.\n", process.stdout))
            url = lines[0].split()[5].rstrip(".")
            with urllib.request.urlopen(f"{url}/_control/requests", timeout=60) as answer:  # noqa: S310  # our own
                assert json.load(answer) == []
        finally:
            process.terminate()
        assert process.wait(60) == 0
    text = "".join(lines)
    yaml = text[text.index("channels:") : text.index("A customer writes")]
    file = tmp_path / "trunkline.yaml"
    file.write_text(AROUND + yaml)
    settings = read_source(file, {}).settings
    assert len(settings.channels) == 1


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("503", FaultOrder(status=503)),
        ("429:7", FaultOrder(status=429, retry_after=7)),
        ("hang*3", FaultOrder(hang=True, times=3)),
        ("cut", FaultOrder(cut=True)),
        ("lost", FaultOrder(cut=True, after=True)),
        ('{"status": 400, "on": "^GET"}', FaultOrder(status=400, on="^GET")),
    ],
)
def test_a_fault_is_written_in_a_word(text: str, order: FaultOrder) -> None:
    assert read_fault(text) == order


@pytest.mark.parametrize("text", ["", "99", "soon", "429:", "cut*0", '{"stat": 1}'])
def test_a_fault_that_is_none_is_explained(text: str) -> None:
    with pytest.raises(ValueError, match=r"fault|stat"):
        read_fault(text)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--listen", "99"], "--listen 99: "),
        (["--fault", "sometimes"], "--fault sometimes: "),
        (["--fault", '{"bogus": 1}'], '--fault {"bogus": 1}: '),
    ],
)
def test_an_option_that_is_not_understood_is_named(options: list[str], said: str) -> None:
    done = run_to_end(*options)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(said)


def test_an_address_in_use_is_said_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run_to_end("--listen", f"127.0.0.1:{taken.getsockname()[1]}")
    assert done.returncode == 1
    assert "name another address with --listen" in done.stderr
    assert "Traceback" not in done.stderr


def run_to_end(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "broker.cli.main", "fake", "webhook", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603  # our own
