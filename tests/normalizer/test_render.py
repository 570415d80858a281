from typing import get_args

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from normalizer.capabilities import Capabilities, Kind, Unit
from normalizer.content import (
    Call,
    Choice,
    ContactCard,
    Content,
    Delete,
    Edit,
    Form,
    Language,
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
from normalizer.plain import display_text
from normalizer.render import CannotRender, render
from normalizer.split import MEASURES

POOR = Capabilities(text_limit=40)
RICH = Capabilities(
    text_limit=40,
    caption_limit=20,
    kinds=frozenset(get_args(Kind)),
    media={"*/*": 100},
    buttons=2,
    button_limit=5,
    link_buttons=True,
)
MAIL = Capabilities(text_limit=60, media={"*/*": 100}, attachments=True, subject=True)


def link(media: Media) -> str:
    return f"https://a.example/{media.file.name}"


def media(name: str = "f1", size: int = 100, caption: str = "") -> Media:
    file = StoredFile(name=name, size=size, key="k")
    return Media(file=file, type="image/png", filename=f"{name}.png", caption=caption)


def shown(content: Content, capabilities: Capabilities) -> list[Content]:
    return render(content, capabilities, link=link)


YES = Option(id="y", label="Yes")
SHOP = Option(id="s", label="Shop", url="https://s.example")
AS_THEY_ARE: list[Content] = [
    Text(text="hi", language=Language(code="en")),
    media(caption="twenty characters ok"),
    Location(latitude=1, longitude=2),
    ContactCard(name="Jan"),
    Choice(text="Sure?", options=(YES, SHOP)),
    Choice(options=(YES,)),
    Reaction(target="1", emoji="👍"),
    Reaction(target="1"),
    Edit(target="1", text="new"),
    Delete(target="1"),
    Form(answers={"a": "b"}),
    Rating(score=1),
    Call(call="1", event="ended"),
    Unsupported(what="poll"),
]


@pytest.mark.parametrize("content", AS_THEY_ARE)
def test_what_the_channel_takes_goes_as_it_is(content: Content) -> None:
    assert shown(content, RICH) == [content]


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        (
            Text(text="First part of it. Then the second part of it."),
            ["First part of it.", "Then the second part of it."],
        ),
        (Text(text="Hello", subject="Order 7", full="Hello\n> quoted"), ["Order 7\n\nHello"]),
        (Choice(text="Sure?", options=(YES, SHOP)), ["Sure?\n1. Yes\n2. Shop: https://s.example"]),
        (media(), ["f1.png\nhttps://a.example/f1"]),
        (media(caption="our new shoe of 2026"), ["our new shoe of 2026\nf1.png", "https://a.example/f1"]),
        (
            Text(text="Look", attachments=(media("a"), media("b"))),
            ["Look", "a.png\nhttps://a.example/a", "b.png\nhttps://a.example/b"],
        ),
        (Location(latitude=1, longitude=2, name="Office"), ["Office\n1.000000, 2.000000"]),
        (ContactCard(name="Jan", phones=("+48",)), ["Jan\n+48"]),
        (Form(answers={"order": "7"}), ["order: 7"]),
        (Rating(score=4), ["4/5"]),
        (Template(name="ready", text="It is ready."), ["It is ready."]),
        (Reaction(target="1", emoji="👍"), ["👍"]),
        (Edit(target="1", text="new"), ["* new"]),
    ],
)
def test_what_the_channel_does_not_know_becomes_text(content: Content, texts: list[str]) -> None:
    assert shown(content, POOR) == [Text(text=text) for text in texts]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (Text(text=" \n"), "nothing to send"),
        (Edit(target="1", text=" "), "nothing to send"),
        (Choice(), "nothing to send"),
        (Reaction(target="1"), "has no reactions"),
        (Delete(target="1"), "send a correction instead"),
        (Call(call="1", event="ended"), "call event"),
        (Unsupported(what="poll"), "cannot show 'poll'"),
        (media("x" * 30), "the link is longer than the 40 characters"),
    ],
)
def test_what_has_no_form_on_the_channel_is_refused_with_a_sentence(content: Content, sentence: str) -> None:
    with pytest.raises(CannotRender, match=sentence) as refused:
        shown(content, POOR)
    assert str(refused.value).endswith(".")


def test_an_empty_edit_is_refused_where_edits_are_known_too() -> None:
    with pytest.raises(CannotRender, match="nothing to send"):
        shown(Edit(target="1", text=""), RICH)


