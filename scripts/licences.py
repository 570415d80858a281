"""List the licences of what is installed, and fail on one that nobody has agreed to.

What Trunkline needs at run time is judged by `RUNTIME`; tools of the tests, which are never shipped, by `TOOLS` too.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
RUNTIME = {
    "0BSD",
    "Apache Software License",
    "Apache-2.0",
    "BSD License",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "ISC License (ISCL)",
    "MIT",
    "MIT License",
    "MIT-0",
    "PSF-2.0",
    "Python Software Foundation License",
}
TOOLS = RUNTIME | {"DFSG approved", "MPL-2.0", "Mozilla Public License 2.0 (MPL 2.0)"}
AGREED = {
    "aioimaplib": "GPL-3.0-only: the extra `email` alone, and docs/licences.md says what that means",
    "python-telegram-bot": "LGPL-3.0-only: the extra `telegram-ptb` alone, and docs/licences.md says what that means",
    "caniuse-lite": "CC-BY-4.0 asks for attribution of a table of browsers' abilities, which no built file holds",
    "certifi": "MPL-2.0 binds changes of its own files; it is a list of certificates that nobody changes",
}


class Found(NamedTuple):
    """A package with its licence; ``runtime`` is whether Trunkline ships or needs it."""

    name: str
    licence: str
    runtime: bool


def canonical(name: str) -> str:
    """Write a distribution's name as PEP 503 does."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(file: str) -> set[str]:
    """Name the distributions of a lock file."""
    text = (ROOT / "requirements" / file).read_text(encoding="utf-8")
    return {canonical(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)}


def permitted(licence: str, allowed: set[str]) -> bool:
    """Judge a licence expression: one of those joined by OR, all of those joined by AND or by a semicolon."""
    parts = re.split(r" AND |; ", licence)
    return all(any(word.strip("() ") in allowed or word in allowed for word in part.split(" OR ")) for part in parts)


def installed() -> dict[str, str]:
    """Name the licence of every distribution in this environment."""
    command = [sys.executable, "-m", "piplicenses", "--from=mixed", "--with-system", "--format=json"]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=120).stdout)  # noqa: S603 - fixed words
    return {canonical(entry["Name"]): entry["License"] for entry in found}


def of_python() -> Iterator[Found]:
    """Give what is locked for Python and installed."""
    runtime, tools = locked("runtime.txt"), locked("dev.txt")
    return (Found(name, licence, name in runtime) for name, licence in sorted(installed().items()) if name in tools)


def of_the_front_end() -> Iterator[Found]:
    """Give what the front end's lock file names; only what is built into our files counts as run time."""
    lock = json.loads((ROOT / "web" / "ui" / "package-lock.json").read_text(encoding="utf-8"))
    for path, package in sorted(lock["packages"].items()):
        if path:
            yield Found(path.removeprefix("node_modules/"), package.get("license", ""), not package.get("dev", False))


def main() -> int:
    """Print a line for each package; return 1 where one is not agreed to."""
    refused = []
    for name, licence, runtime in [*of_python(), *of_the_front_end()]:
        fine = name in AGREED or permitted(licence, RUNTIME if runtime else TOOLS)
        kind = "run time" if runtime else "tool"
        print(f"{kind:<9} {name:<24} {licence}{'' if fine else '   <- not agreed to'}")
        if not fine:
            refused.append(name)
    if refused:
        print(f"\nNot agreed to: {', '.join(refused)}.")
        print("Replace it, or add the licence to scripts/licences.py with a reason.")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
