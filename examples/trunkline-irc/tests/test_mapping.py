"""Lines and what they mean; and whatever strangers write is a message, nothing, or a ValueError."""

import pytest
from adapters.errors import BadCredentials, BadSettings, NotReachable, StartError
from hypothesis import given
from hypothesis import strategies as st
from normalizer.codec import encode_envelope

from trunkline_irc.connection import refused
from trunkline_irc.mapping import mask, to_envelope
from trunkline_irc.wire import Line, line, parse

PIECES = [
    b"@msgid=",
    b";",
    b":",
    b" ",
    b"!u@host",
    b"PRIVMSG",
    b"\x01ACTION ",
    b"\x0304,",
    b"\x00",
    b"\xff",
    b"a\xc3",
    b"#",
]


@given(st.one_of(st.binary(max_size=600), st.lists(st.sampled_from(PIECES), max_size=20).map(b"".join)))
def test_whatever_comes_has_an_end(raw: bytes) -> None:
    for whole in (raw, b":dove!u@host PRIVMSG support :" + raw):
        try:
            envelope = to_envelope(parse(whole), "irc", number="n1", new_id="id", now=0)
        except ValueError:
            continue
        if envelope is not None and len(envelope.native_id) <= 255:
            encode_envelope(envelope)


def test_a_line_has_tags_a_source_a_command_and_parameters() -> None:
    raw = b"@msgid=a\\sb\\:c;other :dove!u@host privmsg support :two words: here\r\n"
    said = Line("PRIVMSG", ("support", "two words: here"), "dove!u@host", {"msgid": "a b;c", "other": ""})
    assert parse(raw) == said


def test_nothing_that_is_written_can_end_the_line() -> None:
    with pytest.raises(ValueError, match="the end of a line"):
        line("PRIVMSG", "dove", "hello\r\nQUIT")


def test_a_nickname_is_the_same_however_it_is_written() -> None:
    assert mask("Dove[1]", "u", "host") == mask("dove{1}", "u", "host")


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (Line("432", ("*", "x y", "Erroneous nickname")), BadSettings),
        (Line("464", ("*", "Password incorrect")), BadCredentials),
        (Line("ERROR", ("Access denied: Bad password?",)), BadCredentials),
        (Line("433", ("*", "support", "Nickname is already in use")), NotReachable),
        (Line("ERROR", ("Closing link: too many connections",)), NotReachable),
    ],
)
def test_why_a_server_does_not_let_us_on(said: Line, error: type[StartError]) -> None:
    assert type(refused(said)) is error
