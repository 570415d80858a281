"""What strangers wrote has no power over the terminal on which it is shown."""

import pytest

from broker.cli.terminal import fail, say

HOSTILE = "native id \x1b]0;owned\x07\x1b[2J\x9b2J \u202egnp.exe\r\nnext\tcolumn - grüße, 你好"
SHOWN = "native id \\x1b]0;owned\\x07\\x1b[2J\\x9b2J \\u202egnp.exe\\r\nnext\tcolumn - grüße, 你好\n"


def test_a_result_gives_the_terminal_no_orders(capsys: pytest.CaptureFixture[str]) -> None:
    say(HOSTILE)
    assert capsys.readouterr().out == SHOWN


def test_a_mistake_gives_the_terminal_no_orders(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        fail(HOSTILE)
    assert capsys.readouterr().err == SHOWN
