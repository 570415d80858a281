"""What the documents say is true: examples are right, commands exist, links lead somewhere."""

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import typer.main

from adapters.registry import BUILT_IN, ENTRY_POINTS
from broker.cli.main import app
from broker.monitoring.alarms import NAMES
from broker.settings.source import decode_source
from config import read
from config.documents import pairs

ROOT = Path(__file__).parents[1]
FOLDERS = (".", "docs", "examples/**", "adapters/**", "deploy/**", "benchmarks")
PAGES = sorted({page for folder in FOLDERS for page in ROOT.glob(f"{folder}/*.md")})
EXAMPLES = sorted([*ROOT.glob("examples/**/*.yaml"), *ROOT.glob("broker/demo/*.yaml")])
BLOCKS = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE), 1)
]

CHANNELS = dict(BUILT_IN)
"""Ours, and those of the packages among the examples."""
for project in ROOT.glob("examples/*/pyproject.toml"):
    CHANNELS |= tomllib.loads(project.read_text())["project"]["entry-points"][ENTRY_POINTS]
    sys.path.append(str(project.parent / "src"))

REST = {
    "workspace": "workspace: acme",
    "channels": 'channels:\n  site: {type: webchat, origins: ["https://shop.example"]}',
    "operators": "operators:\n  anna: {name: Anna}",
    "routing": "routing:\n  - name: everything",
}
"""What a whole file has besides the part that an example shows."""


class Anything(Mapping[str, str]):
    """An environment in which every variable is set, to a text that will do as a secret, a bot's token, or a hash."""

    def __getitem__(self, name: str) -> str:
        if name.endswith("_HASH"):
            return "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$aGFzaA"
        return f"123456789:the-value-of-{name}-for-the-tests-of-documents"

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_an_example_is_a_right_workspace(file: Path) -> None:
    assert decode_source(read(file), Anything(), CHANNELS).settings.channels


@pytest.mark.parametrize("block", BLOCKS)
def test_yaml_that_is_shown_is_a_right_part_of_a_workspace(block: str, tmp_path: Path) -> None:
    """A page's examples say nothing in another YAML: what is not our file is shown as another language."""
    shown = tmp_path / "shown.yaml"
    shown.write_text(block)
    for secret in re.findall(r"\$\{file:([^/}][^}]*)\}", block):
        (tmp_path / secret).parent.mkdir(exist_ok=True)
        (tmp_path / secret).write_text("a-secret-in-a-file-of-its-own")
    given = {name for name, _ in pairs(read(shown).root)}
    rest = [text for name, text in REST.items() if name not in given]
    if rest:
        (tmp_path / "rest.yaml").write_text("\n".join(rest))
    assert decode_source(read(tmp_path), Anything(), CHANNELS).settings.channels


SIGNS = {"mod": "Ctrl", "alt": "Alt", "ArrowDown": "↓", "ArrowUp": "↑", "Slash": "/", "Comma": ",", "Escape": "Esc"}


def test_the_operators_page_names_every_key_of_the_desk_and_no_other() -> None:
    desk = ROOT / "web" / "ui" / "src" / "desk"
    words = dict(re.findall(r'^  "([\w.]+)": "(.*)",$', (desk / "words" / "en.ts").read_text(), re.MULTILINE))
    deeds = re.findall(
        r'label: "([\w.]+)",\s*group: "\w+",\s*chord: "([^"]+)"', (desk / "keys" / "deeds.ts").read_text()
    )
    keys = {
        ("+".join(SIGNS.get(part, re.sub("^(Key|Digit)", "", part)) for part in chord.split("+")), words[label])
        for label, chord in deeds
    }
    page = (ROOT / "docs" / "desk.md").read_text()
    assert len(keys) > 30
    assert set(re.findall(r"^\| `(.+)` \| (.+) \|$", page, re.MULTILINE)) == keys


def test_pages_show_yaml_at_all() -> None:
    assert len(BLOCKS) > 3


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_command_that_is_shown_exists(page: Path) -> None:
    shown = re.findall(r"(?:^|[`/ ])trunkline ([a-z-]+)", page.read_text(), flags=re.MULTILINE)
    assert set(shown) <= known_words(), page.name


def test_every_alarm_is_described_where_alarms_are_described() -> None:
    described = re.findall(r"^\| `([a-z_]+)` \|", (ROOT / "docs/running.md").read_text(), flags=re.MULTILINE)
    assert set(NAMES) <= set(described)


def known_words() -> set[str]:
    """Subcommands of the command line, and the option that stands before none."""
    group = typer.main.get_command(app)
    return {"--version", *getattr(group, "commands", {})}


def test_every_page_that_the_code_cites_is_there() -> None:
    folders = ("adapters", "broker", "config", "desk", "normalizer", "router", "web", "tests")
    sources = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    cited = {page for file in sources for page in re.findall(r"\bdocs/[a-z-]+\.md\b", file.read_text())}
    assert {page for page in cited if not (ROOT / page).is_file()} == set()


def test_every_decision_stands_in_the_index_by_subject() -> None:
    page = (ROOT / "docs" / "decisions.md").read_text()
    index = [row.split("|")[2] for row in page.splitlines() if row.startswith("| ")]
    indexed = {number for row in index for number in re.findall(r"\d+", row)}
    assert set(re.findall(r"^(\d+)\. ", page, re.MULTILINE)) == indexed


def test_every_page_stands_in_the_index_of_the_documentation() -> None:
    listed = set(re.findall(r"\]\(([a-z-]+\.md)\)", (ROOT / "docs" / "README.md").read_text()))
    assert {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"} == listed
