"""References to the environment and to files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from config import Duration, Secret

Read = Callable[..., Any]
Mistakes = Callable[..., list[str]]


class Settings(Struct):
    text: str = ""
    port: int = 0
    maybe: int | str | None = None
    token: Secret = Secret("none")
    after: Duration = Duration(0)
    anything: Any = None


ENV = {"HOST": "shop", "PORT": "8080", "EMPTY": "", "YAML": "[a, b]", "DIGITS": "00123", "PASS": "hunter2"}


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("text: https://${HOST}:${PORT}/", "text", "https://shop:8080/"),
        ('text: "${DIGITS}"', "text", "00123"),
        ("text: ${DIGITS}", "text", "00123"),
        ("text: ${EMPTY}", "text", ""),
        ("text: ${EMPTY:-x y}", "text", "x y"),
        ("text: ${NONE:-}", "text", ""),
        ("text: ${NONE:-a:-b}", "text", "a:-b"),
        ("text: ${HOST:-x}", "text", "shop"),
        ("text: $${HOST} costs $5", "text", "${HOST} costs $5"),
        ("text: ${YAML}", "text", "[a, b]"),
        ("text: |\n  a ${HOST}\n", "text", "a shop\n"),
        ("port: ${PORT}", "port", 8080),
        ('port: "${PORT}"', "port", 8080),
        ("maybe: ${PORT}", "maybe", 8080),
        ("maybe: ${HOST}", "maybe", "shop"),
        ("maybe: ${EMPTY}", "maybe", None),
        ("token: ${PASS}", "token", Secret("hunter2")),
        ("anything: [{x: '${PORT}'}]", "anything", [{"x": 8080}]),
        ("anything: ['$${x}']", "anything", ["${x}"]),
    ],
)
def test_reference_is_replaced(read: Read, line: str, field: str, value: object) -> None:
    assert getattr(read(Settings, line, ENV), field) == value


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("text: ${NONE}", "text: the environment variable NONE is not set; set NONE or write ${NONE:-otherwise}"),
        ("text: ${}", '"${}" is no reference; write $${ where the text itself has ${; expected ${NAME}'),
        ("text: ${a-b}", '"${a-b}" is no reference'),
        ("text: a ${HOST", '"${" is no reference'),
        ("text: ${${HOST}}", '"${" is no reference'),
        ("port: ${HOST}", 'port: found "${HOST}"; expected a whole number'),
        ("token: ${EMPTY}", "token: found ***; the secret is empty"),
        ("after: ${PASS}", 'after: found "${PASS}"; expected a duration'),
        ("text: ${file:none}", "none cannot be read: No such file or directory; create the file, or give the user"),
        ("text: ${file:.}", "cannot be read: Is a directory"),
        ('text: "${file:a\\0b}"', "cannot be read: not a text in UTF-8"),
        ("text: ${file:/dev/zero}", "/dev/zero is too large; expected at most 65536 bytes"),
    ],
)
def test_reference_that_leads_nowhere_is_a_mistake_with_its_place(mistakes: Mistakes, line: str, said: str) -> None:
    [problem] = mistakes(Settings, line, ENV)
    assert said in problem
    assert problem.startswith("w.yaml:1:")
    assert "hunter2" not in problem


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_file_gives_its_text_without_the_last_line_end(tmp_path: Path, read: Read, ending: str) -> None:
    (tmp_path / "token").write_bytes(b"hunter2" + ending.encode())
    assert read(Settings, "token: ${file:token}").token.reveal() == "hunter2"
    assert read(Settings, f"token: ${{file:{tmp_path}/token}}").token.reveal() == "hunter2"


def test_file_that_is_no_text_is_a_mistake(tmp_path: Path, mistakes: Mistakes) -> None:
    (tmp_path / "token").write_bytes(b"\xff")
    assert "not a text in UTF-8" in mistakes(Settings, "token: ${file:token}")[0]


def test_keys_are_never_replaced(read: Read) -> None:
    assert read(Settings, "anything: {'${HOST}': 1}", ENV).anything == {"${HOST}": 1}
