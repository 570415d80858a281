"""Whatever stands in the file, it is read or refused with ConfigErrors."""

import contextlib
import tempfile
from pathlib import Path
from typing import Any, Literal

from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Struct

from config import ConfigErrors, Duration, Secret, load


class Site(Struct):
    a: int = 0
    b: list[str | int | None] = []
    c: dict[str, Duration] = {}
    d: Secret | None = None
    e: Any = None
    f: Literal["x", "y"] | dict[int, bool] = "x"


def attempt(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(ConfigErrors):
        file = Path(folder, "x.yaml")
        file.write_bytes(data)
        load(file, Site, env={"A": "[1"})


PIECES = st.sampled_from(
    [
        *"abcdef:-?{}[],&*!|>'\"%@`#~ \n\t0.$",
        ": ",
        "- ",
        "\n  ",
        "${A}",
        "!!str ",
        "<<",
        "---\n",
        "...\n",
        "%YAML 1.1\n",
    ]
)


@given(st.lists(PIECES, max_size=40).map("".join))
@example("? !!str\n: &a\n- *a")
@example("a: " + "9" * 5000)
@example("a: 1e999999999")
@example('"\\U00110000"')
@example('"\\ud800"')
@example("%YAML 9.9999999999\n---\n")
@example("%TAG ! tag:\n---\n!x y")
def test_text_that_looks_like_yaml_never_raises_anything_else(text: str) -> None:
    attempt(text.encode())


@given(st.text())
def test_text_never_raises_anything_else(text: str) -> None:
    attempt(text.encode(errors="surrogatepass"))


@given(st.binary())
def test_bytes_never_raise_anything_else(data: bytes) -> None:
    attempt(data)
