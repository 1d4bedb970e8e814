"""The auditor: a second classifier on features that the search does not use.

For each row of the final table a forest is trained to separate it from held-out people, on the fingerprint, on ``measure.dynamics`` and,
if people's text has case or punctuation, on ``measure.typing``. Its cross-fitted two-sample AUC (Lopez-Paz & Oquab 2017) is .5 for a row
that is indistinguishable from people and 1 for one that is fully separable. The AUC of people against equally many people is reported
as the reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from personaevo.records import Floats

FOLDS, TREES, LEAF = 5, 100, 3
_DRAWS = 200
_NO_OCCASION = -1.0  # stands for a missing share, so that trees can split it off
_LEAST = 10  # half the least number of dialogues for an audit


@dataclass(frozen=True)
class Sample:
    """Input of the auditor: features ``values[n, d]`` and the owner of each dialogue (a person or a ``generate`` call)."""

    values: Floats
    owners: tuple[str, ...]

    @property
    def enough(self) -> bool:
        """Whether there are enough dialogues for an audit."""
        return len(self.owners) >= 2 * _LEAST

    def at_most(self, n: int, seed: int) -> Sample:
        """A random subsample of n dialogues, or all if there are no more."""
        if len(self.owners) <= n:
            return self
        rows = np.sort(np.random.default_rng(seed).permutation(len(self.owners))[:n])
        return Sample(self.values[rows], tuple(self.owners[row] for row in rows))


def seen(habits: Floats) -> Floats:
    """Typing habits with missing values replaced by a number."""
    return np.nan_to_num(habits, nan=_NO_OCCASION)


@dataclass(frozen=True)
class Audit:
    """Work item: one row of the final table against held-out people."""

    people: Sample
    row: Sample
    seed: int


def audited(work: Audit) -> tuple[float, float, float]:
    """Run ``tell_apart`` in a worker process."""
    return tell_apart(work.people, work.row, work.seed)


def tell_apart(people: Sample, row: Sample, seed: int = 0) -> tuple[float, float, float]:
    """AUC of separating ``row`` from ``people``, with its 95 % bootstrap interval over owners: ``(auc, low, high)``.

    Both are subsampled to equal size. All dialogues of an owner are in the same fold.
    """
    from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415
    from sklearn.model_selection import StratifiedGroupKFold  # noqa: PLC0415

    n = min(len(people.owners), len(row.owners))
    people, row = people.at_most(n, seed), row.at_most(n, seed)
    values = np.vstack([people.values, row.values])
    truth = np.r_[np.ones(n), np.zeros(n)]
    groups = np.array([f"person {who}" for who in people.owners] + [f"call {who}" for who in row.owners])
    scores = np.empty(2 * n)
    for fit, held in StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed).split(values, truth, groups):
        forest = RandomForestClassifier(TREES, min_samples_leaf=LEAF, random_state=seed).fit(values[fit], truth[fit])
        scores[held] = forest.predict_proba(values[held])[:, 1]
    above = (scores[:n, None] > scores[None, n:]) + 0.5 * (scores[:n, None] == scores[None, n:])
    ours, theirs = _owner_weights(people.owners, row.owners, seed)
    draws = np.einsum("bi,ij,bj->b", ours, above, theirs) / (ours.sum(axis=1) * theirs.sum(axis=1))
    auc = float(above.mean())
    low, high = np.quantile(draws - draws.mean(), [0.025, 0.975])
    return auc, max(0.0, auc + float(low)), min(1.0, auc + float(high))


def _owner_weights(people: Sequence[str], row: Sequence[str], seed: int) -> tuple[Floats, Floats]:
    """Bootstrap weights of the dialogues of both sides, ``[draws, n]`` each, with owners drawn as a whole."""
    rng = np.random.default_rng(seed)
    found = []
    for owners in (people, row):
        _, number = np.unique(owners, return_inverse=True)
        size = int(number.max()) + 1
        found.append(rng.multinomial(size, np.full(size, 1 / size), size=_DRAWS).astype(float)[:, number])
    return found[0], found[1]
