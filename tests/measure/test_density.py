"""Densities, and samples that do not lose the rare ones."""

from __future__ import annotations

import numpy as np
import pytest

from personaevo.measure.cells import densities, sample


def test_by_hand() -> None:
    """Five points on a line: k = ceil(sqrt(5)) = 3, so each counts the distance to its third nearest."""
    points = np.array([[0.0], [1.0], [2.0], [3.0], [10.0]])
    assert densities(points).tolist() == [1 / 3, 1 / 2, 1 / 2, 1 / 3, 1 / 9]


def test_few_or_equal_points() -> None:
    assert densities(np.zeros((0, 2))).tolist() == []
    assert densities(np.zeros((1, 2))).tolist() == [0.0]
    assert np.isinf(densities(np.zeros((4, 2)))).all()


def test_all_are_taken_where_there_is_room() -> None:
    assert sample(np.zeros((0, 2)), 5, np.random.default_rng(0)) == {}
    assert sample(np.eye(4), 4, np.random.default_rng(0)) == dict.fromkeys(range(4), 0.25)


@pytest.mark.parametrize("seed", range(20))
def test_the_rare_are_there_and_count_for_no_more_than_they_are(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = np.concatenate([rng.normal(size=(90, 3)), rng.normal(size=(10, 3)) * 9 + 90])
    found = sample(points, 12, np.random.default_rng(seed))
    assert len(found) == 12 and sum(found.values()) == pytest.approx(1.0)
    far = [share for index, share in found.items() if index >= 90]
    assert far == pytest.approx([0.1 / 3] * 3)  # a quarter of the seats; 12 at random would hold none of them in every fourth draw


def test_shares_are_unbiased() -> None:
    """The weighted mean of samples is the mean of all."""
    points = np.random.default_rng(1).gamma(0.5, size=(60, 1))
    means = []
    for seed in range(400):
        found = sample(points, 12, np.random.default_rng(seed))
        means.append(sum(share * points[index, 0] for index, share in found.items()))
    error = np.std(means) / np.sqrt(len(means))
    assert abs(np.mean(means) - points.mean()) < 4 * error


def test_one_seat() -> None:
    found = sample(np.arange(9.0)[:, None], 1, np.random.default_rng(3))
    assert list(found.values()) == [1.0]
