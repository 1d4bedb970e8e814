"""Statistics: the cluster bootstrap, Student intervals, paired tests, success rates and space-filling designs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

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


def sobol(n: int, dimensions: int, seed: int) -> Floats:
    """``n`` points of a scrambled Sobol sequence (Owen 1998) in the unit cube, ``[n, dimensions]``, each coordinate in [0, 1).

    Equal arguments give equal points, and a smaller n gives a prefix of a larger one. Powers of two cover the cube most evenly.
    """
    from scipy.stats import qmc

    if n < 1:
        return np.empty((0, dimensions))
    exponent = max(n - 1, 1).bit_length()
    points = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(seed)).random_base2(exponent)
    return np.asarray(points[:n], dtype=float)


# ruff: noqa: PLC0415 - deferred imports are the purpose of this module


def cdist(first: Floats, second: Floats) -> Floats:
    """Euclidean distances ``[n, m]`` of each row of ``first[n, d]`` to each of ``second[m, d]``."""
    from scipy.spatial.distance import cdist as function

    found: Floats = function(first, second)
    return found


def pdist(points: Floats) -> Floats:
    """Euclidean distances between all pairs of rows of ``points[n, d]``, ``[n (n - 1) / 2]``."""
    from scipy.spatial.distance import pdist as function

    found: Floats = function(points)
    return found


def kth_distances(points: Floats, k: int) -> Floats:
    """Distance of each of ``points[n, d]`` to the k-th nearest of them, itself included."""
    from scipy.spatial import cKDTree

    found: Floats = cKDTree(points).query(points, [k])[0][:, 0]
    return found


def kmeans2(points: Floats, k: Any, *, rng: np.random.Generator | None = None, iter: int, minit: str, missing: str) -> tuple[Floats, Any]:
    """k-means: centroids ``[k, d]`` and the label of each row of ``points[n, d]``; see ``scipy.cluster.vq.kmeans2``."""
    from scipy.cluster.vq import kmeans2 as function

    centroids, labels = function(points, k, iter=iter, minit=minit, rng=rng, missing=missing)
    return centroids, labels


def ndtr(x: Any) -> Any:
    """Normal cumulative distribution function."""
    from scipy.special import ndtr as function

    return function(x)


def ndtri(p: Any) -> Any:
    """Normal quantiles, p in 0..1."""
    from scipy.special import ndtri as function

    return function(p)


def stdtr(df: float, t: Any) -> Any:
    """Cumulative distribution function of Student's t with ``df`` degrees of freedom."""
    from scipy.special import stdtr as function

    return function(df, t)


def stdtrit(df: float, p: Any) -> Any:
    """Quantiles of Student's t with ``df`` degrees of freedom, p in 0..1."""
    from scipy.special import stdtrit as function

    return function(df, p)


def gammaln(x: Any) -> Any:
    """Logarithm of the gamma function."""
    from scipy.special import gammaln as function

    return function(x)


def false_discovery_control(p: Floats) -> Floats:
    """p-values adjusted by Benjamini and Hochberg (1995), in the order given; each p in 0..1."""
    from scipy.stats import false_discovery_control as function

    found: Floats = function(p, method="bh")
    return found
