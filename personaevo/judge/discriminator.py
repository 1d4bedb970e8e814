"""The discriminator: calibrated P(human) of a fingerprint, from a random forest trained on people and several kinds of negatives.

A linear judge would reward exaggeration: the farther from the simulator, the more human. A forest can enclose the region of people. The
negatives (persona-free simulator, average person, caricatures, independent marginals, negative programs) have the same weight per kind.
One column is added to the fingerprint: the dialogue's norm in the space of ``measure.energy``, so that outliers are recognized also in
directions without negatives.

It is cross-fitted: folds are split by person and by task, each fold is scored by a forest trained on the others, and new dialogues by the
mean of all fold forests. Scores are calibrated (Platt scaling) on the out-of-fold scores of the other folds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from personaevo.errors import ConfigError
from personaevo.executors import Carried
from personaevo.measure.energy import Space
from personaevo.records import Floats

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

# scikit-learn takes a second to load, so it is imported where it is used; a wrong option is then reported at once.

FOLDS = 5
TREES = 40  # in each fold
LEAF = 5  # least number of dialogues in a leaf
_EDGE = 0.01  # shares of trees are clipped to this distance from 0 and 1 before the logit
_STEPS = 50  # most steps of Newton's method; it converges in a handful


class TrainedJudge(Protocol):
    """A trained judge."""

    def score(self, values: Floats) -> Floats:
        """Human-likeness of each row of fingerprints ``values[n, d]``, 0..1, before calibration."""
        ...


@runtime_checkable
class Judge(Protocol):
    """A user-defined judge in place of the forest. It is cross-fitted and calibrated like the forest.

    ``id`` is recorded with a run; change it whenever scores change. The judge must be picklable, since it is sent to worker processes.
    """

    id: str

    def train(self, values: Floats, people: Floats, weights: Floats, seed: int) -> TrainedJudge:
        """Train on fingerprints ``values[n, d]``; ``people[n]`` is 1.0 for people's dialogues and 0.0 for the others, ``weights[n]`` are
        sample weights. Equal arguments must give equal judges."""
        ...


@dataclass(frozen=True)
class Negatives:
    """Simulated dialogues of one kind for training the judge: fingerprints ``values[m, d]`` and the task of each."""

    values: Floats
    tasks: tuple[str, ...]


@dataclass(frozen=True)
class _Forest:
    """A forest as arrays over the nodes of all its trees, evaluated for all rows at once (ten times as fast as scikit-learn for a hundred
    rows). ``down[2, nodes]`` are the children, where a leaf is its own child; ``share`` is the share of people in a leaf, ``width`` the
    number of columns."""

    roots: Any
    column: Any
    threshold: Floats
    down: Any
    share: Floats
    width: int

    @classmethod
    def of(cls, fitted: RandomForestClassifier) -> _Forest:
        """Convert a fitted scikit-learn forest."""
        trees = [tree.tree_ for tree in fitted.estimators_]
        roots = np.cumsum([0, *(tree.node_count for tree in trees[:-1])])
        nodes = np.arange(sum(tree.node_count for tree in trees))
        sides = []
        for side in ("children_left", "children_right"):
            children = np.concatenate([getattr(tree, side) + root for tree, root in zip(trees, roots, strict=True)])
            leaf = np.concatenate([getattr(tree, side) < 0 for tree in trees])
            sides.append(np.where(leaf, nodes, children))
        counts = np.concatenate([tree.value[:, 0, :] for tree in trees])
        column = np.concatenate([np.maximum(tree.feature, 0) for tree in trees])
        threshold = np.concatenate([tree.threshold for tree in trees])
        return cls(roots, column, threshold, np.stack(sides), counts[:, 1] / counts.sum(axis=1), fitted.n_features_in_)

    @classmethod
    def joined(cls, parts: Sequence[_Forest]) -> _Forest:
        """Concatenate forests with equally many trees. They share all columns but the last; the last ones are placed side by side."""
        starts = np.cumsum([0, *(len(part.column) for part in parts[:-1])])
        last = parts[0].width - 1
        return cls(
            np.concatenate([part.roots + start for part, start in zip(parts, starts, strict=True)]),
            np.concatenate([np.where(part.column == last, last + index, part.column) for index, part in enumerate(parts)]),
            np.concatenate([part.threshold for part in parts]),
            np.concatenate([part.down + start for part, start in zip(parts, starts, strict=True)], axis=1),
            np.concatenate([part.share for part in parts]),
            last + len(parts),
        )

    def __call__(self, columns: Floats) -> Floats:
        """Mean share of people in the leaves of each row of ``columns[n, d]``."""
        found: Floats = self.by_part(columns, 1)[0]
        return found

    def by_part(self, columns: Floats, parts: int) -> Floats:
        """Mean share of people by equal parts of the trees, ``[parts, n]``."""
        rows = columns.astype(np.float32).ravel()  # as scikit-learn compares
        count, width = columns.shape
        at = np.repeat(self.roots, count)
        begins = np.tile(np.arange(count) * width, len(self.roots))
        walking = np.arange(len(at))
        while len(walking):
            here = at[walking]
            there = self.down[(rows[begins[walking] + self.column[here]] > self.threshold[here]).astype(np.intp), here]
            at[walking] = there
            walking = walking[there != here]  # the others have reached a leaf
        found: Floats = self.share[at].reshape(parts, -1, count).mean(axis=1)
        return found


@dataclass(frozen=True)
class _Grown:
    """The forest of one fold, and the space of its people."""

    forest: _Forest
    space: Space

    def shares(self, values: Floats) -> Floats:
        """Human-likeness of each row of ``values[n, d]``, uncalibrated."""
        return self.forest(_columns(values, self.space))


@dataclass(frozen=True)
class _Own:
    """The user-defined judge of one fold."""

    name: str
    trained: Carried

    def shares(self, values: Floats) -> Floats:
        """Human-likeness of each row of ``values[n, d]``. Raises ConfigError unless the judge returns one number from 0 to 1 per row."""
        found = np.asarray(self.trained.part.score(values), dtype=float)
        if found.shape != (len(values),) or not ((found >= 0) & (found <= 1)).all():
            raise ConfigError(f"judge {self.name}: expected {len(values)} numbers from 0 to 1, got shape {found.shape}")
        return found


@dataclass(frozen=True)
class _Model:
    """The judge of one fold with its calibration: P(human) = 1 / (1 + exp(-(slope · logit(share) + offset)))."""

    judge: _Grown | _Own
    slope: float
    offset: float

    def calibrated(self, share: Floats) -> Floats:
        """P(human) from uncalibrated shares."""
        return _sigmoid(self.slope * _logit(share) + self.offset)


@dataclass(frozen=True)
class Discriminator:
    """Trained fold models with the out-of-fold scores of their training data.

    ``people_p[n]`` and ``negatives_p[kind][m]`` are P(human) by models that were not trained on the dialogue, its person or its task.
    """

    models: tuple[_Model, ...]
    people_p: Floats
    negatives_p: Mapping[str, Floats]

    def score(self, values: Floats) -> Floats:
        """P(human), 0..1, of new dialogues ``values[n, d]``: the mean of the fold models, at a prior of 1/2."""
        if not len(values):
            return np.empty(0)
        scores: Floats = np.mean([model.calibrated(share) for model, share in zip(self.models, self._shares(values), strict=True)], axis=0)
        return scores

    def _shares(self, values: Floats) -> Sequence[Floats]:
        """Uncalibrated shares of each row by the judge of each fold."""
        forests = [model.judge for model in self.models if isinstance(model.judge, _Grown)]
        if not forests:
            return [model.judge.shares(values) for model in self.models]
        out = [_farness(values, one.space) for one in forests]
        return list(self._joined.by_part(np.column_stack([values, *out]), len(forests)))

    @cached_property
    def _joined(self) -> _Forest:
        """The forests of all folds as one, with one distance column for each fold."""
        return _Forest.joined([model.judge.forest for model in self.models if isinstance(model.judge, _Grown)])

    @property
    def brier(self) -> float:
        """Brier score of the out-of-fold scores, with both classes and all kinds of negatives weighted equally (0 is best, 0.25 chance)."""
        others = np.mean([np.mean(scores**2) for scores in self.negatives_p.values()])
        return float((np.mean((1 - self.people_p) ** 2) + others) / 2)

    @property
    def auc(self) -> float:
        """Area under the ROC curve of the out-of-fold scores, the kinds of negatives weighted equally."""
        from sklearn.metrics import roc_auc_score  # noqa: PLC0415

        scores = np.concatenate([self.people_p, *self.negatives_p.values()])
        truth = np.arange(len(scores)) < len(self.people_p)
        return float(roc_auc_score(truth, scores, sample_weight=_weights(len(self.people_p), list(map(len, self.negatives_p.values())))))


def train(
    people: Floats, persons: Sequence[str], negatives: Mapping[str, Negatives], seed: int = 0, judge: Judge | None = None
) -> Discriminator:
    """Train a discriminator of people's fingerprints ``[n, d]`` and several kinds of negatives.

    Args:
        persons: the person of each row of ``people``. Folds split neither a person nor a task of the negatives.
        negatives: by kind.
        seed: seed of the folds and the trees.
        judge: user-defined judge in place of the forests.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # noqa: PLC0415

    kinds = list(negatives.values())
    values = np.vstack([people, *(kind.values for kind in kinds)])
    truth = (np.arange(len(values)) < len(people)).astype(float)
    weights = _weights(len(people), [len(kind.values) for kind in kinds])
    groups = np.array([f"person {who}" for who in persons] + [f"task {task}" for kind in kinds for task in kind.tasks])
    folds = list(StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed).split(values, truth, groups))
    grown, shares = [], np.empty(len(values))
    for fit, held in folds:
        given = values[fit], truth[fit], weights[fit], seed
        one = _grown(*given) if judge is None else _Own(judge.id, Carried(judge.train(*given)))
        shares[held] = one.shares(values[held])
        grown.append(one)
    models, found = [], np.empty(len(values))
    for one, (fit, held) in zip(grown, folds, strict=True):
        models.append(_Model(one, *_platt(_logit(shares[fit]), truth[fit], weights[fit])))
        found[held] = models[-1].calibrated(shares[held])
    ends = np.cumsum([len(people), *(len(kind.values) for kind in kinds)])
    parts = {name: found[start:stop] for name, start, stop in zip(negatives, ends[:-1], ends[1:], strict=True)}
    return Discriminator(tuple(models), found[: len(people)], parts)


