-- Conversations that left their operator, counted where they did, and the cases closed in the same time.
WITH base AS (
    SELECT b.i, s.channel AS key, s.reason
    FROM bucket b CROSS JOIN stays s ON s.until >= b.start AND s.until < b.stop
    WHERE s.until AND (:all_channels OR s.channel IN asked_channels)
    UNION ALL
    SELECT b.i, c.channel, 'case' FROM bucket b CROSS JOIN cases c ON c.closed >= b.start AND c.closed < b.stop
    WHERE c.closed AND c.kept AND (:all_channels OR c.channel IN asked_channels)
), keyed AS (SELECT * FROM base UNION ALL SELECT i, '', reason FROM base),
counted AS (
    SELECT i, key, sum(reason = 'transferred') AS transferred, sum(reason = 'taken') AS taken,
           sum(reason = 'released') AS released, sum(reason = 'unanswered') AS unanswered,
           sum(reason = 'operator_lost') AS lost, sum(reason = 'case') AS cases
    FROM keyed GROUP BY i, key
)
SELECT *, 1.0 * (transferred + taken) / nullif(cases, 0) AS per_case FROM counted
