"""Settings of a made-up workspace, and a way to read one from text."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from config import ConfigErrors, Loaded, load


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., object]:
    """Read `text` as a type; answers with the value."""

    def read(type_: type, text: str, env: Mapping[str, str] | None = None) -> object:
        return loaded(tmp_path, type_, text, env).value

    return read


@pytest.fixture
def mistakes(tmp_path: Path) -> Callable[..., list[str]]:
    """Read `text` as a type; answers with the problems, without the folder's name."""

    def mistakes(type_: type, text: str, env: Mapping[str, str] | None = None) -> list[str]:
        with pytest.raises(ConfigErrors) as caught:
            loaded(tmp_path, type_, text, env)
        return [str(problem).replace(f"{tmp_path}/", "") for problem in caught.value.problems]

    return mistakes


def loaded(folder: Path, type_: type, text: str, env: Mapping[str, str] | None) -> Loaded[object]:
    file = folder / "w.yaml"
    file.write_text(text, encoding="utf-8")
    return load(file, type_, env=env or {})
