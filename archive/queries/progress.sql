-- The search candidate by candidate: score with its standard error, all objectives, and the best score so far (latest run).
SELECT c.number, c.program, c.operator, c.state, s.score, s.score_se, map_from_entries(list_transform(
           list_filter(map_entries(s.objectives), lambda x: x.key <> 'score'),
           lambda x: struct_pack(key := x.key, value := x.value.value))) AS objectives,
       max(s.score) OVER (ORDER BY c.number) AS best_so_far
FROM candidates AS c
LEFT JOIN scores AS s USING (run, number)
WHERE c.run = (SELECT max(run) FROM runs)
ORDER BY c.number;
