"""The discriminator: cross-fitted by person and task, calibrated, with prior 1/2."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

from benchmarks.judge_control import control, explained_variance
from personaevo import content
from personaevo.judge import discriminator
from personaevo.judge.discriminator import Discriminator, train
from personaevo.records import Floats


def gaussians(people: int, simulated: int, seed: int, apart: float = 1.0) -> tuple[Floats, Floats]:
    """Two overlapping clouds in three dimensions, ``apart`` in the first."""
    rng = np.random.default_rng(seed)
    shift = np.array([apart / 2, 0.0, 0.0])
    return rng.normal(size=(people, 3)) + shift, rng.normal(size=(simulated, 3)) - shift


def owners(kind: str, n: int, each: int) -> list[str]:
    return [f"{kind}{index // each}" for index in range(n)]


@pytest.fixture(scope="module")
def judge() -> Discriminator:
    people, simulated = gaussians(600, 400, 1)
    return train(people, owners("p", 600, 3), simulated, owners("t", 400, 10), seed=2)


def auc(human: Floats, machine: Floats) -> float:
    return float((human[:, None] > machine[None, :]).mean())


# -- cross-fitting -------------------------------------------------------------------------------------------------------------


def test_nobody_is_on_both_sides_of_a_fold(judge: Discriminator) -> None:
    """The model that gave an out-of-fold score is found by its score; all rows of a person or task must have the same one."""
    people, simulated = gaussians(600, 400, 1)
    for values, scores, owner in (
        (people, judge.people_p, owners("p", 600, 3)),
        (simulated, judge.simulated_p, owners("t", 400, 10)),
    ):
        by_model = np.column_stack([model.predict_proba(values)[:, 1] for model in judge.models])
        matches = np.abs(by_model - scores[:, None]) < 1e-12
        assert matches.any(axis=1).all()
        fold = matches.argmax(axis=1)
        assert set(fold) == set(range(len(judge.models)))
        held_by: dict[str, set[int]] = {}
        for name, number in zip(owner, fold, strict=True):
            held_by.setdefault(name, set()).add(int(number))
        assert all(len(numbers) == 1 for numbers in held_by.values())


def test_out_of_fold_scores_come_from_models_that_did_not_see_them() -> None:
    """On noise a model that saw the rows tells them apart; the out-of-fold scores do not."""
    rng = np.random.default_rng(5)
    people, simulated = rng.normal(size=(120, 80)), rng.normal(size=(120, 80))
    made = train(people, owners("p", 120, 1), simulated, owners("t", 120, 1), seed=1)
    assert auc(made.score(people), made.score(simulated)) > 0.8
    assert 0.38 <= made.auc <= 0.62


def test_what_marks_a_person_does_not_leak() -> None:
    """Every person and task has a fingerprint of its own, repeated; with rows dealt out singly the judge would know them all."""
    rng = np.random.default_rng(6)
    marks, others = rng.normal(size=(40, 60)), rng.normal(size=(40, 60))
    people = np.repeat(marks, 5, axis=0) + rng.normal(scale=0.01, size=(200, 60))
    simulated = np.repeat(others, 5, axis=0) + rng.normal(scale=0.01, size=(200, 60))
    made = train(people, owners("p", 200, 5), simulated, owners("t", 200, 5), seed=1)
    assert auc(made.score(people), made.score(simulated)) > 0.9
    assert 0.25 <= made.auc <= 0.75


def test_a_score_is_the_mean_of_the_fold_models(judge: Discriminator) -> None:
    values, _ = gaussians(50, 1, 9)
    by_model = [model.predict_proba(values)[:, 1] for model in judge.models]
    assert len(judge.models) == discriminator.FOLDS
    assert judge.score(values) == pytest.approx(np.mean(by_model, axis=0))
    assert judge.score(np.empty((0, 3))).shape == (0,)


def test_training_depends_on_what_is_given_alone(judge: Discriminator) -> None:
    people, simulated = gaussians(600, 400, 1)
    again = train(people, owners("p", 600, 3), simulated, owners("t", 400, 10), seed=2)
    assert (again.people_p == judge.people_p).all()
    assert (again.simulated_p == judge.simulated_p).all()


# -- calibration ---------------------------------------------------------------------------------------------------------------


def test_calibrated_on_people_it_never_saw(judge: Discriminator) -> None:
    people, simulated = gaussians(4000, 4000, 77)
    scores = judge.score(np.vstack([people, simulated]))
    truth = np.r_[np.ones(4000), np.zeros(4000)]
    best = 1 / (1 + np.exp(-np.vstack([people, simulated])[:, 0]))  # Bayes: unit gaussians one apart
    assert ((scores - truth) ** 2).mean() <= ((best - truth) ** 2).mean() + 0.005
    bins = np.digitize(scores, np.linspace(0.1, 0.9, 9))
    for number in np.unique(bins):
        inside = bins == number
        if inside.sum() >= 200:
            assert scores[inside].mean() == pytest.approx(truth[inside].mean(), abs=0.06)
    assert judge.brier == pytest.approx(((best - truth) ** 2).mean(), abs=0.03)


@pytest.mark.parametrize(("people", "simulated"), [(900, 150), (150, 900)])
def test_the_prior_is_one_half(people: int, simulated: int) -> None:
    """However many there are of each: halfway between the clouds P(human) is 1/2."""
    ours, theirs = gaussians(people, simulated, 3)
    made = train(ours, owners("p", people, 1), theirs, owners("t", simulated, 1))
    assert made.score(np.zeros((1, 3)))[0] == pytest.approx(0.5, abs=0.06)
    assert (made.people_p.mean() + made.simulated_p.mean()) / 2 == pytest.approx(0.5, abs=0.04)


def test_brier_weighs_both_classes_the_same() -> None:
    made = Discriminator((), np.array([0.9]), np.array([0.5, 0.5, 0.5]))
    assert made.brier == pytest.approx((0.1**2 + 0.5**2) / 2)
    assert made.auc == 1.0


def test_nothing_is_pickled() -> None:
    package = Path(discriminator.__file__).parent
    for path in package.glob("*.py"):
        names = {
            name
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
        }
        assert not {name.split(".")[0] for name in names} & {"pickle", "joblib", "shelve", "marshal", "dill"}, path
    stored = [path for part in ("fitness", "seeds", "archive") for path in content.root(part).rglob("*")]
    assert not [path for path in stored if path.suffix in {".pkl", ".pickle", ".joblib", ".npy", ".npz"}]


# -- control -------------------------------------------------------------------------------------------------------------------


def test_the_judge_does_not_merely_know_the_kind_of_business() -> None:
    """Trained without a business, it still tells its people from the simulator; and people of all businesses look alike to it."""
    found = control("service", episodes=192)
    assert len(found.groups) == 6
    for group, row in found.groups.items():
        assert row["auc"] >= 0.9, group
        assert row["people"] > 0.5 > row["simulated"], group
    assert found.explained <= 0.05
    assert found.explained_log_odds <= 0.10


def test_explained_variance_by_hand() -> None:
    values = np.array([1.0, 3.0, 5.0, 7.0])
    assert explained_variance(values, ["a", "a", "b", "b"]) == pytest.approx(16 / 20)
    assert explained_variance(values, ["a", "b", "b", "a"]) == pytest.approx(0.0)
