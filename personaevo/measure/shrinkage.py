"""Empirical Bayes: what a few dialogues tell of one person, given how much people differ from one another and within themselves.

A one-way random-effects model of each column (Efron & Morris 1973; for the variances Smyth 2004). From n dialogues the posterior mean is
``n r / (1 + (n - 1) r)`` of the way from all people's mean to the person's own, r being the intraclass correlation. The person's variance
from dialogue to dialogue is shrunk to that of all people together, by how much people's variances differ beyond chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from personaevo.records import Floats

ASSUMED = 0.15  # intraclass correlation where nobody has two dialogues; about the mean of the fingerprint's among people
_FEWEST = 10  # people with two dialogues or more, from which on a correlation means something
_FIRM = 1e4  # degrees of freedom of people's common variance, at most
_LOOSE = 4.0  # and at least: with fewer the variance of a scaled inverse chi-square does not exist


@dataclass(frozen=True)
class Components:
    """Of each column ``[d]``: people's ``mean``, the variance ``between`` people and ``within`` a person (from dialogue to dialogue), and
    how many dialogues the common variance is worth beside a person's own (``freedom``)."""

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
        """From ``values[n, d]`` of ``people[n]`` (integers). NaN does not count. With fewer than ten people who have two values or more,
        the correlation is ``ASSUMED``."""
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
        """What ``rows[n, d]`` of one person tell; with no row, or a column of NaN, the person is anybody."""
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
    """Of each column: the person's ``mean`` with its variance ``doubt``, the variance ``within`` from dialogue to dialogue, and how much of
    the way from all people's mean was gone (``share``, 0..1)."""

    mean: Floats
    doubt: Floats
    within: Floats
    share: Floats

    @property
    def sd(self) -> Floats:
        """Of the posterior predictive distribution: what one more dialogue of the person may show."""
        return np.asarray(np.sqrt(self.doubt + self.within))


def _variances(counts: Floats, sums: Floats, squares: Floats) -> tuple[Floats, Floats, Floats]:
    """Between people, within them (ANOVA estimates) and the freedom, from each person's sums of deviations from the mean of all."""
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
    """Degrees of freedom of the prior of people's variances, by moments: their variances differ by chance and, beyond it, by 2 within² /
    (freedom - 4)."""
    several = df > 0
    own = inner / np.where(several, df, 1.0)
    number = np.maximum(several.sum(axis=0), 1)
    differ = np.where(several, (own - within) ** 2, 0.0).sum(axis=0) / number
    chance = np.where(several, 2 * within**2 / np.where(several, df, 1.0), 0.0).sum(axis=0) / number
    beyond = differ - chance
    loose = np.divide(2 * within**2, beyond, out=np.full_like(within, _FIRM), where=beyond > 0)
    return np.asarray(np.clip(loose + _LOOSE, _LOOSE, _FIRM))
