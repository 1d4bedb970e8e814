-- Why candidates and dialogues failed, and whose fault it was, the most frequent reasons first; numbers in a reason count as one (latest run).
WITH failures AS (
    SELECT 'candidate' AS what, fault, reason, number FROM candidates WHERE state = 'failed' AND run = (SELECT max(run) FROM runs)
    UNION ALL
    SELECT 'dialogue', fault, reason, number FROM episodes WHERE state = 'failed' AND run = (SELECT max(run) FROM runs)
)
SELECT what, fault, regexp_replace(left(reason, 300), '[0-9]+(\.[0-9]+)?', '#', 'g') AS reason, count(*) AS times,
       count(DISTINCT number) AS candidates, min(number) AS first_candidate
FROM failures
GROUP BY ALL
ORDER BY what, times DESC, reason;
