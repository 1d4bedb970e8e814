"""Statistics: the cluster bootstrap, Student intervals, paired tests, success rates and space-filling designs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from personaevo.measure.lazy import stdtrit
from personaevo.records import Floats

_DRAWS = 1000


@cache
def bootstrap_weights(groups: int) -> Floats:
    """Counts ``[draws, groups]`` of how often each bootstrap sample draws each group; the same at every call."""
    drawn = np.random.default_rng(groups).integers(groups, size=(_DRAWS, groups))
    return np.stack([np.bincount(row, minlength=groups) for row in drawn]).astype(float)


def bootstrap_se(values: Floats, groups: int) -> float:
    """Standard error of a statistic from its ``values[draws]`` under ``bootstrap_weights``; 0 for one group.

    Whole groups are drawn (cluster bootstrap; Davison & Hinkley 1997, 3.8). ``G / (G - 1)`` makes the estimate unbiased for a mean. The
    jackknife overstates the error of statistics that are not smooth, such as histogram overlap (Efron & Stein 1981).
    """
    return float(np.std(values)) * (groups / (groups - 1)) ** 0.5 if groups > 1 else 0.0


def student_factor(df: int, level: float = 0.95) -> float:
    """Half-width of the two-sided Student interval in standard errors, for ``df`` >= 1 degrees of freedom."""
    return float(stdtrit(max(df, 1), 0.5 + level / 2))


def paired_difference(first: Sequence[float], second: Sequence[float], level: float = 0.95) -> tuple[float, float, float]:
    """Mean of ``first - second`` over pairs with its Student interval: ``(mean, low, high)``; at least two pairs."""
    differences = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    mean = float(differences.mean())
    half = student_factor(len(differences) - 1, level) * float(differences.std(ddof=1)) / len(differences) ** 0.5
    return mean, mean - half, mean + half
