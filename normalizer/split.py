"""Cutting long text into pieces that a channel takes, where a reader would put the cut.

A cut falls at the end of a paragraph, else of a line, else of a sentence, else between words, and only in a word that
is longer than a piece between two grapheme clusters (Unicode annex 29). White space at a cut is dropped, nothing else.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator

from wcwidth import iter_graphemes

from normalizer.capabilities import Unit

Measure = Callable[[str], int]
"""The length of a text: additive, and 1 to 4 for a single code point."""

_PARAGRAPH = re.compile(r"\n[^\S\n]*\n")
_LINE = re.compile(r"\n")
_SENTENCE = re.compile(r"(?<=[.!?\u2026])\s|(?<=[\u3002\uff01\uff1f])")
_WORD = re.compile(r"\s")


def _utf16_units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _utf8_bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


MEASURES: dict[Unit, Measure] = {
    Unit.CODE_POINTS: len,
    Unit.UTF16_UNITS: _utf16_units,
    Unit.UTF8_BYTES: _utf8_bytes,
}


def split_text(text: str, limit: int, measure: Measure = len) -> list[str]:
    """Cut ``text`` into pieces of at most ``limit`` by ``measure``, at least 4; white space alone gives no piece.

    Only a grapheme cluster that is longer than a whole piece is cut inside, between two of its code points.
    """
    pieces = []
    if not _fits(text, limit, measure):
        text = text[_next_ink(text, 0) :]
    while not _fits(text, limit, measure):
        end = _cut(text, _widest(text, limit, measure))
        pieces.append(text[:end].rstrip())
        text = text[_next_ink(text, end) :]
    return [piece for piece in (*pieces, text) if piece.strip()]


def clip(text: str, limit: int) -> str:
    """Shorten ``text`` to ``limit`` code points; what was cut shows as an ellipsis, and no grapheme cluster is torn."""
    if len(text) <= limit:
        return text
    end = max((end for end in _boundaries(text[:limit]) if end < limit), default=0)
    return text[:end].rstrip() + "…"


def _fits(text: str, limit: int, measure: Measure) -> bool:
    return len(text) <= limit and measure(text) <= limit


def _widest(text: str, limit: int, measure: Measure) -> int:
    """Return the number of code points of the longest start of ``text`` that fits."""
    return bisect_right(range(limit + 1), limit, key=lambda end: measure(text[:end])) - 1


def _cut(text: str, widest: int) -> int:
    """Return where the first piece ends, ``widest`` at most. An early paragraph or sentence does not make a stump."""
    boundaries = set(_boundaries(text[: widest + 1]))
    for pattern, earliest in ((_PARAGRAPH, widest // 3), (_LINE, widest // 3), (_SENTENCE, widest // 3), (_WORD, 1)):
        starts = (match.start() for match in pattern.finditer(text, 0, widest + 1))
        ends = [start for start in starts if earliest <= start <= widest and start in boundaries]
        if ends:
            return ends[-1]
    return max((end for end in boundaries if end <= widest), default=widest)


def _boundaries(text: str) -> Iterator[int]:
    """Yield where a grapheme cluster of ``text`` ends; the last one may go on beyond it."""
    end = 0
    for cluster in iter_graphemes(text):
        end += len(cluster)
        yield end


def _next_ink(text: str, start: int) -> int:
    """Return where the first grapheme cluster after ``start`` that is not white space begins."""
    for cluster in iter_graphemes(text, start):
        if not cluster.isspace():
            break
        start += len(cluster)
    return start
