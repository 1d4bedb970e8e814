"""The discriminator: calibrated P(human) of a fingerprint, people against the persona-free simulator on the same tasks.

It is trained when it is loaded, never stored. It is cross-fitted: the people and simulated dialogues are dealt into folds by person
and by task, each fold is scored by a model that saw none of it, and anything else by the mean of all fold models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from personaevo.records import Floats

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

# scikit-learn takes a second to load: it is imported where it is used, so that whoever only makes a mistake in an option need not wait.

FOLDS = 5
_INNER_FOLDS = 4
_RIDGE = 0.1


@dataclass(frozen=True)
class Discriminator:
    """Trained fold models with the out-of-fold scores of what they were trained on.

    ``people_p[n]`` and ``simulated_p[m]`` are P(human) by models that did not see the dialogue, its person or its task.
    """

    models: tuple[Pipeline, ...]
    people_p: Floats
    simulated_p: Floats

    def score(self, values: Floats) -> Floats:
        """P(human), 0..1, of each row of ``values[n, d]`` that was not trained on: the mean of the fold models (class prior 1/2)."""
        if not len(values):
            return np.empty(0)
        scores: Floats = np.mean([model.predict_proba(values)[:, 1] for model in self.models], axis=0)
        return scores

    @property
    def brier(self) -> float:
        """Brier score of the out-of-fold scores, both classes weighted equally (0 is best, 0.25 is a coin)."""
        from sklearn.metrics import brier_score_loss  # noqa: PLC0415

        truth, scores = self._truth_and_scores()
        weight = np.where(truth == 1, 0.5 / len(self.people_p), 0.5 / len(self.simulated_p))
        return float(brier_score_loss(truth, scores, sample_weight=weight))

    @property
    def auc(self) -> float:
        """Area under the ROC curve of the out-of-fold scores."""
        return _auc(*self._truth_and_scores())

    def _truth_and_scores(self) -> tuple[Floats, Floats]:
        truth = np.r_[np.ones(len(self.people_p)), np.zeros(len(self.simulated_p))]
        return truth, np.r_[self.people_p, self.simulated_p]


def train(people: Floats, persons: Sequence[str], simulated: Floats, tasks: Sequence[str], seed: int = 0) -> Discriminator:
    """Trains on people's ``[n, d]`` and the persona-free simulator's ``[m, d]`` fingerprints.

    Args:
        persons: who each row of ``people`` is; one person is never on both sides of a fold.
        tasks: the task of each row of ``simulated``; likewise.
        seed: deals the folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # noqa: PLC0415

    values = np.vstack([people, simulated])
    truth = np.r_[np.ones(len(people)), np.zeros(len(simulated))]
    groups = np.array([f"person {who}" for who in persons] + [f"task {task}" for task in tasks])
    out_of_fold = np.empty(len(values))
    models = []
    for fit, held in StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed).split(values, truth, groups):
        model = _fit(values[fit], truth[fit], seed)
        out_of_fold[held] = model.predict_proba(values[held])[:, 1]
        models.append(model)
    return Discriminator(tuple(models), out_of_fold[: len(people)], out_of_fold[len(people) :])


def _fit(values: Floats, truth: Floats, seed: int) -> Pipeline:
    """Ridge-penalized logistic regression with Platt scaling on inner folds; both classes weigh the same (prior 1/2)."""
    from sklearn.calibration import CalibratedClassifierCV  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    weight = np.where(truth == 1, 0.5 / truth.sum(), 0.5 / (1 - truth).sum()) * len(truth)
    base = LogisticRegression(C=_RIDGE, max_iter=500, random_state=seed)
    model = make_pipeline(StandardScaler(), CalibratedClassifierCV(base, method="sigmoid", cv=_INNER_FOLDS, ensemble=False))
    return model.fit(values, truth, calibratedclassifiercv__sample_weight=weight)


def _auc(truth: Floats, scores: Floats) -> float:
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415

    return float(roc_auc_score(truth, scores))


def group_control(
    people: Floats, groups: Sequence[str], simulated: Floats, simulated_groups: Sequence[str], seed: int = 0
) -> dict[str, dict[str, float]]:
    """Does the judge know people, or merely the kind of business? For each group, a judge trained *without* it scores it.

    Returns per group the AUC of its people against the simulator on its own tasks, and the mean P(human) of both. A judge that had
    learned the groups would fall to an AUC of 0.5 there.
    """
    ours, theirs = np.array(groups), np.array(simulated_groups)
    control = {}
    for group in sorted(set(groups) & set(simulated_groups)):
        fit = np.vstack([people[ours != group], simulated[theirs != group]])
        truth = np.r_[np.ones(int((ours != group).sum())), np.zeros(int((theirs != group).sum()))]
        model = _fit(fit, truth, seed)
        human = model.predict_proba(people[ours == group])[:, 1]
        machine = model.predict_proba(simulated[theirs == group])[:, 1]
        labels = np.r_[np.ones(len(human)), np.zeros(len(machine))]
        auc = _auc(labels, np.r_[human, machine])
        control[group] = {"auc": auc, "people": float(human.mean()), "simulated": float(machine.mean())}
    return control
