-- The median of first answers, by who gave them; see first_answer.sql.
WITH base AS (
    SELECT b.i, c.answered_by AS key, c.answered - c.waited AS ms
    FROM bucket b CROSS JOIN cases c ON c.waited >= b.start AND c.waited < b.stop
    WHERE c.waited AND c.answered AND c.kept AND c.begun_by = 'customer'
      AND (:all_channels OR c.channel IN asked_channels)
), keyed AS (
    SELECT * FROM base WHERE (:all_operators OR key IN asked_operators)
    UNION ALL SELECT i, '', ms FROM base WHERE (:all_operators OR key IN asked_operators)
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY i, key ORDER BY ms) AS rank, count(*) OVER (PARTITION BY i, key) AS n
    FROM keyed
)
SELECT i, key, min(ms) FILTER (WHERE rank >= 0.50 * n) AS first_p50 FROM ranked GROUP BY i, key
