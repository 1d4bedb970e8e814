-- The best program of each cell, the fullest cells first; score and se in that cell, share of its dialogues there (latest run).
SELECT cells.cell, cells.name, cells.mass, elites.program, elites.number, candidates.operator, elites.score, elites.se, elites.share
FROM cells
LEFT JOIN elites USING (run, cell)
LEFT JOIN candidates ON candidates.run = elites.run AND candidates.number = elites.number
WHERE cells.run = (SELECT max(run) FROM runs)
ORDER BY cells.mass DESC, cells.cell;
