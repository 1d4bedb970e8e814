"""Finding programs, comparing their scores, and their lineage: ancestors, descendants and the gain of each step."""

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
    """The stored values of one objective for two programs, and the paired 95 % interval of ``after - before`` (None without one)."""

    objective: str
    before: float
    after: float
    low: float | None
    high: float | None


def paired(before: Sequence[Episode], after: Sequence[Episode]) -> bool:
    """Tell whether both played the same plan: equal tasks, slots and seeds."""
    plans = [sorted((one.item.task_id, one.item.slot, one.item.seed) for one in episodes) for episodes in (before, after)]
    return len(before) > 0 and plans[0] == plans[1]


def shifts(before: Evaluation, after: Evaluation, *, same_plan: bool) -> tuple[Shift, ...]:
    """Return the objectives that both have, in the order of tables. Programs that played the same plan get intervals: ``difference_se``
    times Student's factor for calls - 1 degrees of freedom."""
    found = []
    for name in ordered([name for name in after.objectives if name in before.objectives]):
        old, new = before.objectives[name], after.objectives[name]
        error = difference_se(old, new) if same_plan else None
        half = None if error is None else student_factor(len(new.replicates) - 1) * error
        change = new.value - old.value
        found.append(Shift(name, old.value, new.value, *((None, None) if half is None else (change - half, change + half))))
    return tuple(found)


def difference_se(before: Estimate, after: Estimate) -> float | None:
    """Return the standard error of the difference of two programs' values on the same plan: delete-one jackknife over ``generate`` calls.

    None where the replicates were not stored (by the first scoring), or for a single call.
    """
    if len(before.replicates) != len(after.replicates) or len(after.replicates) < 2:
        return None
    return jackknife_se(np.subtract(after.replicates, before.replicates))
