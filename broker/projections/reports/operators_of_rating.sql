-- Ratings by who answered last in the case.
WITH base AS (
    SELECT b.i, c.last_by AS key, 1.0 * c.score / c.scale AS rating
    FROM bucket b CROSS JOIN cases c ON c.rated >= b.start AND c.rated < b.stop
    WHERE c.rated AND c.kept AND c.last_by <> '' AND (:all_channels OR c.channel IN asked_channels)
), keyed AS (
    SELECT * FROM base WHERE (:all_operators OR key IN asked_operators)
    UNION ALL SELECT i, '', rating FROM base WHERE (:all_operators OR key IN asked_operators)
)
SELECT i, key, avg(rating) AS rating FROM keyed GROUP BY i, key
