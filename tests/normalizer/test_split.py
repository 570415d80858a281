from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import iter_graphemes

from normalizer.capabilities import Unit
from normalizer.split import MEASURES, clip, split_text

WORDS = st.sampled_from(
    [
        "hello",
        "мир",
        "日本語。",
        "👨\u200d👩\u200d👧",
        "🇵🇱🇷🇺",
        "e\u0301",
        "क्षि",
        "\r\n",
        "\n\n",
        "\n",
        " ",
        "  ",
        "\t",
        "Yes. ",
        "No! ",
        "x" * 30,
    ]
)
TEXTS = st.lists(WORDS | st.text(max_size=6), max_size=30).map("".join)
UNITS = st.sampled_from(Unit)
LIMITS = st.integers(4, 60)


def ink(text: str) -> str:
    return "".join(text.split())


def test_short_text_stays_as_it_is() -> None:
    assert split_text(" two words \n", 12) == [" two words \n"]


@pytest.mark.parametrize("blank", ["", " ", "\n \n", " " * 100])
def test_white_space_alone_gives_no_piece(blank: str) -> None:
    assert split_text(blank, 20) == []


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("First one here.\n\nSecond one. Third", ["First one here.", "Second one. Third"]),
        ("First line. More\nSecond line. More", ["First line. More", "Second line. More"]),
        ("It works well. Does it now", ["It works well.", "Does it now"]),
        ("A. word after word after", ["A. word after word", "after"]),
        ("これはとても長い文です。そして次の文も長いです", ["これはとても長い文です。", "そして次の文も長いです"]),
        ("x" * 45, ["x" * 20, "x" * 20, "x" * 5]),
        (" " + "y" * 20, ["y" * 20]),
    ],
)
def test_the_cut_falls_where_a_reader_would_put_it(text: str, pieces: list[str]) -> None:
    assert split_text(text, 20) == pieces


def test_utf16_units_are_counted_where_the_provider_counts_them() -> None:
    assert [len(piece) for piece in split_text("👍" * 20, 16, MEASURES[Unit.UTF16_UNITS])] == [8, 8, 4]
    assert [len(piece) for piece in split_text("👍" * 20, 16, MEASURES[Unit.UTF8_BYTES])] == [4] * 5


def test_a_family_stays_together() -> None:
    family = "👨\u200d👩\u200d👧"
    assert split_text("aaa" + family * 2, 10) == ["aaa" + family, family]


def test_a_cluster_longer_than_a_piece_is_cut_between_code_points() -> None:
    assert split_text("e" + "\u0301" * 9, 4) == ["e\u0301\u0301\u0301", "\u0301" * 4, "\u0301" * 2]


def test_a_mark_on_a_space_keeps_its_space() -> None:
    assert split_text("abcd \u0301efg", 5) == ["abcd", " \u0301efg"]


@given(TEXTS, LIMITS, UNITS)
def test_no_piece_is_too_long_and_nothing_is_lost(text: str, limit: int, unit: Unit) -> None:
    pieces = split_text(text, limit, MEASURES[unit])
    assert all(0 < MEASURES[unit](piece) <= limit for piece in pieces)
    assert ink("".join(pieces)) == ink(text)


@given(TEXTS, LIMITS)
def test_no_cluster_that_fits_is_torn(text: str, limit: int) -> None:
    clusters = list(iter_graphemes(text))
    if any(len(cluster) > limit for cluster in clusters):
        return
    boundaries = {0, *accumulate(map(len, clusters))}
    position = 0
    for piece in split_text(text, limit):
        start = text.index(piece, position)
        assert start in boundaries
        position = start + len(piece)


@given(st.lists(st.text("abcdefg", min_size=1, max_size=10), max_size=20))
def test_no_word_that_fits_is_torn(words: list[str]) -> None:
    assert " ".join(split_text(" ".join(words), 10)).split() == words


def test_a_long_text_is_split_in_no_time_that_matters() -> None:
    assert len(split_text("word " * 12_000, 160)) == 375


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("short", 5, "short"),
        ("longer", 5, "long…"),
        ("two words", 5, "two…"),
        ("a👨\u200d👩\u200d👧", 5, "a…"),
        ("👨\u200d👩\u200d👧", 3, "…"),
    ],
)
def test_clip_shows_that_something_is_missing(text: str, limit: int, expected: str) -> None:
    assert clip(text, limit) == expected


@given(TEXTS, st.integers(1, 40))
def test_clip_keeps_the_limit(text: str, limit: int) -> None:
    assert len(clip(text, limit)) <= limit
