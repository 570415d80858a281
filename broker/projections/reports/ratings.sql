-- The last rating of each case, counted where it was given; rated_share is of the cases closed in this time.
WITH base AS (
    SELECT b.i, c.channel AS key, 1 AS rating, c.score, c.scale, 0 AS closed, 0 AS rated
    FROM bucket b CROSS JOIN cases c ON c.rated >= b.start AND c.rated < b.stop
    WHERE c.rated AND c.kept AND (:all_channels OR c.channel IN asked_channels)
    UNION ALL
    SELECT b.i, c.channel, 0, 0, 1, 1, c.rated > 0
    FROM bucket b CROSS JOIN cases c ON c.closed >= b.start AND c.closed < b.stop
    WHERE c.closed AND c.kept AND (:all_channels OR c.channel IN asked_channels)
), keyed AS (SELECT * FROM base UNION ALL SELECT i, '', rating, score, scale, closed, rated FROM base)
SELECT i, key, sum(rating) AS ratings, avg(1.0 * score / scale) FILTER (WHERE rating) AS mean,
       sum(rating AND score >= scale) AS best, sum(rating AND score <= 1 AND score < scale) AS worst,
       1.0 * sum(rated) / nullif(sum(closed), 0) AS rated_share
FROM keyed GROUP BY i, key
