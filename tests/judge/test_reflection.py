"""Reflection: which behaviors are off and in which direction, the worst first, and never how far."""

from __future__ import annotations

import dataclasses
import re
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judge_cases import pairs as correlated

from personaevo.judge.scorer import OF_PERSONAS, Norm, gaps, in_words, reflect
from personaevo.records import Floats, Remark, Wanted

NAMES = ("one", "two", "three", "four")
NOBODY = np.empty((0, 2, 4))
CONSISTENCY = 0.4


def people(n: int = 300) -> Floats:
    """People whose behaviors are apart from one another: whitened."""
    drawn = np.random.default_rng(1).normal(size=(n, 4))
    drawn = drawn - drawn.mean(axis=0)
    return np.asarray(drawn @ np.linalg.inv(np.linalg.cholesky(np.cov(drawn.T, bias=True))).T)


def twice(n: int = 200, between: float = CONSISTENCY, within: float = 1 - CONSISTENCY) -> Floats:
    """Two dialogues of each of n personas, with these variances between and within personas."""
    rng = np.random.default_rng(3)
    return np.asarray(between**0.5 * rng.normal(size=(n, 1, 4)) + within**0.5 * rng.normal(size=(n, 2, 4)))


def remarks_on(
    population: Floats, pairs: Floats, people: Floats, names: tuple[str, ...], consistency: float | None = None
) -> tuple[Remark, ...]:
    return reflect(population, pairs, Norm.of(people), names, consistency)


def wanted(remarks: tuple[Remark, ...]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for remark in remarks:
        found.setdefault(remark.feature, set()).add(remark.wanted)
    return found


def of_pairs(pairs: Floats) -> dict[str, set[str]]:
    return wanted(remarks_on(pairs.reshape(-1, 4), pairs, people(), NAMES, CONSISTENCY))


# -- how much, how far apart -----------------------------------------------------------------------------------------------------


def test_remarks_name_the_direction_the_worst_first() -> None:
    population = people() + np.array([2.0, -1.0, 0.1, 0.0])
    assert remarks_on(population, NOBODY, people(), NAMES) == (Remark("one", "less"), Remark("two", "more"))


def test_remarks_on_how_much_people_differ() -> None:
    population = people() * np.array([1.0, 0.2, 4.0, 1.1])
    assert set(remarks_on(population, NOBODY, people(), NAMES)) == {Remark("two", "wider"), Remark("three", "narrower")}


def test_nothing_to_say_of_people() -> None:
    assert remarks_on(people(), NOBODY, people(), NAMES) == ()
    assert remarks_on(people()[:1] + 9, NOBODY, people(), NAMES) == ()
    assert remarks_on(np.empty((0, 4)), NOBODY, people(), NAMES) == ()
    assert of_pairs(twice(2000)) == {}


def test_behaviors_that_people_never_show() -> None:
    humans = np.column_stack([people(), np.zeros(300)])
    population = np.column_stack([people(), np.full(300, 0.5)])
    assert remarks_on(population, np.empty((0, 2, 5)), humans, (*NAMES, "five")) == (Remark("five", "less"),)
    nobody = remarks_on(humans, np.stack([humans, humans], axis=1), humans, (*NAMES, "five"), CONSISTENCY)
    assert "five" not in wanted(nobody)


# -- between personas, and inside one --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("between", "within", "expected"),
    [
        (0.05, 0.6, {"apart"}), (2.5, 0.6, {"alike"}), (0.4, 0.05, {"looser"}), (0.4, 4.0, {"steadier"}),
        (0.0, 0.05, {"apart", "looser"}), (3.0, 4.0, {"alike", "steadier"}), (0.05, 3.0, {"apart", "steadier"}),
    ],
)  # fmt: skip
def test_remarks_on_personas(between: float, within: float, expected: set[str]) -> None:
    found = of_pairs(twice(4000, between, within))
    assert set(found) == set(NAMES)
    assert all(said == expected for said in found.values())


def test_a_constant_program_is_told_to_set_personas_apart_and_to_loosen_each() -> None:
    assert of_pairs(np.zeros((50, 2, 4))) == {name: {"apart", "looser"} for name in NAMES}


