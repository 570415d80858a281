"""Which licence expressions are agreed to."""

import importlib.util
from pathlib import Path

import pytest

SPEC = importlib.util.spec_from_file_location("licences", Path(__file__).parent.parent / "scripts" / "licences.py")
assert SPEC is not None
assert SPEC.loader is not None
licences = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(licences)


@pytest.mark.parametrize(
    "expression",
    [
        "MIT",
        "Apache-2.0 AND MIT",
        "Apache-2.0 OR GPL-3.0-only",
        "(MIT OR GPL-3.0-only)",
        "ISC License (ISCL)",
        "Apache Software License; MIT License",
    ],
)
def test_permissive_licence_is_permitted(expression: str) -> None:
    assert licences.permitted(expression, licences.RUNTIME)


@pytest.mark.parametrize(
    "expression",
    ["GPL-3.0-only", "MIT AND GPL-3.0-only", "MIT License; GNU General Public License", "UNKNOWN", "", "MPL-2.0"],
)
def test_other_licence_is_refused(expression: str) -> None:
    assert not licences.permitted(expression, licences.RUNTIME)


def test_names_are_compared_as_the_index_does() -> None:
    assert licences.canonical("ruamel.yaml") == licences.canonical("Ruamel_YAML") == "ruamel-yaml"
    assert "ruamel-yaml" in licences.locked("runtime.txt")


def test_what_is_built_into_the_front_end_counts_as_run_time() -> None:
    found = {one.name: one for one in licences.of_the_front_end()}
    assert found["preact"].runtime
    assert not found["vite"].runtime
