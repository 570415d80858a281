import pytest
from hypothesis import given
from hypothesis import strategies as st

from normalizer.html import (
    MAX_DISPLAY_DEPTH,
    MAX_LENGTH,
    MAX_TEXT_DEPTH,
    REMOTE_PICTURE,
    SHORT,
    html_to_text,
    sanitise_html,
)

TAGS = (
    "p div table tr td ul li ol br a style script pre svg math title head body html frameset template select option "
    "textarea h1 noscript a:b b i"
)
FRAGMENTS = st.sampled_from(
    [
        *(f"<{tag}>" for tag in TAGS.split()),
        *(f"</{tag}>" for tag in TAGS.split()),
        *(
            "<!--",
            "-->",
            "<![CDATA[",
            "]]>",
            "<?xml ",
            "?>",
            "<!DOCTYPE html>",
            "<",
            ">",
            "</",
            "&amp;",
            "&#0;",
            "&#xd800;",
        ),
        *("<a href='javascript:x'>", "<a href=x>", "<img src=http://x>", "<img src=cid:x>", "<td colspan=3>"),
        *(
            "<p style='margin:2em;display:inline'>",
            "&#99999999;",
            "\0",
            "\r",
            "\n",
            " ",
            "text",
            "\ud800",
            "\ufeff",
            "\x0b",
        ),
    ]
)
HTML = st.lists(FRAGMENTS | st.text(max_size=5), max_size=15).map("".join)


def parts(html: str) -> list[str]:
    """Attributes come in no fixed order."""
    return sorted(html.replace(">", " ").split())


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("", ""),
        ("plain", "plain"),
        ("<p>One</p><p>Two</p>", "One\n\nTwo"),
        ("a<br>b", "a\nb"),
        ("<ul><li>x<li>y</ul>", "  * x\n  * y"),
        ("<div style='display:none'>preheader</div>seen", "seen"),
        ("<style>p{}</style><script>x()</script>seen", "seen"),
        ("<?xml version='1.0' encoding='utf-8'?><p>x</p>", "x"),
        ("<p>a\x00b &amp; \ud800</p>", "ab & \ufffd"),
        ("<p>a<p><p><p><p>b", "a\n\nb"),
    ],
)
def test_text_is_what_a_reader_would_see(html: str, text: str) -> None:
    assert html_to_text(html) == text


@pytest.mark.parametrize("depth", [100, 199, 201, 255, 256, 500, 600, 20_000])
def test_text_nested_deeply_is_not_lost(depth: int) -> None:
    html = "<p>before</p>" + "<div>" * depth + "<p>deep &amp; down</p>" + "</div>" * depth + "<p>after</p>"
    assert html_to_text(html).split() == ["before", "deep", "&", "down", "after"]


def test_stripping_leaves_scripts_and_comments_out() -> None:
    html = "<!-- c --><STYLE>p{}<b></b></STYLE>a<br/>b<p>c</p></script><i>d</i><script>x" + "</b><b>" + "<div>" * 300
    assert html_to_text(html) == "a\nb\nc\nd"


def test_stripping_leaves_out_what_an_unclosed_script_holds_to_the_end() -> None:
    assert html_to_text("<div>" * 300 + "a<script>let b") == "a"


def test_a_page_that_hides_everything_is_stripped_rather_than_lost() -> None:
    assert html_to_text("<div style='display:none'>all there is</div>") == "all there is"


@pytest.mark.parametrize(
    ("html", "safe"),
    [
        ("<b>bold</b><script>alert(1)</script>", "<b>bold</b>"),
        ("<p style='background:url(http://spy)' onclick='x' class='c' id='i'>x</p>", "<p>x</p>"),
        ("<img src='http://spy.example/1.gif' srcset='http://spy.example/2.gif'>", f'<img src="{REMOTE_PICTURE}">'),
        ("<img src=' HTTPS://spy.example/1.gif'>", f'<img src="{REMOTE_PICTURE}">'),
        ("<img src='/1.gif' alt='logo'>", '<img alt="logo">'),
        ("<title>t</title>x", "x"),
        ("<img src='data:image/png;base64,AA'>", "<img>"),
        ("<img src='cid:part1@mail'>", '<img src="cid:part1@mail">'),
        (
            "<a href='https://shop.example' target='_top'>x</a>",
            '<a href="https://shop.example" target="_blank" rel="noopener noreferrer nofollow">x</a>',
        ),
        ("<a href='javascript:alert(1)'>x</a>", '<a target="_blank" rel="noopener noreferrer nofollow">x</a>'),
        ("<a href=' CID:x'>x</a>", '<a target="_blank" rel="noopener noreferrer nofollow">x</a>'),
        ("<a href='/relative'>x</a>", '<a target="_blank" rel="noopener noreferrer nofollow">x</a>'),
        ("<table background='http://spy'><tr><td>x", "<table><tbody><tr><td>x</td></tr></tbody></table>"),
        ("<svg onload=alert(1)><iframe src=//x></iframe><form action=//x><input></form>", ""),
    ],
)
def test_html_for_the_screen_neither_runs_nor_fetches_anything(html: str, safe: str) -> None:
    assert parts(sanitise_html(html)) == parts(safe)


def test_html_nested_too_deeply_is_shown_as_escaped_text() -> None:
    html = "<div>" * (MAX_DISPLAY_DEPTH + 1) + "a &lt;b&gt;<p>c"
    assert sanitise_html(html) == "a &lt;b&gt;<br>c"


def test_html_that_is_too_long_is_shown_as_escaped_text() -> None:
    assert sanitise_html("<b>" + "&" * MAX_LENGTH) == "&amp;" * MAX_LENGTH


@given(HTML)
def test_html_to_text_never_raises_and_leaves_no_control_characters(html: str) -> None:
    text = html_to_text(html)
    assert text == text.strip("\n")
    assert not set(text) & {"\0", "\r", "\x0b", "\ud800"}


@given(HTML)
def test_sanitise_never_raises_and_is_safe(html: str) -> None:
    safe = sanitise_html(html)
    assert 'href="javascript' not in safe
    assert 'src="http' not in safe
    assert "<script" not in safe


@given(st.text(alphabet="<>/!-&;abp \n", max_size=200).map(lambda text: "<div>" * 300 + text))
def test_stripping_never_raises(html: str) -> None:
    assert "<div>" not in html_to_text(html)


def test_a_long_page_reads_like_a_short_one() -> None:
    page = (
        "<html><head><title>t</title><style>p{}</style></head><body><div><center>a</center><p>b"
        " <font color=red>c</font>"
        "<p style='display:none'>hidden</p><table><tr><td>d</td><td>e</td></tr></table><ul><li>f</ul><pre>g\n  h</pre>"
        "<form><input value=i><button>k</button></form><blockquote>l</blockquote><!-- m --><a href=n>p</a></body>"
    )
    assert html_to_text(page + "<i>" + "x" * SHORT + "</i>") == html_to_text(page) + "x" * SHORT


def test_a_tag_with_very_many_attributes_is_a_tag() -> None:
    assert html_to_text("a<p " + "".join(f"a{n} " for n in range(10_000)) + ">b") == "a\n\nb"


def test_tables_nested_as_deeply_as_can_be_read_lose_nothing_where_they_are_long() -> None:
    html = "<table><tr><td>" * (MAX_TEXT_DEPTH // 3) + "kept" + "</table>" + "x" * SHORT
    assert "kept" in html_to_text(html)
