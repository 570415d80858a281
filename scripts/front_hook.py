"""A hook of the build: a wheel without the front end would be a broken one, so it is refused."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class FrontHook(BuildHookInterface[Any]):
    """Looks for the built front end; an editable installation may come before it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - the hook's own signature
        """Raise FileNotFoundError where a wheel is built without it."""
        missing = [part for part in ("widget", "desk") if not (Path(self.root) / "web" / "built" / part).is_dir()]
        if missing and version != "editable":
            raise FileNotFoundError(f"web/built/{missing[0]} is not there: run `make front` before building the wheel")
