"""The population of a run: the personas of its elites and of its best program, each with its measured episode. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import starmap

from personaevo.archive.database import Database
from personaevo.archive.queries import Elite, elites
from personaevo.records import Episode, Persona, PlanItem

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
