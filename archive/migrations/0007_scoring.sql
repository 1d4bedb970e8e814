-- What a run was scored by: the objectives with their roles and floors, what people get, and the dialogues that the judge was trained against.
CREATE TABLE rules (
    run INTEGER NOT NULL,
    objective VARCHAR NOT NULL,
    "role" VARCHAR NOT NULL,             -- steers, holds, beside
    direction VARCHAR NOT NULL,          -- more, less
    floor DOUBLE,                        -- of one that holds
    version INTEGER NOT NULL
);

CREATE TABLE levels (
    run INTEGER NOT NULL,
    split VARCHAR NOT NULL,
    planned INTEGER NOT NULL,            -- dialogues
    objective VARCHAR NOT NULL,
    zero DOUBLE NOT NULL,                -- the raw value whose share is 0
    people DOUBLE NOT NULL               -- the raw value that other people get: its share is 1
);

CREATE TABLE controls (
    run INTEGER NOT NULL,
    split VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,               -- persona_free, average_person, ...
    task VARCHAR NOT NULL,
    fingerprint DOUBLE[] NOT NULL
);

-- The best program of the final table compared with each other row, paired.
CREATE TABLE comparisons (
    run INTEGER NOT NULL,
    version INTEGER NOT NULL,
    position INTEGER NOT NULL,
    "row" VARCHAR NOT NULL,
    against VARCHAR NOT NULL,
    objective VARCHAR NOT NULL,
    mean DOUBLE NOT NULL,
    low DOUBLE NOT NULL,
    high DOUBLE NOT NULL
);

-- Each objective without each generate call in turn; with those of another program on the same plan, the error of a difference. Not part of
-- the digest: they follow from the episodes.
ALTER TABLE evaluations ADD COLUMN replicates MAP(VARCHAR, DOUBLE[]);

-- Runs of before were scored by the first scoring.
INSERT INTO rules
SELECT run, 'human_likeness', 'steers', 'more', NULL, 1 FROM runs UNION ALL
SELECT run, 'coverage', 'steers', 'more', NULL, 1 FROM runs UNION ALL
SELECT run, 'task_preservation', 'holds', 'more', coalesce(CAST(settings ->> '$.preservation_floor' AS DOUBLE), 0), 1 FROM runs UNION ALL
SELECT run, 'chamfer', 'beside', 'more', NULL, 1 FROM runs;

-- What personaevo.evolve.ranking says, in SQL: whether a program holds the floors, its standing (the score, or where that is 0 the smallest
-- share of the objectives that steer), and the lower bound by which the best program is the best.
DROP VIEW elites;
DROP VIEW cell_scores;
DROP VIEW scores;

CREATE VIEW standings AS
WITH by_run AS (
    SELECT run, list(objective) FILTER ("role" = 'steers') AS steering,
           list(struct_pack(objective := objective, floor := floor, sign := CASE direction WHEN 'less' THEN -1 ELSE 1 END))
               FILTER ("role" = 'holds' AND floor IS NOT NULL) AS floors
    FROM rules GROUP BY run
), standing AS (
    SELECT e.run, e.number, e.split, e.objectives['score'].value AS score, e.objectives['score'].se AS score_se,
           CASE WHEN e.objectives['score'].value > 0 THEN e.objectives['score'].value
                ELSE coalesce(list_min(list_transform(r.steering, lambda x: e.objectives[x].value)), 0) END AS standing,
           coalesce(len(list_filter(r.floors, lambda x: (e.objectives[x.objective].value - x.floor) * x.sign < 0)), 0) = 0 AS holds
    FROM evaluations AS e LEFT JOIN by_run AS r USING (run)
)
SELECT run, number, split, score, score_se, standing, standing - coalesce(score_se, 0) AS low, holds FROM standing;

CREATE VIEW scores AS
SELECT e.run, e.number, c.program, e.split, e.planned, e.completed, s.score, s.score_se, s.standing, s.low, s.holds, e.objectives
FROM evaluations AS e JOIN candidates AS c USING (run, number) JOIN standings AS s USING (run, number, split);

-- One row for each objective of an evaluation.
CREATE VIEW objectives AS
SELECT run, number, program, split, o.key AS objective, o.value.value AS "value", o.value.se AS se, o.value.raw AS raw
FROM (SELECT run, number, program, split, unnest(map_entries(objectives)) AS o FROM scores);

-- Programs that hold the run's floors; the others own no cell.
CREATE VIEW cell_scores AS
SELECT run, number, c.cell AS cell, c.share AS share, c.score AS score, c.se AS se, c.score - c.se AS low
FROM (
    SELECT e.run, e.number, unnest(e.cells) AS c
    FROM evaluations AS e JOIN standings AS s USING (run, number, split)
    WHERE e.split = 'train' AND s.holds
);

-- The best program of each cell by its lower bound (score - se), among those that reach the cell at all; the earliest wins ties.
-- arg_max because it is a hundred times faster here than QUALIFY.
CREATE VIEW elites AS
SELECT e.run AS run, e.cell AS cell, cells."name" AS "name", cells.mass AS mass, e.best.number AS number, candidates.program AS program,
       e.best.share AS share, e.best.score AS score, e.best.se AS se, e.best.low AS low
FROM (
    SELECT run, cell,
           arg_max(struct_pack(number := number, share := share, score := score, se := se, low := low),
                   struct_pack(low := low, earliest := -number)) AS best
    FROM cell_scores WHERE score > 0 AND isfinite(low) GROUP BY run, cell
) AS e
JOIN candidates ON candidates.run = e.run AND candidates.number = e.best.number
LEFT JOIN cells ON cells.run = e.run AND cells.cell = e.cell;

-- The best program of each run's search so far, by the lower bound of its standing; the earliest wins ties.
CREATE VIEW best AS
SELECT run, arg_max(number, struct_pack(low := low, earliest := -number)) AS number
FROM standings JOIN candidates USING (run, number) WHERE split = 'train' AND holds AND state = 'evaluated' AND isfinite(low) GROUP BY run;
