"""The example of docs/adapters.md, as files and as modules."""

import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "adapters.md"


def example_files() -> dict[str, str]:
    """Name to content of each file that the page shows."""
    return dict(re.findall(r"```python\n# (\S+\.py)\n(.*?)```", PAGE.read_text(), flags=re.DOTALL))


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the example, from which its modules can be imported."""
    folder = tmp_path_factory.mktemp("pigeon")
    for name, content in example_files().items():
        (folder / name).write_text(content)
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


@pytest.fixture(scope="session")
def pigeon(example: Path) -> ModuleType:
    """The example's adapter."""
    del example
    return import_module("pigeon")


@pytest.fixture(scope="session")
def proof(example: Path) -> ModuleType:
    """The example's test."""
    del example
    return import_module("test_pigeon")
