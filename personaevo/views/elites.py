"""The pages of ``archive elites`` (every cell with its elite) and ``archive summary``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from personaevo.archive import Archive, Elite
from personaevo.measure.stats import student_factor
from personaevo.records import FinalTable, Run, Scoring
from personaevo.views import layout
from personaevo.views.lineage import tasks_of
from personaevo.views.tables import scoring_notes, scoring_warning, table_view


@dataclass(frozen=True, slots=True)
class Niche:
    """A cell: its number, name and share of people, and its elite (None while it is empty) with the operator that made the elite."""

    cell: int
    name: str
    mass: float
    elite: Elite | None
    operator: str | None


@dataclass(frozen=True, slots=True)
class Elites:
    """The cells of a run, by share of people in descending order, and the number of candidates by state.

    ``factor`` times a standard error is half of a 95 % interval (Student, tasks - 1 degrees of freedom). ``scoring`` is a warning if the
    run was scored by another scoring than this personaevo's.
    """

    run: int
    factor: float
    tasks: int
    candidates: dict[str, int]
    niches: tuple[Niche, ...]
    scoring: str = ""

    @property
    def held(self) -> list[Elite]:
        """The elites of the filled cells."""
        return [niche.elite for niche in self.niches if niche.elite is not None]

    @property
    def mass(self) -> float:
        """The share of people in filled cells."""
        return sum(niche.mass for niche in self.niches if niche.elite is not None)

    @property
    def qd_score(self) -> float:
        """The sum over cells of the share of people times the elite's score."""
        return sum(niche.mass * niche.elite.score for niche in self.niches if niche.elite is not None)


def elites(archive: Archive, run_id: int | None = None) -> Elites:
    """Return the elites of a run (by default the latest).

    Raises:
        ArchiveError: there is no such run.
    """
    run = archive.run(run_id)
    by_cell = {elite.cell: elite for elite in archive.elites(run.id)}
    numbers = [elite.number for elite in by_cell.values()]
    made = "SELECT number, operator FROM candidates WHERE run = ? AND list_contains(?, number)"
    operators: dict[int, str] = dict(archive.query(made, [run.id, numbers])[1])
    niches = []
    for cell in run.cells:
        elite = by_cell.get(cell["cell"])
        niches.append(Niche(cell["cell"], cell["name"], float(cell["mass"]), elite, operators[elite.number] if elite else None))
    states = "SELECT state, count(*) FROM candidates WHERE run = ? GROUP BY state ORDER BY state"
    tasks = tasks_of(run)
    ordered = tuple(sorted(niches, key=lambda niche: (-niche.mass, niche.cell)))
    return Elites(run.id, student_factor(tasks - 1), tasks, dict(archive.query(states, [run.id])[1]), ordered, scoring_warning(run))


def elites_view(found: Elites) -> RenderableType:
    """Show the cells as a table, with their totals."""
    made = layout.table("cell", "people", "score", "share", "elite, made by", "marked by", words=("elite, made by", "marked by"), gap=1)
    made.columns[4].min_width = 14
    for niche in found.niches:
        elite = niche.elite
        shown = [Text("empty", style=layout.FAINT), Text("-"), Text("-")]
        if elite is not None:
            made_by = layout.short_id(elite.program_id).append("  ").append_text(layout.operator(niche.operator or ""))
            shown = [layout.text(f"{elite.score:.2f} ± {found.factor * elite.se:.2f}"), layout.text(f"{elite.share:.0%}"), made_by]
        made.add_row(layout.text(niche.cell), layout.text(f"{niche.mass:.0%}"), *shown, layout.name(niche.name))
    candidates = ", ".join(f"{number:,} {state}" for state, number in found.candidates.items()) or "none yet"
    sums = f"{len(found.held)} of {len(found.niches)} cells held, with {found.mass:.0%} of people; QD score {found.qd_score:.3f}"
    notes = (
        f"candidates of run {found.run}: {candidates}",
        f"score ± half its 95 % interval (Student, {found.tasks} tasks); share: the part of the elite's dialogues in the cell",
    )
    return Group(made, Text(""), Text(sums), *(layout.note(words) for words in (*notes, found.scoring) if words))


def elites_object(found: Elites) -> dict[str, Any]:
    """Return the elites for ``--json``; the elite of an empty cell is None."""
    cells = []
    for niche in found.niches:
        elite, shown = niche.elite, None
        if elite is not None:
            low, high = elite.score - found.factor * elite.se, elite.score + found.factor * elite.se
            shown = {
                "program": elite.program_id, "number": elite.number, "operator": niche.operator, "share": elite.share,
                "score": elite.score, "se": elite.se, "low": low, "high": high,
            }  # fmt: skip
        cells.append({"cell": niche.cell, "name": niche.name, "mass": niche.mass, "elite": shown})
    return {
        "run": found.run, "candidates": found.candidates, "cells": cells, "held": len(found.held), "total": len(found.niches),
        "mass": found.mass, "qd_score": found.qd_score,
    }  # fmt: skip


def summary_view(archive: Archive) -> RenderableType:
    """Show counts, the scoring, the elite of each cell, and the final table once the search has ended."""
    found = archive.summary()
    run = archive.run() if found["runs"] else None
    table, scoring = (archive.final_table(run.id), archive.scoring(run.id)) if run else (FinalTable(), Scoring({}, ()))
    head = _counts(archive, found, run)
    if run is not None:
        head += scoring_notes(run, scoring, "test" if table.rows else "train")
    labels = layout.labels((label, layout.text(words)) for label, words in head)
    if run is None:
        return labels
    final: RenderableType = layout.note("no final table yet: the search has not ended")
    if table.rows:
        final = layout.section("on held-out tasks and people", table_view(table, scoring.rules))
    return layout.page([labels, elites_view(replace(elites(archive, run.id), scoring="")), final])


def _counts(archive: Archive, found: Mapping[str, Any], run: Run | None) -> list[tuple[str, str]]:
    """Labels and values of the archive and of what it holds."""
    rows = [
        ("archive", f"{os.fspath(archive.path)} (schema {found['schema']})"),
        ("domain", f"{found['domain'] or '-'}, {layout.count(found['runs'], 'run')}"),
    ]
    if run is not None and "profiles_used" in run.settings:
        rows.append(("profiles", run.settings["profiles_used"]))
    rows.append(("holds", ", ".join(layout.count(found[f"{noun}s"], noun) for noun in ("program", "evaluation", "episode"))))
    rows.append(("digest", found["digest"]))
    sides = archive.refinements().people()
    people = len({one.person for one in sides})
    if people:
        rows.append(("refined", f"{layout.count(len(sides), 'profile')} of {'1 person' if people == 1 else f'{people:,} people'}"))
    if found["screened"]:
        rows.append(("screened", f"{layout.count(found['screened'], 'proposal')} played by a stand-in, not by the user's model"))
    return rows
