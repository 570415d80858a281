"""IMAP's words, written and read: numbers of mails, names of folders, answers to FETCH (RFC 9051). Pure."""

import base64
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from aioimaplib import quoted

_FETCHED = re.compile(rb"[0-9]+ FETCH \(")
_UID = re.compile(rb"\bUID ([0-9]+)")
SIZE = re.compile(rb"\bRFC822\.SIZE ([0-9]+)")
_FLAGS = re.compile(rb"\bFLAGS \(([^()]*)\)")
_ARRIVED = re.compile(
    rb'\bINTERNALDATE " ?([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4})'
    rb' ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-][0-9]{2})([0-9]{2})"'
)
_EMPTY_BODY = re.compile(rb'\bBODY\[[A-Z]*\](?:<0>)? ""')
_OUTSIDE_ASCII = re.compile(r"[^\x20-\x7e]+|&")

DELETED = r"\deleted"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def fetched(lines: Iterable[bytes | bytearray]) -> Iterator[tuple[int, bytes, bytes | None]]:
    """Give the UID, the words and the literal of each mail in the answer to FETCH; what has no UID is left out."""
    text, body = b"", None
    for line in (*lines, b"0 FETCH ("):
        if isinstance(line, bytearray):
            body = bytes(line)
        elif _FETCHED.match(line):
            if found := _UID.search(text):
                yield int(found[1]), text, b"" if body is None and _EMPTY_BODY.search(text) else body
            text, body = line, None
        else:
            text += line


def uid_set(uids: Iterable[int]) -> str:
    """Write UIDs as RFC 9051 wants a sequence set: ``1:3,7``."""
    ranges: list[list[int]] = []
    for uid in sorted(uids):
        if ranges and uid == ranges[-1][1] + 1:
            ranges[-1][1] = uid
        else:
            ranges.append([uid, uid])
    return ",".join(str(first) if first == last else f"{first}:{last}" for first, last in ranges)


def portions(uids: Sequence[int], most: int) -> Iterator[Sequence[int]]:
    """Cut into sets that are asked for together."""
    return (uids[start : start + most] for start in range(0, len(uids), most))


def mailbox_name(name: str) -> str:
    """Write a folder's name for a command, in modified UTF-7 (RFC 3501 section 5.1.3) and quotes."""
    return str(quoted(_OUTSIDE_ASCII.sub(lambda found: _shifted(found[0]), name)))


def _shifted(text: str) -> str:
    if text == "&":
        return "&-"
    return "&" + base64.b64encode(text.encode("utf-16-be")).decode().rstrip("=").replace("/", ",") + "-"


def number(pattern: bytes | re.Pattern[bytes], text: bytes) -> int:
    """Give the number that the first group of a pattern finds; 0 where there is none."""
    found = re.search(pattern, text)
    return int(found[1]) if found else 0


def flags(text: bytes) -> frozenset[str]:
    """Give the flags in the answer to FETCH, in lower case: RFC 9051 section 2.3.2 tells no cases apart."""
    found = _FLAGS.search(text)
    return frozenset(found[1].decode("ascii", "replace").lower().split()) if found else frozenset()


def arrival(text: bytes) -> int:
    """Read ``17-Jul-1996 02:44:25 -0700``; 0 where there is no such time."""
    found = _ARRIVED.search(text)
    if found is None:
        return 0
    day, year, hour, minute, second, east, beside = map(int, found.group(1, 3, 4, 5, 6, 7, 8))
    try:
        month = MONTHS.index(found[2].decode().title()) + 1
        at = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return 0
    offset = timedelta(hours=east, minutes=-beside if found[7].startswith(b"-") else beside)
    return int((at - offset).timestamp() * 1_000)
