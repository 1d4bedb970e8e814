"""Normal scores, and empirical Bayes estimates of one person from few dialogues.

On the rank-normal scale people are standard normal in every feature, however skewed or bounded its own distribution is. The estimates use
a one-way random-effects model of each column (Efron & Morris 1973; for the variances Smyth 2004). With n dialogues the posterior mean lies
``n r / (1 + (n - 1) r)`` of the way from the mean of all people to the person's own mean, where r is the intraclass correlation. The
person's within-person variance is shrunk toward the common one, depending on how much people's variances differ beyond chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from personaevo.measure.lazy import ndtri
from personaevo.records import Floats

_LEAST = 2  # distinct values that a column must have to be kept
_GRID = 200  # quantiles that represent a distribution


@dataclass(frozen=True)
class NormalScores:
    """Monotone maps of the columns that vary among people (``kept``, boolean ``[d]``).

    ``marks`` holds for each kept column people's distinct values and their normal scores (mid-ranks; van der Waerden 1952), standardized
    to mean 0 and deviation 1 in spite of ties. ``sd`` is people's standard deviation in the feature's own unit.
    """

    marks: tuple[tuple[Floats, Floats], ...]
    sd: Floats
    kept: Any

    @classmethod
    def of(cls, people: Floats) -> NormalScores:
        """Fit the maps to ``people[n, d]``. NaN marks a feature that a dialogue gave no occasion for; it is ignored."""
        known = [column[~np.isnan(column)] for column in people.T]
        kept = np.array([len(np.unique(column)) >= _LEAST for column in known], dtype=bool)
        chosen = [column for column, keep in zip(known, kept, strict=True) if keep]
        return cls(tuple(map(_standard_marks, chosen)), np.array([column.std() for column in chosen]), kept)

    def __call__(self, values: Floats) -> Floats:
        """Map ``values[n, d]`` to scores ``[n, kept columns]``; NaN stays NaN.

        Scores are interpolated between people's values. Beyond people's range each standard deviation adds one unit, so exaggerated
        behavior is farther away than any person's.
        """
        columns = values[:, self.kept].T
        scores = np.empty(columns.shape)
        for index, (known, normal) in enumerate(self.marks):
            column = columns[index]
            beyond = np.maximum(column - known[-1], 0.0) + np.minimum(column - known[0], 0.0)
            scores[index] = np.interp(column, known, normal) + beyond / self.sd[index]
        return scores.T

    def back(self, scores: Floats) -> Floats:
        """Map ``scores[n, kept columns]`` back to the features' own units, clipped to people's range."""
        columns = [np.interp(column, normal, known) for column, (known, normal) in zip(scores.T, self.marks, strict=True)]
        return np.array(columns).reshape(len(self.marks), len(scores)).T


def normal_grid() -> Floats:
    """Equally likely quantiles of the standard normal distribution; their mean approximates an expectation."""
    grid: Floats = ndtri((np.arange(_GRID) + 0.5) / _GRID)
    return grid


def _standard_marks(column: Floats) -> tuple[Floats, Floats]:
    """Distinct values of a column and their normal scores with mean 0 and deviation 1."""
    known, counts = np.unique(column, return_counts=True)
    shares = counts / len(column)
    normal = ndtri(np.cumsum(shares) - shares / 2)
    mean = shares @ normal
    return known, (normal - mean) / np.sqrt(shares @ (normal - mean) ** 2)
