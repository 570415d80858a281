"""Every reason for which a desk may be refused something has words in the languages of the desk."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = re.compile(r'(?:Refused|NotThere)\(\s*"(\w+)"|Refused\(id=id, code="(\w+)"(?: if .*? else "(\w+)")?')
LINE = re.compile(r'Error\("(\w+)"')
OURS = {"bad_frame", "bad_json"}
"""Faults of a client and not of whoever uses it."""


def told() -> set[str]:
    """Name the codes of commands, of what is imported and of the socket's complaints."""
    commands = [*(ROOT / "router").rglob("*.py"), *(ROOT / "desk").rglob("*.py")]
    codes = [code for path in commands for found in CODE.findall(path.read_text("utf-8")) for code in found if code]
    codes += LINE.findall((ROOT / "desk" / "http" / "socket.py").read_text("utf-8"))
    return set(codes) - OURS


def test_the_reasons_are_found() -> None:
    assert {"stale", "offer_gone", "window_closed", "not_found", "unavailable", "twice", "rate_limited"} <= told()


@pytest.mark.parametrize("language", ["en", "ru", "pl"])
def test_every_reason_has_words(language: str) -> None:
    catalogue = (ROOT / f"web/ui/src/desk/words/{language}.ts").read_text("utf-8")
    assert told() - set(re.findall(r'"refused\.(\w+)":', catalogue)) == set()
