"""The parts of a mail (RFC 2045, RFC 2046), found in linear time in any bytes, with limits on number and depth.

The standard library looks at each line once for each enclosing multipart and keeps every line: 30 MB of empty lines in
nested parts would take minutes and gigabytes. Here only the lines that are delimiters are ever looked at.
"""

import binascii
import re
from collections.abc import Iterator

from msgspec import Struct

from adapters.email.headers import Headers, read_headers
from adapters.email.wire import Limits

_GUESSED_BOUNDARY = re.compile(rb"\n--([^\r\n\s][^\r\n]{0,199})\r?\n")
_NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))
_AS_IT_IS = frozenset({"", "7bit", "8bit", "binary", "none"})


class Part(Struct, frozen=True):
    """One part: its fields, its type, where its body stands in the bytes of the mail, and the parts in it."""

    headers: Headers
    type: str
    start: int
    end: int
    parts: tuple["Part", ...] = ()

    def walk(self) -> Iterator["Part"]:
        """Give this part and all in it, in the order of the mail."""
        yield self
        for part in self.parts:
            yield from part.walk()


class Reader:
    """Reads the parts of one mail; ``defects`` collects sentences about what was broken or left out."""

    def __init__(self, data: bytes, limits: Limits) -> None:
        self.data = data
        self.defects: list[str] = []
        self._limits = limits
        self._left = limits.parts

    def read(self, start: int, end: int, depth: int = 0, default: str = "text/plain") -> Part:
        """Read the part that stands between two places."""
        self._left -= 1
        headers, body = read_headers(self.data, start, end)
        kind = headers.value_type("content-type", default)
        if "/" not in kind:
            kind = default
        if not kind.startswith("multipart/"):
            return Part(headers, kind, body, end)
        if depth >= self._limits.depth:
            self.note(f"Parts that are nested deeper than {self._limits.depth} times are shown as they stand.")
            return Part(headers, "text/plain", body, end)
        spans = self._spans(body, end, headers.parameter("content-type", "boundary"))
        if not spans:
            self.note("A multipart has no parts: it is read as plain text.")
            return Part(headers, "text/plain", body, end)
        inner = "message/rfc822" if kind == "multipart/digest" else "text/plain"
        parts = [self.read(*span, depth + 1, inner) for span in spans if self._room()]
        return Part(headers, kind, body, end, tuple(parts))

    def content(self, part: Part) -> bytes:
        """Give the body of a part with its transfer encoding undone; broken base64 gives what can be read of it."""
        body = self.data[part.start : part.end]
        encoding = part.headers.value_type("content-transfer-encoding")
        if encoding == "base64":
            return self._base64(body)
        if encoding == "quoted-printable":
            return binascii.a2b_qp(body)
        if encoding not in _AS_IT_IS:
            self.note(f"The transfer encoding {encoding[:40]!r} is not known: the part is left as it stands.")
        return body

    def note(self, defect: str) -> None:
        """Keep a sentence about a defect, once, and not without end."""
        if defect not in self.defects and len(self.defects) < self._limits.parts:
            self.defects.append(defect)

    def _room(self) -> bool:
        if self._left <= 0:
            self.note(f"The mail has more than {self._limits.parts} parts: the rest is left out.")
        return self._left > 0

    def _spans(self, start: int, end: int, boundary: str) -> list[tuple[int, int]]:
        """Give where the parts stand: between the delimiters, the last one up to the end if nothing closes it."""
        marker = boundary.encode("utf-8", "replace")
        if not marker:
            guessed = _GUESSED_BOUNDARY.search(self.data, start - 1, end)
            if not guessed:
                return []
            marker = guessed[1].rstrip()
            self.note("A multipart does not name its boundary: it was guessed.")
        delimiter = re.compile(rb"\n--" + re.escape(marker) + rb"(--)?[ \t]*(?:\r?\n|\r?\Z)")
        spans: list[tuple[int, int]] = []
        opened = -1
        position = start - 1  # the header has ended with a line break
        while found := delimiter.search(self.data, position, end):
            if opened >= 0:
                spans.append((opened, _before_newline(self.data, opened, found.start())))
            opened = -1 if found[1] else found.end()
            if found[1] or len(spans) > self._limits.parts:
                break
            position = found.end() - 1
        else:
            if opened >= 0:
                self.note("A multipart is not closed: the mail may be cut short.")
                spans.append((opened, end))
        return spans

    def _base64(self, body: bytes) -> bytes:
        """Read as much as there is: programs leave padding out, and put it, dots and blanks within."""
        clean = body.translate(None, _NOT_BASE64)
        if len(clean) % 4 == 1:
            clean = clean[:-1]
            self.note("A part in base64 is broken: something of it may be missing.")
        return binascii.a2b_base64(clean + b"=" * (-len(clean) % 4))


def _before_newline(data: bytes, start: int, end: int) -> int:
    """The line break before a delimiter belongs to the delimiter (RFC 2046 section 5.1.1)."""
    return end - 1 if end - 1 >= start and data[end - 1 : end] == b"\r" else max(end, start)
