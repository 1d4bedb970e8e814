"""SciPy functions, imported at the first call: the import takes most of a second, and commands that only read an archive do not need it."""

from __future__ import annotations

from typing import Any

import numpy as np

from personaevo.records import Floats

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
