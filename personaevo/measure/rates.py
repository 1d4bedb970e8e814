"""Success rates of clustered dialogues: intervals, differences, and many comparisons at once.

Dialogues about one task are correlated, so the task is the cluster. Standard errors use the sandwich estimator with G / (G - 1) (Liang &
Zeger 1986), and Student's t has one degree of freedom less than there are tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from personaevo.measure.lazy import false_discovery_control, stdtr
from personaevo.measure.stats import student_factor
from personaevo.records import Floats

_EDGE = 1e-12


def rate_interval(success: Sequence[bool], tasks: Sequence[str], level: float = 0.95) -> tuple[float, float, float]:
    """Share of successes with its interval, ``(mean, low, high)``, from at least one dialogue.

    Wilson's interval (1927) at the effective number of dialogues, n / max(1, design effect) (Korn & Graubard 1998); it stays within 0..1.
    If all dialogues end alike, the design effect cannot be estimated and each task counts as one dialogue. With a single task its
    dialogues are the units, and the interval describes users of this task only.
    """
    values = np.asarray(success, dtype=float)
    names, owner = np.unique(np.asarray(tasks, dtype=str), return_inverse=True)
    groups = len(names)
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
    """Success rate of ``first`` minus that of ``second`` with its interval and two-sided p-value: ``(difference, low, high, p)``.

    Each side needs at least one dialogue. A task may occur on both sides; its shared effect cancels. The standard error is the clustered
    one, but at least that of independent dialogues with one success and one failure added to each side (Agresti & Caffo 2000), since
    five successes against none are no certainty.
    """
    ours, theirs = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    influence = np.r_[(ours - ours.mean()) / len(ours), -(theirs - theirs.mean()) / len(theirs)]
    names, owner = np.unique(np.asarray([*first_tasks, *second_tasks], dtype=str), return_inverse=True)
    groups = len(names)
    means = [((side.sum() + 1) / (len(side) + 2), len(side) + 2) for side in (ours, theirs)]
    least = sum(float(mean * (1 - mean) / n) for mean, n in means)
    se = float(np.sqrt(max(least, _cluster_variance(influence, owner, groups) if groups > 1 else 0.0)))
    df = max((groups if groups > 1 else len(influence) - 1) - 1, 1)
    difference = float(ours.mean() - theirs.mean())
    half = student_factor(df, level) * se
    p = 2.0 * float(stdtr(df, -abs(difference) / se))
    return difference, max(-1.0, difference - half), min(1.0, difference + half), p


def _cluster_variance(influence: Floats, owner: Any, groups: int) -> float:
    """Variance of a statistic from the influence of each dialogue, clustered by group; at least two groups."""
    sums = np.bincount(owner, influence, groups)
    return float((sums**2).sum()) * groups / (groups - 1)


def benjamini_hochberg(p: Sequence[float]) -> list[float]:
    """p-values adjusted by Benjamini and Hochberg (1995), in the order given: reporting those up to q keeps the false discovery rate at q
    or below."""
    return [float(value) for value in false_discovery_control(np.asarray(p, dtype=float))]
