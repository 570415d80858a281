"""Write the files that are made from the code; with `--check`, only say which of them are stale."""

import difflib
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from broker.cli.files import config_reference

ROOT = Path(__file__).parent.parent
GENERATED: dict[str, Callable[[], str]] = {
    "docs/configuration.md": partial(config_reference, plugins=False),
}


def main() -> int:
    """Write or compare; return 1 where a file is stale."""
    checking = "--check" in sys.argv[1:]
    stale = False
    for name, make in GENERATED.items():
        file = ROOT / name
        wanted = make()
        found = file.read_text(encoding="utf-8") if file.exists() else ""
        if wanted == found:
            continue
        if not checking:
            file.write_text(wanted, encoding="utf-8")
            continue
        stale = True
        diff = difflib.unified_diff(
            found.splitlines(), wanted.splitlines(), name, "as the code has it", lineterm="", n=1
        )
        print("\n".join(diff))
    if stale:
        print("\nStale: run `make generate` and commit what it writes.")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
