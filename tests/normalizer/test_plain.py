import pytest
from hypothesis import given
from hypothesis import strategies as st

from normalizer.content import (
    Call,
    Choice,
    ContactCard,
    Content,
    Delete,
    Edit,
    Form,
    Location,
    Media,
    Option,
    Rating,
    Reaction,
    StoredFile,
    Template,
    Text,
    Unsupported,
)
from normalizer.plain import clean_line, clean_text, display_text, preview

FILE = StoredFile(name="f", size=1, key="k")
PHOTO = Media(file=FILE, type="image/png", filename="shoe\n.png")
OPTIONS = (Option(id="y", label="Yes"), Option(id="m", label="More", url="https://shop.example"))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (Text(text="Hello", subject="Order 7", attachments=(PHOTO,)), "Order 7\nHello\nshoe .png"),
        (Text(text="Hello"), "Hello"),
        (PHOTO, "shoe .png"),
        (Media(file=FILE, type="audio/ogg", caption="listen"), "listen\naudio/ogg"),
        (Location(latitude=52.2297, longitude=-0.00001, name="Home"), "Home\n52.229700, -0.000010"),
        (ContactCard(name="Jan", phones=("+48", "+49"), emails=("j@a",)), "Jan\n+48\n+49\nj@a"),
        (Choice(text="Sure?", options=OPTIONS), "Sure?\n1. Yes\n2. More: https://shop.example"),
        (Choice(text="Sure?", options=OPTIONS, chosen="y"), "Yes"),
        (Choice(chosen="gone"), "gone"),
        (Reaction(target="1", emoji="👍"), "👍"),
        (Edit(target="1", text="new"), "new"),
        (Delete(target="1"), ""),
        (Call(call="1", event="ended", duration=151_900, reason="Busy"), "2:31\nBusy"),
        (Call(call="1", event="ringing"), ""),
        (Form(name="Before", answers={"Order": "7", "City": "Łódź"}), "Before\nOrder: 7\nCity: Łódź"),
        (Rating(score=4, comment="fine"), "4/5\nfine"),
        (Template(name="ready", text="Order 7 is ready."), "Order 7 is ready."),
        (Unsupported(what="poll"), "[poll]"),
    ],
)
def test_every_kind_of_content_has_words_of_its_own(content: Content, text: str) -> None:
    assert display_text(content) == text
    assert preview(content) == " ".join(text.split())


def test_a_preview_is_one_short_line() -> None:
    assert preview(Text(text="word\r\n" * 100), 12) == "word word w…"


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("Anna\r\nBcc: all@x", "Anna Bcc: all@x"),
        ("  a\t b  ", "a b"),
        ("evil\u202etxt.exe", "eviltxt.exe"),
        ("\u2066a\u2069\ufeff\u200b", "a"),
        ("a\x00\x1b[31mb\x9f", "a[31mb"),
        ("a\u2028b\x85c", "a b c"),
        ("\ud800", "\ufffd"),
        ("\u0646\u0645\u06cc\u200c\u062e 👨\u200d👩", "\u0646\u0645\u06cc\u200c\u062e 👨\u200d👩"),
    ],
)
def test_a_name_cannot_disturb_the_line_it_stands_in(dirty: str, clean: str) -> None:
    assert clean_line(dirty) == clean


def test_text_keeps_its_lines_and_tabs() -> None:
    assert clean_text("a\r\nb\rc\td\x00\x0b") == "a\nb\nc\td"


@given(st.text(st.characters(codec=None)), st.integers(1, 50))
def test_a_clean_line_is_clean_and_short(text: str, limit: int) -> None:
    line = clean_line(text, limit)
    assert len(line) <= limit
    assert len(line.splitlines()) <= 1
    assert line.encode().decode() == line
