"""`${NAME}`, `${NAME:-otherwise}` and `${file:/run/secrets/name}` inside one word of YAML; `$${` stands for `${`.

It happens after parsing, so that what the environment holds is never read as YAML.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from config.documents import Place, Refused, Word

LIMIT_FILE_BYTES = 64 * 1024

_REFERENCE = re.compile(r"\$(?P<literal>\$\{)|\$\{(?P<inside>[^{}]*)\}|\$\{")
_VARIABLE = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(:-(?P<otherwise>.*))?", re.ASCII | re.DOTALL)
_FILE = "file:"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a word may refer to: environment variables, and files (relative ones start at `folder`)."""

    env: Mapping[str, str]
    folder: Path


def substitute(word: Word, around: Surroundings) -> Word:
    """Replace every reference in `word`.

    Raises:
        Refused: a variable is not set, a file cannot be read, or the reference is not written as it should be.

    """
    if "$" not in word.text:
        return word
    text = _REFERENCE.sub(lambda match: _replacement(match, word.place, around), word.text)
    refers = any(not match["literal"] for match in _REFERENCE.finditer(word.text))
    return replace(word, text=text, substituted=refers)


def _replacement(match: re.Match[str], place: Place, around: Surroundings) -> str:
    if match["literal"]:
        return "${"
    inside = match["inside"] or ""
    if inside.startswith(_FILE):
        return _file(inside.removeprefix(_FILE), place, around.folder)
    variable = _VARIABLE.fullmatch(inside)
    if variable is None:
        raise Refused(
            place.problem(
                f'"{match[0]}" is no reference',
                "${NAME}, ${NAME:-otherwise} or ${file:PATH}",
                "write $${ where the text itself has ${",
            )
        )
    return _variable(variable["name"], variable["otherwise"], place, around.env)


def _variable(name: str, otherwise: str | None, place: Place, env: Mapping[str, str]) -> str:
    """Take the variable; as in a shell, `:-` also stands in for one that is set to nothing."""
    if otherwise is not None:
        return env.get(name) or otherwise
    if name not in env:
        remedy = f"set {name} or write ${{{name}:-otherwise}}"
        raise Refused(place.problem(f"the environment variable {name} is not set", remedy=remedy))
    return env[name]


def _file(name: str, place: Place, folder: Path) -> str:
    path = folder / name
    try:
        with path.open("rb") as source:
            data = source.read(LIMIT_FILE_BYTES + 1)
        text = data.decode()
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else "not a text in UTF-8"
        remedy = "create the file, or give the user that runs Trunkline the right to read it"
        raise Refused(place.problem(f"the file {path} cannot be read: {reason}", remedy=remedy)) from exc
    if len(data) > LIMIT_FILE_BYTES:
        raise Refused(place.problem(f"the file {path} is too large", f"at most {LIMIT_FILE_BYTES} bytes"))
    return text.removesuffix("\n").removesuffix("\r")
