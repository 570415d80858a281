"""Lines of IRC: RFC 1459 section 2.3, with the tags of IRCv3 (https://ircv3.net/specs/extensions/message-tags)."""

import re

from msgspec import Struct

LONGEST_LINE = 16_384
"""Bytes; 512 by RFC 1459, and 8,191 of tags in front."""

_LINE = re.compile(r"(?:@(?P<tags>\S+) +)?(?::(?P<source>\S+) +)?(?P<command>[A-Za-z]+|[0-9]{3})(?P<params>(?: .*)?)")
_UNSAFE = re.compile(r"[\x00\r\n]")
_ESCAPES = {"\\:": ";", "\\s": " ", "\\\\": "\\", "\\r": "\r", "\\n": "\n"}


class Line(Struct, frozen=True):
    """One line from the server. ``source`` is a server's name or a person's ``nick!user@host``."""

    command: str
    params: tuple[str, ...] = ()
    source: str = ""
    tags: dict[str, str] = {}


def parse(raw: bytes) -> Line:
    """Read a line. Raises ValueError."""
    found = _LINE.fullmatch(decode(raw).rstrip("\r\n"))
    if found is None:
        raise ValueError("this is no line of IRC")
    middle, colon, trailing = found["params"].partition(" :")
    params = (*middle.split(), trailing) if colon else tuple(middle.split())
    return Line(found["command"].upper(), params, found["source"] or "", _tags(found["tags"] or ""))


def decode(raw: bytes) -> str:
    """Read text: UTF-8, or what people used before."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def line(command: str, *params: str) -> bytes:
    """Write a line; the last parameter may have spaces. Raises ValueError where a parameter would end the line."""
    *middle, last = params
    text = " ".join([command, *middle, f":{last}"])
    if _UNSAFE.search(text):
        raise ValueError(f"a parameter of {command} holds the end of a line")
    return text.encode() + b"\r\n"


def _tags(text: str) -> dict[str, str]:
    pairs = (tag.partition("=") for tag in text.split(";") if tag)
    return {name: re.sub(r"\\.", lambda found: _ESCAPES.get(found[0], found[0][1]), value) for name, _, value in pairs}
