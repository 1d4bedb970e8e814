-- The personas of the elites, a row for each of their dialogues: P(human), cell, preservation, description, dials (latest run).
SELECT c.program, p.number, p.task, p.slot, p.id, e.p_human, e.cell, e.preservation, p.description, p.behaviors, p.dials
FROM personas AS p
JOIN candidates AS c USING (run, number)
JOIN episodes AS e ON e.run = p.run AND e.number = p.number AND e.task = p.task AND e.slot = p.slot AND e.persona = p.id
WHERE p.run = (SELECT max(run) FROM runs) AND p.number IN (SELECT number FROM elites WHERE run = p.run)
ORDER BY p.number, p.task, p.slot;
