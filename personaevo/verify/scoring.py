"""Checks of the stored scoring of a run against the recomputed one: cells, rules, levels of people, and control dialogues."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence

from personaevo.evolve.prepare import EvaluationSetup
from personaevo.judge.objectives import ordered
from personaevo.records import Control, Run, Scoring
from personaevo.verify.report import Report, near


def check_cells(run: Run, bench: EvaluationSetup, report: Report) -> None:
    """Check the cells, which are modes of the behavior of people."""
    expected = bench.cells()
    if len(run.cells) != len(expected):
        report.add("cell", f"run {run.id}", f"{len(run.cells)} cells", f"{len(expected)} cells")
        return
    for stored, made in zip(run.cells, expected, strict=True):
        where = f"run {run.id}, cell {made['cell']}"
        if (stored["cell"], stored["name"]) != (made["cell"], made["name"]):
            report.add("cell", where, f"{stored['cell']} {stored['name']}", f"{made['cell']} {made['name']}")
        report.compare("cell", f"{where}, mass", stored["mass"], made["mass"])
        if not near(stored.get("centroid"), made["centroid"]):
            report.add("cell", f"{where}, centroid", json.dumps(stored.get("centroid")), json.dumps(made["centroid"]))


def check_scoring(run: Run, stored: Scoring, made: Scoring, report: Report) -> None:
    """Check the rules of objectives, the levels of people, and the control dialogues of the judge."""
    for name in ordered([*{**stored.rules, **made.rules}]):
        if stored.rules.get(name) != made.rules.get(name):
            report.add("scoring", f"run {run.id}, rule of {name[:80]}", stored.rules.get(name), made.rules.get(name))
    ours, theirs = ({place[:3]: place[3] for place in one.levels} for one in (stored, made))
    for place in dict.fromkeys((*ours, *theirs)):
        where = f"run {run.id}, what people get, {place[0][:80]}, {place[1]} dialogues, {place[2][:80]}"
        for part in ("zero", "people"):
            report.compare("scoring", f"{where} ({part})", getattr(ours.get(place), part, None), getattr(theirs.get(place), part, None))
    report.checked["levels"] += len(ours)
    before, again = _by_kind(stored.controls), _by_kind(made.controls)
    for split, kind in dict.fromkeys((*before, *again)):
        _check_controls(f"run {run.id}, {kind[:80]} of the judge, {split[:80]}", before[split, kind], again[split, kind], report)
    report.checked["controls"] += len(stored.controls)


def _by_kind(some: Sequence[Control]) -> dict[tuple[str, str], list[Control]]:
    found: dict[tuple[str, str], list[Control]] = defaultdict(list)
    for one in some:
        found[one.split, one.kind].append(one)
    return found


def _check_controls(where: str, stored: Sequence[Control], made: Sequence[Control], report: Report) -> None:
    """Compare the dialogues of one kind with the recomputed ones, and report the first difference."""
    if len(stored) != len(made):
        report.add("scoring", where, f"{len(stored)} dialogues", f"{len(made)} dialogues")
        return
    for number, (one, other) in enumerate(zip(stored, made, strict=True)):
        if one.task_id != other.task_id or not near(one.fingerprint, other.fingerprint):
            found, expected = (f"task {each.task_id[:80]}, {json.dumps(each.fingerprint)}" for each in (one, other))
            report.add("scoring", f"{where}, dialogue {number}", found, expected)
            return
