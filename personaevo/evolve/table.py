"""The final table: people, the persona-free simulator, the seed program and the best evolved one, on held-out tasks and people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from personaevo.crew import Crew
from personaevo.evolve.prepare import Bench
from personaevo.evolve.rollout import play
from personaevo.judge.panel import Panel
from personaevo.measure.stats import student_factor
from personaevo.records import Estimate, Evaluation, Measure, Program, TableRow
from personaevo.workers import Workers

MEASURES = ("human_likeness", "coverage", "score", "task_preservation", "chamfer")


def final_table(bench: Bench, workers: Workers | Crew, best: Program) -> tuple[TableRow, ...]:
    """All rows over the same number of held-out episodes; none of them steered anything."""
    programs: Mapping[str, Program | None] = {"persona_free": None, "seed_program": bench.seed_program, "evolved": best}
    work = [bench.rollout(program.source if program else None, bench.test_plan) for program in programs.values()]
    rows = [humans(bench.test, len(bench.test_plan.items))]
    for (row, program), episodes in zip(programs.items(), play(workers, work), strict=True):
        evaluation, _ = bench.test.score(program.id if program else row, episodes)
        rows.append(TableRow(row, program.id if program else None, measures(evaluation, len(bench.test_plan.tasks))))
    return tuple(rows)


def measures(evaluation: Evaluation, calls: int) -> dict[str, Measure]:
    """Each objective with its 95 % Student interval over ``calls`` generate calls, clipped to 0..1."""
    return {name: _measure(evaluation, evaluation.objectives[name], calls) for name in MEASURES}


def _measure(evaluation: Evaluation, estimate: Estimate, calls: int) -> Measure:
    half = student_factor(calls - 1) * estimate.se
    low, high = max(0.0, estimate.value - half), min(1.0, estimate.value + half)
    return Measure(estimate.value, low, high, estimate.raw, evaluation.completed, evaluation.planned)


def humans(panel: Panel, n: int) -> TableRow:
    """People against people: ``n`` people who are not the panel's, drawn again and again, scored as a program would be.

    The interval holds 95 % of the draws. Task preservation is not measured: people had other tasks.
    """
    draws = panel.people_draws(n)
    return TableRow("humans", None, {name: _of_draws(np.asarray(values), n, raw) for name, (values, raw) in draws.items()})


def _of_draws(values: Sequence[float] | np.ndarray, n: int, raw: float) -> Measure:
    low, high = np.quantile(values, [0.025, 0.975])
    return Measure(float(np.mean(values)), float(low), float(high), raw, n, n)
