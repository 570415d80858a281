"""The package that ``trunkline new-adapter`` writes: its files are templates, tested as what becomes of them.

In a file's text and name ``${name}`` is the channel's type, ``${Name}`` the beginning of its classes' names.
"""

from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from string import Template

ENDING = ".txt"
"""Behind each template's name, so that no tool takes it for the file that it will be."""


def filled(words: Mapping[str, str]) -> dict[str, str]:
    """Give the path (with slashes) and the text of each file of the package. Raises KeyError: a word is missing."""
    return {
        Template(path.removesuffix(ENDING)).substitute(words): Template(text).substitute(words)
        for path, text in _templates(files(__name__) / "files", "")
    }


def _templates(folder: Traversable, above: str) -> Iterator[tuple[str, str]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _templates(entry, f"{above}{entry.name}/")
        elif entry.name.endswith(ENDING):
            yield above + entry.name, entry.read_text(encoding="utf-8")
