"""The proper score ranks a true distribution above its mean and above one that is too wide, however it is attacked."""

from __future__ import annotations

import numpy as np
import pytest

from personaevo.measure.energy import distances, energy_scores, own_score, share_farther, spreads
from personaevo.records import Floats
from personaevo.refine.features import ASSUMED, Components, NormalScores, normal_grid

DIMENSIONS, PEOPLE, ITEMS = 12, 200, 4


def known_truth(seed: int = 0) -> tuple[Floats, Floats]:
    """People's means ``[p, d]`` and items ``[p, i, d]`` around them: a third of the variance is between people."""
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(PEOPLE, DIMENSIONS)) * np.sqrt(1 / 3)
    return means, means[:, None] + rng.normal(size=(PEOPLE, ITEMS, DIMENSIONS)) * np.sqrt(2 / 3)


def mean_score(means: Floats, truths: Floats, spread: float, seed: int = 1) -> float:
    """Of simulated dialogues around each person's ``means``, as wide as ``spread`` times the truth."""
    rng = np.random.default_rng(seed)
    plays = rng.normal(size=(len(means), 40, DIMENSIONS)) * np.sqrt(2 / 3) * spread
    return float(np.mean([energy_scores(mean + play, truth[None])[0] for mean, play, truth in zip(means, plays, truths, strict=True)]))


def test_by_hand() -> None:
    assert energy_scores(np.array([[0.0], [2.0]]), np.array([[1.0], [5.0]])).tolist() == [1 - 1, 4 - 1]
    assert energy_scores(np.array([[3.0]]), np.array([[1.0]])).tolist() == [2.0]
    assert own_score(np.array([[0.0], [4.0]]), np.array([[1.0]])).tolist() == [1.0]
    apart = distances(np.array([[0.0], [2.0]]), np.array([[0.0], [2.0]]))
    assert spreads(apart, np.array([[1.0, 1.0], [2.0, 0.0]])).tolist() == [2.0, 0.0]
    assert share_farther(np.array([1.0, 2.0, 3.0]), 2.0, np.ones(3)) == 0.5


def test_the_truth_beats_its_mean_a_wide_one_the_population_and_other_people() -> None:
    """In a simulation with known truth; a distance to the mean prefers the constant."""
    means, items = known_truth()
    truths = items[:, -1]
    true = mean_score(means, truths, 1.0)
    for worse in (mean_score(means, truths, 0.0), mean_score(means, truths, 0.3), mean_score(means, truths, 2.0)):
        assert worse > true + 0.02
    population = np.zeros_like(means)
    assert true < mean_score(population, truths, np.sqrt(1.5)) < mean_score(population, truths, 3.0)
    assert mean_score(np.roll(means, 1, axis=0), truths, 1.0) > mean_score(population, truths, np.sqrt(1.5))
    assert true == pytest.approx(np.mean([own_score(own[:-1], own[-1:])[0] for own in items]), abs=0.05)


def test_few_role_plays_are_as_good_as_many_on_average() -> None:
    rng = np.random.default_rng(3)
    few = np.mean([energy_scores(rng.normal(size=(2, 3)), rng.normal(size=(1, 3)))[0] for _ in range(4000)])
    many = np.mean([energy_scores(rng.normal(size=(200, 3)), rng.normal(size=(1, 3)))[0] for _ in range(1000)])
    assert few == pytest.approx(many, abs=0.05)


# --- normal scores


