"""The auditor: a second look that never steers.

For each row of the final table a forest is trained to tell that row from people who were kept aside, on the fingerprint and on what the
search does not see: ``measure.dynamics`` and, where people's text kept case or punctuation, ``measure.typing``. Its two-sample AUC
(Lopez-Paz & Oquab 2017), cross-fitted, is .5 for a row that cannot be told from people and 1 for one that can. People against people,
equally many, stand beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from personaevo.records import Floats

FOLDS, TREES, LEAF = 5, 100, 3
_DRAWS = 200
_NO_OCCASION = -1.0  # in the place of a share that a dialogue gives no occasion for: trees set it apart
_LEAST = 10  # dialogues in each half of a fold, say: fewer are not told apart


@dataclass(frozen=True)
class Sample:
    """Dialogues as the auditor sees them: ``values[n, d]``, and whose they are (a person, or a ``generate`` call)."""

    values: Floats
    owners: tuple[str, ...]

    @property
    def enough(self) -> bool:
        """Whether there are enough of them to be told apart."""
        return len(self.owners) >= 2 * _LEAST

    def at_most(self, n: int, seed: int) -> Sample:
        """n of them at random, or all."""
        if len(self.owners) <= n:
            return self
        rows = np.sort(np.random.default_rng(seed).permutation(len(self.owners))[:n])
        return Sample(self.values[rows], tuple(self.owners[row] for row in rows))


def seen(habits: Floats) -> Floats:
    """Habits of typing as trees can read them: numbers where a dialogue gives no occasion, too."""
    return np.nan_to_num(habits, nan=_NO_OCCASION)


@dataclass(frozen=True)
class Audit:
    """One row against people who were kept aside."""

    people: Sample
    row: Sample
    seed: int


def audited(work: Audit) -> tuple[float, float, float]:
    """The AUC of one row with its interval (see ``tell_apart``). What worker processes do."""
    return tell_apart(work.people, work.row, work.seed)


def tell_apart(people: Sample, row: Sample, seed: int = 0) -> tuple[float, float, float]:
    """AUC of telling ``row`` from ``people``, with its 95 % interval over owners drawn with replacement: ``(auc, low, high)``.

    Both are cut to equal size; whoever an owner is stays on one side of every fold.
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
    ours, theirs = _above(scores[:n], scores[n:]), _owner_weights(people.owners, row.owners, seed)
    draws = np.einsum("bi,ij,bj->b", theirs[0], ours, theirs[1]) / (theirs[0].sum(axis=1) * theirs[1].sum(axis=1))
    auc = float(ours.mean())
    low, high = np.quantile(draws - draws.mean(), [0.025, 0.975])
    return auc, max(0.0, auc + float(low)), min(1.0, auc + float(high))


def _above(first: Floats, second: Floats) -> Floats:
    """Whether each of the first lies above each of the second, ties as a half."""
    found: Floats = (first[:, None] > second[None]) + 0.5 * (first[:, None] == second[None])
    return found


def _owner_weights(people: Sequence[str], row: Sequence[str], seed: int) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    found = []
    for owners in (people, row):
        _, number = np.unique(owners, return_inverse=True)
        size = int(number.max()) + 1
        found.append(rng.multinomial(size, np.full(size, 1 / size), size=_DRAWS).astype(float)[:, number])
    return found[0], found[1]
