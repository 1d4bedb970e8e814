"""Success rates of dialogues that depend on one another: intervals, differences, and many comparisons at once.

Dialogues about one task are alike, so the task is the unit (cluster): errors are those of whole tasks drawn anew, by linearization
(the sandwich estimator with G / (G - 1); Liang & Zeger 1986), and Student's t has one degree of freedom less than there are tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from personaevo.measure.lazy import stdtr
from personaevo.measure.stats import student_factor
from personaevo.records import Floats

_EDGE = 1e-12


def rate_interval(success: Sequence[bool], tasks: Sequence[str], level: float = 0.95) -> tuple[float, float, float]:
    """Share of successes with its interval: ``(mean, low, high)``; at least one dialogue.

    Wilson's interval (1927) at the effective number of dialogues, n / max(1, design effect) (Korn & Graubard 1998), so that it never
    leaves 0..1. Where all dialogues end alike the design effect cannot be seen, and each task counts as one dialogue. With one task,
    its dialogues are the units: the interval is then about users of this task, not about tasks.
    """
    values, owner, groups = _arrays(success, tasks)
    n, mean = len(values), float(values.mean())
    units = groups if groups > 1 else n
    spread = mean * (1 - mean)
    if groups == 1:
        effective = float(n)
    elif spread < _EDGE:
        effective = float(groups)
    else:
        effect = _cluster_variance((values - mean) / n, owner, groups) / (spread / n)
        effective = n / max(1.0, effect)
    low, high = _wilson(mean, effective, student_factor(units - 1, level))
    return mean, low, high


def _wilson(mean: float, n: float, factor: float) -> tuple[float, float]:
    square = factor**2 / n
    middle = (mean + square / 2) / (1 + square)
    half = factor / (1 + square) * float(np.sqrt(mean * (1 - mean) / n + factor**2 / (4 * n**2)))
    return max(0.0, min(middle - half, mean)), min(1.0, max(middle + half, mean))


def rate_difference(
    first: Sequence[bool], first_tasks: Sequence[str], second: Sequence[bool], second_tasks: Sequence[str], level: float = 0.95
) -> tuple[float, float, float, float]:
    """Success of ``first`` minus that of ``second`` with its interval and two-sided p-value: ``(difference, low, high, p)``; at least one
    dialogue each.

    Tasks may occur on both sides: what they share cancels. The standard error is the cluster one, but at least that of independent
    dialogues with one success and one failure added to each side (Agresti & Caffo 2000): five against none is not certainty.
    """
    ours, theirs = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    influence = np.r_[(ours - ours.mean()) / len(ours), -(theirs - theirs.mean()) / len(theirs)]
    _, owner, groups = _arrays(influence, [*first_tasks, *second_tasks])
    least = sum(_added(side) for side in (ours, theirs))
    se = float(np.sqrt(max(least, _cluster_variance(influence, owner, groups) if groups > 1 else 0.0)))
    df = max((groups if groups > 1 else len(influence) - 1) - 1, 1)
    difference = float(ours.mean() - theirs.mean())
    half = student_factor(df, level) * se
    p = 2.0 * float(stdtr(df, -abs(difference) / se))
    return difference, max(-1.0, difference - half), min(1.0, difference + half), p


def _added(side: Floats) -> float:
    mean, n = (side.sum() + 1) / (len(side) + 2), len(side) + 2
    return float(mean * (1 - mean) / n)


def _arrays(values: Any, tasks: Sequence[str]) -> tuple[Floats, Any, int]:
    """The values, the number of each one's task, and how many tasks there are."""
    names, owner = np.unique(np.asarray(tasks, dtype=str), return_inverse=True)
    return np.asarray(values, dtype=float), owner, len(names)


def _cluster_variance(influence: Floats, owner: Any, groups: int) -> float:
    """Variance of a statistic from what each dialogue adds to it, whole groups drawn; at least two groups."""
    sums = np.bincount(owner, influence, groups)
    return float((sums**2).sum()) * groups / (groups - 1)


def benjamini_hochberg(p: Sequence[float]) -> list[float]:
    """Adjusted p-values, in the order given: calling those up to q discoveries is wrong about a share q of them at most, on average
    (Benjamini & Hochberg 1995)."""
    values = np.asarray(p, dtype=float)
    order = np.argsort(-values, kind="stable")
    ranks = np.arange(len(values), 0, -1)
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum.accumulate(np.minimum(1.0, values[order] * len(values) / ranks))
    return [float(value) for value in adjusted]
