"""Checks of a verification: the consistency of evaluations, the scoring of a run, and the final table."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from personaevo.archive import Archive, Finding
from personaevo.evolve import controls
from personaevo.evolve.parts import OWN_PARTS
from personaevo.evolve.prepare import EvaluationSetup
from personaevo.evolve.ranking import AUDITOR, BEST, FREE, PEOPLE, SEED
from personaevo.evolve.table import winner
from personaevo.judge.objectives import SCORE, SCORING, harmonic, ordered, scoring_of, steering
from personaevo.records import Control, Evaluation, FinalTable, Run, Scoring

TOLERANCE = 1e-6
EXACT = 1e-9  # the tolerance where the inputs of a value are stored too


@dataclass(frozen=True, slots=True)
class Verification:
    """The result: disagreements, things that could not be checked with the reason, and the number of checks by kind."""

    findings: tuple[Finding, ...]
    unchecked: tuple[str, ...]
    checked: Mapping[str, int]


@dataclass
class Report:
    """The results of a verification so far."""

    findings: list[Finding] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    checked: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, where: str, found: object, expected: object) -> None:
        """Add a disagreement."""
        self.findings.append(Finding(kind, where, shown(found), shown(expected)))

    def compare(self, kind: str, where: str, found: float | None, expected: float | None, tolerance: float = TOLERANCE) -> None:
        """Add a disagreement if two numbers differ."""
        if found is None or expected is None:
            agree = found is expected
        else:
            agree = math.isclose(found, expected, rel_tol=tolerance, abs_tol=tolerance)
        if not agree:
            self.add(kind, where, found, expected)


def shown(value: object) -> str:
    """Write a value with 9 significant digits; None is "nothing"."""
    return "nothing" if value is None else f"{value:.9g}" if isinstance(value, float) else str(value)


def near(found: Any, expected: Sequence[float]) -> bool:
    """Tell whether two lists of numbers agree within the tolerance."""
    numbers = isinstance(found, list | tuple) and all(isinstance(value, int | float) for value in found)
    return (
        numbers and len(found) == len(expected)
        and all(math.isclose(*pair, rel_tol=TOLERANCE, abs_tol=TOLERANCE) for pair in zip(found, expected, strict=True))
    )  # fmt: skip


FIRST = 1  # the first scoring version; its score was a mean


def score_from(run: Run, scoring: Scoring, shares: Mapping[str, float]) -> float | None:
    """Compute the score from an evaluation's objectives by the scoring of the run; None where that is not possible."""
    made_by = scoring_of(run.settings)
    steered = [name for name, rule in scoring.rules.items() if rule[0] == "steers"]
    if not steered or not shares.keys() >= set(steered):
        return None
    if made_by == FIRST:
        return math.fsum(min(1.0, shares[name]) for name in steered) / len(steered)
    known = made_by == SCORING and set(steered) == set(steering())
    return float(harmonic({name: np.array([shares[name]]) for name in steered})[0]) if known else None


def check_consistency(run: Run, scoring: Scoring, evaluation: Evaluation, where: str, report: Report) -> None:
    """Check that an evaluation's numbers agree with one another, also where they cannot be recomputed."""
    found = evaluation.objectives
    expected = score_from(run, scoring, {name: one.value for name, one in found.items()})
    if expected is not None and SCORE in found:
        report.compare("score", f"{where}, {SCORE} (from its objectives)", found[SCORE].value, expected)
    if scoring_of(run.settings) == FIRST:
        report.findings += [
            Finding("score", f"{where}, {name[:80]}", shown(one.value), "0 to 1: the first scoring clipped")
            for name, one in found.items() if not -TOLERANCE <= one.value <= 1 + TOLERANCE
        ]  # fmt: skip


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