def test_of_few_pairs_only_the_spread_is_spoken_of() -> None:
    few = twice(200, 0.05, 0.05)
    assert set.union(*wanted(remarks_on(few.reshape(-1, 4), few[:2], people(), NAMES, CONSISTENCY)).values()) == {"wider"}
    assert set.union(*wanted(remarks_on(few.reshape(-1, 4), few, people(), NAMES, None)).values()) == {"wider"}


# -- what goes together --------------------------------------------------------------------------------------------------------


def test_remarks_on_what_goes_together() -> None:
    tied = people().copy()
    tied[:, 1] = 0.6 * tied[:, 0] + 0.8 * tied[:, 1]
    assert remarks_on(people(), NOBODY, tied, NAMES) == (Remark("one~two", "together"),)
    assert remarks_on(tied, NOBODY, people(), NAMES) == (Remark("one~two", "opposed"),)
    assert remarks_on(tied, NOBODY, tied, NAMES) == ()


def test_of_many_couplings_the_strongest_are_said() -> None:
    names = tuple("abcdef")
    humans = correlated(400, 1).reshape(-1, 6)
    apart = np.column_stack([np.random.default_rng(number).permutation(column) for number, column in enumerate(humans.T)])
    found = [remark for remark in remarks_on(apart, np.empty((0, 2, 6)), humans, names) if "~" in remark.feature]
    assert 0 < len(found) <= 6
    assert {remark.wanted for remark in found} == {"together"}


# -- all ---------------------------------------------------------------------------------------------------------------------------


@settings(max_examples=50)
@given(st.lists(st.floats(-3, 3), min_size=4, max_size=4), st.lists(st.floats(0.1, 5), min_size=4, max_size=4))
def test_a_behavior_has_one_remark_with_the_right_sign_and_no_number(shift: list[float], scale: list[float]) -> None:
    population = people() * np.array(scale) + np.array(shift)
    remarks = remarks_on(population, NOBODY, people(), NAMES)
    assert len({remark.feature for remark in remarks}) == len(remarks)
    assert [field.name for field in dataclasses.fields(Remark)] == ["feature", "wanted"]
    off = dict(zip(NAMES, population.mean(axis=0), strict=True))
    for remark in remarks:
        if remark.wanted in {"less", "more"}:
            assert (off[remark.feature] > 0) == (remark.wanted == "less")
        else:
            assert (scale[NAMES.index(remark.feature)] > 1) == (remark.wanted == "narrower")
    far = [round(abs(off[remark.feature]), 9) for remark in remarks if remark.wanted in {"less", "more"}]
    assert far == sorted(far, reverse=True)


@settings(max_examples=30)
@given(st.floats(0, 4), st.floats(0, 4), st.floats(-2, 2))
def test_what_is_said_is_not_contradicted(between: float, within: float, shift: float) -> None:
    for said in of_pairs(twice(60, between, within) + shift).values():
        for pair in (("more", "less"), ("apart", "alike"), ("steadier", "looser"), ("together", "opposed"), ("wider", "narrower")):
            assert not said >= set(pair)


def test_words_have_no_numbers() -> None:
    for kind in get_args(Wanted):
        feature = "words_per_turn~short_rate" if kind in {"together", "opposed"} else "words_per_turn"
        line = in_words(Remark(feature, kind))
        assert re.fullmatch(r"[a-z :]+", line), line
        assert line.startswith("words per turn and short rate: " if "~" in feature else "words per turn: ")
    assert set(get_args(Wanted)) - OF_PERSONAS == {"more", "less", "wider", "narrower"}


def test_gaps_have_the_numbers_of_behaviors() -> None:
    population = people() * np.array([1.0, 0.2, 1.0, 1.0]) + np.array([2.0, 0.0, 0.0, 0.0])
    first, second = gaps(population, Norm.of(people()), NAMES)
    assert (first.feature, second.feature) == ("one", "two")
    assert (first.people_mean, first.mean, first.people_sd) == pytest.approx((0.0, 2.0, 1.0))
    assert (second.sd, second.words) == (pytest.approx(0.2), "people differ more in it")
