"""The scale on which dialogues of people and role-plays are compared, and what a few dialogues tell of one person on it.

Everything is fitted on *other* people: normal scores of each feature, what is missing at their mean, weighted by the intraclass
correlation, so that what says little of anybody decides little.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from personaevo.measure.ranks import NormalScores, normal_grid
from personaevo.measure.shrinkage import Components, Posterior
from personaevo.records import Floats
from personaevo.refine import features


@dataclass(frozen=True)
class Scale:
    """Normal scores of the features that vary among the others, the ``components`` of their variance, the ``weights`` of distances, and how
    a person's dialogues lie around their mean (``residuals[n, k]``)."""

    scores: NormalScores
    components: Components
    weights: Floats
    residuals: Floats

    @classmethod
    def of(cls, rows: Floats, people: Any) -> Scale:
        """The scale of ``rows[n, d]`` of other ``people[n]``."""
        scores = NormalScores.of(rows)
        points = scores(rows)
        components = Components.of(points, people)
        weights = Components.of(np.nan_to_num(points), people).correlation
        return cls(scores, components, weights, _residuals(points, people, components))

    @property
    def names(self) -> tuple[str, ...]:
        """The features on it."""
        return tuple(name for name, kept in zip(features.names(), self.scores.kept, strict=True) if kept)

    def points(self, rows: Floats) -> Floats:
        """Rows ``[n, d]`` as points; Euclidean distances between them are what counts."""
        return self.placed(self.scores(rows))

    def placed(self, scores: Floats) -> Floats:
        """Normal scores ``[n, k]``, NaN where there was no occasion, as points."""
        points: Floats = np.nan_to_num(scores) * np.sqrt(self.weights)
        return points

    def behaviors(self, points: Floats) -> Floats:
        """Of points only the columns of the fingerprint."""
        return points[:, : int(self.scores.kept[: features.plain()].sum())]

    def posterior(self, rows: Floats) -> Posterior:
        """What ``rows[n, d]`` of one person tell, on normal scores."""
        return self.components.posterior(self.scores(rows).reshape(len(rows), len(self.weights)))

    def typical(self, posterior: Posterior) -> Floats:
        """The mean of each feature, in its own unit, over what a dialogue of that person may show: [k]."""
        grid = posterior.mean + normal_grid()[:, None] * posterior.sd
        mean: Floats = self.scores.back(grid).mean(axis=0)
        return mean

    def draws(self, posterior: Posterior, doubt: Floats, rng: np.random.Generator) -> Floats:
        """As many dialogues of the person as there are rows of ``doubt[n, k]``, in standard deviations of what is not known of the person's
        mean: points ``[n, k]``. Around the mean they lie as other people's do, missing occasions included."""
        picked = self.residuals[rng.integers(len(self.residuals), size=len(doubt))]
        wider = np.sqrt(posterior.within / np.maximum(self.components.within, 1e-12))
        return self.placed(posterior.mean + doubt * np.sqrt(posterior.doubt) + picked * wider)


def _residuals(points: Floats, people: Any, components: Components) -> Floats:
    """Deviations from each person's own mean, as wide as the variance within people; where nobody has two dialogues, everybody's from the
    mean of all."""
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
