"""How far a population lies from people: the energy distance, on a scale on which every direction counts and nothing ends.

A distance for this must have no blind side. Columns are put on people's rank-normal scale, on which what lies beyond people's range goes
on growing, so that a caricature is farther away than people are from one another; then the columns' correlations among people are taken
out (whitened), so that behaviors which people never show together are as far away as ones that they never show. On the mere rank-normal
scale a hundred dialogues with independent columns can hardly be told from people; here they are told at once (benchmarks/distances.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from personaevo.measure.lazy import cdist, ndtri
from personaevo.records import Floats

_SHRINK = 0.2  # of people's correlations toward 0: those of a few hundred people are noisy (Ledoit & Wolf 2004)


@dataclass(frozen=True)
class Space:
    """The scale: a monotone map for each kept column, then a rotation.

    ``marks`` has of each kept column people's different values and their normal scores (mid-ranks), ``sd`` their standard deviation,
    ``kept`` tells which columns vary among people, ``turn[k, k]`` whitens.
    """

    marks: tuple[tuple[Floats, Floats], ...]
    sd: Floats
    kept: Any
    turn: Floats

    @classmethod
    def of(cls, people: Floats) -> Space:
        """The scale of ``people[n, d]``, n >= 2."""
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
        """The lowest and the highest value of each kept column among people, ``[k, 1]``."""
        ends = np.array([(known[0], known[-1]) for known, _ in self.marks]).reshape(-1, 2)
        return ends[:, :1], ends[:, 1:]

    def __call__(self, values: Floats) -> Floats:
        """``values[n, d]`` in the space, ``[n, kept columns]``. Between people's values scores are interpolated; beyond their range a
        standard deviation more is a unit more."""
        columns = values[:, self.kept].T
        lowest, highest = self._ends
        scores = (np.maximum(columns - highest, 0.0) + np.minimum(columns - lowest, 0.0)) / self.sd[:, None]
        for index, (known, normal) in enumerate(self.marks):
            scores[index] += np.interp(columns[index], known, normal)
        placed: Floats = scores.T @ self.turn
        return placed


def _marks(column: Floats) -> tuple[Floats, Floats]:
    known, counts = np.unique(column, return_counts=True)
    return known, ndtri((np.cumsum(counts) - counts / 2) / len(column))


@dataclass(frozen=True)
class Target:
    """People as points ``[m, k]`` that populations are compared with, and the mean distance between two of them."""

    points: Floats
    within: float

    @classmethod
    def of(cls, points: Floats) -> Target:
        """People at these places, m >= 2."""
        m = len(points)
        return cls(points, float(cdist(points, points).sum()) / (m * (m - 1)))

    def distances(self, points: Floats) -> Floats:
        """The mean distance of each of ``points[n, k]`` to the people."""
        found: Floats = cdist(points, self.points).mean(axis=1)
        return found

    @cached_property
    def farthest(self) -> float:
        """The mean distance to the people of whoever of them lies farthest out."""
        return float(self.distances(self.points).max())


def energy_distance(points: Floats, calls: Any, weights: Floats, target: Target, n: int, lost: Any = None) -> Floats:
    """The energy distance (Székely & Rizzo 2013) of a population to the target, as ``n`` dialogues would have it, under each weighting:
    ``sqrt(2 E|X - Y| - (1 - 1/n) E|X - X'| - E|Y - Y'|)``, at least 0; ``[draws]``.

    Means run over different dialogues, so that neither the number of people nor a dialogue that is drawn twice biases them; the term in
    1/n puts back what n dialogues show of themselves, the same for everybody who is compared at n.

    Args:
        points: ``[dialogues, k]``, at least two.
        calls: of each dialogue the index of its ``generate`` call.
        weights: ``[draws, calls]``: how often each call is drawn.
        lost: boolean ``[dialogues]``: those that failed. Each is at least as far from people as any of them is, and adds no spread: a
            place in the space, however bad, would balance others on the opposite side, and failing would pay.
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
