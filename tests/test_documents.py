"""What the documents say is true: examples are right, commands exist, links lead somewhere."""

import re
from pathlib import Path

import pytest
import typer.main

from adapters.registry import adapter_types, settings_types
from broker.cli.main import app
from broker.workspace import load_workspace

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
EXAMPLES = sorted([*ROOT.glob("examples/**/*.yaml"), *ROOT.glob("broker/demo/*.yaml")])


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_an_example_is_a_right_workspace(file: Path) -> None:
    assert load_workspace(file, settings_types(adapter_types()), {}).channels


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_command_that_is_shown_exists(page: Path) -> None:
    shown = re.findall(r"(?:^|[`/ ])trunkline ([a-z-]+)", page.read_text(), flags=re.MULTILINE)
    assert set(shown) <= known_words(), page.name


def known_words() -> set[str]:
    """Subcommands of the command line."""
    group = typer.main.get_command(app)
    return set(getattr(group, "commands", {}))
