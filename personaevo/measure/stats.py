"""Uncertainty: the jackknife over groups, Student intervals, paired differences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

from personaevo.records import Floats


def jackknife_se(without: Floats) -> float:
    """Standard error from the statistic without each group: ``sqrt((G-1)/G * sum((t_g - mean)^2))`` (Tukey 1958); 0 for one group."""
    groups = len(without)
    if groups < 2:
        return 0.0
    return float(np.sqrt((groups - 1) / groups * ((without - without.mean()) ** 2).sum()))


def student_factor(df: int, level: float = 0.95) -> float:
    """Half-width of the two-sided Student interval in standard errors, for ``df`` >= 1 degrees of freedom."""
    return float(stdtrit(max(df, 1), 0.5 + level / 2))


def paired_difference(first: Sequence[float], second: Sequence[float], level: float = 0.95) -> tuple[float, float, float]:
    """Mean of ``first - second`` over pairs with its Student interval: ``(mean, low, high)``; at least two pairs."""
    differences = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    mean = float(differences.mean())
    half = student_factor(len(differences) - 1, level) * float(differences.std(ddof=1)) / len(differences) ** 0.5
    return mean, mean - half, mean + half
