-- Who took over a cell, in the order of commits: the best of them holds it now. It follows from the evaluations (view elites_anew, which
-- `archive verify` holds it against), and is kept so that nobody need read a million of them to name sixteen. Not part of the digest.
CREATE TABLE holders (
    run INTEGER NOT NULL,
    cell INTEGER NOT NULL,
    number INTEGER NOT NULL,
    share DOUBLE NOT NULL,
    score DOUBLE NOT NULL,
    se DOUBLE NOT NULL
);

INSERT INTO holders SELECT run, cell, number, share, score, se FROM elites ORDER BY run, cell;

DROP VIEW elites;

-- The best program of each cell by its lower bound (score - se), among those that reach the cell at all; the earliest wins ties.
-- arg_max because it is a hundred times faster here than QUALIFY.
CREATE VIEW elites_anew AS
SELECT run, cell, best.number AS number, best.share AS share, best.score AS score, best.se AS se
FROM (
    SELECT run, cell,
           arg_max(struct_pack(number := number, share := share, score := score, se := se),
                   struct_pack(low := low, earliest := -number)) AS best
    FROM cell_scores WHERE score > 0 AND isfinite(low) GROUP BY run, cell
);

CREATE VIEW elites AS
SELECT e.run AS run, e.cell AS cell, cells."name" AS "name", cells.mass AS mass, e.best.number AS number, candidates.program AS program,
       e.best.share AS share, e.best.score AS score, e.best.se AS se, e.best.score - e.best.se AS low
FROM (
    SELECT run, cell,
           arg_max(struct_pack(number := number, share := share, score := score, se := se),
                   struct_pack(low := score - se, earliest := -number)) AS best
    FROM holders GROUP BY run, cell
) AS e
JOIN candidates ON candidates.run = e.run AND candidates.number = e.best.number
LEFT JOIN cells ON cells.run = e.run AND cells.cell = e.cell;