@dataclass(frozen=True)
class Training:
    """Arguments of ``train`` as a work item."""

    people: Floats
    persons: tuple[str, ...]
    negatives: Mapping[str, Negatives]
    seed: int
    judge: Carried | None = None


def trained(work: Training) -> Discriminator:
    """Run ``train`` in a worker process."""
    return train(work.people, work.persons, work.negatives, work.seed, None if work.judge is None else work.judge.part)


def _columns(values: Floats, space: Space) -> Floats:
    """The fingerprint and its distance column."""
    return np.column_stack([values, _farness(values, space)])


def _farness(values: Floats, space: Space) -> Floats:
    """Root mean square of the coordinates in people's space."""
    found: Floats = np.sqrt((space(values) ** 2).mean(axis=1))
    return found


def _weights(people: int, kinds: Sequence[int]) -> Floats:
    """Sample weights: people and negatives have equal totals (prior 1/2), as have the kinds of negatives; the mean weight is 1."""
    parts = [np.full(people, 0.5 / people), *(np.full(size, 0.5 / len(kinds) / size) for size in kinds)]
    joined: Floats = np.concatenate(parts)
    return joined * len(joined)


def _grown(values: Floats, truth: Floats, weights: Floats, seed: int) -> _Grown:
    """Fit the forest of one fold."""
    from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415

    space = Space.of(values[truth == 1])
    forest = RandomForestClassifier(TREES, min_samples_leaf=LEAF, max_features="sqrt", random_state=seed)
    return _Grown(_Forest.of(forest.fit(_columns(values, space), truth, weights)), space)


def _logit(share: Floats) -> Floats:
    inside = np.clip(share, _EDGE, 1 - _EDGE)
    found: Floats = np.log(inside / (1 - inside))
    return found


def _sigmoid(values: Floats) -> Floats:
    found: Floats = 1 / (1 + np.exp(-values))
    return found


def _platt(scores: Floats, truth: Floats, weights: Floats) -> tuple[float, float]:
    """Slope and offset of a weighted logistic regression on one score (Platt 1999), by Newton's method with a small ridge penalty."""
    design = np.column_stack([scores, np.ones_like(scores)])
    found = np.zeros(2)
    ridge = 1e-6 * weights.sum() * np.eye(2)
    for _ in range(_STEPS):
        p = _sigmoid(design @ found)
        slope = design.T @ (weights * (p - truth)) + ridge @ found
        bend = (design * (weights * p * (1 - p))[:, None]).T @ design + ridge
        step = np.linalg.solve(bend, slope)
        found = found - step
        if np.abs(step).max() < 1e-10:
            break
    return max(float(found[0]), 0.0), float(found[1])  # noise could give a negative slope; 0 is used instead
