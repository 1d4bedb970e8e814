-- What each operator did: proposals, duplicates, failures, gain over the first parent; of several in a row each counts (latest run).
WITH scored AS (
    SELECT program, max_by(score, -number) AS score FROM scores WHERE run = (SELECT max(run) FROM runs) GROUP BY program
), children AS (
    SELECT unnest(list_distinct(string_split(c.operator, '+'))) AS operator, c.state, child.score - parent.score AS gain
    FROM candidates AS c
    LEFT JOIN scores AS child ON child.run = c.run AND child.number = c.number
    LEFT JOIN scored AS parent ON parent.program = c.parents[1]
    WHERE c.run = (SELECT max(run) FROM runs)
)
SELECT operator, count(*) AS proposals, count(*) FILTER (state = 'duplicate') AS duplicates, count(*) FILTER (state = 'failed') AS failed,
       count(gain) AS scored, count(*) FILTER (gain > 0) AS better, avg(gain) AS mean_gain, stddev_samp(gain) / sqrt(count(gain)) AS se_of_mean,
       max(gain) AS best_gain
FROM children
GROUP BY operator
ORDER BY proposals DESC, operator;
