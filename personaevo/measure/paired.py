"""Before and after on the same units: intervals and p-values of paired differences that may depend on one another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from personaevo.measure.lazy import ndtr
from personaevo.measure.stats import student_factor
from personaevo.records import Floats

_EXACT_UNITS = 12  # 4,096 patterns of signs
_SIGNS = 9_999


def unit_means(differences: Sequence[float], units: Sequence[str]) -> Floats:
    """The mean difference of each unit (cluster: a person, an item), in the order of the units' names; every unit counts the same."""
    names, owner = np.unique(np.asarray(units, dtype=str), return_inverse=True)
    return np.bincount(owner, np.asarray(differences, dtype=float), len(names)) / np.bincount(owner, minlength=len(names))


def bootstrap_interval(values: Floats, seed: int = 0, *, level: float = 0.95, draws: int = 4000) -> tuple[float, float]:
    """Interval of the mean of ``values[n]``, n >= 2 independent units, by drawing units with replacement; equal arguments give equal
    intervals.

    Percentiles, taken further out so that for few units they are as wide as Student's (expanded percentile interval; Hesterberg 2015).
    With fewer than about six units no bootstrap reaches its level: the interval is then at most the range of the values.
    """
    n = len(values)
    means = values[np.random.default_rng(seed).integers(n, size=(draws, n))].mean(axis=1)
    tail = float(ndtr(-((n / (n - 1)) ** 0.5) * student_factor(n - 1, level)))
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def sign_flip_p(values: Floats, seed: int = 0) -> float:
    """Two-sided p-value that ``values[n]`` have mean 0: how often their mean is as far from 0 when each one's sign is tossed anew (paired
    permutation test; Fisher 1935). Exact up to 12 units, otherwise over 9,999 seeded tosses, the observed one counted in."""
    n = len(values)
    observed = abs(float(values.sum()))
    if n <= _EXACT_UNITS:
        signs = 1.0 - 2.0 * (np.arange(2**n)[:, None] >> np.arange(n) & 1)
    else:
        signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=(_SIGNS + 1, n))
        signs[0] = 1.0
    near = 1e-9 * float(np.abs(values).sum())  # sums of floats in another order
    return float((np.abs(signs @ values) >= observed - near).mean())


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted p-values, in the order given: among those at most q, the chance that even one is wrong is at most q (Holm 1979)."""
    values = np.asarray(p, dtype=float)
    order = np.argsort(values, kind="stable")
    adjusted = np.empty(len(values))
    adjusted[order] = np.maximum.accumulate(np.minimum(1.0, values[order] * np.arange(len(values), 0, -1)))
    return [float(value) for value in adjusted]
