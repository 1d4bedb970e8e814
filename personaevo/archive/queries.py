"""Queries behind the reading methods of ``Archive``: runs, commits, elites, population, one program in full, digests. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, starmap
from typing import Any

from personaevo.archive import sums
from personaevo.archive.database import Database
from personaevo.archive.rows import commit_from, comparison_from, digest_text, episode_from, final_from, scoring_from, table_row_from
from personaevo.archive.schema import TABLES, settings_and_cells
from personaevo.archive.sums import CANDIDATES
from personaevo.errors import ArchiveError
from personaevo.records import Commit, Episode, Evaluation, FinalTable, Persona, PlanItem, Run, Scoring

EPISODES = (
    "SELECT e.*, p.description, p.behaviors, p.dials, p.policy FROM episodes AS e LEFT JOIN personas AS p "
    "ON (p.run, p.number, p.task, p.slot, p.id) = (e.run, e.number, e.task, e.slot, e.persona) "
)
_LAST = "SELECT max(seq) FROM candidates GROUP BY run"
_PERSONAS_SHOWN = 3
_CANDIDATES_PER_BATCH = 50
_MATCHES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Elite:
    """The best program of a cell by ``low`` = score - se; ``mass`` is the share of people in the cell."""

    cell: int
    name: str | None
    mass: float | None
    number: int
    program_id: str
    share: float
    score: float
    se: float
    low: float


def runs(database: Database) -> list[Run]:
    """Return all runs, oldest first."""
    database.check("runs")
    found = database.rows("SELECT run, settings, cells FROM runs ORDER BY run")
    return [Run(row["run"], *settings_and_cells(row, database.path)) for row in found]


def elites(database: Database, run_id: int) -> list[Elite]:
    """Return the program with the highest lower bound of each cell that the run reaches, by cell; ties go to the earliest."""
    for table in ("runs", "holders"):
        database.check(table, "run = ?", [run_id])
    database.check("candidates", "run = ? AND number IN (SELECT h.number FROM holders AS h WHERE h.run = ?)", [run_id, run_id])
    columns = "cell, name, mass, number, program AS program_id, share, score, se, low"
    return [Elite(**row) for row in database.rows(f"SELECT {columns} FROM elites WHERE run = ? ORDER BY cell", [run_id])]


def holders(database: Database, run_id: int, up_to: int) -> dict[int, str]:
    """See ``Archive.holders``."""
    database.check("holders", "run = ?", [run_id])
    known = [run_id, up_to]
    found = dict(database.execute(f"{_HELD} FROM holders WHERE run = $1 AND number <= $2 GROUP BY cell", known))
    late = [cell for (cell,) in database.execute("SELECT DISTINCT cell FROM holders WHERE run = ? AND number > ?", known)]
    if late:  # an archive of an older version stored only the last holders
        anew = "FROM cell_scores WHERE run = $1 AND number <= $2 AND score > 0 AND isfinite(low) AND list_contains($3, cell) GROUP BY cell"
        found.update(database.execute(f"{_HELD} {anew}", [*known, late]))
    owners = database.execute(
        "SELECT number, program FROM candidates WHERE run = ? AND list_contains(?, number)", [run_id, sorted(set(found.values()))]
    )
    programs = dict(owners)
    return {int(cell): str(programs[number]) for cell, number in sorted(found.items())}


def numbers(database: Database, run_id: int, programs: Sequence[str]) -> list[int]:
    """Return the candidate number under which each of these programs was evaluated."""
    sql = "SELECT program, min(number) FROM candidates WHERE run = ? AND state = 'evaluated' AND list_contains(?, program) GROUP BY program"
    found = dict(database.execute(sql, [run_id, list(programs)]))
    return [int(found[key]) for key in programs if key in found]


_HELD = "SELECT cell, arg_max(number, struct_pack(low := score - se, earliest := -number))"


def commits(database: Database, run_id: int, numbers: Sequence[int] | None) -> list[Commit]:
    """See ``Archive.commits``."""
    known: list[object] = [run_id] if numbers is None else [run_id, list(numbers)]
    some = "run = ?" if numbers is None else "run = ? AND number IN (SELECT unnest(CAST(? AS INTEGER[])))"
    for table in ("candidates", "evaluations"):
        database.check(table, some, known)
    programs = "true" if numbers is None else f"id IN (SELECT c.program FROM candidates AS c WHERE {some})"
    database.check("programs", programs, () if numbers is None else known)
    proposed = f"SELECT p.* FROM programs AS p WHERE {programs}"
    found = database.rows(
        "SELECT c.*, coalesce(c.variant, p.source) AS source, e.* EXCLUDE (run, number) "
        f"FROM (SELECT * FROM candidates WHERE {some}) AS c JOIN ({proposed}) AS p ON p.id = c.program "
        f"LEFT JOIN (SELECT * FROM evaluations WHERE {some}) AS e ON e.number = c.number ORDER BY c.number",
        known * (2 if numbers is None else 3),
    )
    return [commit_from(row) for row in found]


def final_table(database: Database, run_id: int) -> FinalTable:
    """See ``Archive.final_table``."""
    for table in ("final_tables", "comparisons"):
        database.check(table, "run = ?", [run_id])
    rows = database.rows("SELECT * FROM final_table WHERE run = ? ORDER BY position", [run_id])
    compared = database.rows(
        "SELECT * FROM comparisons WHERE run = $1 AND version = (SELECT max(version) FROM final_tables WHERE run = $1) ORDER BY position",
        [run_id],
    )
    return FinalTable(tuple(map(table_row_from, rows)), tuple(map(comparison_from, compared)))


def finals(database: Database, run_id: int) -> list[Evaluation]:
    """See ``Archive.finals``."""
    database.check("finals", "run = ?", [run_id])
    found = database.rows(
        "SELECT * FROM finals WHERE (run, version) IN (SELECT (run, max(version)) FROM final_tables GROUP BY run) AND run = ? "
        "ORDER BY position",
        [run_id],
    )
    return [final_from(row) for row in found]


def scoring(database: Database, run_id: int) -> Scoring:
    """See ``Archive.scoring``."""
    parts = {}
    for table in ("rules", "levels", "controls"):
        database.check(table, "run = ?", [run_id])
        parts[table] = database.rows(f"SELECT * FROM {table} WHERE run = ? ORDER BY rowid", [run_id])
    return scoring_from(parts)


def summary(database: Database) -> dict[str, Any]:
    """See ``Archive.summary``."""
    known = runs(database)
    latest = known[-1] if known else None
    masses = [float(cell["mass"]) for cell in latest.cells] if latest else []
    held = [elite for elite in elites(database, latest.id) if elite.mass is not None] if latest else []
    counts = {table: int(database.execute(f"SELECT count(*) FROM {table}")[0][0]) for table in ("programs", "evaluations", "episodes")}
    return {
        "schema": database.schema,
        "domain": latest.settings.get("domain") if latest else None,
        "runs": len(known),
        **counts,
        "cells": {"held": len(held), "total": len(masses), "mass": sum(elite.mass or 0.0 for elite in held)},
        "screened": int(database.execute("SELECT count(*) FROM screenings WHERE NOT played")[0][0]),
        "qd_score": sum((elite.mass or 0.0) * elite.score for elite in held),
        "digest": digest_text(sum(run_digests(database).values())),
    }


def episodes(database: Database, run_id: int) -> Iterator[tuple[int, tuple[Episode, ...]]]:
    """See ``Archive.all_episodes``."""
    for table in ("episodes", "personas"):
        database.check(table, "run = ?", [run_id], streamed=True)
    last = database.execute("SELECT coalesce(max(number), -1) FROM episodes WHERE run = ?", [run_id])[0][0]
    for first in range(0, last + 1, _CANDIDATES_PER_BATCH):
        numbers = [first, first + _CANDIDATES_PER_BATCH - 1]
        rows = database.rows(f"{EPISODES}WHERE e.run = ? AND e.number BETWEEN ? AND ? ORDER BY e.number, e.rowid", [run_id, *numbers])
        for number, some in groupby(rows, key=lambda row: int(row["number"])):
            yield number, tuple(map(episode_from, some))


def run_digests(database: Database) -> dict[int, int]:
    """Return the stored digest of each run that has commits."""
    database.check("candidates", f"seq IN ({_LAST})")
    found = database.execute(f"SELECT run, digest FROM candidates WHERE seq IN ({_LAST})")
    return {run: int(text, 16) for run, text in found}


def verified_digest(database: Database) -> str:
    """Recompute every commit's digest from the stored rows; return the digest of the archive if all agree.

    Raises:
        ArchiveError: a commit's rows are not those that were committed.
    """
    for table in TABLES:
        database.check(table, streamed=True)
    found = sums.check(database)
    changed = f"archive {database.path} was changed"
    for one in found.wrong:
        problem = f"from candidate {one.number} of run {one.run} on, its rows do not add up to the digest {one.stored} stored with them"
        raise ArchiveError(f"{changed}: {problem}; restore a copy")
    if found.orphans:
        raise ArchiveError(f"{changed}: it has rows of candidates that were never committed: {found.orphans[:3]}")
    return digest_text(sum(found.runs.values()))


_OF_THE_PROGRAM = {
    "evaluations": "SELECT run, number, split, planned, completed, objectives, tier FROM evaluations JOIN candidates USING (run, number) "
    "WHERE program = ? ORDER BY run DESC, number",
    "cells": "SELECT run, cell, name, mass, share, score, se FROM elites WHERE program = ? ORDER BY run DESC, cell",
}
_OF_THE_CANDIDATE = {
    "personas": "SELECT task, slot, id, description, behaviors, dials, policy FROM personas WHERE run = ? AND number = ? "
    f"ORDER BY slot, task LIMIT {_PERSONAS_SHOWN}",
    "best": "SELECT task, slot, seed, persona, outcome, p_human, preservation, cell, turns FROM episodes "
    "WHERE run = ? AND number = ? AND p_human IS NOT NULL ORDER BY p_human DESC, task, slot, seed LIMIT 1",
    "worst": "SELECT task, slot, seed, persona, outcome, p_human, preservation, cell, turns FROM episodes "
    "WHERE run = ? AND number = ? AND p_human IS NOT NULL ORDER BY p_human ASC, task, slot, seed LIMIT 1",
}


def program(database: Database, prefix: str) -> dict[str, Any]:
    """See ``Archive.program``."""
    key = _resolve_prefix(database, prefix)
    runs(database)
    database.check("evaluations")
    database.check("programs", "id = ?", [key])
    database.check("candidates", "program = ?", [key])
    proposals = database.rows(f"{CANDIDATES}WHERE c.program = ? ORDER BY c.state = 'duplicate', c.run DESC, c.number", [key])
    first = proposals[0]
    where = [first["run"], first["number"]]
    for table in ("personas", "episodes"):
        database.check(table, "run = ? AND number = ?", where)
    shown = ("run", "number", "parents", "operator", "state", "reason", "fault")
    found: dict[str, Any] = {"id": key, "source": first["source"], **{name: first[name] for name in shown}}
    found["proposals"] = [{name: row[name] for name in shown} for row in proposals]
    found |= {name: database.rows(sql, [key]) for name, sql in _OF_THE_PROGRAM.items()}
    found |= {name: database.rows(sql, where) for name, sql in _OF_THE_CANDIDATE.items()}
    for name in ("best", "worst"):
        found[name] = found[name][0] if found[name] else None
    return found


def _resolve_prefix(database: Database, prefix: str) -> str:
    rows = database.execute("SELECT left(id, 200) FROM programs WHERE starts_with(id, ?) ORDER BY id", [prefix])
    found = [row[0] for row in rows]
    if prefix in found or len(found) == 1:
        return str(prefix if prefix in found else found[0])
    if not found:
        expected = "expected an id, or its beginning, as `archive elites` shows them"
        raise ArchiveError(f"archive {database.path} has no program '{prefix}': {expected}")
    named = ", ".join(found[:_MATCHES_SHOWN]) + (", …" if len(found) > _MATCHES_SHOWN else "")
    raise ArchiveError(f"'{prefix}' is the beginning of {len(found)} programs ({named}): give more of the id")


# The best program counts only if it meets the floor of task preservation, as elites do.
_BEST = """
SELECT DISTINCT number FROM cell_scores JOIN candidates USING (run, number)
WHERE run = $1 AND program IN (SELECT program FROM final_table WHERE run = $1 AND "row" = 'evolved')
"""
# For a persona that was played more than once, its first dialogue that is in a cell.
# Maps are read as two lists each: DuckDB takes six times as long to convert maps to Python dicts.
_MEMBERS = """
SELECT c.program, e.task, e.slot, e.seed, e.outcome, e.fingerprint, e.preservation, e.p_human, e.cell,
       p.id, p.description, p.policy, map_keys(p.behaviors), map_values(p.behaviors), map_keys(p.dials), map_values(p.dials)
