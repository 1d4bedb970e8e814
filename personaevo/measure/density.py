"""Local density of people in feature space, and a stratified sample that includes people from sparse regions."""

from __future__ import annotations

import math

import numpy as np

from personaevo.measure.lazy import kth_distances
from personaevo.records import Floats

RARE = 0.1  # share of people that count as rare: those at the lowest densities
RARE_SEATS = 0.25  # share of the sample drawn from them


def densities(points: Floats) -> Floats:
    """Density at each of ``points[n, d]``: one over the distance to the k-th nearest other point, k = ceil(sqrt(n)).

    The k-nearest-neighbor estimate (Loftsgaarden and Quesenberry 1965) without its constants and power, which do not change the order.
    Infinite where k others coincide with the point; 0 for a single point.
    """
    if len(points) < 2:
        return np.zeros(len(points))
    k = min(math.ceil(math.sqrt(len(points))), len(points) - 1)
    with np.errstate(divide="ignore"):
        return 1.0 / kth_distances(points, k + 1)  # a point is its own nearest


def sample(points: Floats, seats: int, rng: np.random.Generator) -> dict[int, float]:
    """Draw up to ``seats`` of ``points[n, d]``: index to the share of all points that it represents. The shares sum to 1.

    Takes all points if there are no more than ``seats``. Otherwise the sample is stratified: a quarter of the seats goes to the tenth of
    the points at the lowest densities, the rest to the others. Weights keep each stratum at its share of the points. Simple random
    sampling would mostly miss the sparse regions (compare USP, arXiv 2502.18968).
    """
    n = len(points)
    if n <= seats:
        return dict.fromkeys(range(n), 1.0 / max(n, 1))
    order = np.argsort(densities(points), kind="stable")
    rare = max(1, round(RARE * n))
    first = min(rare, max(1, round(RARE_SEATS * seats)), seats - 1) if seats > 1 else 0
    strata = ((order[:rare], first), (order[rare:], seats - first)) if first else ((order, seats),)
    return {
        int(index): len(stratum) / n / places
        for stratum, places in strata for index in sorted(rng.choice(stratum, places, replace=False))
    }  # fmt: skip
