"""The auditor: people against people are a coin, what is told apart is told apart, and nobody is on both sides of a fold."""

from __future__ import annotations

import numpy as np
import pytest
from judge_cases import NAMES, people_of

from personaevo.judge.uncertainty import Sample, seen, tell_apart


def people(n: int, seed: int) -> Sample:
    found = people_of(n, seed)
    return Sample(found.values, found.persons)


def played(values: object, calls: int) -> Sample:
    rows = np.asarray(values)
    return Sample(rows, tuple(f"task {index % calls}" for index in range(len(rows))))


def test_people_are_not_told_from_people() -> None:
    found = [tell_apart(people(60, seed), people(60, seed + 50), seed)[0] for seed in range(4)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.06)


def test_others_are_told_from_people() -> None:
    values = np.random.default_rng(1).normal(size=(120, len(NAMES))) * 0.2
    auc, low, high = tell_apart(people(60, 1), played(values, 8))
    assert auc > 0.9
    assert 0.5 < low <= auc <= high <= 1.0


def test_correlations_are_seen() -> None:
    """Another sample of people with the sign of one behavior turned: its marginals are the same."""
    values = people_of(150, 7).values * np.array([-1.0, *[1.0] * (len(NAMES) - 1)])
    assert tell_apart(people(150, 1), played(values, 10))[0] > 0.6


def test_owners_do_not_leak() -> None:
    """Each person and call has a mark of its own; with rows dealt out singly the forest would know them all."""
    rng = np.random.default_rng(3)
    marks = np.repeat(rng.normal(size=(40, 20)), 5, axis=0) + rng.normal(scale=0.01, size=(200, 20))
    ours = Sample(marks[:100], tuple(str(index // 5) for index in range(100)))
    theirs = Sample(marks[100:], tuple(str(index // 5) for index in range(100)))  # the same names: a call is no person
    assert 0.3 < tell_apart(ours, theirs)[0] < 0.7


def test_both_are_cut_to_equal_numbers() -> None:
    many, few = people(80, 1), people(30, 2)
    assert len(many.at_most(25, 1).owners) == len(many.at_most(25, 1).values) == 25
    assert few.at_most(500, 1) is few
    cut = many.at_most(25, 1)
    assert cut.owners == many.at_most(25, 1).owners != many.at_most(25, 2).owners
    known = {tuple(row): who for row, who in zip(many.values, many.owners, strict=True)}
    assert all(known[tuple(row)] == who for row, who in zip(cut.values, cut.owners, strict=True))
    assert tell_apart(many, few, 4) == tell_apart(many, few, 4)


def test_dialogues_of_one_call_count_as_one() -> None:
    """The same dialogues, alike within six calls: taken for sixty calls they would say more than they do."""
    values = people_of(60, 5).values + np.random.default_rng(1).normal(size=(6, len(NAMES)))[np.arange(120) % 6]
    few, many = (tell_apart(people(60, 1), played(values, calls)) for calls in (6, 60))
    assert few[2] - few[1] > many[2] - many[1]


def test_no_occasion_for_a_habit_is_seen_as_such() -> None:
    assert seen(np.array([[np.nan, 0.5]])).tolist() == [[-1.0, 0.5]]
