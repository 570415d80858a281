"""Opening hours of the file: time zones and holidays become numbers, and mistakes are named."""

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from broker.settings.compile import compile_rules, propose
from broker.settings.hours import HoursSettings, compile_hours
from router.hours import is_open, local_time, opens_at
from router.rules import Hours
from tests.broker.settings.test_workspace import WHOLE, mistakes, read

WARSAW = ZoneInfo("Europe/Warsaw")


def at(text: str, zone: ZoneInfo = WARSAW) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1_000)


def hours(week: dict[str, list[str]], zone: ZoneInfo = WARSAW, **more: object) -> Hours:
    return compile_hours(HoursSettings(timezone=zone, week=week, **more))  # type: ignore[arg-type]  # any other field


def test_several_intervals_a_day_holidays_and_days_that_are_different() -> None:
    shop = hours(
        {"mon-fri": ["14:00-18:00", "09:00-13:00"]},
        holidays="PL",
        days={"2026-12-24": ["09:00-12:00"], "2026-11-11": ["10:00-11:00"]},
    )
    assert is_open(shop, at("2026-11-23T09:00")), "a Monday"
    assert not is_open(shop, at("2026-11-23T13:00"))
    assert opens_at(shop, at("2026-11-23T13:00")) == at("2026-11-23T14:00")
    assert opens_at(shop, at("2026-11-27T18:00")) == at("2026-11-30T09:00"), "over the week-end"
    assert opens_at(shop, at("2026-12-24T12:00")) == at("2026-12-28T09:00"), "over Christmas"
    assert is_open(shop, at("2026-11-11T10:30")), "a holiday on which somebody comes all the same"


@pytest.mark.parametrize("zone", ["Europe/Warsaw", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"])
def test_the_clocks_are_those_of_the_time_zone_all_year_round(zone: str) -> None:
    place = ZoneInfo(zone)
    calendar = hours({"mon-sun": ["09:00-17:00"]}, place)
    for month in range(1, 13):
        for day in (1, 8, 15, 22, 28):
            moment = at(f"2027-{month:02}-{day:02}T09:00", place)
            assert is_open(calendar, moment)
            assert not is_open(calendar, moment - 1)
            assert opens_at(calendar, moment - 60_000) == moment
            assert local_time(calendar, moment) == at(f"2027-{month:02}-{day:02}T09:00", ZoneInfo("UTC"))


def test_days_go_over_the_end_of_the_week_and_nights_into_the_next_day() -> None:
    night = hours({"sat-mon": ["22:00-06:00"], "wed": ["00:00-24:00"]}, ZoneInfo("UTC"))
    utc = ZoneInfo("UTC")
    assert is_open(night, at("2026-11-24T05:59", utc)), "what began on Monday"
    assert not is_open(night, at("2026-11-24T22:00", utc))
    assert is_open(night, at("2026-11-25T23:59", utc))
    assert not is_open(night, at("2026-11-26T00:00", utc))


def test_the_file_holds_them_and_rules_name_them(tmp_path: Path) -> None:
    more = """
hours:
  default: {timezone: Europe/Warsaw, week: {mon-fri: [09:00-17:00]}, holidays: PL, say: {en: "Back at {opens}."}}
  night: {timezone: UTC, week: {mon-sun: [22:00-06:00]}}
"""
    text = WHOLE.replace("    when: {text: [invoice]}", "    hours: night\n    when: {text: [invoice], hours: closed}")
    settings = read(tmp_path, text + more)
    rules = compile_rules(settings)
    assert propose(settings).hash == propose(read(tmp_path, text + more)).hash
    assert (rules.routes[0].hours, rules.routes[0].when.hours, rules.routes[1].hours) == ("night", "closed", "")
    assert rules.hours["default"].week[0] == ((540, 1020),)
    assert rules.hours["default"].say == {"en": "Back at {opens}."}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("{timezone: Europe/Warsaw, week: {mon: [9:00-17:00]}}", "9:00-17:00"),
        ("{timezone: Europe/Warsaw, week: {moday: [09:00-17:00]}}", "moday"),
        ("{timezone: Europe/Warsaw, week: {mon-fri: [], fri: []}}", "a day stands in it twice"),
        ("{timezone: Europe/Warsaw, week: {}, holidays: PX}", "PX is no country"),
        ("{timezone: Europe/Warsaw, week: {}, holidays: DE-XY}", "DE has no part XY"),
        ("{timezone: Europe/Warsaw, week: {}, days: {2026-02-30: []}}", "2026-02-30 is no day"),
    ],
)
def test_what_is_wrong_with_hours_is_said(tmp_path: Path, wrong: str, told: str) -> None:
    assert told in mistakes(tmp_path, f"{WHOLE}\nhours:\n  default: {wrong}\n")


def test_a_rule_names_hours_that_are_there(tmp_path: Path) -> None:
    text = WHOLE.replace("    when: {text: [invoice]}", "    hours: nigth\n    when: {text: [invoice]}")
    more = "hours:\n  night: {timezone: UTC, week: {}}\n"
    assert 'there are no hours "nigth"' in mistakes(tmp_path, f"{text}\n{more}")
    text = WHOLE.replace("when: {text: [invoice]}", "when: {hours: open}")
    assert "the rule has no hours" in mistakes(tmp_path, f"{text}\n{more}")
