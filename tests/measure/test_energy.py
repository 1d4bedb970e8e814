"""The energy distance and its space: by hand, without bias, and with no blind side."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from personaevo.measure.energy import Space, Target, energy_distance
from personaevo.records import Floats

N = 10**9  # so many dialogues that the term in 1/n is nothing


def cloud(n: int, seed: int, d: int = 3) -> Floats:
    return np.asarray(np.random.default_rng(seed).normal(size=(n, d)))


def distance(points: Floats, people: Floats, n: int = N, lost: Floats | None = None) -> float:
    found = energy_distance(points, np.zeros(len(points), int), np.ones((1, 1)), Target.of(people), n, lost)
    return float(found[0])


def plain(points: Floats, people: Floats, n: int) -> float:
    """The formula with its sums written out."""

    def mean(first: Floats, second: Floats, *, same: bool) -> float:
        found = [np.linalg.norm(one - two) for i, one in enumerate(first) for j, two in enumerate(second) if not same or i != j]
        return float(np.mean(found))

    energy = 2 * mean(points, people, same=False) - (1 - 1 / n) * mean(points, points, same=True) - mean(people, people, same=True)
    return max(energy, 0.0) ** 0.5


# -- the distance --------------------------------------------------------------------------------------------------------------


def test_by_hand() -> None:
    """People at 0 and 4, two dialogues at 1 and 5: 2 · 2.5 − (1 − 1/2) · 4 − 4 is less than nothing; with both at 9 it is 14 − 4."""
    people = np.array([[0.0], [4.0]])
    target = Target.of(people)
    assert target.within == 4.0
    assert target.farthest == 2.0
    assert target.distances(np.array([[1.0], [5.0]])).tolist() == [2.0, 3.0]
    assert distance(np.array([[1.0], [5.0]]), people, 2) == 0.0
    assert distance(np.array([[9.0], [9.0]]), people, 2) == pytest.approx(10**0.5)
    assert distance(np.array([[9.0], [11.0]]), people, 2) == pytest.approx((2 * 8 - 0.5 * 2 - 4) ** 0.5)


@given(st.integers(2, 12), st.integers(2, 9), st.integers(0, 99), st.integers(1, 200))
@settings(max_examples=30)
def test_equal_to_the_plain_formula(size: int, people: int, seed: int, n: int) -> None:
    ours, theirs = cloud(size, seed) + 1.0, cloud(people, seed + 100)
    assert distance(ours, theirs, n) == pytest.approx(plain(ours, theirs, n))


@given(st.lists(st.integers(0, 3), min_size=4, max_size=4).filter(lambda weights: sum(weights) > 1), st.integers(0, 99))
@settings(max_examples=30)
def test_a_weight_is_so_many_calls_of_which_none_meets_itself(weights: list[int], seed: int) -> None:
    """The dialogues of a call that is drawn twice are there twice; pairs of a dialogue with itself are left out."""
    points, calls = cloud(12, seed) + 2.0, np.arange(12) % 4
    target = Target.of(cloud(20, 1))
    found = energy_distance(points, calls, np.array([weights], dtype=float), target, N)[0]
    drawn = [index for call, times in enumerate(weights) for index in np.flatnonzero(calls == call) for _ in range(times)]
    pairs = [np.linalg.norm(points[i] - points[j]) for a, i in enumerate(drawn) for b, j in enumerate(drawn) if a != b and i != j]
    energy = 2 * target.distances(points[drawn]).mean() - np.mean(pairs) - target.within
    assert found == pytest.approx(max(0.0, float(energy)) ** 0.5)


def test_many_weightings_at_once() -> None:
    points, calls, weights = cloud(12, 3) + 1.0, np.arange(12) % 4, np.random.default_rng(1).integers(1, 4, size=(7, 4)).astype(float)
    target = Target.of(cloud(20, 1))
    together = energy_distance(points, calls, weights, target, 30)
    singly = [energy_distance(points, calls, row[None], target, 30)[0] for row in weights]
    assert together == pytest.approx(singly)


def test_dialogues_drawn_twice_do_not_bias() -> None:
    """Draws of people with replacement are on average as far from other people as draws of new ones are."""
    rng, target, pool = np.random.default_rng(1), Target.of(cloud(300, 1)), cloud(300, 2) + 0.5
    weights = rng.multinomial(60, np.full(300, 1 / 300), size=300).astype(float)
    again = energy_distance(pool, np.arange(300), weights, target, 60) ** 2
    fresh = [distance(pool[rng.permutation(300)[:60]], cloud(300, 1), 60) ** 2 for _ in range(60)]
    assert again.mean() == pytest.approx(np.mean(fresh), rel=0.04)


def test_the_number_of_people_does_not_bias() -> None:
    found = [np.mean([distance(cloud(100, seed) + 1.0, cloud(m, seed + 50)) ** 2 for seed in range(40)]) for m in (10, 40, 200)]
    assert found[0] == pytest.approx(found[2], rel=0.08)
    assert found[1] == pytest.approx(found[2], rel=0.05)


def test_few_dialogues_show_less_of_themselves() -> None:
    """The term in 1/n is the same for everybody who is compared at n."""
    points, people = cloud(50, 1) + 1.0, cloud(80, 2)
    spread = Target.of(points).within
    assert distance(points, people, 10) ** 2 - distance(points, people) ** 2 == pytest.approx(spread / 10)


def test_equal_populations_are_near_and_each_difference_is_far() -> None:
    people = cloud(400, 1)
    near = distance(cloud(400, 2), people)
    for other in (cloud(400, 2) + 0.5, cloud(400, 2) * 2, cloud(400, 2) * 0.5, np.zeros((400, 3))):
        assert distance(other, people) > 2 * near


# -- what failed ---------------------------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(
    shift=st.floats(-2, 2), scale=st.floats(0, 2), seed=st.integers(0, 99), before=st.sets(st.integers(0, 19)), one=st.integers(0, 19),
    place=st.floats(-6, 6), n=st.integers(5, 100),
)  # fmt: skip
def test_losing_a_dialogue_never_brings_nearer(
    shift: float, scale: float, seed: int, before: set[int], one: int, place: float, n: int
) -> None:
    """Wherever a lost one would stand and wherever the others lie: as a place in the space it would balance what is off the other way."""
    target = Target.of(cloud(60, 1))
    points = cloud(20, seed) * scale + shift
    points[np.linalg.norm(points, axis=1) > 3.0] *= 0.3  # none is farther out than anybody among people
    far = []
    for rows in (before - {one}, before | {one}):
        lost = np.isin(np.arange(20), list(rows))
        placed = np.where(lost[:, None], place, points)
        far.append(energy_distance(placed, np.arange(20) % 4, np.ones((1, 4)), target, n, lost)[0])
    assert far[1] >= far[0] - 1e-9


def test_none_lost_is_as_if_nothing_was_said() -> None:
    points, people = cloud(20, 1) + 1.0, cloud(30, 2)
    assert distance(points, people, 20, np.zeros(20, bool)) == distance(points, people, 20)


# -- the space -----------------------------------------------------------------------------------------------------------------


def test_normal_scores_of_mid_ranks() -> None:
    people = np.array([[1.0], [2.0], [2.0], [5.0]])
    space = Space.of(people)
    known, normal = space.marks[0]
    assert known.tolist() == [1.0, 2.0, 5.0]
    assert normal == pytest.approx(ndtri([1 / 8, 1 / 2, 7 / 8]))
    placed = space(people)[:, 0]
    assert placed.std() == pytest.approx(1.0)
    assert placed[1] == placed[2] == pytest.approx(0.0)
    assert space(np.array([[3.5]]))[0, 0] == pytest.approx(placed[3] / 2)  # half way between 2 and 5


def test_what_lies_beyond_people_goes_on() -> None:
    people = np.random.default_rng(1).exponential(size=(200, 3))
    space = Space.of(people)
    top = people.max(axis=0)
    steps = [np.linalg.norm(space((top + far * people.std(axis=0))[None])) for far in (0.0, 1.0, 2.0, 10.0)]
    assert steps == sorted(steps)
    assert steps[3] > 3 * steps[0]
    below = [space((people.min(axis=0) - far)[None]).sum() for far in (0.0, 1.0, 2.0)]
    assert below == sorted(below, reverse=True)


@given(st.integers(0, 50))
@settings(max_examples=20)
def test_units_do_not_matter(seed: int) -> None:
    people, others = cloud(50, seed), cloud(20, seed + 1) * 2
    stretched = Space.of(people * np.array([8.0, 0.5, 64.0]))(others * np.array([8.0, 0.5, 64.0]))
    assert stretched == pytest.approx(Space.of(people)(others), abs=1e-8)


def test_whitening_sees_what_people_never_show_together() -> None:
    """Two behaviors that go together: who shows one without the other is farther out than who shows more of both."""
    rng = np.random.default_rng(1)
    both = rng.normal(size=(500, 1)) + 0.3 * rng.normal(size=(500, 2))
    space = Space.of(both)
    against, along = (np.linalg.norm(space(np.array([pair]))) for pair in ([1.0, -1.0], [1.0, 1.0]))
    assert against > 1.5 * along
    points = space(both)
    apart = np.column_stack([rng.permutation(column) for column in both.T])
    target = points[:250]
    assert distance(space(apart), target) > 2 * distance(points[250:], target)


def test_constant_columns_are_dropped() -> None:
    people = np.column_stack([cloud(60, 1), np.full(60, 0.1), np.zeros(60)])
    space = Space.of(people)
    assert space.kept.tolist() == [True, True, True, False, False]
    assert space(people).shape == (60, 3)
    moved = people + np.array([0.0, 0.0, 0.0, 9.0, 9.0])
    assert (space(moved) == space(people)).all()


def test_one_column_and_columns_that_are_copies() -> None:
    people = cloud(60, 1, 1)
    assert Space.of(people)(people).shape == (60, 1)
    twins = Space.of(np.repeat(people, 3, axis=1))(np.repeat(people, 3, axis=1))
    assert np.isfinite(twins).all()
    assert np.abs(twins).max() < 10.0
