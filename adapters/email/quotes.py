"""What the author wrote now, without the quoted message, the signature and what a telephone adds.

Cautious on purpose: the operator can always look at the full text, but nobody looks for what they do not miss. Lines
are only ever dropped, never changed, and every rule looks at a few lines at a time, so no mail takes more than linear
time. (mail-parser-reply, the best library there is, cuts at any ``Do:`` in a Polish text, knows neither Russian nor
Ukrainian, and takes seconds for 3 KB of blank lines.)
"""

import re
from collections.abc import Callable

from adapters.email import phrases

MAX_ATTRIBUTION_LINES = 4
MAX_ATTRIBUTION = 400
MAX_LINE = 200
MAX_FIELD_LINES = 10
MAX_LABEL = 40
MAX_SIGNATURE_LINES = 15
MAX_SENT_FROM = 100
ENOUGH_FIELDS = 3
MAX_ROUNDS = 5

_TIME = re.compile(r"\b[0-9]{1,2}[:.h][0-9]{2}\b")
_DATE = re.compile(r"\b(?:[0-9]{4}|[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4})\b")
_BEGINS_WITH_DATE = re.compile(r"(?:[^\W\d_]{2,12}\.?, ?)?[0-9]")
_ANGLE_ADDRESS = re.compile(r"<(?:mailto:)?[^<>\s@]{1,100}@[^<>\s@]{1,200}[>\s<]")
_DASHED = re.compile(r"\s*[-_=*]{2,}\s*([^\s_=*-][^_=*]{3,60}?):?\s*[-_=*]{2,}\s*")
_RULE = re.compile(r"\s*[-_=*]{5,}\s*")
_WROTE = re.compile(
    rf"\b(?:{'|'.join(map(re.escape, sorted(phrases.WROTE, key=len, reverse=True)))})(?!\w).{{0,80}}[:\uff1a]$"
)

Rule = Callable[[list[str], int], bool]


def trim(text: str, *, forwarded: bool = False) -> str:
    """Give the lines that are the author's own; the whole text where none would be left.

    Of what is ``forwarded``, by the subject or by a line that says so, nothing is cut: it is what the author shows.
    """
    lines = text.split("\n")
    marker = _find(lines, _is_marker)
    lines = lines[:marker]
    forward = 0 if forwarded else _find(lines, _is_forward)
    kept = _own(lines) if forward is None or _hard_cut(lines[:forward]) is not None else lines
    return "\n".join(kept).strip("\n") if any(map(str.strip, kept)) else text


def _own(lines: list[str]) -> list[str]:
    """Cut what follows the author's text, layer by layer: a signature may stand above the quote and below it."""
    kept = lines[: _hard_cut(lines)]
    for _ in range(MAX_ROUNDS):
        shorter = _without_quote_at_end(_without_signature(_rstrip(kept)))
        if len(shorter) == len(kept):
            break
        kept = shorter
    return _without_quote_on_top(kept)


def _hard_cut(lines: list[str]) -> int | None:
    """Give the first place from which on everything is the message that is answered."""
    return _find(lines, lambda all_, i: _is_original(all_, i) or _is_field_block(all_, i) or _is_lead_in(all_, i))


def _find(lines: list[str], rule: Rule) -> int | None:
    return next((i for i, line in enumerate(lines) if line and not line.isspace() and rule(lines, i)), None)


def _is_marker(lines: list[str], i: int) -> bool:
    return phrases.MARKER_OPENS in lines[i] and phrases.MARKER_CLOSES in lines[i]


def _is_original(lines: list[str], i: int) -> bool:
    return _between_dashes(lines[i]) in phrases.ORIGINAL


def _is_forward(lines: list[str], i: int) -> bool:
    line = lines[i][:MAX_LINE]
    return _between_dashes(line) in phrases.FORWARDED or line.strip(" :").lower() in phrases.FORWARDED


def _between_dashes(line: str) -> str:
    found = _DASHED.fullmatch(line) if len(line) <= MAX_LINE else None
    return " ".join(found[1].lower().split()) if found else ""


def _is_field_block(lines: list[str], i: int) -> bool:
    """Whether a copy of a mail's header begins here, as Outlook puts it above what is answered.

    One line ``From: here we go`` is prose, and so are ``From: Berlin``, ``To: Paris``, ``Date: 3 May``.
    """
    if _field(lines[i]) in {"", "other"}:
        return False
    kinds: set[str] = set()
    sender = ""
    for line in lines[i : i + MAX_FIELD_LINES]:
        if not line.strip():
            break
        kind = _field(line)
        kinds.add(kind)
        sender = line if kind == "from" else sender
    kinds -= {"", "other"}
    return len(kinds) >= ENOUGH_FIELDS and ({"from", "date", "subject"} <= kinds or "@" in sender)


