"""The functions of SciPy that this package uses, loaded when one is first called: importing them takes most of a second, and whoever only
looks into an archive needs none of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from personaevo.records import Floats

# ruff: noqa: PLC0415 - that is what this module is for


def cdist(first: Floats, second: Floats) -> Floats:
    """Euclidean distances ``[n, m]`` of each row of ``first[n, d]`` to each of ``second[m, d]``."""
    from scipy.spatial.distance import cdist as function

    found: Floats = function(first, second)
    return found


def kmeans2(points: Floats, k: Any, *, rng: np.random.Generator | None = None, iter: int, minit: str, missing: str) -> tuple[Floats, Any]:
    """k-means: centroids ``[k, d]`` and the label of each row of ``points[n, d]``; see ``scipy.cluster.vq.kmeans2``."""
    from scipy.cluster.vq import kmeans2 as function

    centroids, labels = function(points, k, iter=iter, minit=minit, rng=rng, missing=missing)
    return centroids, labels


def ndtr(x: Any) -> Any:
    """The distribution function of the normal distribution."""
    from scipy.special import ndtr as function

    return function(x)


def ndtri(p: Any) -> Any:
    """Quantiles of the normal distribution, p in 0..1."""
    from scipy.special import ndtri as function

    return function(p)


def stdtr(df: float, t: Any) -> Any:
    """The distribution function of Student's t distribution with ``df`` degrees of freedom."""
    from scipy.special import stdtr as function

    return function(df, t)


def stdtrit(df: float, p: Any) -> Any:
    """Quantiles of Student's t distribution with ``df`` degrees of freedom, p in 0..1."""
    from scipy.special import stdtrit as function

    return function(df, p)
