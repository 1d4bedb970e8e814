-- From the best program back to the seed program by first parents: operator, score and gain of each step (latest run).
WITH RECURSIVE firsts AS (
    SELECT run, program, min_by(struct_pack(number, operator, parent := parents[1]), number) AS made
    FROM candidates
    WHERE run = (SELECT max(run) FROM runs) AND state <> 'duplicate'
    GROUP BY run, program
), shown AS (
    SELECT coalesce(
        (SELECT program FROM final_table WHERE run = (SELECT max(run) FROM runs) AND "row" = 'evolved'),
        (SELECT program FROM best JOIN candidates USING (run, number) WHERE run = (SELECT max(run) FROM runs))
    ) AS program
), steps AS (
    SELECT 0 AS back, firsts.* FROM firsts JOIN shown USING (program)
    UNION ALL
    SELECT steps.back + 1, firsts.* FROM steps JOIN firsts ON firsts.program = steps.made.parent
    WHERE firsts.made.number < steps.made.number
)
SELECT steps.back, steps.program, steps.made.number AS number, steps.made.operator AS operator, s.score, s.score_se,
       s.score - lead(s.score) OVER (ORDER BY steps.back) AS gain
FROM steps
LEFT JOIN scores AS s ON s.run = steps.run AND s.number = steps.made.number
ORDER BY steps.back;
