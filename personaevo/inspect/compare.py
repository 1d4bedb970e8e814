"""Two programs scored on the same plan, side by side: how sure is the difference of their objectives?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from personaevo.measure.stats import bootstrap_se, bootstrap_weights, student_factor
from personaevo.records import Episode, Evaluation, Floats, Run


@dataclass(frozen=True, slots=True)
class Shift:
    """An objective of two programs as stored, and the 95 % interval of ``after - before`` (None where there is no paired one)."""

    objective: str
    before: float
    after: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: its evaluation, and its episodes as judged."""

    evaluation: Evaluation
    episodes: Sequence[Episode]


def paired(before: Sequence[Episode], after: Sequence[Episode]) -> bool:
    """Whether both played the same plan: equal tasks, slots and seeds."""
    return len(before) > 0 and sorted(map(_place, before)) == sorted(map(_place, after))


def shifts(run: Run, before: Side, after: Side, evaluations: Iterable[Evaluation]) -> tuple[Shift, ...]:
    """The objectives that both have. ``evaluations`` of the run tell what people get, where neither program is below them.

    Intervals: whole tasks are drawn, for both programs the same ones (paired bootstrap, the draws of ``measure.stats``), since the personas
    of a task are made by one call and depend on one another; Student's factor for tasks - 1 degrees of freedom.
    """
    shared = [name for name in after.evaluation.objectives if name in before.evaluation.objectives]
    errors = _errors(run, before, after, evaluations) if paired(before.episodes, after.episodes) else {}
    factor = student_factor(len({one.item.task_id for one in after.episodes}) - 1)
    found = []
    for name in shared:
        old, new = before.evaluation.objectives[name].value, after.evaluation.objectives[name].value
        half = factor * errors[name] if name in errors else None
        found.append(Shift(name, old, new, *((None, None) if half is None else (new - old - half, new - old + half))))
    return tuple(found)


def _errors(run: Run, before: Side, after: Side, evaluations: Iterable[Evaluation]) -> Mapping[str, float]:
    """The standard error of each objective's difference; none for a single task."""
    tasks = list(dict.fromkeys(one.item.task_id for one in before.episodes))  # in the order of the plan, as in the search
    if len(tasks) < 2:
        return {}
    masses = {int(cell["cell"]): float(cell["mass"]) for cell in run.cells}
    people = _people([before.evaluation, after.evaluation, *evaluations], after.evaluation.planned)
    old, new = (_draws(side.episodes, tasks, masses, people) for side in (before, after))
    return {name: bootstrap_se(new[name] - old[name], len(tasks)) for name in new if name in old}


def _people(evaluations: Iterable[Evaluation], planned: int) -> dict[str, float]:
    """What people get: raw value over share, as any evaluation tells that is below them (a share stops at 1)."""
    found: dict[str, float] = {}
    for one in evaluations:
        for name in ("human_likeness", "coverage"):
            estimate = one.objectives.get(name)
            if one.planned == planned and name not in found and estimate is not None and 0 < estimate.value < 1:
                found[name] = estimate.raw / estimate.value
    return found


def _draws(
    episodes: Sequence[Episode], tasks: Sequence[str], masses: Mapping[int, float], people: Mapping[str, float]
) -> dict[str, Floats]:
    """Each objective under every draw of tasks, uncapped as in the search (``judge.panel``): a failed episode counts as the worst."""
    rows, cells = {task: index for index, task in enumerate(tasks)}, {cell: index for index, cell in enumerate(masses)}
    sums: Any = np.zeros((len(tasks), 3 + len(cells)))  # planned, P(human), preservation, episodes in each cell
    for one in episodes:
        done = one.state == "completed"
        row = sums[rows[one.item.task_id]]
        row[:3] += (1.0, one.p_human or 0.0, one.preservation if done else 0.0)
        if one.cell in cells:
            row[3 + cells[one.cell]] += 1.0
    drawn = bootstrap_weights(len(tasks)) @ sums
    means = drawn / drawn[:, :1]
    found: dict[str, Floats] = {"task_preservation": means[:, 2]}
    if "human_likeness" in people:
        found["human_likeness"] = means[:, 1] / people["human_likeness"]
    if "coverage" in people:
        found["coverage"] = np.minimum(means[:, 3:], np.array(list(masses.values()))).sum(axis=1) / people["coverage"]
    if {"human_likeness", "coverage"} <= found.keys():
        found["score"] = (found["human_likeness"] + found["coverage"]) / 2
    return found


def _place(episode: Episode) -> tuple[str, int, int]:
    return episode.item.task_id, episode.item.slot, episode.item.seed
