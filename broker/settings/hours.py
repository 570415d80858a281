"""Settings of opening hours, and what they come to in numbers: time zones and holidays are looked up here, once."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import holidays
from msgspec import Meta, Struct, field

from config import SettingError
from config.problems import nearest
from router.rules import Hours, Intervals

FIRST_YEAR = 2025
LAST_YEAR = 2040
"""Clocks and holidays are known ahead for these years; fixed, so that a file gives the same rules at any time."""

NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EPOCH = date(1970, 1, 1)
MIDNIGHT = 24 * 60

Interval = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")]
Days = Annotated[str, Meta(pattern=r"^(mon|tue|wed|thu|fri|sat|sun)(-(mon|tue|wed|thu|fri|sat|sun))?$")]
Day = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]


class HoursSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a team is there, on the clocks of its place; daylight saving is followed."""

    timezone: Annotated[ZoneInfo, Meta(description="Such as Europe/Warsaw.")]
    week: Annotated[
        dict[Days, list[Interval]],
        Meta(
            description="Day (`sat`) or days (`mon-fri`) to intervals such as 09:00-13:00; 22:00-06:00 ends on the "
            "next day. Days that are not named are closed."
        ),
    ]
    holidays: Annotated[
        str, Meta(description="Country whose public holidays are closed (PL), or a part of one (DE-BY); empty: none.")
    ] = ""
    days: Annotated[
        dict[Day, list[Interval]], Meta(description="Days that are different, such as 2026-12-24; no interval: closed.")
    ] = field(default_factory=dict)
    say: Annotated[
        dict[str, str],
        Meta(
            description="Language to what is told once to those who write while it is closed and nobody is there; "
            "{opens} in it is the next opening."
        ),
    ] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_holidays(self.holidays)
        for day in self.days:
            try:
                date.fromisoformat(day)
            except ValueError as exc:
                raise SettingError(f"{day} is no day: {exc}", key=("days", day)) from exc
        named = [name for days in self.week for name in _named(days)]
        if len(named) != len(set(named)):
            raise SettingError("a day stands in it twice", key="week")


def _check_holidays(place: str) -> None:
    country, _, part = place.partition("-")
    known = holidays.list_supported_countries()
    if place and country not in known:
        raise SettingError(
            f"{country} is no country whose holidays are known; {nearest(country, list(known))}", key="holidays"
        )
    if part and part not in known[country]:
        told = nearest(part, known[country])
        raise SettingError(f"{country} has no part {part} with holidays of its own; {told}", key="holidays")


def compile_hours(settings: HoursSettings) -> Hours:
    """Give the calendar as the rules have it."""
    week: list[Intervals] = [()] * len(NAMES)
    for days, intervals in settings.week.items():
        for name in _named(days):
            week[NAMES.index(name)] = _intervals(intervals)
    different: dict[str, Intervals] = dict.fromkeys(map(str, _closed(settings.holidays)), ())
    for day, intervals in settings.days.items():
        different[str((date.fromisoformat(day) - EPOCH).days)] = _intervals(intervals)
    return Hours(
        week=tuple(week),
        offsets=tuple(_offsets(settings.timezone)),
        days=dict(sorted(different.items())),
        say=dict(settings.say),
    )


def _named(days: str) -> list[str]:
    """Name the days of ``mon-fri``; ``sat-mon`` goes over the end of the week."""
    first, _, last = days.partition("-")
    start, end = NAMES.index(first), NAMES.index(last or first)
    return [NAMES[day % 7] for day in range(start, end + 1 if end >= start else end + 8)]


def _intervals(texts: list[str]) -> Intervals:
    return tuple(sorted((start, end if end > start else end + MIDNIGHT) for start, end in map(_interval, texts)))


def _interval(text: str) -> tuple[int, int]:
    start, end = (int(each[:2]) * 60 + int(each[3:]) for each in text.split("-"))
    return start, end


def _closed(place: str) -> Iterator[int]:
    if place:
        country, _, part = place.partition("-")
        years = range(FIRST_YEAR, LAST_YEAR + 1)
        for day in holidays.country_holidays(country, subdiv=part or None, years=years):
            yield (day - EPOCH).days


def _offsets(zone: ZoneInfo) -> Iterator[tuple[int, int]]:
    """Give when the clocks are how far ahead of UTC: each change is found to the minute by halving the day it is in."""
    at, last = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC), datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC)
    known = _ahead(zone, at)
    yield 0, known
    while at < last:
        following = at + timedelta(days=1)
        if (later := _ahead(zone, following)) != known:
            yield _change(zone, at, following), later
            known = later
        at = following


def _change(zone: ZoneInfo, before: datetime, behind: datetime) -> int:
    was = _ahead(zone, before)
    while behind - before > timedelta(minutes=1):
        middle = before + (behind - before) // 2
        middle = middle.replace(second=0, microsecond=0)
        if _ahead(zone, middle) == was:
            before = middle
        else:
            behind = middle
    return int(behind.timestamp()) * 1_000


def _ahead(zone: ZoneInfo, at: datetime) -> int:
    offset = at.astimezone(zone).utcoffset() or timedelta()
    return int(offset.total_seconds()) * 1_000
