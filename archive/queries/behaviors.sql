-- Mean of each feature over the dialogues of the best program, the seed program and all; numbered in the order of features.toml (latest run).
WITH shown AS (
    SELECT coalesce(
        (SELECT max(c.number) FROM final_table AS t JOIN candidates AS c ON c.run = t.run AND c.program = t.program AND c.state = 'evaluated'
         WHERE t.run = (SELECT max(run) FROM runs) AND t.row = 'evolved'),
        (SELECT number FROM best WHERE run = (SELECT max(run) FROM runs))
    ) AS number
), measured AS (
    SELECT number, generate_subscripts(fingerprint, 1) AS feature, unnest(fingerprint) AS measure
    FROM episodes
    WHERE run = (SELECT max(run) FROM runs) AND state = 'completed'
)
SELECT feature, avg(measure) FILTER (number = (SELECT number FROM shown)) AS best_program,
       stddev_samp(measure) FILTER (number = (SELECT number FROM shown)) AS its_deviation,
       avg(measure) FILTER (number = 0) AS seed_program, avg(measure) AS all_programs
FROM measured
GROUP BY feature
ORDER BY feature;
