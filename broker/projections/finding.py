"""Search in the index: what was typed becomes a MATCH of quoted words alone, so that nothing in it has a meaning there.

Of very many matches the newest :data:`CANDIDATES` are ranked.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from broker.projections.schema import FACT_BITS
from desk.finding.search import Cursor, Hit, Match, Page, PersonHit, Query, Reach, Term, marked

CANDIDATES = 5_000
MATCHES_SHOWN = 3
SNIPPET_WORDS = 24
HALF_LIFE = 180 * 86_400_000.0
"""A match of this age (ms) counts half as much as one of now."""

BEGIN, END = "\x02", "\x03"
"""Around what fits, in the text that SQLite gives; there are none in what is indexed (`desk.finding.search.clean`)."""

WEIGHTS = "1.0, 3.0, 2.0, 1.5"
"""Of the columns text, subject, files, who."""

FIELDS = ("text", "subject", "files", "who")

_SNIPPETS = ", ".join(f"snippet(texts, {i}, '{BEGIN}', '{END}', '…', {SNIPPET_WORDS})" for i in range(len(FIELDS)))

_RANKED = f"""
WITH found AS MATERIALIZED (
    SELECT e.id, e.conversation,
           bm25(texts, {WEIGHTS}) / (1 + max(0, :now - e.at) / {HALF_LIFE}) AS score
    FROM texts CROSS JOIN entries e ON e.id = texts.rowid CROSS JOIN conversations c ON c.id = e.conversation
    WHERE texts MATCH :match AND texts.rowid <= :bound AND {{filters}}
    ORDER BY texts.rowid DESC LIMIT {CANDIDATES}
), best AS (
    SELECT conversation, min(score) AS score, max(id) AS newest, count(*) AS count
    FROM found GROUP BY conversation
    ORDER BY {{order}} LIMIT :limit OFFSET :offset
), shown AS (
    SELECT found.*, row_number() OVER (PARTITION BY conversation ORDER BY score, id DESC) AS place
    FROM found WHERE conversation IN (SELECT conversation FROM best)
)
SELECT best.conversation, best.count, (
    SELECT json_group_array(id) FROM (
        SELECT id FROM shown
        WHERE shown.conversation = best.conversation AND place <= {MATCHES_SHOWN} ORDER BY place
    )
) FROM best ORDER BY {{order}}
"""  # noqa: S608  # numbers of ours; what was asked for is bound
_ORDER = {"best": "score, newest DESC", "newest": "newest DESC"}

_LISTED = """
SELECT c.id, 0, '[]' FROM conversations c
WHERE c.last_at <= :bound AND {filters}
ORDER BY c.last_at DESC, c.id LIMIT :limit OFFSET :offset
"""

_CONVERSATION = """
SELECT id, person, channel, status, opened_at, last_at, name, owner, result, coalesce((
    SELECT address FROM addresses a WHERE a.person = c.person ORDER BY address LIKE 'visitor:%', address LIMIT 1
), '') FROM conversations c WHERE id = ?
"""
_MATCH = f"""
SELECT e.id, e.kind, e.at, e.by, e.name, e.channel, {_SNIPPETS}
FROM texts CROSS JOIN entries e ON e.id = texts.rowid WHERE texts MATCH ? AND texts.rowid = ?
"""  # noqa: S608  # numbers of ours

_PEOPLE = """
SELECT p.person, count(*), max(c.last_at)
FROM persons CROSS JOIN people p ON p.number = persons.rowid CROSS JOIN conversations c ON c.person = p.person
WHERE persons MATCH :match AND {filters}
GROUP BY p.person ORDER BY min(persons.rank), max(c.last_at) DESC, p.person LIMIT :limit OFFSET :offset
"""


def match(terms: Iterable[Term], without: Iterable[Term] = ()) -> str:
    """Write terms as FTS5 takes them: each a string of its own, in which nothing but a quote has to be doubled."""
    wanted = " AND ".join(map(_phrase, terms))
    return " NOT ".join([f"({wanted})", *map(_phrase, without)])


def _phrase(term: Term) -> str:
    quoted = '"' + term.text.replace('"', '""') + '"'
    return f"{quoted} *" if term.prefix else quoted


def conversations(
    database: sqlite3.Connection, query: Query, page: Page, reach: Reach | None, now: int
) -> tuple[tuple[Hit, ...], Cursor | None]:
    """Find conversations, and where the next page begins."""
    bound = page.bound or _bound(database, query)
    filters, values = _filters(query, reach)
    statement = _RANKED if query.terms else _LISTED
    values |= {
        "match": match(query.terms, query.without),
        "now": now,
        "bound": bound,
        "limit": page.limit + 1,
        "offset": page.offset,
    }
    found = database.execute(statement.format(filters=filters, order=_ORDER[query.sort]), values).fetchall()
    hits = [_hit(database, query, *row) for row in found[: page.limit]]
    following = Cursor(bound, page.offset + page.limit) if len(found) > page.limit else None
    return tuple(hits), following


def _bound(database: sqlite3.Connection, query: Query) -> int:
    """What is newer than this came after the first page was made, and would push its last lines onto the second."""
    table = "SELECT max(id) FROM entries" if query.terms else "SELECT max(last_at) FROM conversations"
    (bound,) = database.execute(table).fetchone()
    return int(bound or 0)


def _hit(database: sqlite3.Connection, query: Query, name: str, count: int, ids: str) -> Hit:
    row = database.execute(_CONVERSATION, (name,)).fetchone()
    hit = Hit(**dict(zip(("conversation", *_HIT_FIELDS), row, strict=True)), count=count)
    terms = match(query.terms, query.without)
    found = (
        database.execute(_MATCH, (terms, number)).fetchone() for number in msgspec.json.decode(ids, type=list[int])
    )
    return msgspec.structs.replace(hit, matches=tuple(_match(each) for each in found if each))


_HIT_FIELDS = ("person", "channel", "status", "opened_at", "last_at", "name", "owner", "result", "address")


def _match(row: Sequence[object]) -> Match:
    number, kind, at, by, name, channel, *snippets = row
    field, snippet = max(zip(FIELDS, map(str, snippets), strict=True), key=lambda each: each[1].count(BEGIN))
    text, marks = marked(snippet, BEGIN, END)
    assert isinstance(number, int)  # noqa: S101  # the primary key
    return msgspec.convert(
        {
            "item": f"{number >> FACT_BITS}.{number & ((1 << FACT_BITS) - 1)}",
            "kind": kind,
            "at": at,
            "by": by,
            "name": name,
            "channel": channel,
            "field": field,
            "text": text,
            "marks": marks,
        },
        Match,
    )


def people(
    database: sqlite3.Connection, query: Query, page: Page, reach: Reach | None
) -> tuple[tuple[PersonHit, ...], Cursor | None]:
    """Find customers, and where the next page begins."""
    conditions, values = _reach(reach)
    values |= {"match": match(query.terms), "limit": page.limit + 1, "offset": page.offset}
    statement = _PEOPLE.format(filters=" AND ".join(["TRUE", *conditions]))
    found = database.execute(statement, values).fetchall()
    hits = tuple(_person(database, *row) for row in found[: page.limit])
    return hits, Cursor(0, page.offset + page.limit) if len(found) > page.limit else None


def _person(database: sqlite3.Connection, person: str, count: int, last_at: int) -> PersonHit:
    def column(statement: str) -> tuple[str, ...]:
        return tuple(value for (value,) in database.execute(statement, (person,)))

    last = column("SELECT name FROM conversations WHERE person = ? AND name <> '' ORDER BY last_at DESC LIMIT 1")
    return PersonHit(
        person=person,
        name=last[0] if last else "",
        names=column("SELECT name FROM names WHERE person = ? ORDER BY name LIMIT 20"),
        addresses=column("SELECT address FROM addresses WHERE person = ? ORDER BY address LIMIT 20"),
        channels=column("SELECT DISTINCT channel FROM conversations WHERE person = ? ORDER BY channel"),
        conversations=count,
        last_at=last_at,
    )


# --- filters ----------------------------------------------------------------------------------------------------


def _filters(query: Query, reach: Reach | None) -> tuple[str, dict[str, object]]:
    conditions, values = _reach(reach)
    for condition, name, value in _wanted(query):
        conditions.append(condition)
        values[name] = value
    return " AND ".join(["TRUE", *conditions]), values


def _wanted(query: Query) -> Iterator[tuple[str, str, object]]:
    """Give each filter that is set: its condition, the name of its value, and the value."""
    at = "e.at" if query.terms else "c.last_at"
    if query.channels:
        yield "c.channel IN (SELECT value FROM json_each(:channels))", "channels", _list(query.channels)
    if query.kinds and query.terms:
        yield "e.kind IN (SELECT value FROM json_each(:kinds))", "kinds", _list(query.kinds)
    if query.operator:
        yield f"(c.owner = :operator OR {_ANSWERED.format('operator')})", "operator", query.operator
    if query.state:
        yield "c.status = :status", "status", query.state
    if query.result:
        yield "c.result = :result", "result", query.result
    if query.person:
        yield (
            "c.person = coalesce((SELECT into_person FROM moved WHERE person = :person), :person)",
            "person",
            query.person,
        )
    if query.since:
        yield f"{at} >= :since", "since", query.since
    if query.until:
        yield f"{at} < :until", "until", query.until


_TOOK_PART = "EXISTS (SELECT 1 FROM participants p WHERE p.conversation = c.id AND p.operator = :{})"
_ANSWERED = _TOOK_PART[:-1] + " AND p.how = 'answered')"
_MAY_READ = _TOOK_PART[:-1] + " AND (p.how = 'asked' OR c.status = 'closed'))"


def _reach(reach: Reach | None) -> tuple[list[str], dict[str, object]]:
    """Give the condition that an operator may open a conversation: see `desk.screens.reading.require_reader`."""
    if reach is None:
        return [], {}
    condition = " OR ".join(
        (
            "c.id IN (SELECT value FROM json_each(:mine))",
            "c.person IN (SELECT value FROM json_each(:customers))",
            _MAY_READ.format("me"),
        )
    )
    values: dict[str, object] = {
        "mine": _list(reach.conversations),
        "customers": _list(reach.people),
        "me": reach.operator,
    }
    return [f"({condition})"], values


def _list(values: Sequence[str]) -> str:
    return msgspec.json.encode(values).decode()
