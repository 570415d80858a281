"""Which mail is taken: only that which holds one of some words, where a mailbox gets other mail too."""

import re
import unicodedata
from collections.abc import Sequence

from adapters.email.wire import ParsedMail, Verdict


def filter_mail(mail: ParsedMail, words: Sequence[str], *, answers: bool = False) -> Verdict:
    """Say whether a mail is taken: it ``answers`` a message of ours, there are no words, or one of them stands in it.

    Words are looked for in subject, text and sender, in any case, at the beginning of words: ``order`` finds
    "Orders", not "border"; ``заказ`` finds "заказа". Quoted text does not count.
    """
    if answers:
        return Verdict(taken=True, why="it answers a message of ours")
    if not words:
        return Verdict(taken=True, why="every mail is taken")
    sender = f"{mail.sender.name} {mail.sender.address}" if mail.sender else ""
    for place, text in (("subject", mail.subject), ("text", mail.text), ("sender", sender)):
        for word in words:
            if _holds(_plain(text), _plain(word)):
                return Verdict(taken=True, why=f"its {place} holds {word!r}")
    listed = ", ".join(repr(word) for word in words)
    return Verdict(taken=False, why=f"neither subject nor text nor sender holds one of {listed}")


def _holds(text: str, word: str) -> bool:
    word = word.strip()
    start = r"(?<!\w)" if re.match(r"\w", word) and "@" not in word else ""
    return bool(word) and re.search(start + re.escape(word), text) is not None


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()