def test_a_caption_that_is_too_long_follows_its_file() -> None:
    assert shown(media(caption="more than twenty characters"), RICH) == [
        media(),
        Text(text="more than twenty characters"),
    ]


def test_a_file_that_is_too_big_becomes_a_link() -> None:
    assert shown(media(size=101), RICH) == [Text(text="f1.png\nhttps://a.example/f1")]


def test_files_follow_their_text_in_order() -> None:
    content = Text(text="Look", attachments=(media("a"), media("b", size=101), media("c")))
    assert shown(content, RICH) == [Text(text="Look"), media("a"), Text(text="b.png\nhttps://a.example/b"), media("c")]


def test_files_alone_need_no_text() -> None:
    assert shown(Text(text="", attachments=(media(),)), RICH) == [media()]
    assert shown(Text(text="", attachments=(media(),)), MAIL) == [Text(text="", attachments=(media(),))]


def test_mail_carries_files_and_subject_and_links_what_is_too_big() -> None:
    content = Text(text="Look", subject="Order 7", attachments=(media("a"), media("b", size=101)))
    assert shown(content, MAIL) == [
        Text(text="Look\n\nb.png\nhttps://a.example/b", subject="Order 7", attachments=(media("a"),))
    ]


def test_the_last_piece_of_a_long_mail_carries_the_files() -> None:
    content = Text(text="One sentence is here and it is long enough. Then the next sentence.", attachments=(media(),))
    assert shown(content, MAIL) == [
        Text(text="One sentence is here and it is long enough."),
        Text(text="Then the next sentence.", attachments=(media(),)),
    ]


def test_an_empty_mail_is_refused() -> None:
    with pytest.raises(CannotRender, match="nothing to send"):
        shown(Text(text=""), MAIL)


def test_the_buttons_stand_under_the_end_of_a_long_question() -> None:
    choice = Choice(text="This is a rather long introduction. Are you sure?", options=(YES,))
    assert shown(choice, RICH) == [
        Text(text="This is a rather long introduction."),
        Choice(text="Are you sure?", options=(YES,)),
    ]


@pytest.mark.parametrize(
    ("choice", "capabilities"),
    [
        (Choice(text="?", options=(YES, YES, YES)), RICH),
        (Choice(text="?", options=(Option(id="n", label="Not yet"),)), RICH),
        (Choice(text="?", options=(SHOP,)), Capabilities(kinds=frozenset({"choice"}), buttons=3)),
        (Choice(text="?"), RICH),
    ],
)
def test_options_that_do_not_fit_on_buttons_are_numbered(choice: Choice, capabilities: Capabilities) -> None:
    assert shown(choice, capabilities) == [Text(text=display_text(choice))]


def test_an_edit_that_is_too_long_goes_on_in_a_new_message() -> None:
    edit = Edit(target="1", text="This is a rather long sentence. It goes on here.")
    assert shown(edit, RICH) == [
        Edit(target="1", text="This is a rather long sentence."),
        Text(text="It goes on here."),
    ]


TEXTS = st.text(st.sampled_from("ab .\n👍\u0301語")) | st.text()
LABELS = st.text(max_size=10)
FILES = st.builds(
    Media,
    file=st.builds(StoredFile, name=st.text("abc", min_size=1, max_size=5), size=st.integers(0, 200), key=st.just("k")),
    type=st.sampled_from(["image/png", "image/gif", "video/mp4"]),
    filename=LABELS,
    caption=TEXTS,
)
CONTENTS: st.SearchStrategy[Content] = st.one_of(
    st.builds(Text, text=TEXTS, subject=LABELS, full=TEXTS, attachments=st.lists(FILES, max_size=3).map(tuple)),
    FILES,
    st.builds(Location, latitude=st.floats(-90, 90), longitude=st.floats(-180, 180), name=LABELS, address=TEXTS),
    st.builds(ContactCard, name=LABELS, phones=st.lists(LABELS).map(tuple)),
    st.builds(
        Choice,
        text=TEXTS,
        options=st.lists(st.builds(Option, id=LABELS, label=LABELS, url=st.just("") | LABELS), max_size=4).map(tuple),
    ),
    st.builds(Reaction, target=st.just("1"), emoji=LABELS),
    st.builds(Edit, target=st.just("1"), text=TEXTS),
    st.builds(Delete, target=st.just("1")),
    st.builds(Form, answers=st.dictionaries(LABELS, TEXTS, max_size=3)),
    st.builds(Rating, score=st.integers(0, 10), comment=TEXTS),
    st.builds(Template, name=st.just("ready"), text=TEXTS),
    st.builds(Unsupported, what=LABELS),
)
CAPABILITIES = st.builds(
    Capabilities,
    text_limit=st.integers(24, 200),
    caption_limit=st.integers(0, 50),
    captions=st.frozensets(st.sampled_from(["image/png", "image/*", "*/*"])),
    unit=st.sampled_from(Unit),
    kinds=st.frozensets(st.sampled_from(get_args(Kind))),
    media=st.dictionaries(st.sampled_from(["image/png", "image/*", "*/*"]), st.integers(1, 200)),
    buttons=st.integers(0, 4),
    button_limit=st.integers(1, 10),
    link_buttons=st.booleans(),
    attachments=st.booleans(),
    subject=st.booleans(),
)


