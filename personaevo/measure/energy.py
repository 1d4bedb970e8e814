"""Energy distance and energy score between simulated and real dialogues.

Columns are mapped to people's rank-normal scale, extended linearly beyond people's range, so that exaggerated behavior is farther away than
any person's. The result is whitened by people's correlations, so that combinations that people never show count as much as values that
they never show. Without whitening, a hundred dialogues with independent columns look almost like people (benchmarks/distances.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from personaevo.measure.stats import cdist, ndtri, pdist
from personaevo.records import Floats

_SHRINK = 0.2  # of people's correlations toward 0: those of a few hundred people are noisy (Ledoit & Wolf 2004)


@dataclass(frozen=True)
class Space:
    """Whitened rank-normal space: a monotone map for each kept column, then a linear map.

    ``marks`` holds for each kept column people's distinct values and their normal scores (mid-ranks), ``sd`` their standard deviation.
    ``kept`` marks the columns that vary among people, ``turn[k, k]`` is the whitening matrix.
    """

    marks: tuple[tuple[Floats, Floats], ...]
    sd: Floats
    kept: Any
    turn: Floats

    @classmethod
    def of(cls, people: Floats) -> Space:
        """Fit the space to ``people[n, d]``, n >= 2."""
        sd = people.std(axis=0)
        kept = sd > 1e-9 * np.maximum(1.0, np.abs(people).max(axis=0))
        marks = tuple(_marks(column) for column in people[:, kept].T)
        straight = cls(marks, sd[kept], kept, np.eye(int(kept.sum())))
        points = straight(people)
        scale = np.maximum(points.std(axis=0), 1e-9)
        correlations = (1 - _SHRINK) * np.corrcoef(points, rowvar=False).reshape(len(scale), len(scale)) + _SHRINK * np.eye(len(scale))
        lengths, directions = np.linalg.eigh(correlations)
        turn = (directions / np.sqrt(lengths)) @ directions.T / scale[:, None]
        return cls(marks, sd[kept], kept, turn)

    @cached_property
    def _ends(self) -> tuple[Floats, Floats]:
        """Minimum and maximum of each kept column among people, ``[k, 1]``."""
        ends = np.array([(known[0], known[-1]) for known, _ in self.marks]).reshape(-1, 2)
        return ends[:, :1], ends[:, 1:]

    def __call__(self, values: Floats) -> Floats:
        """Map ``values[n, d]`` to ``[n, kept columns]``. Scores are interpolated between people's values; beyond people's range each
        standard deviation adds one unit."""
        columns = values[:, self.kept].T
        lowest, highest = self._ends
        scores = (np.maximum(columns - highest, 0.0) + np.minimum(columns - lowest, 0.0)) / self.sd[:, None]
        for index, (known, normal) in enumerate(self.marks):
            scores[index] += np.interp(columns[index], known, normal)
        placed: Floats = scores.T @ self.turn
        return placed


def _marks(column: Floats) -> tuple[Floats, Floats]:
    """Distinct values of a column and their normal scores."""
    known, counts = np.unique(column, return_counts=True)
    return known, ndtri((np.cumsum(counts) - counts / 2) / len(column))


@dataclass(frozen=True)
class Target:
    """The target distribution: people as points ``[m, k]``, and the mean distance between two of them."""

    points: Floats
    within: float

    @classmethod
    def of(cls, points: Floats) -> Target:
        """Target of these points, m >= 2."""
        m = len(points)
        return cls(points, float(cdist(points, points).sum()) / (m * (m - 1)))

    def distances(self, points: Floats) -> Floats:
        """Mean distance of each of ``points[n, k]`` to the people."""
        found: Floats = cdist(points, self.points).mean(axis=1)
        return found

    @cached_property
    def farthest(self) -> float:
        """Largest mean distance of one person to all people."""
        return float(self.distances(self.points).max())


def energy_distance(points: Floats, calls: Any, weights: Floats, target: Target, n: int, lost: Any = None) -> Floats:
    """Energy distance (Székely & Rizzo 2013) of a population to the target at ``n`` dialogues, under each weighting:
    ``sqrt(2 E|X - Y| - (1 - 1/n) E|X - X'| - E|Y - Y'|)``, at least 0; ``[draws]``.

    Means run over pairs of different dialogues, so neither the number of people nor a repeated draw biases them. The term in 1/n makes
    populations comparable that are all evaluated at n dialogues.

    Args:
        points: ``[dialogues, k]``, at least two.
        calls: index of each dialogue's ``generate`` call.
        weights: ``[draws, calls]``, how often each call is drawn.
        lost: boolean ``[dialogues]``, the failed dialogues. Each counts as at least as far from people as the farthest person and adds no
            spread. A fixed position instead could balance dialogues on the opposite side, and failing would be rewarded.
    """
    count = weights.shape[1]
    far, apart = target.distances(points), cdist(points, points)
    if lost is not None:
        far[lost] = np.maximum(far[lost], target.farthest)
        apart[lost] = apart[:, lost] = 0.0
    near = np.bincount(calls, far, count)
    one_hot = np.zeros((count, len(points)))
    one_hot[calls, np.arange(len(points))] = 1.0
    between = one_hot @ apart @ one_hot.T
    sizes = one_hot.sum(axis=1)
    total = weights @ sizes
    within = np.einsum("bi,ij,bj->b", weights, between, weights) / np.maximum(total**2 - weights**2 @ sizes, 1.0)
    energy = 2 * (weights @ near) / total - (1 - 1 / n) * within - target.within
    distance: Floats = np.sqrt(np.maximum(energy, 0.0))
    return distance


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
