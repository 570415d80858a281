-- From the beginning of a case to its closing, counted where it was closed. The times are those of cases
-- in which an operator answered.
WITH base AS (
    SELECT b.i, c.channel AS key, c.last_by <> '' AS timed, c.closed - c.began AS ms
    FROM bucket b CROSS JOIN cases c ON c.closed >= b.start AND c.closed < b.stop
    WHERE c.closed AND c.kept AND (:all_channels OR c.channel IN asked_channels)
), keyed AS (SELECT * FROM base UNION ALL SELECT i, '', timed, ms FROM base),
ranked AS (
    SELECT *, row_number() OVER (PARTITION BY i, key, timed ORDER BY ms) AS rank,
           count(*) OVER (PARTITION BY i, key, timed) AS n FROM keyed
)
SELECT i, key, count(*) AS closed, sum(timed) AS resolved,
    min(ms) FILTER (WHERE timed AND rank >= 0.50 * n) AS p50,
    min(ms) FILTER (WHERE timed AND rank >= 0.90 * n) AS p90,
    min(ms) FILTER (WHERE timed AND rank >= 0.95 * n) AS p95,
    avg(ms) FILTER (WHERE timed) AS mean,
    max(ms) FILTER (WHERE timed) AS longest
FROM ranked GROUP BY i, key