def ink(text: str) -> str:
    return "".join(text.split())


def rendered(content: Content, capabilities: Capabilities) -> list[Content]:
    try:
        return shown(content, capabilities)
    except CannotRender:
        assume(False)
        raise


@given(CONTENTS, CAPABILITIES)
def test_no_piece_is_beyond_what_the_channel_shows(content: Content, capabilities: Capabilities) -> None:
    measure = MEASURES[capabilities.unit]
    for piece in rendered(content, capabilities):
        match piece:
            case Text():
                assert measure(piece.text) <= capabilities.text_limit
                assert not piece.full
                assert capabilities.subject or not piece.subject
                assert capabilities.attachments or not piece.attachments
                assert all(file.file.size <= capabilities.max_file_size(file.type) for file in piece.attachments)
            case Media():
                assert piece.file.size <= capabilities.max_file_size(piece.type)
                assert measure(piece.caption) <= capabilities.max_caption(piece.type)
            case Choice():
                assert measure(piece.text) <= capabilities.text_limit
                assert len(piece.options) <= capabilities.buttons
            case Edit():
                assert measure(piece.text) <= capabilities.text_limit
            case _:
                assert piece.__struct_config__.tag in capabilities.kinds


@given(CONTENTS, CAPABILITIES)
def test_nothing_that_was_written_is_lost_or_moved(content: Content, capabilities: Capabilities) -> None:
    pieces = rendered(content, capabilities)
    match content:
        case Text():
            written = content.text if capabilities.subject else content.subject + content.text
            spoken = "".join(piece.text for piece in pieces if isinstance(piece, Text))
            assert ink(spoken).startswith(ink(written))
        case Media():
            assert ink(content.caption) in ink("".join(map(said, pieces)))
        case Edit():
            assert ink("".join(map(said, pieces))) in (ink(content.text), ink("*" + content.text))
        case Choice() if all(isinstance(piece, Text) for piece in pieces):
            assert ink("".join(map(said, pieces))) == ink(display_text(content))
        case Choice():
            assert ink("".join(map(said, pieces))) == ink(content.text)
        case _ if len(pieces) > 1:
            assert ink("".join(map(said, pieces))) == ink(display_text(content))
        case _:
            assert ink(display_text(pieces[0])) == ink(display_text(content))


def said(piece: Content) -> str:
    match piece:
        case Text() | Choice() | Edit():
            return piece.text
        case Media():
            return piece.caption
        case _:
            return display_text(piece)


@given(st.lists(FILES, min_size=1, max_size=4), CAPABILITIES)
def test_files_keep_their_order_and_each_goes_once(files: list[Media], capabilities: Capabilities) -> None:
    files = [media(f"{number}x", size=file.file.size) for number, file in enumerate(files)]
    pieces = rendered(Text(text="", attachments=tuple(files)), capabilities)
    sent = [file.file.name for file in files if file.file.size <= capabilities.max_file_size(file.type)]
    linked = [file.file.name for file in files if file.file.name not in sent]
    carried = [file for piece in pieces for file in (piece.attachments if isinstance(piece, Text) else [piece])]
    words = " ".join(piece.text for piece in pieces if isinstance(piece, Text)).split()
    assert [file.file.name for file in carried if isinstance(file, Media)] == sent
    assert [word for word in words if word.startswith("https:")] == [f"https://a.example/{name}" for name in linked]