def _field(line: str) -> str:
    label, colon, _ = line[:MAX_LABEL].partition(":")
    return phrases.FIELDS.get(label.strip(" \t\xa0*_").lower(), "") if colon else ""


def _is_lead_in(lines: list[str], i: int) -> bool:
    """Whether a line here introduces a quote that nothing marks: "3 Nov 2025, 10:00, Anna <anna@shop.example>:".

    Everything below would go, so it has to name an address, and to begin with the date or say "wrote".
    """
    end = _attribution(lines, i) if _begins_paragraph(lines, i) else 0
    if not end:
        return False
    following = _next(lines, end)
    said = " ".join(map(str.strip, lines[i:end])).lower()
    sure = _BEGINS_WITH_DATE.match(said) or _WROTE.search(said) or said.startswith(phrases.WROTE_FIRST)
    named = sure and _ANGLE_ADDRESS.search(said)
    return bool(named) and following < len(lines) and not lines[following].startswith(">")


def _attribution(lines: list[str], i: int) -> int:
    """Give where the words above a quote end that begin at ``i``, or 0 if there are none.

    They hold a date or a time, end with a colon, and say who wrote: a verb or an address in angle brackets. Long names
    are wrapped, also before "wrote:".
    """
    said = ""
    for end in range(i, min(i + MAX_ATTRIBUTION_LINES, len(lines))):
        line = lines[end].strip()
        if not line or line.startswith(">") or len(said) + len(line) > MAX_ATTRIBUTION:
            return 0
        said = f"{said} {line.lower()}" if said else line.lower()
        if said.endswith((":", "\uff1a")):
            return end + 1 if _says_who_and_when(said) else 0
    return 0


def _begins_paragraph(lines: list[str], i: int) -> bool:
    return i == 0 or not lines[i - 1].strip() or _RULE.fullmatch(lines[i - 1][:MAX_LINE]) is not None


def _says_who_and_when(said: str) -> bool:
    when = _TIME.search(said) or _DATE.search(said)
    who = _WROTE.search(said) or said.startswith(phrases.WROTE_FIRST) or _ANGLE_ADDRESS.search(said)
    return bool(when and who)


def _without_quote_at_end(lines: list[str]) -> list[str]:
    """Drop the quote that ends the text, and the words above it."""
    end = len(lines)
    while end and (lines[end - 1].startswith(">") or not lines[end - 1].strip()):
        end -= 1
    for start in range(end - 1, max(end - 1 - MAX_ATTRIBUTION_LINES, -1), -1):
        if lines[start].strip() and _attribution(lines, start) == end:
            return lines[:start]
    return lines[:end]


def _without_quote_on_top(lines: list[str]) -> list[str]:
    """Drop the quote that begins the text when everything else is below it; answers between quotes keep them."""
    start = _next(lines, 0)
    start = _next(lines, (_attribution(lines, start) or start) if start < len(lines) else start)
    end = start
    while end < len(lines) and (lines[end].startswith(">") or not lines[end].strip()):
        end += 1
    only = end > start and end < len(lines) and not any(line.startswith(">") for line in lines[end:])
    return lines[end:] if only else lines


def _without_signature(lines: list[str]) -> list[str]:
    """Drop what stands below the last ``--`` (RFC 3676 section 4.3), and the line that a telephone adds."""
    for i in range(len(lines) - 1, max(len(lines) - 2 - MAX_SIGNATURE_LINES, 0), -1):
        if lines[i].startswith(">"):
            break
        if lines[i].rstrip() == "--":
            return lines[:i]
    if len(lines) > 1 and _is_sent_from(lines[-1]) and not lines[-2].strip():
        return lines[:-1]
    return lines


def _is_sent_from(line: str) -> bool:
    said = line.strip(" *_").lower()
    if len(said) > MAX_SENT_FROM or not said.startswith(phrases.SENT_FROM):
        return False
    return any(device in said for device in phrases.DEVICES)


def _rstrip(lines: list[str]) -> list[str]:
    end = len(lines)
    while end and (not lines[end - 1].strip() or _RULE.fullmatch(lines[end - 1][:MAX_LINE])):
        end -= 1
    return lines[:end]


def _next(lines: list[str], start: int) -> int:
    """Give the next line that says something."""
    return next((i for i in range(start, len(lines)) if lines[i].strip()), len(lines))
