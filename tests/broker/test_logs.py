"""Logs: readable, and without secrets."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from broker.logs import Scrubber, configure_logs, get_logger


@pytest.fixture
def lines() -> Iterator[tuple[io.StringIO, Scrubber]]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream, scrubber = io.StringIO(), Scrubber()
    configure_logs(scrubber, format_="json", level="info", stream=stream)
    yield stream, scrubber
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_secret_is_scrubbed_wherever_it_stands(lines: tuple[io.StringIO, Scrubber]) -> None:
    stream, scrubber = lines
    scrubber.add(["s3cret-token"])
    get_logger("channel.x").info("calling https://api/s3cret-token/me", deep={"url": ["s3cret-token"]})
    try:
        raise ValueError("s3cret-token")  # noqa: TRY301
    except ValueError:
        get_logger("channel.x").exception("it failed")
    logging.getLogger("some.library").warning("got %s", "s3cret-token")
    assert "s3cret-token" not in stream.getvalue()
    assert stream.getvalue().count("***") >= 4


def test_a_line_names_its_part_and_keeps_numbers_as_numbers(lines: tuple[io.StringIO, Scrubber]) -> None:
    stream, _ = lines
    get_logger("router").info("took over", term=3)
    line = json.loads(stream.getvalue())
    assert (line["logger"], line["event"], line["term"], line["level"]) == ("router", "took over", 3, "info")


def test_what_is_below_the_level_is_not_written(lines: tuple[io.StringIO, Scrubber]) -> None:
    stream, _ = lines
    get_logger("desk").debug("the text of a message")
    assert stream.getvalue() == ""


def test_very_short_values_do_not_blank_out_ordinary_words(lines: tuple[io.StringIO, Scrubber]) -> None:
    stream, scrubber = lines
    scrubber.add(["on", ""])
    get_logger("desk").info("on and on")
    assert "on and on" in stream.getvalue()


@pytest.mark.usefixtures("lines")  # puts the loggers back
def test_what_strangers_wrote_gives_the_terminal_no_orders() -> None:
    out = io.StringIO()
    configure_logs(Scrubber(), stream=out)
    get_logger("test").warning("refused", address="webhook:hook/\x1b[2J\u202eexe", reason="a\nFAKE line")
    line = out.getvalue()
    assert line.count("\n") == 1
    assert "\x1b" not in line
    assert "\u202e" not in line
