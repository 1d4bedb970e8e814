"""Agreement of a person's dialogues: intraclass and odd-even correlations, their errors, shrinking, estimates from halves."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from personaevo import definitions
from personaevo.measure import agreement
from personaevo.measure.agreement import Measured, Ratio, Ratios
from personaevo.records import Floats


def pairs(people: int, icc: float, seed: int, features: int = 8) -> Floats:
    rng = np.random.default_rng(seed)
    person, noise = rng.normal(size=(people, 1, features)), rng.normal(size=(people, 2, features))
    return np.asarray(np.sqrt(icc) * person + np.sqrt(1 - icc) * noise)


def test_intraclass_by_hand() -> None:
    values = np.array([[1.0, 3.0], [5.0, 7.0], [4.0, 4.0]])[:, :, None]
    # means 2, 6, 4: MSB = 2 (4 + 4 + 0) / 2 = 8; MSW = (2 + 2 + 0) / 3; (8 - 4/3) / (8 + 4/3)
    found = agreement.intraclass(values)
    assert found.mean == pytest.approx(20 / 28)
    assert found.by_feature == pytest.approx([20 / 28])


def test_what_a_task_makes_everybody_do_is_no_agreement() -> None:
    values = np.array([[1.0, 3.0], [5.0, 7.0], [101.0, 103.0], [105.0, 107.0]])[:, :, None]
    # task means 4 and 104, all means 2 off: MSB = 2 * 4 * 4 / (4 - 2) = 16; MSW = 8 / 4 = 2
    assert agreement.intraclass(values, ["a", "a", "b", "b"]).mean == pytest.approx(14 / 18)
    assert agreement.intraclass(values).mean > 0.99
    assert agreement.intraclass(values, ["a", "b", "c", "d"]).mean == 0.0


def test_a_constant_feature_has_none() -> None:
    values = np.concatenate([pairs(20, 0.5, 1, 2), np.full((20, 2, 1), 0.1)], axis=2)
    found = agreement.intraclass(values)
    assert found.by_feature[2] == 0.0
    assert found.mean == pytest.approx(found.by_feature.sum() / 3)
    mask = np.array([True, False, False])
    assert agreement.intraclass(values, varying=mask).mean == found.by_feature[0]
    assert agreement.intraclass(values, varying=np.zeros(3, bool)).mean == 0.0
    assert agreement.intraclass(1e-12 * values, scale=np.ones(3)).mean == 0.0


@pytest.mark.parametrize("icc", [0.0, 0.2, 0.6])
def test_a_known_agreement_is_found_in_and_out_of_tasks(icc: float) -> None:
    found, tasks = [], np.repeat([f"t{number}" for number in range(10)], 5)
    shift = np.repeat(np.random.default_rng(0).normal(size=(10, 1, 8)), 5, axis=0)
    for seed in range(100):
        values = pairs(50, icc, seed)
        found.append([agreement.intraclass(values).mean, agreement.intraclass(values + 3 * shift, tasks).mean])
    assert np.mean(found, axis=0) == pytest.approx([icc, icc], abs=0.02)


def test_constant_personas_are_about_zero_with_both_signs_and_shrink_to_it() -> None:
    tasks = np.repeat([f"t{number}" for number in range(10)], 5)
    raw, shrunk = [], []
    for seed in range(200):
        values = pairs(50, 0.0, seed)
        c = agreement.intraclass(values, tasks).mean
        se = agreement.jackknife_se(agreement.replicates(values, tasks))
        raw.append(c)
        shrunk.append(agreement.shrunken(c, se))
    assert abs(np.mean(raw)) < 0.01
    assert 60 < sum(c > 0 for c in raw) < 140
    assert np.mean(np.abs(shrunk)) < 0.6 * np.mean(np.abs(raw))
    assert sum(c == 0 for c in shrunk) > 100


def test_replicates_are_the_figures_without_each_task() -> None:
    values = pairs(12, 0.3, 5)
    values[:, :, 2] = 1.0
    tasks = np.array(list("cabacbbacabb"))
    mask = np.array([True] * 6 + [False] * 2)
    expected = [agreement.intraclass(values[tasks != task], tasks[tasks != task], mask).mean for task in "abc"]
    assert agreement.replicates(values, tasks, mask) == pytest.approx(expected)
    assert agreement.replicates(values, ["a"] * 12).tolist() == [0.0]


def test_weighted_is_the_figure_of_calls_that_are_there_so_often() -> None:
    """A call that counts twice is two calls with equal dialogues; one that counts nothing is not there."""
    values, calls = pairs(12, 0.3, 5), np.array([2, 0, 1, 0, 2, 1, 1, 0, 2, 0, 1, 1])
    mask = np.array([True] * 6 + [False] * 2)
    weights = np.array([[1, 1, 1], [0, 1, 1], [1, 0, 1], [1, 1, 0], [2, 1, 0], [3, 1, 2], [0, 0, 1]], dtype=float)
    for row, found in zip(weights, agreement.weighted(values, calls, weights, mask), strict=True):
        drawn = [(pair, f"{call} {time}") for pair, call in enumerate(calls) for time in range(int(row[call]))]
        expected = agreement.intraclass(values[[pair for pair, _ in drawn]], [name for _, name in drawn], mask).mean
        assert found == pytest.approx(expected)
    assert agreement.weighted(values, calls, weights[1:4]) == pytest.approx(agreement.replicates(values, calls.tolist()))


def test_calls_without_pairs_do_not_count() -> None:
    values = pairs(8, 0.3, 2)
    few = agreement.weighted(values, np.repeat([0, 1], 4), np.array([[1.0, 1.0], [1.0, 0.0]]))
    many = agreement.weighted(values, np.repeat([1, 3], 4), np.array([[1.0, 1.0, 5.0, 1.0], [1.0, 1.0, 1.0, 0.0]]))
    assert many == pytest.approx(few)
    assert agreement.weighted(values, np.zeros(8, int), np.zeros((1, 1))).tolist() == [0.0]  # drawn never


def test_the_jackknife_over_tasks_says_how_far_figures_spread() -> None:
    tasks = np.repeat([f"t{number}" for number in range(10)], 5)
    drawn = [pairs(50, 0.25, seed) for seed in range(200)]
    spread = np.std([agreement.intraclass(values, tasks).mean for values in drawn])
    said = np.mean([agreement.jackknife_se(agreement.replicates(values, tasks)) for values in drawn])
    assert said == pytest.approx(spread, rel=0.15)
    assert agreement.jackknife_se(np.array([0.4])) == 0.0
    assert agreement.jackknife_se(np.array([1.0, 2.0])) == pytest.approx(0.5)


def test_shrunken_by_hand() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = agreement.shrunken(np.array([0.2, 0.2, -0.2, 0.03, 0.0, 0.3]), np.array([0.1, 0.2, 0.1, 0.05, 0.0, 0.0]))
    assert found == pytest.approx([0.2 - 0.01 / 0.2, 0.0, -0.15, 0.0, 0.0, 0.3])
    assert agreement.shrunken(0.2, 0.1) == pytest.approx(0.15)


def test_varying_wants_two_percent_away_from_the_commonest_value() -> None:
    values = np.zeros((100, 4))
    values[0, 1], values[:2, 2], values[:, 3] = 9.0, (1.0, 2.0), np.arange(100)
    assert agreement.varying(values).tolist() == [False, False, True, True]
    assert agreement.varying(np.zeros((0, 2))).tolist() == [False, False]
    assert agreement.varying(np.ones((10, 1))).tolist() == [False]


def test_retest_of_two_dialogues_each_is_the_intraclass_correlation() -> None:
    values = pairs(30, 0.4, 3)
    people = [f"p{number}" for number in range(30) for _ in range(2)]
    found = agreement.retest(values.reshape(60, -1), people)
    assert found.by_feature == pytest.approx(agreement.intraclass(values).by_feature)
    assert found.people == 30
    left_out = [agreement.intraclass(np.delete(values, number, axis=0)).mean for number in range(30)]
    assert found.se == pytest.approx(agreement.jackknife_se(np.array(left_out)))


def test_retest_by_hand_with_unequal_numbers() -> None:
    values = np.array([[1.0], [3.0], [6.0], [8.0], [7.0], [99.0]])
    found = agreement.retest(values, ["a", "a", "b", "b", "b", "alone"])
    # means 2 and 7, grand mean 5: MSB = 2 * 9 + 3 * 4 = 30; MSW = (2 + 2) / 3; k0 = 5 - 13 / 5 = 2.4
    assert found.mean == pytest.approx((30 - 4 / 3) / (30 + 1.4 * 4 / 3))
    assert found.people == 2


def test_retest_finds_a_known_agreement_of_unequal_numbers() -> None:
    rng = np.random.default_rng(4)
    found = []
    for _ in range(40):
        people = np.repeat(np.arange(80), rng.integers(1, 6, 80))
        values = np.sqrt(0.3) * rng.normal(size=(80, 6))[people] + np.sqrt(0.7) * rng.normal(size=(len(people), 6))
        found.append(agreement.retest(values, [str(person) for person in people]))
    assert np.mean([one.mean for one in found]) == pytest.approx(0.3, abs=0.02)
    assert np.mean([one.se for one in found]) == pytest.approx(np.std([one.mean for one in found]), rel=0.3)


def test_nobody_twice_is_no_agreement_of_nobody() -> None:
    assert agreement.retest(np.ones((3, 2)), ["a", "b", "c"])[1:] == (0.0, 0.0, 0)
    assert agreement.odd_even(np.ones((0, 2)), np.ones((0, 2)))[1:] == (0.0, 0.0, 0)


def test_odd_even_is_pearsons_correlation() -> None:
    rng = np.random.default_rng(6)
    odd = rng.normal(size=(40, 3))
    even = 0.5 * odd + rng.normal(size=(40, 3))
    odd[:, 2] = 0.1
    found = agreement.odd_even(odd, even)
    expected = [np.corrcoef(odd[:, column], even[:, column])[0, 1] for column in range(2)]
    assert found.by_feature == pytest.approx([*expected, 0.0])
    assert agreement.odd_even(odd, even, np.array([True, True, False])).mean == pytest.approx(np.mean(expected))
    people = [str(row // 2) for row in range(40)]
    left_out = [agreement.odd_even(*(np.delete(half, [row, row + 1], axis=0) for half in (odd, even))).mean for row in range(0, 40, 2)]
    clustered = agreement.odd_even(odd, even, people=people)
    assert (clustered.people, clustered.se) == (20, pytest.approx(agreement.jackknife_se(np.array(left_out))))


def test_halves_leave_out_the_first_turn_and_short_dialogues() -> None:
    kept, odd, even = agreement.halves([["a", "b", "c", "d"], ["a", "b", "...", "c", "d", "e"]])
    assert (kept.tolist(), odd, even) == ([1], [["b", "d"]], [["c", "e"]])


def test_odd_even_of_dialogues_leaves_out_what_their_kind_of_task_does() -> None:
    short, long = ["yes", "ok", "no", "fine", "right"], ["I would like that one please", *["this is a longer turn of words"] * 4]
    dialogues = [short, long] * 20
    people, same = [str(number) for number in range(40)], [""] * 40
    features = definitions.features()
    assert agreement.odd_even_of(dialogues, people, same, features).mean > 0.9
    assert agreement.odd_even_of(dialogues, people, ["a", "b"] * 20, features).mean == 0.0


def test_centered_by_hand() -> None:
    values = np.array([[1.0], [3.0], [10.0]])
    assert agreement.centered(values, ["a", "a", "b"]).tolist() == [[-1.0], [1.0], [0.0]]


RATIOS = Ratios(
    charity=Ratio(ratio=1.0, ratio_se=0.1, retest=0.3, retest_se=0.02), support=Ratio(ratio=0.8, ratio_se=0.05, retest=0.2, retest_se=0.03)
)


def test_what_is_assumed_lies_between_both_corpora() -> None:
    found = agreement.assumed(RATIOS)
    assert (found.kind, found.people, found.value) == ("assumed", 0, 0.25)
    assert found.low == pytest.approx(0.2 - 1.96 * 0.03, abs=1e-4)
    assert found.high == pytest.approx(0.3 + 1.96 * 0.02, abs=1e-4)
    assert found.value - 1.96 * found.se <= found.low + 1e-4
    assert found.value + 1.96 * found.se >= found.high - 1e-4


def test_an_estimate_from_halves_covers_both_ratios() -> None:
    found = agreement.estimated(Measured(np.zeros(1), 0.2, 0.01, 500), RATIOS)
    charity, support = np.hypot(0.01, 0.02), np.hypot(0.008, 0.01)
    assert (found.kind, found.people, found.value) == ("odd_even", 500, 0.2)
    assert found.low == pytest.approx(0.16 - 1.96 * support, abs=1e-4)
    assert found.high == pytest.approx(0.2 + 1.96 * charity, abs=1e-4)
    assert found.value - 1.96 * found.se <= found.low + 1e-4
    assert found.value + 1.96 * found.se >= found.high - 1e-4


def test_a_retest_is_said_with_its_interval() -> None:
    found = agreement.retested(Measured(np.zeros(1), 0.25, 0.02, 90))
    assert (found.value, found.se, found.low, found.high, found.kind, found.people) == (0.25, 0.02, 0.2108, 0.2892, "retest", 90)
