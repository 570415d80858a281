"""When a silence is longer than usual."""

from broker.monitoring.rhythm import HOUR, LEAST, WEEK, Rhythm

MONDAY = 1_700_000_000_000 // (WEEK * HOUR) * WEEK * HOUR


def busy(weeks: int, *, per_hour: int = 6, quiet_week: int | None = None) -> Rhythm:
    """A channel on which people write from the 9th to the 17th hour of each day, for some weeks until MONDAY."""
    rhythm = Rhythm()
    begin = MONDAY - weeks * WEEK * HOUR
    for hour in range(weeks * WEEK):
        week = hour // WEEK
        for n in range(per_hour if 9 <= hour % 24 < 17 and week != quiet_week else 0):
            rhythm.take(begin + hour * HOUR + n)
    rhythm.observe(begin, MONDAY)
    return rhythm


def at(hours: float) -> int:
    return MONDAY + int(hours * HOUR)


def test_a_silence_in_busy_hours_is_noticed_after_a_few_missing_messages() -> None:
    rhythm = busy(3)
    assert rhythm.missing(at(9), at(9.5)) == 0
    assert rhythm.missing(at(9), at(9.75)) == LEAST
    assert rhythm.missing(at(9), at(11)) == 12


def test_a_night_is_no_silence() -> None:
    rhythm = busy(4)
    assert rhythm.missing(at(17), at(24 + 9)) == 0


def test_a_silence_that_begins_in_the_evening_is_noticed_in_the_morning() -> None:
    rhythm = busy(4)
    assert rhythm.missing(at(16.9), at(24 + 10)) >= LEAST


def test_nothing_is_expected_before_two_weeks_are_known() -> None:
    assert busy(1).missing(at(9), at(17)) == 0
    assert busy(2).missing(at(9), at(17)) > 0


def test_a_quiet_week_among_the_last_ones_makes_its_hours_quiet() -> None:
    assert busy(4, quiet_week=2).missing(at(9), at(17)) == 0


def test_a_channel_on_which_hardly_anybody_writes_is_never_silent() -> None:
    assert busy(4, per_hour=0).missing(at(0), at(100)) == 0


def test_weeks_that_are_long_ago_are_forgotten() -> None:
    rhythm = busy(6)
    assert min(rhythm.hours) >= MONDAY // HOUR - 4 * WEEK


def test_hours_in_which_nobody_counted_are_not_quiet_ones() -> None:
    rhythm = busy(3)
    for hour in [hour for hour in rhythm.hours if hour < MONDAY // HOUR - 2 * WEEK]:
        del rhythm.hours[hour]
    assert rhythm.missing(at(9), at(11)) == 12


def test_what_two_processes_have_counted_of_the_same_messages_is_not_added_up() -> None:
    one, other = busy(3), busy(3)
    other.take(MONDAY + 5)
    one.merge(other)
    assert one.missing(at(9), at(11)) == 12
    assert one.last == MONDAY + 5