def test_people_are_standard_normal_on_it_whatever_they_were() -> None:
    rng = np.random.default_rng(0)
    skewed, stepped = np.exp(rng.normal(size=400)), (rng.random(400) < 0.3).astype(float)
    rare = np.where(rng.random(400) < 0.5, np.nan, rng.random(400))
    people = np.column_stack([skewed, np.full(400, 7.0), stepped, rare, np.full(400, np.nan)])
    scale = NormalScores.of(people)
    assert scale.kept.tolist() == [True, False, True, True, False]
    scores = scale(people)
    np.testing.assert_allclose(np.nanmean(scores, axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(np.nanstd(scores, axis=0), 1, atol=1e-9)
    assert (np.isnan(scores) == np.isnan(people[:, scale.kept])).all()
    np.testing.assert_allclose(scale.back(scores)[:, 0], skewed)


def test_what_lies_beyond_people_goes_on() -> None:
    scale = NormalScores.of(np.arange(10.0)[:, None])
    low, top, far = scale(np.array([[-5.0], [9.0], [9.0 + scale.sd[0]]]))[:, 0]
    assert far == pytest.approx(top + 1) and low < -top
    assert scale.back(np.array([[99.0], [-99.0]]))[:, 0].tolist() == [9.0, 0.0]
    assert abs(normal_grid().mean()) < 1e-9 and normal_grid().std() == pytest.approx(1, abs=0.01)


# --- shrinkage


def rows_of(items: Floats) -> tuple[Floats, Floats]:
    return items.reshape(-1, DIMENSIONS), np.repeat(np.arange(PEOPLE), ITEMS)


def test_components_are_found_again() -> None:
    found = Components.of(*rows_of(known_truth()[1]))
    assert found.correlation == pytest.approx(1 / 3, abs=0.1) and found.within.mean() == pytest.approx(2 / 3, abs=0.05)
    assert (found.freedom > 20).all()  # people's variances are all alike


def test_the_posterior_goes_its_share_of_the_way() -> None:
    values, people = rows_of(known_truth()[1])
    found = Components.of(values, people)
    own = found.posterior(values[:3])
    share = 3 * found.correlation / (1 + 2 * found.correlation)
    np.testing.assert_allclose(own.mean, found.mean + share * (values[:3].mean(axis=0) - found.mean))
    anybody = found.posterior(values[:0])
    np.testing.assert_allclose(anybody.mean, found.mean)
    np.testing.assert_allclose(anybody.sd**2, found.between + found.within)
    assert (own.doubt < anybody.doubt).all() and (own.share > found.posterior(values[:1]).share).all()


def test_the_shrunk_beat_people_and_population() -> None:
    """Nearer to true means than the person's own mean and than the mean of all; the same in the proper score."""
    means, items = known_truth(4)
    found = Components.of(*rows_of(items))
    shrunk = np.array([found.posterior(own[:2]).mean for own in items])
    errors = [float(((guess - means) ** 2).mean()) for guess in (shrunk, items[:, :2].mean(axis=1), np.zeros_like(means))]
    assert errors[0] < min(errors[1:])
    truths = items[:, -1]
    others = mean_score(items[:, :2].mean(axis=1), truths, 1.1), mean_score(np.zeros_like(means), truths, 1.22)
    assert mean_score(shrunk, truths, 1.1) < min(others)


def test_occasions_that_are_missing_say_nothing() -> None:
    values, people = rows_of(known_truth()[1])
    values[:, 0] = np.where(np.random.default_rng(0).random(len(values)) < 0.5, np.nan, values[:, 0])
    found = Components.of(values, people)
    assert found.correlation[0] == pytest.approx(1 / 3, abs=0.15)
    rows = values[:3].copy()
    rows[:, 1] = np.nan
    own = found.posterior(rows)
    assert own.share[1] == 0 and own.mean[1] == found.mean[1] and np.isfinite(own.sd).all()


def test_wide_people_are_told_from_narrow_ones() -> None:
    rng = np.random.default_rng(0)
    widths = np.where(np.arange(PEOPLE) % 2, 0.3, 2.0)
    items = rng.normal(size=(PEOPLE, ITEMS, 1)) * widths[:, None, None]
    found = Components.of(items.reshape(-1, 1), np.repeat(np.arange(PEOPLE), ITEMS))
    assert found.freedom[0] < 10
    narrow, wide = (found.posterior(items[index]).within[0] for index in (1, 2))
    assert narrow < found.within[0] < wide or narrow < wide


@pytest.mark.parametrize("groups", [np.arange(30), np.repeat(np.arange(15), 2)])
def test_identical_and_single_items(groups: object) -> None:
    """Where nobody has two, a correlation is assumed; where people's items are identical, it is whole."""
    values = np.random.default_rng(0).normal(size=(30, 2))
    if len(set(groups.tolist())) < 30:  # type: ignore[attr-defined]
        values[1::2] = values[::2]
    found = Components.of(values, groups)
    expected = ASSUMED if len(set(groups.tolist())) == 30 else 1.0  # type: ignore[attr-defined]
    assert found.correlation == pytest.approx(expected)
    assert np.isfinite(found.posterior(values[:2]).sd).all()
