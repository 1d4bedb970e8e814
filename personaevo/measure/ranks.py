"""Normal scores: every feature on one scale on which people are standard normal, however skewed, stepped or bounded its own is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

from personaevo.records import Floats

_LEAST = 2  # different values, from which on a column says something
_GRID = 200  # quantiles of a distribution that a mean is taken over


@dataclass(frozen=True)
class NormalScores:
    """A monotone map for each column that varies among people (``kept``, boolean ``[d]``).

    ``marks`` has of each kept column people's different values and their normal scores (mid-ranks; van der Waerden 1952), standardized so
    that people have mean 0 and deviation 1 whatever is tied; ``sd`` is their deviation in the feature's own unit.
    """

    marks: tuple[tuple[Floats, Floats], ...]
    sd: Floats
    kept: Any

    @classmethod
    def of(cls, people: Floats) -> NormalScores:
        """The scale of ``people[n, d]``. NaN is what a dialogue gave no occasion for: it does not count."""
        known = [column[~np.isnan(column)] for column in people.T]
        kept = np.array([len(np.unique(column)) >= _LEAST for column in known], dtype=bool)
        chosen = [column for column, keep in zip(known, kept, strict=True) if keep]
        return cls(tuple(map(_marks, chosen)), np.array([column.std() for column in chosen]), kept)

    def __call__(self, values: Floats) -> Floats:
        """``values[n, d]`` as scores ``[n, kept columns]``, NaN where they are. Between people's values scores are interpolated; beyond
        their range a standard deviation more is a unit more, so that a caricature is farther away than people are."""
        columns = values[:, self.kept].T
        scores = np.empty(columns.shape)
        for index, (known, normal) in enumerate(self.marks):
            column = columns[index]
            beyond = np.maximum(column - known[-1], 0.0) + np.minimum(column - known[0], 0.0)
            scores[index] = np.interp(column, known, normal) + beyond / self.sd[index]
        return scores.T

    def back(self, scores: Floats) -> Floats:
        """``scores[n, kept columns]`` in the features' own units, within people's range."""
        columns = [np.interp(column, normal, known) for column, (known, normal) in zip(scores.T, self.marks, strict=True)]
        return np.array(columns).reshape(len(self.marks), len(scores)).T


def normal_grid() -> Floats:
    """Quantiles of the standard normal distribution, equally likely: a mean over them is one over the distribution."""
    grid: Floats = ndtri((np.arange(_GRID) + 0.5) / _GRID)
    return grid


def _marks(column: Floats) -> tuple[Floats, Floats]:
    known, counts = np.unique(column, return_counts=True)
    shares = counts / len(column)
    normal = ndtri(np.cumsum(shares) - shares / 2)
    mean = shares @ normal
    return known, (normal - mean) / np.sqrt(shares @ (normal - mean) ** 2)
