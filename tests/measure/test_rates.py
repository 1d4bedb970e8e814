"""Success rates of dependent dialogues: intervals that cover, differences, and many comparisons."""

from __future__ import annotations

import numpy as np
import pytest

from personaevo.measure.stats import benjamini_hochberg, rate_difference, rate_interval, student_factor


def tasks(count: int, each: int) -> list[str]:
    return [str(index) for index in range(count) for _ in range(each)]


def test_independent_dialogues_have_wilsons_interval() -> None:
    """By hand for 6 of 10, one dialogue for each task."""
    mean, low, high = rate_interval([True] * 6 + [False] * 4, tasks(10, 1))
    n, z2 = 10 / (10 / 9), student_factor(9) ** 2  # the design effect of one each is G / (G - 1)
    middle, half = (0.6 + z2 / (2 * n)) / (1 + z2 / n), (z2 * (0.24 / n + z2 / (4 * n * n))) ** 0.5 / (1 + z2 / n)
    assert (mean, low, high) == pytest.approx((0.6, middle - half, middle + half))


def test_dialogues_that_agree_within_tasks_count_less() -> None:
    mixed = rate_interval([True, False] * 10, tasks(10, 2))
    alike = rate_interval([True, True, False, False] * 5, tasks(10, 2))
    assert mixed[0] == alike[0] == 0.5
    assert alike[2] - alike[1] > 1.3 * (mixed[2] - mixed[1])


@pytest.mark.parametrize(("success", "owner"), [([True] * 40, tasks(8, 5)), ([True] * 3, ["a"] * 3), ([True], ["a"])])
def test_nothing_is_certain(success: list[bool], owner: list[str]) -> None:
    mean, low, high = rate_interval(success, owner)
    assert mean == high == 1.0
    assert 0.0 <= low < 0.95
    assert rate_interval([not one for one in success], owner) == pytest.approx((0.0, 0.0, 1.0 - low))


def test_intervals_cover_and_p_values_are_honest() -> None:
    """Tasks differ in difficulty; 95 % intervals hold the truth about that often, and 5 % of differences of nothing are found at most."""
    rng, owner, runs = np.random.default_rng(1), np.array(tasks(12, 5)), 400
    held = close = found = 0
    for _ in range(runs):
        success = rng.random(60) < np.repeat(rng.beta(4, 2, 12), 5)
        _, low, high = rate_interval(list(success), list(owner))
        held += low <= 4 / 6 <= high
        side = rng.random(60) < 1 / 3
        _, low, high, p = rate_difference(success[side], owner[side], success[~side], owner[~side])
        close += low <= 0 <= high
        found += p < 0.05
    assert 0.92 <= held / runs <= 0.99
    assert close / runs >= 0.94
    assert found / runs <= 0.06


def test_a_difference_that_is_there_is_found() -> None:
    difference, low, high, p = rate_difference([True] * 40, tasks(10, 4), [True, False] * 20, tasks(10, 4))
    assert difference == 0.5
    assert 0 < low < 0.5 < high <= 1.0
    assert p < 0.001


def test_what_tasks_share_cancels_in_a_difference() -> None:
    """Half of the tasks always succeed, on both sides alike."""
    hard = [index % 2 == 0 for index in range(10) for _ in range(4)]
    difference, low, high, _ = rate_difference(hard, tasks(10, 4), hard, tasks(10, 4))
    _, least, most = rate_interval(hard, tasks(10, 4))
    assert difference == 0.0
    assert high - low < most - least


def test_five_against_none_is_not_certain() -> None:
    difference, low, high, p = rate_difference([False] * 5, tasks(5, 1), [True] * 5, tasks(5, 1))
    assert (difference, low) == (-1.0, -1.0)
    assert -0.7 < high < 0
    assert 0.001 < p < 0.05


def test_one_task_is_no_error() -> None:
    difference, low, high, p = rate_difference([True, True], ["a"] * 2, [False, True], ["a"] * 2)
    assert (difference, high) == (0.5, 1.0)
    assert low < -0.9
    assert p > 0.2


def test_benjamini_hochberg_by_hand() -> None:
    assert benjamini_hochberg([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.5])
    assert benjamini_hochberg([0.9, 0.9]) == [0.9, 0.9]
    assert benjamini_hochberg([]) == []
