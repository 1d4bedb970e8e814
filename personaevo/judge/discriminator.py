"""The discriminator: calibrated P(human) of a fingerprint, people against everything that only resembles them.

A forest has an inside: what lies farther from the simulator than people do is not more human, as it is for a linear judge. Its negatives
are of several kinds (the persona-free simulator, the average person, caricatures, independent marginals, negative programs), each kind
with the same weight. One column is added to the fingerprint: how far out the dialogue lies among people (its norm in ``measure.energy``'s
space), so that a direction in which no negative lies is no way out.

It is trained when it is loaded, never stored. It is cross-fitted: people and negatives are dealt into folds by person and by task, each
fold is scored by a forest that saw none of it, and anything else by the mean of all fold forests. Scores are calibrated (Platt scaling)
on the out-of-fold scores of the other folds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from personaevo.errors import ConfigError
from personaevo.measure.energy import Space
from personaevo.records import Floats
from personaevo.shipping import Carried

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

# scikit-learn takes a second to load: it is imported where it is used, so that whoever only makes a mistake in an option need not wait.

FOLDS = 5
TREES = 40  # in each fold
LEAF = 5  # dialogues in a leaf, at least
_EDGE = 0.01  # a share of trees is no certainty: before the logit it is moved this far from 0 and 1
_STEPS = 50  # of Newton's method, which needs a handful


class TrainedJudge(Protocol):
    """A judge that was trained."""

    def score(self, values: Floats) -> Floats:
        """How much each row of fingerprints ``values[n, d]`` looks like people's, 0..1; it is calibrated afterwards."""
        ...


@runtime_checkable
class Judge(Protocol):
    """A judge of one's own in place of the forest. It is cross-fitted and calibrated as the forest is. ``id`` is recorded: a judge that
    scores otherwise needs another id. It travels to worker processes, so that it must be picklable."""

    id: str

    def train(self, values: Floats, people: Floats, weights: Floats, seed: int) -> TrainedJudge:
        """Trains on fingerprints ``values[n, d]``; ``people[n]`` is 1.0 for people's dialogues and 0.0 for the others, ``weights[n]`` what
        each counts. Equal arguments are to give equal judges."""
        ...


@dataclass(frozen=True)
class Negatives:
    """Dialogues of one kind that are not people's: fingerprints ``values[m, d]`` and the task of each."""

    values: Floats
    tasks: tuple[str, ...]


@dataclass(frozen=True)
class _Forest:
    """A forest as arrays over the nodes of all its trees, walked for all rows at once: scikit-learn's own walk takes ten times as long for
    a hundred rows. ``down[2, nodes]`` are the children, a leaf's being itself; ``share`` is the share of people in a
    leaf, ``width`` the number of columns."""

    roots: Any
    column: Any
    threshold: Floats
    down: Any
    share: Floats
    width: int

    @classmethod
    def of(cls, fitted: RandomForestClassifier) -> _Forest:
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
        """One forest of several of equally many trees, whose last columns stand side by side after those that they share."""
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
        """The mean share of people in the leaves that each row of ``columns[n, d]`` falls into."""
        found: Floats = self.by_part(columns, 1)[0]
        return found

    def by_part(self, columns: Floats, parts: int) -> Floats:
        """The same for equal parts of the trees, ``[parts, n]``."""
        rows = columns.astype(np.float32).ravel()  # as scikit-learn compares
        count, width = columns.shape
        at = np.repeat(self.roots, count)
        begins = np.tile(np.arange(count) * width, len(self.roots))
        walking = np.arange(len(at))
        while len(walking):
            here = at[walking]
            there = self.down[(rows[begins[walking] + self.column[here]] > self.threshold[here]).astype(np.intp), here]
            at[walking] = there
            walking = walking[there != here]  # the others have come to their leaves
        found: Floats = self.share[at].reshape(parts, -1, count).mean(axis=1)
        return found


@dataclass(frozen=True)
class _Grown:
    """One fold's forest, and the scale of the people that it knows."""

    forest: _Forest
    space: Space

    def shares(self, values: Floats) -> Floats:
        """What it gives each row of ``values[n, d]``."""
        return self.forest(_columns(values, self.space))


@dataclass(frozen=True)
class _Own:
    """One fold's judge of one's own."""

    name: str
    trained: Carried

    def shares(self, values: Floats) -> Floats:
        """What it gives each row of ``values[n, d]``. Raises ConfigError: that is not one number from 0 to 1 a row."""
        found = np.asarray(self.trained.part.score(values), dtype=float)
        if found.shape != (len(values),) or not ((found >= 0) & (found <= 1)).all():
            raise ConfigError(f"judge {self.name}: expected {len(values)} numbers from 0 to 1, got shape {found.shape}")
        return found


@dataclass(frozen=True)
class _Model:
    """One fold's judge with its calibration: P(human) = 1 / (1 + exp(-(slope · logit(share) + offset)))."""

    judge: _Grown | _Own
    slope: float
    offset: float

    def calibrated(self, share: Floats) -> Floats:
        """P(human) from the judge's shares."""
        return _sigmoid(self.slope * _logit(share) + self.offset)


