"""Features of a dialogue: the nineteen behaviors of the fingerprint, then the typing habits; and the scale on which they are compared.

A row ``[d]`` has both. A habit without an occasion in a dialogue is NaN: missing.
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
from personaevo.measure.shrinkage import Components, NormalScores, Posterior, normal_grid
from personaevo.records import Floats


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
