-- The search candidate by candidate: score with its standard error, and the best score so far (latest run).
SELECT c.number, c.program, c.operator, c.state, s.score, s.score_se, s.human_likeness, s.coverage, s.task_preservation,
       max(s.score) OVER (ORDER BY c.number) AS best_so_far
FROM candidates AS c
LEFT JOIN scores AS s USING (run, number)
WHERE c.run = (SELECT max(run) FROM runs)
ORDER BY c.number;
