-- Calls, counted where they began to ring. Called back: somebody wrote, or a call was answered, after the missed one.
WITH base AS (
    SELECT b.i, k.channel AS key, k.direction = 'in' AS came, k.outcome,
           k.direction = 'in' AND k.outcome = 'answered' AS timed, k.answered - k.rang AS ms,
           iif(k.answered AND k.ended, k.ended - k.answered, 0) AS talked,
           k.outcome = 'missed' AND (
               EXISTS (SELECT 1 FROM entries e
                       WHERE e.conversation = k.conversation AND e.kind = 'reply' AND e.at > k.ended)
               OR EXISTS (SELECT 1 FROM calls l
                          WHERE l.conversation = k.conversation AND l.answered > k.ended)
           ) AS called_back
    FROM bucket b CROSS JOIN calls k ON k.rang >= b.start AND k.rang < b.stop
    WHERE (:all_channels OR k.channel IN asked_channels)
), keyed AS (SELECT * FROM base UNION ALL SELECT i, '', came, outcome, timed, ms, talked, called_back FROM base),
ranked AS (
    SELECT *, row_number() OVER (PARTITION BY i, key, timed ORDER BY ms) AS rank,
           count(*) OVER (PARTITION BY i, key, timed) AS n FROM keyed
), counted AS (
    SELECT i, key, sum(came) AS calls, sum(timed) AS answered, sum(came AND outcome = 'missed') AS missed,
           sum(came AND outcome IN ('elsewhere', 'over')) AS elsewhere, sum(called_back) AS called_back,
           sum(NOT came) AS dialled, min(ms) FILTER (WHERE timed AND rank >= 0.50 * n) AS ringing_p50,
           min(ms) FILTER (WHERE timed AND rank >= 0.90 * n) AS ringing_p90, sum(talked) AS talking
    FROM ranked GROUP BY i, key
)
SELECT *, 1.0 * missed / nullif(answered + missed + elsewhere, 0) AS missed_share FROM counted