FROM episodes AS e
JOIN candidates AS c ON (c.run, c.number) = (e.run, e.number)
JOIN personas AS p ON (p.run, p.number, p.task, p.slot, p.id) = (e.run, e.number, e.task, e.slot, e.persona)
WHERE e.run = $1 AND list_contains($2, e.number) AND e.state = 'completed' AND e.cell IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY e.number, e.slot, e.task ORDER BY e.rowid) = 1
ORDER BY e.number, e.slot, e.task, e.seed, p.id
"""


@dataclass(frozen=True, slots=True)
class Member:
    """One persona of a population: the program that made it, and its episode without the dialogue. The episode is in a cell."""

    program_id: str
    episode: Episode


@dataclass(frozen=True, slots=True)
class Population:
    """The elites of a run, and the personas of these and of its best program (see ``Archive.population``)."""

    elites: tuple[Elite, ...]
    members: tuple[Member, ...]


def population(database: Database, run_id: int) -> Population:
    """See ``Archive.population``."""
    owners = elites(database, run_id)
    database.check("final_tables", "run = ?", [run_id])
    numbers = sorted({elite.number for elite in owners} | {number for (number,) in database.execute(_BEST, [run_id])})
    for table in ("episodes", "personas"):
        database.check(table, "run = ? AND list_contains(?, number)", [run_id, numbers])
    return Population(tuple(owners), tuple(starmap(_member, database.execute(_MEMBERS, [run_id, numbers]))))


def _member(
    program: str, task: str, slot: int, seed: int, outcome: str, fingerprint: list[float] | None, preservation: float | None,
    p_human: float | None, cell: int, name: str, description: str, policy: str, axes: list[str], levels: list[float], dials: list[str],
    targets: list[float],
) -> Member:  # fmt: skip
    persona = Persona(
        id=name, description=description, policy=policy,
        behaviors=dict(zip(axes, levels, strict=True)), dials=dict(zip(dials, targets, strict=True)),
    )  # fmt: skip
    item, values = PlanItem(task, slot, seed), tuple(fingerprint or ())
    return Member(program, Episode(item, "completed", (), outcome, values, preservation or 0.0, p_human, cell, persona))
