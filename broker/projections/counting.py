"""The figures of the reports, by the definitions in docs/search-and-reports.md: the queries stand in ``reports``.

Every query counts by bucket (``i``) and channel or operator (``key``), and for all of them together (key empty).
``bucket`` holds the period's stretches of time, so that time zones and changes of the clocks are known to Python alone.
Percentiles are by nearest rank: the smallest value that at least that share of all values does not exceed.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType

from desk.finding.reports import ALL, REPORTS, Asked, Group, Name, Value

Figures = dict[tuple[int, str], dict[str, Value]]
"""Bucket and key to the figures by column."""

HOUR = 3_600_000  # ms

_ASKED = (
    "PRAGMA query_only = OFF",
    "CREATE TEMP TABLE IF NOT EXISTS bucket (i INTEGER PRIMARY KEY, start INTEGER UNIQUE, stop INTEGER)",
    "CREATE TEMP TABLE IF NOT EXISTS asked_channels (name TEXT PRIMARY KEY)",
    "CREATE TEMP TABLE IF NOT EXISTS asked_operators (name TEXT PRIMARY KEY)",
    "DELETE FROM bucket",
    "DELETE FROM asked_channels",
    "DELETE FROM asked_operators",
)


def _files(report: Name) -> Sequence[Traversable]:
    """Find the queries of a report: the file of its name, or several that begin with it."""
    folder = files("broker.projections") / "reports"
    found = [each for each in folder.iterdir() if each.name.partition(".")[0].split("_of_")[0] == report]
    return sorted(found, key=lambda each: each.name)


QUERIES: Mapping[Name, tuple[str, ...]] = MappingProxyType(
    {name: tuple(file.read_text(encoding="utf-8") for file in _files(name)) for name in REPORTS}
)
"""What a report is counted by; the columns of several queries come together."""


def count(database: sqlite3.Connection, asked: Asked, as_of: int) -> tuple[Group, ...]:
    """Count a report per bucket and over the whole period; the group of all comes first."""
    period = asked.period
    series = _figures(database, asked, period.edges, as_of)
    totals = _figures(database, asked, [(period.start, period.end)], as_of)
    keys = sorted({ALL, *(key for _, key in totals), *asked.channels, *asked.operators})
    names = [column.name for column in REPORTS[asked.name].columns]
    units = {column.name: column.unit for column in REPORTS[asked.name].columns}

    def value(figures: Figures, i: int, key: str, name: str) -> Value:
        found = figures.get((i, key), {}).get(name)
        return 0 if found is None and units[name] == "count" else found

    return tuple(
        Group(
            key=key,
            series={name: [value(series, i, key, name) for i in range(len(period.buckets))] for name in names},
            total={name: value(totals, 0, key, name) for name in names},
        )
        for key in keys
    )


def _figures(database: sqlite3.Connection, asked: Asked, edges: Sequence[tuple[int, int]], as_of: int) -> Figures:
    _prepare(database, asked, edges)
    values = {
        "start": edges[0][0],
        "stop": edges[-1][1],
        "all_channels": not asked.channels,
        "all_operators": not asked.operators,
        "within": asked.within * 1_000,
        "as_of": as_of,
    }
    figures: Figures = {}
    for query in QUERIES[asked.name]:
        for (i, key), row in _rows(database, query, values):
            figures.setdefault((i, key), {}).update(row)
    if asked.name == "operators":
        for row in figures.values():
            busy = row.get("busy")
            row["answers_per_hour"] = (row.get("answers") or 0) * HOUR / busy if busy else None
    return figures


def _rows(
    database: sqlite3.Connection, query: str, values: Mapping[str, object]
) -> Iterator[tuple[tuple[int, str], dict[str, Value]]]:
    cursor = database.execute(query, values)
    names = [column[0] for column in cursor.description]
    for row in cursor:
        found = dict(zip(names, row, strict=True))
        yield (found.pop("i"), found.pop("key")), found


def _prepare(database: sqlite3.Connection, asked: Asked, edges: Sequence[tuple[int, int]]) -> None:
    """Put what is asked for into tables of this connection alone."""
    for statement in _ASKED:
        database.execute(statement)
    database.executemany("INSERT INTO bucket VALUES (?, ?, ?)", [(i, *edge) for i, edge in enumerate(edges)])
    database.executemany("INSERT OR IGNORE INTO asked_channels VALUES (?)", [(name,) for name in asked.channels])
    database.executemany("INSERT OR IGNORE INTO asked_operators VALUES (?)", [(name,) for name in asked.operators])
    database.execute("PRAGMA query_only = ON")
