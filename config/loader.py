"""One YAML file, or a folder of them, to one value of a settings struct."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar, cast

from msgspec import inspect

from config.decoder import Decoder
from config.documents import LIMIT_BYTES, Node, Place, Refused, Table, compose, locate
from config.problems import ConfigErrors, KeyPath, Problem, render_path
from config.substitution import Surroundings

LIMIT_FILES = 100
SUFFIXES = (".yaml", ".yml")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Loaded(Generic[T]):
    """Settings as read, with the files that they came from and a hash of those (secrets not included)."""

    value: T
    files: tuple[Path, ...]
    digest: str
    root: Node = field(repr=False)

    def problem(self, key: KeyPath, found: str, expected: str = "", remedy: str = "") -> Problem:
        """Say what is wrong with the value at `key`, for checks that span several parts of the file."""
        return locate(self.root, key).problem(found, expected, remedy, render_path(key))


def load(path: Path, type_: type[T], *, env: Mapping[str, str]) -> Loaded[T]:
    """Read `path` as `type_`, a msgspec struct. In a folder, the files' top-level keys are put together.

    Raises:
        ConfigErrors: every mistake there is.
        TypeError: the struct holds types that settings cannot have.

    """
    try:
        sources = {file: _read(file) for file in _files(path)}
    except Refused as exc:
        raise ConfigErrors([exc.problem]) from exc
    root, problems = _compose(path, sources)
    decoder = Decoder(Surroundings(env, path if path.is_dir() else path.parent), problems)
    value = decoder.read(root, inspect.type_info(type_))
    if decoder.problems:
        raise ConfigErrors(decoder.problems)
    return Loaded(cast("T", value), tuple(sources), _digest(sources), root)


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


def _compose(path: Path, sources: Mapping[Path, bytes]) -> tuple[Node, list[Problem]]:
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
    pairs = [pair for node in nodes if isinstance(node, Table) for pair in node.pairs]
    return Table(Place(str(path)), pairs), problems


def _digest(sources: Mapping[Path, bytes]) -> str:
    whole = hashlib.sha256()
    for file, data in sources.items():
        whole.update(f"{file.name}:{len(data)}\n".encode())
        whole.update(data)
    return whole.hexdigest()
