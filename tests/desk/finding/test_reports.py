"""Which time a report is over, who gets it, and how it is written down."""

import csv
import io
from datetime import date
from zoneinfo import ZoneInfo

import pytest

from desk.finding.reports import REPORTS, BadPeriod, By, Group, Report, harmless, period, to_csv
from tests.desk.finding.test_search import READY, MemoryIndex, anna, index
from tests.desk.world import Browser, World

__all__ = ["anna", "index"]

UTC, WARSAW = ZoneInfo("UTC"), ZoneInfo("Europe/Warsaw")
HOUR = 3_600_000


def labels(first: str, last: str, by: By, zone: ZoneInfo = WARSAW) -> list[str]:
    return [bucket.label for bucket in period(date.fromisoformat(first), date.fromisoformat(last), by, zone).buckets]


def test_buckets_follow_the_calendar() -> None:
    assert labels("2026-10-30", "2026-11-02", "day") == ["2026-10-30", "2026-10-31", "2026-11-01", "2026-11-02"]
    assert labels("2026-10-30", "2026-11-10", "week") == ["2026-10-30", "2026-11-02", "2026-11-09"]
    assert labels("2026-10-30", "2027-01-01", "month") == ["2026-10-30", "2026-11-01", "2026-12-01", "2027-01-01"]


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-03-30", 24), ("2026-10-25", 25)])
def test_days_have_the_hours_that_the_clocks_give_them(day: str, hours: int) -> None:
    over = period(date.fromisoformat(day), date.fromisoformat(day), "hour", WARSAW)
    assert len(over.buckets) == hours
    assert {stop - start for start, stop in over.edges} == {HOUR}
    assert over.end - over.start == hours * HOUR


def test_a_zone_whose_midnight_is_skipped_has_a_shorter_day() -> None:
    over = period(date(2026, 9, 5), date(2026, 9, 7), "day", ZoneInfo("America/Santiago"))
    assert [(stop - start) // HOUR for start, stop in over.edges] == [24, 23, 24]


def test_a_period_is_bounded_and_has_a_direction() -> None:
    with pytest.raises(BadPeriod, match="before the first"):
        period(date(2026, 2, 2), date(2026, 2, 1), "day", UTC)
    with pytest.raises(BadPeriod, match="at most 62 by hour"):
        period(date(2026, 1, 1), date(2026, 4, 1), "hour", UTC)
    assert len(period(date(2026, 1, 1), date(2026, 3, 3), "hour", UTC).buckets) == 62 * 24


# --- CSV ------------------------------------------------------------------------------------------------------------


def report(*groups: Group) -> Report:
    over = period(date(2026, 11, 1), date(2026, 11, 2), "day", UTC)
    shown = REPORTS["resolution"]
    return Report(
        name="resolution",
        group="channel",
        since="2026-11-01",
        to="2026-11-02",
        by="day",
        timezone="UTC",
        columns=shown.columns[:2],
        buckets=over.buckets,
        groups=groups,
        index=READY,
    )


def group(key: str) -> Group:
    series = {"closed": [1, 2], "resolved": [0.5, None]}
    return Group(key=key, series=series, total={"closed": 3, "resolved": None})


def test_csv_is_what_rfc_4180_says() -> None:
    text = to_csv(report(group(""), group('a "b", c')))
    assert text == (
        "from,channel,closed,resolved\r\n"
        "2026-11-01,(all),1,0.5\r\n"
        '2026-11-01,"a ""b"", c",1,0.5\r\n'
        "2026-11-02,(all),2,\r\n"
        '2026-11-02,"a ""b"", c",2,\r\n'
    )


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@a", "\tx", "\rx"])
def test_no_text_is_calculated_by_a_spreadsheet(name: str) -> None:
    line = list(csv.reader(io.StringIO(to_csv(report(group(name))), newline="")))[1]
    assert line[1] == f"'{name}"
    assert harmless("a=b") == "a=b"


# --- over HTTP ------------------------------------------------------------------------------------------------------


async def test_reports_are_for_supervisors(world: World, index: MemoryIndex) -> None:
    ben = await world.browser(await world.desk(), "ben")
    for path in ("/reports", "/reports/volume", "/reports/volume?format=csv"):
        status, body = await ben.ask("GET", path)
        assert (status, body["error"]["code"]) == (403, "forbidden")
    assert index.reported == []


async def test_every_report_says_what_it_counts(anna: Browser) -> None:
    status, body = await anna.ask("GET", "/reports")
    assert status == 200
    assert [each["name"] for each in body["reports"]] == list(REPORTS)
    assert all(column["about"].endswith(".") for each in body["reports"] for column in each["columns"])


async def test_what_is_asked_for_reaches_the_index(anna: Browser, index: MemoryIndex) -> None:
    asked = "from=2026-11-01&to=2026-11-30&by=week&channel=site,mail&operator=ben&within=15"
    status, body = await anna.ask("GET", f"/reports/operators?{asked}")
    assert status == 200
    (counted,) = index.reported
    assert (counted.name, counted.channels, counted.operators, counted.within) == (
        "operators", ("site", "mail"), ("ben",), 15,
    )  # fmt: skip
    assert counted.period == period(date(2026, 11, 1), date(2026, 11, 30), "week", UTC)
    assert (body["from"], body["to"], body["by"], body["timezone"]) == ("2026-11-01", "2026-11-30", "week", "UTC")


async def test_without_days_it_is_the_last_seven(anna: Browser, world: World) -> None:
    _, body = await anna.ask("GET", "/reports/volume")
    assert (body["from"], body["to"]) == ("2023-11-08", "2023-11-14")
    assert world.log.now == 1_700_000_000_000


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/reports/everything", 404),
        ("/reports/volume?from=x", 400),
        ("/reports/volume?to=9999-12-31", 400),
        ("/reports/volume?to=0001-01-01", 400),
        ("/reports/volume?from=2026-11-02&to=2026-11-01", 400),
        ("/reports/volume?by=minute", 400),
        ("/reports/volume?within=soon", 400),
        ("/reports/volume?from=2020-01-01&to=2026-11-01", 400),
        ("/reports/volume?format=pdf", 400),
    ],
)
async def test_what_makes_no_sense_is_refused(anna: Browser, path: str, status: int) -> None:
    assert (await anna.ask("GET", path))[0] == status


async def test_csv_comes_as_a_file_that_excel_can_read(anna: Browser, index: MemoryIndex) -> None:
    names = [column.name for column in REPORTS["volume"].columns]
    index.groups = (Group(key="", series={name: [0] * 7 for name in names}, total=dict.fromkeys(names, 0)),)
    async with anna.http.get(anna.desk.url("/reports/volume?format=csv"), headers=anna.headers) as response:
        body = await response.read()
        assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert response.headers["Content-Disposition"] == 'attachment; filename="volume_2023-11-08_2023-11-14.csv"'
    assert body.startswith(b"\xef\xbb\xbffrom,channel,begun,")
    assert body.count(b"\r\n") == 8
