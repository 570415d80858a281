-- What came and what was answered: cases by their beginning, messages and answers by their time, calls by their
-- first ring.
WITH base AS (
    SELECT b.i, c.channel AS key, count(*) AS begun, sum(c.begun_by = 'customer') AS by_customers,
           0 AS messages, 0 AS answers, 0 AS calls
    FROM bucket b CROSS JOIN cases c ON c.began >= b.start AND c.began < b.stop
    WHERE c.kept AND (:all_channels OR c.channel IN asked_channels)
    GROUP BY b.i, c.channel
    UNION ALL
    SELECT b.i, e.channel, 0, 0, sum(e.kind = 'message'), sum(e.kind = 'reply'), 0
    FROM bucket b CROSS JOIN entries e ON e.at >= b.start AND e.at < b.stop
    WHERE e.counted AND e.kind IN ('message', 'reply') AND (:all_channels OR e.channel IN asked_channels)
    GROUP BY b.i, e.channel
    UNION ALL
    SELECT b.i, k.channel, 0, 0, 0, 0, count(*)
    FROM bucket b CROSS JOIN calls k ON k.rang >= b.start AND k.rang < b.stop
    WHERE k.direction = 'in' AND (:all_channels OR k.channel IN asked_channels)
    GROUP BY b.i, k.channel
), keyed AS (SELECT * FROM base UNION ALL SELECT i, '', begun, by_customers, messages, answers, calls FROM base)
SELECT i, key, sum(begun) AS begun, sum(by_customers) AS by_customers, sum(messages) AS messages,
       sum(answers) AS answers, sum(calls) AS calls
FROM keyed GROUP BY i, key
