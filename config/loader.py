"""One YAML file, or a folder of them, to one value of a settings struct."""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar, cast

from msgspec import inspect

from config.decoder import Decoder
from config.documents import (
    LIMIT_BYTES,
    Node,
    Place,
    Refused,
    Table,
    Word,
    at,
    compose,
    find,
    locate,
    outline,
    pairs,
    source_text,
)
from config.problems import ConfigErrors, KeyPath, Problem, render_path
from config.substitution import Surroundings, substitute

LIMIT_FILES = 100
SUFFIXES = (".yaml", ".yml")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Document:
    """What stands in a file or folder; only a type says what it means.

    `folder` is where relative files of `${file:...}` start; `problems` are told together with those of its values.
    """

    sources: Mapping[Path, bytes] = field(repr=False)
    folder: Path
    root: Node = field(repr=False)
    problems: tuple[Problem, ...] = ()

    @property
    def digest(self) -> str:
        """A hash of what is written (secrets that stand in it included, those that are referred to not)."""
        return hashlib.sha256(outline(self.root).encode()).hexdigest()

    def problem(self, key: KeyPath, found: str, expected: str = "", remedy: str = "") -> Problem:
        """Say what is wrong with the value at `key`, for checks that span several parts of the file."""
        return locate(self.root, key).problem(found, expected, remedy, render_path(key))

    def written(self, key: KeyPath) -> str:
        """What stands in the file at `key`, references as such; empty where there is nothing or a mapping."""
        return source_text(at(self.root, key))

    def choices(self, table: str, name: str, env: Mapping[str, str]) -> dict[str, str]:
        """Which word each entry of the mapping `table` has under `name`, where it is written as one."""
        chosen: dict[str, str] = {}
        for entry, value in pairs(find(self.root, table)):
            word = find(value, name)
            if isinstance(word, Word):
                with suppress(Refused):  # told when the value is read
                    chosen[entry] = substitute(word, Surroundings(env, self.folder)).text
        return chosen


@dataclass(frozen=True, slots=True)
class Loaded(Generic[T]):
    """Settings as read, and what they were read from."""

    value: T
    document: Document


def read(path: Path) -> Document:
    """Read a file, or a folder's files, whose top-level keys are put together.

    Raises:
        ConfigErrors: what cannot be read any further.

    """
    try:
        sources = {file: _read(file) for file in _files(path)}
    except Refused as exc:
        raise ConfigErrors([exc.problem]) from exc
    return compose_sources(sources, path if path.is_dir() else path.parent)


def compose_sources(sources: Mapping[Path, bytes], folder: Path) -> Document:
    """Compose what was read, now or earlier. Raises ConfigErrors."""
    root, problems = _compose(folder, sources)
    return Document(sources, folder, root, tuple(problems))


def decode(document: Document, type_: type[T], *, env: Mapping[str, str]) -> Loaded[T]:
    """Read a document as `type_`, a msgspec struct.

    Raises:
        ConfigErrors: every mistake there is.
        TypeError: the struct holds types that settings cannot have.

    """
    decoder = Decoder(Surroundings(env, document.folder), list(document.problems))
    value = decoder.read(document.root, inspect.type_info(type_))
    if decoder.problems:
        raise ConfigErrors(decoder.problems, partial=not decoder.whole)
    return Loaded(cast("T", value), document)


def load(path: Path, type_: type[T], *, env: Mapping[str, str]) -> Loaded[T]:
    """Read and decode at once."""
    return decode(read(path), type_, env=env)


def _files(path: Path) -> list[Path]:
    """List the files of a folder by name; hidden ones are left out (Kubernetes keeps old versions in `..data`)."""
    try:
        if not path.is_dir():
            return [path]
        files = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES and file.name[0] != ".")
    except OSError as exc:
        raise Refused(Place(str(path)).problem(f"the folder cannot be read: {exc.strerror}")) from exc
    if not 0 < len(files) <= LIMIT_FILES:
        found = f"the folder has {len(files)} files named *.yaml or *.yml"
        raise Refused(Place(str(path)).problem(found, f"1 to {LIMIT_FILES} files"))
    return files


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as source:
            return source.read(LIMIT_BYTES + 1)
    except OSError as exc:
        remedy = "give the path of a YAML file or of a folder with such files"
        raise Refused(Place(str(file)).problem(f"the file cannot be read: {exc.strerror}", remedy=remedy)) from exc


def _compose(folder: Path, sources: Mapping[Path, bytes]) -> tuple[Node, list[Problem]]:
    """Read each file; what one file holds wrong does not hide what is wrong in the next."""
    nodes: list[Node] = []
    problems: list[Problem] = []
    for file, data in sources.items():
        try:
            nodes.append(compose(data, str(file)))
        except Refused as exc:
            problems.append(exc.problem)
    if problems:
        raise ConfigErrors(problems)
    if len(nodes) == 1:
        return nodes[0], []
    problems = [node.place.problem("found no keys", "a mapping") for node in nodes if not isinstance(node, Table)]
    both = [pair for node in nodes if isinstance(node, Table) for pair in node.pairs]
    return Table(Place(str(folder)), both), problems
