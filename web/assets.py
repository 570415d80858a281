"""The built front end: what Vite has made of `web/ui`. It ships in the wheel and is not committed."""

import mimetypes
from collections.abc import Mapping
from importlib.resources import files
from typing import Literal

from msgspec import Struct

Part = Literal["widget", "desk"]

_TYPES = {".js": "text/javascript", ".webmanifest": "application/manifest+json", ".woff2": "font/woff2"}


class NotBuilt(RuntimeError):
    """The front end has not been built; the message says how to."""


class Asset(Struct, frozen=True):
    """One file as it is served: its content and its media type."""

    body: bytes
    type: str


def built(part: Part) -> Mapping[str, Asset]:
    """Read the files of a part, by name.

    Raises:
        NotBuilt: there are none, as in a checkout on which ``make setup`` alone was run.
    """
    folder = files("web") / "built" / part
    found = (
        {file.name: Asset(file.read_bytes(), _type(file.name)) for file in folder.iterdir()} if folder.is_dir() else {}
    )
    if not found:
        raise NotBuilt(f"the front end's part {part!r} is not built: run `make front` in the checkout")
    return found


def _type(name: str) -> str:
    dot = name.rfind(".")
    return _TYPES.get(name[dot:]) or mimetypes.guess_type(name)[0] or "application/octet-stream"
