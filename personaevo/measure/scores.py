"""The energy score: how well simulated dialogues say what a person does, as a distribution and not by its middle.

``ES(X, y) = E|X - y| - 1/2 E|X - X'|`` (Gneiting & Raftery 2007): lower is better. It is proper: what is expected of it is lowest for the
distribution that y comes from, higher for one that always gives that one's mean, and higher for one that is too wide.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist, pdist

from personaevo.records import Floats


def energy_scores(points: Floats, truths: Floats) -> Floats:
    """Of the dialogues ``points[k, d]`` against each of ``truths[m, d]``: m values. Means run over different dialogues, so that few of them
    are as good as many on average. A single one has no spread."""
    spread = float(pdist(points).mean()) if len(points) > 1 else 0.0
    scores: Floats = cdist(truths, points).mean(axis=1) - spread / 2
    return scores


def distances(points: Floats, others: Floats) -> Floats:
    """Euclidean distances of ``points[n, d]`` from ``others[m, d]``: ``[n, m]``."""
    found: Floats = cdist(points, others)
    return found


def spreads(apart: Floats, counts: Floats) -> Floats:
    """The mean distance of two different dialogues, from those of all ``apart[k, k]``, when each is drawn as often as ``counts[draws, k]``
    say: ``[draws]``."""
    total = counts.sum(axis=1)
    pairs = np.maximum(total**2 - (counts**2).sum(axis=1), 1.0)  # a dialogue drawn twice is not two that are alike
    found: Floats = ((counts @ apart) * counts).sum(axis=1) / pairs
    return found


def own_score(others: Floats, truths: Floats) -> Floats:
    """What is expected of somebody who knows the distribution that ``others[k, d]`` and ``truths[m, d]`` are drawn from: half the distance
    of two, ``E|Y - Y'| / 2``. Of m values each is the mean over the others."""
    scores: Floats = cdist(truths, others).mean(axis=1) / 2
    return scores


def share_farther(distances: Floats, own: float, weights: Floats) -> float:
    """Share (0..1) of others whose ``distances`` are above one's own; ties count half. ``weights`` are of the others."""
    behind = weights @ ((distances > own) + 0.5 * (distances == own))
    return min(1.0, float(behind / weights.sum()))
