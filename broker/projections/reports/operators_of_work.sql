-- What operators did: cases by the first answer of the operator in them, the rest by its time.
WITH base AS (
    SELECT b.i, v.operator AS key, count(*) AS cases, 0 AS answers, 0 AS calls, 0 AS handed_over, 0 AS offered,
           0 AS not_taken
    FROM bucket b CROSS JOIN served v ON v.at >= b.start AND v.at < b.stop
    CROSS JOIN cases c ON c.conversation = v.conversation AND c.n = v.n
    WHERE c.kept AND (:all_channels OR c.channel IN asked_channels)
    GROUP BY b.i, v.operator
    UNION ALL
    SELECT b.i, e.by, 0, count(*), 0, 0, 0, 0
    FROM bucket b CROSS JOIN entries e ON e.kind = 'reply' AND e.at >= b.start AND e.at < b.stop
    WHERE e.counted AND (:all_channels OR e.channel IN asked_channels)
    GROUP BY b.i, e.by
    UNION ALL
    SELECT b.i, k.operator, 0, 0, count(*), 0, 0, 0
    FROM bucket b CROSS JOIN calls k ON k.rang >= b.start AND k.rang < b.stop
    WHERE k.outcome = 'answered' AND (:all_channels OR k.channel IN asked_channels)
    GROUP BY b.i, k.operator
    UNION ALL
    SELECT b.i, s.operator, 0, 0, 0, count(*), 0, 0
    FROM bucket b CROSS JOIN stays s ON s.until >= b.start AND s.until < b.stop
    WHERE s.until AND s.reason IN ('transferred', 'released') AND (:all_channels OR s.channel IN asked_channels)
    GROUP BY b.i, s.operator
    UNION ALL
    SELECT b.i, o.operator, 0, 0, 0, 0, count(*), sum(o.reason IN ('declined', 'no_answer'))
    FROM bucket b CROSS JOIN offers o ON o.at >= b.start AND o.at < b.stop
    CROSS JOIN conversations c ON c.id = o.conversation
    WHERE (:all_channels OR c.channel IN asked_channels)
    GROUP BY b.i, o.operator
), keyed AS (
    SELECT * FROM base WHERE (:all_operators OR key IN asked_operators)
    UNION ALL SELECT i, '', cases, answers, calls, handed_over, offered, not_taken FROM base
    WHERE (:all_operators OR key IN asked_operators)
)
SELECT i, key, sum(cases) AS cases, sum(answers) AS answers, sum(calls) AS calls, sum(handed_over) AS handed_over,
       sum(offered) AS offered, sum(not_taken) AS not_taken
FROM keyed GROUP BY i, key
