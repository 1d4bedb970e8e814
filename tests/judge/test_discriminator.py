"""The discriminator: a forest with an inside, cross-fitted by person and task, calibrated, with prior 1/2 and kinds that weigh the same."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from judge_cases import NAMES, negatives, people_of

from benchmarks.judge_control import explained_variance
from personaevo import content
from personaevo.judge import discriminator
from personaevo.judge.discriminator import Discriminator, Negatives, train
from personaevo.measure.energy import Space
from personaevo.records import Floats


def gaussians(people: int, simulated: int, seed: int, apart: float = 1.0) -> tuple[Floats, Floats]:
    """Two overlapping clouds in three dimensions, ``apart`` in the first."""
    rng = np.random.default_rng(seed)
    shift = np.array([apart / 2, 0.0, 0.0])
    return rng.normal(size=(people, 3)) + shift, rng.normal(size=(simulated, 3)) - shift


def owners(kind: str, n: int, each: int) -> list[str]:
    return [f"{kind}{index // each}" for index in range(n)]


def one_kind(values: Floats, each: int = 1) -> Mapping[str, Negatives]:
    return {"simulated": Negatives(values, tuple(owners("t", len(values), each)))}


@pytest.fixture(scope="module")
def judge() -> Discriminator:
    people, simulated = gaussians(600, 400, 1)
    return train(people, owners("p", 600, 3), one_kind(simulated, 10), seed=2)


def auc(human: Floats, machine: Floats) -> float:
    return float((human[:, None] > machine[None, :]).mean() + 0.5 * (human[:, None] == machine[None, :]).mean())


def by_model(judge: Discriminator, values: Floats) -> Floats:
    """P(human) of each row by each fold model, ``[n, folds]``."""
    found = [model.calibrated(model.judge.shares(values)) for model in judge.models]
    assert judge.score(values) == pytest.approx(np.mean(found, axis=0), abs=1e-15)  # one walk through all forests says the same
    return np.stack(found, axis=1)


# -- an inside -----------------------------------------------------------------------------------------------------------------


def test_beyond_people_is_not_more_human() -> None:
    """People moved away from the simulator, beyond where people are: a linear judge would be ever surer of them."""
    people = people_of(150, 1)
    made = train(people.values, people.persons, negatives(), 1)
    others = people_of(100, 20).values
    away = others.mean(axis=0) - negatives()["persona_free"].values.mean(axis=0)
    found = [made.score(others + far * away).mean() for far in (0.0, 1.0, 2.0, 4.0, 20.0)]
    assert found[1] < found[0] + 0.05  # still among people
    assert found[1:] == sorted(found[1:], reverse=True)
    assert found[2] < 0.7 * found[0]


def test_a_direction_in_which_no_negative_lies_is_no_way_out() -> None:
    """Negatives on one side in the first column only; people moved out in the second one."""
    rng = np.random.default_rng(2)
    people, simulated = rng.normal(size=(300, 3)), rng.normal(size=(300, 3)) * 0.5 + np.array([-2.0, 0.0, 0.0])
    wide = rng.normal(size=(300, 3)) * np.array([3.0, 1.0, 1.0])
    kinds = {"simulated": Negatives(simulated, tuple(owners("t", 300, 5))), "wide": Negatives(wide, tuple(owners("t", 300, 5)))}
    made = train(people, owners("p", 300, 1), kinds, 1)
    inside = rng.normal(size=(200, 3))
    assert made.score(inside + np.array([0.0, 8.0, 0.0])).mean() < 0.8 * made.score(inside).mean()


def test_the_added_column_is_the_distance_in_peoples_space() -> None:
    values = people_of(60, 1).values
    space = Space.of(values)
    columns = discriminator._columns(values, space)
    assert columns.shape == (120, len(NAMES) + 1)
    assert (columns[:, :-1] == values).all()
    assert columns[:, -1] == pytest.approx(np.linalg.norm(space(values), axis=1) / len(NAMES) ** 0.5)


# -- the forest ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_walk_is_that_of_the_library(seed: int) -> None:
    from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415 - takes a second to load

    rng = np.random.default_rng(seed)
    values, truth = np.round(rng.normal(size=(300, 5)), 1), (rng.random(300) < 0.5).astype(float)
    fitted = RandomForestClassifier(7, min_samples_leaf=3, random_state=seed).fit(values, truth, rng.random(300))
    fresh = np.round(rng.normal(size=(500, 5)) * 2, 1)  # on the thresholds too
    assert discriminator._Forest.of(fitted)(fresh) == pytest.approx(fitted.predict_proba(fresh)[:, 1])


def test_trees_that_are_one_leaf_can_be_walked() -> None:
    from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415

    fitted = RandomForestClassifier(3, min_samples_leaf=20, random_state=0).fit(np.zeros((30, 2)), np.arange(30) % 2)
    assert discriminator._Forest.of(fitted)(np.ones((4, 2))) == pytest.approx(fitted.predict_proba(np.ones((4, 2)))[:, 1])


# -- cross-fitting -------------------------------------------------------------------------------------------------------------


def test_nobody_is_on_both_sides_of_a_fold(judge: Discriminator) -> None:
    """Which model gave the out-of-fold scores of a person or task is found by these scores: one model gave all of them."""
    people, simulated = gaussians(600, 400, 1)
    for values, scores, owner in (
        (people, judge.people_p, owners("p", 600, 3)),
        (simulated, judge.negatives_p["simulated"], owners("t", 400, 10)),
    ):
        matches = np.abs(by_model(judge, values) - scores[:, None]) < 1e-12
        assert matches.any(axis=1).all()
        held: dict[str, set[int]] = {}
        for name, row in zip(owner, matches, strict=True):
            held[name] = held.get(name, set(range(len(judge.models)))) & set(np.flatnonzero(row).tolist())
        assert all(held.values())
        assert set.union(*held.values()) == set(range(len(judge.models)))


def test_out_of_fold_scores_come_from_models_that_did_not_see_them() -> None:
    """On noise a model that saw the rows tells them apart; the out-of-fold scores do not."""
    rng = np.random.default_rng(5)
    people, simulated = rng.normal(size=(120, 20)), rng.normal(size=(120, 20))
    made = train(people, owners("p", 120, 1), one_kind(simulated), seed=1)
    assert auc(made.score(people), made.score(simulated)) > 0.8
    assert 0.38 <= made.auc <= 0.62


def test_what_marks_a_person_does_not_leak() -> None:
    """Every person and task has a fingerprint of its own, repeated; with rows dealt out singly the judge would know them all."""
    rng = np.random.default_rng(6)
    marks = rng.normal(size=(80, 20))
    rows = np.repeat(marks, 5, axis=0) + rng.normal(scale=0.01, size=(400, 20))
    made = train(rows[:200], owners("p", 200, 5), one_kind(rows[200:], 5), seed=1)
    known = made.score(rows)
    assert auc(known[:200], known[200:]) > 0.9
    assert 0.25 <= made.auc <= 0.75


def test_a_person_and_a_task_of_one_name_are_two() -> None:
    people, simulated = gaussians(100, 100, 4)
    made = train(people, owners("x", 100, 2), {"simulated": Negatives(simulated, tuple(owners("x", 100, 2)))}, seed=1)
    again = train(people, owners("x", 100, 2), {"simulated": Negatives(simulated, tuple(owners("y", 100, 2)))}, seed=1)
    assert made.auc == pytest.approx(again.auc, abs=0.1)


def test_a_score_is_the_mean_of_the_fold_models(judge: Discriminator) -> None:
    values, _ = gaussians(50, 1, 9)
    assert len(judge.models) == discriminator.FOLDS
    assert judge.score(values) == pytest.approx(by_model(judge, values).mean(axis=1))
    assert judge.score(np.empty((0, 3))).shape == (0,)


def test_training_depends_on_what_is_given_alone() -> None:
    people, simulated = gaussians(100, 80, 1)
    first, second = (train(people, owners("p", 100, 3), one_kind(simulated, 10), seed=2) for _ in range(2))
    assert (first.people_p == second.people_p).all()
    assert (first.negatives_p["simulated"] == second.negatives_p["simulated"]).all()


# -- calibration and weights ---------------------------------------------------------------------------------------------------


def test_calibrated_on_people_it_never_saw(judge: Discriminator) -> None:
    people, simulated = gaussians(3000, 3000, 77)
    both = np.vstack([people, simulated])
    scores, truth = judge.score(both), np.r_[np.ones(3000), np.zeros(3000)]
    best = 1 / (1 + np.exp(-both[:, 0]))  # Bayes: unit gaussians one apart
    assert ((scores - truth) ** 2).mean() <= ((best - truth) ** 2).mean() + 0.02
    bins = np.digitize(scores, np.linspace(0.1, 0.9, 9))
    for number in np.unique(bins):
        inside = bins == number
        if inside.sum() >= 200:
            assert scores[inside].mean() == pytest.approx(truth[inside].mean(), abs=0.1)
    assert judge.brier == pytest.approx(((best - truth) ** 2).mean(), abs=0.04)


@pytest.mark.parametrize(("people", "simulated"), [(600, 120), (120, 600)])
def test_the_prior_is_one_half(people: int, simulated: int) -> None:
    """However many there are of each: on average half of what is asked about is human."""
    ours, theirs = gaussians(people, simulated, 3)
    made = train(ours, owners("p", people, 1), one_kind(theirs))
    assert (made.people_p.mean() + made.negatives_p["simulated"].mean()) / 2 == pytest.approx(0.5, abs=0.05)


def test_kinds_weigh_the_same() -> None:
    """However many dialogues there are of each."""
    weights = discriminator._weights(6, [2, 4])
    assert weights.mean() == pytest.approx(1.0)
    assert [weights[:6].sum(), weights[6:8].sum(), weights[8:].sum()] == pytest.approx([6.0, 3.0, 3.0])
    rng = np.random.default_rng(3)
    people, first, second = (rng.normal(size=(300, 2)) + middle for middle in ([0.0, 0.0], [2.5, 0.0], [0.0, 2.5]))
    means = []
    for size in (300, 30):
        kinds = {"first": Negatives(first[:size], tuple(owners("t", size, 1))), "second": Negatives(second, tuple(owners("t", 300, 1)))}
        made = train(people, owners("p", 300, 1), kinds, 1)
        means.append(made.score(rng.normal(size=(500, 2)) + np.array([2.5, 0.0])).mean())
    assert means[1] == pytest.approx(means[0], abs=0.15)


def test_platt_by_hand() -> None:
    """Scores that are the true log odds are left as they are, weights are heeded."""
    rng = np.random.default_rng(1)
    scores = rng.normal(size=20_000)
    truth = (rng.random(20_000) < 1 / (1 + np.exp(-(2 * scores - 0.5)))).astype(float)
    assert discriminator._platt(scores, truth, np.ones(20_000)) == pytest.approx((2.0, -0.5), abs=0.06)
    odds = discriminator._platt(np.zeros(2), np.array([1.0, 0.0]), np.array([3.0, 1.0]))[1]
    assert odds == pytest.approx(np.log(3), abs=1e-3)


def test_brier_weighs_both_classes_and_all_kinds_the_same() -> None:
    made = Discriminator((), np.array([0.9]), {"one": np.array([0.5, 0.5, 0.5]), "two": np.array([0.1])})
    assert made.brier == pytest.approx((0.1**2 + (0.5**2 + 0.1**2) / 2) / 2)
    assert made.auc == 1.0


def test_nothing_is_pickled() -> None:
    package = Path(discriminator.__file__).parent
    for path in package.rglob("*.py"):
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


def test_explained_variance_by_hand() -> None:
    values = np.array([1.0, 3.0, 5.0, 7.0])
    assert explained_variance(values, ["a", "a", "b", "b"]) == pytest.approx(16 / 20)
    assert explained_variance(values, ["a", "b", "b", "a"]) == pytest.approx(0.0)
