"""List the licences of what is installed, and fail on one that nobody has agreed to.

What Trunkline needs at run time is judged by `RUNTIME`; tools of the tests, which are never shipped, by `TOOLS` too.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

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
    "certifi": "MPL-2.0 binds changes of its own files; it is a list of certificates that nobody changes",
}


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


def main() -> int:
    """Print a line for each distribution; return 1 where one is not agreed to."""
    runtime, tools = locked("runtime.txt"), locked("dev.txt")
    refused = []
    for name, licence in sorted(installed().items()):
        if name not in tools:
            continue
        allowed = RUNTIME if name in runtime else TOOLS
        fine = name in AGREED or permitted(licence, allowed)
        kind = "run time" if name in runtime else "tool"
        print(f"{kind:<9} {name:<24} {licence}{'' if fine else '   <- not agreed to'}")
        if not fine:
            refused.append(name)
    if refused:
        print(f"\nNot agreed to: {', '.join(refused)}.")
        print("Replace it, or add the licence to scripts/licences.py with a reason.")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
