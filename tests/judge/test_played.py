"""Planned dialogues as arrays: who belongs to which call and persona, weightings of calls, pairs, failures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from judge_cases import NAMES, episodes, failing, pairs

from personaevo.judge.objectives import Played, leave_one_out
from personaevo.records import Episode, PlanItem

WORST = np.full(len(NAMES), -9.0)


def test_weights_are_all_calls_then_all_but_one_of_each() -> None:
    assert leave_one_out(3).tolist() == [[1, 1, 1], [0, 1, 1], [1, 0, 1], [1, 1, 0]]
    assert leave_one_out(1).tolist() == [[1]]


def test_calls_and_personas_are_numbered_in_order() -> None:
    places = [("a", 0), ("a", 0), ("b", 0), ("b", 0), ("a", 1)]
    played = Played.of([Episode(PlanItem(*place, index), "completed", fingerprint=(1.0,)) for index, place in enumerate(places)], WORST[:1])
    assert played.call.tolist() == [0, 0, 1, 1, 0]
    assert played.persona.tolist() == [0, 0, 1, 1, 2]
    assert played.pairs.tolist() == [[0, 1], [2, 3]]  # the last has one dialogue only
    assert played.planned == 5


def test_a_failed_dialogue_stands_for_the_worst() -> None:
    played = Played.of(failing(episodes(pairs(6, 1), calls=2), {0, 5}), WORST)
    assert played.done.tolist() == [index not in {0, 5} for index in range(12)]
    assert (played.values[[0, 5]] == WORST).all()
    assert (played.values[played.done] != WORST).all()
    assert played.pairs.tolist() == [[2, 3], [6, 7], [8, 9], [10, 11]]


def test_sums_and_means_by_hand() -> None:
    played = Played.of(episodes(pairs(3, 1), calls=3), WORST)  # two dialogues in each call
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    assert played.sums(values).tolist() == [21, 18, 14, 10]
    assert played.totals.tolist() == [6, 4, 4, 4]
    assert played.means(values) == pytest.approx([3.5, 4.5, 3.5, 2.5])
    assert played.means(np.column_stack([values, -values]))[:, 1] == pytest.approx([-3.5, -4.5, -3.5, -2.5])
    twice = replace(played, weights=np.array([[2.0, 1.0, 0.0]]))
    assert twice.means(values) == pytest.approx([(2 * 3 + 7) / 6])


@given(st.sets(st.integers(0, 23)), st.integers(1, 4))
def test_the_share_of_whole_personas_counts_all_that_were_planned(rows: set[int], calls: int) -> None:
    played = Played.of(failing(episodes(pairs(12, 1), calls), rows), WORST)
    broken = {row // 2 for row in rows}
    assert played.paired_share[0] == pytest.approx(1 - len(broken) / 12)
    for call in range(calls if calls > 1 else 0):
        others = [persona for persona in range(12) if persona % calls != call]
        assert played.paired_share[1 + call] == pytest.approx(np.mean([persona not in broken for persona in others]))
    assert len(played.pairs) == 12 - len(broken)


def test_chances_of_failed_dialogues_are_none() -> None:
    played = Played.of(failing(episodes(pairs(3, 1)), {1}), WORST)
    assert played.p_human.tolist() == [0.0] * 6  # not judged yet
