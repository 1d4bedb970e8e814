"""Two programs scored on the same plan, side by side: how sure is the difference of their objectives?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from personaevo.judge.objectives import ordered
from personaevo.measure.agreement import jackknife_se
from personaevo.measure.stats import student_factor
from personaevo.records import Episode, Estimate, Evaluation


@dataclass(frozen=True, slots=True)
class Shift:
    """An objective of two programs as stored, and the 95 % interval of ``after - before`` (None where there is no paired one)."""

    objective: str
    before: float
    after: float
    low: float | None
    high: float | None


def paired(before: Sequence[Episode], after: Sequence[Episode]) -> bool:
    """Whether both played the same plan: equal tasks, slots and seeds."""
    return len(before) > 0 and sorted(map(_place, before)) == sorted(map(_place, after))


def shifts(before: Evaluation, after: Evaluation, *, same_plan: bool) -> tuple[Shift, ...]:
    """The objectives that both have, in the order of tables. Intervals where they played the same plan: Student's factor for calls - 1
    degrees of freedom times ``difference_se``."""
    found = []
    for name in ordered([name for name in after.objectives if name in before.objectives]):
        old, new = before.objectives[name], after.objectives[name]
        error = difference_se(old, new) if same_plan else None
        half = None if error is None else student_factor(len(new.replicates) - 1) * error
        change = new.value - old.value
        found.append(Shift(name, old.value, new.value, *((None, None) if half is None else (change - half, change + half))))
    return tuple(found)


def difference_se(before: Estimate, after: Estimate) -> float | None:
    """The standard error of the difference of two programs' values on the same plan: delete-one jackknife of the differences of their
    values without each ``generate`` call. None where these were not kept (by the first scoring), or for a single call."""
    if len(before.replicates) != len(after.replicates) or len(after.replicates) < 2:
        return None
    return jackknife_se(np.subtract(after.replicates, before.replicates))


def _place(episode: Episode) -> tuple[str, int, int]:
    return episode.item.task_id, episode.item.slot, episode.item.seed
