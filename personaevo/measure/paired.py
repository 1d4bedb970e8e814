"""Intervals and p-values of paired differences, clustered by unit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from personaevo.measure.lazy import ndtr
from personaevo.measure.stats import student_factor
from personaevo.records import Floats

_EXACT_UNITS = 12  # 4,096 patterns of signs
_SIGNS = 9_999


def unit_means(differences: Sequence[float], units: Sequence[str]) -> Floats:
    """Mean difference of each unit (cluster: a person, an item), in the order of the units' names."""
    names, owner = np.unique(np.asarray(units, dtype=str), return_inverse=True)
    return np.bincount(owner, np.asarray(differences, dtype=float), len(names)) / np.bincount(owner, minlength=len(names))


def bootstrap_interval(values: Floats, seed: int = 0, *, level: float = 0.95, draws: int = 4000) -> tuple[float, float]:
    """Bootstrap interval of the mean of ``values[n]``, n >= 2 independent units; equal arguments give equal intervals.

    The expanded percentile interval (Hesterberg 2015): with few units its percentiles lie further out, as in Student's interval. With
    fewer than about six units no bootstrap reaches its level, since the interval cannot exceed the range of the values.
    """
    n = len(values)
    means = values[np.random.default_rng(seed).integers(n, size=(draws, n))].mean(axis=1)
    tail = float(ndtr(-((n / (n - 1)) ** 0.5) * student_factor(n - 1, level)))
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def sign_flip_p(values: Floats, seed: int = 0) -> float:
    """Two-sided p-value of the hypothesis that ``values[n]`` have mean 0, by sign flips (paired permutation test; Fisher 1935).

    Exact up to 12 units. With more, it uses 9,999 seeded random flips plus the observed signs.
    """
    n = len(values)
    observed = abs(float(values.sum()))
    if n <= _EXACT_UNITS:
        signs = 1.0 - 2.0 * (np.arange(2**n)[:, None] >> np.arange(n) & 1)
    else:
        signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=(_SIGNS + 1, n))
        signs[0] = 1.0
    near = 1e-9 * float(np.abs(values).sum())  # tolerance: floats are summed in another order
    return float((np.abs(signs @ values) >= observed - near).mean())


def holm(p: Sequence[float]) -> list[float]:
    """p-values adjusted by Holm (1979), in the order given: rejecting those up to q keeps the family-wise error rate at q or below."""
    values = np.asarray(p, dtype=float)
    order = np.argsort(values, kind="stable")
    adjusted = np.empty(len(values))
    adjusted[order] = np.maximum.accumulate(np.minimum(1.0, values[order] * np.arange(len(values), 0, -1)))
    return [float(value) for value in adjusted]
