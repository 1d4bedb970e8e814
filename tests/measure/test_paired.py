"""Paired differences: bootstrap intervals, sign-flip tests, Holm's correction."""

from __future__ import annotations

import numpy as np
import pytest

from personaevo.measure.stats import bootstrap_interval, holm, sign_flip_p, unit_means


def test_units_count_the_same_however_often_they_were_measured() -> None:
    assert unit_means([1.0, 3.0, 10.0], ["a", "a", "b"]) == pytest.approx([2.0, 10.0])


@pytest.mark.parametrize("n", [8, 12, 30])
def test_intervals_hold_the_truth_as_often_as_they_say(n: int) -> None:
    rng = np.random.default_rng(n)
    held = 0
    for _ in range(300):
        low, high = bootstrap_interval(rng.normal(0.4, 1.0, n), draws=600)
        held += low <= 0.4 <= high
    assert 0.91 <= held / 300 <= 0.985


def test_intervals_are_near_students_and_the_same_each_time() -> None:
    values = np.random.default_rng(1).normal(size=20)
    low, high = bootstrap_interval(values, seed=3)
    assert (low, high) == bootstrap_interval(values, seed=3) != bootstrap_interval(values, seed=4)
    half = 2.093 * values.std(ddof=1) / 20**0.5
    assert (low, high) == (pytest.approx(values.mean() - half, abs=0.06), pytest.approx(values.mean() + half, abs=0.06))


def test_an_interval_moves_and_scales_with_the_values() -> None:
    values = np.random.default_rng(2).normal(size=15)
    low, high = bootstrap_interval(values)
    assert bootstrap_interval(2 * values + 5) == (pytest.approx(2 * low + 5), pytest.approx(2 * high + 5))
    assert bootstrap_interval(np.full(6, 0.3)) == (pytest.approx(0.3), pytest.approx(0.3))


@pytest.mark.parametrize(
    ("values", "p"),
    [
        ([1.0, 1.0, 1.0, 1.0, 1.0], 2 / 32),  # only all plus and all minus are as far
        ([1.0, 2.0, 3.0], 2 / 8),
        ([1.0, 2.0, -3.0], 1.0),
        ([3.0, 2.0, -1.0], 4 / 8),  # 6, 4, and both turned round
        ([0.1, 0.2, 0.3, 0.1 + 0.2], 2 / 16),  # equal sums although floats differ
    ],
)
def test_exact_p_values_are_counted_by_hand(values: list[float], p: float) -> None:
    assert sign_flip_p(np.array(values)) == pytest.approx(p)


def test_many_units_are_tossed_and_agree_with_the_count() -> None:
    values = np.random.default_rng(5).normal(0.5, 1.0, 12)
    exact = sign_flip_p(values)
    assert sign_flip_p(np.append(values, 0.0), seed=1) == pytest.approx(exact, abs=0.02)
    assert sign_flip_p(np.ones(40)) == pytest.approx(1e-4)  # the observed one is counted in, so never 0


def test_p_values_are_uniform_where_nothing_changed() -> None:
    rng = np.random.default_rng(7)
    p = np.array([sign_flip_p(rng.normal(size=9)) for _ in range(400)])
    assert (p <= 0.05).mean() == pytest.approx(0.05, abs=0.03)
    assert p.mean() == pytest.approx(0.5, abs=0.05)


def test_holm_is_the_textbooks() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []
