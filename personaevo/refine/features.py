"""Features of a dialogue, their normal scores, and empirical Bayes estimates of one person from few dialogues.

The features are the nineteen behaviors of the fingerprint, then the typing habits. A habit without an occasion in a dialogue is NaN:
missing.

On the rank-normal scale people are standard normal in every feature, however skewed or bounded its own distribution is. The estimates use
a one-way random-effects model of each column (Efron & Morris 1973; for the variances Smyth 2004). With n dialogues the posterior mean lies
``n r / (1 + (n - 1) r)`` of the way from the mean of all people to the person's own mean, where r is the intraclass correlation. The
person's within-person variance is shrunk toward the common one, depending on how much people's variances differ beyond chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from personaevo import definitions
from personaevo.definitions import Dial
from personaevo.measure.fingerprint import apply_losses, words_of
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


@cache
def names() -> tuple[str, ...]:
    """Names of all features in column order."""
    return (*definitions.features().names, *definitions.typing().names)


@cache
def fingerprint_size() -> int:
    """Number of columns of the fingerprint; they come first."""
    return len(definitions.features().names)


@cache
def version() -> str:
    """Version of both feature sets; figures of different versions cannot be compared."""
    return f"{definitions.features().version}+{definitions.typing().version}"


@cache
def dials() -> Mapping[str, Dial]:
    """All dials that a profile may have: behavior, then typing."""
    return {**definitions.dials(), **definitions.typing_dials()}


@cache
def units() -> Mapping[str, str]:
    """The unit of each feature, in words."""
    sets = (definitions.features().features, definitions.typing().habits)
    return {one.name: one.unit for some in sets for one in some}


def measured(dialogues: Sequence[Sequence[str]], losses: Sequence[str] = ()) -> Floats:
    """Feature rows ``[n, d]`` of one side's texts in each dialogue, after the losses of the corpus are applied to the text.

    A dialogue without a word is a row of NaN. A habit that the losses remove is NaN everywhere.
    """
    heard = [[apply_losses(text, losses) for text in texts] for texts in dialogues]
    found = np.full((len(heard), len(names())), np.nan)
    spoken = [index for index, texts in enumerate(heard) if any(words_of(texts))]
    if spoken:
        said = [heard[index] for index in spoken]
        habits = definitions.typing().measure(said).values
        usable = set(definitions.typing().usable(losses))
        lost = [name not in usable for name in definitions.typing().names]
        habits = np.where(lost, np.nan, habits)
        found[spoken] = np.hstack([definitions.features().measure(said).values, habits])
    return found


def fingerprint(texts: Sequence[str], losses: Sequence[str] = ()) -> Floats | None:
    """The feature row [d] of one side's texts in one dialogue; None if there is no word."""
    row: Floats = measured([texts], losses)[0]
    return None if np.isnan(row[0]) else row


def mean_of(rows: Floats) -> Floats:
    """Column means of ``rows[n, d]`` over known values; NaN for a column without one."""
    counts = (~np.isnan(rows)).sum(axis=0)
    mean: Floats = np.divide(np.nansum(rows, axis=0), counts, out=np.full(rows.shape[1], np.nan), where=counts > 0)
    return mean


def widened(rows: Floats) -> Floats:
    """Fingerprints ``[n, 19]`` padded to full rows with NaN; full rows are returned unchanged."""
    missing = len(names()) - rows.shape[1]
    return np.hstack([rows, np.full((len(rows), missing), np.nan)]) if missing else rows


def as_dials(row: Floats) -> dict[str, float]:
    """A row [d], or a fingerprint, as dials clipped to their ranges; NaN and features without a dial are left out."""
    table = dials()
    pairs = zip(names()[: len(row)], row, strict=True)
    return {
        name: float(np.clip(value, table[name].low, table[name].high)) for name, value in pairs if name in table and np.isfinite(value)
    }  # fmt: skip


@dataclass(frozen=True)
class Scale:
    """Normal scores of the features that vary among the others.

    Attributes:
        components: variance components of the scores.
        weights: feature weights of distances.
        residuals: deviations ``[n, k]`` of dialogues from their person's mean.
    """

    scores: NormalScores
    components: Components
    weights: Floats
    residuals: Floats

    @classmethod
    def of(cls, rows: Floats, people: Any) -> Scale:
        """Fit the scale on ``rows[n, d]`` of other ``people[n]``."""
        scores = NormalScores.of(rows)
        points = scores(rows)
        components = Components.of(points, people)
        weights = Components.of(np.nan_to_num(points), people).correlation
        return cls(scores, components, weights, _residuals(points, people, components))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features that are kept."""
        return tuple(name for name, kept in zip(names(), self.scores.kept, strict=True) if kept)

    def points(self, rows: Floats) -> Floats:
        """Rows ``[n, d]`` as weighted points; dialogues are compared by Euclidean distance between points."""
        return self.placed(self.scores(rows))

    def placed(self, scores: Floats) -> Floats:
        """Normal scores ``[n, k]`` as weighted points; NaN (no occasion) becomes the mean."""
        points: Floats = np.nan_to_num(scores) * np.sqrt(self.weights)
        return points

    def behaviors(self, points: Floats) -> Floats:
        """The columns of points that belong to the fingerprint."""
        return points[:, : int(self.scores.kept[: fingerprint_size()].sum())]

    def posterior(self, rows: Floats) -> Posterior:
        """Posterior of one person, in normal scores, given ``rows[n, d]`` of their dialogues."""
        return self.components.posterior(self.scores(rows).reshape(len(rows), len(self.weights)))

    def typical(self, posterior: Posterior) -> Floats:
        """Expected mean [k] of each feature, in its own unit, over dialogues of a person with this posterior."""
        grid = posterior.mean + normal_grid()[:, None] * posterior.sd
        mean: Floats = self.scores.back(grid).mean(axis=0)
        return mean

    def draws(self, posterior: Posterior, doubt: Floats, rng: np.random.Generator) -> Floats:
        """Draw one dialogue of the person for each row of ``doubt[n, k]``, as points ``[n, k]``.

        ``doubt`` is the deviation of the person's mean in posterior standard deviations. Around that mean, dialogues vary as other
        people's do, missing occasions included.
        """
        picked = self.residuals[rng.integers(len(self.residuals), size=len(doubt))]
        wider = np.sqrt(posterior.within / np.maximum(self.components.within, 1e-12))
        return self.placed(posterior.mean + doubt * np.sqrt(posterior.doubt) + picked * wider)


def _residuals(points: Floats, people: Any, components: Components) -> Floats:
    """Deviations from each person's own mean, scaled to the variance within people.

    If no person has two dialogues, deviations of all dialogues from the overall mean.
    """
    index = np.unique(people, return_inverse=True)[1]
    known, several = ~np.isnan(points), np.bincount(index)[index] > 1
    if not several.any():
        around: Floats = (points - components.mean) * np.sqrt(1.0 - components.correlation)
        return around
    size = index.max() + 1
    totals, counts = np.zeros((size, points.shape[1])), np.zeros((size, points.shape[1]))
    np.add.at(totals, index, np.nan_to_num(points))
    np.add.at(counts, index, known)
    found = (points - (totals / np.maximum(counts, 1.0))[index])[several]
    spread = np.sqrt(np.nansum(found**2, axis=0) / np.maximum((~np.isnan(found)).sum(axis=0), 1))
    scaled: Floats = found * np.sqrt(components.within) / np.maximum(spread, 1e-12)
    return scaled
