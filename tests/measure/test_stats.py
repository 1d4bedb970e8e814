"""Uncertainty: bootstrap over groups, Student intervals, paired differences."""

from __future__ import annotations

import numpy as np
import pytest

from personaevo.measure.stats import bootstrap_se, bootstrap_weights, paired_difference, student_factor


def test_bootstrap_draws_as_many_groups_as_there_are() -> None:
    weights = bootstrap_weights(7)
    assert weights.shape[1] == 7
    assert (weights.sum(axis=1) == 7).all()
    assert (bootstrap_weights(7) == weights).all()
    assert weights.mean() == pytest.approx(1.0)


def test_the_standard_error_of_a_mean_is_the_textbooks() -> None:
    """For means of equal groups the bootstrap estimates s / sqrt(G)."""
    values = np.random.default_rng(1).normal(size=12)
    weights = bootstrap_weights(12)
    drawn = weights @ values / weights.sum(axis=1)
    assert bootstrap_se(drawn, 12) == pytest.approx(values.std(ddof=1) / 12**0.5, rel=0.1)


def test_one_group_tells_nothing_of_its_error() -> None:
    assert bootstrap_se(np.array([0.2, 0.9]), 1) == 0.0
    assert bootstrap_se(np.full(50, 0.3), 5) == pytest.approx(0.0, abs=1e-12)


def test_student_factors_are_those_of_the_tables() -> None:
    assert student_factor(1) == pytest.approx(12.706, abs=0.001)
    assert student_factor(4) == pytest.approx(2.776, abs=0.001)
    assert student_factor(1000) == pytest.approx(1.962, abs=0.001)
    assert student_factor(9, level=0.90) == pytest.approx(1.833, abs=0.001)


def test_paired_differences_take_the_pairs_common_part_out() -> None:
    mean, low, high = paired_difference([0.9, 0.5, 0.7, 0.6], [0.8, 0.3, 0.6, 0.4])
    assert mean == pytest.approx(0.15)
    half = 3.182 * np.std([0.1, 0.2, 0.1, 0.2], ddof=1) / 2
    assert (low, high) == (pytest.approx(mean - half, abs=1e-3), pytest.approx(mean + half, abs=1e-3))


def test_intervals_of_paired_differences_hold_the_truth() -> None:
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(400):
        common = rng.normal(size=6)
        _, low, high = paired_difference(common + 0.3 + rng.normal(size=6), common)
        held += low <= 0.3 <= high
    assert 0.92 <= held / 400 <= 0.98
