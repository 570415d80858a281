"""Rules and dashboard ask only for what is exported, and every alarm has a rule and a page of the handbook."""

import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.monitoring.alarms import NAMES
from tests.deploy.cluster import DEPLOY
from tests.e2e.installation import installed

ROOT = DEPLOY.parent
RULES = DEPLOY / "prometheus" / "trunkline.rules.yaml"
DASHBOARD = DEPLOY / "grafana" / "trunkline.json"
METRIC = re.compile(r"\btrunkline_[a-z_]+")
ALARMED = re.compile(r"alarm=True")
EVENT = re.compile(r'"((?:router|people|snapshot|ticks|clock)\.[a-z_]+)"')


def slug(text: str) -> str:
    return text.strip().lower().replace(" ", "-").replace("`", "").replace(".", "")


def headings() -> set[str]:
    lines = (ROOT / "docs" / "operations.md").read_text().splitlines()
    return {slug(line.lstrip("#")) for line in lines if line.startswith("#")}


def logged_alarms() -> set[str]:
    """The events that the code logs as alarms, beside those of the board."""
    found: set[str] = set()
    for file in (ROOT / "broker").rglob("*.py"):
        lines = file.read_text().splitlines()
        for number, line in enumerate(lines):
            if ALARMED.search(line):
                found |= set(EVENT.findall("".join(lines[max(0, number - 6) : number + 1]))[-1:])
    return found


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[set[str]]:
    """The names that a whole workspace exports."""
    folder = tmp_path_factory.mktemp("metrics")
    parts = {"router": ["router"], "all": ["desk", "channels"]}
    with installed(folder, nodes=1, operators=("anna",), parts=parts, provider="http://127.0.0.1:9/in") as running:
        address = f"{running.parts['all'].url}/metrics"
        with urllib.request.urlopen(address, timeout=60) as answer:  # noqa: S310  # our own, on loopback
            text = answer.read().decode()
        yield {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}


def plain(name: str) -> str:
    return re.sub(r"_(bucket|sum|count)$", "", name)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("file", [RULES, DASHBOARD], ids=lambda file: file.name)
def test_only_what_is_exported_is_asked_for(file: Path, exported: set[str]) -> None:
    asked = {plain(name) for name in METRIC.findall(file.read_text()) if name != "trunkline_"}
    assert asked - exported == set()
    assert len(asked) > 8


def test_every_alarm_has_a_rule_and_a_section() -> None:
    rules = RULES.read_text()
    assert [name for name in NAMES if f'trunkline_alarm{{name="{name}"}}' not in rules] == []
    assert set(NAMES) - headings() == set()


def test_every_alarm_that_is_only_logged_has_a_section() -> None:
    logged = logged_alarms()
    assert len(logged) >= 5
    assert {slug(event) for event in logged} - headings() == set()


def test_every_runbook_of_a_rule_is_there() -> None:
    runbooks = re.findall(r"docs/operations\.md#(\S+)", RULES.read_text())
    assert len(runbooks) > 20
    assert set(runbooks) - headings() == set()


def test_promtool_finds_no_fault(tmp_path: Path) -> None:
    checks = (("rules", RULES), ("config", DEPLOY / "prometheus" / "prometheus.yaml"))
    for kind, file in checks:
        done = subprocess.run(  # noqa: S603  # our own command line
            ["promtool", "check", kind, str(file)],  # noqa: S607  # from the package prometheus
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_is_whole() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len(places)
    assert all(target["expr"] for panel in panels for target in panel["targets"])
    assert dashboard["templating"]["list"][0]["type"] == "datasource"
