"""Subjects: with and without what programs put before them."""

import re

from adapters.email.phrases import FORWARD_PREFIXES, REPLY_PREFIXES

MOST_PREFIXES = 20

_PREFIX = re.compile(r"\s*([^\W\d_]{1,12})\s*(?:\[[0-9]{1,3}\]|\([0-9]{1,3}\)|\^[0-9]{1,3})?\s*[:\uff1a]\s*")
_TAG = re.compile(r"\s*\[(?:#[^\[\]]{0,120}|ext|extern|external|spam|\*+spam\*+)\]\s*", re.IGNORECASE)


def base(subject: str) -> str:
    """Give the subject without ``Re:``, ``AW:``, ``Отв:`` and tags such as ``[#token]`` or ``[EXTERNAL]``."""
    rest = _TAG.sub(" ", subject)
    for _ in range(MOST_PREFIXES):
        found = _PREFIX.match(rest)
        if not (found and found[1].lower() in REPLY_PREFIXES):
            break
        rest = rest[found.end() :]
    return rest.strip()


def is_forward(subject: str) -> bool:
    """Whether the outermost prefix says that a mail is passed on."""
    found = _PREFIX.match(_TAG.sub(" ", subject, count=1) if _TAG.match(subject) else subject)
    return found is not None and found[1].lower() in FORWARD_PREFIXES
