"""What somebody has to look at."""

from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from broker.monitoring.alarms import LONGEST, AlarmCollector, Board, merged
from desk.ports import Alarm


class Clock:
    def __init__(self) -> None:
        self.at = 1_000

    def __call__(self) -> int:
        return self.at


def test_an_alarm_keeps_its_beginning_and_is_logged_once() -> None:
    clock = Clock()
    board = Board(clock)
    with capture_logs() as lines:
        board.raise_("behind", text="2 s", remedy="look")
        clock.at = 2_000
        board.raise_("behind", text="3 s", remedy="look")
    (alarm,) = board.alarms
    assert (alarm.since, alarm.text) == (1_000, "3 s")
    assert [(line["event"], line["log_level"], line["alarm"]) for line in lines] == [("2 s", "error", "behind")]


def test_a_text_that_would_not_fit_into_a_message_is_cut() -> None:
    board = Board(Clock())
    board.raise_("file_wrong", text="x" * 2_000_000, remedy="Correct it.")
    assert len(board.alarms[0].text) < LONGEST + 10


def test_an_alarm_that_is_over_is_gone_and_begins_anew() -> None:
    clock = Clock()
    board = Board(clock)
    board.raise_("behind", text="x", remedy="y")
    board.clear("behind")
    assert board.alarms == ()
    clock.at = 5_000
    board.raise_("behind", text="x", remedy="y")
    assert board.alarms[0].since == 5_000


def test_what_was_not_found_again_is_over_and_other_names_stay() -> None:
    board = Board(Clock())
    board.raise_("disk_full", text="x", remedy="y")
    for channels in (("site", "mail"), ("mail",)):
        board.settle(
            {"channel_silent"},
            [Alarm(name="channel_silent", channel=name, text="x", remedy="y", since=1) for name in channels],
        )
    assert [(alarm.name, alarm.channel) for alarm in board.alarms] == [("channel_silent", "mail"), ("disk_full", "")]


def test_alarms_of_several_processes_are_one_with_the_earliest_beginning() -> None:
    here = [Alarm(name="channel_off", channel="mail", text="x", remedy="y", since=7)]
    there = [Alarm(name="channel_off", channel="mail", text="x", remedy="y", since=3)]
    assert [alarm.since for alarm in merged([here, there])] == [3]


def test_alarms_are_metrics() -> None:
    registry = CollectorRegistry()
    board = Board(Clock())
    collector = AlarmCollector(board, registry)
    board.raise_("channel_off", text="x", remedy="y", channel="mail")
    assert registry.get_sample_value("trunkline_alarm", {"name": "channel_off", "channel": "mail"}) == 1
    board.clear("channel_off", "mail")
    assert registry.get_sample_value("trunkline_alarm", {"name": "channel_off", "channel": "mail"}) is None
    collector.close()
    assert list(registry.collect()) == []
