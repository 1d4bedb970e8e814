"""The scale on which dialogues of people and role-plays are compared, and the posterior of one person on it.

Everything is fitted on *other* people: normal scores of each feature, missing values at the mean, weighted by the intraclass correlation,
so that a feature that does not distinguish people has little weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from personaevo.measure.ranks import NormalScores, normal_grid
from personaevo.measure.shrinkage import Components, Posterior
from personaevo.records import Floats
from personaevo.refine.features import fingerprint_size, names


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
