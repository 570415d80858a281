"""What a reader sees of a mail: its text, its HTML made harmless, its files.

A part is a file when it says so or bears a name; every other ``text/plain`` and ``text/html`` is shown, in order.
Of alternatives (RFC 2046 section 5.1.4) the plain text is taken unless it is empty; the HTML is kept beside it.
"""

import re

import msgspec
from msgspec import Struct

from adapters.email.charsets import decode
from adapters.email.headers import read_headers
from adapters.email.mime import Part, Reader
from adapters.email.wire import Attachment, Limits
from normalizer.html import html_to_text, sanitise_html
from normalizer.plain import clean_line, clean_text

MAX_SHOWN = 1_000_000
"""Bytes of all shown parts together that are read: some seconds of work where all of it is hostile HTML."""

SIGNATURE = "-- "
WHOLE = "message.txt"
MAX_QUOTE_DEPTH = 20
MAX_CONTENT_ID = 255
MAX_NAME = 200
MAX_SUFFIX = 16
MAX_TEXT_BYTES = 100_000
"""Of a text as JSON: twice that, trimmed and in full, fits into an envelope."""

_SHOWN = frozenset({"text/plain", "text/html"})
_NOT_SHOWN_NOR_KEPT = frozenset({"text/x-amp-html", "text/watch-html"})
_PATH = re.compile(r".*[/\\]")
_QUOTE_TAG = re.compile(r"<(/?)blockquote\b[^<>]*>", re.IGNORECASE)
_QUOTE_OPENS, _QUOTE_CLOSES = "\ue000", "\ue001"
"""Private characters (Unicode 23.5) that mark quotes while HTML becomes text."""
_QUOTE_MARKS = re.compile(f"[{_QUOTE_OPENS}{_QUOTE_CLOSES}]")


class Body(Struct, frozen=True):
    """What is shown: plain text, and HTML as it came; either may be empty."""

    plain: str = ""
    html: str = ""


class Content(Struct, frozen=True):
    """All that a mail holds: ``html`` is sanitised."""

    text: str
    html: str
    attachments: tuple[Attachment, ...]


def read_content(root: Part, reader: Reader, limits: Limits) -> Content:
    """Read the text, the HTML and the files of a mail. Takes a second for each megabyte of HTML."""
    collector = _Collector(reader, limits)
    bodies = collector.collect(root)
    plain = "\n\n".join(filter(None, (_plain(body) for body in bodies)))
    html = "<hr>".join(filter(None, (body.html for body in bodies)))
    shown = _shortened(plain, limits.text)
    if len(shown) < len(plain):
        reader.note(f"Only {len(shown):,} characters of the text are shown: the whole is attached as {WHOLE}.")
        collector.keep_first(Attachment(filename=WHOLE, type="text/plain", data=plain.encode()))
    return Content(shown, sanitise_html(html) if html.strip() else "", tuple(collector.files))


class _Collector:
    """Walks the parts of one mail."""

    def __init__(self, reader: Reader, limits: Limits) -> None:
        self._reader = reader
        self._limits = limits
        self._left = MAX_SHOWN
        self.files: list[Attachment] = []

    def collect(self, part: Part) -> list[Body]:
        """Give what is shown of a part, and keep its files."""
        if part.type == "multipart/alternative":
            return self._alternative(part)
        if part.parts or part.type.startswith("multipart/"):
            return [body for inner in part.parts for body in self.collect(inner)]
        if part.type in _SHOWN and not _is_file(part):
            return [self._body(part)]
        if part.type not in _NOT_SHOWN_NOR_KEPT:
            self._keep(part)
        return []

    def _alternative(self, part: Part) -> list[Body]:
        """Give one body: the first plain text that says something, the last HTML, which is the richest."""
        bodies = [body for inner in part.parts for body in self.collect(inner)]
        plain = next((body.plain for body in bodies if body.plain.strip()), "")
        html = next((body.html for body in reversed(bodies) if body.html.strip()), "")
        return [Body(plain, html)]

    def _body(self, part: Part) -> Body:
        text = clean_text(self._text(part))
        if part.type == "text/html":
            return Body(html=text)
        if part.headers.parameter("content-type", "format").lower() == "flowed":
            text = unflow(text, delsp=part.headers.parameter("content-type", "delsp").lower() == "yes")
        return Body(plain=text)

    def _text(self, part: Part) -> str:
        """Give the text of a part; what is too long to be shown is kept as a file as well."""
        data = self._reader.content(part)
        shown = data[: self._left]
        self._left -= len(shown)
        if len(shown) < len(data):
            name = "message.html" if part.type == "text/html" else WHOLE
            self._reader.note(f"A text of {len(data):,} bytes is shown in part only: the whole is attached as {name}.")
            self._add(Attachment(filename=name, type=part.type, data=data))
        charset = part.headers.parameter("content-type", "charset")
        return decode(shown, charset, cut=len(shown) < len(data))

    def _keep(self, part: Part) -> None:
        content_id = clean_line(part.headers.first("content-id").strip().strip("<>"), 1_000)
        self._add(
            Attachment(
                filename=_filename(part, self._reader),
                type=part.type,
                data=self._reader.content(part),
                content_id=content_id if len(content_id) <= MAX_CONTENT_ID else "",
            )
        )

    def keep_first(self, whole: Attachment) -> None:
        """Put the whole text before all other files, unless it is there already."""
        if not any(file.filename == WHOLE for file in self.files):
            self.files.insert(0, whole)

    def _add(self, file: Attachment) -> None:
        label = file.filename or file.type
        if len(self.files) >= self._limits.attachments:
            self._reader.note(f"More than {self._limits.attachments} attachments: {label} is left out.")
        elif len(file.data) > self._limits.attachment_size:
            allowed = f"{self._limits.attachment_size:,}"
            self._reader.note(f"The file {label} has {len(file.data):,} bytes, more than {allowed}: it is left out.")
        else:
            self.files.append(file)


