"""How crowded the places are where people stand, and a sample of people in which the lonely ones are not lost."""

from __future__ import annotations

import math

import numpy as np
from scipy.spatial import cKDTree

from personaevo.records import Floats

RARE = 0.1  # so much of all people count as rare: those in the thinnest places
RARE_SEATS = 0.25  # and get so much of a sample


def densities(points: Floats) -> Floats:
    """For each of ``points[n, d]`` the reciprocal of its distance to the k-th nearest other one, k = ceil(sqrt(n)).

    The k-nearest-neighbor density estimate (Loftsgaarden and Quesenberry 1965) without its constants and power, which do not change the
    order. Infinite where k others are at the same place; one point alone has density 0.
    """
    if len(points) < 2:
        return np.zeros(len(points))
    k = min(math.ceil(math.sqrt(len(points))), len(points) - 1)
    distance = cKDTree(points).query(points, [k + 1])[0][:, 0]
    with np.errstate(divide="ignore"):
        found: Floats = 1.0 / distance
    return found


def sample(points: Floats, seats: int, rng: np.random.Generator) -> dict[int, float]:
    """Which of ``points[n, d]`` to take, and what share of all each stands for; the shares add up to 1.

    All, if there are no more than ``seats``. Else a stratified sample: a quarter of the seats for the tenth of the points at the lowest
    densities, the others for the rest, at random in each and weighted so that no stratum counts for more than it holds. Plain random
    sampling follows the density and would mostly miss the rare ones (compare USP, arXiv 2502.18968).
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