@dataclass(frozen=True)
class Discriminator:
    """Trained fold models with the out-of-fold scores of what they were trained on.

    ``people_p[n]`` and ``negatives_p[kind][m]`` are P(human) by models that did not see the dialogue, its person or its task.
    """

    models: tuple[_Model, ...]
    people_p: Floats
    negatives_p: Mapping[str, Floats]

    def score(self, values: Floats) -> Floats:
        """P(human), 0..1, of each row of ``values[n, d]`` that was not trained on: the mean of the fold models (people and the rest
        weigh the same)."""
        if not len(values):
            return np.empty(0)
        scores: Floats = np.mean([model.calibrated(share) for model, share in zip(self.models, self._shares(values), strict=True)], axis=0)
        return scores

    def _shares(self, values: Floats) -> Sequence[Floats]:
        """What the judge of each fold gives each row."""
        forests = [model.judge for model in self.models if isinstance(model.judge, _Grown)]
        if not forests:
            return [model.judge.shares(values) for model in self.models]
        out = [_farness(values, one.space) for one in forests]
        return list(self._joined.by_part(np.column_stack([values, *out]), len(forests)))

    @cached_property
    def _joined(self) -> _Forest:
        """The forests of all folds as one; how far out a dialogue lies is a column for each fold."""
        return _Forest.joined([model.judge.forest for model in self.models if isinstance(model.judge, _Grown)])

    @property
    def brier(self) -> float:
        """Brier score of the out-of-fold scores, both classes and all kinds of negatives weighted equally (0 is best, 0.25 is a coin)."""
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
    """Trains on people's fingerprints ``[n, d]`` against negatives of several kinds.

    Args:
        persons: who each row of ``people`` is; one person is never on both sides of a fold, nor is a task of the negatives.
        negatives: by kind.
        seed: deals the folds and grows the trees.
        judge: takes the place of the forests.
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
        one = _grown(*given) if judge is None else _own(judge, *given)
        shares[held] = one.shares(values[held])
        grown.append(one)
    models, found = [], np.empty(len(values))
    for one, (fit, held) in zip(grown, folds, strict=True):
        slope, offset = _platt(_logit(shares[fit]), truth[fit], weights[fit])
        models.append(_Model(one, slope, offset))
        found[held] = _sigmoid(slope * _logit(shares[held]) + offset)
    ends = np.cumsum([len(people), *(len(kind.values) for kind in kinds)])
    parts = {name: found[start:stop] for name, start, stop in zip(negatives, ends[:-1], ends[1:], strict=True)}
    return Discriminator(tuple(models), found[: len(people)], parts)


@dataclass(frozen=True)
class Training:
    """What ``train`` is given, as one piece of work."""

    people: Floats
    persons: tuple[str, ...]
    negatives: Mapping[str, Negatives]
    seed: int
    judge: Carried | None = None


def trained(work: Training) -> Discriminator:
    """The discriminator. What worker processes do."""
    return train(work.people, work.persons, work.negatives, work.seed, None if work.judge is None else work.judge.part)


def _columns(values: Floats, space: Space) -> Floats:
    """The fingerprint and how far out it lies among people."""
    return np.column_stack([values, _farness(values, space)])


def _farness(values: Floats, space: Space) -> Floats:
    found: Floats = np.sqrt((space(values) ** 2).mean(axis=1))
    return found


def _weights(people: int, kinds: Sequence[int]) -> Floats:
    """People and the rest weigh the same (prior 1/2), and so does each kind of negatives among the rest; the mean weight is 1."""
    parts = [np.full(people, 0.5 / people), *(np.full(size, 0.5 / len(kinds) / size) for size in kinds)]
    joined: Floats = np.concatenate(parts)
    return joined * len(joined)


def _own(judge: Judge, values: Floats, truth: Floats, weights: Floats, seed: int) -> _Own:
    return _Own(judge.id, Carried(judge.train(values, truth, weights, seed)))


def _grown(values: Floats, truth: Floats, weights: Floats, seed: int) -> _Grown:
    space = Space.of(values[truth == 1])
    return _Grown(_grow(_columns(values, space), truth, weights, seed), space)


def _grow(columns: Floats, truth: Floats, weights: Floats, seed: int) -> _Forest:
    from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415

    forest = RandomForestClassifier(TREES, min_samples_leaf=LEAF, max_features="sqrt", random_state=seed)
    return _Forest.of(forest.fit(columns, truth, weights))


def _logit(share: Floats) -> Floats:
    inside = np.clip(share, _EDGE, 1 - _EDGE)
    found: Floats = np.log(inside / (1 - inside))
    return found


def _sigmoid(values: Floats) -> Floats:
    found: Floats = 1 / (1 + np.exp(-values))
    return found


def _platt(scores: Floats, truth: Floats, weights: Floats) -> tuple[float, float]:
    """Slope and offset of a weighted logistic regression on one score (Platt 1999), by Newton's method with a trace of ridge."""
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
    return max(float(found[0]), 0.0), float(found[1])  # where there is only noise, no slope: never the other way round