def unflow(text: str, *, delsp: bool = False) -> str:
    """Join the lines of format=flowed (RFC 3676): one that ends in a blank goes on in the next of the same depth."""
    pieces: list[str] = []
    flowing: str | None = None
    for line in text.split("\n"):
        content = line.lstrip(">")
        depth = line[: len(line) - len(content)]
        content = content.removeprefix(" ")
        if flowing != depth or content == SIGNATURE:
            pieces += ("\n", depth, " " if depth else "")
        flows = content.endswith(" ") and content != SIGNATURE
        pieces.append(content[:-1] if flows and delsp else content)
        flowing = depth if flows else None
    return "".join(pieces[1:])


def _shortened(text: str, limit: int) -> str:
    """Cut a text to a number of characters, and to :data:`MAX_TEXT_BYTES`, which fewer characters of Chinese reach."""
    text = text[:limit]
    while (size := len(msgspec.json.encode(text))) > MAX_TEXT_BYTES:
        text = text[: len(text) * MAX_TEXT_BYTES // size]
    return text


def _plain(body: Body) -> str:
    if body.plain.strip() or not body.html.strip():
        return body.plain.strip("\n")
    return quoted_text(body.html)


def quoted_text(html: str) -> str:
    """Give the text of HTML with its quotes (blockquote) marked by ``>`` as in plain mail."""
    marked = _QUOTE_TAG.sub(_mark, _QUOTE_MARKS.sub("", html))
    depth = 0
    lines: list[str] = []
    for line in html_to_text(marked).split("\n"):
        text = _QUOTE_MARKS.sub("", line)
        opened, closed = line.count(_QUOTE_OPENS), line.count(_QUOTE_CLOSES)
        depth = max(0, min(depth + opened, MAX_QUOTE_DEPTH))
        if text.strip() or not (opened or closed):
            lines.append(f"{'>' * depth} {text.lstrip()}".rstrip() if depth else text)
        if closed and lines[-1:] == [">" * depth]:
            lines.pop()
        depth = max(0, depth - closed)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


def _mark(tag: re.Match[str]) -> str:
    if tag[1]:
        return f"<p>{_QUOTE_CLOSES}</p>{tag[0]}"
    return f"{tag[0]}<p>{_QUOTE_OPENS}</p>"


def _is_file(part: Part) -> bool:
    disposition = part.headers.value_type("content-disposition")
    return disposition == "attachment" or bool(_declared_name(part))


def _declared_name(part: Part) -> str:
    return part.headers.parameter("content-disposition", "filename") or part.headers.parameter("content-type", "name")


def _filename(part: Part, reader: Reader) -> str:
    """Give the name without its path; a mail within the mail is named after its subject."""
    name = _PATH.sub("", _declared_name(part)).strip(". ")
    if not name and part.type == "message/rfc822":
        inner, _ = read_headers(reader.data, part.start, part.end)
        subject = re.sub(r'[\\/:*?"<>|]', "_", inner.text("subject", 80)).strip(". ")
        name = f"{subject or 'message'}.eml"
    if len(name) <= MAX_NAME:
        return name
    stem, dot, suffix = name.rpartition(".")
    ending = f"{dot}{suffix}" if stem and len(suffix) <= MAX_SUFFIX else ""
    return name[: MAX_NAME - len(ending)] + ending
