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

from personaevo.measure.stats import ndtri
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


ASSUMED = 0.15  # intraclass correlation used without repeated dialogues; about the mean of the fingerprint's among people
_FEWEST = 10  # least number of people with two dialogues or more for an estimate of the correlation
_FIRM = 1e4  # most degrees of freedom of people's common variance
_LOOSE = 4.0  # and fewest: below, the variance of a scaled inverse chi-square does not exist


@dataclass(frozen=True)
class Components:
    """Variance components of each column ``[d]``: people's ``mean``, the variance ``between`` people and ``within`` a person (from dialogue
    to dialogue), and the prior degrees of freedom of the within-person variance (``freedom``)."""

    mean: Floats
    between: Floats
    within: Floats
    freedom: Floats

    @property
    def correlation(self) -> Floats:
        """The intraclass correlation (0..1) of each column."""
        total = self.between + self.within
        return np.asarray(np.divide(self.between, total, out=np.zeros_like(total), where=total > 0))

    @classmethod
    def of(cls, values: Floats, people: Any) -> Components:
        """Estimate the components from ``values[n, d]`` of ``people[n]`` (integers). NaN is ignored. The correlation is ``ASSUMED`` if
        fewer than ten people have two values or more."""
        order = np.argsort(people, kind="stable")
        ordered, owners = values[order], np.asarray(people)[order]
        starts = np.flatnonzero(np.concatenate([[True], owners[1:] != owners[:-1]]))
        known = ~np.isnan(ordered)
        filled = np.where(known, ordered, 0.0)
        counts = np.add.reduceat(known.astype(float), starts)
        total = np.maximum(counts.sum(axis=0), 1.0)
        mean = filled.sum(axis=0) / total
        sums = np.add.reduceat(np.where(known, filled - mean, 0.0), starts)
        squares = np.add.reduceat(np.where(known, (filled - mean) ** 2, 0.0), starts)
        return cls(mean, *_variances(counts, sums, squares))

    def posterior(self, rows: Floats) -> Posterior:
        """Posterior given ``rows[n, d]`` of one person. Without a row, or for a column of NaN, it is the prior."""
        known = ~np.isnan(rows)
        n = known.sum(axis=0).astype(float)
        own = np.where(known, rows - self.mean, 0.0).sum(axis=0) / np.maximum(n, 1.0)
        r = self.correlation
        share = n * r / (1.0 + np.maximum(n - 1.0, 0.0) * r)
        squares = np.where(known, (rows - self.mean - own) ** 2, 0.0).sum(axis=0)
        within = (self.freedom * self.within + squares) / (self.freedom + np.maximum(n - 1.0, 0.0))
        return Posterior(self.mean + share * own, (1.0 - share) * self.between, within, share)


@dataclass(frozen=True)
class Posterior:
    """Posterior of each column: the person's ``mean`` and its variance ``doubt``, the variance ``within`` from dialogue to dialogue, and
    the weight of the person's own data (``share``, 0..1)."""

    mean: Floats
    doubt: Floats
    within: Floats
    share: Floats

    @property
    def sd(self) -> Floats:
        """Standard deviation of the posterior predictive distribution of one more dialogue."""
        return np.asarray(np.sqrt(self.doubt + self.within))


def _variances(counts: Floats, sums: Floats, squares: Floats) -> tuple[Floats, Floats, Floats]:
    """ANOVA estimates of the variances between and within people, and the prior degrees of freedom, from each person's sums of deviations
    from the overall mean."""
    total, people = counts.sum(axis=0), (counts > 0).sum(axis=0)
    means = sums / np.maximum(counts, 1.0)
    inner = np.maximum(squares - counts * means**2, 0.0)
    df = np.maximum(counts - 1.0, 0.0)
    within = inner.sum(axis=0) / np.maximum(total - people, 1.0)
    outer = (counts * means**2).sum(axis=0) / np.maximum(people - 1.0, 1.0)
    size = (total - (counts**2).sum(axis=0) / np.maximum(total, 1.0)) / np.maximum(people - 1.0, 1.0)
    between = np.maximum(outer - within, 0.0) / np.maximum(size, 1.0)
    all_of_it = squares.sum(axis=0) / np.maximum(total - 1.0, 1.0)
    few = (df > 0).sum(axis=0) < _FEWEST
    between, within = np.where(few, ASSUMED * all_of_it, between), np.where(few, (1 - ASSUMED) * all_of_it, within)
    return between, within, _freedom(inner, df, within)


def _freedom(inner: Floats, df: Floats, within: Floats) -> Floats:
    """Prior degrees of freedom of people's variances by the method of moments: beyond sampling noise, variances differ by 2 within² /
    (freedom - 4)."""
    several = df > 0
    own = inner / np.where(several, df, 1.0)
    number = np.maximum(several.sum(axis=0), 1)
    differ = np.where(several, (own - within) ** 2, 0.0).sum(axis=0) / number
    chance = np.where(several, 2 * within**2 / np.where(several, df, 1.0), 0.0).sum(axis=0) / number
    beyond = differ - chance
    loose = np.divide(2 * within**2, beyond, out=np.full_like(within, _FIRM), where=beyond > 0)
    return np.asarray(np.clip(loose + _LOOSE, _LOOSE, _FIRM))
