-- Events. Rows are only ever appended, by one writer, and never changed: no primary keys (the writer checks for repetition;
-- a text key costs 280 MiB per million rows). A candidate is known by (run, number), a program by the hash of its normalized source.

CREATE TABLE runs (
    run INTEGER NOT NULL,
    settings JSON NOT NULL,              -- not part of the digest
    cells JSON NOT NULL,                 -- [{"cell", "name", "mass", ...}]: the modes of human behavior that it was measured against
    begun TIMESTAMP NOT NULL             -- UTC, as all times here
);

CREATE TABLE programs (
    id VARCHAR NOT NULL,
    source VARCHAR NOT NULL              -- as first proposed
);

CREATE TABLE candidates (
    seq BIGINT NOT NULL,                 -- order of commits in this file
    run INTEGER NOT NULL,
    number INTEGER NOT NULL,             -- order of asking within the run; 0 is the seed program
    program VARCHAR NOT NULL,
    variant VARCHAR,                     -- the proposed text where it differs from programs.source (same normalized source)
    parents VARCHAR[] NOT NULL,
    operator VARCHAR NOT NULL,
    state VARCHAR NOT NULL CHECK (state IN ('evaluated', 'failed', 'duplicate')),
    reason VARCHAR,
    fault VARCHAR CHECK (fault IN ('program', 'infrastructure')),
    digest VARCHAR NOT NULL,             -- of the run up to and including this commit, 32 hexadecimal digits
    written TIMESTAMP NOT NULL,
    CHECK (state <> 'failed' OR (reason IS NOT NULL AND fault IS NOT NULL))
);

CREATE TABLE evaluations (
    run INTEGER NOT NULL,
    number INTEGER NOT NULL,
    split VARCHAR NOT NULL,
    planned INTEGER NOT NULL,
    completed INTEGER NOT NULL,
    objectives MAP(VARCHAR, STRUCT("value" DOUBLE, se DOUBLE, raw DOUBLE)) NOT NULL,
    cells STRUCT(cell INTEGER, share DOUBLE, score DOUBLE, se DOUBLE)[] NOT NULL,
    remarks STRUCT(feature VARCHAR, wanted VARCHAR)[] NOT NULL   -- the judge's reflection, the worst first
);

CREATE TABLE episodes (
    run INTEGER NOT NULL,
    number INTEGER NOT NULL,
    task VARCHAR NOT NULL,
    slot INTEGER NOT NULL,
    seed HUGEINT NOT NULL,
    state VARCHAR NOT NULL CHECK (state IN ('completed', 'failed')),
    turns STRUCT("role" VARCHAR, content VARCHAR)[] NOT NULL,
    outcome VARCHAR NOT NULL,
    fingerprint DOUBLE[],                -- this and the next three are NULL for a failed episode: failure is a state, not a value
    preservation DOUBLE,
    p_human DOUBLE,
    cell INTEGER,
    persona VARCHAR,                     -- personas.id within the same (run, number, task, slot)
    reason VARCHAR,
    fault VARCHAR CHECK (fault IN ('program', 'infrastructure')),
    CHECK (state <> 'failed' OR (reason IS NOT NULL AND fault IS NOT NULL))
);

CREATE TABLE personas (
    run INTEGER NOT NULL,
    number INTEGER NOT NULL,
    task VARCHAR NOT NULL,
    slot INTEGER NOT NULL,
    id VARCHAR NOT NULL,
    description VARCHAR NOT NULL,
    behaviors MAP(VARCHAR, DOUBLE) NOT NULL,
    dials MAP(VARCHAR, DOUBLE) NOT NULL,
    policy VARCHAR NOT NULL
);

CREATE TABLE final_tables (
    run INTEGER NOT NULL,
    version INTEGER NOT NULL,            -- counts from 1; the present is the highest
    position INTEGER NOT NULL,
    "row" VARCHAR NOT NULL,
    program VARCHAR,
    measures MAP(VARCHAR, STRUCT(mean DOUBLE, low DOUBLE, high DOUBLE, raw DOUBLE, completed INTEGER, planned INTEGER)) NOT NULL
);

-- The best programs of the search, scored again on fresh episodes; the best of them is the "evolved" row of the same version.
CREATE TABLE finals (
    run INTEGER NOT NULL,
    version INTEGER NOT NULL,
    position INTEGER NOT NULL,
    program VARCHAR NOT NULL,
    planned INTEGER NOT NULL,
    completed INTEGER NOT NULL,
    objectives MAP(VARCHAR, STRUCT("value" DOUBLE, se DOUBLE, raw DOUBLE)) NOT NULL
);

-- The present: views over the events.

CREATE VIEW cells AS
SELECT run, c.cell AS cell, c."name" AS "name", c.mass AS mass
FROM (SELECT run, unnest(json_transform(cells, '[{"cell": "INTEGER", "name": "VARCHAR", "mass": "DOUBLE"}]')) AS c FROM runs);

CREATE VIEW scores AS
SELECT run, number, program, split, planned, completed,
       objectives['score'].value AS score, objectives['score'].se AS score_se,
       objectives['human_likeness'].value AS human_likeness, objectives['coverage'].value AS coverage,
       objectives['task_preservation'].value AS task_preservation
FROM evaluations JOIN candidates USING (run, number);

-- Programs that hold the run's floor of task preservation; the others own no cell.
CREATE VIEW cell_scores AS
SELECT run, number, c.cell AS cell, c.share AS share, c.score AS score, c.se AS se, c.score - c.se AS low
FROM (
    SELECT run, number, unnest(evaluations.cells) AS c
    FROM evaluations JOIN runs USING (run)
    WHERE split = 'train'
      AND coalesce(objectives['task_preservation'].value, 1) >= coalesce(CAST(settings ->> '$.preservation_floor' AS DOUBLE), 0)
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

CREATE VIEW lineage AS
SELECT run, number, program, operator, state, unnest(parents) AS parent FROM candidates;

CREATE VIEW final_table AS
SELECT * EXCLUDE (version) FROM final_tables
WHERE (run, version) IN (SELECT (run, max(version)) FROM final_tables GROUP BY run);
