"""Consistency checks of an archive: references exist, counts match, and digests add up. Reads only.

Each check is a query whose rows are the disagreements: (where, what was found, what was expected).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from personaevo.archive import queries, sums
from personaevo.archive.database import Database
from personaevo.archive.rows import digest_text
from personaevo.archive.schema import TABLES, VERSIONS, migrations
from personaevo.errors import ArchiveError


@dataclass(frozen=True, slots=True)
class Finding:
    """One disagreement: its kind, its place, the value found and the value expected. All of these may contain stored text."""

    kind: str
    where: str
    found: str
    expected: str


# Parts of queries. Places of a row of candidates (c) and of other tables (t):
_OF_C = "format('run {}, candidate {}', c.run, c.number)"
_OF_T = "format('run {}, candidate {}', t.run, t.number)"
_SLOT = "format('run {}, candidate {}, task {}, slot {}', t.run, t.number, left(t.task, 80), t.slot)"
# Rows of a table that belong to no evaluated candidate:
_ORPHANS = f"""
    SELECT {_OF_T}, format('{{}} of its TABLE', count(*)), 'none: there is no such candidate, or it was not evaluated'
    FROM TABLE AS t WHERE NOT EXISTS (FROM candidates AS c WHERE c.run = t.run AND c.number = t.number AND c.state <> 'duplicate')
    GROUP BY t.run, t.number"""
# Rows that name a program which the run never proposed:
_UNKNOWN_PROGRAM = """
    SELECT format('run {}, TABLE, row {}', t.run, t.position), 'program ' || t.program, 'a program that the run proposed'
    FROM TABLE AS t
    WHERE t.program IS NOT NULL AND NOT EXISTS (FROM candidates AS c WHERE c.run = t.run AND c.program = t.program)"""
_CELL = "NOT EXISTS (FROM cells AS c WHERE c.run = t.run AND c.cell = {})"
_CHECKS: tuple[tuple[str, str], ...] = (
    ("candidate", f"""
    SELECT {_OF_C}, format('committed {{}} times', count(*)), 'once' FROM candidates AS c
    GROUP BY c.run, c.number HAVING count(*) > 1"""),
    ("candidate", """
    SELECT format('run {}', run), format('candidates up to {}, {} of them missing', max(number), max(number) + 1 - count(DISTINCT number)),
           'all of them' FROM candidates GROUP BY run HAVING count(DISTINCT number) <> max(number) + 1"""),
    ("candidate", """
    SELECT format('commit {}', seq), format('{} candidates', count(*)), 'one' FROM candidates GROUP BY seq HAVING count(*) > 1"""),
    ("candidate", f"""
    SELECT {_OF_C}, 'a run that is not there', 'a stored run' FROM candidates AS c WHERE run NOT IN (SELECT run FROM runs)"""),
    ("program", f"""
    SELECT {_OF_C}, 'program ' || c.program, 'a stored program' FROM candidates AS c
    WHERE c.program NOT IN (SELECT id FROM programs)"""),
    ("program", """
    SELECT 'program ' || id, 'no candidate proposed it', 'a program of some candidate' FROM programs
    WHERE id NOT IN (SELECT program FROM candidates)"""),
    ("program", """
    SELECT 'program ' || id, format('stored {} times', count(*)), 'once' FROM programs GROUP BY id HAVING count(*) > 1"""),
    ("parent", f"""
    SELECT {_OF_T}, 'parent ' || t.parent, 'a program that was committed before it'
    FROM (SELECT run, number, seq, unnest(parents) AS parent FROM candidates) AS t
    WHERE NOT EXISTS (FROM candidates AS c WHERE c.run = t.run AND c.program = t.parent AND c.number < t.number AND c.seq < t.seq)"""),
    ("state", f"""
    SELECT {_OF_T}, 'a program that is new', 'one that was proposed before: its state is "duplicate"' FROM candidates AS t
    WHERE t.state = 'duplicate' AND NOT EXISTS (FROM candidates AS c WHERE c.run = t.run AND c.program = t.program AND c.number < t.number)
    """),
    ("state", f"""
    SELECT {_OF_T}, format('{{}}, {{}} of {{}} episodes completed', t.state, e.completed, e.planned),
           'evaluated where an episode completed, else failed'
    FROM candidates AS t JOIN evaluations AS e USING (run, number) WHERE (t.state = 'evaluated') <> (e.completed > 0)"""),
    ("evaluation", f"""
    SELECT {_OF_T}, 'no evaluation', 'one: its state is "evaluated"' FROM candidates AS t
    WHERE t.state = 'evaluated' AND NOT EXISTS (FROM evaluations AS e WHERE e.run = t.run AND e.number = t.number)"""),
    ("evaluation", f"""
    SELECT {_OF_T}, format('{{}} evaluations', count(*)), 'one' FROM evaluations AS t GROUP BY t.run, t.number HAVING count(*) > 1
    """),
    *(("orphan", _ORPHANS.replace("TABLE", table)) for table in ("evaluations", "episodes", "personas", "pruned", "screenings")),
    ("episode", f"""
    SELECT {_SLOT}, format('{{}} episodes with seed {{}}', count(*), t.seed), 'one' FROM episodes AS t
    GROUP BY t.run, t.number, t.task, t.slot, t.seed HAVING count(*) > 1"""),
    ("episode", f"""
    SELECT {_SLOT}, t.state || CASE WHEN t.state = 'failed' THEN ', with measured values' ELSE ', without measured values' END,
           'measured values where it completed, a reason where it failed'
    FROM episodes AS t
    WHERE CASE WHEN t.state = 'failed' THEN coalesce(t.fingerprint IS NOT NULL OR t.p_human IS NOT NULL OR t.reason = '', true)
               ELSE t.fingerprint IS NULL OR t.preservation IS NULL OR t.p_human IS NULL OR t.reason IS NOT NULL END"""),
    ("persona", f"""
    SELECT {_SLOT}, format('persona {{}}, which is not there', left(t.persona, 80)), 'a stored persona' FROM episodes AS t
    WHERE t.persona IS NOT NULL AND NOT EXISTS (
        FROM personas AS p WHERE p.run = t.run AND p.number = t.number AND p.task = t.task AND p.slot = t.slot AND p.id = t.persona)"""),
    ("persona", f"""
    SELECT {_SLOT}, format('persona {{}}, which no episode has', left(t.id, 80)), 'a persona of an episode' FROM personas AS t
    WHERE NOT EXISTS (
        FROM episodes AS e WHERE e.run = t.run AND e.number = t.number AND e.task = t.task AND e.slot = t.slot AND e.persona = t.id)"""),
    ("persona", f"""
    SELECT {_SLOT}, format('persona {{}} {{}} times', left(t.id, 80), count(*)), 'once' FROM personas AS t
    GROUP BY t.run, t.number, t.task, t.slot, t.id HAVING count(*) > 1"""),
    ("cell", f"""
    SELECT {_SLOT}, format('cell {{}}', t.cell), 'a cell of the run' FROM episodes AS t
    WHERE t.cell IS NOT NULL AND {_CELL.format('t.cell')}"""),
    ("cell", f"""
    SELECT {_OF_T}, format('a score in cell {{}}', t.c.cell), 'a cell of the run'
    FROM (SELECT run, number, unnest(evaluations.cells) AS c FROM evaluations) AS t WHERE {_CELL.format('t.c.cell')}"""),
    ("cell", """
    SELECT format('run {}, cell {}', coalesce(k.run, t.run), coalesce(k.cell, t.cell)),
           coalesce(format('candidate {} as its elite', k.number), 'no elite'), coalesce(format('candidate {}', t.number), 'none')
    FROM elites AS k FULL JOIN elites_anew AS t ON (k.run, k.cell) = (t.run, t.cell)
    WHERE (k.number, k.share, k.score, k.se) IS DISTINCT FROM (t.number, t.share, t.score, t.se)"""),
    *(("final table", _UNKNOWN_PROGRAM.replace("TABLE", table)) for table in ("final_tables", "finals")),
    ("scoring", """
    SELECT format('run {}, rules', run), format('{} {} times', left(objective, 80), count(*)), 'once' FROM rules
    GROUP BY run, objective HAVING count(*) > 1"""),
    ("scoring", """
    SELECT format('run {}, levels', run), format('{} {} times', left(objective, 80), count(*)), 'once' FROM levels
    GROUP BY run, split, planned, objective HAVING count(*) > 1"""),
    ("scoring", """
    SELECT format('run {}', t.run), 'the scoring of a run that is not there', 'a stored run'
    FROM (SELECT DISTINCT run FROM rules UNION SELECT run FROM levels UNION SELECT run FROM controls UNION SELECT run FROM comparisons) AS t
    WHERE t.run NOT IN (SELECT run FROM runs)"""),
    ("final table", """
    SELECT format('run {}, final_tables, row {}', run, position), 'no program', 'that of the row "' || "row" || '"' FROM final_tables
    WHERE program IS NULL AND "row" IN ('seed_program', 'evolved')"""),
    ("refined", """
    SELECT format('person {}, role {}', left(person, 80), "role"), format('stored {} times', count(*)), 'once' FROM refined
    GROUP BY person, "role" HAVING count(*) > 1"""),
    ("refined", """
    SELECT 'refinement', format('{} rows of settings', count(*)), 'one, with people or without' FROM refinement
    HAVING count(*) > 1 OR (count(*) = 0 AND EXISTS (FROM refined))"""),
    # Answers given before a search began its first run are stored under the number of that run; those of a refinement likewise.
    ("model call", """
    SELECT format('run {}', t.run), format('{} answers of models', count(*)), 'none: there is no such run' FROM model_calls AS t
    WHERE t.run NOT IN (SELECT coalesce(max(run), 0) + 1 FROM runs) AND t.run NOT IN (SELECT run FROM runs) GROUP BY t.run"""),
    ("counts", f"""
    SELECT {_OF_T}, format('{{}} episodes, {{}} of them completed', n.episodes, n.completed),
           format('{{}} episodes, {{}} of them completed, as its evaluation says', t.planned, t.completed)
    FROM evaluations AS t JOIN (
        SELECT e.run, e.number, count(x.run) AS episodes, count(*) FILTER (x.state = 'completed') AS completed
        FROM evaluations AS e LEFT JOIN episodes AS x USING (run, number) GROUP BY ALL
    ) AS n USING (run, number)
    WHERE (n.episodes, n.completed) <> (t.planned, t.completed)
      AND NOT EXISTS (FROM pruned AS p WHERE p.run = t.run AND p.number = t.number)"""),
    ("counts", f"""
    SELECT {_OF_T}, format('{{}} episodes left out by compact', t.episodes), format('{{}}, as its evaluation says', e.planned)
    FROM pruned AS t JOIN evaluations AS e USING (run, number) WHERE t.episodes <> e.planned"""),
    ("counts", f"""
    SELECT {_OF_T}, 'episodes, though compact left them out', 'none' FROM pruned AS t
    WHERE EXISTS (FROM episodes AS e WHERE e.run = t.run AND e.number = t.number)"""),
    ("counts", f"""
    SELECT {_OF_T}, format('left out by compact {{}} times', count(*)), 'once' FROM pruned AS t
    GROUP BY t.run, t.number HAVING count(*) > 1"""),
)  # fmt: skip


def find(database: Database) -> list[Finding]:
    """Return all disagreements. If there are invalid values, only these: the other checks could not read them."""
    found = list(_invalid_values(database))
    if found:
        return found
    found = list(_wrong_versions(database))
    for kind, sql in _CHECKS:
        found += [Finding(kind, *row) for row in database.execute(sql)]
    return found + list(_wrong_digests(database))


def _invalid_values(database: Database) -> Iterator[Finding]:
    for table in TABLES:
        try:
            database.check(table, streamed=True)
        except ArchiveError as error:
            yield Finding("value", f"table {table}", str(error), "values as a search writes them")
    try:
        queries.runs(database)
    except ArchiveError as error:
        yield Finding("value", "table runs", str(error), "settings as a search writes them")


def _wrong_versions(database: Database) -> Iterator[Finding]:
    noted = [(int(number), str(name)) for number, name in database.execute(f"SELECT number, left(name, 80) FROM {VERSIONS} LIMIT 1000")]
    expected = list(enumerate((file.stem for file in migrations()), start=1))
    if noted != expected:
        yield Finding("version", "schema", ", ".join(f"{number} {name}" for number, name in noted), ", ".join(name for _, name in expected))


def _wrong_digests(database: Database) -> Iterator[Finding]:
    """Each commit adds its own rows to the digest, so only the changed commit is reported."""
    found = sums.check(database)
    for one in found.wrong:
        where = f"run {one.run}, candidate {one.number}"
        yield Finding("digest", where, f"rows that add {digest_text(one.added)}", f"{digest_text(one.expected)}, as was committed")
    for run, number in found.orphans:
        yield Finding("digest", f"run {run}, candidate {number}", "rows", "none: it was never committed")
