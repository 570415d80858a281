"""Reports for supervisors: which there are, over which time, and how they are written down as JSON and CSV.

The figures are counted elsewhere (``broker.projections``), by the definitions in docs/search-and-reports.md.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from types import MappingProxyType
from typing import Final, Literal, Protocol
from zoneinfo import ZoneInfo

from msgspec import Struct

from desk.finding.search import IndexState

By = Literal["hour", "day", "week", "month"]
Unit = Literal["count", "ms", "share", "rate"]
GroupedBy = Literal["channel", "operator"]
Name = Literal["volume", "first_answer", "resolution", "calls", "transfers", "ratings", "operators"]
Value = int | float | None

MOST_DAYS: Final = 800
MOST_DAYS_BY_HOUR: Final = 62
DEFAULT_DAYS: Final = 7
DEFAULT_WITHIN: Final = 60
ALL: Final = ""
"""The key of the group that holds everything."""

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""How text begins that spreadsheets calculate (OWASP, CSV injection)."""


class BadPeriod(Exception):
    """No report can be made over this time; the message says why, ``field`` names the parameter."""

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


class Column(Struct, frozen=True):
    """A figure. ``about`` says in a sentence what it counts."""

    name: str
    unit: Unit
    about: str


class ReportShown(Struct, frozen=True, kw_only=True):
    """A report that can be asked for."""

    name: Name
    group: GroupedBy
    columns: tuple[Column, ...]


class Reports(Struct, frozen=True, kw_only=True):
    """Every report there is."""

    reports: tuple[ReportShown, ...]


class Bucket(Struct, frozen=True):
    """A stretch of time from ``start`` (ms) to the start of the next one."""

    start: int
    label: str


class Period(Struct, frozen=True, kw_only=True):
    """What a report is over. ``end`` (ms, exclusive) ends the last bucket."""

    buckets: tuple[Bucket, ...]
    end: int

    @property
    def start(self) -> int:
        """Beginning of the first bucket, ms."""
        return self.buckets[0].start

    @property
    def edges(self) -> list[tuple[int, int]]:
        """Beginning and end of each bucket, ms."""
        starts = [bucket.start for bucket in self.buckets]
        return list(zip(starts, [*starts[1:], self.end], strict=True))


class Asked(Struct, frozen=True, kw_only=True):
    """One report: over which time, of which channels or operators (none: all), in time ``within`` seconds."""

    name: Name
    period: Period
    channels: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    within: int = DEFAULT_WITHIN


class Group(Struct, frozen=True, kw_only=True):
    """The figures of a channel or an operator, or of all together (``key`` empty): per bucket, and over all."""

    key: str
    series: Mapping[str, Sequence[Value]]
    total: Mapping[str, Value]


class Report(Struct, frozen=True, kw_only=True, rename={"since": "from"}):
    """A report as it is shown. ``since`` (``from`` on the line) and ``to`` are days."""

    name: Name
    group: GroupedBy
    since: str
    to: str
    by: By
    timezone: str
    columns: tuple[Column, ...]
    buckets: tuple[Bucket, ...]
    groups: tuple[Group, ...]
    index: IndexState


class Figures(Protocol):
    """Where the figures come from."""

    async def report(self, asked: Asked) -> tuple[tuple[Group, ...], IndexState]:
        """Count; the group of all comes first.

        Raises:
            desk.finding.search.IndexAway: there is no answer now.
        """
        ...


def _columns(**named: tuple[Unit, str]) -> tuple[Column, ...]:
    return tuple(Column(name, unit, about) for name, (unit, about) in named.items())


def _times(what: str) -> dict[str, tuple[Unit, str]]:
    return {
        "p50": ("ms", f"Half of all {what} took at most so long."),
        "p90": ("ms", f"Nine of ten {what} took at most so long."),
        "p95": ("ms", f"95 of a hundred {what} took at most so long."),
        "mean": ("ms", f"How long {what} took on the average; a few very long ones move it much."),
        "longest": ("ms", f"How long the longest of the {what} took."),
    }


