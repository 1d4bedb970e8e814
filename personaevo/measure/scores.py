"""The energy score of simulated dialogues against real ones of the same person.

``ES(X, y) = E|X - y| - 1/2 E|X - X'|`` (Gneiting & Raftery 2007); lower is better. It is a proper score: its expectation is lowest for the
distribution that y comes from, and higher both for a point mass at the mean and for a distribution that is too wide.
"""

from __future__ import annotations

import numpy as np

from personaevo.measure.lazy import cdist, pdist
from personaevo.records import Floats


def energy_scores(points: Floats, truths: Floats) -> Floats:
    """Energy score of the dialogues ``points[k, d]`` against each of ``truths[m, d]``: m values.

    The spread is a mean over pairs of different dialogues, so the score is unbiased for any k. A single dialogue has spread 0.
    """
    spread = float(pdist(points).mean()) if len(points) > 1 else 0.0
    scores: Floats = cdist(truths, points).mean(axis=1) - spread / 2
    return scores


def distances(points: Floats, others: Floats) -> Floats:
    """Euclidean distances of ``points[n, d]`` from ``others[m, d]``: ``[n, m]``."""
    return cdist(points, others)


def spreads(apart: Floats, counts: Floats) -> Floats:
    """Mean distance between two different dialogues in each resample, ``[draws]``.

    Args:
        apart: distances between all dialogues, ``[k, k]``.
        counts: how often each dialogue is drawn, ``[draws, k]``.
    """
    total = counts.sum(axis=1)
    pairs = np.maximum(total**2 - (counts**2).sum(axis=1), 1.0)  # copies of one dialogue are not a pair
    found: Floats = ((counts @ apart) * counts).sum(axis=1) / pairs
    return found


def own_score(others: Floats, truths: Floats) -> Floats:
    """Expected energy score of the true distribution, ``E|Y - Y'| / 2``, from ``others[k, d]`` drawn from it: one value for each of
    ``truths[m, d]``."""
    scores: Floats = cdist(truths, others).mean(axis=1) / 2
    return scores


def share_farther(distances: Floats, own: float, weights: Floats) -> float:
    """Weighted share (0..1) of ``distances`` above ``own``; ties count half."""
    behind = weights @ ((distances > own) + 0.5 * (distances == own))
    return min(1.0, float(behind / weights.sum()))
