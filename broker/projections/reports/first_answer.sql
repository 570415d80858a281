-- From a customer's first message (or ring) of a case to the first answer of an operator, written or by phone. Counted
-- where the wait began. Left out: cases that an operator or a returned answer began, and those that were nobody's work.
WITH base AS (
    SELECT b.i, c.channel AS key, c.waited, c.closed, c.answered > 0 AS timed, c.answered - c.waited AS ms
    FROM bucket b CROSS JOIN cases c ON c.waited >= b.start AND c.waited < b.stop
    WHERE c.waited AND c.kept AND c.begun_by = 'customer' AND (:all_channels OR c.channel IN asked_channels)
), keyed AS (SELECT * FROM base UNION ALL SELECT i, '', waited, closed, timed, ms FROM base),
ranked AS (
    SELECT *, row_number() OVER (PARTITION BY i, key, timed ORDER BY ms) AS rank,
           count(*) OVER (PARTITION BY i, key, timed) AS n FROM keyed
), counted AS (
    SELECT i, key, count(*) AS waited, sum(timed) AS answered, sum(NOT timed AND closed > 0) AS abandoned,
           sum(timed AND ms <= :within) AS in_time, sum(timed OR closed OR :as_of - waited > :within) AS judged,
    min(ms) FILTER (WHERE timed AND rank >= 0.50 * n) AS p50,
    min(ms) FILTER (WHERE timed AND rank >= 0.90 * n) AS p90,
    min(ms) FILTER (WHERE timed AND rank >= 0.95 * n) AS p95,
    avg(ms) FILTER (WHERE timed) AS mean,
    max(ms) FILTER (WHERE timed) AS longest
    FROM ranked GROUP BY i, key
)
SELECT i, key, waited, answered, abandoned, 1.0 * abandoned / nullif(answered + abandoned, 0) AS abandoned_share,
       1.0 * in_time / nullif(judged, 0) AS within, p50, p90, p95, mean, longest
FROM counted