REPORTS: Final[Mapping[Name, ReportShown]] = MappingProxyType(
    {
        each.name: each
        for each in (
            ReportShown(
                name="volume",
                group="channel",
                columns=_columns(
                    begun=("count", "Cases that began: opened or reopened."),
                    by_customers=("count", "Those of them that a customer began."),
                    messages=("count", "What customers wrote."),
                    answers=("count", "What operators answered in writing."),
                    calls=("count", "Calls of customers."),
                ),
            ),
            ReportShown(
                name="first_answer",
                group="channel",
                columns=_columns(
                    waited=("count", "Cases of customers who began to wait for a first answer."),
                    answered=("count", "Those who got one, written or by phone."),
                    abandoned=("count", "Those whose case was closed without one."),
                    abandoned_share=("share", "Abandoned, of all that waited and wait no more."),
                    within=("share", "Answered in time, of all that were or should have been."),
                    **_times("first answers"),
                ),
            ),
            ReportShown(
                name="resolution",
                group="channel",
                columns=_columns(
                    closed=("count", "Cases that were closed."),
                    resolved=("count", "Those in which an operator had answered; the times are theirs."),
                    **_times("resolved cases"),
                ),
            ),
            ReportShown(
                name="calls",
                group="channel",
                columns=_columns(
                    calls=("count", "Calls of customers that began to ring."),
                    answered=("count", "Those that an operator answered."),
                    missed=("count", "Those that nobody answered."),
                    elsewhere=("count", "Those that somebody answered who is no operator here."),
                    missed_share=("share", "Missed, of all that ring no more."),
                    called_back=(
                        "count",
                        "Missed ones whose customer was talked to, or written to, afterwards.",
                    ),
                    dialled=("count", "Calls to customers."),
                    ringing_p50=("ms", "Half of the answered calls rang at most so long."),
                    ringing_p90=("ms", "Nine of ten answered calls rang at most so long."),
                    talking=("ms", "How long operators talked, in both directions."),
                ),
            ),
            ReportShown(
                name="transfers",
                group="channel",
                columns=_columns(
                    transferred=("count", "Conversations handed over by their operator."),
                    taken=("count", "Conversations that a supervisor, or a phone, gave to somebody else."),
                    released=("count", "Conversations put back into the queue by their operator."),
                    unanswered=("count", "Conversations taken from an operator who did not answer."),
                    lost=("count", "Conversations whose operator was gone."),
                    per_case=("rate", "Handed over or taken, for each case closed in this time."),
                ),
            ),
            ReportShown(
                name="ratings",
                group="channel",
                columns=_columns(
                    ratings=("count", "Cases that were rated."),
                    mean=("share", "The mean of score / scale: 1 is the best."),
                    best=("count", "The highest score of the scale."),
                    worst=("count", "The lowest score of the scale."),
                    rated_share=("share", "Rated by now, of the cases closed in this time."),
                ),
            ),
            ReportShown(
                name="operators",
                group="operator",
                columns=_columns(
                    cases=("count", "Cases in which the operator answered, written or by phone."),
                    answers=("count", "What the operator answered in writing."),
                    calls=("count", "Calls that the operator answered or made."),
                    busy=("ms", "How long the operator had at least one conversation."),
                    load=("rate", "So many conversations at once on the average, while there was one."),
                    most=("count", "So many conversations at once at the most."),
                    answers_per_hour=("rate", "Answers in writing for each hour with a conversation."),
                    first_p50=("ms", "Half of the first answers that the operator gave came within so long."),
                    handed_over=("count", "Conversations that the operator transferred or put back."),
                    offered=("count", "Conversations offered to the operator."),
                    not_taken=("count", "Those that the operator declined, or let pass."),
                    rating=("share", "The mean rating of cases that the operator answered last."),
                ),
            ),
        )
    }
)
"""Every report, by name."""


# --- time -------------------------------------------------------------------------------------------------------


def midnight(day: date, zone: ZoneInfo) -> int:
    """Give the beginning of a calendar day in a time zone, in ms; where the clocks skip midnight, the first moment."""
    return int(datetime.combine(day, time(), zone).timestamp() * 1_000)


def period(first: date, last: date, by: By, zone: ZoneInfo) -> Period:
    """Divide the days from ``first`` to ``last``, both included.

    Raises:
        BadPeriod: it ends before it begins, or is too long.
    """
    days = (last - first).days + 1
    most = MOST_DAYS_BY_HOUR if by == "hour" else MOST_DAYS
    if days < 1:
        raise BadPeriod("the last day is before the first", "to")
    if days > most:
        raise BadPeriod(f"these are {days} days: at most {most} by {by}", "from")
    end = midnight(last + timedelta(days=1), zone)
    buckets = _hours(first, last, zone) if by == "hour" else _days(first, last, by, zone)
    return Period(buckets=tuple(buckets), end=end)


def _days(first: date, last: date, by: By, zone: ZoneInfo) -> Iterator[Bucket]:
    day = first
    while day <= last:
        yield Bucket(midnight(day, zone), day.isoformat())
        day = _next(day, by)


def _next(day: date, by: By) -> date:
    """Give the day on which the next bucket begins: the first and the last one may be cut short."""
    if by == "week":
        return day + timedelta(days=7 - day.weekday())
    if by == "month":
        return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return day + timedelta(days=1)


def _hours(first: date, last: date, zone: ZoneInfo) -> Iterator[Bucket]:
    day = first
    while day <= last:
        tomorrow = day + timedelta(days=1)
        for start in range(midnight(day, zone), midnight(tomorrow, zone), 3_600_000):
            label = datetime.fromtimestamp(start / 1_000, zone).isoformat(timespec="minutes")
            yield Bucket(start, label)
        day = tomorrow


# --- CSV --------------------------------------------------------------------------------------------------------


def to_csv(report: Report) -> str:
    """Write a report as RFC 4180 has it: a header, then a line per bucket and group."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    names = [column.name for column in report.columns]
    writer.writerow(["from", report.group, *names])
    for at, bucket in enumerate(report.buckets):
        for group in report.groups:
            figures = [group.series[name][at] for name in names]
            writer.writerow([harmless(bucket.label), harmless(group.key or "(all)"), *map(_cell, figures)])
    return out.getvalue()


def _cell(value: Value) -> str:
    return "" if value is None else str(value)


def harmless(text: str) -> str:
    """Keep a spreadsheet from calculating a text."""
    return f"'{text}" if text.startswith(_FORMULA) else text
