"""``archive elites``: every cell with the program that is best there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from personaevo.archive import Archive, Elite
from personaevo.inspect import layout
from personaevo.inspect.lineage import tasks_of
from personaevo.inspect.scoring import another_scoring
from personaevo.measure.stats import student_factor


@dataclass(frozen=True, slots=True)
class Niche:
    """A cell: its number, name and people's share, and its elite (None while it is empty) with the operator that made that."""

    cell: int
    name: str
    mass: float
    elite: Elite | None
    operator: str | None


@dataclass(frozen=True, slots=True)
class Elites:
    """The cells of a run, those with most people first, and how many candidates came of it: ``factor`` times a standard error is half of
    a 95 % interval (Student, tasks - 1 degrees of freedom). ``scoring`` says so if it is another than this personaevo's."""

    run: int
    factor: float
    tasks: int
    candidates: dict[str, int]
    niches: tuple[Niche, ...]
    scoring: str = ""

    @property
    def held(self) -> list[Elite]:
        """The elites."""
        return [niche.elite for niche in self.niches if niche.elite is not None]

    @property
    def mass(self) -> float:
        """The share of people in held cells."""
        return sum(niche.mass for niche in self.niches if niche.elite is not None)

    @property
    def qd_score(self) -> float:
        """Sum over cells of people's share times the elite's score."""
        return sum(niche.mass * niche.elite.score for niche in self.niches if niche.elite is not None)


def elites(archive: Archive, run_id: int | None = None) -> Elites:
    """The elites of a run (the latest, if none is given).

    Raises:
        ArchiveError: there is no such run.
    """
    run = archive.run(run_id)
    by_cell = {elite.cell: elite for elite in archive.elites(run.id)}
    numbers = [elite.number for elite in by_cell.values()]
    made = "SELECT number, operator FROM candidates WHERE run = ? AND list_contains(?, number)"
    operators: dict[int, str] = dict(archive.query(made, [run.id, numbers])[1])
    niches = [
        Niche(cell["cell"], cell["name"], float(cell["mass"]), elite, operators[elite.number] if elite else None)
        for cell in run.cells
        for elite in (by_cell.get(cell["cell"]),)
    ]
    states = "SELECT state, count(*) FROM candidates WHERE run = ? GROUP BY state ORDER BY state"
    tasks = tasks_of(run)
    ordered = tuple(sorted(niches, key=lambda niche: (-niche.mass, niche.cell)))
    return Elites(run.id, student_factor(tasks - 1), tasks, dict(archive.query(states, [run.id])[1]), ordered, another_scoring(run))


def elites_view(found: Elites) -> RenderableType:
    """The table, and what it sums up to."""
    made = layout.table("cell", "people", "score", "share", "elite, made by", "marked by", words=("elite, made by", "marked by"), gap=1)
    made.columns[4].min_width = 14
    for niche in found.niches:
        made.add_row(layout.text(niche.cell), layout.text(f"{niche.mass:.0%}"), *_elite(niche, found.factor), layout.name(niche.name))
    candidates = ", ".join(f"{number:,} {state}" for state, number in found.candidates.items()) or "none yet"
    sums = f"{len(found.held)} of {len(found.niches)} cells held, with {found.mass:.0%} of people; QD score {found.qd_score:.3f}"
    notes = (
        f"candidates of run {found.run}: {candidates}",
        f"score ± half its 95 % interval (Student, {found.tasks} tasks); share: of the elite's dialogues, that lie in the cell",
    )
    return Group(made, Text(""), Text(sums), *(layout.note(words) for words in (*notes, found.scoring) if words))


def _elite(niche: Niche, factor: float) -> tuple[Text, Text, Text]:
    elite = niche.elite
    if elite is None:
        return Text("empty", style=layout.FAINT), Text("-"), Text("-")
    made_by = layout.short_id(elite.program_id).append("  ").append_text(layout.operator(niche.operator or ""))
    return layout.text(f"{elite.score:.2f} ± {factor * elite.se:.2f}"), layout.text(f"{elite.share:.0%}"), made_by


def elites_object(found: Elites) -> dict[str, Any]:
    """The same for ``--json``; the elite of an empty cell is None."""
    return {
        "run": found.run,
        "candidates": found.candidates,
        "cells": [
            {"cell": niche.cell, "name": niche.name, "mass": niche.mass, "elite": _object(niche, found.factor)} for niche in found.niches
        ],
        "held": len(found.held),
        "total": len(found.niches),
        "mass": found.mass,
        "qd_score": found.qd_score,
    }


def _object(niche: Niche, factor: float) -> dict[str, Any] | None:
    elite = niche.elite
    if elite is None:
        return None
    low, high = elite.score - factor * elite.se, elite.score + factor * elite.se
    return {
        "program": elite.program_id, "number": elite.number, "operator": niche.operator, "share": elite.share, "score": elite.score,
        "se": elite.se, "low": low, "high": high,
    }  # fmt: skip