def check_table(archive: Archive, run: Run, report: Report) -> None:
    """Check the rows of the final table and the consistency of its numbers. They cannot be recomputed, as dialogues are not stored."""
    table, scoring, finals = archive.final_table(run.id), archive.scoring(run.id), archive.finals(run.id)
    if not table.rows:
        report.unchecked.append(f"run {run.id}, final table: there is none, the search has not ended")
        return
    _check_rows(run, table, report)
    _check_programs_of(run, scoring, table, finals, report)
    for number, one in enumerate(finals):
        check_consistency(run, scoring, one, f"run {run.id}, finals, row {number}", report)
    _check_measures(run, scoring, table, report)
    _check_comparisons(run, table, report)
    report.unchecked.append(f"run {run.id}, numbers of the finals and the final table: their dialogues are not stored")


def _check_rows(run: Run, table: FinalTable, report: Report) -> None:
    """The table must have the rows that the run's scoring and players imply."""
    names = [row.row for row in table.rows]
    others = {*(run.settings.get("models") or ()), *(run.settings.get(OWN_PARTS) or ())}
    played = bool({"user", "agent", "users", "outside"} & others or run.settings.get("agent"))
    more = controls.rows(models=played and controls.ROWS[-1] not in names) if scoring_of(run.settings) != FIRST else ()
    expected = [PEOPLE, FREE, *more, SEED, BEST]
    if names != expected:
        report.add("final table", f"run {run.id}, final table, rows", ", ".join(names), ", ".join(expected))


def _check_programs_of(run: Run, scoring: Scoring, table: FinalTable, finals: Sequence[Evaluation], report: Report) -> None:
    """The seed row must have the run's seed program, and the best row the winner of the finals."""
    programs = {row.row: row.program_id for row in table.rows}
    where, seed = f"run {run.id}, final table", run.settings.get("seed_program")
    if seed is not None and SEED in programs and programs[SEED] != seed:
        report.add("final table", f"{where}, row '{SEED}'", programs[SEED], seed)
    if finals and BEST in programs:
        best = winner(finals, {name: floor for name, (role, _, floor, _) in scoring.rules.items() if role == "holds" and floor is not None})
        if programs[BEST] != best.program_id:
            report.add("final table", f"{where}, row '{BEST}'", programs[BEST], f"{best.program_id}, the best of the finals")


def _check_measures(run: Run, scoring: Scoring, table: FinalTable, report: Report) -> None:
    """Each row has only measures of the run, and its score follows from its objectives (except for people, a mean over draws)."""
    for row in table.rows:
        where = f"run {run.id}, final table, row '{row.row}'"
        for name, one in row.measures.items():
            if name not in (SCORE, AUDITOR) and name not in scoring.rules:
                report.add("final table", where, f"{name[:80]} is measured", "an objective of the run")
            if one.low > one.high:
                report.add("final table", f"{where}, {name}", f"{one.low:.9g} to {one.high:.9g}", "an interval")
        expected = score_from(run, scoring, {name: one.mean for name, one in row.measures.items()})
        if row.row != PEOPLE and expected is not None and SCORE in row.measures:
            report.compare("final table", f"{where}, {SCORE}", row.measures[SCORE].mean, expected, EXACT)


def _check_comparisons(run: Run, table: FinalTable, report: Report) -> None:
    """The best program must be compared with each other row on each objective that both have, by the difference of their means."""
    rows = {row.row: row.measures for row in table.rows}
    best = rows.get(BEST, {}) if scoring_of(run.settings) != FIRST else {}  # the first scoring compared nothing
    expected = {
        (BEST, against, name): best[name].mean - measures[name].mean
        for against, measures in rows.items() for name in best if against != BEST and name in measures and name != AUDITOR
    }  # fmt: skip
    stored = {(one.row, one.against, one.objective): one for one in table.comparisons}
    for place in dict.fromkeys((*expected, *stored)):
        where = f"run {run.id}, final table, {' less '.join(place[:2])[:160]}, {place[2][:80]}"
        one = stored.get(place)
        report.compare("final table", where, None if one is None else one.mean, expected.get(place), EXACT)
        if one is not None and one.low > one.high:
            report.add("final table", where, f"{one.low:.9g} to {one.high:.9g}", "an interval")
    report.checked["comparisons"] += len(table.comparisons)
