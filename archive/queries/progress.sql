-- The search candidate by candidate: score with its standard error, what steers it, and the score of the best program so far (latest run).
WITH steering AS (
    SELECT o.number, map_from_entries(list(struct_pack(key := o.objective, value := o."value") ORDER BY r.rowid)) AS shares
    FROM objectives AS o JOIN rules AS r ON r.run = o.run AND r.objective = o.objective AND r."role" = 'steers'
    WHERE o.run = (SELECT max(run) FROM runs)
    GROUP BY o.number
)
SELECT c.number, c.program, c.operator, c.state, s.score, s.score_se AS se, t.shares AS steering,
       arg_max(s.score, s.low) FILTER (WHERE s.holds) OVER (ORDER BY c.number) AS best
FROM candidates AS c
LEFT JOIN scores AS s USING (run, number)
LEFT JOIN steering AS t USING (number)
WHERE c.run = (SELECT max(run) FROM runs)
ORDER BY c.number;
