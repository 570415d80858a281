"""HTML from strangers: to plain text for routing and search, and made harmless for the operator's screen.

Neither function raises, whatever the input. Parsing takes about a second per megabyte, and up to two on hostile input:
callers that serve others keep big mails off the event loop.
"""

import html as entities
import re
from collections import Counter

import nh3
from inscriptis import get_text
from inscriptis.css_profiles import CSS_PROFILES
from inscriptis.model.config import ParserConfig

from normalizer.plain import clean_text

MAX_TEXT_DEPTH = 200
"""libxml2, on which inscriptis stands, drops what is nested deeper than 256 tags, and says nothing."""

MAX_DISPLAY_DEPTH = 2_000
"""Time grows with the square of the depth: 0.9 s at 20,000 tags, 26 s at 100,000."""

MAX_LENGTH = 500_000
"""In characters."""

MAX_AMPERSANDS = 100_000
"""Time also grows with the square of the ampersands: 0.2 s for this many, 4 s for five times as many."""

SHORT = 20_000
"""Characters up to which libxml2 may have the attributes: 20,000 of them in one tag take it seconds."""

REMOTE_PICTURE = "cid:remote-picture@removed.invalid"
"""Stands where a picture would have been fetched from elsewhere: names no part of any mail."""

_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9:-]*)[^<>]*>|<[!?][^<>]*>")
_REMOTE = re.compile(r"\s*(?:https?:)?//", re.IGNORECASE)
_VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"})
_SILENT = frozenset({"script", "style", "title", "template", "noscript"})
_BLOCK = frozenset(
    {"address", "blockquote", "br", "div", "dd", "dt", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre"}
    | {"section", "table", "td", "th", "tr", "ul"}
)
_BLANK_LINES = re.compile(r"\n{3,}")
_PLAIN_STYLE = ParserConfig(css=CSS_PROFILES["strict"])


def html_to_text(html: str) -> str:
    """Return what a reader would see: hidden parts, scripts and styles left out, lists and tables kept as text.

    What is too long, nested too deeply, or shows nothing at all, is stripped of its tags instead: better ugly than
    lost.
    """
    html = clean_text(html)
    return _rendered(html) or _tidy(_strip(html))


def sanitise_html(html: str) -> str:
    """Return HTML that is safe inside a page of ours: no scripts, no styles, nothing fetched when it is shown.

    Pictures keep their source only where it is a part of the same mail (``cid:``, RFC 2392), so that opening a message
    tells the sender nothing; one that would be fetched has :data:`REMOTE_PICTURE` instead, for a placeholder. Links
    open in a page of their own that cannot reach back and learns no referrer.
    What is too long or nested too deeply to be parsed in good time is shown as its text.
    """
    html = clean_text(html)
    if _is_too_much(html, MAX_DISPLAY_DEPTH):
        return entities.escape(_tidy(_strip(html))).replace("\n", "<br>")
    return _CLEANER.clean(html)


def _keep_attribute(tag: str, attribute: str, value: str) -> str | None:
    within_mail = value.strip().lower().startswith("cid:")
    if (tag, attribute) == ("img", "src"):
        return value if within_mail else REMOTE_PICTURE if _REMOTE.match(value) else None
    return None if within_mail else value


_CLEANER = nh3.Cleaner(
    clean_content_tags={"script", "style", "title"},
    attribute_filter=_keep_attribute,
    link_rel="noopener noreferrer nofollow",
    set_tag_attribute_values={"a": {"target": "_blank"}},
    url_schemes={"http", "https", "mailto", "tel", "cid"},
    url_relative="deny",
)


_OUTLINER = nh3.Cleaner(
    tags=set(CSS_PROFILES["strict"]) - {"script", "style", "title"} | nh3.ALLOWED_TAGS | {"font", "form", "center"},
    clean_content_tags={"script", "style", "title"},
    attributes={"*": {"style", "align", "valign"}},
    link_rel=None,
)


def _rendered(html: str) -> str:
    """Return the text, or nothing if it cannot be had in good time; what is long loses its attributes first."""
    if _is_too_much(html, MAX_TEXT_DEPTH):
        return ""
    outline = _OUTLINER.clean(html) if len(html) > SHORT else html
    if _depth(outline) > MAX_TEXT_DEPTH:  # a `tbody` may have been added to each table
        return ""
    return _tidy(get_text(outline, _PLAIN_STYLE))


def _is_too_much(html: str, depth: int) -> bool:
    return len(html) > MAX_LENGTH or html.count("&") > MAX_AMPERSANDS or _depth(html) > depth


def _depth(html: str) -> int:
    """Return how deep the tags are nested, at most: end tags that HTML lets one leave out count as missing."""
    opened: Counter[str] = Counter()
    depth = deepest = 0
    for tag in _TAG.finditer(html):
        name = (tag[2] or "br").lower()
        if name in _VOID:
            continue
        if not tag[1]:
            opened[name] += 1
            depth += 1
            deepest = max(deepest, depth)
        elif opened[name]:
            opened[name] -= 1
            depth -= 1
    return deepest


def _strip(html: str) -> str:
    """Return the text between the tags, in one pass that no input makes slow."""
    parts: list[str] = []
    silent = ""
    position = 0
    for tag in _TAG.finditer(html):
        parts.append("" if silent else html[position : tag.start()])
        position = tag.end()
        name = (tag[2] or "").lower()
        if silent:
            silent = "" if tag[1] and name == silent else silent
        elif name in _SILENT:
            silent = "" if tag[1] else name
        elif name in _BLOCK:
            parts.append("\n")
    parts.append("" if silent else html[position:])
    return entities.unescape("".join(parts))


def _tidy(text: str) -> str:
    lines = (line.rstrip() for line in clean_text(text).split("\n"))
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip("\n")
