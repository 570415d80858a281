-- How long operators had at least one conversation, and how many at once. Stretches are cut at the buckets' edges;
-- those that go on count up to where the index knows everything. For all together, busy times are added up.
WITH held AS (
    SELECT operator AS key, since, until FROM stays s
    WHERE until > :start AND since < :stop AND (:all_channels OR s.channel IN asked_channels)
    UNION ALL
    SELECT operator, since, :as_of FROM stays s
    WHERE until = 0 AND since < :stop AND (:all_channels OR s.channel IN asked_channels)
), clipped AS (
    SELECT b.i, h.key, max(h.since, b.start) AS since, min(h.until, b.stop) AS until
    FROM held h CROSS JOIN bucket b
    WHERE b.i BETWEEN coalesce((SELECT i FROM bucket WHERE start <= h.since ORDER BY start DESC LIMIT 1), 0)
                  AND (SELECT i FROM bucket WHERE start < h.until ORDER BY start DESC LIMIT 1)
      AND h.until > h.since AND (:all_operators OR key IN asked_operators)
), united AS (
    SELECT *, max(until) OVER (
        PARTITION BY i, key ORDER BY since, until ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS covered FROM clipped
), busy AS (
    SELECT i, key, sum(until - since) AS owned, sum(max(0, until - max(since, coalesce(covered, 0)))) AS busy
    FROM united GROUP BY i, key
), steps AS (
    SELECT i, key, since AS at, 1 AS more FROM clipped UNION ALL SELECT i, key, until, -1 FROM clipped
), heights AS (
    SELECT i, key, sum(more) OVER (PARTITION BY i, key ORDER BY at, more ROWS UNBOUNDED PRECEDING) AS height FROM steps
), most AS (SELECT i, key, max(height) AS most FROM heights GROUP BY i, key),
loads AS (SELECT i, key, owned, busy, most FROM busy JOIN most USING (i, key)),
keyed AS (SELECT * FROM loads UNION ALL SELECT i, '', sum(owned), sum(busy), max(most) FROM loads GROUP BY i)
SELECT i, key, busy, 1.0 * owned / nullif(busy, 0) AS load, most FROM keyed
