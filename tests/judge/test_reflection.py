"""Reflection: which behaviors are off and in which direction, the worst first, and never how far."""

from __future__ import annotations

import dataclasses

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from personaevo.judge.reflection import reflect
from personaevo.records import Floats, Remark

NAMES = ("one", "two", "three", "four")


def people(n: int = 300) -> Floats:
    drawn = np.random.default_rng(1).normal(size=(n, 4))
    return np.asarray((drawn - drawn.mean(axis=0)) / drawn.std(axis=0))


def test_remarks_name_the_direction_the_worst_first() -> None:
    population = people() + np.array([2.0, -1.0, 0.1, 0.0])
    assert reflect(population, people(), NAMES) == (Remark("one", "less"), Remark("two", "more"))


def test_remarks_on_how_much_people_differ() -> None:
    population = people() * np.array([1.0, 0.2, 4.0, 1.1])
    assert set(reflect(population, people(), NAMES)) == {Remark("two", "wider"), Remark("three", "narrower")}


def test_nothing_to_say_of_people() -> None:
    assert reflect(people(), people(), NAMES) == ()
    assert reflect(people()[:1] + 9, people(), NAMES) == ()
    assert reflect(np.empty((0, 4)), people(), NAMES) == ()


def test_behaviors_that_people_never_show() -> None:
    humans = np.column_stack([people(), np.zeros(300)])
    population = np.column_stack([people(), np.full(300, 0.5)])
    assert reflect(population, humans, (*NAMES, "five")) == (Remark("five", "less"),)


@settings(max_examples=50)
@given(st.lists(st.floats(-3, 3), min_size=4, max_size=4), st.lists(st.floats(0.1, 5), min_size=4, max_size=4))
def test_a_behavior_has_one_remark_with_the_right_sign_and_no_number(shift: list[float], scale: list[float]) -> None:
    population = people() * np.array(scale) + np.array(shift)
    remarks = reflect(population, people(), NAMES)
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
