"""What stands around an answer: the line above which the customer replies, the signature, the HTML of the text."""

import html as entities
import re
from collections.abc import Mapping, Sequence

from adapters.email.phrases import MARKER_CLOSES, MARKER_OPENS, REPLY_ABOVE
from adapters.email.wire import Signature, Writer

_URL = re.compile(r"https?://[^\s<>\"]+[^\s<>\".,;:!?)\]}']")
_PAGE = '<!DOCTYPE html>\n<html><body style="font-family: sans-serif; font-size: 14px">\n{}\n</body></html>\n'


def marker_line(language: str, writer: Writer) -> str:
    """Give "reply above this line" in the customer's language, or in the first of ours that has it."""
    chosen = _chosen(REPLY_ABOVE, (language, *writer.languages))
    return f"{MARKER_OPENS} {chosen} {MARKER_CLOSES}"


def signature_text(signature: Signature, operator: str, language: str) -> str:
    """Give the signature in a language, with the names filled in; a line that only held a missing name is left out."""
    if not signature.texts:
        return ""
    names = {"{operator}": operator, "{team}": signature.team}
    lines = (_filled(line, names) for line in _chosen(signature.texts, (language,)).split("\n"))
    return "\n".join(line for line in lines if line is not None).strip("\n")


def to_html(text: str, pictures: Sequence[str] = ()) -> str:
    """Give plain text as a small page: links can be followed, pictures (by their Content-ID) stand at the end."""
    paragraphs = [f"<p>{_linked(part)}</p>" for part in re.split(r"\n{2,}", text.strip("\n"))]
    shown = [f'<p><img src="cid:{entities.escape(name)}" style="max-width: 100%"></p>' for name in pictures]
    return _PAGE.format("\n".join((*paragraphs, *shown)))


def _chosen(texts: Mapping[str, str], languages: Sequence[str]) -> str:
    """Take the first language there is a text in, whatever its region; else the first text."""
    codes = (code for language in languages for code in (language, language.partition("-")[0]))
    return next((texts[code] for code in codes if code in texts), next(iter(texts.values())))


def _filled(line: str, names: Mapping[str, str]) -> str | None:
    filled = line
    for placeholder, name in names.items():
        filled = filled.replace(placeholder, name)
    missing = any(placeholder in line and not name for placeholder, name in names.items())
    return (filled.strip(" ,|-") or None) if missing else filled.rstrip()


def _linked(text: str) -> str:
    parts: list[str] = []
    position = 0
    for url in _URL.finditer(text):
        parts.append(entities.escape(text[position : url.start()]))
        target = entities.escape(url[0])
        parts.append(f'<a href="{target}">{target}</a>')
        position = url.end()
    parts.append(entities.escape(text[position:]))
    return "".join(parts).replace("\n", "<br>\n")
